"""Every check of the gate: what it refuses, and what it lets through right beside it."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from service.model.market import TradingPhase
from service.model.orders import OrdType, ParentStatus, ReplaceChild, Side, SubmitChild, TimeInForce
from service.model.reference import Reference
from service.model.time import SECOND, Now
from service.risk import (
    LEVELS,
    Denied,
    DuplicateLimits,
    Facts,
    Gate,
    Level,
    LevelLimits,
    Limits,
    MarketDataLimits,
    ceilings,
)
from tests.unit.risk.orders import (
    CHILD,
    LIMITS,
    NOW,
    PARENT,
    POLICY,
    PRICE,
    REFERENCE,
    TICK,
    code,
    facts,
    judge,
    level,
    limits,
    replace,
    submit,
    traded,
)

MARKET = {"ord_type": OrdType.MARKET, "price": 0}


def test_an_order_within_every_limit_is_approved() -> None:
    assert code() == "approved"
    assert code(replace(), facts(child=CHILD)) == "approved"


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    # name: changes of the order, changes of the facts, verdict
    "kill": ({}, {"halt_kill": "all"}, "C23 KILLED"),
    "throttled": ({}, {"halt_throttled": True}, "C8 THROTTLED"),
    "an order too many in a minute": ({}, {"traffic_minute": 50}, "C8 THROTTLE_TRIPPED"),
    "no session": ({}, {"halt_logged_on": False}, "C6 NOT_LOGGED_ON"),
    "unknown orders": ({}, {"halt_unknown_orders": 1}, "C35 UNRECONCILED"),
    "no parent": ({}, {"parent": None}, "C19 UNKNOWN_PARENT"),
    "another parent": ({"parent_id": "P2", "child_id": "P2.4"}, {}, "C19 UNKNOWN_PARENT"),
    "paused": ({}, {"parent_status": ParentStatus.PAUSED}, "C19 PARENT_PAUSED"),
    "canceling": ({}, {"parent_status": ParentStatus.CANCELING}, "C19 PARENT_CLOSED"),
    "filled": ({}, {"parent_status": ParentStatus.FILLED}, "C19 PARENT_CLOSED"),
    "older version": ({"parent_version": 1}, {}, "C19 PARENT_VERSION"),
    "newer version": ({"parent_version": 3}, {}, "C19 PARENT_VERSION"),
    "known child": ({"child_id": "P1.3"}, {}, "C14 DUPLICATE_CHILD"),
    "child of another": ({"child_id": "P2.4"}, {}, "C14 MALFORMED_CHILD_ID"),
    "no number": ({"child_id": "P1"}, {}, "C14 MALFORMED_CHILD_ID"),
    "empty number": ({"child_id": "P1."}, {}, "C14 MALFORMED_CHILD_ID"),
    "not a number": ({"child_id": "P1.x"}, {}, "C14 MALFORMED_CHILD_ID"),
    "other digits": ({"child_id": "P1.٤"}, {}, "C14 MALFORMED_CHILD_ID"),
    "leading zero": ({"child_id": "P1.04"}, {}, "C14 MALFORMED_CHILD_ID"),
    "endless number": ({"child_id": "P1." + "9" * 16}, {}, "C14 MALFORMED_CHILD_ID"),
    "unknown instrument": ({"symbol": "ZZZ"}, {}, "C6 UNKNOWN_INSTRUMENT"),
    "other side": ({"side": Side.SELL}, {}, "C19 PARENT_SIDE"),
    "before the window": ({}, {"parent_window_start": NOW.market + 1}, "C19 PARENT_WINDOW"),
    "at the end of the window": ({}, {"parent_window_end": NOW.market}, "C19 PARENT_WINDOW"),
    "no quantity": ({"quantity": 0}, {}, "C4 INVALID_QUANTITY"),
    "negative quantity": ({"quantity": -1}, {}, "C4 INVALID_QUANTITY"),
    "too large": ({"quantity": 1001}, {}, "C4 MAX_ORDER_QUANTITY"),
    "more shown than there is": ({"display_quantity": 101}, {}, "C4 INVALID_QUANTITY"),
    "negative shown": ({"display_quantity": -1}, {}, "C4 INVALID_QUANTITY"),
    "more than the parent": ({}, {"parent_filled": 2501}, "C19 PARENT_QUANTITY"),
    "more than the parent with what works": ({}, {"parent_working": 2401}, "C19 PARENT_QUANTITY"),
    "no price": ({"price": 0}, {}, "C1 INVALID_PRICE"),
    "negative price": ({"price": -PRICE}, {}, "C1 INVALID_PRICE"),
    "off the tick": ({"price": PRICE + 1}, {}, "C1 INVALID_PRICE"),
    "market order with a price": ({"ord_type": OrdType.MARKET}, {}, "C1 INVALID_PRICE"),
    "market order under a limit": (MARKET, {"parent_limit_price": PRICE}, "C19 PARENT_LIMIT_PRICE"),
    "past the parent's limit": ({}, {"parent_limit_price": PRICE - TICK}, "C19 PARENT_LIMIT_PRICE"),
    "no reference": ({}, {"market_reference": None}, "C16 NO_REFERENCE"),
    "no reference price": ({}, {"ref_reference": 0}, "C16 NO_REFERENCE"),
    "silent feed": ({}, {"market_heartbeat_utc": NOW.utc - SECOND - 1}, "C16 STALE_FEED"),
    "no heartbeat ever": ({}, {"market_heartbeat_utc": 0}, "C16 STALE_FEED"),
    "old facts": ({}, {"ref_ts_utc": NOW.utc - 2 * SECOND - 1}, "C16 STALE_REFERENCE"),
    "heartbeat from the future": (
        {},
        {"market_heartbeat_utc": NOW.utc + SECOND + 1},
        "C47 CLOCK_TROUBLE",
    ),
    "facts from the future": ({}, {"ref_ts_utc": NOW.utc + SECOND + 1}, "C47 CLOCK_TROUBLE"),
    "halted": ({}, {"ref_phase": TradingPhase.HALTED}, "C15 TRADING_PHASE"),
    "before the open": ({}, {"ref_phase": TradingPhase.PRE_OPEN}, "C15 TRADING_PHASE"),
    "auction": ({}, {"ref_phase": TradingPhase.CLOSE_AUCTION}, "C15 TRADING_PHASE"),
    "closed": ({}, {"ref_phase": TradingPhase.CLOSED}, "C15 TRADING_PHASE"),
    "jumped": ({}, {"ref_jumped": True}, "C16 JUMPED_MARKET"),
    "said to be crossed": ({}, {"ref_crossed": True}, "C16 CROSSED_MARKET"),
    "crossed": ({}, {"ref_bid": PRICE + 2 * TICK}, "C16 CROSSED_MARKET"),
    "wide": ({}, {"ref_ask": PRICE - TICK + 5_001}, "C16 WIDE_MARKET"),
    "no bid": ({}, {"ref_bid": 0}, "C16 WIDE_MARKET"),
    "no ask": ({}, {"ref_ask": 0}, "C16 WIDE_MARKET"),
    "too dear": ({"price": PRICE + 10_100}, {}, "C1 PRICE_COLLAR"),
    "too cheap": ({"price": PRICE - 10_100}, {}, "C1 PRICE_COLLAR"),
    "look-alikes": ({}, {"traffic_alike": 3}, "C14 LOOK_ALIKE"),
    "a sell of ours at the price": ({}, {"exposure_own_ask": PRICE}, "C17 SELF_MATCH"),
    "a sell of ours below the price": ({}, {"exposure_own_ask": PRICE - TICK}, "C17 SELF_MATCH"),
    "a sell of ours and a market order": (MARKET, {"exposure_own_ask": 2 * PRICE}, "C17 SELF_MATCH"),
    "too long": ({}, {"exposure_position": 4501}, "C12 MAX_LONG"),
    "too much gross": ({}, {"exposure_working_sell": 5501}, "C12 MAX_GROSS"),
    "instrument's rate": ({}, {"traffic_instrument": 10}, "C5 MESSAGE_RATE"),
    "strategy's rate": ({}, {"traffic_levels": (20, 0, 0, 0, 0)}, "C5 MESSAGE_RATE"),
    "session's rate": ({}, {"traffic_session": 30}, "C5 MESSAGE_RATE"),
}
ALLOWED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "next child": ({"child_id": "P1.4"}, {}),
    "a later child": ({"child_id": "P1.999999999999999"}, {}),
    "at the start of the window": ({}, {"parent_window_start": NOW.market}),
    "just before its end": ({}, {"parent_window_end": NOW.market + 1}),
    "as large as allowed": ({"quantity": 1000, "price": PRICE}, {}),
    "all of it shown": ({"display_quantity": 100}, {}),
    "just the parent": ({}, {"parent_filled": 2500}),
    "just the parent with what works": ({}, {"parent_working": 2400}),
    "at the parent's limit": ({}, {"parent_limit_price": PRICE}),
    "market order": (MARKET, {}),
    "heartbeat of just the age": ({}, {"market_heartbeat_utc": NOW.utc - SECOND}),
    "facts of just the age": ({}, {"ref_ts_utc": NOW.utc - 2 * SECOND}),
    "a little ahead": ({}, {"market_heartbeat_utc": NOW.utc + SECOND}),
    "facts a little ahead": ({}, {"ref_ts_utc": NOW.utc + SECOND}),
    "locked": ({}, {"ref_bid": PRICE, "ref_ask": PRICE, "ref_locked": True}),
    "just not wide": ({}, {"ref_ask": PRICE - TICK + 5_000}),
    "just not too dear": ({"price": PRICE + 10_000, "quantity": 10}, {}),
    "just not too cheap": ({"price": PRICE - 10_000}, {}),
    "the last look-alike": ({}, {"traffic_alike": 2}),
    "a sell of ours above the price": ({}, {"exposure_own_ask": PRICE + TICK}),
    "a buy of ours beside a buy": ({}, {"exposure_own_bid": PRICE + TICK}),
    "last order of the minute": ({}, {"traffic_minute": 49}),
    "just not too long": ({}, {"exposure_position": 4500}),
    "just not too much gross": ({}, {"exposure_working_sell": 5500}),
    "last message of the instrument": ({}, {"traffic_instrument": 9}),
    "last message of the strategy": ({}, {"traffic_levels": (19, 0, 0, 0, 0)}),
    "last message of the session": ({}, {"traffic_session": 29}),
}


@pytest.mark.parametrize(("changes", "world", "verdict"), REFUSED.values(), ids=REFUSED)
def test_an_order_is_refused_when_it_breaks_one_control(
    changes: dict[str, Any], world: dict[str, Any], verdict: str
) -> None:
    assert code(submit(**changes), facts(**world)) == verdict


@pytest.mark.parametrize(("changes", "world"), ALLOWED.values(), ids=ALLOWED)
def test_an_order_is_approved_when_it_is_right_at_a_limit(
    changes: dict[str, Any], world: dict[str, Any]
) -> None:
    assert code(submit(**changes), facts(**world)) == "approved"


def test_value_is_refused_just_past_the_limit_and_allowed_at_it() -> None:
    """100,000 dollars at 100 dollars are 1,000 lots."""
    wide = limits(max_order_quantity=10_000)
    assert code(submit(quantity=1000), under=wide) == "approved"
    assert code(submit(quantity=1001), under=wide) == "C3 MAX_ORDER_VALUE"


def test_a_market_order_is_valued_at_the_worst_price_of_its_collar() -> None:
    wide = limits(max_order_quantity=10_000)
    assert code(submit(quantity=990, **MARKET), under=wide) == "approved"
    assert code(submit(quantity=991, **MARKET), under=wide) == "C3 MAX_ORDER_VALUE"


@pytest.mark.parametrize(("side", "touch"), [(Side.BUY, "ref_ask"), (Side.SELL, "ref_bid")])
def test_a_market_order_is_held_to_the_collar_by_the_touch_it_would_take(side: Side, touch: str) -> None:
    far = PRICE + 10_001 if side is Side.BUY else PRICE - 10_001
    wide = limits(max_spread_bps=1000)
    world = facts(**{touch: far, "parent_side": side})
    assert code(submit(side=side, **MARKET), world, under=wide) == "C1 PRICE_COLLAR"
    other = "ref_bid" if touch == "ref_ask" else "ref_ask"
    world = facts(**{other: 2 * PRICE - far, "parent_side": side})
    assert code(submit(side=side, **MARKET), world, under=wide) == "approved"


@pytest.mark.parametrize(
    ("price", "verdict"), [(PRICE, "approved"), (PRICE - TICK, "C19 PARENT_LIMIT_PRICE")]
)
def test_a_sell_is_refused_below_its_parents_limit(price: int, verdict: str) -> None:
    world = facts(parent_side=Side.SELL, parent_limit_price=PRICE)
    assert code(submit(side=Side.SELL, price=price), world) == verdict


@pytest.mark.parametrize(("position", "verdict"), [(-3900, "approved"), (-3901, "C12 MAX_SHORT")])
def test_a_sell_is_refused_when_all_working_sells_would_leave_us_too_short(
    position: int, verdict: str
) -> None:
    world = facts(parent_side=Side.SELL, exposure_position=position, exposure_working_buy=0)
    assert code(submit(side=Side.SELL), world) == verdict


def test_working_sells_count_for_a_sell_and_working_buys_do_not_help() -> None:
    world = facts(parent_side=Side.SELL, exposure_working_sell=3901, exposure_working_buy=1900)
    assert code(submit(side=Side.SELL), world) == "C12 MAX_SHORT"


def test_a_symbol_other_than_the_parents_is_refused() -> None:
    other = msgspec.structs.replace(PARENT, symbol="BOLT")
    assert code(given=facts(parent=other)) == "C19 PARENT_SYMBOL"


# Replaces

REPLACES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "unknown child": ({}, {"child": None}, "C19 UNKNOWN_CHILD"),
    "a request is pending": ({}, {"child_pending": True}, "C19 REQUEST_PENDING"),
    "not working": ({}, {"child_working": False}, "C19 CHILD_NOT_WORKING"),
    "down to what is filled": ({"quantity": 50}, {"child": CHILD}, "C4 INVALID_QUANTITY"),
    "too large": ({"quantity": 1001}, {"child": CHILD}, "C4 MAX_ORDER_QUANTITY"),
    "more than the parent": (
        {"quantity": 401},
        {"child": CHILD, "parent_filled": 2600},
        "C19 PARENT_QUANTITY",
    ),
    "as much as the parent has": ({"quantity": 400}, {"child": CHILD, "parent_filled": 2600}, "approved"),
    "price past the limit": (
        {"price": PRICE + TICK},
        {"child": CHILD, "parent_limit_price": PRICE},
        "C19 PARENT_LIMIT_PRICE",
    ),
    "price past the collar": ({"price": PRICE + 10_100}, {"child": CHILD}, "C1 PRICE_COLLAR"),
    "long by what it adds": ({}, {"child": CHILD, "exposure_position": 4551}, "C12 MAX_LONG"),
    "not long by what counts already": ({}, {"child": CHILD, "exposure_position": 4550}, "approved"),
    "smaller adds nothing": ({"quantity": 100}, {"child": CHILD, "exposure_position": 4600}, "approved"),
    "onto a sell of ours": ({}, {"child": CHILD, "exposure_own_ask": PRICE}, "C17 SELF_MATCH"),
    "a replace is no look-alike": ({}, {"child": CHILD, "traffic_alike": 3}, "approved"),
    "killed": ({}, {"child": CHILD, "halt_kill": "symbol=AURA"}, "C23 KILLED"),
    "rate": ({}, {"child": CHILD, "traffic_instrument": 10}, "C5 MESSAGE_RATE"),
    "older version": ({"parent_version": 1}, {"child": CHILD}, "C19 PARENT_VERSION"),
}


@pytest.mark.parametrize(("changes", "world", "verdict"), REPLACES.values(), ids=REPLACES)
def test_a_replace_is_judged_like_a_new_order(
    changes: dict[str, Any], world: dict[str, Any], verdict: str
) -> None:
    assert code(replace(**changes), facts(**world)) == verdict


# No limit, no order

ZEROES = {
    "max_order_quantity": "C4 MAX_ORDER_QUANTITY",
    "max_order_value": "C3 MAX_ORDER_VALUE",
    "collar_bps": "C6 NO_LIMIT",
    "max_spread_bps": "C16 WIDE_MARKET",
    "max_long": "C12 MAX_LONG",
    "max_gross": "C12 MAX_GROSS",
    "messages_per_second": "C5 MESSAGE_RATE",
    "max_drift_bps": "C6 NO_LIMIT",
    "calm_spread_bps": "C9 TIGHTENED",
    "calm_volatility_bps": "C9 TIGHTENED",
    "max_volume_bps": "C12 MAX_GROSS",
}


@pytest.mark.parametrize(("field", "verdict"), ZEROES.items(), ids=ZEROES)
def test_a_limit_of_zero_denies(field: str, verdict: str) -> None:
    zero = Decimal(0) if field == "max_order_value" else 0
    assert code(under=limits(**{field: zero})) == verdict


def test_a_short_limit_of_zero_denies_a_sell() -> None:
    assert (
        code(submit(side=Side.SELL), facts(parent_side=Side.SELL), under=limits(max_short=0))
        == "C12 MAX_SHORT"
    )


def test_an_instrument_without_limits_is_denied() -> None:
    assert code(under=msgspec.structs.replace(LIMITS, instruments={})) == "C6 NO_LIMIT"


@pytest.mark.parametrize("currency", ["", "EUR"])
def test_an_instrument_in_another_currency_than_the_limits_is_denied(currency: str) -> None:
    assert code(under=msgspec.structs.replace(LIMITS, currency=currency)) == "C6 NO_LIMIT"


@pytest.mark.parametrize("level", [Level.SESSION, *LEVELS])
def test_a_level_without_a_rate_is_denied(level: Level) -> None:
    row = msgspec.structs.replace(LIMITS.levels[level, "*"], messages_per_second=0)
    rest = {**LIMITS.levels, (level, "*"): row}
    assert code(under=msgspec.structs.replace(LIMITS, levels=rest)) == "C5 MESSAGE_RATE"


def test_a_strategys_own_row_stands_in_place_of_the_one_for_all() -> None:
    rows = {**LIMITS.levels, (Level.STRATEGY, "twap"): level(messages_per_second=0)}
    assert code(under=msgspec.structs.replace(LIMITS, levels=rows)) == "C5 MESSAGE_RATE"


@pytest.mark.parametrize(
    ("ages", "verdict"),
    [
        (MarketDataLimits(max_reference_age=SECOND), "C16 STALE_FEED"),
        (MarketDataLimits(max_heartbeat_age=SECOND), "C16 STALE_REFERENCE"),
    ],
)
def test_an_age_that_nobody_set_denies_all_but_the_very_instant(ages: MarketDataLimits, verdict: str) -> None:
    later = Now(NOW.market, NOW.utc + 1)
    assert code(under=msgspec.structs.replace(LIMITS, market_data=ages), now=later) == verdict


@pytest.mark.parametrize(("price", "verdict"), [(PRICE, "C17 SELF_MATCH"), (PRICE + TICK, "approved")])
def test_a_sell_does_not_meet_a_buy_of_ours(price: int, verdict: str) -> None:
    world = facts(parent_side=Side.SELL, exposure_own_bid=PRICE)
    assert code(submit(side=Side.SELL, price=price), world) == verdict


@pytest.mark.parametrize(
    "duplicates", [DuplicateLimits(), DuplicateLimits(max_alike=3), DuplicateLimits(window=SECOND)]
)
def test_look_alikes_that_nobody_limited_are_denied(duplicates: DuplicateLimits) -> None:
    assert code(under=msgspec.structs.replace(LIMITS, duplicates=duplicates)) == "C14 LOOK_ALIKE"


def test_a_window_of_look_alikes_is_never_shorter_than_the_least() -> None:
    assert Gate(loosest(), REFERENCE).alike_window == ceilings.MIN_ALIKE_WINDOW
    assert Gate(LIMITS, REFERENCE).alike_window == SECOND


# Ceilings

LOOSE = 1 << 60


def loosest() -> Limits:
    """A configuration that allows everything, as if no loader had checked it."""
    everything = dict.fromkeys(LIMITS.instruments["AURA"].__struct_fields__, LOOSE)
    return Limits(
        currency="USD",
        restricted=frozenset(),
        strategies={
            "*": msgspec.structs.replace(POLICY, max_order_value=Decimal(LOOSE), max_orders_per_minute=LOOSE)
        },
        instruments={
            "AURA": msgspec.structs.replace(
                LIMITS.instruments["AURA"], **{**everything, "max_order_value": Decimal(LOOSE)}
            )
        },
        levels={
            key: LevelLimits(
                messages_per_second=LOOSE,
                max_exposure=Decimal(LOOSE),
                max_daily_loss=Decimal(LOOSE),
                max_credit=Decimal(LOOSE),
            )
            for key in LIMITS.levels
        },
        duplicates=DuplicateLimits(max_alike=LOOSE, window=1),
        introductions={"policy=twap": "full"},
        market_data=MarketDataLimits(max_heartbeat_age=LOOSE, max_reference_age=LOOSE),
    )


HUGE_PARENT = {"parent_quantity": LOOSE}
CEILINGS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "quantity": (
        {"quantity": ceilings.MAX_ORDER_QUANTITY + 1, "price": TICK},
        {"ref_reference": TICK, "ref_bid": TICK, "ref_ask": TICK},
        "C4 MAX_ORDER_QUANTITY",
    ),
    "value": ({"quantity": 100_001}, {}, "C3 MAX_ORDER_VALUE"),
    "collar": ({"price": PRICE + 100_100}, {}, "C1 PRICE_COLLAR"),
    "spread": ({}, {"ref_bid": PRICE - 50_100, "ref_ask": PRICE + 50_000}, "C16 WIDE_MARKET"),
    "long": ({}, {"exposure_position": ceilings.MAX_POSITION - 499}, "C12 MAX_LONG"),
    "instrument's rate": ({}, {"traffic_instrument": ceilings.MAX_MESSAGES_PER_SECOND}, "C5 MESSAGE_RATE"),
    "strategy's rate": (
        {},
        {"traffic_levels": (ceilings.MAX_MESSAGES_PER_SECOND, 0, 0, 0, 0)},
        "C5 MESSAGE_RATE",
    ),
    "look-alikes": ({}, {"traffic_alike": ceilings.MAX_ALIKE}, "C14 LOOK_ALIKE"),
    "a minute's orders": ({}, {"traffic_minute": ceilings.MAX_ORDERS_PER_MINUTE}, "C8 THROTTLE_TRIPPED"),
    "firm's rate": (
        {},
        {"traffic_levels": (0, 0, 0, 0, ceilings.MAX_MESSAGES_PER_SECOND)},
        "C5 MESSAGE_RATE",
    ),
    "session's rate": ({}, {"traffic_session": ceilings.MAX_MESSAGES_PER_SECOND}, "C5 MESSAGE_RATE"),
    "heartbeat": ({}, {"market_heartbeat_utc": NOW.utc - ceilings.MAX_HEARTBEAT_AGE - 1}, "C16 STALE_FEED"),
    "reference": ({}, {"ref_ts_utc": NOW.utc - ceilings.MAX_REFERENCE_AGE - 1}, "C16 STALE_REFERENCE"),
}


@pytest.mark.parametrize(("changes", "world", "verdict"), CEILINGS.values(), ids=CEILINGS)
def test_the_loosest_configuration_is_still_refused_by_a_ceiling(
    changes: dict[str, Any], world: dict[str, Any], verdict: str
) -> None:
    assert code(submit(**changes), facts(**world, **HUGE_PARENT), under=loosest()) == verdict


def test_the_loosest_configuration_does_not_let_us_be_shorter_than_the_ceiling() -> None:
    world = facts(parent_side=Side.SELL, exposure_position=-ceilings.MAX_POSITION + 99, **HUGE_PARENT)
    assert code(submit(side=Side.SELL), world, under=loosest()) == "C12 MAX_SHORT"


@pytest.mark.parametrize(("selling", "allowed"), [(-500, True), (-499, False)])
def test_the_loosest_configuration_is_still_refused_by_the_ceiling_of_gross(
    selling: int, allowed: bool
) -> None:
    """In an instrument that trades so much that its share of the volume is no limit."""
    gate = Gate(loosest(), traded(1 << 60))
    given = facts(exposure_working_sell=ceilings.MAX_GROSS + selling, ref_volume=1 << 60, **HUGE_PARENT)
    verdict = gate.check(submit(), given, NOW)
    assert isinstance(verdict, Denied) is not allowed
    assert allowed or verdict.code == "MAX_GROSS"


def test_under_the_ceilings_the_loosest_configuration_allows() -> None:
    assert code(given=facts(**HUGE_PARENT), under=loosest()) == "approved"


# The verdict itself


@pytest.mark.parametrize(("heartbeat", "facts_at"), [(2, 3), (3, 2), (3, 0)])
def test_clock_trouble_tells_how_far_ahead_the_feed_is(heartbeat: int, facts_at: int) -> None:
    world = facts(ref_ts_utc=NOW.utc + facts_at * SECOND)
    market = msgspec.structs.replace(world.market, heartbeat_utc=NOW.utc + heartbeat * SECOND)
    verdict = judge(given=msgspec.structs.replace(world, market=market))
    assert isinstance(verdict, Denied)
    assert verdict.detail == f"ahead_ns={3 * SECOND}"


def test_a_failure_inside_a_check_is_a_denial_that_names_it() -> None:
    broken = facts(ref_reference="not a number")
    verdict = judge(given=broken)
    assert isinstance(verdict, Denied)
    assert (verdict.code, verdict.control) == ("CHECK_FAILED", "C6")
    assert verdict.detail == "check=market_data error=TypeError"


@pytest.mark.parametrize("command", [submit(child_id="P1 x=1\n.4"), submit(symbol="A B")])
def test_a_detail_is_pairs_without_spaces_in_values_whatever_a_runner_says(command: SubmitChild) -> None:
    verdict = judge(command)
    assert isinstance(verdict, Denied)
    assert all("=" in pair for pair in verdict.detail.split(" "))
    assert "\n" not in verdict.detail


def test_an_approval_carries_the_order_as_it_was_judged() -> None:
    verdict = judge(submit(display_quantity=50, venue="XSIM"))
    assert not isinstance(verdict, Denied)
    assert (verdict.symbol, verdict.side, verdict.ord_type) == ("AURA", Side.BUY, OrdType.LIMIT)
    assert (verdict.quantity, verdict.price, verdict.display_quantity) == (100, PRICE, 50)
    assert (verdict.time_in_force, verdict.venue) == (TimeInForce.DAY, "XSIM")


def test_an_approved_replace_carries_side_and_type_from_the_ledger() -> None:
    verdict = judge(replace(quantity=420, price=PRICE - TICK), facts(child=CHILD))
    assert not isinstance(verdict, Denied)
    assert isinstance(verdict.command, ReplaceChild)
    assert (verdict.quantity, verdict.price, verdict.side) == (420, PRICE - TICK, Side.BUY)
    assert (verdict.ord_type, verdict.display_quantity, verdict.venue) == (OrdType.LIMIT, 0, "")


def test_the_gate_shows_the_limits_in_force() -> None:
    assert Gate(LIMITS, REFERENCE).limits is LIMITS


def test_limits_of_an_instrument_that_is_not_in_the_reference_file_are_no_limits() -> None:
    strange = msgspec.structs.replace(LIMITS, instruments={"ZZZ": LIMITS.instruments["AURA"]})
    assert code(submit(symbol="ZZZ"), under=strange) == "C6 UNKNOWN_INSTRUMENT"


def test_value_is_exact_for_lots_and_exponents() -> None:
    """A lot of 10 units at 10^-2 of a unit, multiplier 5: one price unit and lot is 0.00005 dollars."""
    instrument = REFERENCE.instruments[0].model_copy(
        update={"lot": 10, "quantity_exponent": 2, "multiplier": 5}
    )
    reference = Reference.model_validate({**REFERENCE.model_dump(), "instruments": [instrument.model_dump()]})
    allowed = instrument.money(PRICE * 100)
    at = limits(max_order_value=allowed)
    below = limits(max_order_value=allowed - Decimal("0.00001"))
    given: Facts = facts()
    assert not isinstance(Gate(at, reference).check(submit(), given, NOW), Denied)
    assert isinstance(Gate(below, reference).check(submit(), given, NOW), Denied)
