"""The shell numbers what it feeds, has the clock, conflates under load, and asks models in batches."""

from collections.abc import Sequence
from typing import Any

import pytest

from service.model.codec import inline_input
from service.model.market import BookSnapshot, FeedHeartbeat, Trade
from service.model.message import Message
from service.model.records import GatewayLink, InputBatch, ModelAnswer, NumberedInput, Stale, Timer
from service.model.stream import StreamSynced
from service.model.time import MILLISECOND, SECOND, SessionClock
from service.runner.replaying import replay
from service.runner.shell import MOST_ITEMS, Shell
from service.telemetry.runner import RunnerSensor
from service.transport.consumer import Batch
from tests.unit.runner.desk import OPEN, PARTITIONS, UTC, Desk, make_core
from tests.unit.runner.test_models import LABEL, desk_with


class Room(RunnerSensor):
    """A shell, and everything that leaves it."""

    def __init__(self, desk: Desk | None = None, *, conflate_above: int = 500, speed: float = 1.0) -> None:
        self.time = UTC
        self.records: list[tuple[str, Message]] = []
        self.commands: list[Any] = []
        self.asked: list[tuple[int, str, list[tuple[float, ...]]]] = []
        self.reply: ModelAnswer | None = None
        self.turns: list[tuple[int, int, int]] = []
        self.offsets = {0: 0, 1: 0}
        self.seq = {"AURA": 0, "BOLT": 0}
        policies = None if desk is None else desk.core._policies
        self.make = lambda: make_core(policies, {} if desk is None else LABEL)
        self.shell = Shell(
            self.make(),
            instance="R1-1",
            revision="abc",
            record=self,
            send=self.hand_over,
            ask=self.ask,
            stale_after=1_000 * MILLISECOND,
            conflate_above=conflate_above,
            sensor=self,
            utc=lambda: self.time,
        )
        self.shell.session(
            SessionClock(
                market_start=OPEN, utc_start=UTC, speed=speed, market_end=OPEN + 23_400 * SECOND, ts_utc=UTC
            )
        )
        self.shell.partitions((0, 1))
        self.beat()
        self.shell.tick()
        self.shell.inline(GatewayLink(up=True))
        self.shell.inline(StreamSynced(parents=0, ts_utc=UTC))

    def send(self, topic: str, key: bytes | None, message: Message) -> None:
        self.records.append((topic, message))

    def hand_over(self, command: Any) -> bool:
        self.commands.append(command)
        return True

    def ask(self, number: int, model: str, rows: Sequence[tuple[float, ...]]) -> ModelAnswer | None:
        self.asked.append((number, model, list(rows)))
        if self.reply is None:
            return None
        return ModelAnswer(request=number, rows=tuple((1.0,) for _ in rows), elapsed=1)

    def on_turn(self, events: int, conflated: int, late: int, elapsed: int) -> None:
        self.turns.append((events, conflated, late))

    def fetch(self, *messages: Any) -> None:
        """One fetch: each message on its instrument's partition."""
        by_partition: dict[int, list[Any]] = {}
        for message in messages:
            by_partition.setdefault(PARTITIONS[message.symbol], []).append(message)
        self.shell.market([self.batch(p, ms) for p, ms in by_partition.items()])

    def batch(self, partition: int, messages: list[Any]) -> Batch:
        first = self.offsets[partition]
        self.offsets[partition] += len(messages)
        return Batch(
            "md.v1",
            partition,
            list(range(first, first + len(messages))),
            [None] * len(messages),
            messages,
        )

    def beat(self, watermark: int = OPEN) -> None:
        for partition in (0, 1):
            heartbeat = FeedHeartbeat(feed="F", watermark=watermark, ts_utc=self.time, published=0)
            self.shell.market([self.batch(partition, [heartbeat])])

    def book(self, symbol: str = "AURA", ts: int = OPEN) -> BookSnapshot:
        return BookSnapshot(
            symbol=symbol,
            venue="XSIM",
            ts_event=ts,
            ts_utc=self.time - MILLISECOND,
            seq=self.next_seq(symbol),
            bids=((9_900, 100),),
            asks=((10_000, 100),),
        )

    def trade(self, symbol: str = "AURA") -> Trade:
        return Trade(
            symbol=symbol,
            venue="XSIM",
            ts_event=OPEN,
            ts_utc=self.time,
            seq=self.next_seq(symbol),
            price=9_950,
            quantity=7,
        )

    def next_seq(self, symbol: str) -> int:
        self.seq[symbol] += 1
        return self.seq[symbol]

    def admit(self, *arguments: Any, **changes: Any) -> None:
        source = Desk(ready=False)
        source.admit(*arguments, **changes)
        self.shell.inline(source.inputs[0][1])

    def items(self) -> list[NumberedInput]:
        self.shell.flush()
        return [item for _, m in self.records if isinstance(m, InputBatch) for item in m.items]


