"""The shell around the core: stamps inputs, journals them, and carries out what the core says.

The order of things: an input is applied, journalled, and its effects carried out. New orders and replaces
wait until the journal is synced up to them. Cancels and questions do not wait: their record follows with
the next sync, and should the machine die in between, the broker's word about the order is what recovery asks
for anyway.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, Protocol

from service.fix.messages import ExecutionReport, FixSendError, Report
from service.fix.messages import Request as FixRequest
from service.gateway.core import Core
from service.gateway.inputs import (
    Frame,
    Input,
    Intent,
    KillInput,
    ParentInput,
    RunnerLost,
    Sent,
    SessionInput,
    Tick,
    Unsent,
    decode_frame,
)
from service.gateway.journal import Journal, JournalError
from service.gateway.kill import ALL
from service.gateway.record import KEPT, History
from service.gateway.state import Effect, Publish, Send
from service.model.codec import DecodeError, encode
from service.model.events import Alarm, ChildDenied, ChildFill, ParentEvent
from service.model.market import FeedHeartbeat, ReferenceMessage, ReferenceSnapshot
from service.model.orders import (
    CancelChild,
    ChildCommand,
    NewParent,
    ParentCommand,
    ReplaceChild,
    SubmitChild,
)
from service.model.time import MILLISECOND, SECOND, Now, SessionClock
from service.telemetry.gateway import GatewaySensor

log = logging.getLogger(__name__)

FAILED: Final = "error"
"""Outcome in the journal of an input that the core could not digest."""

_SYNC_AT_LEAST_EVERY: Final = 50 * MILLISECOND
_OLDEST_TO_SEND: Final = 1 * SECOND
"""An order that waited longer than this for the disk was judged on a market that is gone."""


class Wire(Protocol):
    """What the shell needs of a FIX session."""

    @property
    def logged_on(self) -> bool: ...
    def send(self, request: FixRequest) -> int: ...


class Record(Protocol):
    """What the shell needs of a Kafka producer."""

    @property
    def pending(self) -> int: ...
    def send_encoded(self, topic: str, key: bytes | None, value: bytes) -> None: ...


class _Held(NamedTuple):
    position: int
    effect: Send
    gated: int


class Shell:
    """One running gateway.

    Args:
        core: Recovered from the journal.
        journal: Started by the caller with ``on_synced`` and ``on_journal_failed`` of this.
        tell: Sends a message, encoded, to every runner.
        seq: Number of the journal's last input.
    """

    def __init__(
        self,
        core: Core,
        journal: Journal,
        wire: Wire,
        record: Record,
        tell: Callable[[bytes], None],
        *,
        seq: int,
        sensor: GatewaySensor | None = None,
        utc: Callable[[], int] = time.time_ns,
    ) -> None:
        self.core = core
        self.journal = journal
        self.seq = seq
        self.halted = ""
        self._wire = wire
        self._record = record
        self._tell = tell
        self._sensor = sensor or GatewaySensor()
        self._utc = utc
        self._held: deque[_Held] = deque()
        self._replies: deque[tuple[int, Callable[[bool], None]]] = deque()
        self._latest: dict[str, ReferenceSnapshot] = {}
        self._heartbeat: FeedHeartbeat | None = None
        self._clock: SessionClock | None = core.state.clock
        self._watermark = 0
        self._synced_at = 0
        self._panicking = False

    # Inputs

    def now(self) -> Now:
        """This instant in both times."""
        utc = self._utc()
        clock = self._clock
        return Now(clock.market(utc, self._watermark) if clock is not None else 0, utc)

    def feed(self, given: Input) -> str:
        """Apply an input, journal it, and carry out what follows from it; returns an intent's outcome."""
        now = self.now()
        try:
            effects, outcome = self.core.apply(given, now)
        except Exception as error:  # noqa: BLE001 - the core must not die of one input; trading stops instead
            self._indigestible(given, now, error)
            return FAILED
        gated = self._utc() if type(given) is Intent else now.utc
        try:
            position = self._journal(given, now, outcome, effects)
        except Exception as error:  # noqa: BLE001 - what no journal can hold has not happened, but its cancels have
            self._unrecordable(given, now, error)
            return FAILED
        failed: Exception | None = None
        for effect in _recorded_first(effects):
            try:
                self._perform(effect, position, gated)
            except Exception as error:  # noqa: BLE001 - the cancels behind it still go out
                failed = failed or error
        if failed is not None:
            raise failed
        return outcome

    def intent(self, runner: str, command: ChildCommand) -> None:
        """A runner's intent: with it go the newest market facts that the gate will look at."""
        reference = heartbeat = None
        if not isinstance(command, CancelChild):
            reference, heartbeat = self._news(self._symbol(command))
        outcome = self.feed(Intent(runner=runner, command=command, reference=reference, heartbeat=heartbeat))
        self._sensor.on_intent(type(command).__name__, outcome)

    def _symbol(self, command: SubmitChild | ReplaceChild) -> str:
        if type(command) is SubmitChild:
            return command.symbol
        order = self.core.state.ledger.orders.get(command.child_id)
        return order.symbol if order is not None else ""

    def parent(self, partition: int, offset: int, command: ParentCommand) -> None:
        """A record of ``parents.v1``."""
        self.refresh(command.parent.symbol if isinstance(command, NewParent) else command.symbol)
        self.feed(ParentInput(partition=partition, offset=offset, command=command))

    def reference(self, message: ReferenceMessage) -> None:
        """A record of ``ref.v1``: kept until something depends on it, and journalled then."""
        if isinstance(message, ReferenceSnapshot):
            self._latest[message.symbol] = message
            state = self.core.state
            due = state.ledger.books.mark_due(message.symbol, message.reference, message.ts_utc)
            if due or message.symbol in state.waiting:
                self.refresh(message.symbol)
        elif isinstance(message, FeedHeartbeat):
            self._heartbeat = message
            self._watermark = max(self._watermark, message.watermark)
            if message.done and self._clock is not None and self._clock.speed == 0.0:
                # Replayed as fast as possible, the session is over when its source is.
                self._watermark = max(self._watermark, self._clock.market_end)
        else:
            known = self._clock
            if known is None or _terms(known) != _terms(message):
                self._clock, self._watermark = message, 0
                for symbol in self.core.state.waiting:
                    self.refresh(symbol)
                self.feed(message)

    def _news(self, symbol: str) -> tuple[ReferenceSnapshot | None, FeedHeartbeat | None]:
        """What has come since the core last heard of it."""
        state = self.core.state
        snapshot, heartbeat = self._latest.get(symbol), self._heartbeat
        return (
            snapshot if snapshot is not state.market.get(symbol) else None,
            heartbeat if heartbeat is not state.heartbeat else None,
        )

    def refresh(self, symbol: str) -> None:
        """Let the core hear the newest facts of an instrument, ahead of something that is judged by them."""
        for news in self._news(symbol):
            if news is not None:
                self.feed(news)

    def report(self, report: Report) -> None:
        """A report of the broker."""
        self._sensor.on_report(type(report).__name__)
        if type(report) is ExecutionReport and report.exec_type == "0":
            order = self.core.state.ledger.find(report.cl_ord_id)
            if order is not None and order.sent_utc and not report.poss_dup:
                self._sensor.on_leg("acknowledge", self._utc() - order.sent_utc)
        self.feed(report)

    def session(self, name: str, logged_on: bool, detail: str) -> None:
        """The FIX session came up, went down, or stopped trading."""
        log.info("FIX %s %s %s", name, "logged on" if logged_on else "not logged on", detail)
        orders = logged_on and not detail
        self.feed(SessionInput(session=name, logged_on=orders, reachable=self._wire.logged_on, detail=detail))

    def runner_lost(self, runner: str) -> None:
        """C29."""
        log.error("runner %s is lost: no heartbeat", runner)
        self.feed(RunnerLost(runner=runner))

    def tick(self) -> None:
        """What is due by the clock, and the numbers for people. Call it every few milliseconds."""
        now = self.now()
        if self.core.due(now):
            self.feed(Tick())
        if now.utc - self._synced_at >= _SYNC_AT_LEAST_EVERY:
            self._synced_at = now.utc
            self.journal.sync()
            self._count()

    @property
    def latest(self) -> Mapping[str, ReferenceSnapshot]:
        """The newest facts by symbol: the core's own are those that something depended on."""
        return self._latest

    @property
    def heartbeat(self) -> FeedHeartbeat | None:
        """Newest of the feed."""
        return self._heartbeat

    # Effects

    def _journal(self, given: Input, now: Now, outcome: str, effects: list[Effect]) -> int:
        seq, ids = self.seq + 1, self.core.state.ids.given
        frame = Frame(seq=seq, market=now.market, utc=now.utc, body=given, outcome=outcome, ids=ids)
        wait = any(type(effect) is Send and effect.synced for effect in effects)
        position = self.journal.append(encode(frame), sync=wait)
        self.seq = seq  # not before: a number that no frame has would make the journal unreadable
        return position

    def _perform(self, effect: Effect, position: int, gated: int) -> None:
        if type(effect) is Publish:
            self._publish(effect)
        elif isinstance(effect, Send):
            if effect.synced and self.halted:
                self.feed(Unsent(cl_ord_id=effect.cl_ord_id, reason=self.halted))
            elif effect.synced:
                self._held.append(_Held(position, effect, gated))
            else:
                self._send(effect, gated, 0)

    def _publish(self, effect: Publish) -> None:
        message = effect.message
        payload = encode(message)
        if effect.runners:
            self._tell(payload)
        self._record.send_encoded(effect.topic, effect.key, payload)
        if type(message) is ChildDenied:
            self._sensor.on_denied(message.control, message.code)
        elif type(message) is Alarm:
            self._sensor.on_alarm(message.code)
            log.error("alarm %s %s %s", message.code, message.symbol, message.detail)
        elif isinstance(message, ChildFill):
            liquidity = message.liquidity.name.lower()
            self._sensor.on_fill(message.symbol, message.venue, liquidity, message.last_quantity)
        elif isinstance(message, ParentEvent):
            self._sensor.on_parent(type(message).__name__)

    def on_synced(self, position: int) -> None:
        """The journal is on disk up to here: send what waited for that."""
        held, journalled = self._held, self._utc()
        self._synced_at = journalled
        while held and held[0].position <= position:
            waited = held.popleft()
            self._release(waited, journalled)
        while self._replies and self._replies[0][0] <= position:
            self._replies.popleft()[1](True)

    def _release(self, waited: _Held, journalled: int) -> None:
        cl_ord_id = waited.effect.cl_ord_id
        reason = self.halted or self.core.may_send(cl_ord_id)
        if not reason and journalled - waited.gated > _OLDEST_TO_SEND:
            reason = f"the disk took {(journalled - waited.gated) // MILLISECOND} ms"
        if reason:
            self.feed(Unsent(cl_ord_id=cl_ord_id, reason=reason))
            return
        self._send(waited.effect, waited.gated, journalled)

    def _send(self, effect: Send, gated: int, journalled: int) -> None:
        """Hand a request to FIX and put on record what came of it."""
        try:
            at = self._wire.send(effect.request)
        except FixSendError as error:
            if not effect.question:
                self.feed(Unsent(cl_ord_id=effect.cl_ord_id, reason=str(error)))
            return
        except Exception as error:
            log.exception("FIX failed while sending %s", effect.cl_ord_id)
            at = self._utc()
            self.stop_trading(f"FIX failed while sending: {type(error).__name__}: {error}")
        if effect.question:
            return
        if journalled:
            self._legs(effect.cl_ord_id, gated, journalled, at)
        self.feed(Sent(cl_ord_id=effect.cl_ord_id, gated=gated, journalled=journalled, sent=at))

    def _legs(self, cl_ord_id: str, gated: int, journalled: int, sent: int) -> None:
        """How long each part of the way here took. Told when the order is on the wire, not before."""
        order = self.core.state.ledger.find(cl_ord_id)
        on_leg = self._sensor.on_leg
        if order is not None and order.stamps.received:
            if order.stamps.decided:
                on_leg("hop", order.stamps.received - order.stamps.decided)
            on_leg("gate", gated - order.stamps.received)
        on_leg("journal", journalled - gated)
        on_leg("wire", sent - journalled)

    def when_synced(self, reply: Callable[[bool], None]) -> None:
        """Call back with True once everything so far is on disk; with False if it cannot be."""
        if self.journal.failed:
            reply(False)
        elif self.journal.synced >= self.journal.end:
            reply(True)
        else:
            self._replies.append((self.journal.end, reply))
            self.journal.sync()

    # When things go wrong

    def on_journal_failed(self, reason: str) -> None:
        """No disk, no orders: what waits is not sent, what works is cancelled."""
        self.stop_trading(reason)
        while self._held:
            self.feed(Unsent(cl_ord_id=self._held.popleft().effect.cl_ord_id, reason="the journal failed"))
        while self._replies:
            self._replies.popleft()[1](False)

    def _indigestible(self, given: Input, now: Now, error: Exception) -> None:
        """The core failed on an input: record it as such, take back what it asked for, and stop trading."""
        log.error("the core failed on %s", type(given).__name__, exc_info=error)
        effects = self.core.state.effects
        try:
            self._journal(given, now, FAILED, [])
        except Exception as second:  # noqa: BLE001 - the same, and no journal can hold it either
            error = second
        self._take_back(effects, now)
        self.stop_trading(f"internal error on {type(given).__name__}: {type(error).__name__}: {error}")

    def _unrecordable(self, given: Input, now: Now, error: Exception) -> None:
        """No journal can hold this input: the next life will not know of it, so trading stops in this one."""
        log.error("%s cannot be put on record", type(given).__name__, exc_info=error)
        self._take_back(self.core.state.effects, now)
        self.stop_trading(f"{type(given).__name__} cannot be put on record: {type(error).__name__}: {error}")

    def _take_back(self, effects: list[Effect], now: Now) -> None:
        """Of what an input asked for that went wrong, orders are not sent; all else is done."""
        for effect in _recorded_first(effects):
            try:
                if isinstance(effect, Publish):
                    self._publish(effect)
                elif effect.synced:
                    self.feed(Unsent(cl_ord_id=effect.cl_ord_id, reason="internal error"))
                else:
                    self._send(effect, now.utc, 0)  # cancels and questions go out whatever else is broken
            except Exception as error:
                log.error("%s of a failed input failed, too", type(effect).__name__, exc_info=error)

    def stop_trading(self, reason: str) -> None:
        """Send nothing new and cancel everything; only a person and a restart end this."""
        log.critical("trading stops: %s", reason)
        self.halted = self.halted or reason
        if self._panicking or self.core.state.killed:
            return
        self._panicking = True
        try:
            self.feed(KillInput(scope=ALL, by="gateway", reason=reason[:500]))
        finally:
            self._panicking = False

    def _count(self) -> None:
        state = self.core.state
        for symbol, exposure in state.ledger.exposures.items():
            self._sensor.on_exposure(symbol, exposure.position, exposure.working_buy, exposure.working_sell)
        copy = state.drop_copy
        self._sensor.on_drop_copy(copy.session, copy.up, len(copy.open), copy.waiting)
        self._sensor.on_state(
            live=len(state.ledger.live),
            unknown=sum(exposure.unknown for exposure in state.ledger.exposures.values()),
            parents=len(state.open),
            held=len(self._held),
            kills=len(state.kills.engaged),
            logged_on=state.logged_on,
            journal=self.journal.end,
        )


