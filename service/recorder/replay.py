"""A run's recorded inputs through the same core again: where, if anywhere, does it go another way."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Final

from service.inference.model import Model, ModelError, load_model
from service.inference.registry import find_model
from service.model.codec import encode
from service.model.message import Message
from service.model.records import Decision, InputBatch, ModelAnswer, NumberedInput
from service.recorder.recording import Record, Recording
from service.runner.outputs import ModelRequest
from service.runner.replaying import Replayed, replay
from service.runner.start import Start, build_core, differences, read_start, start_path
from service.transport.topics import DECISIONS, INPUTS, MD

TOLERANCE: Final = 1e-5
"""Largest difference of a model's answer run again: batches of another size may round another way."""


class CheckError(ValueError):
    """A run cannot be replayed; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class DecisionDifference:
    """Recorded and replayed decisions of one input; either may be missing."""

    input_seq: int
    recorded: list[Decision]
    replayed: list[Decision]


@dataclass(slots=True)
class InstanceCheck:
    """What replaying one runner instance showed.

    Attributes:
        first: The first input whose digest differs; None if all agree.
        first_decision: The first input whose decisions differ; None if all agree.
        notes: What a reader should know besides, such as a policy whose code has changed since.
        rows: Rows that the models were run on again; ``drift`` the largest difference of an answer.
        first_row: The first input whose answer is not the recorded one within ``TOLERANCE``.
        unfollowed: Recorded decisions after the last recorded input: a killed runner loses its last inputs.
    """

    instance: str
    inputs: int = 0
    market_events: int = 0
    conflated: int = 0
    decisions: int = 0
    digests: int = 0
    unfollowed: int = 0
    rows: int = 0
    drift: float = 0.0
    first_row: int | None = None
    first: Replayed | None = None
    first_decision: DecisionDifference | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        """Every digest and every decision is the recorded one, and every answer that was run again."""
        return self.first is None and self.first_decision is None and self.first_row is None


def check(run_dir: Path, recording: Recording, *, models: bool = False) -> Iterator[InstanceCheck]:
    """Replay every runner instance of a run, one after the other.

    Args:
        models: Run the models again, too, and compare their answers within ``TOLERANCE``.

    Raises:
        ModelError: A model of the run is not to be had, or is another one now.
        CheckError: The run has no recorded inputs.
        RecordingError: A file of the recording cannot be read.
        StartError: An instance's start document, or a policy that it had, is missing.
        ReplayError: An input, or the market event that it names, is not in the recording.
    """
    instances = _instances(recording)
    if not instances:
        raise CheckError(f"{recording.folder}: no runner inputs were recorded")
    decisions = _decisions(recording)
    for instance, until in instances.items():
        start = read_start(start_path(run_dir, instance))
        yield _check_instance(start, until, recording, decisions, _served(start) if models else {})


def _instances(recording: Recording) -> dict[str, float]:
    """Every instance, and the UTC at which the next life of the same runner began; infinity if none did."""
    born: dict[str, tuple[str, int]] = {}
    for batch in recording.messages(INPUTS, InputBatch):
        born.setdefault(batch.instance, (batch.runner_id, batch.items[0].utc))
    return {
        instance: min((other for who, other in born.values() if who == runner and other > utc), default=inf)
        for instance, (runner, utc) in born.items()
    }


_Decisions = dict[str, dict[tuple[int, int], list[Decision]]]


def _decisions(recording: Recording) -> _Decisions:
    """Recorded decisions by runner, then by number and UTC of the input that they followed."""
    found: _Decisions = defaultdict(lambda: defaultdict(list))
    for decision in recording.messages(DECISIONS, Decision):
        found[decision.runner_id][(decision.input_seq, decision.ts_utc)].append(decision)
    return found


class _Market:
    """Market events by partition and offset, for offsets that rise; going back reads from the beginning."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._streams: dict[int, Iterator[Record]] = {}
        self._heads: dict[int, Record | None] = {}

    def at(self, partition: int, offset: int) -> Message | None:
        """The event at that place; None if it is not in the recording."""
        head = self._heads.get(partition)
        if partition not in self._streams or (head is not None and head.offset > offset):
            self._streams[partition] = self._recording.partition(MD, partition)
            head = next(self._streams[partition], None)
        while head is not None and head.offset < offset:
            head = next(self._streams[partition], None)
        self._heads[partition] = head
        if head is None or head.offset != offset:
            return None
        message: Message = head.message
        return message


def _inputs(recording: Recording, instance: str) -> Iterator[tuple[NumberedInput, Message | None]]:
    market = _Market(recording)
    taken = 0
    for batch in recording.messages(INPUTS, InputBatch):
        if batch.instance != instance or batch.items[-1].seq <= taken:
            # A producer that lost its broker in mid-air may have put the same batch there twice.
            continue
        for item in batch.items:
            yield item, None if item.body else market.at(item.partition, item.offset)
            taken = item.seq


def _served(start: Start) -> dict[str, Model]:
    models = {name: load_model(find_model(name)) for name in start.models}
    for name, model in models.items():
        if model.label != start.models[name].label:
            raise ModelError(f"model {name} was {start.models[name].label}, here it is {model.label}")
    return models