def test_every_input_is_numbered_with_its_place_or_its_body() -> None:
    room = Room()
    room.fetch(room.book(), room.trade(), room.book("BOLT"))
    room.shell.inline(Timer())
    items = room.items()
    assert [i.seq for i in items] == list(range(1, len(items) + 1))
    *_, first, second, bolt, timer = items
    assert [(i.partition, i.offset, i.body) for i in (first, second, bolt)] == [
        (0, 1, b""),
        (0, 2, b""),
        (1, 1, b""),
    ]
    assert (timer.partition, timer.offset) == (-1, -1)
    assert inline_input(timer.body) == Timer()
    assert timer.digest == room.shell.core.digest


def test_what_the_shell_recorded_replays_to_the_same_digests_and_decisions() -> None:
    room = Room(conflate_above=5)
    stored: dict[tuple[int, int], Message] = {}
    room.admit("P1")
    for step in range(200):
        room.time += 300 * MILLISECOND
        if step % 3 == 0:
            room.beat()
            for partition in (0, 1):
                offset = room.offsets[partition] - 1
                stored[partition, offset] = FeedHeartbeat(
                    feed="F", watermark=OPEN, ts_utc=room.time, published=0
                )
        events = [room.book(), room.trade(), room.book("BOLT")] * (3 if step % 10 == 0 else 1)
        if step % 10 == 0:
            events = [room.book() for _ in range(9)]
        at = dict(room.offsets)
        for event in events:
            partition = PARTITIONS[event.symbol]
            stored[partition, at[partition]] = event
            at[partition] += 1
        room.fetch(*events)
        room.shell.tick()
    items = room.items()
    beat = FeedHeartbeat(feed="F", watermark=OPEN, ts_utc=UTC, published=0)
    inputs = [(i, None if i.body else stored.get((i.partition, i.offset), beat)) for i in items]
    replayed = list(replay(room.make(), inputs))
    assert all(r.agrees for r in replayed)
    assert any(i.conflated for i in items)
    decisions = [m for topic, m in room.records if topic == "decisions.v1"]
    assert decisions
    assert [d for r in replayed for d in r.outputs.decisions] == decisions


def test_only_the_newest_book_of_each_instrument_is_decided_on_when_many_wait() -> None:
    room = Room(conflate_above=5)
    before = len(room.items())
    room.fetch(*[room.book() for _ in range(3)], room.trade(), room.book("BOLT"), room.book(), room.trade())
    items = {(i.partition, i.offset): i.conflated for i in room.items()[before:]}
    assert items == {
        (0, 1): True, (0, 2): True, (0, 3): True, (0, 4): True, (0, 5): False, (0, 6): True, (1, 1): False
    }  # fmt: skip
    assert room.turns[-1] == (7, 5, 0)
    slot = room.shell.core.slots["AURA"]
    assert (slot.conflated, slot.market.volume) == (5, 14)


def test_every_event_is_decided_on_when_few_wait() -> None:
    room = Room(conflate_above=5)
    room.fetch(*[room.book() for _ in range(5)])
    assert not any(i.conflated for i in room.items())


def test_every_event_that_waited_for_over_a_second_counts_as_late_however_fresh_the_newest_is() -> None:
    room = Room()
    old = [room.book(), room.book(), room.book("BOLT")]
    room.time += SECOND
    new = [room.book(), room.book("BOLT")]
    room.fetch(*old, *new)
    assert room.turns[-1] == (5, 0, 3)
    room.fetch(room.book())
    assert room.turns[-1] == (1, 0, 0)


