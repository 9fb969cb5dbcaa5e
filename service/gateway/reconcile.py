"""The broker's book against ours: what it is asked, and what becomes of orders that nobody here sent.

At every logon, and when a person wants it, the broker is asked which orders of the session work
(OrderMassStatusRequest) where it can be, and about each order of ours that is not known to be closed. How it
can be asked is data of its dialect. An order at the broker that we do not know is *adopted*: it counts in the
exposure of its instrument, is shown, and a kill cancels it like any other.
"""

from __future__ import annotations

from typing import Any, Final

from service.fix.messages import BusinessReject, ExecutionReport, OrderMassStatusRequest, SessionReject
from service.gateway.cancels import NONE, ask, chase, insist_cancel, lost_sight
from service.gateway.inputs import ExplainInput, ReconcileInput
from service.gateway.lifecycle import CLOSED, EXEC_TYPES
from service.gateway.lifecycle import ReportKind as Kind
from service.gateway.order import Order
from service.gateway.state import Send, State
from service.model.orders import OrdStatus, OrdType, Side, TimeInForce
from service.model.time import Now

MASS: Final = "mass"
FOREIGN: Final = "foreign:"
"""Begins the child id of an order that nobody here sent."""
_MASS_STATUS: Final = "AF"


def logged_on(state: State, now: Now) -> None:
    """The session is up: everything is due at once; what became of a runner's own cancel is asked first."""
    for order in state.chasing.values():
        order.asked = 0
        if order.insist:
            order.tried = order.tries = 0
    _ask_all(state, now)


def on_demand(state: State, given: ReconcileInput, now: Now) -> None:
    """A person wants to know: every live order is asked about, known or not."""
    if state.order_status == NONE:
        outcome = "the broker answers no question about orders"
    elif not state.logged_on:
        outcome = "not logged on: asked at logon"
    else:
        outcome = f"orders={len(state.ledger.live)}"
    state.audit(given.by, "reconcile", "orders", given.reason, outcome, now)
    for order in state.chasing.values():
        order.asked = 0
    _ask_all(state, now)


def _ask_all(state: State, now: Now) -> None:
    """One question about everything where the broker takes it; what that leaves open is asked singly."""
    state.mass_open = {order.child_id: None for order in state.ledger.live.values() if order.sent}
    if state.order_status != MASS or not state.logged_on:
        mass_answered(state, now)
        return
    state.mass_id = f"M{state.ids.next('ask')}"
    request = OrderMassStatusRequest(cl_ord_id=state.mass_id)
    state.effects.append(Send(state.mass_id, request, False, question=True))
    for order in state.chasing.values():
        order.asked = now.utc
    chase(state, now)


def mass_answered(state: State, now: Now) -> None:
    """All that works at the broker has been told: what it did not tell is asked about singly."""
    left, state.mass_open, state.mass_id = state.mass_open, {}, ""
    for child_id in left:
        order = state.ledger.live.get(child_id)
        if order is not None and not order.unknown:
            ask(state, order, now)
    for order in state.chasing.values():
        if order.unknown:
            order.asked = 0
    chase(state, now)


def refused(state: State, report: BusinessReject | SessionReject, now: Now) -> bool:
    """Whether a reject is of our mass question; then everything is asked singly at once."""
    if report.ref_msg_type != _MASS_STATUS and (not state.mass_id or report.cl_ord_id != state.mass_id):
        return False
    mass_answered(state, now)
    return True


def of_ours_long_ago(state: State, cl_ord_id: str) -> bool:
    """Whether a ClOrdID was given by this journal to an order that is over and forgotten."""
    prefix, dash, number = cl_ord_id.partition("-")
    used = state.ids.lives.get(prefix + dash, 0)
    return number.isascii() and number.isdigit() and 0 < int(number[:15]) <= used


def find(state: State, report: ExecutionReport) -> Order | None:
    """The order that a report is about; an adopted one also by the broker's OrderID."""
    ledger = state.ledger
    return (
        ledger.find(report.cl_ord_id)
        or ledger.find(report.orig_cl_ord_id)
        or state.foreign.get(report.order_id)
        or _of_a_lost_request(state, report)
    )


