"""Dates and times of day as exchange files and people write them, in New York's time."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from service.feeds.source import SourceError
from service.model.time import DAY, HOUR, MINUTE, SECOND

REGULAR_OPEN: Final = 9 * HOUR + 30 * MINUTE
REGULAR_CLOSE: Final = 16 * HOUR
EXTENDED_OPEN: Final = 4 * HOUR
EXTENDED_CLOSE: Final = 20 * HOUR

_NEW_YORK: Final = ZoneInfo("America/New_York")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def parse_date(text: str) -> date:
    """A date written ``YYYYMMDD`` or ``YYYY-MM-DD``.

    Raises:
        SourceError: If it is neither.
    """
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise SourceError(f"date {text!r} is neither YYYYMMDD nor YYYY-MM-DD") from error


def midnight(day: date) -> int:
    """Nanoseconds since the epoch from which New York's exchanges count the seconds of ``day``.

    Their clock is the one on the wall, so on the two days of the year when it changes this is noon less
    twelve hours, not 00:00.
    """
    noon = datetime.combine(day, time(12), tzinfo=_NEW_YORK)
    return (noon - _EPOCH) // timedelta(seconds=1) * SECOND - DAY // 2


def session_midnight(at: int) -> int:
    """``midnight`` of the day, in New York, of a market time."""
    return midnight(datetime.fromtimestamp(at // SECOND, _NEW_YORK).date())


def clock_time(text: str, what: str) -> int:
    """Nanoseconds after midnight of ``HH:MM`` or ``HH:MM:SS``.

    Raises:
        SourceError: If it is neither; ``what`` names it.
    """
    try:
        at = time.fromisoformat(text)
    except ValueError as error:
        raise SourceError(f"{what} {text!r} is neither HH:MM nor HH:MM:SS") from error
    return at.hour * HOUR + at.minute * MINUTE + at.second * SECOND
