"""UTCTimestamp text: ``YYYYMMDD-HH:MM:SS`` with 0 to 9 digits of a second, to and from nanoseconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from service.model.time import SECOND

_SECOND: Final = re.compile(r"(\d{4})(\d{2})(\d{2})-(\d{2}):(\d{2}):(\d{2})", re.ASCII)
_FRACTION: Final = re.compile(r"\.(\d{1,12})", re.ASCII)
_WHOLE: Final = len("YYYYMMDD-HH:MM:SS")


@lru_cache(maxsize=8)
def _second_text(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y%m%d-%H:%M:%S")


@lru_cache(maxsize=32)
def _day_start(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp())


def utc_text(nanoseconds: int, digits: int) -> str:
    """UTCTimestamp of ``nanoseconds`` since the epoch, cut (not rounded) to ``digits`` of a second."""
    second, rest = divmod(nanoseconds, SECOND)
    if not digits:
        return _second_text(second)
    return f"{_second_text(second)}.{rest // 10 ** (9 - digits):0{digits}d}"


@lru_cache(maxsize=64)
def _second_from_text(text: str) -> int:
    match = _SECOND.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a UTCTimestamp (YYYYMMDD-HH:MM:SS.sss)")
    year, month, day, hour, minute, second = map(int, match.groups())
    if hour > 23 or minute > 59 or second > 60:
        raise ValueError(f"{text!r} is not a time of day")
    return _day_start(year, month, day) + hour * 3600 + minute * 60 + second


def utc_from_text(text: str) -> int:
    """Nanoseconds since the epoch of a UTCTimestamp; a leap second counts as the next second.

    Raises:
        ValueError: If it is not one.
    """
    second, rest = _second_from_text(text[:_WHOLE]) * SECOND, text[_WHOLE:]
    if not rest:
        return second
    if _FRACTION.fullmatch(rest) is None:
        raise ValueError(f"{text!r} is not a UTCTimestamp (YYYYMMDD-HH:MM:SS.sss)")
    return second + int(rest[1:10].ljust(9, "0"))
