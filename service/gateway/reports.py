"""What the broker says: reports folded into the ledger, and told to everybody in the past tense."""

from __future__ import annotations

from typing import Any, Final

from service.fix.messages import BusinessReject, ExecutionReport, Malformed, OrderCancelReject, SessionReject
from service.gateway import disconnects, dropcopy, reconcile
from service.gateway.cancels import chase, insist_cancel, lost_sight
from service.gateway.inputs import ExplainInput
from service.gateway.ledger import Applied, is_answer
from service.gateway.lifecycle import CLOSED, FILLED
from service.gateway.lifecycle import ReportKind as Kind
from service.gateway.order import Order
from service.gateway.parents import announce, settle
from service.gateway.state import State
from service.model.events import (
    ChildAccepted,
    ChildCanceled,
    ChildCancelRejected,
    ChildExpired,
    ChildFilled,
    ChildPartiallyFilled,
    ChildRejected,
    ChildReplaced,
)
from service.model.time import Now

_NEW_ORDER: Final = "D"
_CANCEL: Final = "F"
_REPLACE: Final = "G"
_UNKNOWN: Final = "UNKNOWN_ORDER"
_UNKNOWN_BY_THIS_ID: Final = 1
"""CxlRejReason (102)."""
_CHANGES: Final = frozenset((Kind.BUSTED, Kind.CORRECTED))


def execution_report(state: State, report: ExecutionReport, now: Now) -> None:
    """An execution report (35=8)."""
    if report.mass_status_id:
        _of_many(state, report, now)
    else:
        _of_one(state, report, now)


def _of_many(state: State, report: ExecutionReport, now: Now) -> None:
    """One answer to the question about everything that works; the order may be nobody's here."""
    if report.mass_status_id != state.mass_id:
        return  # of an older question: what was so then need not be so now
    if report.symbol:
        _of_one(state, report, now)
        order = reconcile.find(state, report)
        if order is not None:
            state.mass_open.pop(order.child_id, None)
    if report.last_report:
        reconcile.mass_answered(state, now)


def explained(state: State, given: ExplainInput, now: Now) -> None:
    """A person says what the broker told about an order."""
    for report in reconcile.explain(state, given, now):
        _of_one(state, report, now, told=False)


def booked(state: State, report: ExecutionReport, now: Now) -> None:
    """What only the drop copy told is booked as if the broker had told it on the trading session."""
    _of_one(state, report, now, told=False)


def _of_one(state: State, report: ExecutionReport, now: Now, *, told: bool = True) -> None:
    """One report about one order; ``told``: by the broker, on the trading session."""
    if report.poss_dup and is_answer(report):
        return  # what was so then need not be so now; whatever is still open is asked again
    order = reconcile.find(state, report)
    foreign = order is None
    if order is None:
        order = reconcile.adopt(state, report, now)
    if order is None:
        detail = f"cl_ord_id={report.cl_ord_id} order_id={report.order_id} exec_type={report.exec_type}"
        state.alarm(_UNKNOWN, f"{detail} exec_id={report.exec_id}", report.symbol, now)
        return
    if order.sideless and report.side is not None:
        state.ledger.take_side(order, report.side)
    mismatch = _mismatch(order, report)
    if mismatch:
        state.alarm("REPORT_MISMATCH", f"cl_ord_id={report.cl_ord_id} {mismatch}", order.symbol, now)
        lost_sight(state, order, mismatch, now)
        return
    other = _also_of(state, order, report)
    if other is not None:
        # Which of them it is about only the broker knows.
        detail = f"order_id={report.order_id} is_of={other.cl_ord_id}"
        state.alarm("REPORT_MISMATCH", f"cl_ord_id={report.cl_ord_id} {detail}", order.symbol, now)
        lost_sight(state, order, detail, now)
        lost_sight(state, other, f"a report of {order.cl_ord_id} has its order_id", now)
        return
    if not order.sent:
        # It answers, so it was sent: the record of that is behind this report, or was lost with a crash.
        order.sent = True
    was_unknown = order.unknown
    applied = state.ledger.apply(order, report)
    if told:
        dropcopy.heard(state, applied, report, now)
    if applied.duplicate:
        return
    if applied.illegal and applied.fill is None and report.poss_dup:
        return  # an old story told again
    _tell(state, applied, report, now, was_unknown)
    if applied.illegal:
        state.alarm("ILLEGAL_REPORT", f"cl_ord_id={report.cl_ord_id} {applied.illegal}", order.symbol, now)
        lost_sight(state, order, applied.illegal, now)
    elif order.unknown and not was_unknown:
        if order.told_quantity > order.cum_quantity or not order.sideless:
            detail = f"cl_ord_id={order.cl_ord_id} ours={order.cum_quantity} broker={order.told_quantity}"
            if order.early:
                detail += f" corrected_and_never_told={','.join(order.early)}"
            state.alarm("FILL_MISSING", detail, order.symbol, now)
        state.chasing[order.child_id] = order
    elif order.live and applied.kind in _CHANGES and report.ord_status in CLOSED:
        # It says of an order that works here that it is over: a fill that ended it was overtaken by this.
        lost_sight(state, order, f"{applied.kind.value}, and over at the broker", now)
    if order.live and order.parent_id and order.parent_id not in state.open:
        insist_cancel(state, order, "its parent is over", now)  # a bust made it work again
    if order.live and order.insist and order.request.value == "":
        chase(state, now)
    if foreign:
        reconcile.adopted(state, order, report, now)
    disconnects.heard(state, order, now)
    settle(state, order.parent_id, now)


