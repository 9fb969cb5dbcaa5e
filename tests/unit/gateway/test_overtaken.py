"""Reports that overtake each other, or refer to what was never told: rules of the fold, old and new."""

from __future__ import annotations

import pytest

from service.gateway.inputs import RULES
from service.gateway.lifecycle import Request
from service.model.events import Alarm
from service.model.orders import OrdStatus
from service.model.time import SECOND
from tests.unit.gateway.driver import PRICE, Driver, digest


def trading(rules: int) -> Driver:
    """One order of 100 at a broker, with a journal that goes by these rules."""
    desk = Driver(rules=rules)
    desk.admit()
    desk.submit()
    desk.acknowledge()
    return desk


@pytest.fixture
def desk() -> Driver:
    return trading(RULES)


def correct(desk: Driver, execution: str, quantity: int, cum_quantity: int, exec_id: str) -> None:
    """The broker corrects an execution of the order that still works."""
    desk.report(
        "G",
        OrdStatus.PARTIALLY_FILLED,
        exec_ref_id=execution,
        last_quantity=quantity,
        last_price=PRICE,
        cum_quantity=cum_quantity,
        exec_id=exec_id,
    )


def counted(desk: Driver) -> tuple[int, int]:
    """Lots done and at risk."""
    found = desk.core.state.ledger.exposure("AURA")
    return found.position, found.working_buy


@pytest.mark.parametrize(("rules", "at_risk"), [(2, 60), (RULES, 110)])
def test_replace_when_a_fill_overtook_a_bust_then_it_is_pending_again(rules: int, at_risk: int) -> None:
    """For a moment the order looks full; the broker may still carry the replace out."""
    desk = trading(rules)
    desk.fill(80, exec_id="A")
    desk.replace(quantity=150)
    desk.fill(80, exec_id="B", cum_quantity=80)  # the broker has busted A by now
    assert desk.order().status is OrdStatus.FILLED
    desk.report("H", OrdStatus.PARTIALLY_FILLED, exec_ref_id="B", cum_quantity=40, exec_id="H1")
    correct(desk, "A", 40, 40, "G1")
    if rules == RULES:
        assert (desk.order().request, desk.order().unknown) == (Request.REPLACE, True)
    desk.report("I", OrdStatus.PENDING_REPLACE, cum_quantity=40, order_quantity=100, price=PRICE)
    desk.replace(quantity=81)
    assert len(desk.replaces_sent) == (2 if rules < RULES else 1)
    assert counted(desk) == (40, at_risk)
    if rules == RULES:
        desk.report("I", OrdStatus.PARTIALLY_FILLED, cum_quantity=40, order_quantity=150, price=PRICE)
        assert (desk.order().request, desk.order().unknown) == (Request.NONE, False)
        assert counted(desk) == (40, 110)
    assert digest(desk.replayed()) == digest(desk.core)


@pytest.mark.parametrize(("rules", "at_risk"), [(3, 0), (RULES, 10)])
def test_replace_when_a_wrong_fill_is_larger_than_it_then_its_rest_works_after_the_correction(
    rules: int, at_risk: int
) -> None:
    """The broker has replaced it, the news of that is late, and the fill exceeds the larger quantity."""
    desk = trading(rules)
    desk.replace(quantity=150)
    desk.fill(160, exec_id="A", cum_quantity=140)
    assert desk.order().status is OrdStatus.FILLED
    correct(desk, "A", 140, 140, "G1")
    assert counted(desk) == (140, at_risk)
    if rules == RULES:
        desk.report("I", OrdStatus.PARTIALLY_FILLED, cum_quantity=140, order_quantity=150, price=PRICE)
        assert (desk.order().request, desk.order().unknown) == (Request.NONE, False)
        assert (desk.order().quantity, counted(desk)) == (150, (140, 10))
    assert digest(desk.replayed()) == digest(desk.core)


@pytest.mark.parametrize("answered", [False, True])
def test_replace_when_the_line_drops_while_it_waits_for_the_disk_then_it_is_not_sent(
    desk: Driver, answered: bool
) -> None:
    """The broker is asked what it has: what is sent behind the question would be taken for lost."""
    desk.hold = True
    desk.replace(quantity=150)
    desk.log_off()
    desk.log_on()
    desk.hold = False
    if not answered:
        desk.release_held()
    desk.report("I", OrdStatus.NEW, cum_quantity=0, order_quantity=100, price=PRICE)
    assert (desk.order().request, counted(desk)) == (Request.NONE, (0, 100))
    if answered:
        desk.release_held()
    assert desk.replaces_sent == []
    desk.replace(quantity=120)
    assert len(desk.replaces_sent) == 1


