"""What placements share: prices on the tick and within the limit, sizes of clips, the two ways to offer."""

from __future__ import annotations

from typing import Final

from policies.chance import seed_of, uniform
from service.model.orders import Side, TimeInForce
from service.policy.contract import Child, Intent, Submit, View

OPEN_CHILDREN: Final = 3
"""Children at work at once, unless ``max_open_children`` says otherwise."""

LEAST_SHARE: Final = 100
"""Unless ``min_clip`` says otherwise, a clip is at least one in so many lots of the parent."""

_AT_ONCE: Final = (TimeInForce.IOC, TimeInForce.FOK)


def near(view: View) -> int:
    """Price of the touch on our side; 0 if there is none."""
    return view.market.bid if view.parent.side is Side.BUY else view.market.ask


def far(view: View) -> tuple[int, int]:
    """Price and lots of the opposite touch; (0, 0) if there is none."""
    market = view.market
    if view.parent.side is Side.BUY:
        return market.ask, market.ask_quantity
    return market.bid, market.bid_quantity


def within_limit(view: View, price: int) -> bool:
    """Whether the parent's limit allows this price."""
    limit = view.parent.parameters.limit_price
    return limit is None or (price - limit) * view.parent.side.sign <= 0


def resting_price(view: View) -> int:
    """Where a passive child belongs: the touch on our side, or the limit on the tick where that is worse.

    0 if our side of the book is empty.
    """
    price = near(view)
    limit = view.parent.parameters.limit_price
    if not price or limit is None or within_limit(view, price):
        return price
    rest = limit % view.instrument.tick
    if view.parent.side is Side.BUY:
        return limit - rest
    return limit + view.instrument.tick - rest if rest else limit


def taking(child: Child) -> bool:
    """Whether this child is to be filled at once or not at all."""
    return child.time_in_force in _AT_ONCE


def clip(view: View, wanted: int) -> int:
    """Lots of the next child towards ``wanted``; 0 if that is too little to offer yet.

    Between ``min_clip`` and ``max_clip``, and made smaller by a seeded part of up to ``clip_variance``. What
    is left of the parent may be less than the smallest clip.
    """
    parent, parameters = view.parent, view.parent.parameters
    wanted = min(wanted, parent.remaining)
    least = parameters.min_clip or -(-parent.quantity // LEAST_SHARE)
    if wanted <= 0 or (wanted < least and wanted < parent.remaining):
        return 0
    size = min(wanted, parameters.max_clip or wanted)
    if parameters.clip_variance:
        size -= int(size * parameters.clip_variance * uniform(seed_of(parent), ~parent.next_child))
        size = min(max(size, least), wanted)
    if parent.clip_cap:
        size = min(size, parent.clip_cap)
    return size


def open_children(view: View) -> int:
    """Children that may be at work at once."""
    return view.parent.parameters.max_open_children or OPEN_CHILDREN


def join(view: View, wanted: int, reason: str) -> list[Intent]:
    """Rest the next clip of ``wanted`` lots at the touch on our side, if there is room for it."""
    size, price = clip(view, wanted), resting_price(view)
    if size <= 0 or price <= 0 or len(view.parent.children) >= open_children(view):
        return []
    shown = view.parent.parameters.display_quantity or 0
    return [Submit(size, price, display_quantity=shown if shown < size else 0, reason=reason)]


def take(view: View, wanted: int, reason: str) -> list[Intent]:
    """Take up to ``wanted`` lots at the opposite touch: no more than is displayed, nothing past the limit."""
    price, displayed = far(view)
    if not price or not within_limit(view, price) or view.parent.parameters.passive_only:
        return []
    size = min(clip(view, wanted), displayed)
    if size <= 0 or len(view.parent.children) >= open_children(view):
        return []
    return [Submit(size, price, time_in_force=TimeInForce.IOC, reason=reason)]
