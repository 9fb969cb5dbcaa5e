"""The shell around the core: it has the clock, numbers every input, and carries out what comes back.

It owns no connection: what goes to Kafka, to the gateway and to models leaves through what it was given, so
that live, benchmark and test run the same shell.
"""

from __future__ import annotations

import logging
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Final, Protocol

import msgspec

from service.model.codec import encode
from service.model.market import BookSnapshot, FeedHeartbeat, ReferenceSnapshot
from service.model.message import Message
from service.model.orders import ChildCommand
from service.model.records import (
    InputBatch,
    ModelAnswer,
    NumberedInput,
    Partitions,
    Stale,
    Timer,
)
from service.model.time import SECOND, Now, SessionClock
from service.runner.core import Core
from service.runner.outputs import NOTHING, ModelRequest, Outputs
from service.telemetry.figures import FiguresSensor
from service.telemetry.runner import RunnerSensor
from service.transport.consumer import Batch
from service.transport.topics import DECISIONS, INPUTS, SIGNALS

MOST_ITEMS: Final = 500
"""Inputs in one record of ``inputs.v1``."""
_LATE: Final = SECOND
"""Age beyond which an event was late when it got here, ns."""
_PUBLISHED: Final = attrgetter("ts_utc")

log = logging.getLogger(__name__)

Ask = Callable[[int, str, Sequence[tuple[float, ...]]], ModelAnswer | None]


class Record(Protocol):
    """The part of a producer that is used here."""

    def send(self, topic: str, key: bytes | None, message: Message) -> None: ...


