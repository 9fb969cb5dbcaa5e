"""A policy for drills: many small children at work on a ladder of prices, and always some request under way.

The runner finds it like any desk's own policy: by an entry point of a package on its path.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from policies.chance import seed_of, uniform
from service.model.orders import Side, TimeInForce
from service.model.time import MILLISECOND
from service.policy.contract import Cancel, Intent, Policy, Replace, Submit, View

OPEN_CHILDREN: Final = 6
_LARGEST: Final = 5
_RUNGS: Final = 8
_TURN: Final = 100 * MILLISECOND


@dataclass(frozen=True, slots=True)
class AtOnce:
    """All of the parent is due from the beginning."""

    def target(self, view: View) -> int:
        return view.parent.quantity


@dataclass(frozen=True, slots=True)
class Ladder:
    """One intent a time: another child while there is room, else one at work is moved or called back."""

    def place(self, view: View) -> list[Intent]:
        parent, market = view.parent, view.market
        buy = parent.side is Side.BUY
        near, far = (market.bid, market.ask) if buy else (market.ask, market.bid)
        if near <= 0 or far <= 0:
            return []
        room = (parent.parameters.max_open_children or OPEN_CHILDREN) - len(parent.children)
        if room > 0 and parent.remaining > 0:
            number = parent.next_child
            size = min(1 + int(uniform(seed_of(parent), number) * _LARGEST), parent.remaining)
            if number % 4 == 0:
                return [Submit(size, far, time_in_force=TimeInForce.IOC, reason="take")]
            return [Submit(size, self._rung(view, near, number), reason="rest")]
        if not parent.children:
            return []
        turn = view.now.utc // _TURN
        child = parent.children[turn % len(parent.children)]
        if not child.acknowledged or child.pending:
            return []
        if uniform(seed_of(parent), turn) < 0.6:
            return [Cancel(child.child_id, "turn")]
        more = child.quantity + (1 if parent.remaining > 0 else 0)
        return [Replace(child.child_id, more, self._rung(view, near, turn), "turn")]

    def _rung(self, view: View, near: int, number: int) -> int:
        return near - view.parent.side.sign * (number % _RUNGS) * view.instrument.tick


LADDER: Final = Policy(
    name="ladder",
    description="For drills: many small children, moved, called back and taken all the time.",
    schedule=AtOnce(),
    placement=Ladder(),
    takes=frozenset({"max_open_children", "seed"}),
    cadence=300 * MILLISECOND,
)
