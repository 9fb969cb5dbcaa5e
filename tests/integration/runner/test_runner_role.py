"""The runner as it runs: real Kafka, a real stream, and a gateway's end of it that the test holds."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from service.model import codec
from service.model.events import ChildAccepted, ChildSnapshot, ChildSubmitted, ParentAdmitted, ParentSnapshot
from service.model.market import BookSnapshot, FeedHeartbeat, ReferenceSnapshot, TradingPhase
from service.model.message import Message
from service.model.orders import OrdStatus, ParentOrder, ParentStatus, Side, SubmitChild
from service.model.parameters import Parameters
from service.model.records import Decision, InputBatch, NumberedInput
from service.model.reference import load_reference
from service.model.stream import RunnerHeartbeat, RunnerHello, StreamSynced
from service.model.time import SECOND, SessionClock
from service.runner.replaying import replay
from service.runner.role import RunnerSettings, run
from service.runner.start import build_core, read_start, start_path
from service.settings import ROOT, stream_address
from service.transport.consumer import Reader
from service.transport.kafka_process import KafkaProcess
from service.transport.producer import Producer, partition_for
from service.transport.stream import Connection, StreamServer
from service.transport.topics import DECISIONS, INPUTS, MD, REF, ensure_topics

REFERENCE = load_reference(ROOT / "deploy" / "reference.toml")
OPEN = 1_340_285_400 * SECOND
PARTITIONS = 4


async def until(condition: Callable[[], Any], seconds: float = 30.0, what: str = "") -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.01)


class Gateway:
    """The gateway's end: tells every runner of its parents, and accepts every child."""

    def __init__(self, address: str) -> None:
        self.server = StreamServer(address, codec.to_gateway, on_message=self.hear)
        self.parents: dict[str, ParentSnapshot] = {}
        self.hellos: list[str] = []
        self.beats: set[str] = set()
        self.submits: list[tuple[str, SubmitChild]] = []
        self.names: dict[Connection, str] = {}

    def hear(self, connection: Connection, message: Message) -> None:
        if isinstance(message, RunnerHello):
            self.names[connection] = message.runner_id
            self.hellos.append(message.runner_id)
            for state in self.parents.values():
                connection.send(self.admitted(state, restored=True))
            connection.send(StreamSynced(parents=len(self.parents), ts_utc=time.time_ns()))
        elif isinstance(message, RunnerHeartbeat):
            self.beats.add(message.runner_id)
        elif isinstance(message, SubmitChild):
            self.submits.append((self.names[connection], message))
            self.keep(message)
            self.accept(message)

    def keep(self, child: SubmitChild) -> None:
        """Know the child, so that a runner that comes later is told."""
        state = self.parents[child.parent_id]
        known = ChildSnapshot(
            child_id=child.child_id,
            parent_id=child.parent_id,
            cl_ord_id=child.child_id,
            symbol=child.symbol,
            side=child.side,
            ord_type=child.ord_type,
            quantity=child.quantity,
            price=child.price,
            time_in_force=child.time_in_force,
            status=OrdStatus.NEW,
            leaves_quantity=child.quantity,
        )
        self.parents[child.parent_id] = replace(
            state, next_child=state.next_child + 1, children=(*state.children, known)
        )

    def accept(self, child: SubmitChild) -> None:
        common: dict[str, Any] = {
            "child_id": child.child_id,
            "parent_id": child.parent_id,
            "cl_ord_id": child.child_id,
            "symbol": child.symbol,
            "ts_event": 0,
            "ts_utc": time.time_ns(),
        }
        self.tell(
            ChildSubmitted(
                side=child.side,
                ord_type=child.ord_type,
                quantity=child.quantity,
                price=child.price,
                time_in_force=child.time_in_force,
                account="NW-1",
                policy=child.policy,
                **common,
            )
        )
        self.tell(ChildAccepted(order_id="B", **common))

    def worked_by(self, runner: str, since: int = 0) -> set[str]:
        """Parents that this runner has sent a child of, from the given child on."""
        return {child.parent_id for name, child in self.submits[since:] if name == runner}

    def tell(self, message: Message) -> None:
        for connection in self.server.connections:
            connection.send(message)

    def admitted(self, state: ParentSnapshot, *, restored: bool = False) -> ParentAdmitted:
        return ParentAdmitted(
            command_id="c", state=state, ts_event=0, ts_utc=time.time_ns(), restored=restored
        )

    def admit(self, id_: str, symbol: str, start: int, seconds: int = 1_200) -> None:
        self.parents[id_] = ParentSnapshot(
            parent=ParentOrder(
                id=id_,
                symbol=symbol,
                side=Side.BUY,
                quantity=24_000,
                policy="twap",
                account="NW-1",
                trader="alice",
                ts_utc=time.time_ns(),
                parameters=Parameters(max_open_children=50, cross_when_behind=1.0),
            ),
            version=1,
            status=ParentStatus.WORKING,
            window_start=start,
            window_end=start + seconds * SECOND,
            arrival_price=9_950,
        )
        self.tell(self.admitted(self.parents[id_]))


