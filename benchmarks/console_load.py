"""The console's load: parents with thousands of live children on the record, then updates at an even rate.

Everything goes through the real ``Producer`` onto the real topics. A process of its own
(``python -m benchmarks.console_load BOOTSTRAP PREFIX``), so that neither page nor console pays for it; it
writes ``full`` to its output once every child works, and goes on until it is ended.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import uvloop

from benchmarks.load import MID, SYMBOLS, TICK, book, facts
from service.model.events import (
    ChildAccepted,
    ChildCanceled,
    ChildCancelRequested,
    ChildFilled,
    ChildPartiallyFilled,
    ChildSubmitted,
    Liquidity,
    ParentAdmitted,
    ParentSnapshot,
)
from service.model.market import FeedHeartbeat, Trade
from service.model.message import Message
from service.model.orders import OrdType, ParentOrder, ParentStatus, Side, TimeInForce
from service.model.parameters import Parameters
from service.model.records import Decision
from service.model.time import HOUR, MILLISECOND, SECOND, SessionClock
from service.transport.producer import Producer
from service.transport.topics import DECISIONS, MD, ORDERS, REF

PARENTS = 50
CHILDREN = 5_000
RATE = 200
BOOKS_PER_SECOND = 100
_LOTS = 1_000


@dataclass(slots=True)
class Live:
    """A child that works."""

    id: str
    parent: int
    filled: int = 0
    fills: int = 0


def symbol_of(parent: int) -> str:
    """What a parent trades."""
    return SYMBOLS[parent % len(SYMBOLS)]


class Desk:
    """Makes the record of a desk at work: as many children live as before, or one fewer."""

    def __init__(self, begin: int) -> None:
        self.begin = begin
        self.live: deque[Live] = deque()
        self.filled = [0] * PARENTS
        self._numbers = [0] * PARENTS
        self._fresh: list[Message] = []
        self._step = 0

    def admitted(self, parent: int, now: int) -> ParentAdmitted:
        """A parent of two hours."""
        order = ParentOrder(
            id=f"P{parent:03d}",
            symbol=symbol_of(parent),
            side=Side.BUY if parent % 2 == 0 else Side.SELL,
            quantity=10_000_000,
            policy="twap",
            account="NW-1",
            trader="alice",
            ts_utc=now,
            parameters=Parameters(duration=7_200.0),
        )
        state = ParentSnapshot(
            parent=order,
            version=1,
            status=ParentStatus.WORKING,
            window_start=self.begin,
            window_end=self.begin + 2 * HOUR,
            arrival_price=MID,
        )
        return ParentAdmitted(command_id=f"new-{order.id}", state=state, ts_event=now, ts_utc=now)

    def submitted(self, parent: int, now: int) -> Iterator[Message]:
        """One more child, and the broker's acknowledgement."""
        self._numbers[parent] += 1
        child = Live(f"P{parent:03d}.{self._numbers[parent]}", parent)
        self.live.append(child)
        yield ChildSubmitted(
            **self._of(child, now),
            side=Side.BUY if parent % 2 == 0 else Side.SELL,
            ord_type=OrdType.LIMIT,
            quantity=_LOTS,
            price=MID + (self._numbers[parent] % 10 - 5) * TICK,
            time_in_force=TimeInForce.DAY,
            account="NW-1",
            policy="twap",
            reason="behind the schedule by 1.2 lots",
            venue="XSIM",
        )
        yield ChildAccepted(**self._of(child, now), order_id=f"B-{child.id}")

    def update(self, now: int) -> Message:
        """The next of an even mixture: fills in part, decisions, ends of children, new ones, cancels."""
        self._step += 1
        turn, round_ = self._step % 10, self._step // 10
        if turn in (2, 8):
            return self._decision(self._step * 7 % PARENTS, now)
        if turn == 4:
            return self._ended(self.live.popleft(), canceled=round_ % 2 == 0, now=now)
        if turn == 5:
            self._fresh = list(self.submitted(round_ % PARENTS, now))
            return self._fresh[0]
        if turn == 6:
            return self._fresh[1]
        if turn == 9 and round_ % 2 == 1:
            child = self.live[0]
            return ChildCancelRequested(
                **self._of(child, now), orig_cl_ord_id=f"C-{child.id}", reason="priced away from the touch"
            )
        child = self.live[self._step * 7919 % len(self.live)]
        return self._fill(child, 1, now)

    def _fill(self, child: Live, lots: int, now: int) -> Message:
        child.filled += lots
        child.fills += 1
        self.filled[child.parent] += lots
        done = child.filled == _LOTS
        kind = ChildFilled if done else ChildPartiallyFilled
        return kind(
            **self._of(child, now),
            exec_id=f"E-{child.id}-{child.fills}",
            side=Side.BUY if child.parent % 2 == 0 else Side.SELL,
            last_quantity=lots,
            last_price=MID + (child.fills % 3 - 1) * TICK,
            cum_quantity=child.filled,
            leaves_quantity=_LOTS - child.filled,
            liquidity=Liquidity.ADDED if child.fills % 2 else Liquidity.REMOVED,
            venue="XSIM",
        )

    def _ended(self, child: Live, *, canceled: bool, now: int) -> Message:
        if canceled:
            return ChildCanceled(**self._of(child, now), cum_quantity=child.filled)
        return self._fill(child, _LOTS - child.filled, now)

    def _decision(self, parent: int, now: int) -> Decision:
        return Decision(
            runner_id="bench",
            input_seq=self._step,
            parent_id=f"P{parent:03d}",
            symbol=symbol_of(parent),
            ts_event=now,
            ts_utc=now,
            action="submit",
            policy="twap",
            child_id=f"P{parent:03d}.{self._numbers[parent] + 1}",
            quantity=_LOTS,
            price=MID,
            target=self.filled[parent] + 500,
            filled=self.filled[parent],
            working=CHILDREN // PARENTS * _LOTS,
            reason="behind the schedule by 1.2 lots",
        )

    @staticmethod
    def _of(child: Live, now: int) -> dict[str, object]:
        return {
            "child_id": child.id,
            "parent_id": f"P{child.parent:03d}",
            "cl_ord_id": f"C-{child.id}",
            "symbol": symbol_of(child.parent),
            "ts_event": now,
            "ts_utc": now,
        }


