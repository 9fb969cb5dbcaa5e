"""Short sales: what a client sells and does not have must have been located first (C15)."""

from __future__ import annotations

from typing import Final

from service.risk import ceilings
from service.risk.denials import Code, Denied, denied
from service.risk.judged import Judged
from service.risk.limits import LEVELS, Level

_CLIENT: Final = LEVELS.index(Level.CLIENT)


def located(order: Judged) -> Denied | None:
    """C15: no sale takes the client short, working sales counted, by more lots than were located for it.

    A locate holds until its time and for a day at most.
    """
    if order.buys or not order.bounds.needs_locate:
        return None
    client = order.facts.levels[_CLIENT]
    short = client.selling + order.added - client.lots
    if short <= 0:
        return None
    name, now = order.parent.levels[_CLIENT], order.now.market
    lots = 0
    for locate in order.limits.locates.get((name, order.symbol), ()):
        if now < locate.until <= now + ceilings.MAX_LOCATE_AHEAD:
            lots += locate.lots
    if short > min(lots, ceilings.MAX_POSITION):
        return denied(Code.NO_LOCATE, client=name, short=short, located=lots)
    return None
