"""Passive placements: rest at the touch on our side, and follow it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from policies.placements.offers import join, resting_price, taking, within_limit
from service.model.time import MILLISECOND, SECOND
from service.policy.contract import Cancel, Child, Intent, Replace, View


@dataclass(frozen=True, slots=True)
class Passive:
    """Rests what is due at the touch on our side and leaves it there.

    With ``schedule_discretion`` d it rests up to d of the parent ahead of the schedule. A child that an
    amended limit no longer allows is moved to the limit, or taken back while it cannot be moved.
    """

    def place(self, view: View) -> list[Intent]:
        parent = view.parent
        intents: list[Intent] = []
        for child in parent.children:
            if not child.pending and not taking(child):
                intents += self._tend(view, child)
        ahead = int((parent.parameters.schedule_discretion or 0.0) * parent.quantity)
        wanted = min(parent.due + ahead, parent.quantity) - parent.filled - parent.working
        return intents + join(view, wanted, "join")

    def _tend(self, view: View, child: Child) -> list[Intent]:
        if within_limit(view, child.price):
            return []
        price = resting_price(view)
        if child.acknowledged and price:
            return [Replace(child.child_id, child.quantity, price, "limit")]
        return [Cancel(child.child_id, "limit")]


REST_MARKET: Final = 3 * SECOND
REST_UTC: Final = 250 * MILLISECOND


@dataclass(frozen=True, slots=True)
class Pegged(Passive):
    """Rests at the touch, and follows it when it moves away.

    A child is moved when the touch is at least ``ticks`` and at least ``spread_share`` of the spread away
    from it, and no sooner than ``rest`` of market time and ``rest_utc`` of UTC after its last move: each move
    gives up its place in the queue, and costs a message. When the touch comes through it, it stays.
    """

    ticks: int = 1
    spread_share: float = 0.25
    rest: int = REST_MARKET
    rest_utc: int = REST_UTC

    def _tend(self, view: View, child: Child) -> list[Intent]:
        if not within_limit(view, child.price):
            return Passive._tend(self, view, child)
        price = resting_price(view)
        away = (price - child.price) * view.parent.side.sign
        spread = view.market.ask - view.market.bid
        if (
            not price
            or not child.acknowledged
            or away < self.ticks * view.instrument.tick
            or away < self.spread_share * spread
            or view.now.market - child.since < self.rest
            or view.now.utc - child.since_utc < self.rest_utc
        ):
            return []
        return [Replace(child.child_id, child.quantity, price, "peg")]
