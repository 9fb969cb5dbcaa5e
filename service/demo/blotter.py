"""What happened, folded from the record: parents, their children, denials, and the moments worth seeing.

The live view and the report read the same fold, so they cannot disagree.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from service.model.events import (
    Alarm,
    ChildAccepted,
    ChildCanceled,
    ChildCancelRejected,
    ChildCancelRequested,
    ChildDenied,
    ChildEvent,
    ChildExpired,
    ChildFill,
    ChildPartiallyFilled,
    ChildRejected,
    ChildSubmitted,
    ChildUnknown,
    KillEngaged,
    Liquidity,
    ParentAdmitted,
    ParentChanged,
    ParentClosed,
    ParentRefused,
    ParentSnapshot,
    SessionChanged,
)
from service.model.market import BookSnapshot, FeedHeartbeat, ReferenceSnapshot
from service.model.records import Decision
from service.model.reference import Reference
from service.model.time import SessionClock
from service.tca.latency import Latencies

PASSIVE_FILL: Final = "passive fill"
PARTIAL_FILL: Final = "partial fill"
RACE: Final = "cancel racing a fill"
DENIAL: Final = "denial"
MOMENTS: Final = (PASSIVE_FILL, PARTIAL_FILL, RACE, DENIAL)
"""What a run is expected to show, in this order."""

_ENDED: Final = (ChildCanceled, ChildExpired, ChildRejected)


@dataclass(slots=True)
class Child:
    """A child that the gate let through; ``sent`` once it was handed to FIX, and not taken back before."""

    quantity: int = 0
    sent: bool = False
    filled: int = 0
    open: bool = True
    cancel_sent: bool = False


@dataclass(slots=True)
class Parent:
    """A parent and what was done for it.

    Attributes:
        began, ended: Market time of admission and of close; ``ended`` 0 while it lives.
        target: Lots that its schedule wanted done at its newest decision.
        denied: Denials by ``CONTROL CODE``.
    """

    state: ParentSnapshot
    began: int
    ended: int = 0
    reason: str = ""
    target: int = 0
    fills: list[ChildFill] = field(default_factory=list)
    children: dict[str, Child] = field(default_factory=dict)
    denied: Counter[str] = field(default_factory=Counter)

    @property
    def filled(self) -> int:
        """Lots."""
        return sum(fill.last_quantity for fill in self.fills)

    @property
    def money(self) -> int:
        """Price units x lots."""
        return sum(fill.last_quantity * fill.last_price for fill in self.fills)

    @property
    def sent(self) -> int:
        """Children that were sent."""
        return sum(child.sent for child in self.children.values())

    @property
    def working(self) -> list[Child]:
        """Children that may still trade."""
        return [child for child in self.children.values() if child.open]


class Blotter:
    """Folds the messages of ``orders.v1``, ``risk.v1``, ``decisions.v1`` and ``ref.v1``.

    Attributes:
        parents: By id, in order of admission.
        refused: Code and detail by parent id.
        denials: By ``CONTROL CODE``.
        seen: How often each of ``MOMENTS`` came.
        moments: The first of each, as a line for a person.
        clock, watermark: From ``ref.v1``.
    """

    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        self.parents: dict[str, Parent] = {}
        self.refused: dict[str, str] = {}
        self.denials: Counter[str] = Counter()
        self.alarms: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()
        self.moments: dict[str, str] = {}
        self.latencies = Latencies()
        self.mids: dict[str, float] = {}
        self.clock: SessionClock | None = None
        self.watermark = 0
        self.feed_done = False
        self.sessions: dict[str, bool] = {}
        self.kills: list[KillEngaged] = []
        self._applied: set[tuple[str, str]] = set()

    def apply(self, message: Any) -> str | None:
        """Take one message; returns a line when it is worth telling a person."""
        match message:
            case ChildEvent():
                return self._child(message)
            case ParentAdmitted() | ParentChanged() | ParentClosed() | ParentRefused():
                return self._parent(message)
            case ChildDenied():
                return self._denied(message)
            case Decision():
                parent = self.parents.get(message.parent_id)
                if parent is not None:
                    parent.target = message.target
            case ReferenceSnapshot():
                if message.reference:
                    self.mids[message.symbol] = float(message.reference)
            case BookSnapshot():
                pass
            case SessionClock():
                self.clock = message
            case FeedHeartbeat():
                self.watermark = max(self.watermark, message.watermark)
                self.feed_done |= message.done
            case KillEngaged():
                self.kills.append(message)
                return f"kill {message.scope} by {message.by}: {message.reason}"
            case Alarm():
                self.alarms[message.code] += 1
                if self.alarms[message.code] == 1:
                    return f"alarm {message.code} {message.detail}"
            case SessionChanged():
                down = "is down" if message.session in self.sessions else "is not logged on yet"
                self.sessions[message.session] = message.logged_on
                return f"FIX session {message.session} {'logged on' if message.logged_on else down}"
        return None

    def market_now(self, utc: int) -> int:
        """Market time at ``utc``; 0 before the session's clock is known."""
        return 0 if self.clock is None else self.clock.market(utc, self.watermark)

    def closed(self, ids: list[str]) -> bool:
        """Whether every one of these parents is closed or refused."""
        return all(i in self.refused or (i in self.parents and self.parents[i].ended) for i in ids)

    def _parent(self, event: ParentAdmitted | ParentChanged | ParentClosed | ParentRefused) -> str | None:
        if isinstance(event, ParentRefused):
            if event.parent_id in self.parents:
                return f"{event.parent_id}: refused {event.code} {event.detail}"
            self.refused[event.parent_id] = f"{event.code} {event.detail}"
            return f"{event.parent_id} refused: {event.code} {event.detail}"
        state = event.state
        parent = self.parents.get(state.parent.id)
        if parent is None:
            parent = self.parents[state.parent.id] = Parent(state, event.ts_event)
        if state.version >= parent.state.version:
            parent.state = state
        order = state.parent
        if isinstance(event, ParentAdmitted):
            if event.restored:
                return None
            return (
                f"{order.id}: {order.side.name.lower()} {order.quantity:,} {order.symbol} by {order.policy}, "
                f"arrival {self._price(order.symbol, state.arrival_price)}"
            )
        if isinstance(event, ParentChanged):
            return f"{order.id}: {event.change} by {event.by}{f' ({event.reason})' if event.reason else ''}"
        parent.ended = event.ts_event
        parent.reason = event.reason
        return f"{order.id}: {state.status.value}, {parent.filled:,} of {order.quantity:,} done"

    def _denied(self, event: ChildDenied) -> str | None:
        name = f"{event.control} {event.code}"
        self.denials[name] += 1
        if event.parent_id in self.parents:
            self.parents[event.parent_id].denied[name] += 1
        self.seen[DENIAL] += 1
        line = f"{event.child_id}: denied, {name} {event.detail}"
        self.moments.setdefault(DENIAL, line)
        return line if self.denials[name] == 1 else None

    def _child(self, event: ChildEvent) -> str | None:
        parent = self.parents.get(event.parent_id)
        if parent is None:
            return None
        child = parent.children.setdefault(event.child_id, Child())
        match event:
            case ChildSubmitted():
                if not child.sent:
                    child.sent, child.quantity = True, event.quantity
                    self.latencies.on_submitted(event)
            case ChildFill():
                return self._fill(parent, child, event)
            case ChildAccepted():
                self.latencies.on_accepted(event)
            case ChildCancelRequested():
                child.cancel_sent = True
            case ChildCancelRejected() if event.request == "cancel":
                child.cancel_sent = False
            case ChildUnknown():
                return f"{event.child_id}: its outcome is unknown, {event.reason}; the broker is asked"
            case _ if isinstance(event, _ENDED):
                child.open = False
                # One that was taken back before it was sent is no news.
                if isinstance(event, ChildRejected) and not event.reason.startswith("not sent"):
                    return f"{event.child_id}: rejected by the broker, {event.reason}"
        return None

    def _fill(self, parent: Parent, child: Child, fill: ChildFill) -> str | None:
        if (fill.symbol, fill.exec_id) in self._applied:
            return None
        self._applied.add((fill.symbol, fill.exec_id))
        parent.fills.append(fill)
        child.filled += fill.last_quantity
        at = f"{fill.last_quantity:,} {fill.symbol} at {self._price(fill.symbol, fill.last_price)}"
        if fill.leaves_quantity == 0:
            child.open = False
        lines = []
        if fill.liquidity is Liquidity.ADDED:
            lines.append(self._moment(PASSIVE_FILL, f"{fill.child_id}: first passive fill, {at}"))
        if isinstance(fill, ChildPartiallyFilled):
            left = f"{fill.leaves_quantity:,} left"
            lines.append(self._moment(PARTIAL_FILL, f"{fill.child_id}: first partial fill, {at}, {left}"))
        if child.cancel_sent:
            lines.append(self._moment(RACE, f"{fill.child_id}: a fill won over our cancel, {at}"))
        return next((line for line in lines if line), None)

    def _moment(self, moment: str, line: str) -> str | None:
        self.seen[moment] += 1
        if moment in self.moments:
            return None
        self.moments[moment] = line
        return line

    def _price(self, symbol: str, units: int) -> str:
        instrument = self._reference.by_symbol.get(symbol)
        return instrument.price_text(units) if instrument else str(units)
