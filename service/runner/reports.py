"""What the gateway reports of children, applied to a parent's numbers."""

from __future__ import annotations

import enum

from service.model.events import (
    ChildAccepted,
    ChildCancelRejected,
    ChildCancelRequested,
    ChildDenied,
    ChildFill,
    ChildFilled,
    ChildPartiallyFilled,
    ChildRejected,
    ChildReplaced,
    ChildReplaceRequested,
    ChildReport,
    ChildSubmitted,
    ChildUnknown,
)
from service.model.orders import OrdStatus, TimeInForce
from service.model.time import Now
from service.runner.parents import Parent, Working, child_number


class Next(enum.Enum):
    """What an applied report calls for."""

    NOTHING = enum.auto()
    EVALUATE = enum.auto()
    HOLD = enum.auto()
    REST = enum.auto()


_RACES = frozenset({"PARENT_VERSION", "REQUEST_PENDING", "CHILD_NOT_WORKING", "UNKNOWN_CHILD"})
"""Denials that say no more than that news crossed on the way: nothing is wrong with the order itself."""

_FOR_QUANTITY = ("MAX_ORDER_QUANTITY", "SOFT_ORDER_QUANTITY")
_FOR_VALUE = ("MAX_ORDER_VALUE", "SOFT_ORDER_VALUE", "STAGE_ORDER_VALUE")
"""Denials for size: a smaller order passes."""

_AT_ONCE = (TimeInForce.IOC, TimeInForce.FOK)
_ENDED = frozenset({OrdStatus.FILLED, OrdStatus.CANCELED, OrdStatus.REJECTED, OrdStatus.EXPIRED})


def apply_report(parent: Parent, report: ChildReport, now: Now) -> Next:
    """Move the parent's numbers as a report says."""
    if isinstance(report, ChildSubmitted):
        _submitted(parent, report, now)
        return Next.NOTHING
    if isinstance(report, ChildPartiallyFilled | ChildFilled):
        _filled(parent, report)
        parent.denials = 0
        return Next.EVALUATE
    child = parent.children.get(report.child_id)
    if child is None:
        return Next.NOTHING
    child.changed()
    if isinstance(report, ChildAccepted):
        child.reported = child.acknowledged = True
        child.unknown = False
        parent.denials = 0
    elif isinstance(report, ChildCancelRequested | ChildReplaceRequested):
        _requested(child, report)
    elif isinstance(report, ChildReplaced):
        _replaced(parent, child, report, now)
    elif isinstance(report, ChildCancelRejected):
        child.request_over()
        # Where a fill or an earlier cancel won the race, the order's own report says so.
        return Next.NOTHING if report.status in _ENDED else Next.HOLD
    elif isinstance(report, ChildUnknown):
        child.unknown = True
    elif isinstance(report, ChildRejected):
        del parent.children[report.child_id]
        return Next.HOLD
    else:
        del parent.children[report.child_id]
        return Next.EVALUATE if child.filled or child.time_in_force not in _AT_ONCE else Next.REST
    return Next.NOTHING


def apply_denial(parent: Parent, denial: ChildDenied, far: int) -> Next:
    """Take a denied child or request back; learn the largest clip from a denial for size.

    Args:
        far: Price of the opposite touch, for the value of a market order; price units.
    """
    child = parent.children.get(denial.child_id)
    if child is None:
        parent.next_child = max(parent.next_child, child_number(denial.child_id) + 1)
        return Next.NOTHING
    price = child.price
    if denial.command == "submit":
        del parent.children[denial.child_id]
    else:
        price = child.pending_price or price
        child.request_over()
    if denial.code in _RACES:
        return Next.REST
    cap = size_cap(denial, price or far + far // 4)
    if cap and (not parent.clip_cap or cap < parent.clip_cap):
        parent.clip_cap = cap
        return Next.NOTHING
    return Next.HOLD


def size_cap(denial: ChildDenied, price: int) -> int:
    """Lots that the gate would have let through at this price, if the denial was for size; else 0."""
    if denial.code not in _FOR_QUANTITY and denial.code not in _FOR_VALUE:
        return 0
    fields = dict(f.split("=", 1) for f in denial.detail.split() if "=" in f)
    try:
        limit = int(fields["limit"])
    except (KeyError, ValueError):
        return 0
    if denial.code in _FOR_QUANTITY:
        return limit
    return limit // price if price > 0 else 0


def _submitted(parent: Parent, report: ChildSubmitted, now: Now) -> None:
    """The gateway handed it to FIX. Also how a runner learns of a child that another one sent."""
    child = parent.children.get(report.child_id)
    if child is None:
        child = Working(
            child_id=report.child_id,
            parent_id=report.parent_id,
            side=report.side,
            quantity=report.quantity,
            price=report.price,
            time_in_force=report.time_in_force,
            since=now,
            reason=report.reason,
        )
        parent.children[report.child_id] = child
    child.reported = True
    child.changed()
    parent.next_child = max(parent.next_child, child.number + 1)


def _filled(parent: Parent, report: ChildFill) -> None:
    """One execution: it counts, even when its order is no longer live here."""
    parent.filled += report.last_quantity
    child = parent.children.get(report.child_id)
    if child is None:
        return
    child.filled = max(child.filled, report.cum_quantity)
    child.reported = child.acknowledged = True
    child.unknown = False
    child.changed()
    if report.leaves_quantity == 0:
        del parent.children[report.child_id]


def _requested(child: Working, report: ChildCancelRequested | ChildReplaceRequested) -> None:
    """A request is on its way to the broker; of a replace, the larger quantity counts until it answers."""
    child.requested = ""
    if isinstance(report, ChildReplaceRequested):
        child.pending = "replace"
        child.pending_quantity, child.pending_price = report.quantity, report.price
    else:
        child.pending = "cancel"


def _replaced(parent: Parent, child: Working, report: ChildReplaced, now: Now) -> None:
    """The broker took the new price and quantity."""
    if report.price != child.price:
        child.since, child.since_utc = now
    child.quantity, child.price = report.quantity, report.price
    child.filled = max(child.filled, report.cum_quantity)
    child.request_over()
    if child.leaves == 0:
        del parent.children[report.child_id]