class Market:
    """A feed at sixty times: a clock, books of two instruments, heartbeats."""

    def __init__(self, producer: Producer) -> None:
        self.producer = producer
        self.began = time.time_ns()
        self.seq = 0
        self.beating = True
        self.task = asyncio.create_task(self.run())

    @property
    def now(self) -> int:
        return OPEN + (time.time_ns() - self.began) * 60

    async def run(self) -> None:
        while True:
            self.step()
            await asyncio.sleep(0.05)

    def step(self) -> None:
        utc = time.time_ns()
        self.seq += 1
        clock = SessionClock(
            market_start=OPEN, utc_start=self.began, speed=60.0, market_end=OPEN + 23_400 * SECOND, ts_utc=utc
        )
        self.producer.send(REF, b"~clock", clock)
        for symbol in ("AURA", "BOLT"):
            common: dict[str, Any] = {"symbol": symbol, "venue": "XSIM", "ts_event": self.now, "ts_utc": utc}
            book = BookSnapshot(seq=self.seq, bids=((9_900, 300),), asks=((10_000, 300),), **common)
            self.producer.send(MD, REFERENCE.by_symbol[symbol].key, book)
            fact = ReferenceSnapshot(
                bid=9_900,
                ask=10_000,
                bid_quantity=300,
                ask_quantity=300,
                last=0,
                reference=9_950,
                open=9_950,
                volume=0,
                spread_bps=1.0,
                volatility_bps=1.0,
                phase=TradingPhase.CONTINUOUS,
                **common,
            )
            self.producer.send(REF, symbol.encode(), fact)
        if self.beating:
            for partition in range(PARTITIONS):
                beat = FeedHeartbeat(feed="T", watermark=self.now, ts_utc=utc, published=self.seq)
                self.producer.send(MD, None, beat, partition=partition)

    async def stop(self) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task


class House:
    """A cluster with topics, a market and a gateway; runners come and go."""

    def __init__(self, kafka: KafkaProcess, prefix: str, run_dir: Path, market: Market) -> None:
        self.kafka = kafka
        self.prefix = prefix
        self.run_dir = run_dir
        self.market = market
        self.gateway = Gateway(stream_address(run_dir))

    @asynccontextmanager
    async def runner(self, name: str) -> AsyncIterator[asyncio.Task[None]]:
        """One runner, ready; told to stop at the end."""
        settings = RunnerSettings(
            run_dir=self.run_dir,
            kafka=self.kafka.bootstrap,
            topic_prefix=self.prefix,
            partitions=PARTITIONS,
            runner_id=name,
        )
        stop = asyncio.Event()
        task = asyncio.create_task(run(settings, stop))
        try:
            await until(lambda: name in self.gateway.beats or task.done(), what=f"{name} beats")
            yield task
        finally:
            stop.set()
            await asyncio.wait_for(task, 30)

    async def runner_process(self, name: str) -> asyncio.subprocess.Process:
        """One runner in a process of its own, to be killed."""
        options = {
            "run-dir": self.run_dir,
            "kafka": self.kafka.bootstrap,
            "topic-prefix": self.prefix,
            "partitions": PARTITIONS,
            "runner-id": name,
        }
        arguments = [f"--{key}={value}" for key, value in options.items()]
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "service.cli", "run", "runner", *arguments, cwd=ROOT
        )

    def reader(self, *topics: str) -> Reader:
        return Reader(self.kafka.bootstrap, topics, client="test", prefix=self.prefix, start="earliest")

    async def everything(self, *topics: str) -> list[tuple[str, int, int, Any]]:
        """Every record of these topics up to their present end: topic, partition, offset, message."""
        reader = self.reader(*topics)
        await reader.start()
        try:
            found: list[tuple[str, int, int, Any]] = []
            ends = await reader.end_offsets()
            while True:
                positions = await reader.positions()
                if all(positions[tp] >= end for tp, end in ends.items()):
                    return found
                for b in await reader.batch():
                    found += [
                        (b.topic, b.partition, o, m) for o, m in zip(b.offsets, b.messages, strict=True)
                    ]
            return found
        finally:
            await reader.stop()


@asynccontextmanager
async def house(kafka: KafkaProcess, prefix: str, run_dir: Path) -> AsyncIterator[House]:
    await ensure_topics(kafka.bootstrap, prefix, PARTITIONS)
    producer = Producer(kafka.bootstrap, client="test", prefix=prefix)
    await producer.start()
    for topic in (MD, REF):
        await producer.partitions(topic)
    market = Market(producer)
    made = House(kafka, prefix, run_dir, market)
    await made.gateway.server.start()
    try:
        yield made
    finally:
        await market.stop()
        await made.gateway.server.stop()
        await producer.stop()


