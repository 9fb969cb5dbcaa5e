"""What the gateway hands the gate: facts of one moment, frozen. None of them comes from a policy."""

from __future__ import annotations

import msgspec

from service.model.market import ReferenceSnapshot
from service.model.orders import OrdType, ParentStatus, Side, TimeInForce
from service.risk.denials import Code
from service.risk.limits import LossStage


class ParentFacts(msgspec.Struct, frozen=True, gc=False):
    """A parent as the gateway admitted it.

    Attributes:
        limit_price: Price units; 0 if the parent has none.
        arrival_price: Reference price when it was admitted, price units.
        window_start, window_end: Market time.
        filled, working: Lots done, and lots sent that may still be done.
        next_child: Lowest child number that is not used yet.
        levels: Names that its orders count for, in the order of ``LEVELS``.
    """

    id: str
    symbol: str
    side: Side
    quantity: int
    limit_price: int
    window_start: int
    window_end: int
    version: int
    status: ParentStatus
    policy: str
    account: str
    arrival_price: int
    filled: int
    working: int
    next_child: int
    levels: tuple[str, ...]


class ChildFacts(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The live order that a replace is about.

    Attributes:
        quantity: Its OrderQty in lots, or the larger one while a replace is pending.
        working: It is open at the broker, by the broker's word.
        pending: A cancel or replace of it has not been answered.
    """

    side: Side
    ord_type: OrdType
    time_in_force: TimeInForce
    quantity: int
    filled: int
    working: bool
    pending: bool


class MarketFacts(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The newest reference facts of the instrument and the newest heartbeat of the feed (UTC)."""

    reference: ReferenceSnapshot | None
    heartbeat_utc: int


class ExposureFacts(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Lots of one instrument: position by fills (signed), and working orders, each side by itself.

    Attributes:
        own_bid, own_ask: Highest buy and lowest sell of ours that rest in the market, price units; 0 is none.
        traded: Bought and sold today.
    """

    position: int
    working_buy: int
    working_sell: int
    own_bid: int
    own_ask: int
    traded: int = 0


class CorrelatedFacts(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What we hold and work, lots, in an instrument that moves with the order's (``ref.v1``).

    Attributes:
        percent: Their correlation, -100 to 100.
        price: Its reference price, price units; 0 if there is none.
    """

    symbol: str
    percent: int
    position: int
    working_buy: int
    working_sell: int
    price: int


class LevelFacts(msgspec.Struct, frozen=True, gc=False):
    """Of one of the names that an order is sent for, e.g. its desk.

    Attributes:
        exposure: Units of value held and worked, each instrument at its worst (C11).
        credit: Units of value traded today and working (C13).
        loss: How far the day's loss has come, latched (C22).
        lots, buying, selling: Position (signed) and working orders in the order's instrument.
    """

    exposure: int
    credit: int
    loss: LossStage
    lots: int
    buying: int
    selling: int


class TrafficFacts(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Messages sent in the last second of UTC, by whom they count for. Cancels count (C5).

    Attributes:
        minute: New orders and replaces of the strategy in the last minute (C8).
        alike: New orders that look like this one, sent within the window of C14.
        levels: In the order of ``LEVELS``.
    """

    session: int
    instrument: int
    alike: int
    minute: int
    levels: tuple[int, ...]


class TrialFacts(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a policy or model that is still being introduced has done (C39).

    Attributes:
        key: ``policy=NAME`` or ``model=NAME@VERSION``.
        orders: New orders and replaces of this day of market time.
        lots, buying, selling: Position (signed) and working orders in the order's instrument, of its own.
    """

    key: str
    orders: int
    lots: int
    buying: int
    selling: int


class HaltFacts(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What stops trading by itself.

    Attributes:
        kill: Scope of a kill that covers this order; empty if none does.
        logged_on: The FIX session is up.
        unknown_orders: Orders of this instrument whose outcome only the broker knows.
        throttled: The strategy has tripped its throttle and nobody has armed it since (C8).
        clock: Why our own clock is not to be trusted; empty if it is (C47).
        reduce_only: Scope of a kill under which this order may only reduce; empty if none covers it (C26).
    """

    kill: str
    logged_on: bool
    unknown_orders: int
    throttled: bool
    reduce_only: str = ""
    clock: str = ""


class Facts(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """All that the gate looks at besides the order.

    Attributes:
        levels: In the order of ``LEVELS``.
        child: There for a replace of a known child.
        correlated: Of the instruments that the order's moves with, those of which we hold or work anything.
        trials: Of the order's policy and model, where they are not introduced in full (C39).
        lifted: Soft blocks that two people have lifted for this one order (C44).
    """

    parent: ParentFacts | None
    market: MarketFacts
    exposure: ExposureFacts
    levels: tuple[LevelFacts, ...]
    traffic: TrafficFacts
    halt: HaltFacts
    child: ChildFacts | None = None
    correlated: tuple[CorrelatedFacts, ...] = ()
    lifted: tuple[Code, ...] = ()
    trials: tuple[TrialFacts, ...] = ()
