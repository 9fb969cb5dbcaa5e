"""(d) The gateway's orders per second and round trip, against bare quickfix that syncs every order.

Ours: the real role ``gateway``, spoken to as a runner does: from the order handed to the stream's client to
``ChildAccepted`` at that client, through gate, synced journal, FIX and back, told to Kafka meanwhile. Bare: a
process with quickfix-python, FileStore and FileLog alone; it writes as many bytes as the gateway journals,
one ``fdatasync`` an order, sends the same fields, and waits for the ExecutionReport in ``fromApp``. Each has
an acceptor of its own, of the same code, which acknowledges and cancels; both sides alternate in pairs on one
machine with the same realtime priority where the kernel grants one. A pair in which others used over a tenth
of a core is void.

For the rate 64 orders are on their way at any time; the gateway's journal then syncs several at once, as it
does live. The gate lets through 2,000 orders a second at most (``MAX_MESSAGES_PER_SECOND``), so a burst has
fewer.

By itself: ``python -m benchmarks.quickfix``.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import orjson
import uvloop

from benchmarks.bare_chain import REALTIME, Initiator, fix, settings
from benchmarks.machine import OthersWatch, Quantiles, describe, median
from benchmarks.result import Figure
from service.model.events import ChildAccepted, ChildDenied
from service.model.orders import OrdType, SubmitChild, TimeInForce
from service.settings import ROOT, stream_address
from service.telemetry.process import ask_for_realtime, tune_collector
from service.transport.kafka_probe import free_port
from service.transport.kafka_process import KafkaProcess
from service.transport.topics import MD, REF, ensure_topics
from service.transport.topics import PARENTS as PARENTS_TOPIC
from tests.integration.gateway.stage import PRICE, Market, Runner, Stage

PAIRS = 5
TRIES = 7
SINGLE = 150
"""Orders one after the other, for the round trip."""
BURST = 1_200
"""Orders of a burst, for the rate."""
AT_ONCE = 64
OTHERS_AT_MOST = 0.1
JOURNALLED = 450
"""Bytes that the gateway journals for an order before it is sent."""
PARENTS = 4
_PATIENCE = 60.0


class Bare(Initiator):
    """The client of the bare side: one order is one write, one fdatasync, one send."""

    def __init__(self, folder: str) -> None:
        super().__init__()
        self._journal = os.open(str(Path(folder) / "journal"), os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        self._dictionary = fix.DataDictionary(str(ROOT / "fix_configs" / "FIX44.xml"))
        self._record = b"x" * JOURNALLED
        self._room = threading.Semaphore(0)
        self._number = 0
        self.accepted: list[int] = []

    def fromApp(self, message: Any, session_id: Any) -> None:  # noqa: ARG002, N802
        if message.getHeader().getField(35) == "8" and message.getField(150) == "0":
            self.accepted.append(time.time_ns())
            self._room.release()

    def send(self) -> None:
        """An order as ours is: the same fields, made in the cheapest way there is."""
        self._number += 1
        stamp = time.strftime("%Y%m%d-%H:%M:%S", time.gmtime()) + f".{time.time_ns() // 1_000_000 % 1000:03d}"
        raw = (
            f"8=FIX.4.4|9=0|35=D|11=B{os.getpid()}-{self._number}|526=P.{self._number}|583=P|1=NW-1|21=1"
            f"|55=AURA|54=1|60={stamp}|38={1 + self._number % 900}|40=2|15=USD|59=3|453=3"
            "|448=NORTHWIND|447=D|452=3|448=alice|447=D|452=11|802=1|523=EQUITIES|803=25|448=twap|447=D|452=16|44=99.9900|528=A|10=000|"
        ).replace("|", "\x01")
        os.write(self._journal, self._record)
        os.fdatasync(self._journal)
        fix.Session.sendToTarget(fix.Message(raw, self._dictionary, False), self.session)

    def run(self, orders: int, at_once: int) -> list[int]:
        """Nanoseconds of each round trip, for one at a time; else of the whole burst."""
        taken: list[int] = []
        self.accepted.clear()
        began, on_the_way = time.time_ns(), 0
        for _ in range(orders):
            if on_the_way == at_once:
                self._wait()
                on_the_way -= 1
            at = time.time_ns()
            self.send()
            on_the_way += 1
            if at_once == 1:
                self._wait()
                on_the_way = 0
                taken.append(self.accepted[-1] - at)
        for _ in range(on_the_way):
            self._wait()
        return taken or [self.accepted[-1] - began]

    def _wait(self) -> None:
        if not self._room.acquire(timeout=_PATIENCE):
            raise RuntimeError("an order was not acknowledged")


def bare_client(port: int, folder: str) -> None:
    """Serve ``ORDERS AT_ONCE`` lines on standard input with a JSON line each."""
    sys.setswitchinterval(1e-4)
    application = Bare(folder)
    config = settings("initiator", port, folder, "SLIPSTREAM", "BROKERSIM")
    initiator = fix.SocketInitiator(
        application, fix.FileStoreFactory(config), config, fix.FileLogFactory(config)
    )
    initiator.start()
    while not application.up:
        time.sleep(0.05)
    print("ready", flush=True)
    for line in sys.stdin:
        print(orjson.dumps(application.run(*map(int, line.split()))).decode(), flush=True)
    initiator.stop()


class Listener(Runner):
    """The runner's end of the stream, which can also time what it hears and keeps nothing then."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.told_at: Callable[[Any], None] | None = None

    def _hear(self, message: Any) -> None:
        if self.told_at is None or hasattr(message, "state"):
            super()._hear(message)
        if self.told_at is not None:
            self.told_at(message)


