"""One lot, one unit of value, one price unit to either side of where a check changes its mind."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from service.model.orders import OrdType, Side
from service.risk import (
    LEVELS,
    Approved,
    CorrelatedFacts,
    Denied,
    Facts,
    Gate,
    Level,
    Limits,
    LossStage,
    Stage,
    TrialFacts,
)
from tests.unit.risk.orders import (
    CHILD,
    DOLLAR,
    FACTS,
    LIMITS,
    NOW,
    POLICY,
    PRICE,
    REFERENCE,
    at,
    code,
    facts,
    judge,
    limits,
    policy,
    replace,
    sent,
    submit,
)
from tests.unit.risk.test_liquidity import BOTH

FULL_EXPOSURE = 1_000_000 * DOLLAR
ANYTHING = frozenset({"*"})
MARKET = submit(ord_type=OrdType.MARKET, price=0)
UNEVEN = facts(ref_reference=PRICE + 1, parent_arrival_price=PRICE)
"""A reference price of which the worst of a collar is no whole number of price units: it is rounded up."""
WORST = (PRICE + 1) * 10_100 // 10_000 + 1


def nervous(given: Facts) -> Facts:
    """Twice the calm spread: half of every limit is left."""
    reference = msgspec.structs.replace(given.market.reference, spread_bps=20.0)
    return msgspec.structs.replace(given, market=msgspec.structs.replace(given.market, reference=reference))


def on_trial(policy: str = "twap", **changes: object) -> Limits:
    fields = {
        "instruments": ANYTHING,
        "venues": ANYTHING,
        "max_order_value": Decimal(50_000),
        "max_orders_per_day": 51,
        "max_position": 1_001,
    }
    stage = Stage(**{**fields, **changes})
    return msgspec.structs.replace(
        LIMITS, stages={"small": stage}, introductions={f"policy={policy}": "small"}
    )


def trial(key: str = "policy=twap", orders: int = 0, lots: int = 0, **changes: object) -> Facts:
    one = TrialFacts(key=key, orders=orders, lots=lots, buying=0, selling=0)
    return facts(trials=(one,), **changes)


def uses(given: Facts, under: Limits) -> list[tuple[str, str, str, int, int]]:
    verdict = judge(given=given, under=under)
    assert isinstance(verdict, Approved), verdict
    return [tuple(use) for use in verdict.uses]


@pytest.mark.parametrize(("selling", "verdict"), [(99, "C9 TIGHTENED"), (100, "approved")])
def test_a_single_lot_more_at_its_worst_is_tightened(selling: int, verdict: str) -> None:
    given = at(Level.DESK, exposure=FULL_EXPOSURE // 2, lots=0, buying=0, selling=selling)
    assert code(given=nervous(given)) == verdict


def test_a_level_that_the_order_relieves_does_not_hide_the_next() -> None:
    relieved = at(Level.STRATEGY, lots=-500, buying=0).levels[0]
    full = at(Level.FIRM, exposure=FULL_EXPOSURE - 400_000 * DOLLAR)
    given = msgspec.structs.replace(full, levels=(relieved, *full.levels[1:]))
    assert code(given=given) == "approved"
    assert code(given=nervous(given)) == "C9 TIGHTENED"


def test_the_smallest_loss_limit_there_is_is_a_limit() -> None:
    """One unit of value."""
    smallest = msgspec.structs.replace(LIMITS.levels[Level.FIRM, "*"], max_daily_loss=Decimal(1).scaleb(-18))
    under = msgspec.structs.replace(LIMITS, levels={**LIMITS.levels, (Level.FIRM, "*"): smallest})
    assert Gate(under, REFERENCE).loss_stage(Level.FIRM, "any", 1) is LossStage.HALTED
    assert Gate(under, REFERENCE).loss_stage(Level.FIRM, "any", -1) is LossStage.NORMAL


def test_a_strategys_own_largest_parent_decides() -> None:
    own = msgspec.structs.replace(POLICY, max_parent_value=Decimal(10_000))
    other = msgspec.structs.replace(POLICY, max_parent_value=Decimal(20_000))
    under = msgspec.structs.replace(limits(max_parent_quantity=1_000), strategies={"*": other, "twap": own})
    gate = Gate(under, REFERENCE)
    assert gate.admissible("AURA", "twap", 100, PRICE) is None
    refused = gate.admissible("AURA", "twap", 101, PRICE)
    assert refused is not None
    assert refused.code == "MAX_PARENT_VALUE"
    assert gate.admissible("AURA", "vwap", 101, PRICE) is None


# A market order at the worst price of its collar, rounded up


@pytest.mark.parametrize(("lots", "verdict"), [(100, "approved"), (101, "C3 MAX_ORDER_VALUE")])
def test_a_worst_price_is_rounded_up_for_the_instruments_value(lots: int, verdict: str) -> None:
    exactly = Decimal(WORST * 100).scaleb(-4)
    order = msgspec.structs.replace(MARKET, quantity=lots)
    assert code(order, UNEVEN, under=limits(max_order_value=exactly)) == verdict
    less = exactly - Decimal("0.0001")
    assert code(MARKET, UNEVEN, under=limits(max_order_value=less)) == "C3 MAX_ORDER_VALUE"


def test_a_worst_price_is_rounded_up_for_a_soft_value() -> None:
    exactly = Decimal(WORST * 100).scaleb(-4)
    assert code(MARKET, UNEVEN, under=limits(soft_order_value=exactly)) == "approved"
    less = exactly - Decimal("0.0001")
    assert code(MARKET, UNEVEN, under=limits(soft_order_value=less)) == "C20 SOFT_ORDER_VALUE"


def test_a_worst_price_is_rounded_up_for_what_is_on_trial() -> None:
    exactly, given = Decimal(WORST * 100).scaleb(-4), trial(ref_reference=PRICE + 1)
    assert code(MARKET, given, under=on_trial(max_order_value=exactly)) == "approved"
    less = exactly - Decimal("0.0001")
    assert code(MARKET, given, under=on_trial(max_order_value=less)) == "C39 STAGE_ORDER_VALUE"


# What is on trial


@pytest.mark.parametrize(("orders", "near"), [(24, False), (25, True)])
def test_half_of_an_odd_number_of_orders_is_more_than_half(orders: int, near: bool) -> None:
    told = uses(trial(orders=orders), on_trial())
    assert told == ([("max_orders_per_day", "policy", "twap", orders + 1, 51)] if near else [])


@pytest.mark.parametrize(("lots", "near"), [(400, False), (401, True)])
def test_half_of_an_odd_position_is_more_than_half(lots: int, near: bool) -> None:
    told = uses(trial(lots=lots), on_trial())
    assert told == ([("max_position", "policy", "twap", lots + 100, 1_001)] if near else [])


def test_a_name_on_trial_is_told_whole() -> None:
    key = "policy=a=b"
    given = trial(key, orders=30, parent_policy="a=b")
    assert uses(given, on_trial("a=b")) == [("max_orders_per_day", "policy", "a=b", 31, 51)]


def test_a_replace_that_adds_nothing_needs_no_room_in_a_position_on_trial() -> None:
    full = msgspec.structs.replace(trial(lots=1_500), child=CHILD)
    assert code(replace(quantity=400), full, under=on_trial()) == "approved"
    assert code(replace(quantity=401), full, under=on_trial()) == "C39 STAGE_POSITION"


def test_the_gate_says_what_is_on_trial() -> None:
    under = msgspec.structs.replace(
        LIMITS, introductions={"policy=twap": "full", "model=m@1": "full", "model=*": "small"}
    )
    gate = Gate(under, REFERENCE)
    assert gate.on_trial("twap", "") == ()
    assert gate.on_trial("twap", "m@1") == ()
    assert gate.on_trial("twap", "m@2") == ("model=m@2",)
    assert gate.on_trial("pov", "m@1") == ("policy=pov",)
    assert gate.on_trial("pov", "m@2") == ("policy=pov", "model=m@2")


def test_what_is_new_is_at_the_stage_of_everything_new_whatever_its_name() -> None:
    under = msgspec.structs.replace(on_trial(), introductions={"policy=*": "small"})
    assert code(given=trial("policy=a=b", parent_policy="a=b"), under=under) == "approved"


# Of several, the last counts as well


def test_a_calm_correlation_does_not_hide_the_next() -> None:
    calm, beyond = (
        CorrelatedFacts(
            symbol="BOLT", percent=percent, position=400_000, working_buy=0, working_sell=0, price=100
        )
        for percent in (60, 61)
    )
    for together, said in (((calm,), False), ((calm, beyond), True)):
        verdict = Gate(LIMITS, BOTH).check(submit(), facts(correlated=together), NOW)
        assert isinstance(verdict, Denied) is said


# Rates


def test_the_level_that_is_busy_first_is_told_from_its_first_message() -> None:
    """The strategy's 20 a second are the lowest of all levels'."""
    told = [("messages_per_second", "strategy", "twap", 10, 20)]
    assert uses(sent(Level.STRATEGY, 9), LIMITS) == told
    assert uses(sent(Level.STRATEGY, 8), LIMITS) == []


def test_a_single_order_in_a_minute_is_a_limit() -> None:
    one = policy(max_orders_per_minute=1)
    assert code(under=one) == "approved"
    assert code(given=facts(traffic_minute=1), under=one) == "C8 THROTTLE_TRIPPED"


# Drift


def test_one_basis_point_is_a_limit_and_one_price_unit_an_arrival() -> None:
    assert code(under=limits(max_drift_bps=1)) == "approved"
    sold = facts(parent_side=Side.SELL, parent_arrival_price=1, exposure_working_buy=0)
    assert code(submit(side=Side.SELL), sold) == "approved"


# Facts that do not fit


@pytest.mark.parametrize("names", [(), ("twap",), ("twap", "alice", "EQUITIES", "NORTHWIND", "S", "more")])
def test_a_parent_without_a_name_at_each_level_is_denied(names: tuple[str, ...]) -> None:
    assert code(given=facts(parent_levels=names)) == "C6 CHECK_FAILED"


@pytest.mark.parametrize("short", ["levels", "traffic"])
def test_facts_that_leave_one_level_out_are_denied(short: str) -> None:
    counts = (0,) * (len(LEVELS) - 1)
    given = (
        msgspec.structs.replace(FACTS, levels=FACTS.levels[:-1])
        if short == "levels"
        else facts(traffic_levels=counts)
    )
    assert code(given=given) == "C6 CHECK_FAILED"


@pytest.mark.parametrize("side", list(Side))
def test_a_price_at_the_own_resting_one_of_the_other_side_is_a_match(side: Side) -> None:
    own = "exposure_own_ask" if side is Side.BUY else "exposure_own_bid"
    given = facts(**{own: PRICE, "parent_side": side, "exposure_working_buy": 0})
    assert code(submit(side=side), given) == "C17 SELF_MATCH"
    assert code(submit(side=side, price=PRICE - 100 * side.sign), given) == "approved"


def test_a_strategy_may_take_where_its_policy_lets_it() -> None:
    assert code(submit(price=PRICE + 100), under=policy(passive_only=False)) == "approved"
