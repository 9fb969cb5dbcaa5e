"""What the gateway asks of the broker by itself: cancels until nothing works, questions until it knows."""

from __future__ import annotations

from typing import Final

from service.fix.messages import OrderCancelRequest, OrderStatusRequest
from service.gateway.lifecycle import PENDING_NEW
from service.gateway.order import Order
from service.gateway.state import Send, State
from service.model.events import ChildUnknown
from service.model.time import MILLISECOND, SECOND, Now

_FIRST_RETRY: Final = 100 * MILLISECOND
_LAST_RETRY: Final = 5 * SECOND
NONE: Final = "none"
"""The broker answers no question about orders."""


def insist_cancel(state: State, order: Order, reason: str, now: Now) -> None:
    """The gateway itself wants this order cancelled, and asks until it is."""
    if not order.live:
        return
    order.insist = order.insist or reason
    state.chasing[order.child_id] = order
    if order.sent and state.reachable and not order.canceling:
        order.reason = reason
        _try_cancel(state, order, now)


def _try_cancel(state: State, order: Order, now: Now) -> None:
    """One order that cannot be cancelled must not spare the others: it is an alarm, and tried again."""
    try:
        send_cancel(state, order, now)
    except Exception as error:  # noqa: BLE001 - whatever it is, the next order is still cancelled
        order.tried, order.tries = now.utc, order.tries + 1
        detail = f"cl_ord_id={order.cl_ord_id} error={type(error).__name__}"
        state.alarm("CANCEL_FAILED", detail, order.symbol, now)


def send_cancel(state: State, order: Order, now: Now) -> None:
    """Ask for a cancel, whatever the limits say: it counts against the rate and is never stopped by it."""
    cl_ord_id = state.ids.next(f"cancel {order.child_id}")
    _guess(order)
    state.ledger.ask_cancel(order, cl_ord_id)
    state.chasing[order.child_id] = order
    order.tried, order.tries = now.utc, order.tries + 1
    state.traffic.note(order.levels, order.symbol, now.utc)
    request = OrderCancelRequest(
        cl_ord_id=cl_ord_id,
        orig_cl_ord_id=order.cl_ord_id,
        order_id=order.order_id,
        instrument=state.reference.by_symbol[order.symbol],
        side=order.side,
        quantity=order.quantity,
        transact_time=now.utc,
        account=order.account,
    )
    state.effects.append(Send(cl_ord_id, request, False))


def lost_sight(state: State, order: Order, reason: str, now: Now) -> None:
    """What became of this order only the broker knows: say so, and ask."""
    if not order.unknown:
        state.ledger.mark_unknown(order)
        event = ChildUnknown(
            child_id=order.child_id,
            parent_id=order.parent_id,
            cl_ord_id=order.cl_ord_id,
            symbol=order.symbol,
            ts_event=now.market,
            ts_utc=now.utc,
            reason=reason,
        )
        state.order_event(event, order.parent_id)
        if state.order_status == NONE:
            detail = (
                f"cl_ord_id={order.cl_ord_id} order_id={order.order_id} child_id={order.child_id} {reason}"
            )
            state.alarm("ASK_THE_BROKER", detail, order.symbol, now)
    state.chasing[order.child_id] = order
    ask(state, order, now)


def ask(state: State, order: Order, now: Now) -> None:
    """Ask the broker what became of an order, if it can be asked."""
    if not state.logged_on or state.order_status == NONE:
        return
    order.asked = now.utc
    _guess(order)
    request = OrderStatusRequest(
        cl_ord_id=order.cl_ord_id,
        order_id=order.order_id,
        instrument=state.reference.by_symbol[order.symbol],
        side=order.side,
        account=order.account,
    )
    state.effects.append(Send(order.cl_ord_id, request, False, question=True))


def _guess(order: Order) -> None:
    """A request must name a side (54): where it was never told, one and the other in turn."""
    if order.sideless:
        order.side = order.side.opposite


def await_answer(state: State, order: Order, cl_ord_id: str, now: Now) -> None:
    """An order or a replace was handed to FIX: the broker is asked about it if it does not answer."""
    awaited = state.awaited
    while awaited and not _awaiting(*awaited[0]):
        awaited.popleft()
    if state.order_status != NONE:
        awaited.append((now.utc, cl_ord_id, order))


def _awaiting(_: int, cl_ord_id: str, order: Order) -> bool:
    if order.status is PENDING_NEW and cl_ord_id == order.cl_ord_id:
        return not order.unknown
    return order.replacing and cl_ord_id == order.replace_id


def answer_overdue(state: State, now: Now) -> bool:
    """Whether an order or a replace has had no answer for too long."""
    for sent in state.awaited:
        if now.utc - sent[0] < _LAST_RETRY:
            return False
        if _awaiting(*sent):
            return True
    return False


def ask_overdue(state: State, now: Now) -> None:
    """Ask about what was sent and has no answer; a new order that this does not clear up is unknown."""
    awaited = state.awaited
    while awaited and now.utc - awaited[0][0] >= _LAST_RETRY:
        sent, cl_ord_id, order = entry = awaited.popleft()
        if not _awaiting(*entry):
            continue
        if order.status is PENDING_NEW and order.asked >= sent:
            lost_sight(state, order, "no answer to the order, nor to the question about it", now)
        else:
            ask(state, order, now)
            awaited.append((now.utc, cl_ord_id, order))


def chase(state: State, now: Now) -> None:
    """Ask again about what is unknown, cancel again what should be cancelled or got no answer."""
    for order in list(state.chasing.values()):
        if _question_due(state, order, now):
            ask(state, order, now)
        if _cancel_due(state, order, now):
            if order.canceling:
                # No answer at all: that request is given up, the order is not.
                state.ledger.refuse(order, order.cancel_id)
            _try_cancel(state, order, now)
        if _done(order):
            del state.chasing[order.child_id]


def chase_due(state: State, now: Now) -> bool:
    """Whether ``chase`` would do something."""
    return any(
        _done(order) or _question_due(state, order, now) or _cancel_due(state, order, now)
        for order in state.chasing.values()
    )


def _done(order: Order) -> bool:
    return not order.unknown and not (order.live and (order.insist or order.canceling))


def _question_due(state: State, order: Order, now: Now) -> bool:
    if state.order_status == NONE:
        return False  # only a report that comes by itself, or a person, can tell
    return order.unknown and state.logged_on and now.utc - order.asked >= _LAST_RETRY


def _cancel_due(state: State, order: Order, now: Now) -> bool:
    if not (order.live and (order.insist or order.canceling) and order.sent and state.reachable):
        return False
    patience = _LAST_RETRY if order.canceling else min(_LAST_RETRY, _FIRST_RETRY << min(order.tries, 10))
    return now.utc - order.tried >= patience