def _of_a_lost_request(state: State, report: ExecutionReport) -> Order | None:
    """The order of a cancel of ours whose record a power cut took: only the OrderID tells which it is."""
    prefix, dash, _ = report.cl_ord_id.partition("-")
    if prefix + dash not in state.ids.lives or report.order_id in ("", "NONE"):
        return None
    for order in reversed(state.ledger.orders.values()):
        if order.order_id == report.order_id and order.symbol == report.symbol:
            return order
    return None


def adopt(state: State, report: ExecutionReport, now: Now) -> Order | None:
    """Take in an order that the broker tells of and nobody here sent.

    ``None`` if nothing is at risk in it, or if it was ours and is long over. Where its side is not told, its
    lots count on both sides.

    An execution of it stops its instrument until the broker, or a person, confirms what was traded.
    """
    live, executed = report.ord_status not in CLOSED, bool(report.cum_quantity or report.last_quantity)
    if not (live or executed) or report.symbol not in state.reference.by_symbol:
        return None
    if of_ours_long_ago(state, report.cl_ord_id) or of_ours_long_ago(state, report.orig_cl_ord_id):
        return None
    name = report.cl_ord_id or report.order_id
    if not name or FOREIGN + name in state.ledger.orders:
        return None
    order = Order(
        child_id=FOREIGN + name,
        parent_id="",
        cl_ord_id=report.cl_ord_id or "NONE",
        symbol=report.symbol,
        side=report.side or Side.BUY,
        ord_type=OrdType.LIMIT if report.price else OrdType.MARKET,
        time_in_force=TimeInForce.DAY,
        quantity=_quantity(report),
        price=report.price or 0,
        account="",
        policy="",
        reason="adopted",
    )
    order.sent, order.order_id = True, report.order_id
    order.status, order.sideless = OrdStatus.NEW, report.side is None
    state.ledger.add(order)
    if report.order_id and report.order_id != "NONE":
        state.foreign[report.order_id] = order
    detail = (
        f"cl_ord_id={report.cl_ord_id} order_id={report.order_id} "
        f"side={report.side.name if report.side else 'not told'} "
        f"quantity={order.quantity} cum={report.cum_quantity} status={report.ord_status.name}"
    )
    state.alarm("FOREIGN_EXECUTION" if executed else "FOREIGN_ORDER", detail, order.symbol, now)
    return order


def adopted(state: State, order: Order, report: ExecutionReport, now: Now) -> None:
    """The report that it was adopted for is applied: freeze what cannot be told, cancel under a kill."""
    if EXEC_TYPES.get(report.exec_type) is Kind.TRADED:
        lost_sight(state, order, "an execution of an order that nobody here sent", now)
    if order.live and (scope := state.kill_covering(order)):
        insist_cancel(state, order, f"kill {scope}", now)


def _quantity(report: ExecutionReport) -> int:
    told = (report.cum_quantity or 0) + (report.leaves_quantity or 0)
    return max(report.order_quantity or 0, told, report.last_quantity or 0)


def explain(state: State, given: ExplainInput, now: Now) -> list[ExecutionReport]:
    """What a person was told by the broker about an order, as the reports that the broker did not send.

    Lots that we hold no execution of are booked only where the person says at what price; else the order
    stays unknown.
    """
    order = state.ledger.orders.get(given.child_id)
    said = f"status={given.status.name} cum={given.cum_quantity} price={given.price}"
    outcome = f"{said} ours={order.cum_quantity}" if order is not None else "no such order"
    state.audit(given.by, "explain", given.child_id, given.reason, outcome, now)
    if order is None:
        return []
    common: dict[str, Any] = {
        "cl_ord_id": order.cl_ord_id,
        "order_id": order.order_id,
        "ord_status": given.status,
        "symbol": order.symbol,
        "order_quantity": order.quantity,
        "price": order.price,
        "cum_quantity": given.cum_quantity,
        "side": given.side if order.sideless else None,
        "text": f"explained by {given.by}: {given.reason}",
    }
    answer = ExecutionReport(exec_id="0", exec_type="I", **common)
    lacking = given.cum_quantity - order.cum_quantity
    if lacking <= 0 or given.price <= 0:
        return [answer]
    exec_id = f"EXPLAINED-{order.child_id}-{given.cum_quantity}"
    fill = ExecutionReport(
        exec_id=exec_id, exec_type="F", last_quantity=lacking, last_price=given.price, **common
    )
    return [fill, answer]
