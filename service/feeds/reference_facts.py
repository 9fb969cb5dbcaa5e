"""Facts about one instrument for the gate, computed apart from the policies' book.

It shares no code with ``service.market`` on purpose: an error there must not reach the judge of its orders.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

from service.feeds.price_bands import PriceBands
from service.model.market import (
    BookSnapshot,
    Correlated,
    MarketEvent,
    ReferenceSnapshot,
    Trade,
    TradingPhase,
    TradingStatus,
)
from service.model.time import MINUTE, SECOND

_SPREAD_WINDOW: Final = MINUTE
_DECAY: Final = 0.94
"""Weight of the past in the variance of one-minute returns (RiskMetrics, 1996)."""
_BILLION: Final = 1_000_000_000


class ReferenceTracker:
    """Follows one instrument through its events and says what may be trusted about it.

    The touch is *orderly* when both sides are there, it is not crossed, it is no wider than ``wide_bps`` and
    its mid is within ``jump_bps`` of the last orderly one. A mid further away is trusted once it has stood,
    itself within ``jump_bps``, for ``settle`` of market time.

    Args:
        jump_bps: Move of the mid in one event beyond which it is not believed at once.
        wide_bps: Spread beyond which a mid means nothing.
        settle: Nanoseconds of market time.
        bands: Price bands to work out; those that the source tells go before them.

    Attributes:
        correlated: What it moves with, as ``service.feeds.correlation`` found it.
    """

    def __init__(
        self,
        symbol: str,
        venue: str,
        *,
        jump_bps: float = 100.0,
        wide_bps: float = 250.0,
        settle: int = SECOND,
        bands: PriceBands | None = None,
    ) -> None:
        self.symbol = symbol
        self.changes = 0
        self.correlated: tuple[Correlated, ...] = ()
        self._bands = bands
        self._told_bands = (0, 0)
        self._venue = venue
        self._jump = jump_bps / 1e4
        self._wide = wide_bps / 1e4
        self._settle = settle
        self._phase = TradingPhase.PRE_OPEN
        self._ts_event = 0
        self._bid = self._bid_quantity = self._ask = self._ask_quantity = 0
        self._last = self._open = self._volume = 0
        # Twice the mid, so that half ticks stay integers.
        self._trusted = 0
        self._candidate = 0
        self._candidate_since = 0
        self._spreads = _SpreadMinute()
        self._minute = 0
        self._minute_mid = 0
        self._variance = -1.0
        self._returns: list[tuple[int, float]] = []

    def apply(self, event: MarketEvent) -> None:
        """Take one event of this instrument, in order."""
        self.changes += 1
        at = event.ts_event
        self._ts_event = at
        if at >= self._minute:
            self._pass_minutes(at)
        if isinstance(event, BookSnapshot):
            self._on_book(event)
        elif isinstance(event, Trade):
            if event.eligible:
                self._last = event.price
                self._volume += event.quantity
                if self._open == 0:
                    self._open = event.price
                if self._bands is not None:
                    self._bands.trade(at, event.price)
        else:
            self._on_status(event)

    def _on_status(self, status: TradingStatus) -> None:
        self._phase = status.phase
        if status.lower_band or status.upper_band:
            self._told_bands = status.lower_band, status.upper_band
        if self._bands is not None and status.phase is TradingPhase.HALTED:
            self._bands.halt()

    def _on_book(self, book: BookSnapshot) -> None:
        at = book.ts_event
        self._bid, self._bid_quantity = book.bids[0] if book.bids else (0, 0)
        self._ask, self._ask_quantity = book.asks[0] if book.asks else (0, 0)
        bid, ask = self._bid, self._ask
        if not bid or not ask or bid > ask:
            self._candidate = 0
            self._spreads.change(at, None)
            return
        doubled = bid + ask
        # The part of the mid that the spread is, in billionths.
        self._spreads.change(at, 2 * _BILLION * (ask - bid) // doubled)
        if 2 * (ask - bid) > self._wide * doubled:
            self._candidate = 0
            return
        self._judge(doubled, at)
        if self._phase is TradingPhase.CONTINUOUS:
            if self._open == 0:
                self._open = doubled // 2
            if self._bands is not None:
                self._bands.quote(at, doubled // 2)

    def _judge(self, doubled: int, at: int) -> None:
        trusted = self._trusted
        if trusted == 0 or abs(doubled - trusted) <= self._jump * trusted:
            self._trusted, self._candidate = doubled, 0
            return
        candidate = self._candidate
        if candidate == 0 or abs(doubled - candidate) > self._jump * candidate:
            self._candidate, self._candidate_since = doubled, at
        elif at - self._candidate_since >= self._settle:
            self._trusted, self._candidate = doubled, 0

    def _pass_minutes(self, at: int) -> None:
        """Sample the mid at every full minute up to ``at``, of continuous trading only."""
        if self._minute == 0:
            self._minute = at // MINUTE * MINUTE
        while self._minute <= at:
            self._minute += MINUTE
            mid = self._trusted
            if self._phase is not TradingPhase.CONTINUOUS or mid == 0:
                self._minute_mid = 0
                continue
            if self._minute_mid:
                change = math.log(mid / self._minute_mid)
                self._returns.append((self._minute - MINUTE, change))
                squared = change**2
                if self._variance < 0:
                    self._variance = squared
                else:
                    self._variance = _DECAY * self._variance + (1.0 - _DECAY) * squared
            self._minute_mid = mid

    def returns(self, market: int) -> list[tuple[int, float]]:
        """One-minute log returns since this was last asked, each with the end of its minute.

        Args:
            market: Market time, not before the newest event.
        """
        if self._ts_event and market >= self._minute:
            self._pass_minutes(market)
        fresh, self._returns = self._returns, []
        return fresh

    def snapshot(self, market: int, utc: int) -> ReferenceSnapshot:
        """The facts at an instant; time without events ages the spread, the volatility and a jump.

        Args:
            market: Market time, not before the newest event.
            utc: When it is published.
        """
        market = max(market, self._ts_event)
        if self._ts_event and market >= self._minute:
            self._pass_minutes(market)
        if self._candidate and market - self._candidate_since >= self._settle:
            self._trusted, self._candidate = self._candidate, 0
        bid, ask = self._bid, self._ask
        both = bool(bid and ask)
        lower, upper = self._told_bands
        if self._bands is not None and not lower and not upper:
            lower, upper = self._bands.at(market)
        return ReferenceSnapshot(
            symbol=self.symbol,
            venue=self._venue,
            ts_event=self._ts_event,
            ts_utc=utc,
            bid=bid,
            ask=ask,
            bid_quantity=self._bid_quantity,
            ask_quantity=self._ask_quantity,
            last=self._last,
            reference=self._trusted // 2,
            open=self._open,
            volume=self._volume,
            spread_bps=self._spreads.mean(market) * 1e4 / _BILLION,
            volatility_bps=math.sqrt(self._variance) * 1e4 if self._variance > 0 else 0.0,
            phase=self._phase,
            crossed=both and bid > ask,
            locked=both and bid == ask,
            jumped=self._candidate != 0,
            lower_band=lower,
            upper_band=upper,
            correlated=self.correlated,
        )


class _SpreadMinute:
    """Time-weighted mean of the spread over the last minute; integers, so that it does not drift."""

    def __init__(self) -> None:
        self._segments: deque[tuple[int, int, int]] = deque()
        self._weighted = 0
        self._time = 0
        self._value: int | None = None
        self._since = 0

    def change(self, at: int, value: int | None) -> None:
        """The spread is ``value`` from ``at`` on; ``None`` where there is none."""
        if value == self._value:
            return
        self._close(at)
        self._value, self._since = value, at

    def _close(self, at: int) -> None:
        since, value = self._since, self._value
        if value is not None and at > since:
            self._segments.append((since, at, value))
            self._weighted += value * (at - since)
            self._time += at - since
        self._since = at
        self._expire(at - _SPREAD_WINDOW)

    def _expire(self, horizon: int) -> None:
        segments = self._segments
        while segments and segments[0][0] < horizon:
            begin, end, value = segments.popleft()
            gone = min(end, horizon) - begin
            self._weighted -= value * gone
            self._time -= gone
            if end > horizon:
                segments.appendleft((horizon, end, value))
                break

    def mean(self, at: int) -> float:
        """Mean over the minute before ``at``; the present spread where no time has passed yet."""
        self._close(at)
        if self._time:
            return self._weighted / self._time
        return float(self._value or 0)
