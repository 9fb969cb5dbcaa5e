"""Execution policies (C10) and the restricted list (C15): what is not named is not allowed."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from service.model.orders import OrdType, Side, TimeInForce
from service.risk import Denied, ExecutionPolicy
from tests.unit.risk.orders import (
    CHILD,
    LIMITS,
    POLICY,
    PRICE,
    TICK,
    code,
    facts,
    judge,
    limits,
    policy,
    replace,
    submit,
)

NOTHING: frozenset[str] = frozenset()


@pytest.mark.parametrize("field", ["order_types", "times_in_force", "venues", "instruments", "accounts"])
def test_a_policy_that_leaves_a_list_out_allows_nothing_of_it(field: str) -> None:
    assert code(under=policy(**{field: NOTHING})) == "C10 NOT_PERMITTED"


def test_a_strategy_without_a_policy_is_denied() -> None:
    assert code(under=msgspec.structs.replace(LIMITS, strategies={})) == "C10 NOT_PERMITTED"
    others = msgspec.structs.replace(LIMITS, strategies={"vwap": POLICY})
    assert code(under=others) == "C10 NOT_PERMITTED"


def test_a_strategys_own_policy_stands_in_place_of_the_one_for_all() -> None:
    own = msgspec.structs.replace(LIMITS, strategies={"*": POLICY, "twap": ExecutionPolicy()})
    assert code(under=own) == "C10 NOT_PERMITTED"
    only = msgspec.structs.replace(LIMITS, strategies={"*": ExecutionPolicy(), "twap": POLICY})
    assert code(under=only) == "approved"


NARROW: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    # what is allowed, the order, the verdict
    ({"order_types": {OrdType.LIMIT}}, {}, "approved"),
    ({"order_types": {OrdType.LIMIT}}, {"ord_type": OrdType.MARKET, "price": 0}, "C10 NOT_PERMITTED"),
    ({"times_in_force": {TimeInForce.DAY}}, {}, "approved"),
    ({"times_in_force": {TimeInForce.DAY}}, {"time_in_force": TimeInForce.IOC}, "C10 NOT_PERMITTED"),
    ({"venues": {"XSIM"}}, {"venue": "XSIM"}, "approved"),
    ({"venues": {"XSIM"}}, {"venue": "XNAS"}, "C10 NOT_PERMITTED"),
    ({"venues": {"XSIM"}}, {"venue": ""}, "C10 NOT_PERMITTED"),
    ({"venues": {"*"}}, {"venue": "nowhere"}, "C10 NOT_PERMITTED"),
    ({"venues": {"*"}}, {"venue": "XSIM"}, "approved"),
    ({"instruments": {"AURA"}}, {}, "approved"),
    ({"instruments": {"BOLT"}}, {}, "C10 NOT_PERMITTED"),
    ({"accounts": {"NW-1"}}, {}, "approved"),
    ({"accounts": {"NW-2"}}, {}, "C10 NOT_PERMITTED"),
]


@pytest.mark.parametrize(("allowed", "order", "verdict"), NARROW)
def test_only_what_the_policy_names_is_allowed(
    allowed: dict[str, Any], order: dict[str, Any], verdict: str
) -> None:
    named = {field: frozenset(names) for field, names in allowed.items()}
    assert code(submit(**order), under=policy(**named)) == verdict


def test_every_account_is_every_account_of_the_reference_file() -> None:
    assert code(given=facts(parent_account="ELSEWHERE")) == "C10 NOT_PERMITTED"


def test_a_replace_is_held_to_the_policy_but_stays_at_its_venue() -> None:
    somewhere = policy(venues=frozenset({"XSIM"}))
    assert code(replace(), facts(child=CHILD), under=somewhere) == "approved"
    late = policy(times_in_force=frozenset({TimeInForce.IOC}))
    assert code(replace(), facts(child=CHILD), under=late) == "C10 NOT_PERMITTED"


PASSIVE = policy(passive_only=True)
ASK, BID = PRICE + TICK, PRICE - TICK


@pytest.mark.parametrize(
    ("order", "verdict"),
    [
        ({"price": ASK - TICK}, "approved"),
        ({"price": ASK}, "C10 PASSIVE_ONLY"),
        ({"price": ASK + TICK}, "C10 PASSIVE_ONLY"),
        ({"ord_type": OrdType.MARKET, "price": 0}, "C10 PASSIVE_ONLY"),
        ({"price": BID, "time_in_force": TimeInForce.IOC}, "C10 PASSIVE_ONLY"),
        ({"price": BID, "time_in_force": TimeInForce.FOK}, "C10 PASSIVE_ONLY"),
        ({"price": BID, "time_in_force": TimeInForce.GTC}, "approved"),
    ],
)
def test_a_passive_strategy_rests_and_does_not_take(order: dict[str, Any], verdict: str) -> None:
    assert code(submit(**order), under=PASSIVE) == verdict


@pytest.mark.parametrize(("price", "verdict"), [(BID + TICK, "approved"), (BID, "C10 PASSIVE_ONLY")])
def test_a_passive_sell_stays_above_the_bid(price: int, verdict: str) -> None:
    sell = submit(side=Side.SELL, price=price)
    assert code(sell, facts(parent_side=Side.SELL), under=PASSIVE) == verdict


def test_a_strategy_may_not_take_unless_its_policy_says_so() -> None:
    assert ExecutionPolicy().passive_only


def test_a_strategys_largest_order_is_denied_with_the_limit_in_the_instruments_units() -> None:
    """Runners learn their largest clip from it, as from an instrument's."""
    at = policy(max_order_value=Decimal(10_000))
    assert code(submit(quantity=100), under=at) == "approved"
    verdict = judge(submit(quantity=101), under=at)
    assert isinstance(verdict, Denied)
    assert (verdict.control, verdict.code) == ("C3", "MAX_ORDER_VALUE")
    assert f"limit={100 * PRICE}" in verdict.detail


def test_a_strategy_without_a_throttle_is_denied_and_not_switched_off() -> None:
    assert code(under=policy(max_orders_per_minute=0)) == "C6 NO_LIMIT"


def test_a_strategy_without_a_largest_order_is_denied() -> None:
    assert code(under=policy(max_order_value=Decimal(0))) == "C3 MAX_ORDER_VALUE"


def test_the_loosest_policy_is_still_refused_by_the_ceiling_of_an_orders_value() -> None:
    loose = msgspec.structs.replace(
        limits(max_order_quantity=1 << 60, max_order_value=Decimal(1 << 60)),
        strategies={"*": msgspec.structs.replace(POLICY, max_order_value=Decimal(1 << 60))},
    )
    assert code(submit(quantity=100_001), facts(parent_quantity=1 << 60), under=loose) == "C3 MAX_ORDER_VALUE"


@pytest.mark.parametrize("names", [None, frozenset({"AURA"})])
def test_a_restricted_instrument_is_denied_and_everything_is_where_nobody_said(
    names: frozenset[str] | None,
) -> None:
    verdict = judge(under=msgspec.structs.replace(LIMITS, restricted=names))
    assert isinstance(verdict, Denied)
    assert (verdict.control, verdict.code) == ("C15", "RESTRICTED")
    assert verdict.detail == f"symbol=AURA list={'missing' if names is None else 'named'}"


def test_a_restricted_list_leaves_the_others_alone() -> None:
    assert code(under=msgspec.structs.replace(LIMITS, restricted=frozenset({"BOLT"}))) == "approved"
