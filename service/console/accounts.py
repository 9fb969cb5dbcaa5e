"""Who may use the console: people with roles and argon2id hashes of their passwords or tokens, in a file.

What a role may do here is convenience and a first line: what takes two people is verified by the gateway,
with a proof that the console cannot make (``docs/console.md``).
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import os
import re
import stat
import time
import tomllib
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from service.model.reference import Name
from service.model.time import SECOND

SHORTEST_PASSWORD: Final = 12
_LONGEST_PASSWORD: Final = 1024

_HASHER: Final = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=1)
"""RFC 9106's second recommendation in one lane: 64 MiB and about 0.1 s for each guess."""


class AccountsError(ValueError):
    """The file of users cannot be used; the message says where and what to do."""


class Role(enum.StrEnum):
    """What somebody is here."""

    VIEWER = "viewer"
    TRADER = "trader"
    DESK_HEAD = "desk_head"
    RISK = "risk"
    ADMIN = "admin"
    ALERTS = "alerts"


class Right(enum.StrEnum):
    """What can be done here."""

    SEE = "see"
    TRADE = "trade"
    TRADE_DESK = "trade_desk"
    KILL = "kill"
    COUNTERSIGN = "countersign"
    ACKNOWLEDGE = "acknowledge"
    RECONCILE = "reconcile"
    ALERT = "alert"


RIGHTS: Final[dict[Role, frozenset[Right]]] = {
    Role.VIEWER: frozenset({Right.SEE}),
    Role.TRADER: frozenset({Right.SEE, Right.TRADE, Right.KILL, Right.ACKNOWLEDGE}),
    Role.DESK_HEAD: frozenset(
        {Right.SEE, Right.TRADE, Right.TRADE_DESK, Right.KILL, Right.ACKNOWLEDGE, Right.COUNTERSIGN}
    ),
    Role.RISK: frozenset({Right.SEE, Right.KILL, Right.COUNTERSIGN, Right.ACKNOWLEDGE, Right.RECONCILE}),
    Role.ADMIN: frozenset({Right.SEE}),
    Role.ALERTS: frozenset({Right.ALERT}),
}
"""Whoever runs the machine neither trades nor lifts a kill, and whoever only trades lifts none; ``alerts`` is
Alertmanager."""


class User(BaseModel):
    """One person, or one machine.

    Attributes:
        trader: Their name in the reference file, under which they trade.
        password: argon2id, as ``slipstream users add`` writes it; empty for a machine.
        token: SHA-256 of a random bearer token, in hex; empty for a person.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    roles: Annotated[tuple[Role, ...], Field(min_length=1)]
    trader: Annotated[str, Field(pattern=r"^[A-Za-z0-9._/-]{0,32}$")] = ""
    password: Annotated[str, Field(pattern=r"^(\$argon2id\$\S+)?$", max_length=256)] = ""
    token: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""

    @model_validator(mode="after")
    def _can_be_told(self) -> User:
        if not self.password and not self.token:
            raise ValueError("has neither password nor token; make one with `slipstream users add`")
        return self

    @cached_property
    def rights(self) -> frozenset[Right]:
        return frozenset().union(*(RIGHTS[role] for role in self.roles))


class Accounts(BaseModel):
    """Everybody in the file.

    Attributes:
        development: Marks the file of a checkout, whose passwords are in its documentation.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    development: bool = False
    users: tuple[User, ...] = ()

    @model_validator(mode="after")
    def _are_different(self) -> Accounts:
        for kind in ("name", "token"):
            given = [getattr(user, kind) for user in self.users if getattr(user, kind)]
            if doubles := sorted({one for one in given if given.count(one) > 1}):
                shown = ", ".join(doubles) if kind == "name" else "a token"
                raise ValueError(f"{kind}: {shown} is there twice")
        return self

    @cached_property
    def by_name(self) -> dict[str, User]:
        return {user.name: user for user in self.users}

    def by_token(self, token: str) -> User | None:
        """Whose bearer token this is."""
        digest = token_digest(token)
        found = None
        for user in self.users:
            if user.token and hmac.compare_digest(user.token, digest):
                found = user
        return found


