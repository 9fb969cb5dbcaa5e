"""Limits in force: frozen, complete, and never looser than the ceilings.

A limit that is missing or zero denies what it limits (C6). Levels are data, so that trader, desk, client
and firm (C11) are more rows and not more code.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import msgspec

from service.model.orders import OrdType, TimeInForce

EVERY: Final = "*"
"""Every name there is; of a row: every name that has no row of its own."""


class Level(enum.StrEnum):
    """Whose messages a level's limits count (C5, C11)."""

    SESSION = "session"
    STRATEGY = "strategy"
    INSTRUMENT = "instrument"


class InstrumentLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one instrument.

    Attributes:
        max_order_quantity: Lots of one order (C4).
        max_order_value: Currency units of one order (C3).
        collar_bps: Largest distance of a price from the reference price (C1).
        max_spread_bps: Widest spread in which new orders are sent (C16).
        max_long, max_short: Lots of position, working orders counted (C12).
        max_gross: Lots of position and all working orders together (C12).
        messages_per_second: New orders and replaces sent for it in any second (C5).
    """

    max_order_quantity: int = 0
    max_order_value: Decimal = Decimal(0)
    collar_bps: int = 0
    max_spread_bps: int = 0
    max_long: int = 0
    max_short: int = 0
    max_gross: int = 0
    messages_per_second: int = 0


class LevelLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one name at one level, e.g. of strategy ``twap``."""

    messages_per_second: int = 0


class ExecutionPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What one strategy may do (C10). What is not named is not allowed; ``*`` names everything there is.

    Attributes:
        venues: An order that leaves the venue to the broker may go to any, so it takes ``*``.
        passive_only: Orders may rest and may not take.
        max_order_value: Currency units of one order.
    """

    order_types: frozenset[OrdType] = frozenset()
    times_in_force: frozenset[TimeInForce] = frozenset()
    venues: frozenset[str] = frozenset()
    instruments: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()
    passive_only: bool = True
    max_order_value: Decimal = Decimal(0)


class MarketDataLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How old the market's facts may be, nanoseconds of UTC (C16)."""

    max_heartbeat_age: int = 0
    max_reference_age: int = 0


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the gate measures against.

    Attributes:
        version: Digest of the file that they came from; on every record.
        currency: Of every amount here. An instrument in another one is denied.
        restricted: Symbols that nobody trades (C15); ``None`` if nobody said, which denies everything.
        strategies: Execution policies by name of the strategy.
        instruments: By symbol. An instrument that is not here is denied.
        levels: By level and name; the name ``*`` stands for every name that has no row of its own.
    """

    version: str = ""
    currency: str = ""
    restricted: frozenset[str] | None = None
    strategies: Mapping[str, ExecutionPolicy] = {}
    instruments: Mapping[str, InstrumentLimits] = {}
    levels: Mapping[tuple[Level, str], LevelLimits] = {}
    market_data: MarketDataLimits = MarketDataLimits()

    def rate(self, level: Level, name: str) -> int:
        """Messages per second allowed to ``name`` at ``level``; 0 where nobody set it."""
        row = self.levels.get((level, name)) or self.levels.get((level, EVERY))
        return row.messages_per_second if row is not None else 0
