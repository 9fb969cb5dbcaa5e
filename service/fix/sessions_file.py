"""The sessions file: who our counterparties are and how each wants its session, a table each."""

from __future__ import annotations

import difflib
import re
import tomllib
import typing
from pathlib import Path
from typing import Any, Final

import msgspec

from service.fix.config import FixConfig, Tls
from service.fix.messages import FixConfigError

SESSIONS: Final = "sessions.toml"
_NOT_HERE: Final = frozenset({"store_dir", "log_dir"})
"""These belong to a run, not to a counterparty."""
_PATHS: Final = frozenset({"dialects", "dictionary", "template"})
_TYPES: Final = typing.get_type_hints(FixConfig)
FIELDS: Final = tuple(name for name in FixConfig.__struct_fields__ if name not in _NOT_HERE)
"""What a table may have."""
_TLS_FIELDS: Final = Tls.__struct_fields__
_TABLE: Final = re.compile(r"\s*\[\s*([^\]]+?)\s*\]")
_KEY: Final = re.compile(r"\s*([A-Za-z0-9_-]+)\s*=")
_FIRST_WORD: Final = re.compile(r"\w+")


def load_session(path: Path, name: str, *, store_dir: Path, log_dir: Path, **given: Any) -> FixConfig:
    """The session of that name.

    Args:
        path: Paths in it are relative to its folder.
        given: Fields that win over the file, such as those of a command line; ``None`` is not given.

    Raises:
        FixConfigError: Naming file, line, table and field.
    """
    try:
        text = path.read_text(encoding="utf-8")
        tables = tomllib.loads(text)
    except OSError as error:
        raise FixConfigError(f"sessions file {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FixConfigError(f"sessions file {path}: {error}") from error
    except (ValueError, RecursionError) as error:
        what = f"a number is too long, or brackets stand too deep in each other ({type(error).__name__})"
        raise FixConfigError(f"sessions file {path}: cannot be read: {what}") from None
    table = tables.get(name)
    if not isinstance(table, dict):
        raise FixConfigError(
            f"sessions file {path}: no table [{name}]; it has {', '.join(sorted(tables)) or 'none'}"
        )

    def fail(field: str, reason: str) -> typing.NoReturn:
        raise FixConfigError(f"{path}:{_line(text, name, field)}: [{name}] {reason}")

    values: dict[str, Any] = {}
    for field, value in table.items():
        if field not in FIELDS:
            fail(field, f"{field}: there is no such field{_meant(field, FIELDS)}")
        try:
            values[field] = _value(field, value, path.parent)
        except (msgspec.ValidationError, ValueError) as error:
            fail(field, f"{field}: {error}")
    overrides = {field: value for field, value in given.items() if value is not None}
    for field in ("host", "port"):
        if field not in values and field not in overrides:
            fail("", f"{field} is missing")
    try:
        return FixConfig(store_dir=store_dir, log_dir=log_dir, **values | overrides)
    except FixConfigError as error:
        first = _FIRST_WORD.match(str(error))
        field = first.group() if first else ""
        if field in overrides:
            raise
        fail(field, str(error))


def _value(field: str, value: Any, folder: Path) -> Any:
    if field == "tls":
        return _tls(value, folder)
    if field in _PATHS:
        return folder / msgspec.convert(value, str)
    return msgspec.convert(value, _TYPES[field])


def _tls(value: Any, folder: Path) -> Tls:
    if not isinstance(value, dict):
        raise ValueError('a table, please: tls = { authorities = "ca.pem" }')  # noqa: TRY004 - the file's text
    for key in value:
        if key not in _TLS_FIELDS:
            raise ValueError(f"there is no such field as {key}{_meant(key, _TLS_FIELDS)}")
    if "authorities" not in value:
        raise ValueError("authorities is missing: the peer is always verified")
    texts = {key: msgspec.convert(text, str) for key, text in value.items()}
    return Tls(name=texts.pop("name", ""), **{key: folder / path for key, path in texts.items()})


def _meant(word: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"; {near[0]}?" if near else f"; there are {', '.join(known)}"


def _line(text: str, table: str, field: str) -> int:
    """Line of a field, or of its table's head; counted from 1."""
    inside, found = "", 1
    for number, line in enumerate(text.splitlines(), 1):
        if head := _TABLE.match(line):
            inside = head.group(1)
            if inside == table:
                found = number
            elif inside == f"{table}.{field}":
                return number
        elif inside == table and (key := _KEY.match(line)) and key.group(1) == field:
            return number
    return found
