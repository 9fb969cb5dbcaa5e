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

FULL: Final = "full"
"""The stage of what is introduced in full: it has no limits but all the others (C39)."""

EVERY: Final = "*"
"""Every name there is; of a row: every name that has no row of its own."""


class Level(enum.StrEnum):
    """Whose messages, exposure and loss a level's limits count (C5, C11)."""

    SESSION = "session"
    INSTRUMENT = "instrument"
    STRATEGY = "strategy"
    TRADER = "trader"
    DESK = "desk"
    CLIENT = "client"
    FIRM = "firm"


LEVELS: Final = (Level.STRATEGY, Level.TRADER, Level.DESK, Level.CLIENT, Level.FIRM)
"""Levels at which an order has a name, in the order in which facts and limits list them."""


class LossStage(enum.IntEnum):
    """How far the day's loss has come, in per cent of its limit (C22). What warns does not stop anything."""

    NORMAL = 0
    WARNED = 50
    REDUCE_ONLY = 80
    HALTED = 100


class Locate(msgspec.Struct, frozen=True, kw_only=True):
    """Shares that a lender holds ready for a client's short sales (C15).

    Attributes:
        lots: How far below nothing the client's position may go; what it holds elsewhere may be in it.
        until: Market time.
    """

    client: str
    symbol: str
    lots: int
    until: int


class CorrelationLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What instruments that move together may come to (C9).

    Attributes:
        calm_percent: Correlation, of either sign, beyond which two of them count as one.
        max_exposure: Currency units of all that counts as one.
    """

    calm_percent: int = 0
    max_exposure: Decimal = Decimal(0)


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
        max_drift_bps: How far the price may have gone against a parent since its admission (C2).
        calm_spread_bps, calm_volatility_bps: Beyond these, limits shrink in proportion (C9).
        max_parent_quantity: Lots of one parent (C4).
        soft_order_quantity, soft_order_value, soft_collar_bps, soft_volume_bps: Like the hard limits of these
            names, and at most as loose; past them an order waits for people (C20). ``None`` sets none.
        max_volume_bps: ``max_gross`` as a share of the average day's volume, if that is less (C9).
        max_participation_bps: What we trade and work in a day as a share of the day's volume so far (C9).
        first_lots: So many lots of a day need no share of the volume (C9).
        locate: ``not_required`` where it is easy to borrow; anything else needs one for a short sale (C15).
    """

    max_order_quantity: int = 0
    max_order_value: Decimal = Decimal(0)
    collar_bps: int = 0
    max_spread_bps: int = 0
    max_long: int = 0
    max_short: int = 0
    max_gross: int = 0
    messages_per_second: int = 0
    max_drift_bps: int = 0
    calm_spread_bps: int = 0
    calm_volatility_bps: int = 0
    max_volume_bps: int = 0
    max_participation_bps: int = 0
    first_lots: int = 0
    locate: str = "required"
    max_parent_quantity: int = 0
    soft_order_quantity: int | None = None
    soft_order_value: Decimal | None = None
    soft_collar_bps: int | None = None
    soft_volume_bps: int | None = None


class LevelLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one name at one level, e.g. of desk ``EQUITIES``.

    Attributes:
        max_exposure: Currency units held and worked, each instrument at its worst (C11).
        max_daily_loss: Currency units of realised and open loss in a day (C22).
        max_credit: Currency units traded in a day and working, of a client (C13).
    """

    messages_per_second: int = 0
    max_exposure: Decimal = Decimal(0)
    max_daily_loss: Decimal = Decimal(0)
    max_credit: Decimal = Decimal(0)


class ExecutionPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What one strategy may do (C10). What is not named is not allowed; ``*`` names everything there is.

    Attributes:
        venues: An order that leaves the venue to the broker may go to any, so it takes ``*``.
        passive_only: Orders may rest and may not take.
        max_order_value: Currency units of one order.
        max_orders_per_minute: New orders and replaces; one more switches the strategy off (C8).
        max_parent_value: Currency units of one parent (C3).
    """

    order_types: frozenset[OrdType] = frozenset()
    times_in_force: frozenset[TimeInForce] = frozenset()
    venues: frozenset[str] = frozenset()
    instruments: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()
    passive_only: bool = True
    max_order_value: Decimal = Decimal(0)
    max_orders_per_minute: int = 0
    max_parent_value: Decimal = Decimal(0)


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """How much something new may do while it is at this stage (C39); what is not named is not allowed.

    Attributes:
        venues: As of an execution policy.
        max_order_value: Currency units of one order.
        max_orders_per_day: New orders and replaces, in a day of market time.
        max_position: Lots long or short in one instrument, from its own orders, working ones counted.
    """

    instruments: frozenset[str] = frozenset()
    venues: frozenset[str] = frozenset()
    max_order_value: Decimal = Decimal(0)
    max_orders_per_day: int = 0
    max_position: int = 0


class MarketDataLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How old the market's facts may be, nanoseconds of UTC (C16)."""

    max_heartbeat_age: int = 0
    max_reference_age: int = 0


class DuplicateLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How many new orders of one look (account, instrument, side, type, quantity, price) may follow (C14).

    Attributes:
        max_alike: Orders in the window.
        window: Nanoseconds of UTC.
    """

    max_alike: int = 0
    window: int = 0


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the gate measures against.

    Attributes:
        version: Digest of the file that they came from; on every record.
        currency: Of every amount here. An instrument in another one is denied.
        restricted: Symbols that nobody trades (C15); ``None`` if nobody said, which denies everything.
        reduce_only_kill: A kill may let out what only makes holdings smaller; else it is a full one (C26).
        strategies: Execution policies by name of the strategy.
        instruments: By symbol. An instrument that is not here is denied.
        locates: What clients may sell short where a locate is required (C15).
        stages: By name (C39).
        introductions: Stage reached, by ``policy=NAME`` and ``model=NAME@VERSION``; the name ``*`` stands for
            everything new, which is never ``full``. What has none trades nothing.
        levels: By level and name; the name ``*`` stands for every name that has no row of its own.
    """

    version: str = ""
    currency: str = ""
    restricted: frozenset[str] | None = None
    reduce_only_kill: bool = False
    strategies: Mapping[str, ExecutionPolicy] = {}
    instruments: Mapping[str, InstrumentLimits] = {}
    levels: Mapping[tuple[Level, str], LevelLimits] = {}
    market_data: MarketDataLimits = MarketDataLimits()
    duplicates: DuplicateLimits = DuplicateLimits()
    stages: Mapping[str, Stage] = {}
    introductions: Mapping[str, str] = {}
    locates: tuple[Locate, ...] = ()
    correlation: CorrelationLimits = CorrelationLimits()

    def at(self, level: Level, name: str) -> LevelLimits:
        """Limits of ``name`` at ``level``; all zero where nobody set any."""
        return self.levels.get((level, name)) or self.levels.get((level, EVERY)) or LevelLimits()
