"""Requests about a live child: cancels, replaces, and what rejects, disconnects and restarts make of them."""

import pytest

from service.fix.messages import BusinessReject, SessionReject
from service.gateway.inputs import RULES
from service.gateway.lifecycle import Request
from service.model.events import (
    ChildAccepted,
    ChildCancelRejected,
    ChildCancelRequested,
    ChildRejected,
    ChildReplaced,
    ChildReplaceRequested,
    ChildUnknown,
)
from service.model.orders import OrdStatus
from service.model.time import SECOND
from tests.unit.gateway.driver import PRICE, Driver, digest, ms


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


# Cancels


def test_a_cancel_of_what_is_over_or_was_never_there_does_nothing(desk: Driver) -> None:
    desk.submit()
    desk.fill(100)
    desk.cancel()
    desk.cancel("P1.77")
    assert not desk.cancels_sent


def test_a_second_cancel_while_one_is_pending_is_not_sent(desk: Driver) -> None:
    desk.submit()
    desk.cancel()
    desk.cancel()
    assert len(desk.cancels_sent) == 1
    (requested,) = desk.events(ChildCancelRequested)
    assert requested.orig_cl_ord_id == desk.order().cl_ord_id


def test_a_cancel_that_gets_no_answer_is_asked_for_again_whoever_wanted_it(desk: Driver) -> None:
    desk.submit()
    desk.acknowledge()
    desk.cancel()
    desk.tick(after=ms(4_900))
    assert len(desk.cancels_sent) == 1
    desk.tick(after=ms(200))
    assert len(desk.cancels_sent) == 2
    desk.refuse_cancel()
    desk.tick(after=10 * SECOND)
    assert len(desk.cancels_sent) == 2, "what the broker refused is the runner's to repeat"


def test_a_cancel_that_loses_the_race_to_a_fill_is_told(desk: Driver) -> None:
    desk.submit()
    desk.acknowledge()
    desk.cancel()
    request = desk.order().cancel_id
    desk.fill(100)
    desk.refuse_cancel(status=OrdStatus.FILLED, cl_ord_id=request)
    assert desk.order().status is OrdStatus.FILLED
    assert not desk.alarms()
    assert not desk.questions_sent


def test_a_cancel_refused_because_the_broker_has_it_closed_makes_us_ask(desk: Driver) -> None:
    desk.submit()
    desk.acknowledge()
    desk.cancel()
    desk.refuse_cancel(status=OrdStatus.FILLED)
    assert desk.order().unknown
    assert len(desk.questions_sent) == 1


def test_a_refused_cancel_leaves_the_order_and_may_be_asked_again(desk: Driver) -> None:
    desk.submit()
    desk.acknowledge()
    desk.cancel()
    desk.refuse_cancel()
    (refused,) = desk.events(ChildCancelRejected)
    assert (refused.request, refused.reason) == ("cancel", "no")
    desk.cancel()
    assert len(desk.cancels_sent) == 2
    assert len({request.cl_ord_id for request in desk.cancels_sent}) == 2


def test_a_cancel_that_was_not_sent_leaves_the_order_as_it_was(desk: Driver) -> None:
    from service.gateway.inputs import Unsent

    desk.submit()
    desk.acknowledge()
    desk.cancel()
    desk.feed(Unsent(cl_ord_id=desk.order().cancel_id, reason="not logged on"))
    assert desk.order().request is Request.NONE
    assert desk.events(ChildCancelRejected)[0].reason == "not sent: not logged on"


# Replaces


def test_a_replace_counts_the_larger_version_until_it_is_answered(desk: Driver) -> None:
    desk.submit()
    desk.acknowledge()
    assert desk.replace(quantity=250) == "approved"
    assert exposure(desk) == (0, 250, 0)
    desk.replaced()
    (asked,) = desk.events(ChildReplaceRequested)
    (done,) = desk.events(ChildReplaced)
    assert asked.quantity == done.quantity == 250
    assert desk.order().cl_ord_id == asked.cl_ord_id


def test_a_smaller_replace_releases_only_when_the_broker_says_so(desk: Driver) -> None:
    desk.submit()
    desk.acknowledge()
    desk.replace(quantity=60)
    assert exposure(desk) == (0, 100, 0)
    desk.replaced()
    assert exposure(desk) == (0, 60, 0)


def test_a_refused_replace_leaves_the_old_order(desk: Driver) -> None:
    desk.submit()
    desk.acknowledge()
    desk.replace(quantity=250)
    desk.refuse_cancel()
    assert exposure(desk) == (0, 100, 0)
    assert desk.events(ChildCancelRejected)[0].request == "replace"


