"""What the stream of touches and prints adds up to, over windows of market time.

Everything is an integer: running totals, and a ring of what they were at each boundary of a grid of market
time. The flow of a window is the difference of two totals, exact, so that

- a feature is the same to the last bit whenever it is asked for, and whoever asks;
- it depends on the events of the last ``SPAN`` only: a runner that began to listen later, or took the
  instrument over, computes the same numbers once it has listened that long (``Flow.warm``).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from service.model.market import Aggressor

GRID: Final = 200_000_000
"""Step of the grid, ns."""

SPAN: Final = 60_000_000_000
"""Longest window, ns of market time."""

_STEPS: Final = SPAN // GRID
_SIZE: Final = _STEPS + 2
_BUY: Final = Aggressor.BUY
_SELL: Final = Aggressor.SELL


class Totals(NamedTuple):
    """Running totals since the first two-sided touch.

    Attributes:
        steps: Boundaries of the grid passed.
        mid2: Twice the mid, price units (no total: its value then).
        order_flow: Order-flow imbalance at the touch, lots.
        signed: Lots bought less lots sold by those who took liquidity.
        traded: Lots printed.
        trades, books: Number of prints and of books.
        squares: Sum of squared changes of ``mid2`` from boundary to boundary.
        depth: Sum over boundaries of the lots at the touch, both sides.
        spread: Sum over boundaries of the spread, price units.
    """

    steps: int
    mid2: int
    order_flow: int
    signed: int
    traded: int
    trades: int
    books: int
    squares: int
    depth: int
    spread: int


class Flow:
    """Totals of one instrument. Times in ns of market time, never running backwards."""

    __slots__ = (
        "_next", "_ring", "_slot", "_step_mid2", "ask", "ask_quantity", "asks", "bid", "bid_quantity", "bids",
        "books", "depth", "last_price", "last_sign", "last_trade", "mid2", "moved", "order_flow",
        "signed", "spread", "squares", "steps", "tick", "traded", "trades", "ts",
    )  # fmt: skip

    def __init__(self, tick: int) -> None:
        self.tick = tick
        self.ts = 0
        self.bid = self.ask = self.bid_quantity = self.ask_quantity = self.mid2 = 0
        self.bids: tuple[tuple[int, int], ...] = ()
        self.asks: tuple[tuple[int, int], ...] = ()
        self.moved = self.last_trade = self.last_price = self.last_sign = 0
        self.order_flow = self.signed = self.traded = self.trades = self.books = 0
        self.steps = self.squares = self.depth = self.spread = 0
        self._step_mid2 = 0
        self._next = 0
        self._slot = 0
        self._ring: list[Totals] = []

    @property
    def ready(self) -> bool:
        """A two-sided touch was seen."""
        return bool(self._ring)

    @property
    def warm(self) -> bool:
        """The longest window is filled: what happened before it cannot matter any more."""
        return bool(self._ring) and self.steps > _STEPS

    def totals(self) -> Totals:
        """The totals now."""
        return Totals(
            self.steps, self.mid2, self.order_flow, self.signed, self.traded, self.trades, self.books,
            self.squares, self.depth, self.spread,
        )  # fmt: skip

    def at(self, steps: int) -> Totals:
        """The totals at the boundary ``steps`` before the newest; the first ones if that is further back."""
        return self._ring[(self._slot - steps) % _SIZE]

    def on_touch(
        self,
        ts: int,
        bids: tuple[tuple[int, int], ...],
        asks: tuple[tuple[int, int], ...],
    ) -> None:
        """A two-sided book.

        The flow is that of Cont, Kukanov and Stoikov (2014), "The price impact of order book events",
        eq. (2)-(3): what came to the bid or left it, less what came to the ask or left it.
        """
        bid, bid_quantity = bids[0]
        ask, ask_quantity = asks[0]
        if ts >= self._next:
            if self._next:
                self._advance(ts)
            else:
                self._begin(ts, bid + ask)
        self.ts = ts
        self.books += 1
        self.bids = bids
        self.asks = asks
        old_bid = self.bid
        if bid == old_bid:
            flow = bid_quantity - self.bid_quantity
        elif bid > old_bid:
            flow = bid_quantity
        else:
            flow = -self.bid_quantity
        old_ask = self.ask
        if ask == old_ask:
            flow -= ask_quantity - self.ask_quantity
        elif ask < old_ask:
            flow -= ask_quantity
        else:
            flow += self.ask_quantity
        if old_ask:
            self.order_flow += flow
        mid2 = bid + ask
        if mid2 != self.mid2:
            self.mid2 = mid2
            self.moved = ts
        self.bid = bid
        self.bid_quantity = bid_quantity
        self.ask = ask
        self.ask_quantity = ask_quantity

    def on_trade(self, ts: int, price: int, quantity: int, aggressor: Aggressor) -> None:
        """A print. Nothing is counted before the first two-sided touch.

        Where the source does not say who took, Lee and Ready (1991): above the mid is a buy, below it a
        sell, at it the sign of the change since the print before, if that is not older than ``SPAN``.
        """
        if not self._next:
            return
        if ts >= self._next:
            self._advance(ts)
        self.ts = ts
        if aggressor == _BUY:
            sign = 1
        elif aggressor == _SELL:
            sign = -1
        else:
            side = 2 * price - self.mid2
            if not side and self.last_price and ts - self.last_trade < SPAN:
                side = price - self.last_price
            sign = 1 if side > 0 else -1 if side < 0 else 0
        self.signed += sign * quantity
        self.traded += quantity
        self.trades += 1
        self.last_price = price
        self.last_sign = sign
        self.last_trade = ts

    def _begin(self, ts: int, mid2: int) -> None:
        self.moved = self.last_trade = ts
        self.mid2 = self._step_mid2 = mid2
        self._ring = [self.totals()] * _SIZE
        boundary = ts // GRID
        self._slot = boundary % _SIZE
        self._next = (boundary + 1) * GRID

    def _advance(self, ts: int) -> None:
        """Write down the totals at every boundary up to ``ts``, as they were before this event."""
        passed = (ts - self._next) // GRID + 1
        self._next += passed * GRID
        depth = self.bid_quantity + self.ask_quantity
        spread = self.ask - self.bid
        mid2 = self.mid2
        change = mid2 - self._step_mid2
        self._step_mid2 = mid2
        self.squares += change * change
        steps, all_depth, all_spread, slot, ring = self.steps, self.depth, self.spread, self._slot, self._ring
        first = passed - _SIZE if passed > _SIZE else 0
        for n in range(first + 1, passed + 1):
            ring[(slot + n) % _SIZE] = Totals(
                steps + n, mid2, self.order_flow, self.signed, self.traded, self.trades, self.books,
                self.squares, all_depth + n * depth, all_spread + n * spread,
            )  # fmt: skip
        self.steps = steps + passed
        self.depth = all_depth + passed * depth
        self.spread = all_spread + passed * spread
        self._slot = (slot + passed) % _SIZE
