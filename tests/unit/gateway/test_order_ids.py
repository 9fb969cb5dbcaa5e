"""What the broker's OrderID (37) proves: a report that has another live order's is of neither."""

from __future__ import annotations

import msgspec
import pytest

from service.fix.messages import ExecutionReport
from service.gateway.inputs import RULES
from service.gateway.ledger import KEPT
from service.model.events import Alarm
from service.model.orders import OrdStatus, Side
from tests.unit.gateway.driver import PRICE, Driver, digest, parent


@pytest.fixture
def desk() -> Driver:
    """Two orders at work, P1.1 as B-P1.1 and P1.2 as B-P1.2."""
    made = Driver()
    made.admit()
    for child_id in ("P1.1", "P1.2"):
        made.submit(child_id)
        made.acknowledge(child_id)
    return made


def answer(desk: Driver, child_id: str, **changes: object) -> None:
    """The broker says how an order stands."""
    desk.report("I", OrdStatus.NEW, child_id, **{"cum_quantity": 0, "order_quantity": 100, **changes})


def test_fill_when_it_has_another_live_orders_id_then_neither_is_believed_to_be_filled(desk: Driver) -> None:
    desk.fill(40, order_id="B-P1.2")
    assert desk.alarms() == ["REPORT_MISMATCH"]
    first, second = desk.order("P1.1"), desk.order("P1.2")
    assert (first.cum_quantity, second.cum_quantity) == (0, 0)
    assert first.unknown, "the report names it"
    assert second.unknown, "and the broker means it, perhaps"
    assert [asked.cl_ord_id for asked in desk.questions_sent[-2:]] == [first.cl_ord_id, second.cl_ord_id]
    assert desk.submit("P1.3") == "UNRECONCILED"


def test_alarm_when_ids_do_not_belong_together_then_it_names_both_orders(desk: Driver) -> None:
    desk.report("0", OrdStatus.NEW, order_id="B-P1.2")
    first, second = desk.order("P1.1"), desk.order("P1.2")
    told = desk.events(Alarm)[-1]
    assert told.detail == f"cl_ord_id={first.cl_ord_id} order_id=B-P1.2 is_of={second.cl_ord_id}"
    assert told.symbol == "AURA"


def test_orders_when_the_broker_has_answered_about_both_then_they_trade_on(desk: Driver) -> None:
    desk.fill(40, order_id="B-P1.2")
    answer(desk, "P1.1")
    assert desk.submit("P1.3") == "UNRECONCILED", "the other may have been filled"
    answer(desk, "P1.2")
    assert desk.submit("P1.4") == "approved"


def test_fill_when_it_was_the_others_then_its_own_report_books_it(desk: Driver) -> None:
    desk.fill(40, order_id="B-P1.2", exec_id="X1")
    answer(desk, "P1.1")
    answer(desk, "P1.2", cum_quantity=40)
    assert desk.order("P1.2").unknown, "of 40 lots there is no execution here"
    desk.fill(40, "P1.2", exec_id="X1")
    answer(desk, "P1.2", cum_quantity=40)
    assert desk.order("P1.2").cum_quantity == 40
    assert not desk.order("P1.2").unknown


def test_report_when_the_order_has_got_a_new_id_then_it_is_believed(desk: Driver) -> None:
    desk.replace("P1.1", quantity=150)
    desk.replaced("P1.1", order_id="B-NEW")
    assert desk.alarms() == []
    assert desk.order("P1.1").order_id == "B-NEW"
    desk.fill(10, "P1.2", order_id="B-P1.1")
    assert desk.alarms() == [], "nothing goes by the old one any more"
    desk.fill(10, "P1.2", order_id="B-NEW")
    assert desk.alarms() == ["REPORT_MISMATCH"]


def test_report_when_the_id_is_of_an_order_that_is_over_then_it_is_believed(desk: Driver) -> None:
    desk.fill(100, "P1.2")
    desk.fill(40, "P1.1", order_id="B-P1.2")
    assert desk.alarms() == []
    assert desk.order("P1.1").cum_quantity == 40


