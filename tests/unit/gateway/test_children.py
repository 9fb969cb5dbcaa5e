"""A child's way through the core: judged, held for the disk, sent, reported, over."""

import pytest

from service.fix.messages import ExecutionReport, Malformed
from service.model.codec import encode
from service.model.events import (
    ChildAccepted,
    ChildCanceled,
    ChildDenied,
    ChildExpired,
    ChildFilled,
    ChildPartiallyFilled,
    ChildRejected,
    ChildSubmitted,
    ChildUnknown,
    ParentChanged,
)
from service.model.orders import OrdStatus, Side
from service.model.time import SECOND
from tests.unit.gateway.driver import PRICE, Driver


@pytest.fixture
def desk() -> Driver:
    driver = Driver()
    driver.admit()
    return driver


def exposure(desk: Driver) -> tuple[int, int, int]:
    found = desk.core.state.ledger.exposure("AURA")
    return found.position, found.working_buy, found.working_sell


def progress(desk: Driver) -> tuple[int, int]:
    found = desk.core.state.ledger.progress("P1")
    return found.filled, found.working


# New orders


def test_a_child_counts_when_it_is_committed_and_is_told_when_it_is_sent(desk: Driver) -> None:
    desk.hold = True
    assert desk.submit() == "approved"
    assert exposure(desk) == (0, 100, 0)
    assert not desk.events(ChildSubmitted)
    desk.release_held()
    (submitted,) = desk.events(ChildSubmitted)
    (request,) = desk.orders_sent
    assert (submitted.cl_ord_id, submitted.quantity, submitted.price) == (request.cl_ord_id, 100, PRICE)
    assert request.attribution.desk == "EQUITIES"
    request.approved.verify()


def test_a_denied_child_is_told_with_control_and_code_and_counts_nowhere(desk: Driver) -> None:
    assert desk.submit(quantity=1001) == "MAX_ORDER_QUANTITY"
    (denied,) = desk.events(ChildDenied)
    assert (denied.control, denied.code, denied.command) == ("C4", "MAX_ORDER_QUANTITY", "submit")
    assert "limit=1000" in denied.detail
    assert exposure(desk) == (0, 0, 0)
    assert not desk.requests


def test_a_child_of_a_parent_that_only_the_runner_vouches_for_is_denied(desk: Driver) -> None:
    assert desk.submit("P9.1") == "UNKNOWN_PARENT"


def test_a_child_id_is_used_once_denied_or_not(desk: Driver) -> None:
    assert desk.submit("P1.1", quantity=1001) == "MAX_ORDER_QUANTITY"
    assert desk.submit("P1.1") == "DUPLICATE_CHILD"
    assert desk.submit("P1.2") == "approved"
    assert desk.core.state.parents["P1"].next_child == 3


def test_an_order_whose_cancel_comes_while_it_waits_for_the_disk_is_never_sent(desk: Driver) -> None:
    desk.hold = True
    desk.submit()
    desk.cancel()
    desk.release_held()
    assert not desk.requests
    (rejected,) = desk.events(ChildRejected)
    assert rejected.reason.startswith("not sent")
    assert exposure(desk) == (0, 0, 0)


def test_an_order_that_waits_for_the_disk_is_not_sent_after_a_kill(desk: Driver) -> None:
    desk.hold = True
    desk.submit()
    desk.kill()
    desk.release_held()
    assert not desk.requests
    assert exposure(desk) == (0, 0, 0)


def test_message_rate_counts_cancels_and_never_refuses_one(desk: Driver) -> None:
    for number in range(1, 101):
        assert desk.submit(f"P1.{number}", quantity=1, price=PRICE - 100 * (number % 20)) == "approved"
    for number in range(1, 101):
        desk.cancel(f"P1.{number}")
    assert len(desk.cancels_sent) == 100
    assert desk.submit("P1.101", quantity=1) == "MESSAGE_RATE"
    desk.cancel("P1.1")
    desk.wait(SECOND)
    assert desk.submit("P1.102", quantity=1) == "approved"


# Reports


