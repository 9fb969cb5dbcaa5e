"""The physics of one instrument: our orders against the displayed book and the prints of a replayed market.

Pure. What it idealises is said in docs/broker-simulator.md.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator
from typing import Protocol

from service.model.events import Liquidity
from service.model.market import Aggressor, BookSnapshot, MarketEvent, Trade, TradingPhase
from service.model.orders import OrdType, Side, TimeInForce
from service.simulation.depth import DepletedDepth, Levels, Refill, displayed
from service.simulation.orders import QUEUE_UNKNOWN, Order
from service.simulation.queue import QueueModel

SELF_TRADE = "self-trade prevention: it would meet order {}"


class Listener(Protocol):
    """Told of what the market does to an order, at the moment that it does it."""

    def on_fill(self, order: Order, quantity: int, price: int, liquidity: Liquidity) -> None:
        """Apply the fill to ``order`` (``cum``, ``money``, ``closed``) and report it."""
        ...

    def on_canceled(self, order: Order, text: str) -> None:
        """Close ``order``: the market will not keep its rest."""
        ...

    def on_expired(self, order: Order, text: str) -> None:
        """Close ``order``: its time in force ended."""
        ...


class Market:
    """One instrument on its venue.

    Args:
        queue: Where cancellations leave a queue.
        refill: What a change of a level that we depleted means.
        listener: Told of fills and of ends that nobody asked for.
    """

    __slots__ = (
        "_asks", "_bids", "_depth", "_listener", "_own", "_queue", "_waiting", "book", "phase", "ts_market",
    )  # fmt: skip

    def __init__(self, queue: QueueModel, refill: Refill, listener: Listener) -> None:
        self._queue = queue
        self._depth = DepletedDepth(refill)
        self._listener = listener
        self._bids: list[Order] = []
        self._asks: list[Order] = []
        self._own = {Side.BUY: self._bids, Side.SELL: self._asks}
        self._waiting: list[Order] = []
        self.book: BookSnapshot | None = None
        self.phase = TradingPhase.CONTINUOUS
        self.ts_market = 0

    @property
    def open(self) -> bool:
        """There is a book, and the instrument trades continuously."""
        return self.book is not None and self.phase is TradingPhase.CONTINUOUS

    def apply(self, event: MarketEvent, matching: bool) -> None:
        """Take note of one event; with ``matching`` let it act on our orders."""
        self.ts_market = event.ts_event
        if isinstance(event, BookSnapshot):
            self.book = event
            self._depth.on_book(event.bids, event.asks)
            if (
                matching
                and (self._bids or self._asks or self._waiting)
                and self.phase is TradingPhase.CONTINUOUS
            ):
                self._on_book()
        elif isinstance(event, Trade):
            if matching and (self._bids or self._asks) and self.open:
                self._on_trade(event)
        else:
            self._on_phase(event.phase, matching)

    def lose_sight(self) -> None:
        """What happened meanwhile is not known: compare with no earlier view of a level."""
        for orders in self._own.values():
            for order in orders:
                order.seen, order.traded = QUEUE_UNKNOWN, 0

    def enter(self, order: Order) -> None:
        """A new order, or one that lost its priority: take what it can, rest or cancel what is left."""
        rival = self._own_quote(order)
        if order.time_in_force is TimeInForce.FOK:
            reachable = sum(available for _, _, available in self._reach(order, rival))
            if reachable < order.leaves:
                self._listener.on_canceled(
                    order, f"fill or kill: {reachable} of {order.leaves} lots are there"
                )
                return
        for price, shown, available in self._reach(order, rival):
            self._take(order, price, shown, min(available, order.leaves), price, Liquidity.REMOVED)
            if not order.leaves:
                return
        if rival is not None and not self._beyond(order, rival.price):
            self._listener.on_canceled(order, SELF_TRADE.format(rival.cl_ord_id))
        elif order.ord_type is OrdType.MARKET:
            self._listener.on_canceled(order, "no displayed depth is left for the rest of a market order")
        elif order.time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
            self._listener.on_canceled(order, "immediate or cancel: the rest was not filled at once")
        else:
            self._rest(order)

    def wait(self, order: Order) -> None:
        """Keep an order until the market is open and shows a book."""
        order.waiting = True
        self._waiting.append(order)

    def restore(self, order: Order) -> None:
        """Put a working order of an earlier life back; its place in the queue is not known."""
        self._insert(order)

    def remove(self, order: Order) -> None:
        """Take an order out; it need not be in."""
        if order.waiting:
            order.waiting = False
            self._waiting.remove(order)
        elif order in self._own[order.side]:
            self._own[order.side].remove(order)

    def _beyond(self, order: Order, price: int) -> bool:
        """The order's limit does not reach ``price``."""
        return order.ord_type is OrdType.LIMIT and (price - order.price) * order.side.sign > 0

    def _levels(self, side: Side) -> Levels:
        if self.book is None:
            return ()
        return self.book.bids if side is Side.BUY else self.book.asks

    def _own_quote(self, order: Order) -> Order | None:
        """The best resting order of the same client on the other side."""
        return next((o for o in self._own[order.side.opposite] if o.owner == order.owner), None)

    def _reach(self, order: Order, rival: Order | None) -> Iterator[tuple[int, int, int]]:
        """``(price, shown, available)`` of the levels that the order may take, best first."""
        side = order.side.opposite
        for price, shown in self._levels(side):
            if self._beyond(order, price):
                return
            available = self._depth.available(side, price, shown)
            if rival is not None and (price - rival.price) * order.side.sign >= 0:
                # At our own order's price, those ahead of it in the queue are met first.
                taken = shown - available
                if price == rival.price and rival.ahead > taken:
                    yield price, shown, min(available, rival.ahead - taken)
                return
            if available:
                yield price, shown, available

    def _take(
        self, order: Order, level: int, shown: int, quantity: int, price: int, liquidity: Liquidity
    ) -> None:
        self._depth.take(order.side.opposite, level, shown, quantity)
        self._listener.on_fill(order, quantity, price, liquidity)

    def _insert(self, order: Order) -> None:
        insort(self._own[order.side], order, key=_priority)

    def _rest(self, order: Order) -> None:
        self._insert(order)
        order.seen = order.ahead = displayed(self._levels(order.side), order.price, order.side)
        order.traded = 0

    def _on_phase(self, phase: TradingPhase, matching: bool) -> None:
        self.phase = phase
        self.lose_sight()
        if phase is TradingPhase.CLOSED and matching:
            for order in [*self._bids, *self._asks, *self._waiting]:
                if order.time_in_force is TimeInForce.DAY:
                    self.remove(order)
                    self._listener.on_expired(order, "the session is closed")

    def _on_book(self) -> None:
        for side in (Side.BUY, Side.SELL):
            if self._own[side]:
                self._meet(side)
                self._move_up(side)
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            for order in waiting:
                order.waiting = False
                self.enter(order)

    def _meet(self, side: Side) -> None:
        """Opposite quotes that come to our price, or through it, fill us at our price."""
        opposite = self._levels(side.opposite)
        if not opposite:
            return
        best, sign = opposite[0][0], side.sign
        for order in tuple(self._own[side]):
            through = (order.price - best) * sign
            if through < 0:
                return
            if through > 0:
                order.ahead = 0
            elif order.ahead != 0:
                continue  # a locked quote: those ahead of us were not met either
            quantity = 0
            for price, shown, available in self._reach(order, None):
                taken = min(available, order.leaves - quantity)
                self._depth.take(side.opposite, price, shown, taken)
                quantity += taken
                if quantity == order.leaves:
                    break
            if quantity:
                self._fill_resting(order, quantity)

    def _fill_resting(self, order: Order, quantity: int) -> None:
        self._listener.on_fill(order, quantity, order.price, Liquidity.ADDED)
        if not order.leaves:
            self.remove(order)

    def _move_up(self, side: Side) -> None:
        """What left our levels without a print, left ahead of us or behind us: the queue model says."""
        levels = self._levels(side)
        by_price = dict(levels)
        worst = levels[-1][0] if levels else None
        for order in self._own[side]:
            shown = by_price.get(order.price, 0)
            if not shown and worst is not None and (order.price - worst) * side.sign < 0:
                order.seen = QUEUE_UNKNOWN
                continue
            if shown == order.seen and not order.traded:
                continue
            if order.ahead == QUEUE_UNKNOWN:
                order.ahead = shown
            elif order.seen != QUEUE_UNKNOWN:
                left = max(0, order.seen - order.traded)
                if left > shown:
                    order.ahead -= self._queue.ahead_of_us(
                        left - shown, order.ahead, max(0, left - order.ahead)
                    )
            order.ahead = min(order.ahead, shown)
            order.seen, order.traded = shown, 0

    def _on_trade(self, trade: Trade) -> None:
        if trade.auction or not trade.eligible:
            return
        taker = trade.aggressor or self._quote_rule(trade.price)
        for side in (Side.BUY, Side.SELL):
            own = self._own[side]
            # A buyer who takes does not meet our bids, nor a seller our asks.
            if own and taker != side.value and (own[0].price - trade.price) * side.sign >= 0:
                self._on_print(side, trade)

    def _quote_rule(self, price: int) -> Aggressor:
        bids, asks = self._levels(Side.BUY), self._levels(Side.SELL)
        if asks and price >= asks[0][0] and not (bids and price <= bids[0][0]):
            return Aggressor.BUY
        if bids and price <= bids[0][0] and not (asks and price >= asks[0][0]):
            return Aggressor.SELL
        return Aggressor.UNKNOWN

    def _on_print(self, side: Side, trade: Trade) -> None:
        left = trade.quantity
        for order in tuple(self._own[side]):
            through = (order.price - trade.price) * side.sign
            if through < 0:
                return
            if through > 0:
                order.ahead = 0
                quantity = min(order.leaves, left)
            elif trade.hidden:
                continue  # displayed orders trade before hidden ones: the queue has not moved
            else:
                order.traded += trade.quantity
                if order.ahead == QUEUE_UNKNOWN:
                    continue
                consumed = min(order.ahead, left)
                order.ahead -= consumed
                quantity = min(order.leaves, left - consumed)
            if quantity:
                left -= quantity
                self._fill_resting(order, quantity)


def _priority(order: Order) -> tuple[int, int]:
    return order.priority
