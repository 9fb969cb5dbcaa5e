"""The open-loop load that both chains get: 5,000 market events a second on ``md.v1``, through one producer.

A process of its own (``python -m benchmarks.load BOOTSTRAP PREFIX RATE SECONDS``), so that neither chain pays
for it. Late is late: the schedule never waits for a consumer.
"""

from __future__ import annotations

import asyncio
import sys
import time

import uvloop

from service.model.market import BookSnapshot, FeedHeartbeat, ReferenceSnapshot, TradingPhase, TradingStatus
from service.model.time import HOUR, SessionClock
from service.transport.producer import Producer
from service.transport.topics import MD, REF

SYMBOLS = tuple(f"S{n}" for n in range(10))
LEVELS = 10
MID = 1_000_000
TICK = 100


def book(symbol: str, seq: int, now: int) -> BookSnapshot:
    """A ten-level book whose touch wanders by a tick, so that every event changes something."""
    shift = (seq * 7919 % 5 - 2) * TICK
    return BookSnapshot(
        symbol=symbol,
        venue="XSIM",
        ts_event=now,
        ts_utc=now,
        seq=seq,
        bids=tuple((MID + shift - TICK * (n + 1), 100 + (seq + n) % 50) for n in range(LEVELS)),
        asks=tuple((MID + shift + TICK * (n + 1), 100 + (seq * 3 + n) % 50) for n in range(LEVELS)),
    )


def facts(symbol: str, now: int) -> ReferenceSnapshot:
    """What the gate is told about a symbol."""
    return ReferenceSnapshot(
        symbol=symbol,
        venue="XSIM",
        ts_event=now,
        ts_utc=now,
        bid=MID - TICK,
        ask=MID + TICK,
        bid_quantity=100,
        ask_quantity=100,
        last=MID,
        reference=MID,
        open=MID,
        volume=1_000_000,
        spread_bps=2.0,
        volatility_bps=5.0,
        phase=TradingPhase.CONTINUOUS,
    )


async def main(bootstrap: str, prefix: str, rate: int, seconds: float) -> None:
    """Publish until the time is up."""
    out = Producer(bootstrap, client="bench-load", prefix=prefix)
    await out.start()
    partitions = await out.partitions(MD)
    await out.partitions(REF)
    begin = time.time_ns()
    clock = SessionClock(
        market_start=begin, utc_start=begin, speed=1.0, market_end=begin + HOUR, ts_utc=begin
    )
    for symbol in SYMBOLS:
        status = TradingStatus(
            symbol=symbol, venue="XSIM", ts_event=begin, ts_utc=begin, seq=0, phase=TradingPhase.CONTINUOUS
        )
        out.send(MD, symbol.encode(), status)
    seqs = dict.fromkeys(SYMBOLS, 0)
    sent, beat = 0, 0
    start = time.monotonic()
    while (elapsed := time.monotonic() - start) < seconds:
        now = time.time_ns()
        while sent < elapsed * rate:
            symbol = SYMBOLS[sent % len(SYMBOLS)]
            seqs[symbol] += 1
            out.send(MD, symbol.encode(), book(symbol, seqs[symbol], now))
            sent += 1
        if elapsed * 4 > beat:
            beat += 1
            heartbeat = FeedHeartbeat(feed="bench", watermark=now, ts_utc=now, published=sent)
            for partition in range(partitions):
                out.send(MD, None, heartbeat, partition=partition)
            out.send(REF, b"heartbeat", heartbeat)
            out.send(REF, b"clock", clock)
            for symbol in SYMBOLS:
                out.send(REF, symbol.encode(), facts(symbol, now))
        await asyncio.sleep(0.001)
    await out.stop()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
