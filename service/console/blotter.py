"""Folds the record into rows, and knows which of them have changed since when. Pure: no I/O, no clock."""

from __future__ import annotations

import hashlib
from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from service.console.curves import Curves
from service.console.rows import (
    AlarmRow,
    ChildRow,
    DecisionRow,
    FillRow,
    MarketRow,
    ParentRow,
    child_row,
    decision_row,
    fill_row,
)
from service.console.staging import StagedRow, Staging
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
    ChildFilled,
    ChildRejected,
    ChildReplaced,
    ChildReplaceRequested,
    ChildSubmitted,
    ChildUnknown,
    KillEngaged,
    KillReleased,
    Liquidity,
    ParentAdmitted,
    ParentChanged,
    ParentClosed,
    ParentRefused,
    ParentSnapshot,
    SessionChanged,
)
from service.model.market import BookSnapshot, FeedHeartbeat, ReferenceSnapshot, Trade
from service.model.parameters import Parameters
from service.model.records import AuditEntry, Decision
from service.model.reference import Reference
from service.model.stream import person_of
from service.model.time import SessionClock

Row = ParentRow | ChildRow | FillRow | AlarmRow | MarketRow | StagedRow

ACKNOWLEDGE: Final = "acknowledge alarm"
CLOSE: Final = "close alarm"
"""Actions on ``audit.v1``; their target ends with the alarm's id."""

_DECISIONS: Final = 500
_MOST_FILLS: Final = 20_000
_MOST_CLOSED_ALARMS: Final = 1_000
_MOST_CHILDREN: Final = 20_000
_MOST_PARENTS: Final = 5_000
_MOST_EXECUTIONS: Final = 200_000
"""The record tells an execution again soon or not at all: when a reader that has lost its place goes back."""


