"""Soft blocks: below the hard limits, asked after all of them, and lifted for one order alone (C20, C44)."""

from decimal import Decimal
from typing import Any

import pytest

from service.model.orders import OrdType, Side, SubmitChild
from service.model.time import SECOND
from service.risk import Approved, Code, Denied, Limits
from tests.unit.risk.orders import CHILD, NOW, PRICE, TICK, code, facts, judge, limits, replace, submit

SOFT: dict[str, Any] = {
    "soft_order_quantity": 300,
    "soft_order_value": Decimal(40_000),
    "soft_collar_bps": 50,
    "soft_volume_bps": 500,
}


def under(**changes: Any) -> Limits:
    return limits(**{**SOFT, **changes})


def blocks(command: SubmitChild, **world: Any) -> tuple[str, ...]:
    """Soft blocks of an order; empty if it is approved."""
    verdict = judge(command, facts(**world), under=under())
    if isinstance(verdict, Approved):
        return ()
    assert verdict.control == "C20"
    return verdict.blocks


@pytest.mark.parametrize(
    ("command", "world", "expected"),
    [
        (submit(quantity=300), {}, ()),
        (submit(quantity=301), {}, ("SOFT_ORDER_QUANTITY",)),
        (submit(quantity=401), {}, ("SOFT_ORDER_QUANTITY", "SOFT_ORDER_VALUE")),
        (submit(price=PRICE + 50 * TICK), {}, ()),
        (submit(price=PRICE + 51 * TICK), {}, ("SOFT_COLLAR",)),
        (submit(price=PRICE - 50 * TICK), {}, ()),
        (submit(price=PRICE - 51 * TICK), {}, ("SOFT_COLLAR",)),
        (submit(), {"exposure_position": 2_500}, ()),
        (submit(), {"exposure_position": 2_501}, ("SOFT_VOLUME",)),
        (submit(), {"exposure_position": -2_501}, ("SOFT_VOLUME",)),
        (submit(), {"exposure_position": 2_400, "exposure_working_sell": 101}, ("SOFT_VOLUME",)),
    ],
)
def test_an_order_past_a_soft_limit_is_blocked_and_every_one_is_named(
    command: SubmitChild, world: dict[str, Any], expected: tuple[str, ...]
) -> None:
    assert blocks(command, **world) == expected


def test_a_market_order_is_held_to_the_collar_at_the_touch_and_to_value_at_its_worst() -> None:
    market = submit(ord_type=OrdType.MARKET, price=0, quantity=300)
    wide = {"ref_bid": PRICE - 2 * TICK, "ref_ask": PRICE + 24 * TICK}
    assert blocks(market, **wide) == ()
    tight = under(soft_collar_bps=20)
    verdict = judge(market, facts(**wide), under=tight)
    assert isinstance(verdict, Denied)
    assert verdict.blocks == ("SOFT_COLLAR",)
    sell = submit(ord_type=OrdType.MARKET, price=0, quantity=300, side=Side.SELL)
    assert code(sell, facts(parent_side=Side.SELL, **wide), under=tight) == "approved"
    worst = under(soft_order_value=Decimal(30_300))
    assert code(market, facts(**wide), under=worst) == "approved"
    assert code(market, facts(**wide), under=under(soft_order_value=Decimal(30_299))) == (
        "C20 SOFT_ORDER_VALUE"
    )


def test_the_worst_price_of_a_market_order_is_a_whole_number_of_units() -> None:
    market = submit(ord_type=OrdType.MARKET, price=0, quantity=300)
    given = facts(ref_reference=PRICE + 1)
    verdict = judge(market, given, under=under(soft_order_value=Decimal(30_300)))
    assert isinstance(verdict, Denied)
    assert verdict.detail == f"used={1_010_002 * 300} limit=303000000 blocks=SOFT_ORDER_VALUE"


