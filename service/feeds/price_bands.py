"""Limit up and limit down of the US plan (LULD), worked out from an instrument's own trades (C18).

For sources that do not tell the bands. A pure function of the trades, quotes and halts in market time:

- The reference price begins as the first eligible trade of the session, or after a halt, or the first orderly
  mid if that comes sooner. It becomes the mean of the trades of the last five minutes when a trade shows that
  mean to be 1 % away or more, and stays for at least 30 seconds.
- The bands lie 5 % (tier 1) or 10 % (tier 2) from it; 20 % where the session began at 3.00 or less, and the
  lesser of 0.15 and 75 % below 0.75. The plan goes by yesterday's close there, which no source here tells.
- They are twice as wide in the last 25 minutes, for tier 1 and where the session began at 3.00 or less. The
  open is not wider, as the plan is since 2020.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from service.feeds.exchange_time import REGULAR_CLOSE, session_midnight
from service.model.reference import Instrument
from service.model.time import MINUTE, SECOND

_WINDOW: Final = 5 * MINUTE
_HOLD: Final = 30 * SECOND
_LAST: Final = 25 * MINUTE
_MOVE: Final = 100
"""One part in so many moves the reference price."""
_BPS: Final = 10_000
_TIERS: Final = {"luld-1": 500, "luld-2": 1_000}
_CHEAP_BPS: Final = 2_000
_CHEAPEST_BPS: Final = 7_500


class PriceBands:
    """The bands of one instrument over one session.

    Args:
        tier: ``luld-1`` or ``luld-2``.
        tick: Price units; bands are rounded to it.
        unit: Price units in one of the currency.
        last_from: Market time from which the last 25 minutes count.
    """

    def __init__(self, tier: str, tick: int, unit: int, last_from: int) -> None:
        self._bps = _TIERS[tier]
        self._widens = tier == "luld-1"
        self._tick = tick
        self._unit = unit
        self._last_from = last_from
        self._first = 0
        self._reference = 0
        self._since = 0
        self._trades: deque[tuple[int, int]] = deque()
        self._sum = 0

    @classmethod
    def of(cls, instrument: Instrument, session_start: int) -> PriceBands | None:
        """The bands that the reference file says are to be worked out; ``None`` if it says no such thing."""
        if instrument.price_bands not in _TIERS:
            return None
        close = session_midnight(session_start) + REGULAR_CLOSE
        unit = 10**instrument.price_exponent
        return cls(instrument.price_bands, instrument.tick, unit, close - _LAST)

    def trade(self, at: int, price: int) -> None:
        """An eligible trade, price units, in the order of market time."""
        trades = self._trades
        trades.append((at, price))
        self._sum += price
        while trades[0][0] <= at - _WINDOW:
            self._sum -= trades.popleft()[1]
        if not self._reference:
            self._set(at, price)
            return
        mean = self._sum // len(trades)
        if at - self._since >= _HOLD and abs(mean - self._reference) * _MOVE >= self._reference:
            self._set(at, mean)

    def quote(self, at: int, mid: int) -> None:
        """The mid of an orderly touch in continuous trading; it counts where there is nothing else."""
        if not self._reference:
            self._set(at, mid)

    def halt(self) -> None:
        """Trading stopped: bands begin anew with what comes after it."""
        self._reference = self._sum = 0
        self._trades.clear()

    def _set(self, at: int, price: int) -> None:
        self._reference, self._since = price, at
        self._first = self._first or price

    def at(self, market: int) -> tuple[int, int]:
        """Lower and upper band at an instant, price units; both 0 while there are none."""
        reference = self._reference
        if not reference:
            return 0, 0
        dear = self._first > 3 * self._unit
        if dear:
            width = reference * self._bps // _BPS
        elif 4 * self._first >= 3 * self._unit:
            width = reference * _CHEAP_BPS // _BPS
        else:
            width = min(reference * _CHEAPEST_BPS // _BPS, 15 * self._unit // 100)
        if market >= self._last_from and (self._widens or not dear):
            width *= 2
        return self._rounded(reference - width), self._rounded(reference + width)

    def _rounded(self, price: int) -> int:
        """To the nearest tick, and at least one."""
        return max((price + self._tick // 2) // self._tick, 1) * self._tick
