"""Short sales (C15): a client's sale beyond what it has needs a locate, for as long as that holds."""

from typing import Any

import msgspec
import pytest

from service.model.orders import Side
from service.model.time import SECOND
from service.risk import Denied, Facts, Level, Limits, Locate, ceilings
from tests.unit.risk.orders import CHILD, LIMITS, NOW, at, code, facts, judge, limits, replace, submit

LATER = NOW.market + 3600 * SECOND
SELL = submit(side=Side.SELL)


def locate(lots: int, until: int = LATER, *, client: str = "NORTHWIND", symbol: str = "AURA") -> Locate:
    return Locate(client=client, symbol=symbol, lots=lots, until=until)


def under(*locates: Locate, **changes: Any) -> Limits:
    return msgspec.structs.replace(limits(**{"locate": "required", **changes}), locates=locates)


def selling(lots: int = 0, working: int = 0, **changes: Any) -> Facts:
    """The client has so many lots and works to sell so many."""
    base = facts(parent_side=Side.SELL, exposure_working_buy=0, **changes)
    client = at(Level.CLIENT, lots=lots, selling=working, buying=0).levels[3]
    return msgspec.structs.replace(base, levels=(*base.levels[:3], client, *base.levels[4:]))


@pytest.mark.parametrize(
    ("lots", "working", "located", "verdict"),
    [
        (100, 0, 0, "approved"),
        (99, 0, 0, "C15 NO_LOCATE"),
        (99, 0, 1, "approved"),
        (0, 0, 99, "C15 NO_LOCATE"),
        (0, 0, 100, "approved"),
        (0, 1, 100, "C15 NO_LOCATE"),
        (300, 200, 0, "approved"),
        (299, 200, 0, "C15 NO_LOCATE"),
        (-50, 50, 200, "approved"),
        (-50, 51, 200, "C15 NO_LOCATE"),
    ],
)
def test_a_client_sells_what_it_has_and_what_was_located(
    lots: int, working: int, located: int, verdict: str
) -> None:
    assert code(SELL, selling(lots, working), under=under(locate(located))) == verdict


def test_a_denial_says_for_whom_how_much_and_how_much_was_located() -> None:
    verdict = judge(SELL, selling(-50), under=under(locate(100)))
    assert isinstance(verdict, Denied)
    assert (verdict.control, verdict.detail) == ("C15", "client=NORTHWIND short=150 located=100")


def test_a_buy_needs_no_locate() -> None:
    assert code(under=under()) == "approved"


@pytest.mark.parametrize(
    ("word", "verdict"),
    [("not_required", "approved"), ("required", "C15 NO_LOCATE"), ("", "C15 NO_LOCATE")],
)
def test_what_is_easy_to_borrow_needs_none_and_whoever_says_nothing_needs_one(
    word: str, verdict: str
) -> None:
    assert code(SELL, selling(), under=under(locate=word)) == verdict


@pytest.mark.parametrize(
    "other", [locate(100, client="OTHER"), locate(100, symbol="BOLT"), locate(100, until=NOW.market)]
)
def test_a_locate_of_another_client_or_instrument_or_one_that_has_run_out_is_none(other: Locate) -> None:
    assert code(SELL, selling(), under=under(other)) == "C15 NO_LOCATE"
    assert code(SELL, selling(), under=under(other, locate(100, until=NOW.market + 1))) == "approved"


def test_several_locates_add_up() -> None:
    assert code(SELL, selling(), under=under(locate(60), locate(40))) == "approved"
    assert code(SELL, selling(), under=under(locate(60), locate(39))) == "C15 NO_LOCATE"


def test_a_replace_is_held_to_the_locates_with_what_it_adds() -> None:
    child = msgspec.structs.replace(CHILD, side=Side.SELL)
    world = selling(0, 400, child=child)
    assert code(replace(quantity=450), world, under=under(locate(450))) == "approved"
    assert code(replace(quantity=451), world, under=under(locate(450))) == "C15 NO_LOCATE"
    assert code(replace(quantity=400), world, under=under(locate(399))) == "C15 NO_LOCATE"


def test_the_longest_locate_is_still_refused_by_the_ceiling() -> None:
    """A lender's word is for the day, whatever the file says."""
    end = NOW.market + ceilings.MAX_LOCATE_AHEAD
    assert code(SELL, selling(), under=under(locate(100, until=end))) == "approved"
    assert code(SELL, selling(), under=under(locate(100, until=end + 1))) == "C15 NO_LOCATE"


def test_the_largest_locates_are_still_refused_by_the_ceiling_of_positions() -> None:
    many = under(locate(1 << 60), locate(1 << 60))
    short = ceilings.MAX_POSITION - 100
    assert code(SELL, selling(0, short), under=many) == "approved"
    assert code(SELL, selling(0, short + 1), under=many) == "C15 NO_LOCATE"


def test_no_locates_are_the_default() -> None:
    assert LIMITS.locates == ()