def _mismatch(order: Order, report: ExecutionReport) -> str:
    if report.symbol and report.symbol != order.symbol:
        return f"symbol={report.symbol} ours={order.symbol}"
    if report.side is not None and report.side is not order.side:
        return f"side={report.side.name} ours={order.side.name}"
    return ""


def _also_of(state: State, order: Order, report: ExecutionReport) -> Order | None:
    """Another live order that we sent and that the broker's OrderID (37) in this report belongs to.

    An order may change its OrderID, as some do when they are replaced, and one that is over needs its own no
    more. An adopted order is perhaps one of ours told of in other words: it speaks for nobody's OrderID.
    """
    if report.order_id == order.order_id or state.rules < 1:
        return None
    other = state.ledger.going_by(report.order_id)
    return other if other is not None and other is not order and other.live and other.parent_id else None


def _base(order: Order, cl_ord_id: str, now: Now) -> dict[str, Any]:
    return {
        "child_id": order.child_id,
        "parent_id": order.parent_id,
        "cl_ord_id": cl_ord_id,
        "symbol": order.symbol,
        "ts_event": now.market,
        "ts_utc": now.utc,
    }


def _tell(state: State, applied: Applied, report: ExecutionReport, now: Now, was_unknown: bool) -> None:
    """Say what a report did."""
    order, kind = applied.order, applied.kind
    base = _base(order, report.cl_ord_id or order.cl_ord_id, now)
    if applied.fill is not None and kind is Kind.TRADED:
        filled = ChildFilled if order.status is FILLED else ChildPartiallyFilled
        event = filled(
            exec_id=report.exec_id,
            side=order.side,
            last_quantity=applied.fill.quantity,
            last_price=applied.fill.price,
            cum_quantity=order.cum_quantity,
            leaves_quantity=order.leaves,
            liquidity=report.liquidity,
            venue=report.venue,
            broker_ts=report.transact_time,
            last_capacity=report.last_capacity,
            **base,
        )
        state.order_event(event, order.parent_id)
        return
    if kind is Kind.BUSTED or kind is Kind.CORRECTED:
        _changed_fill(state, applied, report, now)
        return
    if applied.illegal:
        return
    if applied.closed:
        _ended(state, applied, report, base)
    elif kind is Kind.ACKNOWLEDGED or (kind is Kind.FOUND_LIVE and was_unknown and not order.unknown):
        state.order_event(ChildAccepted(order_id=order.order_id, **base), order.parent_id)
    elif kind is Kind.REPLACED or kind is Kind.RESTATED:
        _replaced(state, order, base)
    if applied.lost == "replaced":
        _replaced(state, order, base)
    elif applied.lost and order.live:
        rejected = ChildCancelRejected(
            request="replace" if applied.lost == "replace" else "cancel",
            status=order.status,
            reason="lost in a disconnect",
            **base,
        )
        state.order_event(rejected, order.parent_id)


def _replaced(state: State, order: Order, base: dict[str, Any]) -> None:
    event = ChildReplaced(
        quantity=order.quantity,
        price=order.price,
        cum_quantity=order.cum_quantity,
        leaves_quantity=order.leaves,
        **base,
    )
    state.order_event(event, order.parent_id)


