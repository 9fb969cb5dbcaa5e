"""The feed as a role against a real Kafka: order, pace, proof of life, and a broker that dies."""

import asyncio
import contextlib
import itertools
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from service.feeds.role import FeedSettings, run
from service.feeds.source import SourceError, open_source
from service.feeds.window import clip
from service.model.market import (
    BookSnapshot,
    FeedHeartbeat,
    MarketEvent,
    ReferenceSnapshot,
    Trade,
    TradingPhase,
    TradingStatus,
)
from service.model.reference import load_reference
from service.model.time import SECOND, SessionClock
from service.settings import ROOT
from service.transport.consumer import GroupReader, Reader
from service.transport.kafka_process import KafkaProcess
from service.transport.producer import partition_for
from service.transport.topics import MD, REF, ensure_topics
from tests.unit.feeds.support import LOBSTER_MESSAGES, lobster

REFERENCE = load_reference(ROOT / "deploy" / "reference.toml")
PATIENCE = 60.0


class Seen:
    """Everything that was read of both topics, in order per partition."""

    def __init__(self) -> None:
        self.events: dict[str, list[MarketEvent]] = defaultdict(list)
        self.partitions: dict[str, set[int]] = defaultdict(set)
        self.beats: dict[tuple[str, int], list[FeedHeartbeat]] = defaultdict(list)
        self.facts: dict[str, list[ReferenceSnapshot]] = defaultdict(list)
        self.clocks: list[SessionClock] = []
        self.late_watermarks = 0

    @property
    def count(self) -> int:
        return sum(map(len, self.events.values()))

    @property
    def done(self) -> bool:
        """The final heartbeat was seen on every partition of ``md.v1`` and on ``ref.v1``."""
        return len(self.beats) == 5 and all(beats[-1].done for beats in self.beats.values())

    def take(self, topic: str, partition: int, message: object) -> None:
        if isinstance(message, FeedHeartbeat):
            self.beats[topic, partition].append(message)
        elif isinstance(message, ReferenceSnapshot):
            self.facts[message.symbol].append(message)
        elif isinstance(message, SessionClock):
            self.clocks.append(message)
        elif isinstance(message, BookSnapshot | Trade | TradingStatus):
            known = self.beats[topic, partition]
            self.late_watermarks += bool(known) and message.ts_event <= known[-1].watermark
            self.events[message.symbol].append(message)
            self.partitions[message.symbol].add(partition)