def test_acknowledged_then_filled_in_parts(desk: Driver) -> None:
    desk.submit()
    desk.acknowledge()
    desk.fill(40)
    desk.fill(60, last_price=PRICE - 50)
    (accepted,) = desk.events(ChildAccepted)
    (part,) = desk.events(ChildPartiallyFilled)
    (full,) = desk.events(ChildFilled)
    assert accepted.order_id == "B-P1.1"
    assert (part.last_quantity, part.cum_quantity, part.leaves_quantity) == (40, 40, 60)
    assert (full.last_price, full.cum_quantity, full.leaves_quantity) == (PRICE - 50, 100, 0)
    assert exposure(desk) == (100, 0, 0)
    assert desk.order().money == 40 * PRICE + 60 * (PRICE - 50)


def test_a_fill_may_come_before_the_acknowledgement(desk: Driver) -> None:
    desk.submit()
    desk.fill(40)
    desk.acknowledge()
    assert desk.order().status is OrdStatus.PARTIALLY_FILLED
    assert not desk.alarms()


def test_a_report_that_comes_twice_counts_once(desk: Driver) -> None:
    desk.submit()
    desk.fill(40, exec_id="X1")
    desk.fill(40, exec_id="X1", poss_dup=True)
    assert progress(desk) == (40, 60)
    assert len(desk.events(ChildPartiallyFilled)) == 1


def test_an_exec_id_used_for_another_fill_is_still_one_fill(desk: Driver) -> None:
    desk.submit()
    desk.fill(40, exec_id="X1")
    desk.fill(30, exec_id="X1")
    assert progress(desk)[0] == 40


def test_a_fill_after_the_cancel_counts_and_the_status_stays(desk: Driver) -> None:
    desk.submit()
    desk.acknowledge()
    desk.cancel()
    desk.canceled()
    desk.fill(30)
    assert desk.order().status is OrdStatus.CANCELED
    assert exposure(desk) == (30, 0, 0)
    assert len(desk.events(ChildPartiallyFilled)) == 1
    assert not desk.alarms()


def test_a_cancel_that_tells_of_fills_we_have_not_seen_keeps_counting_them(desk: Driver) -> None:
    desk.submit()
    desk.acknowledge()
    desk.cancel()
    desk.canceled(cum_quantity=30)
    assert exposure(desk) == (0, 30, 0)
    assert desk.alarms() == ["FILL_MISSING"]
    assert desk.submit("P1.2") == "UNRECONCILED"
    desk.fill(30)
    assert exposure(desk) == (30, 0, 0)
    assert desk.submit("P1.3") == "approved"


def test_an_order_the_broker_refuses_is_released(desk: Driver) -> None:
    desk.submit()
    desk.report("8", OrdStatus.REJECTED, text="no")
    (rejected,) = desk.events(ChildRejected)
    assert rejected.reason == "no"
    assert exposure(desk) == (0, 0, 0)


def test_an_order_that_expires_is_released(desk: Driver) -> None:
    desk.submit()
    desk.acknowledge()
    desk.report("C", OrdStatus.EXPIRED, cum_quantity=0)
    assert desk.events(ChildExpired)
    assert exposure(desk) == (0, 0, 0)


def test_a_cancel_that_nobody_asked_for_is_told_as_such(desk: Driver) -> None:
    desk.submit()
    desk.acknowledge()
    desk.canceled()
    assert desk.events(ChildCanceled)[0].unsolicited
    assert not desk.alarms()


def test_a_broker_that_fills_too_much_is_counted_and_alarmed(desk: Driver) -> None:
    desk.submit()
    desk.fill(100)
    desk.fill(50)
    assert exposure(desk)[0] == 150
    assert desk.alarms() == ["ILLEGAL_REPORT"]
    assert desk.submit("P1.2") == "UNRECONCILED"


def test_an_illegal_report_is_an_alarm_and_the_broker_is_asked(desk: Driver) -> None:
    desk.submit()
    desk.fill(40)
    desk.report("8", OrdStatus.REJECTED, text="what?")
    assert desk.alarms() == ["ILLEGAL_REPORT"]
    assert desk.events(ChildUnknown)
    assert len(desk.questions_sent) == 1
    assert exposure(desk) == (40, 60, 0)
    desk.report("I", OrdStatus.PARTIALLY_FILLED, cum_quantity=40)
    assert not desk.order().unknown


def test_a_report_of_an_order_we_do_not_know_is_an_alarm(desk: Driver) -> None:
    desk.feed(
        ExecutionReport(
            cl_ord_id="ZZZ",
            order_id="B9",
            exec_id="E9",
            exec_type="F",
            ord_status=OrdStatus.FILLED,
            symbol="AURA",
            last_quantity=10,
            last_price=PRICE,
        )
    )
    assert desk.alarms() == ["FOREIGN_EXECUTION"]
    assert exposure(desk) == (0, 10, 10)


