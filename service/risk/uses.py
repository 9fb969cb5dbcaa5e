"""How much of a limit is used, from the first step on at which a person is warned (C34)."""

from __future__ import annotations

from typing import Final, NamedTuple

STEPS: Final = (50, 80)
"""Per cent of a limit."""


class Use(NamedTuple):
    """One limit that an order has brought near.

    Attributes:
        limit: Its name in the limits file.
        level, name: Whose it is, e.g. ``desk`` ``EQUITIES``.
        used, most: With this order, and the limit itself, in the same units.
    """

    limit: str
    level: str
    name: str
    used: int
    most: int

    @property
    def percent(self) -> int:
        """Of the limit, rounded down."""
        return self.used * 100 // self.most