class Ours(Stage):
    """The gateway with the benchmark's acceptor in place of the broker simulator."""

    def __init__(self, kafka: KafkaProcess, prefix: str, folder: Path) -> None:
        super().__init__(kafka, prefix, folder)
        self.gateway_options = (
            "--limits", str(limits_file(folder)), "--realtime-priority", str(REALTIME),
        )  # fmt: skip
        self.number = 0
        self.runner: Listener = Listener(stream_address(folder))

    async def start(self) -> None:
        """Like the stage, but the acceptor is there already; parents take the orders in turn."""
        await ensure_topics(self.kafka.bootstrap, self.prefix, 2)
        await self.producer.start()
        for topic in (MD, REF, PARENTS_TOPIC):
            await self.producer.partitions(topic)
        self.market = Market(self.producer, 2)
        await self.start_gateway()
        await self.runner.start()
        await self.runner.synced()
        await self.logged_on()
        for number in range(PARENTS):
            await self.admit(f"Q{number}", quantity=100_000)

    def submit(self) -> str:
        """Hand one order to the stream, as a runner does."""
        self.number += 1
        parent = self.runner.parents[f"Q{self.number % PARENTS}"]
        child_id = f"{parent.parent.id}.{1 + self.number // PARENTS}"
        command = SubmitChild(
            child_id=child_id,
            parent_id=parent.parent.id,
            parent_version=parent.version,
            symbol=parent.parent.symbol,
            side=parent.parent.side,
            ord_type=OrdType.LIMIT,
            quantity=1 + self.number % 900,
            price=PRICE - 100,
            time_in_force=TimeInForce.IOC,
            policy=parent.parent.policy,
        )
        self.runner._client.send(command)
        return child_id

    async def measure(self, orders: int, at_once: int) -> list[int]:
        """Nanoseconds of each round trip, for one at a time; else of the whole burst."""
        room = asyncio.Semaphore(0)
        accepted: list[int] = []
        denied: list[ChildDenied] = []

        def heard(message: Any) -> None:
            if type(message) is ChildAccepted:
                accepted.append(time.time_ns())
                room.release()
            elif type(message) is ChildDenied:
                denied.append(message)
                room.release()

        self.runner.told_at = heard
        taken: list[int] = []
        began, on_the_way = time.time_ns(), 0
        async with asyncio.timeout(_PATIENCE):
            for _ in range(orders):
                if on_the_way == at_once:
                    await room.acquire()
                    on_the_way -= 1
                at = time.time_ns()
                self.submit()
                on_the_way += 1
                if at_once == 1:
                    await room.acquire()
                    on_the_way = 0
                    taken.append(time.time_ns() - at)
            for _ in range(on_the_way):
                await room.acquire()
        if denied:
            raise RuntimeError(
                f"{len(denied)} orders were denied; the first: {denied[0].code} {denied[0].detail}"
            )
        return taken or [accepted[-1] - began]


def limits_file(folder: Path) -> Path:
    """The default limits with every rate as loose as its ceiling."""
    text = (ROOT / "deploy" / "limits.toml").read_text()
    text = re.sub(r"messages_per_second = \d+", "messages_per_second = 2000", text)
    text = re.sub(r"max_orders_per_minute = \d+", "max_orders_per_minute = 30_000", text)
    text = re.sub(r"max_alike = \d+", "max_alike = 100", text)
    path = folder / "limits.toml"
    path.write_text(text)
    return path


@contextlib.contextmanager
def python(*arguments: str, **pipes: Any) -> Any:
    """``python -m ARGUMENTS``, ended with the block."""
    process = subprocess.Popen([sys.executable, "-m", *arguments], cwd=ROOT, **pipes)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.asynccontextmanager
