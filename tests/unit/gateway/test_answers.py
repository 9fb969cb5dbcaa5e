"""Answers to OrderStatusRequests: they say how things are, so they are believed once, and now."""

from __future__ import annotations

import pytest

from service.fix.messages import Malformed
from service.gateway.lifecycle import Request
from service.model.orders import OrdStatus
from service.model.time import SECOND
from tests.unit.gateway.driver import PRICE, Driver


@pytest.fixture
def desk() -> Driver:
    desk = Driver()
    desk.admit()
    desk.submit()
    desk.acknowledge()
    return desk


def at_risk(desk: Driver) -> tuple[int, int]:
    return desk.core.state.ledger.exposure("AURA").position, desk.core.state.ledger.exposure(
        "AURA"
    ).working_buy


def reconnect(desk: Driver) -> None:
    desk.log_off()
    desk.log_on()


def test_an_answer_of_before_a_replace_told_again_does_not_undo_the_replace(desk: Driver) -> None:
    desk.replace(quantity=250)
    reconnect(desk)
    desk.report("I", OrdStatus.NEW, cum_quantity=0, order_quantity=100, price=PRICE, poss_dup=True)
    assert desk.order().unknown
    assert at_risk(desk) == (0, 250)
    desk.report("I", OrdStatus.NEW, cum_quantity=0, order_quantity=250, price=PRICE)
    assert (desk.order().unknown, at_risk(desk)) == (False, (0, 250))


def test_a_replace_the_broker_has_not_decided_is_not_lost(desk: Driver) -> None:
    desk.replace(quantity=250)
    reconnect(desk)
    desk.report("I", OrdStatus.PENDING_REPLACE, cum_quantity=0, order_quantity=100, price=PRICE)
    assert desk.order().request is Request.REPLACE
    assert at_risk(desk) == (0, 250)
    desk.tick(after=6 * SECOND)
    assert len(desk.questions_sent) == 2
    desk.report("I", OrdStatus.NEW, cum_quantity=0, order_quantity=100, price=PRICE)
    assert desk.order().request is Request.NONE
    assert at_risk(desk) == (0, 100)


def test_a_cancel_the_broker_has_not_decided_is_not_asked_twice(desk: Driver) -> None:
    desk.cancel()
    reconnect(desk)
    desk.report("I", OrdStatus.PENDING_CANCEL, cum_quantity=0)
    assert desk.order().canceling
    desk.canceled()
    assert (desk.order().status, desk.order().unknown) == (OrdStatus.CANCELED, False)


def test_an_order_that_is_over_with_less_than_its_quantity_is_over(desk: Driver) -> None:
    """The fill was lost, then busted: the broker has nothing open, and we must not cancel it for ever."""
    desk.fill(31)
    desk.cancel()
    desk.refuse_cancel(status=OrdStatus.FILLED)
    assert desk.order().unknown
    desk.report("I", OrdStatus.FILLED, cum_quantity=31, leaves_quantity=0)
    order = desk.order()
    assert (order.status, order.request, order.unknown) == (OrdStatus.FILLED, Request.NONE, False)
    assert at_risk(desk) == (31, 0)


def test_what_was_told_before_a_bust_is_not_waited_for(desk: Driver) -> None:
    desk.fill(60, exec_id="A")
    desk.report("4", OrdStatus.CANCELED, cum_quantity=80, leaves_quantity=0)
    assert desk.order().unknown
    desk.report("H", OrdStatus.CANCELED, exec_ref_id="B", cum_quantity=60)
    assert desk.order().unknown
    desk.report("I", OrdStatus.CANCELED, cum_quantity=60)
    assert not desk.order().unknown
    assert at_risk(desk) == (60, 0)


def test_a_filled_order_less_a_bust_reconciles(desk: Driver) -> None:
    desk.fill(100, exec_id="A")
    desk.report("G", OrdStatus.FILLED, exec_ref_id="A", last_quantity=90, last_price=PRICE, cum_quantity=90)
    desk.report("0", OrdStatus.NEW, last_quantity=5)
    desk.report("8", OrdStatus.REJECTED)
    assert desk.order().unknown
    desk.report("I", OrdStatus.FILLED, cum_quantity=90)
    assert (desk.order().unknown, at_risk(desk)) == (False, (90, 0))


def test_an_unreadable_answer_to_a_replace_is_settled_by_asking(desk: Driver) -> None:
    desk.replace(quantity=250)
    desk.feed(Malformed(raw="", reason="drill", cl_ord_id=desk.order().replace_id))
    assert len(desk.questions_sent) == 1
    desk.report("I", OrdStatus.NEW, cum_quantity=0, order_quantity=250, price=PRICE)
    assert (desk.order().request, at_risk(desk)) == (Request.NONE, (0, 250))


