"""The broker's book against ours: how it is asked, and what becomes of orders that nobody here sent."""

from typing import Any

import pytest

from service.fix.messages import BusinessReject, ExecutionReport
from service.gateway.inputs import ExplainInput, ReconcileInput
from service.model.events import ChildUnknown
from service.model.orders import OrdStatus, Side
from service.model.records import AuditEntry
from service.model.time import SECOND
from tests.unit.gateway.driver import PRICE, Driver, digest


def started(order_status: str = "mass") -> Driver:
    desk = Driver(order_status=order_status, on_runner_loss="leave")
    if order_status == "mass":
        nothing_works(desk)
    desk.admit()
    return desk


@pytest.fixture
def desk() -> Driver:
    return started()


def answer(desk: Driver, child_id: str, *, last: bool, status: OrdStatus = OrdStatus.NEW) -> None:
    """One of the answers to the newest mass question."""
    order = desk.order(child_id)
    desk.report(
        "I",
        status,
        child_id,
        exec_id="0",
        cum_quantity=order.cum_quantity,
        order_quantity=order.quantity,
        price=order.price,
        mass_status_id=desk.mass_questions_sent[-1].cl_ord_id,
        last_report=last,
    )


def nothing_works(desk: Driver) -> None:
    desk.feed(
        ExecutionReport(
            order_id="",
            exec_id="",
            exec_type="I",
            ord_status=OrdStatus.REJECTED,
            symbol="",
            mass_status_id=desk.mass_questions_sent[-1].cl_ord_id,
            last_report=True,
        )
    )


def foreign(desk: Driver, exec_type: str = "I", **changes: Any) -> None:
    """The broker tells of a sale of 300 AURA that nobody here sent."""
    fields: dict[str, Any] = {
        "cl_ord_id": "PHONE-1",
        "order_id": "B-77",
        "exec_id": "0" if exec_type == "I" else "X-77",
        "exec_type": exec_type,
        "ord_status": OrdStatus.NEW,
        "symbol": "AURA",
        "side": Side.SELL,
        "order_quantity": 300,
        "price": PRICE + 500,
        "cum_quantity": 0,
        "leaves_quantity": 300,
    }
    desk.feed(ExecutionReport(**{**fields, **changes}))


def exposure(desk: Driver) -> tuple[int, int, int]:
    found = desk.core.state.ledger.exposure("AURA")
    return found.position, found.working_buy, found.working_sell


def again(desk: Driver) -> None:
    """The line drops and comes back."""
    desk.log_off()
    desk.log_on()


# How it is asked


def test_at_logon_one_question_goes_out_about_everything_and_none_about_each(desk: Driver) -> None:
    for number in (1, 2, 3):
        desk.submit(f"P1.{number}")
        desk.acknowledge(f"P1.{number}")
    again(desk)
    assert len(desk.mass_questions_sent) == 2
    assert not desk.questions_sent
    for number in (1, 2, 3):
        answer(desk, f"P1.{number}", last=number == 3)
    assert not any(desk.order(f"P1.{number}").unknown for number in (1, 2, 3))
    assert not desk.questions_sent


def test_what_the_answers_leave_out_is_asked_about_singly_when_they_are_complete(desk: Driver) -> None:
    for number in (1, 2):
        desk.submit(f"P1.{number}")
        desk.acknowledge(f"P1.{number}")
    again(desk)
    answer(desk, "P1.1", last=True)
    assert [q.cl_ord_id for q in desk.questions_sent] == [desk.order("P1.2").cl_ord_id]
    assert desk.order("P1.2").unknown


def test_that_nothing_works_there_is_believed_of_no_order_until_it_is_asked_about(desk: Driver) -> None:
    desk.submit()
    desk.acknowledge()
    again(desk)
    nothing_works(desk)
    assert desk.order().live
    assert desk.order().unknown
    assert len(desk.questions_sent) == 1


def test_when_the_question_about_everything_is_not_answered_then_each_is_asked_after_five_seconds(
    desk: Driver,
) -> None:
    desk.submit()
    again(desk)
    desk.tick(4 * SECOND)
    assert not desk.questions_sent
    desk.tick(SECOND)
    assert len(desk.questions_sent) == 1