class _Answers:
    """Runs the models again on the rows that the core asks about, and compares with what was recorded."""

    def __init__(self, models: dict[str, Model], found: InstanceCheck) -> None:
        self._models = models
        self._found = found
        self._asked: dict[int, ModelRequest] = {}

    def take(self, step: Replayed) -> None:
        """One replayed input: remember what it asked, compare what it answered."""
        if not self._models:
            return
        message = step.message
        if isinstance(message, ModelAnswer):
            request = self._asked.pop(message.request, None)
            if request is not None and message.rows:
                self._compare(step.recorded.seq, request, message)
        self._asked.update((request.number, request) for request in step.outputs.requests)

    def _compare(self, seq: int, request: ModelRequest, answer: ModelAnswer) -> None:
        found = self._found
        again = self._models[request.model].run(request.rows)
        found.rows += len(again)
        same = len(again) == len(answer.rows)
        for was, now in zip(answer.rows, again, strict=False):
            drift = max((abs(a - b) for a, b in zip(was, now, strict=False)), default=0.0)
            found.drift = max(found.drift, drift)
            same &= len(was) == len(now) and drift <= TOLERANCE
        if not same and found.first_row is None:
            found.first_row = seq


def _check_instance(
    start: Start, until: float, recording: Recording, decisions: _Decisions, models: dict[str, Model]
) -> InstanceCheck:
    found = InstanceCheck(start.instance, notes=differences(start))
    recorded = decisions[start.runner_id]
    answers = _Answers(models, found)
    last = (0, 0)
    for step in replay(build_core(start), _inputs(recording, start.instance)):
        item = step.recorded
        answers.take(step)
        last = (item.seq, item.utc)
        found.inputs += 1
        found.market_events += not item.body
        found.conflated += item.conflated
        if step.agrees:
            found.digests += 1
        elif found.first is None:
            found.first = step
        expected = recorded.pop((item.seq, item.utc), [])
        decided = step.outputs.decisions
        found.decisions += len(expected)
        if found.first_decision is None and [*map(encode, expected)] != [*map(encode, decided)]:
            found.first_decision = DecisionDifference(item.seq, expected, decided)
    _judge_rest(found, recorded, last, until)
    return found


def _judge_rest(
    found: InstanceCheck,
    recorded: dict[tuple[int, int], list[Decision]],
    last: tuple[int, int],
    until: float,
) -> None:
    """Recorded decisions of this life that no input led to.

    Args:
        last: Number and UTC of the last recorded input.
        until: When a later life of the same runner began, which numbers from 1 again: what was decided
            then is not for this one to explain.
    """
    for key in sorted(recorded):
        seq, utc = key
        # Events that one fetch brought have one UTC.
        if (utc, seq) <= (last[1], last[0]):
            unexplained = recorded.pop(key)
            if found.first_decision is None:
                found.first_decision = DecisionDifference(seq, unexplained, [])
        elif seq > last[0] and utc < until:
            found.unfollowed += len(recorded.pop(key))


def report(found: InstanceCheck) -> list[str]:
    """What the check of one instance showed, for a person."""
    market = f"{found.market_events:,} market events, {found.conflated:,} conflated"
    lines = [f"{found.instance}: {found.inputs:,} inputs ({market}), {found.decisions:,} decisions"]
    lines += [f"  note: {note}" for note in found.notes]
    if found.unfollowed:
        lines.append(f"  note: {found.unfollowed} decisions follow the last recorded input: it was cut off")
    if found.rows:
        agreed = (
            "" if found.first_row is None else f"; input {found.first_row} is the first past {TOLERANCE:g}"
        )
        lines.append(
            f"  models run again on {found.rows:,} rows: largest difference {found.drift:.3g}{agreed}"
        )
    if found.agrees:
        lines.append("  OK: every digest and every decision is the recorded one")
        return lines
    if found.first is not None:
        lines.append(f"  first input whose digest differs: {_input_text(found.first)}")
        lines.append(f"  {found.inputs - found.digests:,} of {found.inputs:,} digests differ")
    else:
        lines.append("  every digest is the recorded one")
    difference = found.first_decision
    if difference is None:
        lines.append("  no decision differs")
    else:
        lines.append(f"  first decision that differs: after input {difference.input_seq}")
        lines += [f"    recorded  {_decision_text(d)}" for d in difference.recorded] or ["    recorded  none"]
        lines += [f"    replayed  {_decision_text(d)}" for d in difference.replayed] or ["    replayed  none"]
    return lines


def _input_text(step: Replayed) -> str:
    item = step.recorded
    kind = type(step.message).__name__
    symbol = getattr(step.message, "symbol", "")
    where = "inline" if item.body else f"{MD} partition {item.partition} offset {item.offset}"
    return (
        f"{item.seq} ({kind}{f' of {symbol}' if symbol else ''}, {where}, market time {item.market}, "
        f"UTC {item.utc}), recorded {item.digest:08x}, now {step.digest:08x}"
    )


def _decision_text(decision: Decision) -> str:
    return (
        f"{decision.action} {decision.child_id or decision.parent_id} quantity {decision.quantity} "
        f"price {decision.price} target {decision.target} filled {decision.filled} "
        f"working {decision.working} score {decision.score} {decision.reason}"
    ).rstrip()
