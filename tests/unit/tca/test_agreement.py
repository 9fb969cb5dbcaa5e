"""Our fills against the broker's: every way in which they can differ is named."""

from decimal import Decimal

from service.model.orders import Side
from service.model.reference import parse_reference
from service.settings import ROOT
from service.tca.agreement import Difference, Execution, divergence, totals

ONE = Execution("e1", "c1", "AURA", Side.BUY, 100, 1_000_050)
TWO = Execution("e2", "c1", "AURA", Side.BUY, 50, 1_000_000)


def test_nothing_differs_when_both_have_the_same_fills_in_another_order() -> None:
    assert divergence([ONE, TWO], [TWO, ONE]) == []


def test_a_fill_that_only_one_side_has_is_named_with_its_side() -> None:
    assert divergence([ONE], [TWO]) == [Difference("ours", ONE, 1), Difference("broker", TWO, 1)]


def test_a_fill_is_different_when_any_one_field_is() -> None:
    for change in (
        {"exec_id": "x"},
        {"cl_ord_id": "x"},
        {"symbol": "BOLT"},
        {"side": Side.SELL},
        {"quantity": 99},
        {"price": 1_000_051},
    ):
        other = ONE._replace(**change)  # type: ignore[arg-type]
        assert {d.execution for d in divergence([ONE], [other])} == {ONE, other}


def test_a_fill_that_was_booked_twice_is_a_difference() -> None:
    assert divergence([ONE, ONE], [ONE]) == [Difference("ours", ONE, 1)]


def test_money_is_exact_in_currency() -> None:
    path = ROOT / "deploy" / "reference.toml"
    total = totals([ONE, TWO], parse_reference(path.read_text(), str(path)))
    assert total == (2, 150, Decimal("100.005") * 100 + Decimal(100) * 50)
