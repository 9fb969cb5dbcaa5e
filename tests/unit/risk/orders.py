"""An order that passes every check, and the facts it passes on; each test changes one thing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from service.model.market import ReferenceSnapshot, TradingPhase
from service.model.orders import OrdType, ParentStatus, ReplaceChild, Side, SubmitChild, TimeInForce
from service.model.reference import Account, Client, Firm, Instrument, Reference, Venue
from service.model.time import SECOND, Now
from service.risk import (
    Approved,
    ChildFacts,
    Denied,
    ExecutionPolicy,
    ExposureFacts,
    Facts,
    Gate,
    HaltFacts,
    InstrumentLimits,
    Level,
    LevelLimits,
    Limits,
    MarketDataLimits,
    MarketFacts,
    ParentFacts,
    TrafficFacts,
)

NOW = Now(1_340_285_400 * SECOND, 1_795_000_000 * SECOND)
PRICE = 1_000_000
TICK = 100
REFERENCE = Reference(
    instruments=(Instrument(symbol="AURA", venue="XSIM", currency="USD", tick=TICK),),
    venues=(Venue(name="XSIM"),),
    accounts=(Account(name="NW-1", client="NORTHWIND"),),
    traders=(),
    desks=(),
    clients=(Client(name="NORTHWIND", firm="SLIPSTREAM"),),
    firms=(Firm(name="SLIPSTREAM"),),
)
INSTRUMENT_LIMITS = InstrumentLimits(
    max_order_quantity=1000,
    max_order_value=Decimal(100_000),
    collar_bps=100,
    max_spread_bps=50,
    max_long=5_000,
    max_short=4_000,
    max_gross=6_000,
    messages_per_second=10,
)
ANYTHING = frozenset({"*"})
POLICY = ExecutionPolicy(
    order_types=frozenset(OrdType),
    times_in_force=frozenset(TimeInForce),
    venues=ANYTHING,
    instruments=ANYTHING,
    accounts=ANYTHING,
    passive_only=False,
    max_order_value=Decimal(100_000),
)
LIMITS = Limits(
    currency="USD",
    restricted=frozenset(),
    strategies={"*": POLICY},
    instruments={"AURA": INSTRUMENT_LIMITS},
    levels={
        (Level.SESSION, "*"): LevelLimits(messages_per_second=30),
        (Level.STRATEGY, "*"): LevelLimits(messages_per_second=20),
    },
    market_data=MarketDataLimits(max_heartbeat_age=SECOND, max_reference_age=2 * SECOND),
)

PARENT = ParentFacts(
    id="P1",
    symbol="AURA",
    side=Side.BUY,
    quantity=3_000,
    limit_price=0,
    window_start=NOW.market - SECOND,
    window_end=NOW.market + 600 * SECOND,
    version=2,
    status=ParentStatus.WORKING,
    policy="twap",
    account="NW-1",
    filled=500,
    working=400,
    next_child=4,
)
SNAPSHOT = ReferenceSnapshot(
    symbol="AURA",
    venue="XSIM",
    ts_event=NOW.market,
    ts_utc=NOW.utc,
    bid=PRICE - TICK,
    ask=PRICE + TICK,
    bid_quantity=100,
    ask_quantity=100,
    last=PRICE,
    reference=PRICE,
    open=PRICE,
    volume=1,
    spread_bps=2.0,
    volatility_bps=2.0,
    phase=TradingPhase.CONTINUOUS,
)
FACTS = Facts(
    parent=PARENT,
    market=MarketFacts(reference=SNAPSHOT, heartbeat_utc=NOW.utc),
    exposure=ExposureFacts(position=0, working_buy=400, working_sell=0),
    traffic=TrafficFacts(session=0, strategy=0, instrument=0),
    halt=HaltFacts(kill="", logged_on=True, unknown_orders=0),
)
CHILD = ChildFacts(
    side=Side.BUY,
    ord_type=OrdType.LIMIT,
    time_in_force=TimeInForce.DAY,
    quantity=400,
    filled=50,
    working=True,
    pending=False,
)
_SUBMIT = SubmitChild(
    child_id="P1.4",
    parent_id="P1",
    parent_version=2,
    symbol="AURA",
    side=Side.BUY,
    ord_type=OrdType.LIMIT,
    quantity=100,
    price=PRICE,
    time_in_force=TimeInForce.DAY,
    policy="twap",
)
_REPLACE = ReplaceChild(child_id="P1.3", parent_id="P1", parent_version=2, quantity=450, price=PRICE)


def submit(**changes: Any) -> SubmitChild:
    return msgspec.structs.replace(_SUBMIT, **changes)


def replace(**changes: Any) -> ReplaceChild:
    return msgspec.structs.replace(_REPLACE, **changes)


def facts(**changes: Any) -> Facts:
    """Facts with fields of any of its parts changed, e.g. ``parent_status``, ``exposure_position``."""
    parts: dict[str, dict[str, Any]] = {}
    for name, value in changes.items():
        part, _, field = name.partition("_")
        if field:
            parts.setdefault(part, {})[field] = value
        else:
            parts.setdefault(part, {})[""] = value
    updates: dict[str, Any] = {}
    for part, fields in parts.items():
        base = updates.get("market", FACTS.market) if part == "ref" else getattr(FACTS, part)
        if "" in fields:
            updates[part] = fields[""]
        elif part == "ref":
            updates["market"] = msgspec.structs.replace(
                base, reference=msgspec.structs.replace(SNAPSHOT, **fields)
            )
        else:
            updates[part] = msgspec.structs.replace(base or CHILD, **fields)
    return msgspec.structs.replace(FACTS, **updates)


def limits(**changes: Any) -> Limits:
    """The limits with fields of the instrument's changed."""
    return msgspec.structs.replace(
        LIMITS, instruments={"AURA": msgspec.structs.replace(INSTRUMENT_LIMITS, **changes)}
    )


def policy(**changes: Any) -> Limits:
    """The limits with fields of the execution policy changed."""
    return msgspec.structs.replace(LIMITS, strategies={"*": msgspec.structs.replace(POLICY, **changes)})


def judge(
    command: SubmitChild | ReplaceChild | None = None,
    given: Facts = FACTS,
    *,
    under: Limits = LIMITS,
    now: Now = NOW,
) -> Approved | Denied:
    return Gate(under, REFERENCE).check(command or submit(), given, now)


def code(
    command: SubmitChild | ReplaceChild | None = None,
    given: Facts = FACTS,
    *,
    under: Limits = LIMITS,
    now: Now = NOW,
) -> str:
    """``approved``, or control and code of the denial."""
    verdict = judge(command, given, under=under, now=now)
    return "approved" if isinstance(verdict, Approved) else f"{verdict.control} {verdict.code}"