def _recorded_first(effects: list[Effect]) -> list[Effect]:
    """In the order in which the journal tells it again.

    What is sent is an input of its own, with a record of its own: it comes behind all that this one says.
    """
    if len(effects) < 2:
        return effects
    return sorted(effects, key=_is_sent)


def _is_sent(effect: Effect) -> bool:
    return type(effect) is Send


def _terms(clock: SessionClock) -> tuple[Any, ...]:
    return clock.market_start, clock.utc_start, clock.speed, clock.market_end


class Recovery:
    """Folds a journal's payloads into a core, one after the other.

    Attributes:
        seq: Number of the last input so far.
        began, ended: UTC of the first and the latest, nanoseconds; 0 if there is none.
        history: What the inputs so far put on the record.
    """

    def __init__(self, core: Core, record_kept: int = KEPT) -> None:
        self.seq = self.began = self.ended = 0
        self.history = History(record_kept)
        self._core = core

    def take(self, payload: bytes) -> None:
        """Fold one payload in.

        Raises:
            JournalError: If it is not the next input.
        """
        try:
            frame = decode_frame(payload)
        except DecodeError as error:
            raise JournalError(
                f"input {self.seq + 1} of the journal is of another version: {error}"
            ) from error
        if frame.seq != self.seq + 1:
            raise JournalError(
                f"the journal goes from input {self.seq} to {frame.seq}: a part of it is missing"
            )
        self.seq = frame.seq
        self.began = self.began or frame.utc
        self.ended = max(self.ended, frame.utc)
        self.history.add(refold(self._core, frame))


def refold(core: Core, frame: Frame) -> list[Effect]:
    """Apply one recorded input again; returns the effects that it had then."""
    now = Now(frame.market, frame.utc)
    if frame.outcome == FAILED:
        try:
            core.apply(frame.body, now, ids=frame.ids)
        except Exception as error:  # noqa: BLE001 - it failed then, and fails alike now
            log.warning("input %d failed again as it did: %r", frame.seq, error)
        return [effect for effect in core.state.effects if isinstance(effect, Publish)]
    return core.apply(frame.body, now, frame.outcome, frame.ids)[0]