class Shell:
    """Feeds a core.

    Args:
        revision: Digest of what the core was started with.
        send: Hands a command to the gateway; false if it is not there.
        ask: Asks a model (``ModelServer.ask``); answers that it does not give at once come to ``answer``.
        stale_after: Age of the feed's heartbeat beyond which market data is stale, ns of UTC.
        conflate_above: Market events in one fetch beyond which only the newest book of each instrument is
            decided on.
        utc: The wall clock, ns since the epoch.
    """

    def __init__(
        self,
        core: Core,
        *,
        instance: str,
        revision: str,
        record: Record,
        send: Callable[[ChildCommand], bool],
        ask: Ask,
        stale_after: int,
        conflate_above: int,
        sensor: RunnerSensor | None = None,
        figures: FiguresSensor | None = None,
        utc: Callable[[], int] = time.time_ns,
    ) -> None:
        self.core = core
        self.owned: tuple[int, ...] = ()
        self._instance = instance
        self._key = instance.encode()
        self._revision = revision
        self._record = record
        self._send = send
        self._ask = ask
        self._stale_after = stale_after
        self._conflate_above = conflate_above
        self._sensor = sensor or RunnerSensor()
        self._figures = figures or FiguresSensor()
        self._figures_at = 0
        self._utc = utc
        self._clock: SessionClock | None = None
        self._watermark = 0
        self._market = 0
        self._beats: dict[int, int] = {}
        self._items: list[NumberedInput] = []
        self._waiting: list[ModelRequest] = []
        self._batched: dict[int, list[ModelRequest]] = {}
        self._in_turn = False

    # Time

    def now(self) -> Now:
        """Market time and UTC. Market time never runs backwards under one session clock."""
        return self._at(self._utc())

    def _at(self, utc: int) -> Now:
        clock = self._clock
        market = self._watermark if clock is None else clock.market(utc, self._watermark)
        if market > self._market:
            self._market = market
        return Now(self._market, utc)

    # Inputs

    def market(self, batches: Sequence[Batch]) -> int:
        """Take fetched records of ``md.v1`` in, all as of this moment; returns how many."""
        began = self._utc()
        total = sum(len(batch.messages) for batch in batches)
        if not total:
            return 0
        conflating = total > self._conflate_above
        skipped = 0
        self._in_turn = True
        for batch in batches:
            skipped += self._partition(batch, began, conflating)
        self._in_turn = False
        self._ask_models()
        # In the order of their publication: what is late lies in front.
        late = sum(bisect_left(batch.messages, began - _LATE, key=_PUBLISHED) for batch in batches)
        newest = batches[-1].messages[-1]
        self._sensor.on_feed(began - newest.ts_utc)
        self._sensor.on_turn(total, skipped, late, self._utc() - began)
        return total

    def _partition(self, batch: Batch, utc: int, conflating: bool) -> int:
        """One partition's records; returns how many nothing was decided on."""
        core, items, partition = self.core, self._items, batch.partition
        apply, append = core.apply, items.append
        messages = batch.messages
        decisive = _newest_books(messages) if conflating else None
        by_watermark = self._clock is None or self._clock.speed == 0.0
        now = self._at(utc)
        skipped = 0
        for n, message in enumerate(messages):
            conflated = False
            if type(message) is FeedHeartbeat:
                self._beat(partition, message)
                now = self._at(utc)
            else:
                if by_watermark and message.ts_event > self._watermark:
                    self._watermark = message.ts_event
                    now = self._at(utc)
                if decisive is not None and n not in decisive:
                    conflated = True
                    skipped += 1
            out = apply(message, now, conflated=conflated)
            append(
                NumberedInput(
                    seq=core.seq,
                    market=now.market,
                    utc=utc,
                    partition=partition,
                    offset=batch.offsets[n],
                    body=b"",
                    digest=core.digest,
                    conflated=conflated,
                )
            )
            if out is not NOTHING:
                self._follow(out, utc)
        if len(items) >= MOST_ITEMS:
            self.flush()
        return skipped

    def _beat(self, partition: int, beat: FeedHeartbeat) -> None:
        self._beats[partition] = max(self._beats.get(partition, 0), beat.ts_utc)
        self._watermark = max(self._watermark, beat.watermark)

    def inline(self, message: Message) -> None:
        """Take in what lies on no topic: the gateway's word, a timer, an answer, a change of the world."""
        core, now = self.core, self.now()
        out = core.apply(message, now)
        self._items.append(
            NumberedInput(
                seq=core.seq,
                market=now.market,
                utc=now.utc,
                partition=-1,
                offset=-1,
                body=encode(message),
                digest=core.digest,
            )
        )
        self._follow(out, now.utc)
        if not self._in_turn:
            self._ask_models()

    def session(self, clock: SessionClock) -> None:
        """Hear the session clock; it is an input only when it says something new."""
        known = self._clock
        if known is None or msgspec.structs.replace(clock, ts_utc=known.ts_utc) != known:
            if known is not None:
                # Another session: its market time may lie before that of the last one.
                self._market = self._watermark = 0
            self._clock = clock
            self.inline(clock)

    def reference_fact(self, fact: ReferenceSnapshot) -> None:
        """Hear a reference fact: an input only where the core has to know the session's volume."""
        if fact.symbol in self.core.unanchored:
            self.inline(fact)

    def partitions(self, owned: tuple[int, ...]) -> None:
        """The group assigned partitions of ``md.v1``, or took them back."""
        self.owned = owned
        self._beats = {p: beat for p, beat in self._beats.items() if p in owned}
        self.inline(Partitions(owned=owned))

    def tick(self) -> None:
        """A tick of the clock: staleness first, then the core's timer."""
        if self.owned:
            utc = self._utc()
            age = utc - min(self._beats.get(p, 0) for p in self.owned)
            if (age > self._stale_after) != self.core.stale:
                self.inline(Stale(stale=not self.core.stale, age=age))
        self.inline(Timer())
        core = self.core
        self._sensor.on_state(
            parents=len(core.parents), partitions=len(self.owned), stale=core.stale, synced=core.synced
        )
        if abs(self._utc() - self._figures_at) >= SECOND:
            self._figures_at = self._utc()
            self._tell_figures()

    def _tell_figures(self) -> None:
        oldest = min((self._beats.get(partition, 0) for partition in self.owned), default=0)
        self._figures.on_heartbeat(self._figures_at - oldest if oldest else None)
        self._figures.on_deviation(
            {
                (parent.id,): (parent.filled - parent.due) / parent.snapshot.parent.quantity
                for parent in self.core.parents.values()
            }
        )

    # What comes back

    def _follow(self, out: Outputs, tick: int) -> None:
        """Send, record, and remember what to ask."""
        for command in out.commands:
            decided = self._utc()
            stamps = msgspec.structs.replace(command.stamps, decided=decided)
            if not self._send(msgspec.structs.replace(command, stamps=stamps)):
                log.warning("the gateway is gone and did not get %s; it is decided again", command)
            if stamps.feed:
                self._sensor.on_decided(decided - tick)
        for decision in out.decisions:
            self._record.send(DECISIONS, decision.parent_id.encode(), decision)
            self._sensor.on_decision(decision.policy, decision.action)
            if decision.action == "alarm":
                log.error("parent %s is stopped: %s", decision.parent_id, decision.reason)
        for signal in out.signals:
            self._record.send(SIGNALS, signal.symbol.encode(), signal)
        self._waiting += out.requests
        if out.dropped:
            self._sensor.on_dropped(out.dropped)
        if out.missed:
            self._sensor.on_missed(out.missed)

    def _ask_models(self) -> None:
        """One call per model for the rows of all parents that fell due in this turn."""
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            by_model: dict[str, list[ModelRequest]] = {}
            for request in waiting:
                by_model.setdefault(request.model, []).append(request)
            for model, requests in by_model.items():
                number = requests[0].number
                self._batched[number] = requests
                answer = self._ask(number, model, [row for r in requests for row in r.rows])
                if answer is not None:
                    self.answer(answer)

    def answer(self, answer: ModelAnswer) -> None:
        """A model answered, or did not: the batch is taken apart again, one input per request."""
        at = 0
        for request in self._batched.pop(answer.request, []):
            count = len(request.rows)
            rows = answer.rows[at : at + count]
            at += count
            self.inline(msgspec.structs.replace(answer, request=request.number, rows=rows))

    def flush(self) -> None:
        """Hand the numbered inputs so far to the record."""
        items = self._items
        for at in range(0, len(items), MOST_ITEMS):
            batch = InputBatch(
                runner_id=self.core.runner_id,
                instance=self._instance,
                revision=self._revision,
                items=tuple(items[at : at + MOST_ITEMS]),
            )
            self._record.send(INPUTS, self._key, batch)
        # In place: a turn under way holds on to this list.
        items.clear()


def _newest_books(messages: Sequence[Message]) -> set[int]:
    """Position of the newest book of each instrument."""
    seen: set[str] = set()
    newest: set[int] = set()
    for n in range(len(messages) - 1, -1, -1):
        message = messages[n]
        if isinstance(message, BookSnapshot) and message.symbol not in seen:
            seen.add(message.symbol)
            newest.add(n)
    return newest
