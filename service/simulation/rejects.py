"""Refusals that a test or a drill asks for, seeded."""

from __future__ import annotations

import random
from collections.abc import Collection

from service.simulation.orders import NewOrder, OrdRejReason


class RejectModel:
    """Refuses orders and cancels as configured.

    Args:
        order_rate: Share of new orders refused at random, 0..1.
        cancel_rate: Share of cancels and replaces refused at random, 0..1.
        symbols: Instruments that the broker does not take.
        max_quantity: Largest order in lots; 0 is no limit.
        seed: The same seed refuses the same sequence.
    """

    def __init__(
        self,
        order_rate: float = 0.0,
        cancel_rate: float = 0.0,
        symbols: Collection[str] = (),
        max_quantity: int = 0,
        seed: int = 1,
    ) -> None:
        for name, rate in (("order", order_rate), ("cancel", cancel_rate)):
            if not 0 <= rate <= 1:
                raise ValueError(f"{name} reject rate must lie in 0..1, got {rate}")
        self._order_rate = order_rate
        self._cancel_rate = cancel_rate
        self._symbols = frozenset(symbols)
        self._max_quantity = max_quantity
        self._random = random.Random(seed)

    def order(self, order: NewOrder) -> tuple[OrdRejReason, str] | None:
        """Why this order is refused, or ``None``."""
        if order.symbol in self._symbols:
            return OrdRejReason.BROKER_OPTION, f"orders in {order.symbol} are not taken"
        if text := self.too_large(order.quantity):
            return OrdRejReason.EXCEEDS_LIMIT, text
        if self._order_rate and self._random.random() < self._order_rate:
            return OrdRejReason.BROKER_OPTION, "refused at random, as configured"
        return None

    def too_large(self, quantity: int) -> str | None:
        """Why this quantity is refused, on a new order or a replace, or ``None``."""
        if self._max_quantity and quantity > self._max_quantity:
            return f"{quantity} lots exceed the largest order of {self._max_quantity}"
        return None

    def cancel(self) -> str | None:
        """Why this cancel or replace is refused, or ``None``."""
        if self._cancel_rate and self._random.random() < self._cancel_rate:
            return "refused at random, as configured"
        return None