@pytest.mark.parametrize("status", [OrdStatus.PARTIALLY_FILLED, OrdStatus.FILLED])
def test_a_full_order_less_a_bust_works_again_only_if_the_broker_says_so(
    desk: Driver, status: OrdStatus
) -> None:
    desk.fill(60, exec_id="A")
    desk.fill(40, exec_id="B")
    desk.report("H", status, exec_ref_id="B", cum_quantity=60)
    works = status is OrdStatus.PARTIALLY_FILLED
    assert desk.order().live == works
    assert at_risk(desk) == (60, 40 if works else 0)


def test_an_order_that_works_again_after_its_parent_is_over_is_cancelled(desk: Driver) -> None:
    desk.admit(parent_id="P2", quantity=100)
    desk.submit("P2.1")
    desk.fill(100, "P2.1", exec_id="A")
    assert "P2" not in desk.core.state.open
    desk.report("H", OrdStatus.NEW, "P2.1", exec_ref_id="A", cum_quantity=0)
    assert desk.order("P2.1").canceling
    assert at_risk(desk) == (0, 200)


def test_an_order_that_a_correction_left_short_is_over_as_the_broker_says(desk: Driver) -> None:
    desk.fill(100, exec_id="A")
    desk.report("G", OrdStatus.FILLED, exec_ref_id="A", last_quantity=90, last_price=PRICE, cum_quantity=90)
    reconnect(desk)
    desk.report("I", OrdStatus.CANCELED, cum_quantity=90)
    assert (desk.order().status, desk.order().unknown) == (OrdStatus.CANCELED, False)
    assert at_risk(desk) == (90, 0)


def test_a_fill_that_overtakes_a_correction_leaves_nothing_counted_too_much(desk: Driver) -> None:
    """The later fill's CumQty has the correction in it already."""
    desk.fill(40, exec_id="A")
    desk.fill(54, exec_id="C", cum_quantity=100)
    desk.report(
        "G",
        OrdStatus.PARTIALLY_FILLED,
        exec_ref_id="A",
        last_quantity=46,
        last_price=PRICE,
        cum_quantity=46,
    )
    assert (desk.order().status, desk.order().unknown) == (OrdStatus.FILLED, True)
    desk.report("I", OrdStatus.FILLED, cum_quantity=100)
    assert (desk.order().unknown, at_risk(desk)) == (False, (100, 0))


def test_a_replace_that_changes_nothing_leaves_no_order_that_cannot_be_cancelled(desk: Driver) -> None:
    """Lost or not, the answer looks the same: if the broker knows neither id, the other one is tried."""
    first = desk.order().cl_ord_id
    desk.replace(quantity=100)
    second = desk.order().replace_id
    reconnect(desk)
    desk.report("I", OrdStatus.NEW, cum_quantity=0, order_quantity=100, price=PRICE)
    tried = set()
    for _ in range(2):
        desk.cancel()
        tried.add(desk.cancels_sent[-1].orig_cl_ord_id)
        desk.refuse_cancel(cxl_rej_reason=1)
    assert tried == {first, second}


def test_a_suspended_order_may_be_rejected(desk: Driver) -> None:
    desk.report("9", OrdStatus.SUSPENDED)
    desk.report("8", OrdStatus.REJECTED)
    assert (desk.order().status, at_risk(desk)) == (OrdStatus.REJECTED, (0, 0))


def test_a_report_of_a_cancel_that_a_power_cut_took_from_the_record_is_of_its_order(desk: Driver) -> None:
    lost = desk.order().cl_ord_id.split("-")[0] + "-77"
    desk.report("6", OrdStatus.PENDING_CANCEL, cl_ord_id=lost, cum_quantity=0)
    assert list(desk.core.state.ledger.orders) == ["P1.1"]
    assert at_risk(desk) == (0, 100)


def test_an_order_that_a_late_fill_made_full_is_over_whatever_the_broker_calls_it(desk: Driver) -> None:
    desk.fill(100)
    reconnect(desk)
    desk.feed(Malformed(raw="", reason="drill", cl_ord_id=desk.order().cl_ord_id))
    assert desk.order().unknown
    desk.report("I", OrdStatus.CANCELED, cum_quantity=100)
    assert (desk.order().status, desk.order().unknown) == (OrdStatus.FILLED, False)


def test_a_correction_that_overtakes_the_fill_that_ended_the_order_is_asked_about(desk: Driver) -> None:
    """100 were traded, which ended it, and corrected to 90; the correction is here first."""
    desk.report("G", OrdStatus.FILLED, exec_ref_id="X1", last_quantity=90, last_price=PRICE, cum_quantity=90)
    assert (desk.order().unknown, at_risk(desk)) == (True, (90, 10))
    desk.fill(100, exec_id="X1", cum_quantity=100, ord_status=OrdStatus.FILLED)
    desk.report("I", OrdStatus.FILLED, cum_quantity=90, leaves_quantity=0)
    order = desk.order()
    assert (order.status, order.unknown, at_risk(desk)) == (OrdStatus.FILLED, False, (90, 0))
