"""One parent as the runner works it: the gateway's snapshot, and what reports have said since.

The gateway's ledger is the truth. A snapshot replaces everything here; between snapshots, reports move the
numbers, in the order in which the gateway sent them.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

from service.model.events import ChildSnapshot, ParentSnapshot
from service.model.orders import OrdStatus, ParentStatus, Side, SubmitChild, TimeInForce
from service.model.parameters import Parameters
from service.model.time import Now
from service.policy.contract import Child, ParentView, Policy

NEVER: Final = 1 << 62
"""A market time that does not come."""

_NUMBERS: Final = struct.Struct("<10q")


class Working:
    """One live child, from the moment its command left the core.

    Attributes:
        reported: The gateway has spoken of it.
        pending: Request that the gateway has handed to the broker: ``""``, ``cancel`` or ``replace``.
        requested: Request that left the core and that the gateway has not yet spoken of, since
            ``requested_utc``.
    """

    __slots__ = (
        "_view",
        "acknowledged",
        "child_id",
        "filled",
        "number",
        "parent_id",
        "pending",
        "pending_price",
        "pending_quantity",
        "price",
        "quantity",
        "reason",
        "reported",
        "requested",
        "requested_utc",
        "side",
        "since",
        "since_utc",
        "time_in_force",
        "unknown",
    )

    def __init__(
        self,
        *,
        child_id: str,
        parent_id: str,
        side: Side,
        quantity: int,
        price: int,
        time_in_force: TimeInForce,
        since: Now,
        reason: str = "",
    ) -> None:
        self.child_id = child_id
        self.parent_id = parent_id
        self.number = child_number(child_id)
        self.side = side
        self.quantity = quantity
        self.price = price
        self.time_in_force = time_in_force
        self.since = since.market
        self.since_utc = since.utc
        self.reason = reason
        self.filled = 0
        self.reported = False
        self.acknowledged = False
        self.unknown = False
        self.pending = ""
        self.pending_quantity = 0
        self.pending_price = 0
        self.requested = ""
        self.requested_utc = 0
        self._view: Child | None = None

    @property
    def leaves(self) -> int:
        """Lots that may still be filled: the larger quantity while a replace is under way."""
        quantity, pending = self.quantity, self.pending_quantity
        left = (pending if pending > quantity else quantity) - self.filled
        return left if left > 0 else 0

    @property
    def free(self) -> bool:
        """The broker has it and no request is under way: it may be replaced."""
        return self.acknowledged and not self.unknown and not self.pending and not self.requested

    def request(self, kind: str, utc: int, quantity: int = 0, price: int = 0) -> None:
        """A cancel or a replace left the core."""
        self.requested, self.requested_utc = kind, utc
        self.pending_quantity, self.pending_price = quantity, price
        self._view = None

    def request_over(self) -> None:
        """No request is under way any more."""
        self.pending = self.requested = ""
        self.pending_quantity = self.pending_price = 0
        self._view = None

    def changed(self) -> None:
        """Forget what policies were shown."""
        self._view = None

    def view(self) -> Child:
        """What a policy may see of it."""
        if self._view is None:
            self._view = Child(
                self.child_id,
                self.side,
                self.price,
                self.quantity,
                self.filled,
                self.leaves,
                self.acknowledged and not self.unknown,
                self.pending or self.requested,
                self.since,
                self.time_in_force,
                self.reason,
                self.since_utc,
            )
        return self._view


class Parent:
    """A live parent.

    Attributes:
        due_market: Market time of the next evaluation.
        hold_utc: UTC before which nothing new is offered (after a denial or a reject).
        asked: Number of the model request under way; 0 if none.
        stalled_since: Market time since which it could not be worked inside its window; 0 if it can.
        broken: Why its policy can no longer be used; empty while it can.
        trouble: Why its model could not be asked the last time.
        adopted: It was at work before this runner had its instrument.
        volume_base: Own count of market volume at its beginning.
    """

    __slots__ = (
        "adopted",
        "asked",
        "behind_at_resume",
        "broken",
        "children",
        "clip_cap",
        "denials",
        "due",
        "due_market",
        "filled",
        "hold_utc",
        "kill_keys",
        "next_child",
        "parameters",
        "policy",
        "resumed_at",
        "resuming",
        "snapshot",
        "stalled_since",
        "trouble",
        "volume_base",
    )

    def __init__(self, snapshot: ParentSnapshot, policy: Policy | None, kill_keys: frozenset[str]) -> None:
        self.policy = policy
        self.kill_keys = kill_keys
        self.children: dict[str, Working] = {}
        self.parameters: Parameters = snapshot.parent.parameters
        self.next_child = 1
        self.filled = 0
        self.due = 0
        self.due_market = 0
        self.hold_utc = 0
        self.denials = 0
        self.clip_cap = 0
        self.asked = 0
        self.adopted = False
        self.resumed_at = 0
        self.behind_at_resume = 0
        self.resuming = False
        self.stalled_since = 0
        self.volume_base: int | None = None
        self.broken = ""
        self.trouble = ""
        self.snapshot = snapshot
        self.restate(snapshot)

    @property
    def id(self) -> str:
        return self.snapshot.parent.id

    @property
    def symbol(self) -> str:
        return self.snapshot.parent.symbol

    @property
    def working(self) -> int:
        """Lots open at the broker or on their way to it."""
        return sum([child.leaves for child in self.children.values()])

    @property
    def workable(self) -> bool:
        """Neither paused, nor being cancelled, nor closed."""
        return self.snapshot.status is ParentStatus.WORKING

    def restate(self, snapshot: ParentSnapshot) -> None:
        """Take the gateway's snapshot for the truth; commands still on their way to it stay."""
        self.snapshot = snapshot
        self.filled = snapshot.filled_quantity
        self.next_child = max(self.next_child, snapshot.next_child)
        known, self.children = self.children, {}
        for child in snapshot.children:
            self.children[child.child_id] = _restated(child, known.pop(child.child_id, None))
        for child_id, lost in known.items():
            if not lost.reported:
                self.children[child_id] = lost

    def forget_unreported(self) -> None:
        """Drop what the gateway never spoke of: after a resync it never reached it."""
        self.children = {i: c for i, c in self.children.items() if c.reported}
        for child in self.children.values():
            if child.requested:
                child.requested = ""
                if not child.pending:
                    child.pending_quantity = child.pending_price = 0
                child.changed()

    def sent(self, command: SubmitChild, now: Now) -> None:
        """A submit left the core: it counts at once."""
        self.children[command.child_id] = Working(
            child_id=command.child_id,
            parent_id=command.parent_id,
            side=command.side,
            quantity=command.quantity,
            price=command.price,
            time_in_force=command.time_in_force,
            since=now,
            reason=command.reason,
        )
        self.next_child += 1

    def view(self, volume: int, due: int) -> ParentView:
        """What the policy may see; ``volume`` is the lots printed since this runner began to listen."""
        snapshot = self.snapshot
        order = snapshot.parent
        base = self.volume_base
        return ParentView(
            order.id,
            order.side,
            order.quantity,
            order.objective,
            self.parameters,
            snapshot.window_start,
            snapshot.window_end,
            self.filled,
            self.working,
            due,
            max(volume - base, 0) if base is not None else 0,
            snapshot.arrival_price,
            tuple([child.view() for child in self.children.values()]),
            self.resumed_at,
            self.behind_at_resume,
            self.clip_cap,
            self.next_child,
        )

    def fold(self, digest: int) -> int:
        """Chain the numbers that decisions hang on to ``digest``."""
        return zlib.crc32(
            _NUMBERS.pack(
                self.snapshot.version,
                self.filled,
                self.working,
                self.next_child,
                len(self.children),
                self.clip_cap,
                self.due,
                self.hold_utc,
                self.behind_at_resume,
                self.asked,
            ),
            digest,
        )


def child_number(child_id: str) -> int:
    """``N`` of ``PARENT_ID.N``; 0 where it has none."""
    tail = child_id.rpartition(".")[2]
    return int(tail) if tail.isascii() and tail.isdigit() else 0


def _restated(child: ChildSnapshot, known: Working | None) -> Working:
    working = known or Working(
        child_id=child.child_id,
        parent_id=child.parent_id,
        side=child.side,
        quantity=child.quantity,
        price=child.price,
        time_in_force=child.time_in_force,
        since=Now(0, 0),
    )
    working.quantity, working.price = child.quantity, child.price
    working.filled = child.cum_quantity
    working.reported = True
    working.acknowledged = child.status is not OrdStatus.PENDING_NEW
    working.unknown = child.unknown
    working.pending = child.pending
    if child.pending == working.requested:
        working.requested = ""
    if "replace" not in (working.pending, working.requested):
        working.pending_quantity = working.pending_price = 0
    working.changed()
    return working
