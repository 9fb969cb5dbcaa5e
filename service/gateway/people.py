"""Who may lift a kill or change a limit: people, with salted hashes of their secrets, in a file.

A secret is never stored, logged or journalled. Each person acts from processes of an operating-system user of
their own, for which the kernel vouches, so that one process that holds two secrets is not two people. The
exception is a file marked ``development``: there two processes of one user are two people, and nothing but
the broker simulator may be traded with.
"""

from __future__ import annotations

import base64
import enum
import hashlib
import hmac
import os
import re
import secrets
import stat
import tomllib
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from service.gateway.proofs import public_key
from service.model.reference import Name

SIMULATOR: Final = "BROKERSIM"
"""TargetCompID (56) of the broker simulator."""

SHORTEST_SECRET: Final = 12
_LONGEST_SECRET: Final = 1024
_N, _R, _P = 1 << 15, 8, 1
"""scrypt (RFC 7914): 32 MiB and about 0.1 s for each guess."""
_MOST_MEMORY: Final = 1 << 28
_MOST_PASSES: Final = 16
"""Of scrypt: beyond either, a single guess would keep the gateway busy for seconds."""
_MOST_ROUNDS: Final = 10_000_000
"""Of PBKDF2: a page needs seconds for so many."""
_DIGEST: Final = 32
"""Bytes of a hash, and of a public key."""


class PeopleFileError(ValueError):
    """The file of people cannot be used; the message says where and what to do."""


class May(enum.StrEnum):
    """What two people can do together."""

    RELEASE = "release"
    LIMITS = "limits"
    ARM = "arm"
    BOOK = "book"
    OVERRIDE = "override"


class Person(BaseModel):
    """One person.

    Attributes:
        user: Name (or number, where it has none) of the operating-system user whose processes act for them.
        secret: ``scrypt$N$R$P$SALT$HASH``, salt and hash in base64.
        key: ``ed25519$ROUNDS$SALT$PUBLIC`` of the same secret, for proofs that come through a console.
            Without it this person proposes and approves on the gateway's own machine alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    user: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]*$", max_length=64)] = ""
    may: tuple[May, ...] = ()
    secret: Annotated[
        str,
        Field(
            pattern=r"^scrypt\$[0-9]{4,7}\$[0-9]{1,2}\$[0-9]{1,2}\$[A-Za-z0-9+/=]{22,}\$[A-Za-z0-9+/=]{43,}$"
        ),
    ]
    key: Annotated[
        str, Field(pattern=r"^(ed25519\$[0-9]{6,8}\$[A-Za-z0-9+/=]{22,}\$[A-Za-z0-9+/=]{43,})?$")
    ] = ""

    @field_validator("secret")
    @classmethod
    def _can_be_verified(cls, stored: str) -> str:
        _, n, r, p, salt, digest = stored.split("$")
        memory = int(n) * int(r) * 128
        if int(n).bit_count() != 1 or not 1 << 20 <= memory <= _MOST_MEMORY or not 0 < int(p) <= _MOST_PASSES:
            raise ValueError("its scrypt numbers are none that `slipstream people add` writes")
        _decoded(salt)
        if len(_decoded(digest)) != _DIGEST:
            raise ValueError("it ends in no hash of scrypt")
        return stored

    @field_validator("key")
    @classmethod
    def _is_a_key(cls, stored: str) -> str:
        if stored:
            _, rounds, salt, key = stored.split("$")
            _decoded(salt)
            if int(rounds) > _MOST_ROUNDS or len(_decoded(key)) != _DIGEST:
                raise ValueError("it is no key that `slipstream people add` writes")
        return stored


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise ValueError("it is not base64 to its end") from None


class People(BaseModel):
    """Everybody in the file.

    Attributes:
        development: Marks the file of a checkout, whose secrets are in its documentation.
        consoles: Operating-system users whose processes may hand on people's proofs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    development: bool = False
    consoles: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$", max_length=64)], ...] = ()
    people: tuple[Person, ...] = ()

    @model_validator(mode="after")
    def _are_different_people(self) -> People:
        names = [person.name for person in self.people]
        users = [person.user for person in self.people]
        for kind, given in (("name", names), ("user", [] if self.development else users)):
            for one in given:
                if given.count(one) > 1 or not one:
                    raise ValueError(f"{kind} {one!r}: every person has one, and none is there twice")
        keys = [person.key for person in self.people if person.key]
        if len(set(keys)) < len(keys):
            raise ValueError(
                "key: two people have one key; each makes their own with `slipstream people add`"
            )
        return self

    @cached_property
    def by_name(self) -> dict[str, Person]:
        return {person.name: person for person in self.people}


