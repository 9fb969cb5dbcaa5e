"""Passwords out of the file to which a FIX engine writes every message, Logons included."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Final

_PASSWORD: Final = re.compile(rb"(?<=\x01(?:554|925)=)[^\x01\n]+")
"""Value of Password (554) or NewPassword (925)."""
_TAIL: Final = 1 << 20
"""Bytes before the file's end that are looked at: a Logon is hidden soon after it was written."""

_log: Final = logging.getLogger(__name__)


def hide_passwords(path: Path) -> None:
    """Overwrite the passwords of the newest messages with as many asterisks. A missing file has none.

    In place: the engine only ever appends, and may do so meanwhile. What cannot be overwritten is logged.
    """
    try:
        with path.open("r+b") as file:
            start = max(0, file.seek(0, 2) - _TAIL)
            file.seek(start)
            for found in _PASSWORD.finditer(file.read()):
                file.seek(start + found.start())
                file.write(b"*" * len(found[0]))
    except FileNotFoundError:
        pass
    except OSError as error:
        _log.error("%s: the passwords in it cannot be overwritten (%s): do so by hand", path, error.strerror)
