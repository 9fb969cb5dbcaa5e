"""Who we are at a counterparty: from the environment, or a file that it names; no setting holds it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from service.fix.messages import FixConfigError

_SENDABLE: Final = re.compile(r"[ -~]+")


class Credentials(NamedTuple):
    """Username (553) and Password (554); empty is not sent."""

    username: str
    password: str

    def __repr__(self) -> str:
        return f"Credentials({self.username!r}, {'***' if self.password else ''!r})"


def read_credentials(prefix: str, environment: Mapping[str, str] = os.environ) -> Credentials:
    """``PREFIX_USERNAME`` and ``PREFIX_PASSWORD``; either may be in the file that ``..._FILE`` names.

    Raises:
        FixConfigError: If a file cannot be used, both ways are taken, or FIX cannot carry the value, which
            itself is never told.
    """
    return Credentials(_value(f"{prefix}_USERNAME", environment), _value(f"{prefix}_PASSWORD", environment))


def _value(name: str, environment: Mapping[str, str]) -> str:
    value, file = environment.get(name, ""), environment.get(f"{name}_FILE", "")
    if value and file:
        raise FixConfigError(f"{name} and {name}_FILE are both set: take one")
    where = name
    if file:
        where = f"{name}_FILE {file}"
        try:
            # Editors and `echo` end the only line of a file.
            value = Path(file).read_text(encoding="ascii").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not ASCII"
            raise FixConfigError(f"{where}: {reason}") from None
        if not value:
            raise FixConfigError(f"{where}: it is empty")
    if value and not _SENDABLE.fullmatch(value):
        raise FixConfigError(f"{where}: it has a character that FIX cannot carry")
    return value
