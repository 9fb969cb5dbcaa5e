"""A recording of a runner's lives against the core: each life is judged by what it decided itself."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from service.model.market import BookSnapshot
from service.model.records import GatewayLink, InputBatch, NumberedInput, Partitions, Stale
from service.model.stream import StreamSynced
from service.model.time import SECOND, Now, SessionClock
from service.policy.registry import discover
from service.recorder.recording import Recording, RecordingWriter
from service.recorder.replay import InstanceCheck, check
from service.runner.start import Start, build_core, write_start
from tests.unit.runner.desk import OPEN, REFERENCE_TEXT, UTC, Desk

MD, INPUTS, DECISIONS = "md.v1", "inputs.v1", "decisions.v1"


def start_of(life: int) -> Start:
    sources = discover().sources
    return Start(
        runner_id="R1",
        instance=f"R1-{life}",
        reference=REFERENCE_TEXT,
        partitions=1,
        policies={"twap": sources["twap"]},
    )


def life_of(start: Start, born: int, books: int) -> Desk:
    """One life of the runner: a parent, and so many books of a quiet market, one a second."""
    desk = Desk(ready=False)
    desk.core = build_core(start)
    desk.now = Now(OPEN + born, UTC + born)
    clock = SessionClock(
        market_start=OPEN, utc_start=UTC, speed=1.0, market_end=OPEN + 23_400 * SECOND, ts_utc=UTC
    )
    ready = (
        Partitions(owned=(0,)),
        Stale(stale=False, age=0),
        GatewayLink(up=True),
        StreamSynced(parents=0, ts_utc=UTC),
    )
    for message in (clock, *ready):
        desk.feed(message)
    desk.admit(quantity=100_000, max_clip=100)
    for _ in range(books):
        desk.wait(1.0)
        desk.comply(desk.book(), fill=True)
    return desk


class Record:
    """What the lives of one runner leave behind."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self.writer = RecordingWriter(run_dir / "recording")
        self.ends = {(topic, 0): 0 for topic in (MD, INPUTS, DECISIONS)}

    def add(self, start: Start, life: Desk, *, cut: int = 0) -> None:
        """Record a life; of its inputs the last ``cut`` never arrived."""
        write_start(start, self.run_dir)
        numbered: list[NumberedInput] = []
        for number, message in life.inputs:
            if isinstance(message, BookSnapshot):
                numbered.append(replace(number, offset=self.ends[MD, 0]))
                self.append(MD, [message])
            else:
                numbered.append(replace(number, partition=-1, offset=-1))
        items = tuple(numbered[: len(numbered) - cut])
        batch = InputBatch(runner_id="R1", instance=start.instance, revision=start.revision, items=items)
        self.append(INPUTS, [batch])
        self.append(DECISIONS, life.decisions)

    def append(self, topic: str, messages: list[object]) -> None:
        first = self.ends[topic, 0]
        self.ends[topic, 0] += len(messages)
        self.writer.append(topic, 0, range(first, first + len(messages)), [b"AURA"] * len(messages), messages)

    def checked(self) -> list[InstanceCheck]:
        self.writer.flush([MD, INPUTS, DECISIONS], self.ends)
        self.writer.finish(complete=True)
        return list(check(self.run_dir, Recording(self.run_dir / "recording")))


@pytest.mark.parametrize("cut", [0, 30])
def test_each_life_keeps_its_decisions_when_a_killed_runner_comes_back_and_lives_longer(
    tmp_path: Path, cut: int
) -> None:
    record = Record(tmp_path)
    first, second = start_of(1), start_of(2)
    short, long = life_of(first, 0, 60), life_of(second, 600 * SECOND, 200)
    record.add(first, short, cut=cut)
    record.add(second, long)
    one, two = record.checked()
    assert one.agrees, one.first_decision
    assert two.agrees, two.first_decision
    assert one.decisions + one.unfollowed == len(short.decisions) > 0
    assert (one.unfollowed > 0) == (cut > 0)
    assert two.decisions == len(long.decisions) > len(short.decisions)
    assert two.unfollowed == 0


def test_a_decision_that_no_input_led_to_is_a_difference_when_it_lies_within_the_life(tmp_path: Path) -> None:
    record = Record(tmp_path)
    life = life_of(start_of(1), 0, 60)
    stray = replace(life.decisions[-1], input_seq=life.decisions[-1].input_seq - 1)
    life.decisions.append(stray)
    record.add(start_of(1), life)
    (one,) = record.checked()
    assert one.first is None
    assert one.first_decision is not None
    assert one.first_decision.recorded == [stray]
    assert one.first_decision.replayed == []
