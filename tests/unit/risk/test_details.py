"""What every denial says, word for word: people and runners act on it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from service.model.market import TradingPhase
from service.model.orders import OrdType, ParentStatus, ReplaceChild, Side, SubmitChild, TimeInForce
from service.model.time import SECOND
from service.risk import (
    LEVELS,
    Approved,
    CorrelatedFacts,
    Facts,
    Gate,
    Level,
    Limits,
    LossStage,
    Stage,
    TrialFacts,
    Use,
)
from tests.unit.risk.orders import (
    CHILD,
    DOLLAR,
    FACTS,
    LIMITS,
    NOW,
    PARENT,
    PRICE,
    REFERENCE,
    TICK,
    at,
    facts,
    limits,
    policy,
    replace,
    sent,
    submit,
)
from tests.unit.risk.test_liquidity import BOTH

MARKET: dict[str, Any] = {"ord_type": OrdType.MARKET, "price": 0}
SELL: dict[str, Any] = {"parent_side": Side.SELL, "exposure_working_buy": 0}
SHORT = submit(side=Side.SELL)
BANDS: dict[str, Any] = {"ref_lower_band": PRICE - 5 * TICK, "ref_upper_band": PRICE + 5 * TICK}
NOTHING: frozenset[str] = frozenset()
MILLION = 1_000_000 * DOLLAR
ON_TRIAL = msgspec.structs.replace(
    LIMITS,
    stages={
        "small": Stage(
            instruments=frozenset({"*"}),
            venues=frozenset({"*"}),
            max_order_value=Decimal(20_000),
            max_orders_per_day=50,
            max_position=1_000,
        ),
        "nowhere": Stage(venues=frozenset({"XNAS"}), instruments=frozenset({"AURA"})),
        "other": Stage(),
    },
    introductions={"policy=twap": "small"},
)


def changed(**changes: Any) -> Limits:
    return msgspec.structs.replace(LIMITS, **changes)


def stage(name: str) -> Limits:
    return msgspec.structs.replace(ON_TRIAL, introductions={"policy=twap": name})


def row(place: Level, **changes: Any) -> Limits:
    given = msgspec.structs.replace(LIMITS.levels[place, "*"], **changes)
    return changed(levels={**LIMITS.levels, (place, "*"): given})


def trial(orders: int = 0, lots: int = 0, buying: int = 0, selling: int = 0, **changes: Any) -> Facts:
    one = TrialFacts(key="policy=twap", orders=orders, lots=lots, buying=buying, selling=selling)
    return facts(trials=(one,), **changes)


def bolt(price: int, **changes: Any) -> Facts:
    one = CorrelatedFacts(
        symbol="BOLT", percent=90, position=400_000, working_buy=0, working_sell=0, price=price
    )
    return facts(correlated=(one,), **changes)


def selling_at(place: Level, **changes: Any) -> Facts:
    base = facts(**SELL)
    return msgspec.structs.replace(base, levels=at(place, **changes).levels)


Case = tuple[SubmitChild | ReplaceChild, Facts, Limits]


def case(
    command: SubmitChild | ReplaceChild | None = None, given: Facts = FACTS, under: Limits = LIMITS
) -> Case:
    return command or submit(), given, under


REPLACED = facts(child=CHILD)
SAID: dict[str, Case] = {
    "C23 KILLED scope=all": case(given=facts(halt_kill="all")),
    "C23 KILLED scope=symbol=AURA": case(given=facts(halt_reduce_only="symbol=AURA")),
    "C1 PRICE_COLLAR price=1000200 reference=1000000 limit_bps=1": case(
        submit(price=PRICE + 2 * TICK), under=limits(collar_bps=1)
    ),
    "C6 NOT_LOGGED_ON ": case(given=facts(halt_logged_on=False)),
    "C35 UNRECONCILED unknown_orders=2": case(given=facts(halt_unknown_orders=2)),
    "C8 THROTTLED arm_it_first=yes": case(given=facts(halt_throttled=True)),
    "C19 UNKNOWN_PARENT parent=P1": case(given=facts(parent=None)),
    "C19 PARENT_PAUSED parent=P1": case(given=facts(parent_status=ParentStatus.PAUSED)),
    "C19 PARENT_CLOSED status=filled": case(given=facts(parent_status=ParentStatus.FILLED)),
    "C19 PARENT_VERSION given=1 current=2": case(submit(parent_version=1)),
    "C19 PARENT_SYMBOL given=AURA parent=BOLT": case(
        given=facts(parent=msgspec.structs.replace(PARENT, symbol="BOLT"))
    ),
    "C19 PARENT_SIDE given=SELL parent=BUY": case(SHORT),
    f"C19 PARENT_WINDOW now={NOW.market} start={NOW.market + 1} end={NOW.market + 600 * SECOND}": case(
        given=facts(parent_window_start=NOW.market + 1)
    ),
    "C19 PARENT_QUANTITY added=100 working=400 filled=2501 limit=3000": case(given=facts(parent_filled=2501)),
    "C19 PARENT_LIMIT_PRICE price=1000000 limit=999900 side=BUY": case(
        given=facts(parent_limit_price=PRICE - TICK)
    ),
    "C19 PARENT_LIMIT_PRICE ord_type=market limit=1000000": case(
        submit(**MARKET), facts(parent_limit_price=PRICE)
    ),
    "C14 MALFORMED_CHILD_ID child=P2.4": case(submit(child_id="P2.4")),
    "C14 DUPLICATE_CHILD child=P1.3 next=4": case(submit(child_id="P1.3")),
    "C19 UNKNOWN_CHILD child=P1.3": case(replace()),
    "C19 REQUEST_PENDING child=P1.3": case(replace(), facts(child_pending=True)),
    "C19 CHILD_NOT_WORKING child=P1.3": case(replace(), facts(child_working=False)),
    "C4 INVALID_QUANTITY quantity=50 filled=50": case(replace(quantity=50), REPLACED),
    "C4 INVALID_QUANTITY quantity=0": case(submit(quantity=0)),
    "C4 INVALID_QUANTITY display=101 quantity=100": case(submit(display_quantity=101)),
    "C4 MAX_ORDER_QUANTITY quantity=1001 limit=1000": case(submit(quantity=1001)),
    "C6 UNKNOWN_INSTRUMENT symbol=ZZZ": case(submit(symbol="ZZZ")),
    "C6 NO_LIMIT symbol=AURA": case(under=changed(instruments={})),
    "C6 NO_LIMIT currency=USD limits_currency=EUR": case(under=changed(currency="EUR")),
    "C6 NO_LIMIT currency=USD limits_currency=none": case(under=changed(currency="")),
    "C15 RESTRICTED symbol=AURA list=missing": case(under=changed(restricted=None)),
    "C15 RESTRICTED symbol=AURA list=named": case(under=changed(restricted=frozenset({"AURA"}))),
    "C10 NOT_PERMITTED strategy=twap execution_policy=none": case(under=changed(strategies={})),
    "C10 NOT_PERMITTED strategy=twap instrument=AURA": case(under=policy(instruments=NOTHING)),
    "C10 NOT_PERMITTED strategy=twap account=NW-1": case(under=policy(accounts=NOTHING)),
    "C10 NOT_PERMITTED strategy=twap order_type=limit": case(under=policy(order_types=NOTHING)),
    "C10 NOT_PERMITTED strategy=twap time_in_force=ioc": case(
        submit(time_in_force=TimeInForce.IOC), under=policy(times_in_force=frozenset({TimeInForce.DAY}))
    ),
    "C10 NOT_PERMITTED strategy=twap venue=any": case(under=policy(venues=NOTHING)),
    "C10 NOT_PERMITTED strategy=twap venue=XSIM": case(submit(venue="XSIM"), under=policy(venues=NOTHING)),
    "C10 PASSIVE_ONLY strategy=twap price=1000100 far=1000100": case(
        submit(price=PRICE + TICK), under=policy(passive_only=True)
    ),
    "C1 INVALID_PRICE price=1000001 tick=100": case(submit(price=PRICE + 1)),
    "C1 INVALID_PRICE price=1000000 ord_type=market": case(submit(ord_type=OrdType.MARKET)),
    "C1 PRICE_COLLAR price=1010100 reference=1000000 limit_bps=100": case(submit(price=PRICE + 10_100)),
    "C6 NO_LIMIT limit=collar_bps": case(under=limits(collar_bps=0)),
    "C3 MAX_ORDER_VALUE value=100000000 limit=99000000": case(under=limits(max_order_value=Decimal(9_900))),
    "C3 MAX_ORDER_VALUE value=100000000 limit=99000000 strategy=twap": case(
        under=policy(max_order_value=Decimal(9_900))
    ),
    "C16 NO_REFERENCE symbol=AURA": case(given=facts(market_reference=None)),
    f"C47 CLOCK_TROUBLE ahead_ns={SECOND + 1}": case(given=facts(ref_ts_utc=NOW.utc + SECOND + 1)),
    f"C16 STALE_FEED age_ns={SECOND + 1} limit_ns={SECOND}": case(
        given=facts(market_heartbeat_utc=NOW.utc - SECOND - 1)
    ),
    f"C16 STALE_REFERENCE age_ns={2 * SECOND + 1} limit_ns={2 * SECOND}": case(
        given=facts(ref_ts_utc=NOW.utc - 2 * SECOND - 1)
    ),
    "C15 TRADING_PHASE phase=halted": case(given=facts(ref_phase=TradingPhase.HALTED)),
    "C16 JUMPED_MARKET bid=999900 ask=1000100": case(given=facts(ref_jumped=True)),
    "C16 CROSSED_MARKET bid=1000200 ask=1000100": case(given=facts(ref_bid=PRICE + 2 * TICK)),
    "C16 WIDE_MARKET bid=999900 ask=1004901 limit_bps=50": case(given=facts(ref_ask=PRICE - TICK + 5_001)),
    "C18 LIMIT_UP price=1000600 upper=1000500": case(submit(price=PRICE + 6 * TICK), facts(**BANDS)),
    "C18 LIMIT_DOWN price=999400 lower=999500": case(submit(price=PRICE - 6 * TICK), facts(**BANDS)),
    "C18 LIMIT_UP price=1000500 bid=999900 ask=1000100 lower=999500 upper=1000500": case(
        submit(price=PRICE + 5 * TICK), facts(**BANDS)
    ),
    "C18 LIMIT_DOWN price=999500 bid=999900 ask=1000100 lower=999500 upper=1000500": case(
        submit(side=Side.SELL, price=PRICE - 5 * TICK), facts(**SELL, **BANDS)
    ),
    "C12 MAX_LONG long=5001 limit=5000": case(given=facts(exposure_position=4501)),
    "C12 MAX_SHORT short=4001 limit=4000": case(SHORT, facts(**SELL, exposure_position=-3901)),
    "C12 MAX_GROSS gross=6001 limit=6000": case(given=facts(exposure_working_sell=5501)),
    "C15 NO_LOCATE client=NORTHWIND short=500 located=0": case(
        submit(side=Side.SELL, quantity=500), facts(**SELL), limits(locate="required")
    ),
    "C17 SELF_MATCH side=BUY price=1000000 own=999900": case(given=facts(exposure_own_ask=PRICE - TICK)),
    "C17 SELF_MATCH side=SELL price=1000000 own=1000100": case(
        SHORT, facts(**SELL, exposure_own_bid=PRICE + TICK)
    ),
    "C6 NO_LIMIT limit=max_exposure level=desk name=EQUITIES": case(
        under=row(Level.DESK, max_exposure=Decimal(0))
    ),
    "C6 NO_LIMIT limit=max_daily_loss level=trader name=alice": case(
        under=row(Level.TRADER, max_daily_loss=Decimal(0))
    ),
    "C6 NO_LIMIT limit=max_credit level=client name=NORTHWIND": case(
        under=row(Level.CLIENT, max_credit=Decimal(0))
    ),
    "C11 MAX_EXPOSURE level=firm name=SLIPSTREAM value=1000001.00 limit=1000000.00": case(
        given=at(Level.FIRM, exposure=MILLION - 9_999 * DOLLAR)
    ),
    "C13 MAX_CREDIT level=client name=NORTHWIND value=2000001.00 limit=2000000.00": case(
        given=at(Level.CLIENT, credit=2 * MILLION - 9_999 * DOLLAR)
    ),
    "C22 LOSS_HALTED level=desk name=EQUITIES": case(given=at(Level.DESK, loss=LossStage.HALTED)),
    "C22 LOSS_REDUCE_ONLY level=desk name=EQUITIES added=100 reducible=99": case(
        SHORT, selling_at(Level.DESK, loss=LossStage.REDUCE_ONLY, lots=99, buying=0)
    ),
    "C2 DRIFT reference=1000000 arrival=900000 limit_bps=200": case(
        given=facts(parent_arrival_price=900_000)
    ),
    "C6 NO_LIMIT limit=max_drift_bps arrival=1000000": case(under=limits(max_drift_bps=0)),
    "C9 TIGHTENED limit=max_order_quantity thousandths_left=500": case(
        submit(quantity=501), facts(ref_spread_bps=20.0)
    ),
    "C9 TIGHTENED limit=max_order_value thousandths_left=500": case(
        given=facts(ref_spread_bps=20.0), under=limits(max_order_value=Decimal(19_000))
    ),
    "C9 TIGHTENED limit=max_long thousandths_left=500": case(
        given=facts(ref_spread_bps=20.0, exposure_position=2001)
    ),
    "C9 TIGHTENED limit=max_short thousandths_left=500": case(
        SHORT, facts(**SELL, ref_volatility_bps=40.0, exposure_position=-1901)
    ),
    "C9 TIGHTENED limit=max_exposure thousandths_left=500": case(
        given=msgspec.structs.replace(
            facts(ref_spread_bps=20.0), levels=at(Level.DESK, exposure=MILLION // 2).levels
        )
    ),
    "C9 TIGHTENED limit=max_credit thousandths_left=500": case(
        given=msgspec.structs.replace(
            facts(ref_spread_bps=20.0), levels=at(Level.CLIENT, credit=MILLION).levels
        )
    ),
    "C9 PARTICIPATION ours=500 limit=0 volume=1": case(under=limits(first_lots=0, max_participation_bps=0)),
    "C9 PARTICIPATION ours=1001 limit=1000 volume=10005": case(
        given=facts(exposure_traded=901, exposure_working_buy=0, ref_volume=10_005),
        under=limits(first_lots=0, max_participation_bps=1000),
    ),
    "C9 CORRELATED value=450000.00 limit=300000.00 symbols=BOLT": case(given=bolt(100)),
    "C16 NO_REFERENCE symbol=BOLT": case(given=bolt(0)),
    "C14 LOOK_ALIKE sent=3 limit=3 window_ns=1000000000": case(given=facts(traffic_alike=3)),
    "C5 MESSAGE_RATE level=session name=* sent=30 limit=30": case(given=facts(traffic_session=30)),
    "C5 MESSAGE_RATE level=instrument name=AURA sent=10 limit=10": case(given=facts(traffic_instrument=10)),
    "C5 MESSAGE_RATE level=strategy name=twap sent=20 limit=20": case(given=sent(Level.STRATEGY, 20)),
    "C5 MESSAGE_RATE level=firm name=SLIPSTREAM sent=29 limit=28": case(given=sent(Level.FIRM, 29)),
    "C6 NO_LIMIT limit=max_orders_per_minute strategy=twap": case(under=policy(max_orders_per_minute=0)),
    "C8 THROTTLE_TRIPPED strategy=twap sent=51 limit=50": case(given=facts(traffic_minute=51)),
    "C39 NOT_INTRODUCED of=model=m@1": case(submit(model="m@1")),
    "C39 NOT_INTRODUCED of=policy=twap facts=missing": case(under=ON_TRIAL),
    "C39 STAGE_INSTRUMENT of=policy=twap stage=other instrument=AURA": case(
        given=trial(), under=stage("other")
    ),
    "C39 STAGE_VENUE of=policy=twap stage=nowhere venue=any": case(given=trial(), under=stage("nowhere")),
    "C39 STAGE_VENUE of=policy=twap stage=nowhere venue=XSIM": case(
        submit(venue="XSIM"), trial(), stage("nowhere")
    ),
    "C39 STAGE_ORDER_VALUE of=policy=twap stage=small value=201000000 limit=200000000": case(
        submit(quantity=201), trial(), ON_TRIAL
    ),
    "C39 STAGE_ORDERS of=policy=twap stage=small sent=50 limit=50": case(given=trial(50), under=ON_TRIAL),
    "C39 STAGE_POSITION of=policy=twap stage=small position=1001 limit=1000": case(
        given=trial(0, 601, 300), under=ON_TRIAL
    ),
}


def verdict(given: Case) -> str:
    command, known, under = given
    answer = Gate(under, BOTH if known.correlated else REFERENCE).check(command, known, NOW)
    return "approved" if isinstance(answer, Approved) else f"{answer.control} {answer.code} {answer.detail}"


@pytest.mark.parametrize("text", SAID)
def test_a_denial_says_what_was_wrong_and_by_how_much(text: str) -> None:
    assert verdict(SAID[text]) == text


def test_an_approval_tells_of_every_limit_that_it_brings_near() -> None:
    """Of the instrument, of a level and of the session, in the order in which they are asked."""
    given = facts(
        exposure_position=2_000,
        exposure_working_sell=1_000,
        traffic_instrument=4,
        traffic_session=14,
        traffic_levels=(9, 0, 0, 0, 13),
        traffic_minute=24,
    )
    answer = Gate(LIMITS, REFERENCE).check(submit(), given, NOW)
    assert isinstance(answer, Approved)
    assert answer.uses == (
        Use("max_long", "instrument", "AURA", 2_500, 5_000),
        Use("max_gross", "instrument", "AURA", 3_500, 6_000),
        Use("messages_per_second", "instrument", "AURA", 5, 10),
        Use("messages_per_second", "strategy", "twap", 10, 20),
        Use("messages_per_second", "firm", "SLIPSTREAM", 14, 28),
        Use("messages_per_second", "session", "*", 15, 30),
        Use("max_orders_per_minute", "strategy", "twap", 25, 50),
    )


@pytest.mark.parametrize("place", LEVELS)
def test_a_names_own_loss_limit_decides_its_stage(place: Level) -> None:
    own = msgspec.structs.replace(LIMITS.levels[place, "*"], max_daily_loss=Decimal(100))
    under = changed(levels={**LIMITS.levels, (place, "small"): own})
    assert Gate(under, REFERENCE).loss_stage(place, "small", 100 * DOLLAR) is LossStage.HALTED
    assert Gate(under, REFERENCE).loss_stage(place, "large", 100 * DOLLAR) is LossStage.NORMAL
