"""What every policy shares about the course of a parent: what a pause leaves, and the end of its window."""

from __future__ import annotations

from typing import Final

from service.model.parameters import CatchUp, EndBehaviour
from service.model.time import SECOND
from service.policy.contract import ParentView, View

CLOSING_SHARE: Final = 0.05
"""Last part of the window in which ``complete`` and ``complete_softly`` bring the rest home."""

CLOSING_LEAST: Final = 2 * SECOND
"""The closing part is at least this long (market time), or a quarter of a short window."""


def closing_at(start: int, end: int) -> int:
    """Market time at which the closing part of a window begins."""
    length = max(end - start, 0)
    closing = max(int(length * CLOSING_SHARE), min(CLOSING_LEAST, length // 4))
    return end - closing


def completing(view: View) -> EndBehaviour | None:
    """``complete`` or ``complete_softly`` once the closing part has begun; else ``None``."""
    parent = view.parent
    wanted = parent.parameters.end_behaviour
    if wanted is None or wanted is EndBehaviour.CANCEL:
        return None
    return wanted if view.now.market >= closing_at(parent.start, parent.end) else None


def caught_up(target: int, parent: ParentView, market: int) -> int:
    """The schedule's target, less what was missed in a pause or a stall and need not be made good yet.

    Args:
        target: Lots that the schedule alone wants done by now.
        market: Market time now.

    Returns:
        With ``at_once`` the target itself; with ``skip`` the target less all that was missed; with
        ``spread`` (also when nothing is set) the missed part returns linearly until the end of the window.
    """
    missed = parent.behind_at_resume
    if missed <= 0 or not parent.resumed_at:
        return target
    how = parent.parameters.catch_up
    if how is CatchUp.AT_ONCE:
        return target
    if how is CatchUp.SKIP:
        return max(target - missed, 0)
    span = parent.end - parent.resumed_at
    left = min(max(parent.end - market, 0), span)
    return max(target - (missed * left // span if span > 0 else 0), 0)


def due(target: int, view: View) -> int:
    """Lots that should be done by now: the target, caught up; everything once the parent completes."""
    parent = view.parent
    if completing(view) is not None:
        return parent.quantity
    clamped = min(max(target, 0), parent.quantity)
    return caught_up(clamped, parent, view.now.market)