def parse_accounts(text: str, where: str) -> Accounts:
    """Users from TOML text.

    Raises:
        AccountsError: Naming ``where`` and the field, and never what stands in a hash's place.
    """
    try:
        return Accounts.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"\(at .*\)$", str(error))
        raise AccountsError(f"{where}: not TOML {place.group(0) if place else ''}".rstrip()) from None
    except RecursionError:
        raise AccountsError(f"{where}: cannot be read: brackets stand too deep in each other") from None
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors(include_input=False)
        )
        raise AccountsError(f"{where}: {wrong}") from None
    except ValueError:  # of which both of the above are kinds, too
        raise AccountsError(f"{where}: cannot be read: a number has thousands of digits") from None


def read_accounts(path: Path, *, exposed: bool) -> Accounts:
    """Users from a file that nobody else can write.

    Args:
        exposed: The console can be reached from other machines: a development file will not do.

    Raises:
        AccountsError: If it cannot be read, others can write it, or it is not for this console.
    """
    try:
        about = path.stat()
        accounts = parse_accounts(path.read_text(), str(path))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise AccountsError(
            f"file of users {path}: {reason}; make one with `slipstream users add NAME --file {path}`"
        ) from None
    if accounts.development:
        if exposed:
            raise AccountsError(
                f"{path} is for development, with passwords that everybody knows, and this console can be "
                "reached from other machines: make a file with `slipstream users add` and give it as --users"
            )
        return accounts
    if about.st_uid not in (0, os.geteuid()) or stat.S_IMODE(about.st_mode) & 0o022:
        raise AccountsError(f"{path}: others can write it; own it and `chmod go-w` it")
    return accounts


class AccountsFile:
    """The file of users as it is now: read again whenever it, or who may write it, has changed.

    Args:
        exposed: As of ``read_accounts``.

    Raises:
        AccountsError: When called, if it cannot be used.
    """

    def __init__(self, path: Path, *, exposed: bool) -> None:
        self._path = path
        self._exposed = exposed
        self._read: tuple[tuple[int, ...], Accounts] | None = None

    def __call__(self) -> Accounts:
        try:
            about = self._path.stat()
        except OSError:
            self._read = None
            return read_accounts(self._path, exposed=self._exposed)
        # The time of change cannot be set back, as that of writing can.
        mark = (about.st_ino, about.st_dev, about.st_ctime_ns, about.st_mtime_ns, about.st_size)
        if self._read is not None and self._read[0] == mark:
            return self._read[1]
        self._read = None
        found = read_accounts(self._path, exposed=self._exposed)
        # One that has just been written may be written again within the same tick of the kernel's clock.
        if time.time_ns() - about.st_ctime_ns > SECOND:
            self._read = mark, found
        return found


def hashed(password: str) -> str:
    """What is stored of a password."""
    return _HASHER.hash(password)


NOBODY: Final = (
    "$argon2id$v=19$m=65536,t=3,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)
"""Takes as long to compare with as anybody's, and is nobody's."""


def matches(password: str, stored: str) -> bool:
    """Whether this is the password; takes about 0.1 s, without the interpreter's lock."""
    if len(password) > _LONGEST_PASSWORD:
        return False
    try:
        return _HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


def token_digest(token: str) -> str:
    """What is stored of a token; it is random, so that a quick digest is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


_HEAD: Final = "# Users of the console. Made by `slipstream users add`; see docs/console.md.\n"


def add_user(
    path: Path, name: str, roles: tuple[Role, ...], trader: str, *, password: str = "", token: str = ""
) -> Accounts:
    """Write a user into a file, making it if need be, for the owner's eyes alone.

    Raises:
        AccountsError: If the password is too short or the user cannot be added; the file is as it was.
    """
    if not token and not SHORTEST_PASSWORD <= len(password) <= _LONGEST_PASSWORD:
        raise AccountsError(f"a password has at least {SHORTEST_PASSWORD} characters")
    try:
        before = path.read_text() if path.exists() else _HEAD
    except (OSError, UnicodeDecodeError) as error:
        raise AccountsError(f"{path}: {error}") from None
    secret = f'token = "{token_digest(token)}"' if token else f'password = "{hashed(password)}"'
    listed = ", ".join(f'"{role.value}"' for role in roles)
    text = (
        f'{before.rstrip()}\n\n[[users]]\nname = "{name}"\nroles = [{listed}]\n'
        f'trader = "{trader}"\n{secret}\n'
    )
    accounts = parse_accounts(text, str(path))
    new = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    return accounts
