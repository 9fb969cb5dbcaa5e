"""Orders and replaces that get no answer: the broker is asked, and says how things are."""

import pytest

from service.gateway.lifecycle import Request
from service.model.events import ChildReplaced
from service.model.orders import OrdStatus
from service.model.time import SECOND
from tests.unit.gateway.driver import PRICE, Driver, digest


@pytest.fixture
def desk() -> Driver:
    desk = Driver()
    desk.admit()
    desk.submit()
    return desk


def test_an_order_without_an_answer_is_asked_about_after_five_seconds(desk: Driver) -> None:
    desk.tick(4 * SECOND)
    assert not desk.questions_sent
    desk.tick(SECOND)
    assert len(desk.questions_sent) == 1
    assert not desk.order().unknown
    desk.report("I", OrdStatus.NEW, cum_quantity=0)
    assert desk.order().status is OrdStatus.NEW
    desk.tick(60 * SECOND)
    assert len(desk.questions_sent) == 1


def test_an_order_that_the_question_does_not_clear_up_is_unknown(desk: Driver) -> None:
    desk.tick(5 * SECOND)
    desk.tick(5 * SECOND)
    assert desk.order().unknown
    desk.report("I", OrdStatus.REJECTED, ord_rej_reason=5)
    assert (desk.order().status, desk.order().unknown) == (OrdStatus.REJECTED, False)


def test_an_answered_order_is_not_asked_about(desk: Driver) -> None:
    desk.acknowledge()
    desk.tick(60 * SECOND)
    assert not desk.questions_sent


def test_nobody_is_asked_who_answers_no_questions() -> None:
    desk = Driver(order_status="none")
    desk.admit()
    desk.submit()
    desk.tick(60 * SECOND)
    assert not desk.questions_sent
    assert not desk.alarms()


def test_a_replace_whose_answer_was_lost_is_found_to_have_happened(desk: Driver) -> None:
    desk.acknowledge()
    desk.replace(quantity=60)
    desk.tick(5 * SECOND)
    desk.report("I", OrdStatus.NEW, cum_quantity=0, order_quantity=60, price=PRICE)
    order = desk.order()
    assert (order.request, order.quantity, order.at_risk) == (Request.NONE, 60, 60)
    assert len(desk.events(ChildReplaced)) == 1
    desk.report("5", OrdStatus.REPLACED, cl_ord_id=order.cl_ord_id, cum_quantity=0)
    assert "ILLEGAL_REPORT" not in desk.alarms()


def test_a_cancel_that_is_pending_beside_it_stays_so(desk: Driver) -> None:
    desk.acknowledge()
    desk.replace(quantity=60)
    desk.wait(4 * SECOND)
    desk.cancel()
    desk.tick(SECOND)
    desk.report("I", OrdStatus.NEW, cum_quantity=0, order_quantity=60, price=PRICE)
    assert desk.order().request is Request.CANCEL


def test_a_replace_that_the_broker_has_not_carried_out_yet_goes_on_counting(desk: Driver) -> None:
    """A desk that takes its time: the answer shows the order as it was, and the replace may still come."""
    desk.acknowledge()
    desk.replace(quantity=250)
    desk.tick(5 * SECOND)
    desk.report("I", OrdStatus.NEW, cum_quantity=0, order_quantity=100, price=PRICE)
    assert (desk.order().request, desk.order().at_risk) == (Request.REPLACE, 250)
    desk.tick(5 * SECOND)
    assert len(desk.questions_sent) == 2


def test_an_order_that_the_broker_does_not_know_by_its_id_may_go_by_its_replaces(desk: Driver) -> None:
    desk.acknowledge()
    desk.replace(quantity=60)
    desk.cancel()
    desk.refuse_cancel(status=OrdStatus.REJECTED, cxl_rej_reason=1)
    desk.report("I", OrdStatus.NEW, cum_quantity=0, order_quantity=60, price=PRICE)
    desk.cancel()
    assert desk.cancels_sent[-1].orig_cl_ord_id == desk.replaces_sent[-1].cl_ord_id


def test_what_is_watched_does_not_grow_with_the_orders_that_are_answered(desk: Driver) -> None:
    desk.acknowledge()
    for number in range(2, 20):
        desk.submit(f"P1.{number}", quantity=1)
        desk.acknowledge(f"P1.{number}")
        desk.wait(SECOND)
        desk.refresh()
    assert len(desk.core.state.awaited) == 1


def test_the_journal_gives_it_all_again(desk: Driver) -> None:
    desk.tick(5 * SECOND)
    desk.tick(5 * SECOND)
    assert digest(desk.replayed()) == digest(desk.core)
