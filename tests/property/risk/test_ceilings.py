"""Whatever the limits say, whatever the facts are: what the gate lets through is under every ceiling."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from service.model.orders import OrdType, ReplaceChild, Side, SubmitChild, TimeInForce
from service.model.time import SECOND
from service.risk import (
    LEVELS,
    Approved,
    CorrelatedFacts,
    CorrelationLimits,
    DuplicateLimits,
    ExecutionPolicy,
    Facts,
    Gate,
    InstrumentLimits,
    Level,
    LevelFacts,
    LevelLimits,
    Limits,
    Locate,
    LossStage,
    MarketDataLimits,
    ceilings,
)
from tests.unit.risk.orders import CHILD, DOLLAR, FACTS, NOW, PRICE, SNAPSHOT, TICK, replace, submit, traded

VOLUME = 100_000_000
LOOSE = 1 << 60


def near(*ceiling: int) -> st.SearchStrategy[int]:
    """Nothing, a little, just about a ceiling, and far beyond it."""
    about = [value + step for value in ceiling for step in (-1, 0, 1)]
    return st.sampled_from([0, 1, 1000, *about, LOOSE]) | st.integers(0, 2 * max(ceiling))


def seldom(wild: st.SearchStrategy[Any], calm: Any = 0) -> st.SearchStrategy[Any]:
    """Mostly calm: an order that breaks everything at once says little about each thing."""
    return st.integers(0, 11).flatmap(lambda n: wild if n == 0 else st.just(calm))


def money(ceiling: Decimal) -> st.SearchStrategy[Decimal]:
    return near(int(ceiling)).map(Decimal)


def build(kind: type, **fields: Any) -> st.SearchStrategy[Any]:
    return st.builds(kind, **fields)


RATE = near(ceilings.MAX_MESSAGES_PER_SECOND)
INSTRUMENT = build(
    InstrumentLimits,
    max_order_quantity=near(ceilings.MAX_ORDER_QUANTITY),
    max_order_value=money(ceilings.MAX_ORDER_VALUE),
    collar_bps=near(ceilings.MAX_COLLAR_BPS),
    max_spread_bps=near(ceilings.MAX_SPREAD_BPS),
    max_long=near(ceilings.MAX_POSITION),
    max_short=near(ceilings.MAX_POSITION),
    max_gross=near(ceilings.MAX_GROSS),
    messages_per_second=RATE,
    max_drift_bps=near(ceilings.MAX_DRIFT_BPS),
    calm_spread_bps=near(ceilings.MAX_CALM_SPREAD_BPS),
    calm_volatility_bps=near(ceilings.MAX_CALM_VOLATILITY_BPS),
    max_volume_bps=near(ceilings.MAX_VOLUME_BPS),
    max_participation_bps=near(ceilings.MAX_PARTICIPATION_BPS),
    first_lots=near(ceilings.MAX_FIRST_LOTS),
    locate=st.sampled_from(["not_required", "required"]),
)
LEVEL = build(
    LevelLimits,
    messages_per_second=RATE,
    max_exposure=money(ceilings.MAX_EXPOSURE),
    max_daily_loss=money(ceilings.MAX_DAILY_LOSS),
    max_credit=money(ceilings.MAX_CREDIT),
)
EVERYTHING = frozenset({"*"})
POLICY = build(
    ExecutionPolicy,
    order_types=st.just(frozenset(OrdType)),
    times_in_force=st.just(frozenset(TimeInForce)),
    venues=st.just(EVERYTHING),
    instruments=st.just(EVERYTHING),
    accounts=st.just(EVERYTHING),
    passive_only=st.booleans(),
    max_order_value=money(ceilings.MAX_ORDER_VALUE),
    max_orders_per_minute=near(ceilings.MAX_ORDERS_PER_MINUTE),
)
LIMITS = build(
    Limits,
    currency=st.just("USD"),
    restricted=st.just(frozenset()),
    strategies=st.fixed_dictionaries({"*": POLICY}),
    instruments=st.fixed_dictionaries({"AURA": INSTRUMENT}),
    levels=st.fixed_dictionaries({(level, "*"): LEVEL for level in (Level.SESSION, *LEVELS)}),
    market_data=build(
        MarketDataLimits,
        max_heartbeat_age=near(ceilings.MAX_HEARTBEAT_AGE),
        max_reference_age=near(ceilings.MAX_REFERENCE_AGE),
    ),
    introductions=st.just({"policy=twap": "full"}),
    duplicates=build(
        DuplicateLimits, max_alike=near(ceilings.MAX_ALIKE), window=st.sampled_from([0, 1, SECOND])
    ),
    correlation=build(
        CorrelationLimits,
        calm_percent=near(ceilings.MAX_CALM_CORRELATION),
        max_exposure=money(ceilings.MAX_CORRELATED_EXPOSURE),
    ),
    locates=st.lists(
        build(
            Locate,
            client=st.just("NORTHWIND"),
            symbol=st.just("AURA"),
            lots=near(ceilings.MAX_POSITION),
            until=near(ceilings.MAX_LOCATE_AHEAD).map(lambda ahead: NOW.market + ahead),
        ),
        max_size=2,
    ).map(tuple),
)
LOOSEST = Limits(
    currency="USD",
    restricted=frozenset(),
    strategies={
        "*": ExecutionPolicy(
            order_types=frozenset(OrdType),
            times_in_force=frozenset(TimeInForce),
            venues=EVERYTHING,
            instruments=EVERYTHING,
            accounts=EVERYTHING,
            passive_only=False,
            max_order_value=Decimal(LOOSE),
            max_orders_per_minute=LOOSE,
        )
    },
    instruments={
        "AURA": InstrumentLimits(
            **{
                **dict.fromkeys(InstrumentLimits.__struct_fields__, LOOSE),
                "max_order_value": Decimal(LOOSE),
                "locate": "not_required",
            }
        )
    },
    levels={
        (level, "*"): LevelLimits(
            messages_per_second=LOOSE,
            max_exposure=Decimal(LOOSE),
            max_daily_loss=Decimal(LOOSE),
            max_credit=Decimal(LOOSE),
        )
        for level in (Level.SESSION, *LEVELS)
    },
    market_data=MarketDataLimits(max_heartbeat_age=LOOSE, max_reference_age=LOOSE),
    duplicates=DuplicateLimits(max_alike=LOOSE, window=1),
    introductions={"policy=twap": "full"},
    correlation=CorrelationLimits(calm_percent=LOOSE, max_exposure=Decimal(LOOSE)),
)

LOTS = seldom(near(ceilings.MAX_POSITION, ceilings.MAX_GROSS) | st.integers(0, 2000))
VALUE = seldom(
    near(int(ceilings.MAX_EXPOSURE), int(ceilings.MAX_CREDIT)).map(lambda dollars: dollars * DOLLAR)
)
COUNT = seldom(near(ceilings.MAX_MESSAGES_PER_SECOND))
BPS = seldom(st.floats(0, 1000) | st.sampled_from([250.0, 251.0, float("nan"), float("inf"), -1.0]), 1.0)


MOVES_TOGETHER = build(
    CorrelatedFacts,
    symbol=st.just("AURA"),
    percent=st.integers(-100, 100) | st.sampled_from([-91, -90, 90, 91]),
    position=near(ceilings.MAX_POSITION) | near(ceilings.MAX_POSITION).map(int.__neg__),
    working_buy=st.integers(0, 1000),
    working_sell=st.integers(0, 1000),
    price=st.just(PRICE),
)


@st.composite
def worlds(draw: st.DrawFn) -> Facts:
    """Facts of an open market, most of them about a ceiling."""
    side = draw(st.sampled_from(Side))
    half = draw(seldom(st.integers(0, 60_000), TICK))
    reference = msgspec.structs.replace(
        SNAPSHOT,
        bid=PRICE - half,
        ask=PRICE + half,
        ts_utc=NOW.utc - draw(seldom(near(ceilings.MAX_REFERENCE_AGE))),
        spread_bps=draw(BPS),
        volatility_bps=draw(BPS),
        volume=draw(seldom(near(2 * ceilings.MAX_FIRST_LOTS), 1 << 40)),
    )
    rows = [
        LevelFacts(draw(VALUE), draw(VALUE), LossStage.NORMAL, draw(LOTS), draw(LOTS), draw(LOTS))
        for _ in LEVELS
    ]
    parent = msgspec.structs.replace(
        FACTS.parent,
        side=side,
        quantity=LOOSE,
        arrival_price=PRICE + draw(seldom(st.integers(-300_000, 300_000))),
    )
    return msgspec.structs.replace(
        FACTS,
        parent=parent,
        market=msgspec.structs.replace(
            FACTS.market,
            reference=reference,
            heartbeat_utc=NOW.utc - draw(seldom(near(ceilings.MAX_HEARTBEAT_AGE))),
        ),
        exposure=msgspec.structs.replace(
            FACTS.exposure,
            position=draw(LOTS) * draw(st.sampled_from([-1, 1])),
            working_buy=draw(LOTS),
            working_sell=draw(LOTS),
            traded=draw(seldom(near(ceilings.MAX_FIRST_LOTS))),
        ),
        correlated=draw(seldom(st.lists(MOVES_TOGETHER, max_size=2).map(tuple), ())),
        levels=tuple(rows),
        traffic=msgspec.structs.replace(
            FACTS.traffic,
            session=draw(COUNT),
            instrument=draw(COUNT),
            alike=draw(seldom(st.sampled_from([1, 99, 100, 101]))),
            minute=draw(seldom(near(ceilings.MAX_ORDERS_PER_MINUTE))),
            levels=tuple(draw(COUNT) for _ in LEVELS),
        ),
        child=msgspec.structs.replace(CHILD, side=side),
    )


@st.composite
def commands(draw: st.DrawFn, side: Side) -> SubmitChild | ReplaceChild:
    quantity = draw(seldom(st.integers(1, 100_100) | near(ceilings.MAX_ORDER_QUANTITY), 500))
    price = PRICE + TICK * draw(seldom(st.integers(-1100, 1100)))
    if draw(st.booleans()):
        return replace(quantity=quantity, price=price)
    if draw(st.booleans()):
        return submit(side=side, quantity=quantity, ord_type=OrdType.MARKET, price=0)
    return submit(side=side, quantity=quantity, price=price)


def added(command: SubmitChild | ReplaceChild) -> int:
    return command.quantity if isinstance(command, SubmitChild) else max(0, command.quantity - CHILD.quantity)


def within_the_ceilings(command: SubmitChild | ReplaceChild, world: Facts) -> None:
    """What no configuration may loosen, each written out again without the gate's own code."""
    reference, more = world.market.reference, added(command)
    assert reference is not None
    assert world.parent is not None
    sign = world.parent.side.sign
    price = command.price or PRICE * 11 // 10
    assert command.quantity <= ceilings.MAX_ORDER_QUANTITY
    assert price * command.quantity <= int(ceilings.MAX_ORDER_VALUE) * 10_000
    assert abs((command.price or PRICE) - PRICE) * 10_000 <= ceilings.MAX_COLLAR_BPS * PRICE
    assert (reference.ask - reference.bid) * 10_000 <= ceilings.MAX_SPREAD_BPS * PRICE
    drift = (PRICE - world.parent.arrival_price) * sign
    assert drift * 10_000 <= ceilings.MAX_DRIFT_BPS * world.parent.arrival_price
    assert NOW.utc - reference.ts_utc <= ceilings.MAX_REFERENCE_AGE
    assert NOW.utc - world.market.heartbeat_utc <= ceilings.MAX_HEARTBEAT_AGE
    held = world.exposure
    if sign > 0:
        assert held.position + held.working_buy + more <= ceilings.MAX_POSITION
    else:
        assert held.working_sell + more - held.position <= ceilings.MAX_POSITION
    gross = abs(held.position) + held.working_buy + held.working_sell + more
    assert gross <= min(ceilings.MAX_GROSS, VOLUME * ceilings.MAX_VOLUME_BPS // 10_000)
    less = -held.position - held.working_buy if sign > 0 else held.position - held.working_sell
    if more > max(less, 0):
        ours = held.traded + held.working_buy + held.working_sell + more
        assert ours <= max(
            ceilings.MAX_FIRST_LOTS, reference.volume * ceilings.MAX_PARTICIPATION_BPS // 10_000
        )
        worst = max(
            held.position + held.working_buy if sign > 0 else held.working_sell - held.position, -more
        )
        for other in world.correlated:
            long = other.percent * sign > 0
            lots = other.position + other.working_buy if long else other.working_sell - other.position
            if abs(other.percent) > ceilings.MAX_CALM_CORRELATION and lots > 0:
                assert (worst + more + lots) * PRICE // 10_000 <= ceilings.MAX_CORRELATED_EXPOSURE
    for row in world.levels:
        buying, selling = (row.buying + more, row.selling) if sign > 0 else (row.buying, row.selling + more)
        before = max(row.lots + row.buying, row.selling - row.lots)
        after = max(row.lots + buying, selling - row.lots)
        dollars = (after - before) * PRICE // 10_000
        assert after == before or row.exposure + dollars * DOLLAR <= ceilings.MAX_EXPOSURE * DOLLAR
    credit = world.levels[3].credit + more * max(PRICE, command.price) * 10**14
    assert not more or credit <= ceilings.MAX_CREDIT * DOLLAR
    sent = (world.traffic.session, world.traffic.instrument, *world.traffic.levels)
    assert max(sent) < ceilings.MAX_MESSAGES_PER_SECOND
    assert world.traffic.minute < ceilings.MAX_ORDERS_PER_MINUTE
    assert isinstance(command, ReplaceChild) or world.traffic.alike < ceilings.MAX_ALIKE
    for wild, calm in (
        (reference.spread_bps, ceilings.MAX_CALM_SPREAD_BPS),
        (reference.volatility_bps, ceilings.MAX_CALM_VOLATILITY_BPS),
    ):
        assert wild >= 0
        assert command.quantity * max(wild, calm) <= ceilings.MAX_ORDER_QUANTITY * calm


@settings(max_examples=500, deadline=None)
@given(limits=st.just(LOOSEST) | LIMITS, world=worlds(), data=st.data())
def test_what_is_approved_is_within_every_ceiling(limits: Limits, world: Facts, data: st.DataObject) -> None:
    assert world.parent is not None
    command = data.draw(commands(world.parent.side))
    verdict = Gate(limits, traded(VOLUME)).check(command, world, NOW)
    if isinstance(verdict, Approved):
        within_the_ceilings(command, world)


@settings(max_examples=500, deadline=None)
@given(limits=LIMITS, world=worlds(), data=st.data())
def test_no_configuration_lets_through_what_the_loosest_denies(
    limits: Limits, world: Facts, data: st.DataObject
) -> None:
    assert world.parent is not None
    command, reference = data.draw(commands(world.parent.side)), traded(VOLUME)
    if isinstance(Gate(limits, reference).check(command, world, NOW), Approved):
        assert isinstance(Gate(LOOSEST, reference).check(command, world, NOW), Approved)


def test_the_loosest_configuration_lets_an_ordinary_order_through() -> None:
    """Else all of the above would hold for nothing."""
    gate = Gate(LOOSEST, traded(VOLUME))
    assert isinstance(gate.check(submit(), FACTS, NOW), Approved)
    assert isinstance(gate.check(replace(), msgspec.structs.replace(FACTS, child=CHILD), NOW), Approved)
