"""Prices at which our own orders rest, so that no other of ours trades with them (C17)."""

from __future__ import annotations

from typing import Final

from service.gateway.order import Order
from service.model.orders import OrdType, Side, TimeInForce

_RESTS: Final = (TimeInForce.DAY, TimeInForce.GTC)
_BOTH: Final = (Side.BUY, Side.SELL)


class Resting:
    """Counts of prices; the best of each side at hand.

    An order rests from the moment that it is committed until the broker says that it is over, and while a
    replace is not answered it rests at both prices.
    """

    def __init__(self) -> None:
        self._prices: dict[tuple[str, Side], dict[int, int]] = {}
        self._best: dict[tuple[str, Side], int] = {}

    def update(self, order: Order) -> None:
        """Move what is counted of an order to what it is now."""
        prices = _prices(order)
        if prices != order.resting:
            self._move(order, prices)

    def remove(self, order: Order) -> None:
        """Count nothing of this order: its side is about to be another."""
        self._move(order, ())

    def _move(self, order: Order, prices: tuple[int, ...]) -> None:
        for side in _BOTH if order.sideless else (order.side,):
            key = order.symbol, side
            counts = self._prices.setdefault(key, {})
            for price in prices:
                counts[price] = counts.get(price, 0) + 1
            for price in order.resting:
                counts[price] -= 1
                if not counts[price]:
                    del counts[price]
            self._best[key] = (max if side is Side.BUY else min)(counts, default=0)
        order.resting = prices

    def best(self, symbol: str, side: Side) -> int:
        """Highest price at which a buy of ours rests, or lowest of a sell; 0 if none does."""
        return self._best.get((symbol, side), 0)


def _prices(order: Order) -> tuple[int, ...]:
    if order.ord_type is not OrdType.LIMIT or order.time_in_force not in _RESTS or not order.live:
        return ()
    return (order.price, order.replace_price) if order.replacing else (order.price,)
