"""Placements that take: when behind the schedule, and to bring a parent home at the end of its window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from policies.placements.offers import clip, far, open_children, take, taking, within_limit
from service.model.orders import Side, TimeInForce
from service.model.parameters import EndBehaviour
from service.policy.contract import Cancel, Intent, Placement, Submit, View
from service.policy.progress import completing

CROSS_WHEN_BEHIND: Final = 0.05


def in_flight(view: View) -> int:
    """Lots of children that are to be filled at once, their answer still out."""
    return sum(child.leaves for child in view.parent.children if taking(child))


@dataclass(frozen=True, slots=True)
class Crossing:
    """Takes at the opposite touch when the parent is further behind its schedule than ``cross_when_behind``.

    It takes what brings the parent back to that distance, no more than is displayed there, and nothing past
    the limit. Where resting children hold the quantity, the youngest is called back first. Otherwise, and
    with ``passive_only`` always, ``inner`` places.
    """

    inner: Placement

    def place(self, view: View) -> list[Intent]:
        return catch_up(view) or self.inner.place(view)


def catch_up(view: View) -> list[Intent]:
    """What ``Crossing`` does about a parent that is behind; empty if it is not, or cannot take."""
    parent = view.parent
    parameters = parent.parameters
    if parameters.passive_only:
        return []
    share = parameters.cross_when_behind
    allowed = int((CROSS_WHEN_BEHIND if share is None else share) * parent.quantity)
    lacking = parent.due - parent.filled - in_flight(view) - allowed
    if lacking <= 0:
        return []
    intents = take(view, lacking, "behind")
    price, displayed = far(view)
    if intents or not displayed or not within_limit(view, price):
        return intents
    if clip(view, lacking) <= 0 or len(parent.children) >= open_children(view):
        return call_back(view, 1, "behind")
    return []


def call_back(view: View, most: int, reason: str) -> list[Intent]:
    """Cancel up to ``most`` resting children, the youngest first; none while one is on its way back."""
    resting = [c for c in view.parent.children if not taking(c)]
    if any(c.pending == "cancel" for c in resting):
        return []
    called: list[Intent] = [Cancel(c.child_id, reason) for c in resting[::-1] if not c.pending]
    return called[:most]


@dataclass(frozen=True, slots=True)
class Closing:
    """Brings a parent home in the closing part of its window, as ``end_behaviour`` says; before it ``inner``.

    ``complete_softly`` takes at the opposite touch, no more than is displayed there; ``complete`` takes
    through the book, as deep as it is known, at any price within the limit. Resting children are called back
    first. ``cancel``, and ``passive_only`` always, leave the end to ``inner``.
    """

    inner: Placement

    def place(self, view: View) -> list[Intent]:
        how = completing(view)
        if how is None or view.parent.parameters.passive_only:
            return self.inner.place(view)
        recalled = call_back(view, len(view.parent.children), "closing")
        if recalled or view.parent.remaining <= 0:
            return recalled
        if how is EndBehaviour.COMPLETE:
            return sweep(view)
        return take(view, view.parent.remaining, "closing")


def sweep(view: View) -> list[Intent]:
    """Take all that remains, at the price of the deepest known level that it needs, within the limit."""
    parent, book = view.parent, view.market.book
    size = min(parent.remaining, parent.clip_cap or parent.remaining)
    levels = () if book is None else book.asks if parent.side is Side.BUY else book.bids
    worst = reached = 0
    for price, quantity in levels:
        if not within_limit(view, price) or reached >= size:
            break
        worst, reached = price, reached + quantity
    if not worst or len(parent.children) >= open_children(view):
        return []
    return [Submit(size, worst, time_in_force=TimeInForce.IOC, reason="closing")]