async def test_a_runner_works_a_parent_and_its_record_replays_exactly(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    async with house(kafka, topic_prefix, tmp_path) as h:
        async with h.runner("R1"):
            await until(lambda: (tmp_path / "ready" / "runner").exists(), what="ready")
            h.gateway.admit("P1", "AURA", h.market.now)
            h.gateway.admit("P2", "BOLT", h.market.now)
            await until(lambda: len(h.gateway.submits) >= 6, what="children")
        assert not (tmp_path / "ready" / "runner").exists()
        records = await h.everything(MD, INPUTS, DECISIONS)
    events = {(p, o): m for t, p, o, m in records if t == MD}
    batches = [m for t, _, _, m in records if t == INPUTS]
    assert all(isinstance(b, InputBatch) for b in batches)
    start = read_start(start_path(tmp_path, batches[0].instance))
    assert {b.revision for b in batches} == {start.revision}
    items: list[NumberedInput] = [item for b in batches for item in b.items]
    inputs = [(i, None if i.body else events[i.partition, i.offset]) for i in items]
    replayed = list(replay(build_core(start), inputs))
    assert all(r.agrees for r in replayed)
    decisions = [m for t, _, _, m in records if t == DECISIONS]
    assert [d for r in replayed for d in r.outputs.decisions] == decisions
    submitted = [d.child_id for d in decisions if isinstance(d, Decision) and d.action == "submit"]
    assert submitted == [c.child_id for _, c in h.gateway.submits]


async def test_a_runner_that_is_left_takes_over_the_instruments_of_one_that_is_killed(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    assert partition_for(b"AURA", PARTITIONS) % 2 != partition_for(b"BOLT", PARTITIONS) % 2
    async with house(kafka, topic_prefix, tmp_path) as h, h.runner("R1"):
        h.gateway.admit("P1", "AURA", h.market.now, 3_600)
        h.gateway.admit("P2", "BOLT", h.market.now, 3_600)
        await until(lambda: h.gateway.worked_by("R1") == {"P1", "P2"}, what="R1 works both")
        other = await h.runner_process("R2")
        try:
            await until(lambda: h.gateway.worked_by("R2"), what="R2 works one of them")
        finally:
            other.kill()
            await other.wait()
        at = len(h.gateway.submits)
        await until(lambda: h.gateway.worked_by("R1", at) == {"P1", "P2"}, what="R1 works both again")
    ids = [c.child_id for _, c in h.gateway.submits]
    assert len(ids) == len(set(ids))


async def test_a_gateway_that_goes_and_comes_back_gets_no_child_twice(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    async with house(kafka, topic_prefix, tmp_path) as h, h.runner("R1"):
        h.gateway.admit("P1", "AURA", h.market.now)
        await until(lambda: h.gateway.submits, what="a child")
        await h.gateway.server.stop()
        parents, submits = h.gateway.parents, h.gateway.submits
        h.gateway = Gateway(stream_address(tmp_path))
        h.gateway.parents = parents
        await h.gateway.server.start()
        await until(lambda: h.gateway.submits, what="a child after the resync")
        before = {c.child_id for _, c in submits}
        assert before.isdisjoint({c.child_id for _, c in h.gateway.submits})


async def test_nothing_is_decided_while_heartbeats_are_missing(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    async with house(kafka, topic_prefix, tmp_path) as h, h.runner("R1"):
        h.gateway.admit("P1", "AURA", h.market.now)
        await until(lambda: h.gateway.submits, what="a child")
        h.market.beating = False
        # Books go on; only the proof of life is missing.
        await until(lambda: _quiet_since(h.gateway.submits, 1.5), what="quiet")
        h.market.beating = True
        count = len(h.gateway.submits)
        await until(lambda: len(h.gateway.submits) > count, what="it goes on")


def _quiet_since(submits: list[tuple[str, SubmitChild]], seconds: float) -> bool:
    """At 60 times a slice of a 20-minute window is due every 0.83 s, of an hour's every 2.5 s."""
    return time.time_ns() - submits[-1][1].stamps.decided > seconds * SECOND


@pytest.mark.timeout(180)
async def test_a_runner_outlives_its_kafka_and_its_record_is_complete(
    own_kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    async with house(own_kafka, topic_prefix, tmp_path) as h:
        async with h.runner("R1") as task:
            h.gateway.admit("P1", "AURA", h.market.now, 3_600)
            await until(lambda: h.gateway.submits, what="a child")
            own_kafka.kill()
            await until(lambda: _quiet_since(h.gateway.submits, 4.0), what="quiet while Kafka is away")
            assert not task.done()
            await own_kafka.wait_ready()
            count = len(h.gateway.submits)
            await until(lambda: len(h.gateway.submits) > count, 60, what="it goes on")
        records = await h.everything(INPUTS, DECISIONS)
    items = [item.seq for t, _, _, b in records if t == INPUTS for item in b.items]
    assert items == list(range(1, len(items) + 1))
    submitted = [m.child_id for t, _, _, m in records if t == DECISIONS and m.action == "submit"]
    assert submitted == [c.child_id for _, c in h.gateway.submits]