def _market(out: Producer, partitions: int, seqs: dict[str, int], clock: SessionClock, now: int) -> None:
    heartbeat = FeedHeartbeat(feed="bench", watermark=now, ts_utc=now, published=sum(seqs.values()))
    for partition in range(partitions):
        out.send(MD, None, heartbeat, partition=partition)
    out.send(REF, b"heartbeat", heartbeat)
    out.send(REF, b"clock", clock)
    for symbol in SYMBOLS:
        out.send(REF, symbol.encode(), facts(symbol, now))
        seqs[symbol] += 1
        trade = Trade(
            symbol=symbol, venue="XSIM", ts_event=now, ts_utc=now, seq=seqs[symbol], price=MID, quantity=500
        )
        out.send(MD, symbol.encode(), trade)


def _record(out: Producer, message: Message) -> None:
    topic = DECISIONS if isinstance(message, Decision) else ORDERS
    symbol = message.state.parent.symbol if isinstance(message, ParentAdmitted) else message.symbol
    out.send(topic, symbol.encode(), message)


async def main(bootstrap: str, prefix: str) -> None:
    """Fill the record, say so, and update it until the process is ended."""
    out = Producer(bootstrap, client="bench-load", prefix=prefix)
    await out.start()
    partitions = await out.partitions(MD)
    for topic in (REF, ORDERS, DECISIONS):
        await out.partitions(topic)
    begin = time.time_ns()
    clock = SessionClock(
        market_start=begin, utc_start=begin, speed=1.0, market_end=begin + 3 * HOUR, ts_utc=begin
    )
    desk, seqs = Desk(begin - 60 * SECOND), dict.fromkeys(SYMBOLS, 0)
    _market(out, partitions, seqs, clock, begin)
    for number in range(PARENTS):
        _record(out, desk.admitted(number, begin + number * MILLISECOND))
    for number in range(CHILDREN):
        for message in desk.submitted(number % PARENTS, time.time_ns()):
            _record(out, message)
        if number % 100 == 0:
            await out.flush()
    await out.flush(60.0)
    print("full", flush=True)
    start, sent, books, beat = time.monotonic(), 0, 0, 0
    while True:
        elapsed, now = time.monotonic() - start, time.time_ns()
        while sent < elapsed * RATE:
            sent += 1
            _record(out, desk.update(now))
        while books < elapsed * BOOKS_PER_SECOND:
            symbol = SYMBOLS[books % len(SYMBOLS)]
            books += 1
            seqs[symbol] += 1
            out.send(MD, symbol.encode(), book(symbol, seqs[symbol], now))
        if elapsed * 4 > beat:
            beat += 1
            _market(out, partitions, seqs, clock, now)
        await asyncio.sleep(0.005)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2]))