async def ours(kafka: KafkaProcess, folder: Path) -> AsyncIterator[Ours]:
    """The gateway, logged on with an acceptor of its own, and its parents."""
    for name in ("run", "acceptor"):
        (folder / name).mkdir()
    on = Ours(kafka, f"quickfix-{folder.name}.", folder / "run")
    with python("benchmarks.bare_chain", "acceptor", str(on.port), str(folder / "acceptor")):
        try:
            await on.start()
            yield on
        finally:
            await on.stop()


@contextlib.contextmanager
def bare(folder: Path) -> Any:
    """A function that has the bare client run so many orders, so many at once."""
    for name in ("client", "acceptor"):
        (folder / name).mkdir()
    port = free_port()
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with (
        python("benchmarks.bare_chain", "acceptor", str(port), str(folder / "acceptor")),
        python("benchmarks.quickfix", "client", str(port), str(folder / "client"), **pipes) as client,
    ):
        if client.stdout.readline() != "ready\n":
            raise RuntimeError("the bare client did not start")

        def run(orders: int, at_once: int) -> list[int]:
            client.stdin.write(f"{orders} {at_once}\n")
            client.stdin.flush()
            return list(orjson.loads(client.stdout.readline()))

        yield run
        client.stdin.close()


async def run(kafka: KafkaProcess) -> list[Figure]:
    """Alternating pairs until five count, or seven were tried."""
    rates: list[tuple[float, float]] = []
    trips: list[tuple[Quantiles, Quantiles]] = []
    void = 0
    (ROOT / "runs").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT / "runs", prefix="bench-fix-") as name:
        folder = Path(name)
        for side in ("ours", "bare"):
            (folder / side).mkdir()
        async with ours(kafka, folder / "ours") as on:
            with bare(folder / "bare") as theirs:
                loop = asyncio.get_running_loop()

                async def one(mine: bool, orders: int, at_once: int) -> list[int]:
                    await asyncio.sleep(1.1)  # the gate counts by the second
                    if mine:
                        return await on.measure(orders, at_once)
                    return await loop.run_in_executor(None, theirs, orders, at_once)

                for mine in (True, False):  # warm
                    await one(mine, SINGLE, 1)
                for number in range(TRIES):
                    watch = OthersWatch()
                    watch.start()
                    got: dict[bool, tuple[list[int], float]] = {}
                    for mine in (True, False) if number % 2 == 0 else (False, True):
                        trip = await one(mine, SINGLE, 1)
                        burst = await one(mine, BURST, AT_ONCE)
                        got[mine] = trip, BURST / (burst[0] / 1e9)
                    others = watch.share()
                    for mine, label in ((True, "ours"), (False, "bare")):
                        q = Quantiles.of([ns / 1000 for ns in got[mine][0]])
                        print(
                            f"  pair {number + 1} {label}: {got[mine][1]:.0f} orders/s, "
                            f"round trip p50 {q.p50:.0f} p99 {q.p99:.0f} us, others {others:.2f} of a core",
                            flush=True,
                        )
                    if others > OTHERS_AT_MOST:
                        void += 1
                        continue
                    rates.append((got[True][1], got[False][1]))
                    both = [Quantiles.of([ns / 1000 for ns in got[mine][0]]) for mine in (True, False)]
                    trips.append((both[0], both[1]))
                    if len(rates) == PAIRS:
                        break
    print(f"  {len(rates)} pairs count, {void} void")
    return figures(rates, trips)


def figures(rates: list[tuple[float, float]], trips: list[tuple[Quantiles, Quantiles]]) -> list[Figure]:
    """By median paired ratio; void unless five pairs count."""
    counted = len(rates) == PAIRS
    rate = median([mine / theirs for mine, theirs in rates])
    trip = median([mine.p50 / theirs.p50 for mine, theirs in trips])
    return [
        Figure(
            "gateway against bare quickfix, rate",
            median([mine for mine, _ in rates]),
            median([theirs for _, theirs in rates]),
            rate,
            "orders/s",
            "ratio >= 0.7",
            rate >= 0.7 if counted else None,
        ),
        Figure(
            "gateway against bare quickfix, round trip p50",
            median([mine.p50 for mine, _ in trips]),
            median([theirs.p50 for _, theirs in trips]),
            trip,
            "us",
            "ratio <= 1.5",
            trip <= 1.5 if counted else None,
        ),
    ]


async def main() -> None:
    """On a Kafka of its own."""
    (ROOT / "runs").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT / "runs", prefix="bench-kafka-") as folder:
        async with KafkaProcess(Path(folder)) as kafka:
            found = await run(kafka)
    print(describe())
    for figure in found:
        print(figure.line())


if __name__ == "__main__":
    if sys.argv[1:2] == ["client"]:
        ask_for_realtime(REALTIME)
        bare_client(int(sys.argv[2]), sys.argv[3])
    else:
        tune_collector()
        uvloop.run(main())