class Blotter:
    """Rows by kind and id.

    Attributes:
        rev: Number of the newest change.
        decisions: The newest per parent, oldest first.
        curves: What was done and wanted over time, per parent; mids per instrument.
        children_of, fills_of: Of one parent, oldest first.
    """

    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        self.rev = 0
        self.parents: dict[str, ParentRow] = {}
        self.snapshots: dict[str, ParentSnapshot] = {}
        self.children: OrderedDict[str, ChildRow] = OrderedDict()
        self.children_of: defaultdict[str, dict[str, ChildRow]] = defaultdict(dict)
        self.fills_of: defaultdict[str, deque[FillRow]] = defaultdict(deque)
        self.fills: deque[FillRow] = deque(maxlen=_MOST_FILLS)
        self.alarms: OrderedDict[str, AlarmRow] = OrderedDict()
        self.markets: dict[str, MarketRow] = {}
        self.decisions: defaultdict[str, deque[DecisionRow]] = defaultdict(lambda: deque(maxlen=_DECISIONS))
        self.curves = Curves()
        self.staging = Staging(lambda row: self.touch("staged", row.id, row))
        self.clock: SessionClock | None = None
        self.heartbeat: FeedHeartbeat | None = None
        self.sessions: dict[str, bool] = {}
        self.refused: OrderedDict[str, ParentRefused] = OrderedDict()
        self._changed: OrderedDict[tuple[str, str], Row] = OrderedDict()
        self._executions: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._sums: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
        self._volume: dict[str, list[int]] = {}
        self._at_begin: dict[str, tuple[int, int]] = {}
        self._closures: dict[str, tuple[str, str, int]] = {}
        self._seen: dict[str, str] = {}
        self.live = False

    def market_now(self, utc: int) -> int:
        """Market time; 0 before the session's clock is known."""
        watermark = self.heartbeat.watermark if self.heartbeat is not None else 0
        return 0 if self.clock is None else self.clock.market(utc, watermark)

    def since(self, rev: int) -> Iterator[tuple[str, Row]]:
        """Rows that changed after ``rev``, newest change first, with their kind."""
        for (kind, _), row in reversed(self._changed.items()):
            if row.rev <= rev:
                return
            yield kind, row

    def apply(self, message: Any) -> ParentAdmitted | ParentChanged | ParentClosed | ParentRefused | None:
        """Take one message; returns a parent's event, for whoever waits for an answer."""
        match message:
            case ChildEvent():
                self._child(message)
            case ParentAdmitted() | ParentChanged() | ParentClosed() | ParentRefused():
                self._parent(message)
                return message
            case BookSnapshot():
                self._book(message)
            case Trade():
                self._trade(message)
            case ReferenceSnapshot():
                self._facts(message)
            case Decision():
                self._decision(message)
            case ChildDenied():
                self._denied(message)
            case Alarm():
                self._alarm("alarm", message.code, message.detail, message.symbol, message.ts_utc)
            case KillEngaged():
                detail = f"{message.scope} by {message.by}: {message.reason}"
                self._alarm("kill", "KILL_ENGAGED", detail, "", message.ts_utc)
            case KillReleased():
                detail = f"{message.scope} by {message.by}: {message.reason}"
                self._alarm("kill", "KILL_RELEASED", detail, "", message.ts_utc)
            case SessionChanged():
                was = self.sessions.get(message.session)
                self.sessions[message.session] = message.logged_on
                if was and not message.logged_on:
                    detail = f"{message.session} {message.detail}"
                    self._alarm("session", "SESSION_DOWN", detail, "", message.ts_utc)
            case AuditEntry():
                self._audited(message)
            case SessionClock():
                self.clock = message
            case FeedHeartbeat():
                if self.heartbeat is None or message.ts_utc >= self.heartbeat.ts_utc:
                    self.heartbeat = message
        return None

    def touch(self, kind: str, key: str, row: Row) -> None:
        """Note that a row has changed."""
        self.rev += 1
        row.rev = self.rev
        self._changed[kind, key] = row
        self._changed.move_to_end((kind, key))

    # Parents

    def _parent(self, event: ParentAdmitted | ParentChanged | ParentClosed | ParentRefused) -> None:
        self.staging.parent(event)
        if isinstance(event, ParentRefused):
            self.refused[event.command_id] = event
            if len(self.refused) > _MOST_CLOSED_ALARMS:
                self.refused.popitem(last=False)
            return
        state = event.state
        order = state.parent
        row = self.parents.get(order.id)
        if row is None:
            row = self.parents[order.id] = self._new_row(state, event)
            if len(self.parents) > _MOST_PARENTS:
                self._forget_an_old_parent()
        if isinstance(event, ParentChanged) and event.change in ("busted", "corrected"):
            # What was seen is not what counts any more.
            self._sums[order.id] = [state.filled_quantity, state.filled_money]
        if state.version >= row.version:
            self._take(row, state)
        if isinstance(event, ParentChanged) and event.change in ("paused", "taken over"):
            row.reason = f"{event.change} by {event.by}{f': {event.reason}' if event.reason else ''}"
        elif isinstance(event, ParentChanged):
            row.reason = event.reason
        elif isinstance(event, ParentClosed):
            row.ended, row.reason, row.working = event.ts_event, event.reason, 0
            self._measure(row)
        self.touch("parent", row.id, row)

    def _new_row(
        self, state: ParentSnapshot, event: ParentAdmitted | ParentChanged | ParentClosed
    ) -> ParentRow:
        order = state.parent
        trader = self._reference.by_trader.get(order.trader)
        if self.live:
            volume = self._volume.setdefault(order.symbol, [0, 0])
            self._at_begin[order.id] = (volume[0], volume[1])
        return ParentRow(
            id=order.id,
            symbol=order.symbol,
            side=order.side.name.lower(),
            policy=order.policy,
            trader=order.trader,
            desk=trader.desk if trader is not None else "",
            account=order.account,
            objective=order.objective.value,
            quantity=order.quantity,
            status=state.status.value,
            version=0,
            window_start=state.window_start,
            window_end=state.window_end,
            arrival_price=state.arrival_price,
            arrival_volume=state.arrival_volume,
            began=event.ts_event,
            began_utc=event.ts_utc,
            parameters={},
        )

    def _take(self, row: ParentRow, state: ParentSnapshot) -> None:
        self.snapshots[row.id] = state
        order = state.parent
        row.version, row.status = state.version, state.status.value
        row.quantity, row.policy, row.taken_over = order.quantity, order.policy, person_of(state.hand)
        row.window_start, row.window_end = state.window_start, state.window_end
        row.arrival_price, row.arrival_volume = state.arrival_price, state.arrival_volume
        row.parameters = set_parameters(order.parameters)
        self._sum(row)

    def _sum(self, row: ParentRow) -> None:
        """Fills that were seen, or where the record no longer holds them all, what the gateway counts."""
        seen, told = self._sums[row.id], self.snapshots[row.id]
        if seen[0] >= told.filled_quantity:
            row.filled, row.money = seen
        else:
            row.filled, row.money = told.filled_quantity, told.filled_money

    def _measure(self, row: ParentRow) -> None:
        """The market's volume and money since the parent began, if all of it was seen."""
        begin, volume = self._at_begin.get(row.id), self._volume.get(row.symbol)
        if begin is not None and volume is not None:
            row.market_volume, row.market_money = volume[0] - begin[0], volume[1] - begin[1]

    def _forget_an_old_parent(self) -> None:
        for key, row in self.parents.items():
            if row.ended:
                known: tuple[dict[str, Any], ...] = (
                    self.parents,
                    self.snapshots,
                    self.decisions,
                    self.children_of,
                    self.fills_of,
                    self.curves.progress,
                    self._sums,
                    self._at_begin,
                )
                for about in known:
                    about.pop(key, None)
                self._changed.pop(("parent", key), None)
                return

    # Children

    def _child(self, event: ChildEvent) -> None:
        row = self.children.get(event.child_id)
        if row is None:
            row = self._new_child(event)
            if row is None:
                return
        before = _open(row)
        match event:
            case ChildAccepted():
                row.order_id, row.status = event.order_id, "new" if not row.filled else row.status
            case ChildFill():
                self._fill(row, event)
            case ChildCancelRequested():
                row.pending = "cancel"
            case ChildReplaceRequested():
                row.pending = "replace"
            case ChildReplaced():
                row.pending, row.quantity, row.price = "", event.quantity, event.price
            case ChildCanceled():
                self._end(row, "canceled", event.reason)
            case ChildExpired():
                self._end(row, "expired", event.reason)
            case ChildRejected():
                self._end(row, "rejected", event.reason)
            case ChildCancelRejected():
                row.pending = ""
            case ChildUnknown():
                row.unknown = True
        if not isinstance(event, ChildUnknown | ChildCancelRequested | ChildReplaceRequested):
            row.unknown = False
        self.touch("child", row.id, row)
        parent = self.parents.get(row.parent)
        if parent is not None and (_open(row) != before or isinstance(event, ChildSubmitted | ChildFill)):
            parent.working += _open(row) - before
            self._measure(parent)
            self.touch("parent", parent.id, parent)

    def _new_child(self, event: ChildEvent) -> ChildRow | None:
        if not isinstance(event, ChildSubmitted):
            return None
        row = child_row(event)
        self.children[row.id] = self.children_of[row.parent][row.id] = row
        if len(self.children) > _MOST_CHILDREN:
            self._forget_an_old_child()
        parent = self.parents.get(row.parent)
        if parent is not None:
            parent.children += 1
            parent.model = event.model or parent.model
            parent.working += event.quantity
        row.quantity = event.quantity
        return row

    def _forget_an_old_child(self) -> None:
        for key, row in self.children.items():
            if row.ended:
                del self.children[key]
                self.children_of[row.parent].pop(key, None)
                self._changed.pop(("child", key), None)
                return

    def _end(self, row: ChildRow, status: str, reason: str) -> None:
        row.status, row.pending, row.ended = status, "", True
        row.reason = reason or row.reason

    def _fill(self, row: ChildRow, fill: ChildFill) -> None:
        if (fill.symbol, fill.exec_id) in self._executions:
            return
        self._executions[fill.symbol, fill.exec_id] = None
        if len(self._executions) > _MOST_EXECUTIONS:
            self._executions.popitem(last=False)
        row.filled += fill.last_quantity
        row.money += fill.last_quantity * fill.last_price
        if isinstance(fill, ChildFilled):
            row.status, row.pending, row.ended = "filled", "", True
        elif not row.ended:
            row.status = "partially_filled"
        shown = fill_row(row, fill)
        if len(self.fills) == _MOST_FILLS:
            oldest = self.fills[0]
            self._changed.pop(("fill", f"{oldest.symbol} {oldest.exec_id}"), None)
            if earlier := self.fills_of.get(oldest.parent):
                earlier.popleft()
        self.fills.append(shown)
        self.fills_of[row.parent].append(shown)
        self.touch("fill", f"{fill.symbol} {fill.exec_id}", shown)
        parent = self.parents.get(row.parent)
        if parent is not None:
            seen = self._sums[parent.id]
            seen[0] += fill.last_quantity
            seen[1] += fill.last_quantity * fill.last_price
            self._sum(parent)
            if fill.liquidity is Liquidity.ADDED:
                parent.passive += fill.last_quantity
            self.curves.done(parent.id, fill.ts_event, parent.filled, parent.target)

    # Risk

    def _denied(self, event: ChildDenied) -> None:
        parent = self.parents.get(event.parent_id)
        if parent is not None:
            parent.denied += 1
            self.touch("parent", parent.id, parent)
        detail = f"{event.child_id}: {event.control} {event.detail}"
        self._alarm("denial", event.code, detail, event.symbol, event.ts_utc)

    def _alarm(self, kind: str, code: str, detail: str, symbol: str, utc: int) -> None:
        if kind == "denial":
            for row in reversed(self.alarms.values()):
                if (row.kind, row.code, row.symbol) == (kind, code, symbol) and not self._closed(row, utc):
                    row.times, row.detail, row.ts_utc = row.times + 1, detail, utc
                    self.touch("alarm", row.id, row)
                    return
        # The same record gives the same id, so that what a person said of it is found again.
        digest = hashlib.sha256(f"{kind} {code} {symbol} {utc} {detail}".encode()).hexdigest()[:16]
        row = AlarmRow(id=digest, kind=kind, code=code, detail=detail, symbol=symbol, ts_utc=utc)
        self.add_alarm(row)

    def add_alarm(self, row: AlarmRow) -> None:
        """Show an alarm, with what people have said of it already."""
        row.acknowledged = self._seen.get(row.id, "")
        if row.id in self._closures:
            row.closed, row.comment, _ = self._closures[row.id]
        self.alarms[row.id] = row
        self.touch("alarm", row.id, row)
        if len(self.alarms) > 2 * _MOST_CLOSED_ALARMS:
            oldest = next((a for a in self.alarms.values() if a.closed), next(iter(self.alarms.values())))
            del self.alarms[oldest.id]
            self._changed.pop(("alarm", oldest.id), None)

    def _closed(self, row: AlarmRow, utc: int) -> bool:
        """Whether a person had closed it before this time."""
        closure = self._closures.get(row.id)
        return closure is not None and closure[2] <= utc

    def _audited(self, entry: AuditEntry) -> None:
        """Acknowledgements, closures and tickets, of this console or another, are what ``audit.v1`` says."""
        self.staging.audited(entry)
        if entry.action not in (ACKNOWLEDGE, CLOSE) or entry.outcome != "done":
            return
        alarm_id = entry.target.rpartition(" ")[2]
        who = entry.who.removeprefix("console:")
        self._seen.setdefault(alarm_id, who)
        if entry.action == CLOSE:
            self._closures.setdefault(alarm_id, (who, entry.reason, entry.ts_utc))
        row = self.alarms.get(alarm_id)
        if row is not None:
            row.acknowledged = self._seen[alarm_id]
            if alarm_id in self._closures:
                row.closed, row.comment, _ = self._closures[alarm_id]
            self.touch("alarm", row.id, row)

    # The market

    def _market(self, symbol: str) -> MarketRow:
        row = self.markets.get(symbol)
        if row is None:
            row = self.markets[symbol] = MarketRow(symbol=symbol)
        return row

    def _book(self, book: BookSnapshot) -> None:
        row = self._market(book.symbol)
        row.venue, row.bids, row.asks, row.ts_event = (
            book.venue,
            book.bids[:10],
            book.asks[:10],
            book.ts_event,
        )
        if book.bids and book.asks:
            self.curves.mid(book.symbol, book.ts_event, book.bids[0][0] + book.asks[0][0])
        self.touch("market", row.symbol, row)

    def _trade(self, trade: Trade) -> None:
        if trade.eligible:
            volume = self._volume.setdefault(trade.symbol, [0, 0])
            volume[0] += trade.quantity
            volume[1] += trade.quantity * trade.price

    def _facts(self, facts: ReferenceSnapshot) -> None:
        row = self._market(facts.symbol)
        row.last, row.reference, row.volume = facts.last, facts.reference, facts.volume
        row.spread_bps, row.volatility_bps = facts.spread_bps, facts.volatility_bps
        row.phase, row.crossed, row.jumped = facts.phase.value, facts.crossed, facts.jumped
        self.touch("market", row.symbol, row)

    def _decision(self, decision: Decision) -> None:
        parent = self.parents.get(decision.parent_id)
        self.decisions[decision.parent_id].append(decision_row(decision))
        if parent is not None:
            parent.target, parent.model = decision.target, decision.model or parent.model
            parent.last_action, parent.last_reason = decision.action, decision.reason
            self.curves.done(parent.id, decision.ts_event, parent.filled, parent.target)
            self._measure(parent)
            self.touch("parent", parent.id, parent)


def _open(row: ChildRow) -> int:
    return 0 if row.ended else max(0, row.quantity - row.filled)


def set_parameters(parameters: Parameters) -> dict[str, Any]:
    """The parameters that are set, by name, as plain values."""
    given = msgspec.structs.asdict(parameters)
    return {name: msgspec.to_builtins(value) for name, value in given.items() if value is not None}
