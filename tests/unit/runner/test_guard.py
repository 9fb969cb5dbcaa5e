"""Whatever a policy returns, only what is sound goes out, and the rest is counted."""

from typing import Any

import pytest

from service.model.orders import OrdType, Side, TimeInForce
from service.policy.contract import Cancel, Replace, Submit
from service.runner.guard import MAX_INTENTS, guarded
from tests.unit.runner.desk import Desk


def guard(intents: Any, *, offering: bool = True, **parent: Any) -> tuple[list[Any], list[str]]:
    """Guard intents of a parent that has one accepted child of 100 lots at 9,900 (``P1.1``)."""
    desk = Desk()
    desk.book()
    desk.accept(desk.admit(**parent).commands[0])
    slot = desk.core.slots["AURA"]
    return guarded(intents, desk.parent(), slot.instrument, slot.market, offering=offering)


@pytest.mark.parametrize("garbage", [None, 7, "buy", b"buy", {"a": 1}, object()])
def test_what_is_no_list_is_dropped(garbage: Any) -> None:
    assert guard(garbage) == ([], ["not_a_list"])


@pytest.mark.parametrize(
    ("intent", "reason"),
    [
        ("submit", "not_an_intent"),
        (Submit(10.0, 9_900), "not_an_int"),  # type: ignore[arg-type]
        (Submit(True, 9_900), "not_an_int"),
        (Submit(10, None), "not_an_int"),  # type: ignore[arg-type]
        (Submit(0, 9_900), "no_quantity"),
        (Submit(-5, 9_900), "no_quantity"),
        (Submit(10, 0), "no_price"),
        (Submit(10, -100), "no_price"),
        (Submit(10, 9_900, "2"), "not_an_order_type"),  # type: ignore[arg-type]
        (Submit(10, 9_900, OrdType.LIMIT, "day"), "not_an_order_type"),  # type: ignore[arg-type]
        (Cancel("P1.9"), "unknown_child"),
        (Cancel(["P1.1"]), "unknown_child"),  # type: ignore[arg-type]
        (Replace("P1.9", 10, 9_900), "unknown_child"),
        (Replace("P1.1", 0, 9_900), "no_quantity"),
        (Replace("P1.1", 100, 9_900), "no_change"),
        (Replace("P1.1", 10, 1.5), "not_an_int"),  # type: ignore[arg-type]
    ],
)
def test_an_unsound_intent_is_dropped_and_the_others_pass(intent: Any, reason: str) -> None:
    good = Submit(10, 9_900)
    assert guard([intent, good]) == ([good], [reason])


def test_more_than_is_left_is_clamped_to_it() -> None:
    assert guard([Submit(10_000, 9_900)]) == ([Submit(2_300, 9_900)], ["past_parent"])


def test_two_intents_share_what_is_left() -> None:
    usable, reasons = guard([Submit(2_000, 9_900), Submit(2_000, 9_900), Submit(1, 9_900)])
    assert [i.quantity for i in usable] == [2_000, 300]
    assert reasons == ["past_parent", "past_parent", "nothing_left"]


def test_a_replace_may_not_grow_past_the_parent() -> None:
    assert guard([Replace("P1.1", 9_999, 9_800)]) == ([Replace("P1.1", 2_400, 9_800)], ["past_parent"])


@pytest.mark.parametrize(("side", "price"), [(Side.BUY, 9_900), (Side.SELL, 10_000)])
def test_a_price_off_the_tick_becomes_the_next_one_that_is_no_more_aggressive(side: Side, price: int) -> None:
    assert guard([Submit(10, 9_950)], side=side) == ([Submit(10, price)], ["off_tick"])


def test_a_price_past_the_limit_becomes_the_limit_on_the_tick() -> None:
    usable, reasons = guard([Submit(10, 10_000)], limit_price=9_950)
    assert (usable, reasons) == ([Submit(10, 9_900)], ["past_limit"])


def test_a_market_order_of_a_parent_with_a_limit_becomes_a_limit_order() -> None:
    (usable,), reasons = guard([Submit(10, 0, OrdType.MARKET)], limit_price=10_100)
    assert (usable.ord_type, usable.price, reasons) == (OrdType.LIMIT, 10_100, ["market_past_limit"])


@pytest.mark.parametrize(
    "intent",
    [
        Submit(10, 0, OrdType.MARKET),
        Submit(10, 10_000),
        Submit(10, 9_900, time_in_force=TimeInForce.IOC),
        Replace("P1.1", 100, 10_000),
    ],
)
def test_what_would_take_is_dropped_when_the_parent_is_passive_only(intent: Any) -> None:
    assert guard([intent], passive_only=True) == ([], ["passive_only"])


def test_open_children_are_bounded() -> None:
    usable, reasons = guard([Submit(1, 9_900)] * 3, max_open_children=2)
    assert (len(usable), reasons) == (1, ["max_open_children"] * 2)


def test_intents_are_bounded() -> None:
    usable, reasons = guard([Submit(1, 9_900)] * 100)
    assert (len(usable), reasons) == (MAX_INTENTS, ["too_many"])


def test_one_request_a_child_at_a_time() -> None:
    usable, reasons = guard([Cancel("P1.1"), Replace("P1.1", 100, 9_800), Cancel("P1.1")])
    assert (usable, reasons) == ([Cancel("P1.1")], ["already_pending"] * 2)


def test_only_cancels_pass_while_nothing_may_be_offered() -> None:
    usable, reasons = guard([Submit(1, 9_900), Replace("P1.1", 100, 9_800), Cancel("P1.1")], offering=False)
    assert (usable, reasons) == ([Cancel("P1.1")], [])


def test_a_shown_part_that_is_no_part_shows_all() -> None:
    (usable,), _ = guard([Submit(10, 9_900, display_quantity=11)])
    assert usable.display_quantity == 0