class Watcher:
    """Reads along from the beginning of both topics."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.seen = Seen()

    async def until(self, condition: Callable[[Seen], bool]) -> Seen:
        async with asyncio.timeout(PATIENCE):
            while not condition(self.seen):
                for batch in await self.reader.batch(0.1):
                    for message in batch.messages:
                        self.seen.take(batch.topic, batch.partition, message)
        return self.seen


@contextlib.asynccontextmanager
async def feed(settings: FeedSettings) -> AsyncIterator[Watcher]:
    await ensure_topics(settings.kafka, settings.topic_prefix)
    reader = Reader(
        settings.kafka, [MD, REF], client="watcher", prefix=settings.topic_prefix, start="earliest"
    )
    await reader.start()
    stop = asyncio.Event()
    task = asyncio.create_task(run(settings, stop))
    ready = settings.run_dir / "ready" / "feed"
    try:
        async with asyncio.timeout(PATIENCE):
            while not ready.exists() and not task.done():
                await asyncio.sleep(0.02)
        yield Watcher(reader)
    finally:
        stop.set()
        await reader.stop()
        await task
    assert not ready.exists()


def settings_for(kafka: KafkaProcess, prefix: str, run_dir: Path, **given: object) -> FeedSettings:
    return FeedSettings(run_dir=run_dir, kafka=kafka.bootstrap, topic_prefix=prefix, **given)


def expected(settings: FeedSettings, seconds: int) -> dict[str, list[MarketEvent]]:
    source = open_source(settings.source, settings.date, REFERENCE, settings.seed)
    events: dict[str, list[MarketEvent]] = defaultdict(list)
    for event in clip(source.events(), source.session_start, source.session_start + seconds * SECOND):
        events[event.symbol].append(event)
    return events


def unstamped(events: dict[str, list[MarketEvent]]) -> dict[str, list[MarketEvent]]:
    return {symbol: [replace(e, ts_utc=0) for e in found] for symbol, found in events.items()}


def trades(events: list[MarketEvent]) -> list[Trade]:
    return [event for event in events if isinstance(event, Trade)]


async def test_replay_when_paced_then_every_event_in_order_on_its_partition_and_never_early(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    settings = settings_for(kafka, topic_prefix, tmp_path, speed=20.0, duration=60.0)
    async with feed(settings) as watcher:
        seen = await watcher.until(lambda s: s.done)
    assert unstamped(seen.events) == expected(settings, 60)
    for symbol, partitions in seen.partitions.items():
        assert partitions == {partition_for(symbol.encode(), 4)}
    assert seen.late_watermarks == 0
    clock = seen.clocks[0]
    delays = []
    for event in (e for events in seen.events.values() for e in events):
        due = clock.utc_start + int((event.ts_event - clock.market_start) / clock.speed)
        delays.append(event.ts_utc - due)
    assert min(delays) >= 0
    assert sorted(delays)[len(delays) // 2] < SECOND // 10


async def test_replay_when_running_then_heartbeats_clock_and_facts_all_the_time(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    settings = settings_for(kafka, topic_prefix, tmp_path, speed=20.0, duration=40.0)
    async with feed(settings) as watcher:
        seen = await watcher.until(lambda s: s.done and len(s.clocks) >= 3)
    for beats in seen.beats.values():
        marks = [beat.watermark for beat in beats]
        assert marks == sorted(marks)
        assert beats[-1].watermark == seen.clocks[0].market_end
        gaps = sorted(b.ts_utc - a.ts_utc for a, b in itertools.pairwise(beats))
        assert gaps[len(gaps) // 2] < 0.3 * SECOND
    assert {(c.market_start, c.utc_start, c.speed) for c in seen.clocks} == {
        (seen.clocks[0].market_start, seen.clocks[0].utc_start, 20.0)
    }
    for symbol, facts in seen.facts.items():
        last = facts[-1]
        books = [e for e in seen.events[symbol] if isinstance(e, BookSnapshot)]
        assert (last.bid, last.bid_quantity) == books[-1].bids[0]
        assert (last.ask, last.ask_quantity) == books[-1].asks[0]
        assert last.volume == sum(t.quantity for t in trades(seen.events[symbol]))
        assert last.phase is TradingPhase.CLOSED
        assert len(facts) < len(seen.events[symbol])


async def test_replay_when_begun_late_then_state_first_and_facts_of_the_whole_session(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    settings = settings_for(kafka, topic_prefix, tmp_path, speed=20.0, start_at="09:32", duration=20.0)
    async with feed(settings) as watcher:
        seen = await watcher.until(lambda s: s.done)
    whole = expected(settings, 140)
    for symbol, events in unstamped(seen.events).items():
        assert isinstance(events[0], TradingStatus)
        assert isinstance(events[1], BookSnapshot)
        assert events[1] in whole[symbol]
        assert events[2:] == [e for e in whole[symbol] if e.ts_event >= seen.clocks[0].market_start]
        volume = sum(t.quantity for t in trades(whole[symbol]))
        assert seen.facts[symbol][-1].volume == volume


async def test_replay_when_it_waits_for_a_file_then_alive_but_market_time_stands(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    begin = tmp_path / "begin"
    settings = settings_for(kafka, topic_prefix, tmp_path, speed=60.0, duration=30.0, start_when=begin)
    async with feed(settings) as watcher:
        seen = await watcher.until(lambda s: len(s.beats[REF, 0]) >= 4)
        assert seen.count == 0
        assert seen.clocks == []
        assert len({beat.watermark for beat in seen.beats[REF, 0]}) == 1
        begin.touch()
        seen = await watcher.until(lambda s: s.done)
    assert unstamped(seen.events) == expected(settings, 30)
    assert seen.late_watermarks == 0


async def test_replay_when_as_fast_as_possible_then_within_the_lag_of_the_group_that_it_follows(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    settings = settings_for(
        kafka, topic_prefix, tmp_path, speed=0.0, duration=120.0, max_lag=1000, follow_groups=("slow",)
    )
    await ensure_topics(settings.kafka, settings.topic_prefix)
    group = GroupReader(
        settings.kafka,
        [MD],
        client="slow",
        group="slow",
        prefix=topic_prefix,
        start="earliest",
        on_partitions=lambda _: None,
    )
    await group.start()
    taken = 0
    ahead = []
    try:
        async with feed(settings) as watcher, asyncio.timeout(PATIENCE):
            while not watcher.seen.done:
                for batch in await group.batch(0.1, max_records=300):
                    taken += sum(not isinstance(m, FeedHeartbeat) for m in batch.messages)
                await group.commit()
                for batch in await watcher.reader.batch(0.01):
                    for message in batch.messages:
                        watcher.seen.take(batch.topic, batch.partition, message)
                ahead.append(watcher.seen.count - taken)
    finally:
        await group.stop()
    assert unstamped(watcher.seen.events) == expected(settings, 120)
    assert watcher.seen.count > 5000
    # A batch that was being handed out when the lag was read goes on top.
    assert max(ahead) <= 1000 + 300


async def test_replay_when_nobody_ever_commits_then_goes_on_without_them(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    settings = settings_for(
        kafka, topic_prefix, tmp_path, speed=0.0, duration=120.0, max_lag=500, follow_patience=0.5
    )
    async with feed(settings) as watcher:
        seen = await watcher.until(lambda s: s.done)
    assert unstamped(seen.events) == expected(settings, 120)


async def test_replay_when_kafka_dies_and_comes_back_then_nothing_is_lost_or_out_of_order(
    own_kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    settings = settings_for(own_kafka, topic_prefix, tmp_path, speed=10.0, duration=100.0)
    async with feed(settings) as watcher:
        before = await watcher.until(lambda s: s.count > 500)
        assert not before.done
        own_kafka.kill()
        await own_kafka.wait_ready(PATIENCE)
        seen = await watcher.until(lambda s: s.done)
    assert unstamped(seen.events) == expected(settings, 100)


async def test_replay_when_a_row_is_refused_then_the_role_ends_with_its_name_and_without_done(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    messages = [*LOBSTER_MESSAGES[:-1], "bad"]
    settings = settings_for(
        kafka, topic_prefix, tmp_path, source=str(lobster(tmp_path, messages)), speed=60.0, trouble="strict"
    )
    with pytest.raises(SourceError, match=r"message_2\.csv row 9"):
        await run(settings, asyncio.Event())
    assert not (tmp_path / "ready" / "feed").exists()
    reader = Reader(settings.kafka, [MD, REF], client="watcher", prefix=topic_prefix, start="earliest")
    await reader.start()
    try:
        seen = await Watcher(reader).until(lambda s: len(trades(s.events["GOOG"])) == 4)
    finally:
        await reader.stop()
    assert not any(beat.done for beats in seen.beats.values() for beat in beats)
