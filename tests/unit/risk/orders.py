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
    FULL,
    LEVELS,
    Approved,
    ChildFacts,
    CorrelationLimits,
    Denied,
    DuplicateLimits,
    ExecutionPolicy,
    ExposureFacts,
    Facts,
    Gate,
    HaltFacts,
    InstrumentLimits,
    Level,
    LevelFacts,
    LevelLimits,
    Limits,
    LossStage,
    MarketDataLimits,
    MarketFacts,
    ParentFacts,
    TrafficFacts,
)

NOW = Now(1_340_285_400 * SECOND, 1_795_000_000 * SECOND)
PRICE = 1_000_000
TICK = 100
DOLLAR = 10**18
"""In units of value."""
REFERENCE = Reference(
    instruments=(
        Instrument(symbol="AURA", venue="XSIM", currency="USD", tick=TICK, reference_volume=60_000),
    ),
    venues=(Venue(name="XSIM"),),
    accounts=(Account(name="NW-1", client="NORTHWIND"),),
    traders=(),
    desks=(),
    clients=(Client(name="NORTHWIND", firm="SLIPSTREAM"),),
    firms=(Firm(name="SLIPSTREAM"),),
)


def traded(volume: int) -> Reference:
    """The reference file with another average day's volume, lots."""
    rows = [{**REFERENCE.instruments[0].model_dump(), "reference_volume": volume}]
    return Reference.model_validate({**REFERENCE.model_dump(), "instruments": rows})


INSTRUMENT_LIMITS = InstrumentLimits(
    max_order_quantity=1000,
    max_order_value=Decimal(100_000),
    collar_bps=100,
    max_spread_bps=50,
    max_long=5_000,
    max_short=4_000,
    max_gross=6_000,
    messages_per_second=10,
    max_drift_bps=200,
    calm_spread_bps=10,
    calm_volatility_bps=20,
    max_volume_bps=1000,
    max_participation_bps=1000,
    first_lots=20_000,
    locate="not_required",
)


def level(**changes: Any) -> LevelLimits:
    """Limits of one name at one level."""
    fields: dict[str, Any] = {"max_exposure": Decimal(1_000_000), "max_daily_loss": Decimal(10_000)}
    return LevelLimits(**{**fields, **changes})


ANYTHING = frozenset({"*"})
POLICY = ExecutionPolicy(
    order_types=frozenset(OrdType),
    times_in_force=frozenset(TimeInForce),
    venues=ANYTHING,
    instruments=ANYTHING,
    accounts=ANYTHING,
    passive_only=False,
    max_order_value=Decimal(100_000),
    max_orders_per_minute=50,
)
LIMITS = Limits(
    currency="USD",
    restricted=frozenset(),
    strategies={"*": POLICY},
    instruments={"AURA": INSTRUMENT_LIMITS},
    levels={
        (Level.SESSION, "*"): LevelLimits(messages_per_second=30),
        (Level.STRATEGY, "*"): level(messages_per_second=20),
        (Level.TRADER, "*"): level(messages_per_second=25),
        (Level.DESK, "*"): level(messages_per_second=26),
        (Level.CLIENT, "*"): level(messages_per_second=27, max_credit=Decimal(2_000_000)),
        (Level.FIRM, "*"): level(messages_per_second=28),
    },
    duplicates=DuplicateLimits(max_alike=3, window=SECOND),
    introductions={"policy=twap": FULL},
    correlation=CorrelationLimits(calm_percent=60, max_exposure=Decimal(300_000)),
    market_data=MarketDataLimits(max_heartbeat_age=SECOND, max_reference_age=2 * SECOND),
)

NAMES = ("twap", "alice", "EQUITIES", "NORTHWIND", "SLIPSTREAM")
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
    arrival_price=PRICE,
    filled=500,
    working=400,
    next_child=4,
    levels=NAMES,
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
    exposure=ExposureFacts(position=0, working_buy=400, working_sell=0, own_bid=0, own_ask=0),
    levels=(LevelFacts(40_000 * DOLLAR, 40_000 * DOLLAR, LossStage.NORMAL, 0, 400, 0),) * len(NAMES),
    traffic=TrafficFacts(session=0, instrument=0, alike=0, minute=0, levels=(0, 0, 0, 0, 0)),
    halt=HaltFacts(kill="", logged_on=True, unknown_orders=0, throttled=False),
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


def at(place: Level, **changes: Any) -> Facts:
    """Facts with those of the name at one level changed."""
    n = LEVELS.index(place)
    changed = msgspec.structs.replace(FACTS.levels[n], **changes)
    return msgspec.structs.replace(FACTS, levels=(*FACTS.levels[:n], changed, *FACTS.levels[n + 1 :]))


def sent(place: Level, messages: int) -> Facts:
    """Facts with so many messages of the name at one level in the last second."""
    counts = tuple(messages if name is place else 0 for name in LEVELS)
    return facts(traffic_levels=counts)


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
