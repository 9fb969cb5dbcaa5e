"""Whether there is anything to trade for: kills, the session, the parent, the child (C14, C19, C23, C35)."""

from __future__ import annotations

from typing import Final

from service.model.orders import OrdType, ParentStatus, ReplaceChild, Side, SubmitChild
from service.risk.denials import Code, Denied, denied
from service.risk.judged import Judged

# A member of an enum takes longer to look up than most checks here take.
_PAUSED: Final = ParentStatus.PAUSED
_WORKING: Final = ParentStatus.WORKING
_BUY: Final = Side.BUY
_MARKET: Final = OrdType.MARKET


def halted(order: Judged) -> Denied | None:
    """C23, C35, C6, C8, C47: a kill, an unreconciled instrument, no session, a tripped throttle, no clock."""
    halt = order.facts.halt
    if halt.kill:
        return denied(Code.KILLED, scope=halt.kill)
    if not halt.logged_on:
        return denied(Code.NOT_LOGGED_ON)
    if halt.unknown_orders:
        return denied(Code.UNRECONCILED, unknown_orders=halt.unknown_orders)
    if halt.throttled:
        return denied(Code.THROTTLED, arm_it_first="yes")
    if halt.clock:
        return denied(Code.CLOCK_TROUBLE, trouble=halt.clock)
    return None


def parent(order: Judged) -> Denied | None:
    """C19: the gateway itself admitted the parent, it is open, and the decision is on its newest version."""
    parent, command = order.facts.parent, order.command
    if parent is None or parent.id != command.parent_id:
        return denied(Code.UNKNOWN_PARENT, parent=command.parent_id)
    if parent.status is _PAUSED:
        return denied(Code.PARENT_PAUSED, parent=parent.id)
    if parent.status is not _WORKING:
        return denied(Code.PARENT_CLOSED, status=parent.status)
    if command.parent_version != parent.version:
        return denied(Code.PARENT_VERSION, given=command.parent_version, current=parent.version)
    order.parent = parent
    return None


def terms(order: Judged) -> Denied | None:
    """C14, C19: what the order is; a new child has a number never used, a replace a child that works."""
    command = order.command
    order.quantity, order.price = command.quantity, command.price
    verdict = _replaced(order, command) if isinstance(command, ReplaceChild) else _new(order, command)
    if verdict is None:
        order.buys = order.side is _BUY
        order.sign = 1 if order.buys else -1
        order.is_market = order.ord_type is _MARKET
    return verdict


def _new(order: Judged, command: SubmitChild) -> Denied | None:
    order.symbol, order.side = command.symbol, command.side
    order.ord_type, order.time_in_force = command.ord_type, command.time_in_force
    order.added = command.quantity
    parent = order.parent
    prefix, _, number = command.child_id.rpartition(".")
    if prefix != parent.id or not _child_number(number):
        return denied(Code.MALFORMED_CHILD_ID, child=command.child_id)
    if int(number) < parent.next_child:
        return denied(Code.DUPLICATE_CHILD, child=command.child_id, next=parent.next_child)
    return None


def _replaced(order: Judged, command: ReplaceChild) -> Denied | None:
    child = order.facts.child
    if child is None:
        return denied(Code.UNKNOWN_CHILD, child=command.child_id)
    if child.pending:
        return denied(Code.REQUEST_PENDING, child=command.child_id)
    if not child.working:
        return denied(Code.CHILD_NOT_WORKING, child=command.child_id)
    order.symbol, order.side = order.parent.symbol, child.side
    order.ord_type, order.time_in_force = child.ord_type, child.time_in_force
    order.added = max(0, command.quantity - child.quantity)
    if command.quantity <= child.filled:
        return denied(Code.INVALID_QUANTITY, quantity=command.quantity, filled=child.filled)
    return None


def _child_number(text: str) -> bool:
    """A positive decimal number without leading zeros, small enough for every message."""
    return len(text) <= 15 and text.isascii() and text.isdigit() and text[0] != "0"


def matches_parent(order: Judged) -> Denied | None:
    """C19: instrument, side and window are the parent's."""
    parent, market = order.parent, order.now.market
    if order.symbol != parent.symbol:
        return denied(Code.PARENT_SYMBOL, given=order.symbol, parent=parent.symbol)
    if order.side is not parent.side:
        return denied(Code.PARENT_SIDE, given=order.side.name, parent=parent.side.name)
    if not parent.window_start <= market < parent.window_end:
        return denied(Code.PARENT_WINDOW, now=market, start=parent.window_start, end=parent.window_end)
    return None


def parent_quantity(order: Judged) -> Denied | None:
    """C19: filled, working and this order together never exceed the parent."""
    parent = order.parent
    if parent.filled + parent.working + order.added > parent.quantity:
        return denied(
            Code.PARENT_QUANTITY,
            added=order.added,
            working=parent.working,
            filled=parent.filled,
            limit=parent.quantity,
        )
    return None
