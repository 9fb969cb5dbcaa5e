"""Orders that a soft limit holds, each waiting for people: part of the fold over the journal (C20)."""

from __future__ import annotations

from typing import Final, NamedTuple

from service.model.orders import SubmitChild
from service.model.time import SECOND

LIFE: Final = 300 * SECOND
"""UTC after which an order waits no longer: the market that it was meant for is gone."""

MOST_WAITING: Final = 64

PACE: Final = 2 * SECOND
"""UTC between two decisions of one person: each order is looked at (C21)."""


class Blocked(NamedTuple):
    """One order as its policy wished it.

    Attributes:
        runner: Who asked for it, and looks after it if it is released.
        blocks: Codes of the soft limits that it is past: what two people may lift, and nothing else.
        detail: What the gate said, key=value.
        utc: When it was held.
    """

    runner: str
    command: SubmitChild
    blocks: tuple[str, ...]
    detail: str
    utc: int

    @property
    def expires(self) -> int:
        """UTC."""
        return self.utc + LIFE

    @property
    def terms(self) -> str:
        """The order in words, its id first: what two people agree on, to the letter."""
        order = self.command
        price = f"at {order.price}" if order.price else "at market"
        shown = f" showing {order.display_quantity}" if order.display_quantity else ""
        venue = f" on {order.venue}" if order.venue else ""
        return (
            f"{order.child_id} {order.side.name} {order.quantity} {order.symbol} {price} "
            f"{order.time_in_force.name}{shown}{venue}"
        )


class BlockedOrders:
    """Orders that wait, by child id; at most one of a parent, and a bounded number in all.

    Attributes:
        dismissed: Until when (UTC) nothing of a parent is kept again, after somebody has dismissed one.
        decided: When each person last decided on one (UTC).
    """

    def __init__(self) -> None:
        self.waiting: dict[str, Blocked] = {}
        self.dismissed: dict[str, int] = {}
        self.decided: dict[str, int] = {}

    def keep(self, blocked: Blocked) -> str:
        """Let it wait for people; returns why it does not, or nothing if it does."""
        command = blocked.command
        if self.dismissed.get(command.parent_id, 0) > blocked.utc:
            return "dismissed_before"
        for other in self.waiting.values():
            if other.command.parent_id == command.parent_id:
                return f"{other.command.child_id}_waits"
        if len(self.waiting) >= MOST_WAITING:
            return f"{MOST_WAITING}_wait"
        self.waiting[command.child_id] = blocked
        return ""

    def find(self, terms: str, utc: int) -> Blocked | None:
        """The order of exactly these terms, if it still waits."""
        blocked = self.waiting.get(terms.partition(" ")[0])
        waits = blocked is not None and blocked.terms == terms and blocked.utc <= utc < blocked.expires
        return blocked if waits else None

    def too_soon(self, person: str, utc: int) -> bool:
        """Whether this person has decided on another a moment ago; a clock that jumps back makes it so."""
        return utc - self.decided.get(person, utc - PACE) < PACE
