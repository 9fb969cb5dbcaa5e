"""Producer and readers against a real Kafka, outages included."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaProducer

from service.model.market import BookSnapshot, FeedHeartbeat, Trade
from service.model.records import DeadLetter
from service.transport.consumer import Batch, GroupReader, Reader
from service.transport.kafka_process import KafkaProcess
from service.transport.producer import Producer, partition_for
from service.transport.topics import DEAD, MD, ORDERS, TransportError, ensure_topics


def trade(seq: int, symbol: str = "AURA") -> Trade:
    return Trade(symbol=symbol, venue="XSIM", ts_event=seq, ts_utc=seq, seq=seq, price=100, quantity=1)


@asynccontextmanager
async def producer(bootstrap: str, prefix: str, linger: float = 0.0) -> AsyncIterator[Producer]:
    made = Producer(bootstrap, client="test", prefix=prefix, linger=linger)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


async def read_until(
    reader: Reader | GroupReader, enough: Callable[[list[Batch]], bool], timeout: float = 30.0
) -> list[Batch]:
    batches: list[Batch] = []
    deadline = time.monotonic() + timeout
    while not enough(batches):
        assert time.monotonic() < deadline, f"only {sum(len(b.messages) for b in batches)} records came"
        batches += await reader.batch()
    return batches


def count(batches: list[Batch]) -> int:
    return sum(len(batch.messages) for batch in batches)


@pytest.mark.parametrize("linger", [0.0, 0.02])
async def test_messages_of_one_key_keep_their_order(
    kafka: KafkaProcess, topic_prefix: str, linger: float
) -> None:
    await ensure_topics(kafka.bootstrap, topic_prefix)
    async with producer(kafka.bootstrap, topic_prefix, linger) as out:
        for seq in range(3000):
            if seq % 500 == 0:
                await asyncio.sleep(0)
            out.send(MD, b"AURA" if seq % 2 else b"BOLT", trade(seq, "AURA" if seq % 2 else "BOLT"))
        reader = Reader(kafka.bootstrap, [MD], client="test", prefix=topic_prefix, start="earliest")
        await reader.start()
        batches = await read_until(reader, lambda b: count(b) == 3000)
        await reader.stop()
    for symbol in ("AURA", "BOLT"):
        seqs = [m.seq for b in batches for m in b.messages if m.symbol == symbol]
        assert seqs == sorted(seqs)
        home = partition_for(symbol.encode(), 4)
        assert {b.partition for b in batches for m in b.messages if m.symbol == symbol} == {home}


async def test_what_lingers_leaves_at_once_when_the_producer_flushes(
    kafka: KafkaProcess, topic_prefix: str
) -> None:
    await ensure_topics(kafka.bootstrap, topic_prefix)
    async with producer(kafka.bootstrap, topic_prefix, linger=3600.0) as out:
        await out.partitions(MD)
        for seq in range(10):
            out.send(MD, b"AURA", trade(seq))
        assert out.pending == 10
        assert await out.flush()
        out.send(MD, b"AURA", trade(10))
        assert out.pending == 1
    assert out.pending == 0


async def test_undecodable_record_goes_to_dead_letters_and_stops_nothing(
    kafka: KafkaProcess, topic_prefix: str
) -> None:
    await ensure_topics(kafka.bootstrap, topic_prefix)
    raw = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap)
    await raw.start()
    await raw.send_and_wait(topic_prefix + MD, b"\xc1 not a message", key=b"AURA")
    await raw.stop()
    async with producer(kafka.bootstrap, topic_prefix) as out:
        out.send(MD, b"AURA", trade(1))
        reader = Reader(kafka.bootstrap, [MD], client="test", prefix=topic_prefix, start="earliest", dead=out)
        await reader.start()
        batches = await read_until(reader, lambda b: count(b) == 1)
        assert batches[-1].messages[-1] == trade(1)
        assert reader.dead_letters == 1
        await reader.stop()
        dead = Reader(kafka.bootstrap, [DEAD], client="test", prefix=topic_prefix, start="earliest")
        await dead.start()
        letter = (await read_until(dead, lambda b: count(b) == 1))[0].messages[0]
        await dead.stop()
    assert isinstance(letter, DeadLetter)
    assert (letter.topic, letter.value, letter.offset) == (MD, b"\xc1 not a message", 0)
    assert letter.reason.startswith("md: ")


async def test_nothing_is_lost_or_doubled_when_the_broker_is_killed_under_load(
    own_kafka: KafkaProcess, topic_prefix: str
) -> None:
    await ensure_topics(own_kafka.bootstrap, topic_prefix)
    async with producer(own_kafka.bootstrap, topic_prefix) as out:
        reader = Reader(own_kafka.bootstrap, [MD], client="test", prefix=topic_prefix, start="earliest")
        await reader.start()
        for seq in range(2000):
            out.send(MD, b"AURA", trade(seq))
        batches = await read_until(reader, lambda b: count(b) > 500)
        own_kafka.kill()
        for seq in range(2000, 4000):
            out.send(MD, b"AURA", trade(seq))
        await own_kafka.restart()
        assert await out.flush(60.0)
        batches += await read_until(reader, lambda b: count(batches) + count(b) >= 4000, 60.0)
        await reader.stop()
    assert [m.seq for b in batches for m in b.messages] == list(range(4000))


async def test_second_member_takes_over_when_the_first_stops(kafka: KafkaProcess, topic_prefix: str) -> None:
    await ensure_topics(kafka.bootstrap, topic_prefix)
    owned: dict[str, tuple[int, ...]] = {}
    changed = asyncio.Event()

    def notes(name: str) -> Callable[[tuple[int, ...]], None]:
        def note(partitions: tuple[int, ...]) -> None:
            owned[name] = partitions
            changed.set()

        return note

    async def wait_for(condition: Callable[[], bool], readers: list[GroupReader]) -> None:
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline, owned
            for reader in readers:
                await reader.batch(0.05)

    def member(name: str) -> GroupReader:
        return GroupReader(
            kafka.bootstrap, [MD], client=name, group="runner", prefix=topic_prefix, on_partitions=notes(name)
        )

    first, second = member("first"), member("second")
    await first.start()
    await wait_for(lambda: owned.get("first") == (0, 1, 2, 3), [first])
    await second.start()
    await wait_for(
        lambda: (
            sorted(owned["first"] + owned.get("second", ())) == [0, 1, 2, 3] and bool(owned.get("second"))
        ),
        [first, second],
    )
    await first.stop()
    await wait_for(lambda: owned["second"] == (0, 1, 2, 3), [second])
    await second.stop()


async def test_group_goes_on_from_its_commit(kafka: KafkaProcess, topic_prefix: str) -> None:
    await ensure_topics(kafka.bootstrap, topic_prefix)
    async with producer(kafka.bootstrap, topic_prefix) as out:
        for seq in range(10):
            out.send(MD, b"AURA", trade(seq))
        await out.flush()
        seen: list[int] = []
        for want in (10, 15):
            reader = GroupReader(
                kafka.bootstrap,
                [MD],
                client="test",
                group="g",
                prefix=topic_prefix,
                start="earliest",
                on_partitions=lambda _: None,
            )
            await reader.start()
            done = len(seen)
            batches = await read_until(reader, lambda b, more=want - done: count(b) >= more)
            seen += [m.seq for b in batches for m in b.messages]
            await reader.commit()
            await reader.stop()
            for seq in range(10, 15):
                out.send(MD, b"AURA", trade(seq))
            await out.flush()
    assert seen == list(range(15))


async def test_reader_starts_at_a_given_offset(kafka: KafkaProcess, topic_prefix: str) -> None:
    await ensure_topics(kafka.bootstrap, topic_prefix)
    async with producer(kafka.bootstrap, topic_prefix) as out:
        for number in range(5):
            beat = FeedHeartbeat(feed="f", watermark=number, ts_utc=1, published=number)
            out.send(MD, None, beat, partition=2)
        await out.flush()
    reader = Reader(kafka.bootstrap, [MD], client="test", prefix=topic_prefix, start={(MD, 2): 3})
    await reader.start()
    (batch,) = await read_until(reader, lambda b: count(b) == 2)
    assert (batch.partition, batch.offsets) == (2, [3, 4])
    assert (await reader.end_offsets())[(MD, 2)] == 5
    await reader.stop()


async def test_topics_are_made_once_and_their_partitions_agree(
    kafka: KafkaProcess, topic_prefix: str
) -> None:
    await ensure_topics(kafka.bootstrap, topic_prefix, 3)
    await ensure_topics(kafka.bootstrap, topic_prefix, 8)
    async with producer(kafka.bootstrap, topic_prefix) as out:
        assert await out.partitions(MD) == 3
        assert await out.partitions("parents.v1") == 3
        assert await out.partitions(ORDERS) == 1


async def test_absent_cluster_is_a_clear_error() -> None:
    with pytest.raises(TransportError, match=r"Kafka at 127\.0\.0\.1:1 did not answer"):
        await ensure_topics("127.0.0.1:1", timeout=0.5)
    with pytest.raises(TransportError, match="did not answer"):
        await Producer("127.0.0.1:1", client="test").start(timeout=0.5)


async def test_reader_when_books_replace_each_other_then_the_newest_of_each_key_and_every_trade_come(
    kafka: KafkaProcess, topic_prefix: str
) -> None:
    def book(seq: int, symbol: str) -> BookSnapshot:
        return BookSnapshot(symbol=symbol, venue="XSIM", ts_event=seq, ts_utc=seq, seq=seq, bids=(), asks=())

    await ensure_topics(kafka.bootstrap, topic_prefix, partitions=1)
    async with producer(kafka.bootstrap, topic_prefix) as out:
        for seq in range(0, 300, 3):
            out.send(MD, b"AURA", book(seq, "AURA"))
            out.send(MD, b"BOLT", book(seq + 1, "BOLT"))
            out.send(MD, b"AURA", trade(seq + 2))
    reader = Reader(
        kafka.bootstrap, [MD], client="t", prefix=topic_prefix, start="earliest", newest_of=BookSnapshot
    )
    await reader.start()
    batches = await read_until(reader, lambda b: bool(b) and b[-1].messages[-1].seq == 299)
    await reader.stop()
    messages = [message for batch in batches for message in batch.messages]
    assert [m.seq for m in messages if isinstance(m, Trade)] == list(range(2, 300, 3))
    for symbol, last in (("AURA", 297), ("BOLT", 298)):
        books = [m.seq for m in messages if isinstance(m, BookSnapshot) and m.symbol == symbol]
        assert books[-1] == last
        assert books == sorted(books)
        assert len(books) <= len(batches)
    assert sum(len(b.offsets) == len(b.keys) == len(b.messages) for b in batches) == len(batches)