def test_replace_when_it_is_refused_because_the_order_is_full_then_a_bust_does_not_bring_it_back(
    desk: Driver,
) -> None:
    desk.replace(quantity=150)
    pending = desk.order().replace_id
    desk.fill(150, exec_id="A")
    assert desk.order().status is OrdStatus.FILLED
    desk.refuse_cancel(cl_ord_id=pending, cxl_rej_response_to="2", status=OrdStatus.FILLED)
    desk.report("H", OrdStatus.NEW, exec_ref_id="A", cum_quantity=0)
    assert (desk.order().request, counted(desk)) == (Request.NONE, (0, 100))


@pytest.mark.parametrize(("rules", "at_risk"), [(2, 140), (RULES, 120)])
def test_restatement_when_its_version_was_replaced_since_then_it_changes_nothing(
    rules: int, at_risk: int
) -> None:
    desk = trading(rules)
    first = desk.order().cl_ord_id
    desk.replace(quantity=120)
    desk.replaced()
    desk.report("D", OrdStatus.NEW, cl_ord_id=first, order_quantity=140, cum_quantity=0)
    assert counted(desk) == (0, at_risk)
    assert digest(desk.replayed()) == digest(desk.core)


def test_restatement_when_it_overtakes_the_replace_then_the_more_counts_until_that_is_told(
    desk: Driver,
) -> None:
    desk.replace(quantity=90)
    ahead = desk.order().replace_id
    for quantity, at_risk in ((60, 100), (140, 140)):
        desk.report(
            "D",
            OrdStatus.NEW,
            cl_ord_id=ahead,
            order_quantity=quantity,
            cum_quantity=0,
            exec_id=f"D{quantity}",
        )
        assert counted(desk) == (0, at_risk)
    desk.report("D", OrdStatus.NEW, cl_ord_id=ahead, order_quantity=60, cum_quantity=0, exec_id="D61")
    desk.replaced()
    assert (desk.order().cl_ord_id, counted(desk)) == (ahead, (0, 60))


@pytest.mark.parametrize(("rules", "done"), [(2, 90), (RULES, 70)])
def test_correction_when_it_refers_to_a_correction_that_was_never_told_then_its_lots_count_once(
    rules: int, done: int
) -> None:
    """The broker concealed that A was corrected to something else before: its own sum gives it away."""
    desk = trading(rules)
    desk.fill(70, exec_id="A")
    correct(desk, "concealed", 20, 20, "G2")
    assert counted(desk)[0] == done
    if rules == RULES:
        assert desk.order().unknown
        assert "corrected_and_never_told=concealed" in desk.events(Alarm)[-1].detail
        desk.tick(after=SECOND)
        assert len(desk.questions_sent) == 1
        desk.report("I", OrdStatus.PARTIALLY_FILLED, cum_quantity=20)
        assert desk.order().unknown, "a person has to ask what it was"
        correct(desk, "A", 20, 20, "G3")
        desk.report("I", OrdStatus.PARTIALLY_FILLED, cum_quantity=20)
        assert (desk.order().unknown, counted(desk)) == (False, (20, 80))
    assert digest(desk.replayed()) == digest(desk.core)


def test_correction_when_its_execution_comes_after_all_then_it_is_taken(desk: Driver) -> None:
    """A was busted and that report is late, too: until then the broker's sum has no room for it."""
    desk.fill(50, exec_id="A")
    correct(desk, "B", 20, 20, "G1")
    desk.report("H", OrdStatus.PARTIALLY_FILLED, exec_ref_id="A", cum_quantity=20, exec_id="H1")
    desk.fill(30, exec_id="B", cum_quantity=30)
    assert counted(desk)[0] == 20
    desk.report("I", OrdStatus.PARTIALLY_FILLED, cum_quantity=20)
    assert (desk.order().unknown, counted(desk)) == (False, (20, 80))
    assert digest(desk.replayed()) == digest(desk.core)
