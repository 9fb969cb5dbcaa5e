"""(a) Market data: our reader with book and features, against getmany and a msgspec decode alone."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.bare_chain import Beat, Book, Status
from benchmarks.load import SYMBOLS, book
from benchmarks.machine import median
from benchmarks.result import Figure
from service.market.instrument import InstrumentMarket
from service.model.reference import Instrument
from service.transport.consumer import Reader
from service.transport.producer import Producer
from service.transport.topics import MD, ensure_topics

EVENTS = 120_000
PAIRS = 5


async def fill(bootstrap: str, prefix: str) -> None:
    """Put the events on the topic once; both sides read the same records."""
    await ensure_topics(bootstrap, prefix, 1)
    out = Producer(bootstrap, client="bench-fill", prefix=prefix)
    await out.start()
    await out.partitions(MD)
    for n in range(EVENTS):
        symbol = SYMBOLS[n % len(SYMBOLS)]
        out.send(MD, symbol.encode(), book(symbol, n // len(SYMBOLS) + 1, time.time_ns()))
    await out.flush(60.0)
    await out.stop()


async def bare(bootstrap: str, prefix: str) -> float:
    """Events a second: getmany and decode, no code of ours."""
    decode = msgspec.msgpack.Decoder(Book | Status | Beat).decode
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        fetch_max_wait_ms=20,
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )
    await consumer.start()
    tp = TopicPartition(prefix + MD, 0)
    consumer.assign([tp])
    await consumer.seek_to_beginning(tp)
    await consumer.position(tp)
    seen, start = 0, time.perf_counter()
    while seen < EVENTS:
        for records in (await consumer.getmany(timeout_ms=100, max_records=2000)).values():
            for record in records:
                decode(record.value)
            seen += len(records)
    elapsed = time.perf_counter() - start
    await consumer.stop()
    return EVENTS / elapsed


async def ours(bootstrap: str, prefix: str) -> float:
    """Events a second: our reader, every event applied to its instrument's book and features."""
    markets = {s: InstrumentMarket(Instrument(symbol=s, venue="XSIM", currency="USD")) for s in SYMBOLS}
    reader = Reader(bootstrap, [MD], client="bench", prefix=prefix, start="earliest")
    await reader.start()
    seen, start = 0, time.perf_counter()
    while seen < EVENTS:
        for batch in await reader.batch():
            for message in batch.messages:
                markets[message.symbol].apply(message)
            seen += len(batch.messages)
    elapsed = time.perf_counter() - start
    await reader.stop()
    return EVENTS / elapsed


async def run(bootstrap: str, prefix: str) -> list[Figure]:
    """Five alternating pairs after a warm-up of each."""
    await fill(bootstrap, prefix)
    sides: tuple[Callable[[str, str], Awaitable[float]], ...] = (ours, bare)
    for side in sides:
        await side(bootstrap, prefix)
    pairs: list[tuple[float, float]] = []
    for number in range(PAIRS):
        first, second = sides if number % 2 == 0 else sides[::-1]
        rates = {first: await first(bootstrap, prefix), second: await second(bootstrap, prefix)}
        pairs.append((rates[ours], rates[bare]))
    ratio = median([o / b for o, b in pairs])
    return [
        Figure(
            "market data: read, decode, book, features",
            median([o for o, _ in pairs]),
            median([b for _, b in pairs]),
            ratio,
            "events/s",
            "ratio >= 0.5",
            ratio >= 0.5,
        )
    ]
