"""Zip archives of text rows, checked whole before the first row is used."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from service.feeds.source import SourceError

_BLOCK = 1 << 20


def members(path: Path) -> list[str]:
    """Names in the archive.

    Raises:
        SourceError: If it is no zip file, or cut short.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except zipfile.BadZipFile as error:
        raise SourceError(f"{path}: not a whole zip file ({error}); fetch it again") from error
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror or error}") from error


def verify(path: Path, name: str) -> None:
    """Read a member to its end against its checksum.

    Raises:
        SourceError: If it is damaged, so that a bad file is known before any of it was published.
    """
    try:
        with zipfile.ZipFile(path) as archive, archive.open(name) as member:
            while member.read(_BLOCK):
                pass
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError) as error:
        raise SourceError(f"{path}: {name}: damaged ({error}); fetch it again") from error


def rows(path: Path, name: str) -> Iterator[bytes]:
    """The lines of a member, ends included.

    Raises:
        SourceError: If it cannot be read after all.
    """
    try:
        with zipfile.ZipFile(path) as archive, archive.open(name) as member:
            yield from io.BufferedReader(cast("io.RawIOBase", cast("BinaryIO", member)), _BLOCK)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise SourceError(f"{path}: {name}: {error}") from error