def test_when_the_question_about_everything_is_refused_then_each_is_asked_at_once(desk: Driver) -> None:
    desk.submit()
    again(desk)
    mass = desk.mass_questions_sent[-1].cl_ord_id
    desk.feed(BusinessReject(ref_msg_type="AF", cl_ord_id=mass, reason=3, text="not supported"))
    assert len(desk.questions_sent) == 1
    assert desk.alarms() == ["MESSAGE_REJECTED"]


def test_answers_to_an_older_question_do_not_count(desk: Driver) -> None:
    desk.submit()
    desk.acknowledge()
    old = desk.mass_questions_sent[-1].cl_ord_id
    again(desk)
    desk.report("I", OrdStatus.NEW, cum_quantity=0, mass_status_id=old, last_report=True, exec_id="0")
    assert desk.order().unknown
    assert desk.core.state.mass_id == desk.mass_questions_sent[-1].cl_ord_id


def test_where_only_single_questions_are_taken_each_order_is_asked_about_at_logon() -> None:
    desk = started("single")
    desk.submit()
    again(desk)
    assert not desk.mass_questions_sent
    assert len(desk.questions_sent) == 1


def test_where_no_question_is_taken_a_person_is_told_and_the_instrument_stays_frozen() -> None:
    desk = started("none")
    desk.submit()
    desk.acknowledge()
    again(desk)
    assert desk.alarms() == ["ASK_THE_BROKER"]
    assert len(desk.events(ChildUnknown)) == 1
    desk.refresh()
    desk.submit("P1.2")
    assert desk.denial() == ("C35", "UNRECONCILED")
    desk.tick(60 * SECOND)
    assert not desk.questions_sent
    assert not desk.mass_questions_sent
    assert desk.order().unknown


def test_where_no_question_is_taken_a_cancel_still_goes_out_and_its_answer_resolves_the_order() -> None:
    desk = started("none")
    desk.submit()
    desk.acknowledge()
    again(desk)
    desk.kill()
    desk.canceled()
    assert not desk.order().unknown
    assert not desk.order().live


# On demand


def test_on_demand_every_live_order_is_compared_and_nothing_becomes_unknown_by_it(desk: Driver) -> None:
    for number in (1, 2):
        desk.submit(f"P1.{number}")
        desk.acknowledge(f"P1.{number}")
    desk.feed(ReconcileInput(by="bob", reason="end of day"))
    assert len(desk.mass_questions_sent) == 2
    answer(desk, "P1.1", last=True)
    assert not desk.events(ChildUnknown)
    assert [q.cl_ord_id for q in desk.questions_sent] == [desk.order("P1.2").cl_ord_id]
    desk.report("I", OrdStatus.CANCELED, "P1.2", cum_quantity=0, exec_id="0")
    assert not desk.order("P1.2").live


def test_on_demand_single_questions_are_asked_of_a_broker_that_takes_no_other() -> None:
    desk = started("single")
    desk.submit()
    desk.acknowledge()
    desk.feed(ReconcileInput(by="bob", reason="?"))
    assert len(desk.questions_sent) == 1


@pytest.mark.parametrize(
    ("order_status", "said"), [("mass", "not logged on"), ("none", "answers no question")]
)
def test_a_comparison_that_cannot_be_made_now_says_so(order_status: str, said: str) -> None:
    desk = started(order_status)
    desk.log_off()
    desk.feed(ReconcileInput(by="bob", reason="?"))
    assert said in desk.events(AuditEntry)[-1].outcome


# Orders that nobody here sent


def test_an_order_that_works_at_the_broker_and_not_here_is_adopted_and_counts(desk: Driver) -> None:
    foreign(desk)
    assert exposure(desk) == (0, 0, 300)
    (order,) = desk.core.state.ledger.live.values()
    assert (order.child_id, order.order_id, order.side) == ("foreign:PHONE-1", "B-77", Side.SELL)
    assert desk.alarms() == ["FOREIGN_ORDER"]
    assert not order.unknown


