"""Displayed depth that our own orders have taken already.

The replayed market does not know of us: after we took a level, the feed goes on showing it. What we took is
remembered per side and price, and is not there a second time, until the feed shows a change of that level.
"""

from __future__ import annotations

import enum

from service.model.orders import Side

Levels = tuple[tuple[int, int], ...]


class Refill(enum.StrEnum):
    """What a change of a level that we depleted means.

    RESET: The level is new: all that is displayed now can be taken.
    GROWTH: Only what was added is new liquidity; what we took stays taken.
    """

    RESET = "reset"
    GROWTH = "growth"


def displayed(levels: Levels, price: int, side: Side) -> int:
    """Displayed lots at ``price`` on ``side``; 0 between levels, -1 beyond the worst one displayed."""
    for level_price, quantity in levels:
        if level_price == price:
            return quantity
        if (level_price - price) * side.sign < 0:
            return 0
    return -1 if levels else 0


class DepletedDepth:
    """The overlay of one instrument. ``side`` is that of the displayed quotes: asks are ``Side.SELL``."""

    __slots__ = ("_refill", "_taken")

    def __init__(self, refill: Refill = Refill.RESET) -> None:
        self._refill = refill
        self._taken: dict[tuple[Side, int], tuple[int, int]] = {}

    def available(self, side: Side, price: int, shown: int) -> int:
        """Lots of a displayed level that are still there to take."""
        taken = self._taken.get((side, price))
        return shown if taken is None else max(0, shown - taken[0])

    def take(self, side: Side, price: int, shown: int, quantity: int) -> None:
        """Remember that ``quantity`` lots of a level displayed as ``shown`` are ours now."""
        taken = self._taken.get((side, price))
        self._taken[(side, price)] = (quantity + (taken[0] if taken else 0), shown)

    def on_book(self, bids: Levels, asks: Levels) -> None:
        """Forget, or adjust, what the new book shows to have changed; levels out of sight stay."""
        if not self._taken:
            return
        for (side, price), (taken, before) in list(self._taken.items()):
            shown = displayed(bids if side is Side.BUY else asks, price, side)
            if shown in (before, -1):
                continue
            if shown == 0 or self._refill is Refill.RESET:
                del self._taken[(side, price)]
            else:
                left = min(max(0, before - taken), shown) + max(0, shown - before)
                self._taken[(side, price)] = (shown - left, shown)
