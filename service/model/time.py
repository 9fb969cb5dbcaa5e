"""The two times, never mixed: market time (what the market's clock said) and UTC (when we did it)."""

from __future__ import annotations

from typing import Annotated, Final, NamedTuple

from msgspec import Meta

from service.model.message import Message

MICROSECOND: Final = 1_000
MILLISECOND: Final = 1_000_000
SECOND: Final = 1_000_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

_LATEST: Final = 1 << 62
"""Later than any market, and a time that journal, record and a column of 64 bits can hold."""
_Instant = Annotated[int, Meta(ge=0, le=_LATEST)]
_Speed = Annotated[float, Meta(ge=0.0, le=1e6)]


class Now(NamedTuple):
    """An instant in both times, handed to the core by its shell.

    Attributes:
        market: Market time, nanoseconds since the epoch, UTC: schedules, windows, drift, session hours.
        utc: Wall clock, nanoseconds since the epoch: staleness, rates, duplicates, dead man, FIX stamps.
    """

    market: int
    utc: int


class SessionClock(Message, frozen=True, kw_only=True, tag="clock"):
    """Maps UTC to market time, so that market time runs on when a feed stops. Published on ``ref.v1``.

    Attributes:
        market_start: Market time at ``utc_start``.
        utc_start: UTC at which the session (or its replay) began.
        speed: Market nanoseconds per UTC nanosecond; 1.0 is live, 0.0 means as fast as consumers take
            it, where market time is the feed's watermark.
        market_end: Market time at which the session ends: the default end of a parent's window.
        ts_utc: When this was published.
    """

    market_start: _Instant
    utc_start: _Instant
    speed: _Speed
    market_end: _Instant
    ts_utc: int

    def market(self, utc: int, watermark: int) -> int:
        """Market time at ``utc``; never behind ``watermark`` when replayed as fast as possible.

        A kill is stamped with it, so it is a time that can be written down, whatever a feed has said.
        """
        if self.speed == 0.0:
            market = watermark if watermark > self.market_start else self.market_start
        else:
            market = self.market_start + int((utc - self.utc_start) * self.speed)
        return 0 if market < 0 else market if market < _LATEST else _LATEST