def test_a_fill_during_a_pending_replace_counts_whichever_version_it_hit(desk: Driver) -> None:
    desk.submit()
    desk.acknowledge()
    desk.replace(quantity=250)
    desk.fill(100)
    assert desk.order().status is OrdStatus.PARTIALLY_FILLED
    assert exposure(desk) == (100, 150, 0)
    desk.refuse_cancel(status=OrdStatus.FILLED)
    assert desk.order().status is OrdStatus.FILLED
    assert exposure(desk) == (100, 0, 0)


def test_a_replace_down_to_what_is_filled_ends_the_order(desk: Driver) -> None:
    desk.submit()
    desk.acknowledge()
    desk.fill(50)
    desk.replace(quantity=60)
    desk.fill(30)
    desk.replaced()
    assert desk.order().status is OrdStatus.FILLED


def test_a_replace_while_a_request_is_pending_is_denied(desk: Driver) -> None:
    desk.submit()
    desk.acknowledge()
    desk.replace(quantity=200)
    assert desk.replace(quantity=300) == "REQUEST_PENDING"
    desk.replaced()
    desk.cancel()
    assert desk.replace(quantity=300) == "REQUEST_PENDING"


def test_a_cancel_during_a_pending_replace_survives_both_answers(desk: Driver) -> None:
    desk.submit()
    desk.acknowledge()
    desk.replace(quantity=200)
    desk.cancel()
    assert desk.order().request is Request.BOTH
    desk.replaced()
    assert desk.order().request is Request.CANCEL
    desk.canceled()
    assert not desk.order().live
    assert exposure(desk) == (0, 0, 0)


def test_a_replace_told_again_under_another_exec_id_changes_nothing(desk: Driver) -> None:
    desk.submit()
    desk.acknowledge()
    desk.replace(quantity=200)
    desk.replaced()
    desk.report("5", OrdStatus.REPLACED, cl_ord_id=desk.order().cl_ord_id, cum_quantity=0)
    assert not desk.alarms()
    assert desk.order().quantity == 200


# Rejects of messages


@pytest.mark.parametrize("kind", ["business", "session"])
def test_a_rejected_new_order_is_over(desk: Driver, kind: str) -> None:
    desk.submit()
    cl_ord_id = desk.order().cl_ord_id
    if kind == "business":
        desk.feed(BusinessReject(cl_ord_id=cl_ord_id, ref_msg_type="D", text="closed"))
    else:
        desk.feed(SessionReject(cl_ord_id=cl_ord_id, ref_msg_type="D", ref_seq_num=5, text="closed"))
    assert desk.events(ChildRejected)[0].reason == "closed"
    assert exposure(desk) == (0, 0, 0)


def test_a_rejected_cancel_request_leaves_the_order(desk: Driver) -> None:
    desk.submit()
    desk.acknowledge()
    desk.cancel()
    desk.feed(BusinessReject(cl_ord_id=desk.order().cancel_id, ref_msg_type="F"))
    assert desk.order().live
    assert desk.order().request is Request.NONE


def test_a_new_order_rejected_after_it_traded_is_unknown(desk: Driver) -> None:
    desk.submit()
    desk.fill(10)
    desk.feed(BusinessReject(cl_ord_id=desk.order().cl_ord_id, ref_msg_type="D"))
    assert desk.order().unknown


# Disconnects and restarts


def test_a_disconnect_makes_live_orders_unknown_until_the_broker_answers(desk: Driver) -> None:
    desk.submit()
    desk.acknowledge()
    desk.log_off()
    assert desk.events(ChildUnknown)
    assert desk.submit("P1.2") == "NOT_LOGGED_ON"
    assert not desk.questions_sent
    desk.log_on()
    assert len(desk.questions_sent) == 1
    assert desk.submit("P1.3") == "UNRECONCILED"
    desk.report("I", OrdStatus.NEW, cum_quantity=0)
    assert desk.submit("P1.4") == "approved"
    assert len(desk.events(ChildAccepted)) == 2


def test_an_order_the_broker_never_got_is_over_when_it_says_so(desk: Driver) -> None:
    desk.submit()
    desk.start()
    desk.log_on()
    desk.report("I", OrdStatus.REJECTED, order_id="NONE", ord_rej_reason=5, text="unknown order")
    assert desk.order().status is OrdStatus.REJECTED
    assert exposure(desk) == (0, 0, 0)


def test_an_order_the_broker_has_forgotten_is_over_but_its_fills_stay(desk: Driver) -> None:
    desk.submit()
    desk.fill(40)
    desk.start()
    desk.log_on()
    desk.report("8", OrdStatus.REJECTED, order_id="NONE", ord_rej_reason=5, cum_quantity=None)
    assert desk.order().status is OrdStatus.CANCELED
    assert exposure(desk) == (40, 0, 0)


def test_fills_that_happened_while_we_were_away_are_waited_for_not_invented(desk: Driver) -> None:
    desk.submit()
    desk.acknowledge()
    desk.log_off()
    desk.log_on()
    desk.report("I", OrdStatus.FILLED, cum_quantity=100, leaves_quantity=0)
    assert desk.order().unknown
    assert exposure(desk) == (0, 100, 0)
    desk.fill(100, poss_dup=True)
    assert desk.order().status is OrdStatus.FILLED
    desk.tick(after=6 * SECOND)
    desk.report("I", OrdStatus.FILLED, cum_quantity=100)
    assert not desk.order().unknown