def test_an_adopted_order_is_told_to_no_runner_and_is_on_record(desk: Driver) -> None:
    from service.gateway.state import Publish
    from service.model.time import Now

    report = ExecutionReport(
        cl_ord_id="PHONE-1",
        order_id="B-77",
        exec_id="X",
        exec_type="0",
        ord_status=OrdStatus.NEW,
        symbol="AURA",
        side=Side.SELL,
        order_quantity=300,
    )
    effects, _ = desk.core.apply(report, Now(desk.market, desk.utc))
    told = [effect for effect in effects if isinstance(effect, Publish)]
    assert {type(effect.message).__name__ for effect in told} == {"Alarm", "ChildAccepted"}
    assert not any(effect.runners for effect in told)


def test_it_is_adopted_once_however_often_the_broker_tells_of_it(desk: Driver) -> None:
    foreign(desk)
    foreign(desk)
    foreign(desk, cl_ord_id="")
    assert desk.alarms() == ["FOREIGN_ORDER"]
    assert exposure(desk) == (0, 0, 300)


def test_an_order_without_a_cl_ord_id_goes_by_the_brokers_order_id(desk: Driver) -> None:
    foreign(desk, cl_ord_id="")
    foreign(
        desk, "F", cl_ord_id="", last_quantity=100, last_price=PRICE, cum_quantity=100, leaves_quantity=200
    )
    assert exposure(desk) == (-100, 0, 200)
    desk.kill("symbol=AURA")
    (cancel,) = desk.cancels_sent
    assert (cancel.order_id, cancel.orig_cl_ord_id) == ("B-77", "NONE")


@pytest.mark.parametrize(
    ("scope", "cancelled"),
    [("all", True), ("symbol=AURA", True), ("venue=XSIM", True), ("symbol=BOLT", False)],
)
def test_a_kill_cancels_an_adopted_order_in_its_scope(desk: Driver, scope: str, cancelled: bool) -> None:
    foreign(desk)
    desk.kill(scope)
    assert bool(desk.cancels_sent) is cancelled
    if not cancelled:
        desk.tick(SECOND)
        assert not desk.core.state.kills.unconfirmed


def test_an_order_that_is_adopted_under_a_kill_is_cancelled_at_once(desk: Driver) -> None:
    desk.kill()
    foreign(desk)
    assert [cancel.orig_cl_ord_id for cancel in desk.cancels_sent] == ["PHONE-1"]


def test_an_execution_of_an_order_that_nobody_sent_counts_and_freezes_its_instrument(desk: Driver) -> None:
    foreign(
        desk,
        "F",
        ord_status=OrdStatus.FILLED,
        last_quantity=300,
        last_price=PRICE,
        cum_quantity=300,
        leaves_quantity=0,
    )
    assert exposure(desk) == (-300, 0, 0)
    assert "FOREIGN_EXECUTION" in desk.alarms()
    desk.submit()
    assert desk.denial() == ("C35", "UNRECONCILED")
    assert [q.order_id for q in desk.questions_sent] == ["B-77"]


def test_the_brokers_word_about_a_foreign_execution_frees_the_instrument(desk: Driver) -> None:
    filled = {"ord_status": OrdStatus.FILLED, "cum_quantity": 300, "leaves_quantity": 0}
    foreign(desk, "F", last_quantity=300, last_price=PRICE, **filled)
    foreign(desk, "I", **filled)
    assert desk.submit() == "approved"


def test_what_was_executed_before_we_knew_of_it_is_missing_until_a_person_explains_it(desk: Driver) -> None:
    foreign(desk, ord_status=OrdStatus.PARTIALLY_FILLED, cum_quantity=100, leaves_quantity=200)
    assert exposure(desk) == (0, 0, 300)
    desk.submit()
    assert desk.denial() == ("C35", "UNRECONCILED")
    explain(desk, 100)
    assert exposure(desk) == (0, 0, 300)
    assert desk.order("foreign:PHONE-1").unknown, "nothing is booked without a price"
    explain(desk, 100, price=PRICE + 500)
    assert exposure(desk) == (-100, 0, 200)
    assert desk.submit("P1.2") == "approved"
    said = [entry for entry in desk.events(AuditEntry) if entry.action == "explain"]
    assert [entry.who for entry in said] == ["carol", "carol"]