def test_first_report_when_its_id_is_taken_then_the_order_stays_unacknowledged(desk: Driver) -> None:
    desk.submit("P1.3")
    desk.report("0", OrdStatus.NEW, "P1.3", order_id="B-P1.1", cum_quantity=0)
    assert desk.alarms() == ["REPORT_MISMATCH"]
    assert desk.order("P1.3").status is OrdStatus.PENDING_NEW
    assert desk.order("P1.3").order_id == ""


@pytest.mark.parametrize("order_id", ["", "NONE"])
def test_reports_when_they_name_no_id_then_they_are_told_apart_by_cl_ord_id(order_id: str) -> None:
    desk = Driver()
    desk.admit()
    for child_id in ("P1.1", "P1.2"):
        desk.submit(child_id)
        desk.report("0", OrdStatus.NEW, child_id, order_id=order_id, cum_quantity=0)
        desk.fill(40, child_id, order_id=order_id)
    assert desk.alarms() == []
    assert (desk.order("P1.1").cum_quantity, desk.order("P1.2").cum_quantity) == (40, 40)


def test_report_of_ours_when_its_id_is_an_adopted_orders_then_it_is_believed(desk: Driver) -> None:
    foreign = ExecutionReport(
        cl_ord_id="PHONE-1",
        order_id="B-77",
        exec_id="E77",
        exec_type="0",
        ord_status=OrdStatus.NEW,
        symbol="AURA",
        side=Side.BUY,
        order_quantity=10,
        price=PRICE,
        cum_quantity=0,
        leaves_quantity=10,
    )
    desk.feed(foreign)
    assert desk.alarms() == ["FOREIGN_ORDER"]
    desk.fill(40, "P1.1", order_id="B-77")
    assert desk.order("P1.1").cum_quantity == 40
    desk.feed(msgspec.structs.replace(foreign, exec_id="E78", order_id="B-P1.2"))
    assert desk.alarms() == ["FOREIGN_ORDER", "REPORT_MISMATCH"], "a report of it never has one of ours"
    assert desk.order("P1.2").unknown


def test_bust_when_the_id_has_gone_to_another_order_since_then_it_is_still_of_the_first(desk: Driver) -> None:
    desk.fill(100, "P1.2", exec_id="X1")
    desk.fill(40, "P1.1", order_id="B-P1.2")
    desk.report("H", OrdStatus.NEW, "P1.2", exec_ref_id="X1", cum_quantity=0, order_id="B-P1.2")
    assert desk.alarms() == ["TRADE_BUSTED"]
    assert desk.order("P1.2").cum_quantity == 0


def test_journal_when_it_is_from_before_the_rule_then_it_is_folded_as_it_was() -> None:
    desk = Driver(rules=0)
    desk.admit(parent())
    for child_id in ("P1.1", "P1.2"):
        desk.submit(child_id)
        desk.report("0", OrdStatus.NEW, child_id, order_id="B-1", cum_quantity=0)
    desk.fill(40, "P1.1", order_id="B-1")
    assert desk.alarms() == []
    assert desk.order("P1.1").cum_quantity == 40
    assert digest(desk.replayed()) == digest(desk.core)
    # The next life of the same journal goes by the rule, and believes what each order went by until then.
    desk._started = msgspec.structs.replace(desk._started, rules=RULES)
    desk.start()
    desk.log_on()
    for child_id, cum in (("P1.1", 40), ("P1.2", 0)):
        answer(desk, child_id, cum_quantity=cum, order_id="B-1")
        assert not desk.order(child_id).unknown
    assert digest(desk.replayed()) == digest(desk.core)
    assert desk.alarms() == []


def test_ids_of_forgotten_orders_are_forgotten(monkeypatch: pytest.MonkeyPatch, desk: Driver) -> None:
    assert KEPT == 20_000
    monkeypatch.setattr("service.gateway.ledger.KEPT", 0)
    desk.fill(100, "P1.1")
    assert desk.core.state.ledger.going_by("B-P1.1") is not None
    desk.submit("P1.3")
    assert desk.core.state.ledger.going_by("B-P1.1") is None
    assert desk.core.state.ledger.going_by("B-P1.2") is desk.order("P1.2")
