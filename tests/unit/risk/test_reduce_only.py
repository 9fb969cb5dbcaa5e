"""A kill that lets out what only makes a holding smaller, at every level (C26)."""

from typing import Any

import msgspec
import pytest

from service.model.orders import Side
from service.risk import LEVELS, Denied, Facts, Level
from tests.unit.risk.orders import CHILD, FACTS, LIMITS, at, code, facts, judge, replace, submit

ALLOWED = msgspec.structs.replace(LIMITS, reduce_only_kill=True)
SELL = submit(side=Side.SELL, price=1_000_100)
BUY = submit()


def held(lots: int, *, buying: int = 0, selling: int = 0, side: Side = Side.SELL, **changes: Any) -> Facts:
    """Everybody holds and works the same, under a kill of everything that lets out what reduces."""
    given = facts(
        halt_reduce_only="reduce-only all",
        exposure_position=lots,
        exposure_working_buy=buying,
        exposure_working_sell=selling,
        **changes,
    )
    levels = tuple(
        msgspec.structs.replace(one, lots=lots, buying=buying, selling=selling) for one in given.levels
    )
    parent = msgspec.structs.replace(given.parent, side=side)
    return msgspec.structs.replace(given, levels=levels, parent=parent)


def at_level(given: Facts, place: Level, **changes: Any) -> Facts:
    levels = list(given.levels)
    n = LEVELS.index(place)
    levels[n] = msgspec.structs.replace(levels[n], **changes)
    return msgspec.structs.replace(given, levels=tuple(levels))


def test_an_order_of_exactly_what_is_held_goes_out_and_one_lot_more_does_not() -> None:
    """100 lots."""
    assert code(SELL, under=ALLOWED, given=held(100)) == "approved"
    verdict = judge(SELL, under=ALLOWED, given=held(99))
    assert isinstance(verdict, Denied)
    assert (verdict.control, verdict.code) == ("C26", "KILLED_REDUCE_ONLY")
    assert verdict.detail == "scope=reduce-only_all added=100 reducible=99"
    assert code(BUY, under=ALLOWED, given=held(-100, side=Side.BUY)) == "approved"
    assert code(BUY, under=ALLOWED, given=held(-99, side=Side.BUY)) == "C26 KILLED_REDUCE_ONLY"


def test_what_adds_is_denied_whoever_holds_nothing() -> None:
    assert code(BUY, under=ALLOWED, given=held(0, side=Side.BUY)) == "C26 KILLED_REDUCE_ONLY"
    verdict = judge(BUY, under=ALLOWED, given=held(500, side=Side.BUY))
    assert isinstance(verdict, Denied)
    assert verdict.detail.endswith("reducible=0")


def test_what_works_on_the_same_side_already_reduces_the_holding() -> None:
    assert code(SELL, under=ALLOWED, given=held(150, selling=50, buying=70)) == "approved"
    assert code(SELL, under=ALLOWED, given=held(149, selling=50)) == "C26 KILLED_REDUCE_ONLY"
    assert code(BUY, under=ALLOWED, given=held(-150, buying=50, side=Side.BUY)) == "approved"
    assert code(BUY, under=ALLOWED, given=held(-149, buying=50, side=Side.BUY)) == "C26 KILLED_REDUCE_ONLY"


@pytest.mark.parametrize("place", LEVELS)
@pytest.mark.parametrize("less", [{"lots": 99}, {"selling": 1}], ids=["holds less", "sells already"])
def test_every_level_has_to_get_smaller(place: Level, less: dict[str, int]) -> None:
    assert code(SELL, under=ALLOWED, given=at_level(held(100), place, **less)) == "C26 KILLED_REDUCE_ONLY"


def test_the_instrument_as_a_whole_has_to_get_smaller() -> None:
    given = held(100)
    exposure = msgspec.structs.replace(given.exposure, position=99)
    assert code(SELL, under=ALLOWED, given=msgspec.structs.replace(given, exposure=exposure)) != "approved"


def test_a_replace_may_grow_by_what_is_left_to_reduce() -> None:
    child = msgspec.structs.replace(CHILD, side=Side.SELL)
    given = msgspec.structs.replace(held(child.quantity + 10, selling=child.quantity), child=child)
    grown, too_much = (replace(quantity=child.quantity + more, price=1_000_100) for more in (10, 11))
    assert code(grown, under=ALLOWED, given=given) == "approved"
    assert code(too_much, under=ALLOWED, given=given) == "C26 KILLED_REDUCE_ONLY"


def test_where_the_limits_do_not_allow_it_the_kill_is_a_full_one() -> None:
    assert not LIMITS.reduce_only_kill
    assert code(SELL, given=held(1_000)) == "C23 KILLED"


def test_without_such_a_kill_nothing_has_to_reduce() -> None:
    assert FACTS.halt.reduce_only == ""
    assert code(BUY, under=ALLOWED) == "approved"
    assert code(SELL, under=ALLOWED, given=at(Level.FIRM, lots=0)) == "C19 PARENT_SIDE"