def test_market_time_follows_the_session_clock_and_never_runs_back() -> None:
    room = Room(speed=60.0)
    room.time += SECOND
    assert room.shell.now() == (OPEN + 60 * SECOND, UTC + SECOND)
    room.time -= SECOND // 2
    assert room.shell.now().market == OPEN + 60 * SECOND


def test_market_time_is_the_newest_event_when_replayed_as_fast_as_possible() -> None:
    room = Room(speed=0.0)
    room.fetch(room.book(ts=OPEN + 5 * SECOND))
    assert room.shell.now().market == OPEN + 5 * SECOND
    room.fetch(room.book(ts=OPEN + 3 * SECOND))
    assert room.shell.now().market == OPEN + 5 * SECOND
    room.beat(watermark=OPEN + 9 * SECOND)
    assert room.shell.now().market == OPEN + 9 * SECOND


def test_a_session_clock_that_says_nothing_new_is_no_input() -> None:
    room = Room()
    before = room.shell.core.seq
    clock = SessionClock(
        market_start=OPEN, utc_start=UTC, speed=1.0, market_end=OPEN + 23_400 * SECOND, ts_utc=UTC + SECOND
    )
    room.shell.session(clock)
    assert room.shell.core.seq == before


def test_market_data_is_stale_when_the_heartbeat_is_too_old_and_good_again_with_the_next() -> None:
    room = Room()
    assert not room.shell.core.stale
    room.time += 900 * MILLISECOND
    room.shell.tick()
    assert not room.shell.core.stale
    room.time += 200 * MILLISECOND
    room.fetch(room.book())
    room.shell.tick()
    assert room.shell.core.stale
    room.beat()
    room.shell.tick()
    assert not room.shell.core.stale
    bodies = [inline_input(i.body) for i in room.items() if i.body]
    assert [m.stale for m in bodies if isinstance(m, Stale)] == [False, True, False]


def test_one_partition_without_heartbeat_is_enough_to_be_stale() -> None:
    room = Room()
    room.time += 2 * SECOND
    beat = FeedHeartbeat(feed="F", watermark=OPEN, ts_utc=room.time, published=0)
    room.shell.market([room.batch(0, [beat])])
    room.shell.tick()
    assert room.shell.core.stale


def test_a_command_carries_the_stamps_of_its_way() -> None:
    room = Room()
    room.admit("P1")
    assert room.commands == []
    room.fetch(room.book())
    (command,) = room.commands
    stamps = command.stamps
    assert (stamps.feed, stamps.tick, stamps.decided) == (UTC - MILLISECOND, UTC, UTC)
    assert command.stamps.received == 0


def test_rows_of_one_turn_are_one_call_and_the_answer_is_taken_apart() -> None:
    room = Room(desk_with())
    room.reply = ModelAnswer(request=0, rows=())
    room.admit("P1", policy="thinking")
    room.admit("P2", policy="thinking", symbol="BOLT")
    room.fetch(room.book(), room.book("BOLT"))
    assert room.asked == [(1, "timer", [(1.0, 2.0), (1.0, 2.0)])]
    assert [c.parent_id for c in room.commands] == ["P1", "P2"]


@pytest.mark.parametrize("missed", ["", "budget"])
def test_an_answer_that_comes_later_is_taken_apart_too(missed: str) -> None:
    room = Room(desk_with())
    room.admit("P1", policy="thinking")
    room.admit("P2", policy="thinking", symbol="BOLT")
    room.fetch(room.book(), room.book("BOLT"))
    assert room.commands == []
    rows = () if missed else ((1.0,), (1.0,))
    room.shell.answer(ModelAnswer(request=1, rows=rows, missed=missed, elapsed=5))
    assert [c.parent_id for c in room.commands] == ["P1", "P2"]
    assert [c.reason for c in room.commands] == (["join"] * 2 if missed else ["model"] * 2)


def test_a_long_run_of_inputs_is_cut_into_records() -> None:
    room = Room()
    for _ in range(MOST_ITEMS + 3):
        room.shell.inline(Timer())
    room.shell.flush()
    sizes = [len(m.items) for _, m in room.records if isinstance(m, InputBatch)]
    assert max(sizes) == MOST_ITEMS
    assert sum(sizes) == room.shell.core.seq
