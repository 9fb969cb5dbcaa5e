"""A stage for the gateway: real Kafka, the broker simulator and the gateway as processes of their own.

The test is the feed (a steady market in AURA), the desk, and the runner.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from service.gateway import control_client
from service.gateway.control import StatusReply
from service.model.codec import to_runner
from service.model.events import ChildAccepted, ParentAdmitted, ParentClosed, ParentSnapshot
from service.model.market import BookSnapshot, FeedHeartbeat, ReferenceSnapshot, TradingPhase, TradingStatus
from service.model.orders import (
    CancelChild,
    NewParent,
    OrdType,
    ParentOrder,
    ReplaceChild,
    Side,
    Stamps,
    SubmitChild,
    TimeInForce,
)
from service.model.reference import load_reference
from service.model.stream import RunnerHeartbeat, RunnerHello, StreamSynced
from service.model.time import SECOND, SessionClock
from service.settings import ROOT, stream_address
from service.transport.consumer import Reader
from service.transport.kafka_process import KafkaProcess
from service.transport.producer import Producer
from service.transport.stream import StreamClient
from service.transport.topics import MD, ORDERS, PARENTS, REF, RISK, ensure_topics

OPEN = 1_340_285_400 * SECOND
PRICE = 1_000_000
SYMBOL = "AURA"
KEY = load_reference(ROOT / "deploy" / "reference.toml").by_symbol[SYMBOL].key


async def until(condition: Callable[[], Any], seconds: float = 30.0, what: str = "") -> Any:
    """Wait for a condition, and return what it returned."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.01)
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """A role as an operating-system process; its output goes to a file that a failure shows."""

    def __init__(self, role: str, folder: Path, *arguments: str) -> None:
        self.role = role
        self.folder = folder
        self.log = folder / f"{role}.{time.time_ns()}.log"
        self._arguments = [sys.executable, "-m", "service.cli", "run", role, *arguments]
        self._process: asyncio.subprocess.Process | None = None

    async def launch(self) -> None:
        """Start it, and do not wait until it is ready."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "ready" / self.role).unlink(missing_ok=True)
        with self.log.open("w") as out:
            self._process = await asyncio.create_subprocess_exec(
                *self._arguments, stdout=out, stderr=out, cwd=ROOT
            )

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        await self.launch()
        process, ready = self._process, self.folder / "ready" / self.role
        assert process is not None
        await until(lambda: ready.exists() or process.returncode is not None, 60.0, f"{self.role} is ready")
        assert process.returncode is None, self.log.read_text()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        self._process.kill()

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def limit(self, which: int, most: int) -> None:
        """Set a resource limit of the running process, as ``prlimit`` does."""
        assert self._process is not None
        resource.prlimit(self._process.pid, which, (most, most))

    async def gone(self) -> int:
        assert self._process is not None
        return await self._process.wait()

    async def stop(self) -> int:
        """SIGTERM, and the exit status."""
        process = self._process
        if process is None:
            return 0
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 20.0)
            except TimeoutError:
                process.kill()
                await process.wait()
        return int(process.returncode or 0)


class Runner:
    """The runner's end of the stream: what it is told, and what the test has it say."""

    def __init__(self, address: str, runner_id: str = "r1") -> None:
        self.runner_id = runner_id
        self.told: list[Any] = []
        self.parents: dict[str, ParentSnapshot] = {}
        self.alive = True
        self._client = StreamClient(
            address, to_runner, on_message=self._hear, on_up=self._hello, on_down=lambda: None
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._client.start()
        self._task = asyncio.create_task(self._beat())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._client.stop()

    def _hello(self) -> None:
        self._client.send(RunnerHello(runner_id=self.runner_id, ts_utc=time.time_ns()))

    async def _beat(self) -> None:
        while True:
            if self.alive:
                self._client.send(RunnerHeartbeat(runner_id=self.runner_id, ts_utc=time.time_ns()))
            await asyncio.sleep(0.1)

    def _hear(self, message: Any) -> None:
        self.told.append(message)
        state = getattr(message, "state", None)
        if isinstance(state, ParentSnapshot):
            self.parents[state.parent.id] = state

    def all(self, kind: type, child_id: str = "") -> list[Any]:
        return [
            m
            for m in self.told
            if isinstance(m, kind) and (not child_id or getattr(m, "child_id", "") == child_id)
        ]

    async def hears(self, kind: type, child_id: str = "", seconds: float = 20.0) -> Any:
        """Wait to be told something of this kind, and return the newest."""
        deadline = time.monotonic() + seconds
        while not (found := self.all(kind, child_id)):
            heard = self.told[-5:]
            assert time.monotonic() < deadline, f"no {kind.__name__} {child_id} in {seconds} s: {heard}"
            await asyncio.sleep(0.01)
        return found[-1]

    async def synced(self) -> None:
        await self.hears(StreamSynced)

    def submit(self, child_id: str, quantity: int, price: int, **changes: Any) -> None:
        parent_id = child_id.rpartition(".")[0]
        parent = self.parents[parent_id]
        fields: dict[str, Any] = {
            "child_id": child_id,
            "parent_id": parent_id,
            "parent_version": parent.version,
            "symbol": SYMBOL,
            "side": parent.parent.side,
            "ord_type": OrdType.LIMIT,
            "quantity": quantity,
            "price": price,
            "time_in_force": TimeInForce.DAY,
            "policy": parent.parent.policy,
            "stamps": Stamps(decided=time.time_ns()),
        }
        self._client.send(SubmitChild(**{**fields, **changes}))

    def replace(self, child_id: str, quantity: int, price: int) -> None:
        parent_id = child_id.rpartition(".")[0]
        self._client.send(
            ReplaceChild(
                child_id=child_id,
                parent_id=parent_id,
                parent_version=self.parents[parent_id].version,
                quantity=quantity,
                price=price,
            )
        )

    def cancel(self, child_id: str) -> None:
        self._client.send(CancelChild(child_id=child_id, parent_id=child_id.rpartition(".")[0]))


class Market:
    """The feed: an unmoving book of AURA, its reference facts, clock and heartbeats, 20 times a second.

    Attributes:
        beating: Whether anything is said at all.
        silent: Whether clock and heartbeats are all that is said.
        size: Lots of each level.
        price: The mid.
        phase: What the reference facts say of trading.
    """

    def __init__(self, producer: Producer, partitions: int) -> None:
        self._producer = producer
        self._partitions = partitions
        self._began = time.time_ns()
        self._open = OPEN
        self._speed = 1
        self._seq = 0
        self.beating = True
        self.silent = False
        self.size = 500
        self.price = PRICE
        self.phase = TradingPhase.CONTINUOUS
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    @property
    def market(self) -> int:
        return self._open + (time.time_ns() - self._began) * self._speed

    def hasten(self, speed: int) -> None:
        """Have market time run so many times as fast from now on."""
        self._open, self._began, self._speed = self.market, time.time_ns(), speed

    async def _run(self) -> None:
        self._status()
        while True:
            if self.beating:
                clock = SessionClock(
                    market_start=self._open,
                    utc_start=self._began,
                    speed=self._speed,
                    market_end=OPEN + 3600 * SECOND,
                    ts_utc=0,
                )
                self._producer.send(REF, b"clock", clock)
                self._step()
            await asyncio.sleep(0.05)

    def _status(self) -> None:
        self._seq += 1
        status = TradingStatus(
            symbol=SYMBOL,
            venue="XSIM",
            ts_event=self.market,
            ts_utc=time.time_ns(),
            seq=self._seq,
            phase=TradingPhase.CONTINUOUS,
        )
        self._producer.send(MD, KEY, status)

    def _step(self) -> None:
        market, utc = self.market, time.time_ns()
        if not self.silent:
            self._events(market, utc)
        beat = FeedHeartbeat(feed="test", watermark=market, ts_utc=utc, published=self._seq)
        self._producer.send(REF, b"heartbeat", beat)
        for partition in range(self._partitions):
            self._producer.send(MD, None, beat, partition=partition)

    def _events(self, market: int, utc: int) -> None:
        self._seq += 1
        bids = tuple((self.price - 100 * level, self.size) for level in range(1, 6))
        asks = tuple((self.price + 100 * level, self.size) for level in range(1, 6))
        book = BookSnapshot(
            symbol=SYMBOL, venue="XSIM", ts_event=market, ts_utc=utc, seq=self._seq, bids=bids, asks=asks
        )
        self._producer.send(MD, KEY, book)
        facts = ReferenceSnapshot(
            symbol=SYMBOL,
            venue="XSIM",
            ts_event=market,
            ts_utc=utc,
            bid=self.price - 100,
            ask=self.price + 100,
            bid_quantity=self.size,
            ask_quantity=self.size,
            last=self.price,
            reference=self.price,
            open=self.price,
            volume=10_000,
            spread_bps=2.0,
            volatility_bps=2.0,
            phase=self.phase,
        )
        self._producer.send(REF, SYMBOL.encode(), facts)


class Stage:
    """Everything together. ``gateway`` may be killed and started again on the same run folder.

    ``PORT`` in an option of the gateway stands for the broker's.
    """

    def __init__(self, kafka: KafkaProcess, prefix: str, folder: Path) -> None:
        self.kafka = kafka
        self.prefix = prefix
        self.folder = folder
        self.port = free_port()
        self.broker_options: tuple[str, ...] = ("--entry-latency-ms", "1", "--response-latency-ms", "1")
        self.gateway_options: tuple[str, ...] = ()
        self.producer = Producer(kafka.bootstrap, client="stage", prefix=prefix)
        self.runner = Runner(stream_address(folder))

    async def start(self) -> None:
        await ensure_topics(self.kafka.bootstrap, self.prefix, 2)
        await self.producer.start()
        for topic in (MD, REF, PARENTS):
            await self.producer.partitions(topic)
        self.market = Market(self.producer, 2)
        self.broker = Process(
            "broker-sim", self.folder, *self.where(), "--port", str(self.port), *self.broker_options
        )
        await asyncio.gather(self.broker.start(), self.start_gateway())
        await self.runner.start()
        await self.runner.synced()
        await self.fed()

    def where(self, folder: Path | None = None) -> tuple[str, ...]:
        """Options that every role takes."""
        run_dir = str(folder or self.folder)
        return "--kafka", self.kafka.bootstrap, "--topic-prefix", self.prefix, "--run-dir", run_dir

    def new_gateway(self, folder: Path | None = None) -> Process:
        """A gateway with these options, not started yet; with a run folder of its own if one is named."""
        options = [option.replace("PORT", str(self.port)) for option in self.gateway_options]
        broker = f"127.0.0.1:{self.port}"
        return Process("gateway", folder or self.folder, *self.where(folder), "--broker", broker, *options)

    async def start_gateway(self, *, ready: bool = True) -> None:
        self.gateway = self.new_gateway()
        await (self.gateway.start() if ready else self.gateway.launch())

    async def restart_gateway(self) -> None:
        self.runner.told.clear()
        await self.start_gateway()
        await self.runner.synced()
        await self.fed()

    async def logged_on(self) -> StatusReply:
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(control_client.ControlError):  # still folding its journal
                if (status := await self.status()).logged_on:
                    return status
            assert time.monotonic() < deadline, "the FIX session did not come up"
            await asyncio.sleep(0.05)

    async def fed(self) -> None:
        """Wait until it may trade: ready means that it can cancel; what is new waits for fresh facts."""
        await self.logged_on()
        deadline = time.monotonic() + 60
        while not 0 <= (age := (await self.status()).heartbeat_age) < SECOND // 2:
            assert time.monotonic() < deadline, f"the gateway does not hear the feed: {age} ns"
            await asyncio.sleep(0.02)

    async def status(self) -> StatusReply:
        return await control_client.status(self.folder)

    async def settled(self, seconds: float = 20.0) -> StatusReply:
        """Wait until no order is unknown."""
        deadline = time.monotonic() + seconds
        while (status := await self.status()).unknown:
            assert time.monotonic() < deadline, f"still unknown: {status}"
            await asyncio.sleep(0.05)
        return status

    async def admit(self, parent_id: str = "P1", side: Side = Side.BUY, **changes: Any) -> ParentSnapshot:
        fields: dict[str, Any] = {
            "id": parent_id,
            "symbol": SYMBOL,
            "side": side,
            "quantity": 1000,
            "policy": "twap",
            "account": "NW-1",
            "trader": "alice",
            "ts_utc": time.time_ns(),
        }
        order = ParentOrder(**{**fields, **changes})
        self.producer.send(
            PARENTS,
            KEY,
            NewParent(command_id=f"new-{parent_id}", parent=order, by="alice", ts_utc=time.time_ns()),
        )
        admitted: list[Any] = await until(
            lambda: [m for m in self.runner.all(ParentAdmitted) if m.state.parent.id == parent_id],
            what=f"{parent_id} admitted",
        )
        return admitted[-1].state  # type: ignore[no-any-return]

    async def resting(self) -> ChildAccepted:
        """P1, and an order of it, P1.1, that works at the broker away from the market."""
        await self.admit()
        self.runner.submit("P1.1", 100, PRICE - 100)
        accepted: ChildAccepted = await self.runner.hears(ChildAccepted, "P1.1")
        return accepted

    async def closed(self, parent_id: str = "P1") -> ParentClosed:
        found: list[ParentClosed] = await until(
            lambda: [m for m in self.runner.all(ParentClosed) if m.state.parent.id == parent_id],
            what=f"{parent_id} closed",
        )
        return found[-1]

    async def recorded(self, enough: Callable[[list[Any]], Any], seconds: float = 20.0) -> list[Any]:
        """Everything on orders.v1 and risk.v1, once it is enough."""
        reader = Reader(
            self.kafka.bootstrap, (ORDERS, RISK), client="test", prefix=self.prefix, start="earliest"
        )
        await reader.start()
        found: list[Any] = []
        deadline = time.monotonic() + seconds
        try:
            while not enough(found):
                assert time.monotonic() < deadline, f"the record is not complete: {found[-5:]}"
                for batch in await reader.batch():
                    found += batch.messages
        finally:
            await reader.stop()
        return found

    def broker_fills(self) -> list[dict[str, Any]]:
        """The broker's own log of fills."""
        import json

        path = self.folder / "broker" / "fills.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    async def stop(self) -> None:
        await self.runner.stop()
        for process in (getattr(self, "gateway", None), getattr(self, "broker", None)):
            if process is not None:
                await process.stop()
        if hasattr(self, "market"):
            await self.market.stop()
        await self.producer.stop()


@asynccontextmanager
async def stage(
    kafka: KafkaProcess,
    prefix: str,
    folder: Path,
    *,
    broker: tuple[str, ...] = (),
    gateway: tuple[str, ...] = (),
) -> AsyncIterator[Stage]:
    """A started stage; the logs of its processes are shown if the test fails."""
    built = Stage(kafka, prefix, folder)
    built.broker_options += broker
    built.gateway_options += gateway
    try:
        await built.start()
        yield built
    except BaseException:
        for log in sorted(folder.glob("*.log")):
            print(f"--- {log.name}\n{log.read_text()[-8000:]}")
        raise
    finally:
        await built.stop()
