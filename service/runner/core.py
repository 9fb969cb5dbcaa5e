"""The runner's core: an input goes in, commands and records come out. No I/O, no clock, no randomness.

Every input is numbered, and after each one the core has a digest, a chained CRC-32 over the state that the
input touched and over what was decided. Feeding the recorded inputs to a core that was started alike gives
the same outputs and the same digests: that is what replay checks.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from struct import Struct
from typing import Any, Final

from service.model.events import (
    ChildAccepted,
    ChildCanceled,
    ChildCancelRejected,
    ChildCancelRequested,
    ChildDenied,
    ChildExpired,
    ChildFilled,
    ChildPartiallyFilled,
    ChildRejected,
    ChildReplaced,
    ChildReplaceRequested,
    ChildReport,
    ChildSubmitted,
    ChildUnknown,
    KillEngaged,
    KillReleased,
    ParentAdmitted,
    ParentChanged,
    ParentClosed,
    ParentSnapshot,
)
from service.model.market import (
    BookSnapshot,
    FeedHeartbeat,
    MarketEvent,
    ReferenceSnapshot,
    Trade,
    TradingStatus,
)
from service.model.message import Message
from service.model.orders import ParentStatus, Side
from service.model.records import GatewayLink, ModelAnswer, Partitions, Stale, Timer
from service.model.reference import Reference
from service.model.stream import StreamSynced
from service.model.time import SECOND, Now, SessionClock
from service.policy.contract import Policy, PolicyError
from service.runner.commands import Turn, cancel_all, hold, rest, stop
from service.runner.evaluate import Evaluator
from service.runner.outputs import NOTHING, Outputs
from service.runner.parents import Parent
from service.runner.reports import Next, apply_denial, apply_report
from service.runner.slots import Slot

REQUEST_LOST: Final = 5 * SECOND
"""UTC after which a cancel or replace that the gateway never spoke of may be asked again."""

ANSWER_LOST: Final = 2 * SECOND
"""UTC after which a model request without any answer counts as missed."""

STALL_SHARE: Final = 0.02
"""A parent that could not be worked for this share of its window is caught up with as after a pause."""

_TIMES: Final = Struct("<qq")


class Core:
    """One runner's decisions.

    Args:
        runner_id: Stands on every record.
        reference: Instruments and people.
        partition_of: Partition of ``md.v1`` by symbol.
        policies: By name.
        models: ``NAME@VERSION`` by name, of the models that answers can be had from.
        cadence_floor: Smallest market time between two evaluations of a parent, whatever its policy says.

    Attributes:
        seq: Number of the newest input.
        digest: Chained CRC-32 after it.
        unknown_symbols, repeated: Market events that no instrument of ours owns, and repeated ones.
    """

    def __init__(
        self,
        *,
        runner_id: str,
        reference: Reference,
        partition_of: Mapping[str, int],
        policies: Mapping[str, Policy],
        models: Mapping[str, str],
        cadence_floor: int = 0,
    ) -> None:
        self.runner_id = runner_id
        self.reference = reference
        self.seq = 0
        self.digest = 0
        self.unknown_symbols = 0
        self.repeated = 0
        self.parents: dict[str, Parent] = {}
        self.slots = {
            i.symbol: Slot(i, partition_of[i.symbol])
            for i in reference.instruments
            if i.symbol in partition_of
        }
        self.clock: SessionClock | None = None
        self.stale = True
        self.synced = False
        self.kills: dict[str, str] = {}
        self._restored: set[str] = set()
        self._policies = policies
        self._cadence_floor = cadence_floor
        self._evaluator = Evaluator(policies, models)
        self._evaluator.killed = self.kills.keys()
        self._handlers: dict[type[Message], Callable[[Any, Turn], None]] = {
            FeedHeartbeat: self._nothing,
            ReferenceSnapshot: self._reference,
            SessionClock: self._session,
            Timer: self._timer,
            ModelAnswer: self._answered,
            Partitions: self._partitions,
            GatewayLink: self._link,
            Stale: self._staleness,
            StreamSynced: self._stream_synced,
            ParentAdmitted: self._admitted,
            ParentChanged: self._changed,
            ParentClosed: self._closed,
            KillEngaged: self._killed,
            KillReleased: self._released,
            ChildDenied: self._denied,
            ChildSubmitted: self._report,
            ChildAccepted: self._report,
            ChildPartiallyFilled: self._report,
            ChildFilled: self._report,
            ChildCancelRequested: self._report,
            ChildReplaceRequested: self._report,
            ChildReplaced: self._report,
            ChildCanceled: self._report,
            ChildExpired: self._report,
            ChildRejected: self._report,
            ChildCancelRejected: self._report,
            ChildUnknown: self._report,
        }

    def apply(self, message: Message, now: Now, *, conflated: bool = False) -> Outputs:
        """Take one input in.

        Args:
            now: Market time and UTC at which the shell took it, never running backwards.
            conflated: A newer book of this instrument is waiting: the event counts, and nothing is
                decided on it.

        Raises:
            TypeError: If this is no input of the core.
        """
        self.seq += 1
        kind = type(message)
        if kind is BookSnapshot or kind is Trade or kind is TradingStatus:
            return self._market(message, now, conflated)  # type: ignore[arg-type]
        handler = self._handlers.get(kind)
        if handler is None:
            raise TypeError(f"{kind.__name__} is no input of the runner's core")
        turn = Turn(self.runner_id, self.seq, now)
        handler(message, turn)
        self.digest = turn.out.fold(zlib.crc32(_TIMES.pack(now.market, now.utc), self.digest))
        return turn.out

    @property
    def unanchored(self) -> set[str]:
        """Instruments whose session volume a reference fact should tell, for parents that began before us."""
        return {
            s.instrument.symbol
            for s in self.slots.values()
            if s.owned
            and s.volume_before is None
            and any(p.adopted and p.volume_base is None for p in s.parents)
        }

    # Market data

    def _market(self, event: MarketEvent, now: Now, conflated: bool) -> Outputs:
        slot = self.slots.get(event.symbol)
        if slot is None:
            self.unknown_symbols += 1
            return NOTHING
        if event.seq != slot.seq + 1 and not self._out_of_step(slot, event):
            return NOTHING
        slot.seq = event.seq
        slot.ts_utc = event.ts_utc
        market = slot.market
        market.apply(event)
        digest = self.digest = market.state_digest(self.digest)
        if conflated:
            slot.conflated += 1
            return NOTHING
        if now.market < slot.due_market:
            return NOTHING
        turn = Turn(self.runner_id, self.seq, now, event.ts_utc)
        self._consider(slot, turn)
        self.digest = turn.out.fold(digest)
        return turn.out

    def _out_of_step(self, slot: Slot, event: MarketEvent) -> bool:
        """Whether an event that is not the next one is to be applied: not if it was seen before.

        A partition that was given up and came back may have missed events, so its market starts afresh.
        """
        if event.seq <= slot.seq and event.ts_utc <= slot.ts_utc:
            self.repeated += 1
            slot.repeated += 1
            return False
        if slot.regained and slot.seq:
            slot.start_afresh()
        slot.regained = False
        return True

    def _reference(self, fact: ReferenceSnapshot, _turn: Turn) -> None:
        slot = self.slots.get(fact.symbol)
        if slot is not None and slot.volume_before is None:
            slot.volume_before = max(fact.volume - slot.volume, 0)

    def _nothing(self, _message: Message, _turn: Turn) -> None:
        """An input that is numbered and changes nothing: what it means is the shell's to judge."""

    # The clock and the world around

    def _session(self, clock: SessionClock, _turn: Turn) -> None:
        self.clock = clock

    def _staleness(self, message: Stale, _turn: Turn) -> None:
        self.stale = message.stale

    def _partitions(self, message: Partitions, turn: Turn) -> None:
        owned = set(message.owned)
        for slot in self.slots.values():
            has = slot.partition in owned
            if has and not slot.owned:
                slot.regained = True
                for parent in slot.parents:
                    # Who worked it until now is another runner, or ourselves before a rebalance.
                    parent.due_market = turn.now.market
                slot.plan()
            slot.owned = has

    def _link(self, message: GatewayLink, _turn: Turn) -> None:
        self.synced = False
        if message.up:
            self._restored.clear()
            self.kills.clear()

    def _stream_synced(self, _message: StreamSynced, turn: Turn) -> None:
        for parent in [p for p in self.parents.values() if p.id not in self._restored]:
            self._forget(parent)
        self.synced = True
        for slot in self.slots.values():
            for parent in slot.parents:
                parent.due_market = turn.now.market
            slot.plan()

    def _killed(self, message: KillEngaged, _turn: Turn) -> None:
        self.kills[message.scope] = message.reason

    def _released(self, message: KillReleased, _turn: Turn) -> None:
        self.kills.pop(message.scope, None)

    def _timer(self, _message: Timer, turn: Turn) -> None:
        self._expire_requests(turn)
        for slot in self.slots.values():
            if slot.parents:
                self._consider(slot, turn)

    def _expire_requests(self, turn: Turn) -> None:
        lost = [n for n, a in self._evaluator.requests.items() if turn.now.utc - a.utc > ANSWER_LOST]
        for number in lost:
            self._answered(ModelAnswer(request=number, rows=(), missed="budget"), turn)
        for parent in self.parents.values():
            for child in parent.children.values():
                if child.requested and turn.now.utc - child.requested_utc > REQUEST_LOST:
                    child.requested = ""
                    child.changed()

    # Evaluation

    def _consider(self, slot: Slot, turn: Turn) -> None:
        """Evaluate the parents of one instrument that are due."""
        market = turn.now.market
        due = []
        for parent in slot.parents:
            if market >= parent.due_market:
                # From when it was due, not from when it came to it: so its evaluations do not drift into
                # those of others.
                cadence = self._cadence(parent)
                following = parent.due_market + cadence
                parent.due_market = following if following > market else market + cadence
                if self._may_work(parent, slot, turn.now) and not self._evaluator.waits(parent):
                    due.append(parent)
        slot.plan()
        if due:
            self._evaluator.evaluate(due, slot, turn)

    def _cadence(self, parent: Parent) -> int:
        cadence = SECOND if parent.policy is None else parent.policy.cadence
        return max(cadence, self._cadence_floor)

    def _at_once(self, parent: Parent, turn: Turn) -> None:
        """Evaluate one parent whatever its cadence, as after a fill."""
        slot = self.slots[parent.symbol]
        if self._may_work(parent, slot, turn.now) and not self._evaluator.waits(parent):
            self._evaluator.evaluate([parent], slot, turn)
            parent.due_market = turn.now.market + self._cadence(parent)
            slot.plan()

    def _may_work(self, parent: Parent, slot: Slot, now: Now) -> bool:
        """Whether anything may be decided for it now; notes since when not."""
        snapshot = parent.snapshot
        if not snapshot.window_start <= now.market < snapshot.window_end:
            return False
        if parent.volume_base is None and slot.owned:
            parent.volume_base = slot.volume_at_start(parent)
        if parent.policy is None or parent.broken or snapshot.status is not ParentStatus.WORKING:
            ready = False
        else:
            ready = (
                slot.owned
                and self.synced
                and not self.stale
                and self.clock is not None
                and slot.market.open_for_trading
                and parent.volume_base is not None
                and (not self.kills or self.kills.keys().isdisjoint(parent.kill_keys))
            )
        if not ready:
            if not parent.stalled_since:
                parent.stalled_since = now.market
            return False
        if parent.stalled_since:
            length = snapshot.window_end - snapshot.window_start
            if now.market - parent.stalled_since > length * STALL_SHARE:
                parent.resuming = True
            parent.stalled_since = 0
        return True

    def _answered(self, answer: ModelAnswer, turn: Turn) -> None:
        asked = self._evaluator.requests.pop(answer.request, None)
        if asked is None:
            return
        missed = answer.missed
        if not missed and len(answer.rows) != len(asked.parents):
            missed = "error"
        for n, parent_id in enumerate(asked.parents):
            parent = self.parents.get(parent_id)
            if parent is None or parent.asked != answer.request:
                continue
            parent.asked = 0
            slot = self.slots[parent.symbol]
            if self._may_work(parent, slot, turn.now):
                row = () if missed else answer.rows[n]
                self._evaluator.answer(parent, asked, slot, row, missed, turn)

    # Parents

    def _admitted(self, message: ParentAdmitted, turn: Turn) -> None:
        state = message.state
        parent = self.parents.get(state.parent.id)
        if message.restored:
            self._restored.add(state.parent.id)
        if parent is None:
            parent = self._new_parent(state)
            if parent is None:
                return
            begun = message.restored and turn.now.market > state.window_start
            parent.resuming = begun
            parent.adopted = begun or not self.slots[parent.symbol].owned
        else:
            parent.restate(state)
            if message.restored:
                parent.forget_unreported()
        self._prepare(parent, turn)
        self._at_once(parent, turn)

    def _new_parent(self, state: ParentSnapshot) -> Parent | None:
        order = state.parent
        slot = self.slots.get(order.symbol)
        if slot is None:
            self.unknown_symbols += 1
            return None
        parent = Parent(state, self._policies.get(order.policy), self._kill_keys(state))
        self.parents[order.id] = parent
        slot.parents.append(parent)
        return parent

    def _prepare(self, parent: Parent, turn: Turn) -> None:
        """Take a new version in: parameters, and the policy's word on them."""
        turn.out.touched.append(parent)
        order = parent.snapshot.parent
        parent.broken = parent.trouble = ""
        if (policy := self._policies.get(order.policy)) is not parent.policy:
            parent.policy, parent.asked, parent.kill_keys = policy, 0, self._kill_keys(parent.snapshot)
        if parent.policy is None:
            stop(parent, f"policy {order.policy} is not available here", turn)
        else:
            try:
                parent.parameters = parent.policy.resolve(order.parameters)
            except PolicyError as error:
                stop(parent, str(error), turn)
        parent.due_market = max(parent.snapshot.window_start, turn.now.market)
        self.slots[parent.symbol].plan()

    def _changed(self, message: ParentChanged, turn: Turn) -> None:
        parent = self.parents.get(message.state.parent.id)
        if parent is None:
            self._admitted(
                ParentAdmitted(
                    command_id=message.command_id,
                    state=message.state,
                    ts_event=message.ts_event,
                    ts_utc=message.ts_utc,
                ),
                turn,
            )
            return
        paused = parent.snapshot.status is ParentStatus.PAUSED
        parent.restate(message.state)
        self._prepare(parent, turn)
        status = message.state.status
        if status is not ParentStatus.WORKING:
            if self._mine(parent) and not message.state.hand:
                cancel_all(parent, status.value, turn)
            return
        if paused:
            parent.stalled_since = 0
            parent.resuming = turn.now.market > parent.snapshot.window_start
        self._at_once(parent, turn)

    def _closed(self, message: ParentClosed, turn: Turn) -> None:
        parent = self.parents.get(message.state.parent.id)
        if parent is not None:
            parent.restate(message.state)
            turn.out.touched.append(parent)
            self._forget(parent)

    def _forget(self, parent: Parent) -> None:
        del self.parents[parent.id]
        slot = self.slots[parent.symbol]
        slot.parents.remove(parent)
        slot.plan()

    def _mine(self, parent: Parent) -> bool:
        return self.synced and self.slots[parent.symbol].owned

    def _kill_keys(self, state: ParentSnapshot) -> frozenset[str]:
        """Every scope of a kill that would reach this parent."""
        order = state.parent
        keys = {
            "all",
            f"parent={order.id}",
            f"symbol={order.symbol}",
            f"policy={order.policy}",
            f"account={order.account}",
            f"trader={order.trader}",
        }
        trader = self.reference.by_trader.get(order.trader)
        if trader is not None:
            keys.add(f"desk={trader.desk}")
            keys.update(f"firm={d.firm}" for d in self.reference.desks if d.name == trader.desk)
        account = self.reference.by_account.get(order.account)
        if account is not None:
            keys.add(f"client={account.client}")
        return frozenset(keys)

    # Reports

    def _report(self, report: ChildReport, turn: Turn) -> None:
        parent = self.parents.get(report.parent_id)
        if parent is None:
            return
        turn.out.touched.append(parent)
        self._follow(parent, apply_report(parent, report, turn.now), turn)

    def _denied(self, denial: ChildDenied, turn: Turn) -> None:
        parent = self.parents.get(denial.parent_id)
        if parent is None:
            return
        turn.out.touched.append(parent)
        market = self.slots[parent.symbol].market
        far = market.ask if parent.snapshot.parent.side is Side.BUY else market.bid
        self._follow(parent, apply_denial(parent, denial, far), turn)

    def _follow(self, parent: Parent, what: Next, turn: Turn) -> None:
        if what is Next.EVALUATE:
            self._at_once(parent, turn)
        elif what is Next.HOLD:
            hold(parent, turn.now)
        elif what is Next.REST:
            rest(parent, turn.now)
