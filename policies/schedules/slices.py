"""A window cut into slices: the part of it that has begun, with seeded variance of when each slice begins."""

from __future__ import annotations

from typing import Final

from policies.chance import seed_of, uniform
from service.model.time import MINUTE, SECOND
from service.policy.contract import ParentView, View

SLICES: Final = 24
"""A window has this many slices, as long as that makes them neither too short nor too long."""

SHORTEST: Final = 5 * SECOND
LONGEST: Final = 5 * MINUTE
"""Market time of a slice."""


def slices(parent: ParentView) -> int:
    """Number of slices of the parent's window; at least 1."""
    length = max(parent.end - parent.start, 1)
    width = min(max(length // SLICES, SHORTEST), LONGEST)
    return max(-(-length // width), 1)


def begun(view: View) -> tuple[int, int]:
    """Slices begun, and slices in all.

    A slice is due as a whole when it begins. With ``interval_variance`` v slice i begins a seeded part, up to
    v, of its length later; the first and the last number are not moved by it.
    """
    parent = view.parent
    count = slices(parent)
    length = parent.end - parent.start
    passed = view.now.market - parent.start
    if passed < 0:
        return 0, count
    if passed >= length:
        return count, count
    index, inside = divmod(passed * count, length)
    variance = parent.parameters.interval_variance or 0.0
    if variance and inside < length * variance * uniform(seed_of(parent), index):
        return index, count
    return index + 1, count


def lots(quantity: int, share: float) -> int:
    """``share`` of ``quantity`` in whole lots, 0 .. ``quantity``."""
    return min(max(int(quantity * share + 1e-9), 0), quantity)
