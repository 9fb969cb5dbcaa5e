"""Volume curves: which share of a session's volume has traded by a time of day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import accumulate
from typing import Final
from zoneinfo import ZoneInfo

from service.model.time import DAY, HOUR, MINUTE


class CurveError(ValueError):
    """These numbers are no volume curve; the message says why."""


@dataclass(frozen=True, slots=True)
class VolumeCurve:
    """Shares of a session's volume in bins of equal length, straight within a bin.

    Attributes:
        opens, closes: Time of day, ns since midnight in ``zone``.
        zone: IANA name of the exchange's time zone.
        cumulative: Share traded by the end of each bin, the last one 1.0; begins with 0.0.
    """

    opens: int
    closes: int
    zone: str
    cumulative: tuple[float, ...]

    def share(self, start: int, end: int) -> float:
        """Share of a session's volume expected between two market times (a whole session is 1.0)."""
        first, before = self._until(start)
        last, until = self._until(end)
        return (last - first) + (until - before)

    def _until(self, moment: int) -> tuple[int, float]:
        """Whole sessions since the epoch, and the share of the present one."""
        local = moment + _offset(self.zone, moment // HOUR)
        day, time_of_day = divmod(local, DAY)
        if time_of_day <= self.opens:
            return day, 0.0
        if time_of_day >= self.closes:
            return day, 1.0
        bins = len(self.cumulative) - 1
        position = (time_of_day - self.opens) * bins / (self.closes - self.opens)
        index = min(int(position), bins - 1)
        low, high = self.cumulative[index], self.cumulative[index + 1]
        return day, low + (high - low) * (position - index)


def curve(shares: tuple[float, ...], *, opens: int, closes: int, zone: str) -> VolumeCurve:
    """A curve from the volume of each bin, in any unit.

    Raises:
        CurveError: If a share is negative, all are zero, or the session has no length.
    """
    total = sum(shares)
    if not shares or min(shares) < 0 or total <= 0:
        raise CurveError("a volume curve needs shares that are not negative, and not all zero")
    if not 0 <= opens < closes <= DAY:
        raise CurveError(f"session {opens} .. {closes}: times of day in ns, opening before closing")
    steps = [s / total for s in accumulate(shares)]
    return VolumeCurve(opens, closes, zone, (0.0, *steps[:-1], 1.0))


@lru_cache(maxsize=256)
def _offset(zone: str, hour: int) -> int:
    """Offset of local time from UTC in this hour since the epoch, ns."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=hour)
    offset = moment.astimezone(ZoneInfo(zone)).utcoffset()
    assert offset is not None
    return int(offset.total_seconds()) * 1_000_000_000


US_EQUITIES: Final = curve(
    (12.8, 9.2, 7.8, 6.8, 6.2, 5.8, 5.5, 5.5, 5.8, 6.4, 7.2, 8.6, 12.4),
    opens=9 * HOUR + 30 * MINUTE,
    closes=16 * HOUR,
    zone="America/New_York",
)
"""The U of a US equities session in half hours, auctions left out: a stylised default (the shape of Jain and
Joh 1988, fig. 1). A desk that has its own instrument's history should register a policy with that curve."""