def _ended(state: State, applied: Applied, report: ExecutionReport, base: dict[str, Any]) -> None:
    """The order is over, and not by a fill (or by a replace down to what is filled)."""
    order, kind = applied.order, applied.kind
    if kind is Kind.REJECTED:
        event: ChildRejected | ChildExpired | ChildCanceled = ChildRejected(
            reason=report.text or f"ord_rej_reason={report.ord_rej_reason}", **base
        )
    elif kind is Kind.EXPIRED or kind is Kind.DONE_FOR_DAY:
        event = ChildExpired(cum_quantity=order.cum_quantity, reason=report.text, **base)
    else:
        event = ChildCanceled(
            cum_quantity=order.cum_quantity,
            unsolicited=applied.was.value not in ("cancel", "cancel and replace"),
            reason=report.text or (order.insist if kind is Kind.CANCELED else kind.value if kind else ""),
            **base,
        )
    state.order_event(event, order.parent_id)


def _changed_fill(state: State, applied: Applied, report: ExecutionReport, now: Now) -> None:
    """A bust or a correction: a person must look, and runners get the parent's new sums."""
    order = applied.order
    if applied.illegal:
        return
    busted = applied.kind is Kind.BUSTED
    detail = (
        f"cl_ord_id={order.cl_ord_id} exec_ref_id={report.exec_ref_id} cum={order.cum_quantity}"
        f" quantity={report.last_quantity} price={report.last_price}"
    )
    state.alarm("TRADE_BUSTED" if busted else "TRADE_CORRECTED", detail, order.symbol, now)
    parent = state.open.get(order.parent_id)
    if parent is not None:
        announce(state, parent, "busted" if busted else "corrected", "broker", report.text, now)


def cancel_reject(state: State, report: OrderCancelReject, now: Now) -> None:
    """An order cancel reject (35=9): a cancel or a replace was refused."""
    order = state.ledger.find(report.cl_ord_id)
    if order is None:
        detail = f"cl_ord_id={report.cl_ord_id} order_id={report.order_id} cancel_reject=yes"
        state.alarm(_UNKNOWN, detail, "", now)
        return
    reason = report.text or f"cxl_rej_reason={report.cxl_rej_reason}"
    if not _refused(state, order, report.cl_ord_id, reason, now):
        return
    if report.cxl_rej_reason == _UNKNOWN_BY_THIS_ID:
        state.ledger.go_by_alias(order)
        order.stale |= order.replacing  # it may go by the pending replace's already
    if order.live and report.ord_status in CLOSED:
        # The broker has it closed and we do not: its own report is on the way, or lost. Ask.
        lost_sight(state, order, f"cancel refused: {reason}", now)
    settle(state, order.parent_id, now)


def _refused(state: State, order: Order, cl_ord_id: str, reason: str, now: Now) -> bool:
    kind = state.ledger.refuse(order, cl_ord_id)
    if kind is None:
        return False
    event = ChildCancelRejected(
        request="cancel" if kind is Kind.CANCEL_REFUSED else "replace",
        status=order.status,
        reason=reason,
        **_base(order, cl_ord_id, now),
    )
    state.order_event(event, order.parent_id)
    return True


def reject(state: State, report: BusinessReject | SessionReject, now: Now) -> None:
    """A business or session reject (35=j, 35=3) of one of our messages."""
    order = state.ledger.find(report.cl_ord_id)
    reason = report.text or f"reason={report.reason}"
    detail = f"cl_ord_id={report.cl_ord_id} msg_type={report.ref_msg_type} ref_seq={report.ref_seq_num}"
    state.alarm("MESSAGE_REJECTED", f"{detail} {reason}", order.symbol if order else "", now)
    if reconcile.refused(state, report, now) or order is None:
        return
    if report.cl_ord_id in (order.cancel_id, order.replace_id):
        _refused(state, order, report.cl_ord_id, reason, now)
    elif report.ref_msg_type == _NEW_ORDER:
        if order.live and state.ledger.reject(order):
            state.order_event(
                ChildRejected(reason=reason, **_base(order, order.cl_ord_id, now)), order.parent_id
            )
        elif order.live:
            lost_sight(state, order, reason, now)
    elif report.ref_msg_type not in (_CANCEL, _REPLACE) and order.unknown:
        return  # the question itself was refused: it stays unknown, and is asked again
    settle(state, order.parent_id, now)


def malformed(state: State, report: Malformed, now: Now) -> None:
    """A message that cannot be understood: what it meant is unknown until the broker is asked."""
    detail = f"cl_ord_id={report.cl_ord_id} msg_type={report.msg_type} {report.reason}"
    state.alarm("MALFORMED_REPORT", detail, report.symbol, now)
    order = state.ledger.find(report.cl_ord_id)
    if order is not None:
        if report.cl_ord_id in (order.cancel_id, order.replace_id):
            order.stale = True  # this may have been the answer to it: only a question settles it
        lost_sight(state, order, report.reason, now)
