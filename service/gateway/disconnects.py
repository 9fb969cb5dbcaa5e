"""What the broker does with our orders when the line drops: declared, never assumed, and checked (C28).

An order that was live when the line dropped is unknown until the broker says what became of it, whatever was
declared. The declaration is held against that word at every reconnect: that a broker is said to cancel, and
an order works after its grace all the same, is an alarm.
"""

from __future__ import annotations

from service.gateway.inputs import LineCut
from service.gateway.order import Order
from service.gateway.state import State
from service.model.time import Now


def cut(state: State, given: LineCut, now: Now) -> None:
    """A person has the line cut: the shell does it, and what follows from it comes as inputs."""
    state.audit(given.by, "cut line", "line", given.reason, f"for_seconds={given.seconds:g}", now)


def lost(state: State, now: Now) -> None:
    """The line dropped: these orders live at the broker, as far as we know, and nobody has cancelled them."""
    line = state.line
    line.lost, line.back = now.utc, 0
    line.over = line.working = 0
    line.left = {
        order.child_id: None
        for order in state.ledger.live.values()
        if order.sent and not order.insist and not order.canceling
    }


def back(state: State, now: Now) -> None:
    """The line is up again, and the broker is being asked."""
    line = state.line
    if line.lost and not line.back:
        line.back = now.utc
        _conclude(state, now)


def heard(state: State, order: Order, now: Now) -> None:
    """A report about an order was applied: perhaps it tells what the disconnect did to it."""
    line = state.line
    if order.child_id not in line.left or (order.live and order.unknown):
        return  # not told yet; what was missed comes before the session counts as logged on
    del line.left[order.child_id]
    if not order.live:
        line.over += 1
    elif not (order.insist or order.canceling):
        line.working += 1
        if line.must_be_over:
            detail = (
                f"cl_ord_id={order.cl_ord_id} order_id={order.order_id} down_ms={line.down // 1_000_000}"
                f" grace_ms={line.grace // 1_000_000}"
            )
            state.alarm("CANCEL_ON_DISCONNECT_FAILED", detail, order.symbol, now)
    _conclude(state, now)


def _conclude(state: State, now: Now) -> None:
    """Every order is accounted for: say on record what the broker did."""
    line = state.line
    if not line.declared or line.left or not line.back or not (line.over or line.working):
        return
    outcome = (
        f"down_ms={line.down // 1_000_000} over={line.over} working={line.working} declared={line.declared}"
        f" grace_ms={line.grace // 1_000_000}"
    )
    state.audit("gateway", "disconnect", "line", "", outcome, now)
