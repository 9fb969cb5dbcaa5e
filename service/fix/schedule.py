"""When a session may be up: hours of the day and days of the week, UTC. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import msgspec

from service.model.time import SECOND

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY: Final = 86_400
_EPOCH_WEEKDAY: Final = 3
"""1 January 1970 was a Thursday."""


class Schedule(msgspec.Struct, frozen=True):
    """Hours of one session.

    Attributes:
        start, end: Seconds after midnight UTC, both 0 if it never ends. An end at or before the start lies
            on the next day.
        days: Days on which hours begin, Monday 0; empty is every day.
    """

    start: int = 0
    end: int = 0
    days: frozenset[int] = frozenset()

    def open(self, utc: int) -> bool:
        """Whether ``utc`` (nanoseconds) lies in the hours; the end itself does not."""
        day, second = divmod(utc // SECOND, _DAY)
        if self.start == self.end:
            # A day round: hours that begin on one day end where the next ones begin.
            return self._on(day if second >= self.start else day - 1)
        if self.start < self.end:
            return self.start <= second < self.end and self._on(day)
        return (second >= self.start and self._on(day)) or (second < self.end and self._on(day - 1))

    def opens(self, utc: int) -> int:
        """Nanoseconds at which hours begin next after ``utc``."""
        day = utc // SECOND // _DAY
        for ahead in range(9):
            at = ((day + ahead) * _DAY + self.start) * SECOND
            if at > utc and self._on(day + ahead):
                return at
        raise AssertionError("a week has a day on which hours begin")

    def _on(self, day: int) -> bool:
        return not self.days or (day + _EPOCH_WEEKDAY) % 7 in self.days

    def reason(self, utc: int) -> str:
        """Why the session is down at ``utc``, which lies outside its hours."""
        at = datetime.fromtimestamp(self.opens(utc) // SECOND, UTC)
        return f"outside session hours; they begin {at:%a %d %b %H:%M:%S} UTC"


def parse_schedule(start_time: str, end_time: str, days: tuple[str, ...]) -> Schedule:
    """From ``HH:MM:SS`` twice, or two empty texts, and names of ``DAYS``.

    Raises:
        ValueError: Naming the field that cannot be.
    """
    if bool(start_time) != bool(end_time):
        raise ValueError("start_time and end_time go together")
    if unknown := [day for day in days if day not in DAYS]:
        raise ValueError(f"days {unknown[0]!r} is none of {', '.join(DAYS)}")
    if len(set(days)) < len(days):
        raise ValueError(f"days {', '.join(days)}: one stands there twice")
    start, end = (_second(name, text) for name, text in (("start_time", start_time), ("end_time", end_time)))
    return Schedule(start, end, frozenset(DAYS.index(day) for day in days))


def _second(name: str, text: str) -> int:
    if not text:
        return 0
    try:
        at = datetime.strptime(text, "%H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        at = None
    if at is None or len(text) != len("HH:MM:SS"):
        raise ValueError(f"{name} {text!r} is not HH:MM:SS")
    return at.hour * 3600 + at.minute * 60 + at.second