def parse_people(text: str, where: str) -> People:
    """People from TOML text.

    Raises:
        PeopleFileError: Naming ``where`` and the field, and never what stands in a secret's place.
    """
    try:
        return People.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise PeopleFileError(f"{where}: not TOML: {_place(error)}") from None
    except RecursionError:
        raise PeopleFileError(f"{where}: cannot be read: brackets stand too deep in each other") from None
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors(include_input=False)
        )
        raise PeopleFileError(f"{where}: {wrong}") from None
    except ValueError:  # of which both of the above are kinds, too
        raise PeopleFileError(f"{where}: cannot be read: a number has thousands of digits") from None


def _place(error: tomllib.TOMLDecodeError) -> str:
    found = re.search(r"\(at .*\)$", str(error))
    return found.group(0) if found else "somewhere"


def read_people(path: Path, *, simulator: bool) -> People:
    """People from a file that nobody else can write.

    Args:
        simulator: We trade with the broker simulator: a development file will do.

    Raises:
        PeopleFileError: If it cannot be read, others can write it, or it is not for what is traded.
    """
    try:
        about = path.stat()
        people = parse_people(path.read_text(), str(path))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise PeopleFileError(f"file of people {path}: {reason}; see docs/kill.md") from None
    if people.development:
        if not simulator:
            raise PeopleFileError(
                f"{path} is for development, with secrets that everybody knows, and this is not the broker "
                "simulator: make a file with `slipstream people add` and give it as --people"
            )
        return people
    if about.st_uid not in (0, os.geteuid()) or stat.S_IMODE(about.st_mode) & 0o022:
        raise PeopleFileError(f"{path}: others can write it; own it and `chmod go-w` it")
    return people


def hashed(secret: str, salt: bytes = b"") -> str:
    """What is stored of a secret."""
    salt = salt or secrets.token_bytes(16)
    digest = _scrypt(secret, salt, _N, _R, _P)
    return f"scrypt${_N}${_R}${_P}${_text(salt)}${_text(digest)}"


def matches(secret: str, stored: str) -> bool:
    """Whether this is the secret; takes about 0.1 s, without the interpreter's lock."""
    _, n, r, p, salt, digest = stored.split("$")
    try:
        found = _scrypt(secret, base64.b64decode(salt), int(n), int(r), int(p))
    except ValueError:
        return False
    return hmac.compare_digest(found, base64.b64decode(digest))


NOBODY: Final = "scrypt$32768$8$1$AAAAAAAAAAAAAAAAAAAAAA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
"""Takes as long to compare with as anybody's, and is nobody's."""


def _scrypt(secret: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    if len(secret) > _LONGEST_SECRET:
        raise ValueError("too long for a secret")
    return hashlib.scrypt(secret.encode(), salt=salt, n=n, r=r, p=p, maxmem=256 * n * r, dklen=_DIGEST)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def add_person(path: Path, name: str, user: str, may: tuple[May, ...], secret: str) -> People:
    """Write a person into a file of people, making it if need be, for the owner's eyes alone.

    Raises:
        PeopleFileError: If the secret is too short or the person cannot be added; the file is as it was.
    """
    if not SHORTEST_SECRET <= len(secret) <= _LONGEST_SECRET:
        raise PeopleFileError(f"a secret has at least {SHORTEST_SECRET} characters")
    try:
        before = path.read_text() if path.exists() else _HEAD
    except (OSError, UnicodeDecodeError) as error:
        raise PeopleFileError(f"{path}: {error}") from None
    allowed = ", ".join(f'"{one.value}"' for one in may)
    text = (
        f'{before.rstrip()}\n\n[[people]]\nname = "{name}"\nuser = "{user}"\nmay = [{allowed}]\n'
        f'secret = "{hashed(secret)}"\nkey = "{public_key(secret)}"\n'
    )
    people = parse_people(text, str(path))
    new = path.with_name(f".{path.name}.{os.getpid()}")
    _write(new, text)
    new.replace(path)
    return people


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


_HEAD: Final = """\
# People who, two at a time, lift kills and change limits. Made by `slipstream people add`; see docs/kill.md.
"""


def table(people: People) -> list[dict[str, Any]]:
    """Who is in it, without the secrets."""
    return [
        {"name": person.name, "user": person.user, "may": [one.value for one in person.may]}
        for person in people.people
    ]