def test_a_replace_is_blocked_like_a_new_order() -> None:
    assert code(replace(quantity=451), facts(child=CHILD), under=limits(soft_order_quantity=450)) == (
        "C20 SOFT_ORDER_QUANTITY"
    )
    assert code(replace(), facts(child=CHILD), under=limits(soft_order_quantity=450)) == "approved"


def test_the_detail_says_by_how_much_and_lists_every_block() -> None:
    verdict = judge(submit(quantity=401), under=under())
    assert isinstance(verdict, Denied)
    assert verdict.detail == "used=401 limit=300 blocks=SOFT_ORDER_QUANTITY,SOFT_ORDER_VALUE"
    verdict = judge(submit(price=PRICE + 51 * TICK), under=under())
    assert isinstance(verdict, Denied)
    assert verdict.detail == (f"price={PRICE + 51 * TICK} reference={PRICE} limit_bps=50 blocks=SOFT_COLLAR")


def test_what_is_lifted_lets_the_order_through_and_nothing_else_does() -> None:
    command = submit(quantity=401)
    both = (Code.SOFT_ORDER_QUANTITY, Code.SOFT_ORDER_VALUE)
    assert isinstance(judge(command, facts(lifted=both), under=under()), Approved)
    for one, other in (both, both[::-1]):
        verdict = judge(command, facts(lifted=(one,)), under=under())
        assert isinstance(verdict, Denied)
        assert verdict.blocks == (other,)


EVERY = tuple(Code)
HARD: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "quantity": ({"quantity": 1001}, {}, "C4 MAX_ORDER_QUANTITY"),
    "value": ({"quantity": 1000, "price": PRICE + TICK}, {}, "C3 MAX_ORDER_VALUE"),
    "collar": ({"quantity": 301, "price": PRICE + 101 * TICK}, {}, "C1 PRICE_COLLAR"),
    "kill": ({"quantity": 301}, {"halt_kill": "all"}, "C23 KILLED"),
    "stale feed": ({"quantity": 301}, {"market_heartbeat_utc": NOW.utc - 2 * SECOND}, "C16 STALE_FEED"),
    "parent": ({"quantity": 301}, {"parent_filled": 2_400}, "C19 PARENT_QUANTITY"),
    "position": ({"quantity": 301}, {"exposure_position": 4_500}, "C12 MAX_LONG"),
    "throttle": ({"quantity": 301}, {"traffic_minute": 50}, "C8 THROTTLE_TRIPPED"),
    "rate": ({"quantity": 301}, {"traffic_session": 30}, "C5 MESSAGE_RATE"),
}


@pytest.mark.parametrize(("changes", "world", "verdict"), HARD.values(), ids=HARD)
def test_a_hard_block_comes_first_and_nothing_that_can_be_lifted_lifts_it(
    changes: dict[str, Any], world: dict[str, Any], verdict: str
) -> None:
    command = submit(**changes)
    assert code(command, facts(**world), under=under()) == verdict
    assert code(command, facts(lifted=EVERY, **world), under=under()) == verdict


def test_a_soft_limit_is_never_looser_than_the_hard_one() -> None:
    loose = limits(
        soft_order_quantity=1 << 60,
        soft_order_value=Decimal(1 << 60),
        soft_collar_bps=1 << 60,
        soft_volume_bps=1 << 60,
    )
    assert code(submit(quantity=1001), under=loose) == "C4 MAX_ORDER_QUANTITY"
    assert code(submit(quantity=1000), under=loose) == "approved"


def test_a_soft_limit_of_zero_holds_every_order() -> None:
    assert code(submit(quantity=1), under=limits(soft_order_quantity=0)) == "C20 SOFT_ORDER_QUANTITY"
    assert code(submit(quantity=1), under=limits(soft_order_value=Decimal(0))) == "C20 SOFT_ORDER_VALUE"
    assert code(submit(price=PRICE - TICK), under=limits(soft_collar_bps=0)) == "C20 SOFT_COLLAR"
    assert code(submit(quantity=1), under=limits(soft_volume_bps=0)) == "C20 SOFT_VOLUME"