def test_a_question_without_an_answer_is_asked_again(desk: Driver) -> None:
    desk.submit()
    desk.log_off()
    desk.log_on()
    desk.tick(after=ms(4_900))
    assert len(desk.questions_sent) == 1
    desk.tick(after=ms(200))
    assert len(desk.questions_sent) == 2


@pytest.mark.parametrize(("late", "quantity"), [(True, 250), (False, 20)])
def test_a_restatement_of_a_version_that_was_replaced_since_releases_nothing(
    desk: Driver, late: bool, quantity: int
) -> None:
    desk.submit()
    desk.acknowledge()
    first = desk.order().cl_ord_id
    desk.replace(quantity=250)
    desk.replaced()
    now = first if late else desk.order().cl_ord_id
    desk.report("D", OrdStatus.NEW, cl_ord_id=now, orig_cl_ord_id=first, order_quantity=20, cum_quantity=0)
    assert exposure(desk) == (0, quantity, 0)


@pytest.mark.parametrize(("quantity", "price"), [(100, PRICE), (250, PRICE)])
def test_a_replace_lost_in_a_disconnect_is_settled_by_the_brokers_answer(
    desk: Driver, quantity: int, price: int
) -> None:
    desk.submit()
    desk.acknowledge()
    desk.replace(quantity=250)
    desk.log_off()
    desk.log_on()
    assert exposure(desk) == (0, 250, 0)
    desk.report("I", OrdStatus.NEW, cum_quantity=0, order_quantity=quantity, price=price)
    assert exposure(desk) == (0, quantity, 0)
    assert desk.order().request is Request.NONE
    assert bool(desk.events(ChildReplaced)) == (quantity == 250)


@pytest.mark.parametrize("rules", [2, RULES])
def test_a_replace_that_was_taken_for_lost_may_have_happened_and_the_order_go_by_its_id(rules: int) -> None:
    """The broker replaced the order, then restated it: its answer shows neither the old terms nor the new."""
    desk = Driver(rules=rules)
    desk.admit()
    desk.submit()
    desk.acknowledge()
    first = desk.order().cl_ord_id
    desk.replace(quantity=250)
    second = desk.order().replace_id
    desk.log_off()
    desk.log_on()
    desk.report("I", OrdStatus.NEW, cum_quantity=0, order_quantity=60, price=PRICE)
    assert desk.events(ChildCancelRejected)[0].reason == "lost in a disconnect"
    for known in (second, first):  # a broker that knows neither is asked by both in turn
        desk.cancel()
        desk.refuse_cancel(cxl_rej_reason=1)
        assert desk.order().cl_ord_id == (known if rules >= 3 else first)
    assert digest(desk.replayed()) == digest(desk.core)


def test_a_cancel_lost_in_a_disconnect_may_be_asked_again(desk: Driver) -> None:
    desk.submit()
    desk.acknowledge()
    desk.cancel()
    desk.log_off()
    desk.log_on()
    desk.report("I", OrdStatus.NEW, cum_quantity=0)
    assert desk.events(ChildCancelRejected)[0].reason == "lost in a disconnect"
    desk.cancel()
    assert len(desk.cancels_sent) == 2


def test_order_ids_of_two_lives_never_meet(desk: Driver) -> None:
    desk.submit()
    first = desk.order().cl_ord_id
    desk.start()
    assert desk.core.state.ids.next("x").split("-")[0] != first.split("-")[0]


# Recovery


def test_recovery_is_the_same_fold(desk: Driver) -> None:
    desk.submit()
    desk.acknowledge()
    desk.fill(40)
    desk.submit("P1.2", quantity=1001)
    desk.submit("P1.3")
    desk.cancel("P1.1")
    desk.replace("P1.3", quantity=200)
    desk.kill("symbol=BOLT")
    desk.admit(parent_id="P2", symbol="GOOG")
    assert digest(desk.replayed()) == digest(desk.core)


def test_recovery_goes_by_the_verdict_on_record_not_by_a_newer_gates(desk: Driver) -> None:
    """The gate of today would deny what that of then let through; the order was sent all the same."""
    desk.frames = [
        type(f)(seq=f.seq, market=f.market, utc=f.utc, body=f.body, outcome=f.outcome) for f in desk.frames
    ]
    desk.submit(quantity=1001)
    denied = desk.frames[-1]
    desk.frames[-1] = type(denied)(
        seq=denied.seq, market=denied.market, utc=denied.utc, body=denied.body, outcome="approved"
    )
    assert desk.replayed().state.ledger.exposure("AURA").working_buy == 1001