def explain(desk: Driver, cum: int, price: int = 0, status: OrdStatus = OrdStatus.PARTIALLY_FILLED) -> None:
    desk.feed(
        ExplainInput(
            child_id="foreign:PHONE-1",
            status=status,
            cum_quantity=cum,
            price=price,
            by="carol",
            reason="phone",
        )
    )


def test_where_the_broker_is_mute_a_person_says_that_an_order_is_over() -> None:
    desk = started("none")
    desk.submit()
    again(desk)
    desk.feed(
        ExplainInput(
            child_id="P1.1", status=OrdStatus.CANCELED, cum_quantity=0, by="carol", reason="they never had it"
        )
    )
    assert not desk.order().live
    assert exposure(desk) == (0, 0, 0)
    desk.refresh()
    assert desk.submit("P1.2") == "approved"


def test_an_explanation_of_no_order_is_on_record_and_does_nothing(desk: Driver) -> None:
    explain(desk, 100)
    assert desk.events(AuditEntry)[-1].outcome == "no such order"
    assert exposure(desk) == (0, 0, 0)


@pytest.mark.parametrize("status", [OrdStatus.CANCELED, OrdStatus.REJECTED, OrdStatus.EXPIRED])
def test_what_is_over_without_an_execution_is_an_alarm_and_not_adopted(
    desk: Driver, status: OrdStatus
) -> None:
    foreign(desk, "4", ord_status=status, leaves_quantity=0)
    assert desk.alarms() == ["UNKNOWN_ORDER"]
    assert not desk.core.state.foreign


@pytest.mark.parametrize("changes", [{"symbol": "NOPE"}, {"cl_ord_id": "", "order_id": ""}])
def test_what_does_not_say_enough_is_an_alarm_and_not_adopted(desk: Driver, changes: dict[str, Any]) -> None:
    foreign(desk, **changes)
    assert desk.alarms() == ["UNKNOWN_ORDER"]
    assert exposure(desk) == (0, 0, 0)


def test_an_old_answer_that_is_sent_again_adopts_nothing(desk: Driver) -> None:
    foreign(desk, poss_dup=True)
    assert exposure(desk) == (0, 0, 0)
    assert not desk.alarms()


def test_a_late_report_of_an_order_of_ours_that_is_forgotten_is_not_taken_for_a_foreign_one(
    desk: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its executions were counted when it was here: adopting it would count them twice."""
    monkeypatch.setattr("service.gateway.ledger.KEPT", 0)
    desk.submit()
    ours = desk.order().cl_ord_id
    desk.fill(100)
    desk.submit("P1.2")
    assert "P1.1" not in desk.core.state.ledger.orders
    before = exposure(desk)
    foreign(desk, "F", cl_ord_id=ours, side=Side.BUY, last_quantity=100, last_price=PRICE, cum_quantity=100)
    assert exposure(desk) == before
    assert desk.alarms() == ["UNKNOWN_ORDER"]


def test_an_id_of_ours_that_was_never_given_is_not_ours(desk: Driver) -> None:
    """The journal lost its tail with the machine's power: what it does not account for is adopted."""
    desk.submit()
    prefix, _, number = desk.order().cl_ord_id.rpartition("-")
    foreign(desk, cl_ord_id=f"{prefix}-{int(number) + 50}")
    assert desk.alarms() == ["FOREIGN_ORDER"]


def test_after_a_restart_adopted_orders_are_there_and_asked_about(desk: Driver) -> None:
    foreign(desk)
    desk.start()
    desk.log_on()
    assert desk.order("foreign:PHONE-1").unknown
    answer(desk, "foreign:PHONE-1", last=True)
    assert not desk.order("foreign:PHONE-1").unknown
    assert exposure(desk) == (0, 0, 300)


def test_the_journal_gives_it_all_again(desk: Driver) -> None:
    desk.submit()
    foreign(desk)
    again(desk)
    foreign(desk, "F", last_quantity=100, last_price=PRICE, cum_quantity=100, leaves_quantity=200)
    nothing_works(desk)
    desk.feed(ReconcileInput(by="bob", reason="?"))
    explain(desk, 100)
    assert digest(desk.replayed()) == digest(desk.core)