@pytest.mark.parametrize("changes", [{"symbol": "BOLT"}, {"side": Side.SELL}])
def test_a_report_that_contradicts_the_order_is_not_believed(
    desk: Driver, changes: dict[str, object]
) -> None:
    desk.submit()
    desk.fill(40, **changes)
    assert desk.alarms() == ["REPORT_MISMATCH"]
    assert exposure(desk) == (0, 100, 0)
    assert desk.order().unknown


@pytest.mark.parametrize(
    "changes",
    [{"last_quantity": None}, {"last_quantity": 0}, {"last_price": None}, {"exec_id": ""}],
)
def test_a_fill_without_its_facts_is_unknown_and_asked_about(
    desk: Driver, changes: dict[str, object]
) -> None:
    desk.submit()
    desk.fill(40, **changes)
    assert desk.alarms() == ["ILLEGAL_REPORT"]
    assert progress(desk) == (0, 100)
    assert desk.questions_sent


def test_a_malformed_report_leaves_its_order_unknown(desk: Driver) -> None:
    desk.submit()
    desk.feed(Malformed(cl_ord_id=desk.order().cl_ord_id, raw="8=FIX", reason="tag 32", symbol="AURA"))
    assert desk.order().unknown
    assert desk.questions_sent


def test_an_unknown_exec_type_is_illegal(desk: Driver) -> None:
    desk.submit()
    desk.report("B", OrdStatus.CALCULATED)
    assert desk.alarms() == ["ILLEGAL_REPORT"]


# Busts and corrections


def test_a_bust_takes_the_fill_back_and_runners_get_the_new_sums(desk: Driver) -> None:
    desk.submit()
    desk.fill(40, exec_id="X1")
    desk.report("H", OrdStatus.NEW, exec_ref_id="X1", cum_quantity=0)
    assert exposure(desk) == (0, 100, 0)
    assert desk.alarms() == ["TRADE_BUSTED"]
    assert desk.events(ParentChanged)[-1].state.filled_quantity == 0


def test_a_correction_changes_quantity_and_price(desk: Driver) -> None:
    desk.submit()
    desk.fill(40, exec_id="X1")
    desk.report("G", OrdStatus.PARTIALLY_FILLED, exec_ref_id="X1", last_quantity=30, last_price=PRICE - 100)
    assert exposure(desk) == (30, 70, 0)
    assert desk.order().money == 30 * (PRICE - 100)


@pytest.mark.parametrize("refers", ["A", "G1"], ids=["to the execution", "to the correction before"])
def test_a_bust_of_a_corrected_fill_takes_it_back(desk: Driver, refers: str) -> None:
    desk.submit()
    desk.fill(40, exec_id="A")
    correction = {"exec_id": "G1", "exec_ref_id": "A", "last_quantity": 30, "last_price": PRICE}
    desk.report("G", OrdStatus.NEW, **correction)
    desk.report("H", OrdStatus.NEW, exec_ref_id=refers)
    assert exposure(desk) == (0, 100, 0)


def test_a_correction_that_comes_after_the_bust_changes_nothing(desk: Driver) -> None:
    desk.submit()
    desk.fill(40, exec_id="A")
    desk.report("H", OrdStatus.NEW, exec_ref_id="A", cum_quantity=0)
    desk.report("G", OrdStatus.NEW, exec_ref_id="A", last_quantity=30, last_price=PRICE, cum_quantity=0)
    assert exposure(desk) == (0, 100, 0)
    assert not desk.order().unknown


def test_a_bust_that_overtakes_its_fill_has_the_same_end(desk: Driver) -> None:
    desk.submit()
    desk.report("H", OrdStatus.NEW, exec_ref_id="X1")
    desk.fill(40, exec_id="X1", cum_quantity=0)
    assert exposure(desk) == (0, 100, 0)


def test_a_fill_at_an_absurd_price_can_still_be_told(desk: Driver) -> None:
    desk.submit()
    desk.acknowledge()
    desk.fill(50, last_price=2**62)
    desk.fill(50, last_price=2**62)
    state = desk.core.state
    snapshot = state.snapshot(state.parents["P1"])
    assert encode(snapshot)
    assert snapshot.filled_money == desk.order().snapshot().filled_money == 2**63 - 1
    assert desk.order().money == 100 * 2**62
