"""(d) The gateway's orders per second and round trip, against bare quickfix that syncs every order.

Ours: the real role ``gateway``, spoken to as a runner does: from the order handed to the stream's client to
``ChildAccepted`` at that client, through gate, synced journal, FIX and back, told to Kafka meanwhile. Bare: a
process with quickfix-python, FileStore and FileLog alone; it writes as many bytes as the gateway journals,
one ``fdatasync`` an order, sends the same fields, and waits for the ExecutionReport in ``fromApp``. Each has
an acceptor of its own, of the same code, which acknowledges and cancels; both sides alternate in pairs on one
machine with the same realtime priority where the kernel grants one. A pair in which others used over a tenth
of a core is void.

Orders rest (DAY), so that one report answers an order; ours are cancelled when the figures are taken. For
the rate 64 orders are on their way at any time; the gateway's journal then syncs several at once, as it does
live. The gate lets through 2,000 orders a second at most (``MAX_MESSAGES_PER_SECOND``), so a burst has fewer.
A second burst is of IOC orders that meet nothing: two reports an order, which ours books and bare ignores.

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
from typing import Any, NamedTuple

import orjson
import uvloop

from benchmarks.bare_chain import REALTIME, Initiator, fix, settings
from benchmarks.machine import OthersWatch, Quantiles, describe, median
from benchmarks.result import Figure
from service.model.events import ChildAccepted, ChildCanceled, ChildDenied
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
LOTS, TICKS = 9, 50
"""An order's size and distance to the market vary, for orders that look the same are denied (C14)."""
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

    def send(self, time_in_force: TimeInForce) -> None:
        """An order as ours is: the same fields, made in the cheapest way there is."""
        self._number += 1
        stamp = time.strftime("%Y%m%d-%H:%M:%S", time.gmtime()) + f".{time.time_ns() // 1_000_000 % 1000:03d}"
        raw = (
            f"8=FIX.4.4|9=0|35=D|11=B{os.getpid()}-{self._number}|526=P.{self._number}|583=P|1=NW-1|21=1"
            f"|55=AURA|54=1|60={stamp}|38={1 + self._number % LOTS}|40=2|15=USD|59={time_in_force}|453=3"
            "|448=NORTHWIND|447=D|452=3|448=alice|447=D|452=11|802=1|523=EQUITIES|803=25|448=twap|447=D|452=16|44=99.9900|528=A|10=000|"
        ).replace("|", "\x01")
        os.write(self._journal, self._record)
        os.fdatasync(self._journal)
        fix.Session.sendToTarget(fix.Message(raw, self._dictionary, False), self.session)

    def run(self, orders: int, at_once: int, time_in_force: TimeInForce) -> list[int]:
        """Nanoseconds of each round trip, for one at a time; else of the whole burst."""
        taken: list[int] = []
        self.accepted.clear()
        began, on_the_way = time.time_ns(), 0
        for _ in range(orders):
            if on_the_way == at_once:
                self._wait()
                on_the_way -= 1
            at = time.time_ns()
            self.send(time_in_force)
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


def _asked(line: str) -> tuple[int, int, TimeInForce]:
    orders, at_once, time_in_force = line.split()
    return int(orders), int(at_once), TimeInForce(time_in_force)


def bare_client(port: int, folder: str) -> None:
    """Serve ``ORDERS AT_ONCE TIME_IN_FORCE`` lines on standard input with a JSON line each."""
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
        print(orjson.dumps(application.run(*_asked(line))).decode(), flush=True)
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

    def submit(self, time_in_force: TimeInForce) -> str:
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
            quantity=1 + self.number % LOTS,
            price=PRICE - 100 * (1 + self.number % TICKS),
            time_in_force=time_in_force,
            policy=parent.parent.policy,
        )
        self.runner._client.send(command)
        return child_id

    async def clear(self, resting: list[str]) -> None:
        """Cancel what rests, and wait until the broker has said so."""
        room = asyncio.Semaphore(0)
        self.runner.told_at = lambda message: room.release() if type(message) is ChildCanceled else None
        async with asyncio.timeout(_PATIENCE):
            for number, child_id in enumerate(resting):
                self.runner.cancel(child_id)
                if number >= AT_ONCE:
                    await room.acquire()
            for _ in resting[-AT_ONCE:]:
                await room.acquire()

    async def measure(self, orders: int, at_once: int, time_in_force: TimeInForce) -> list[int]:
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
        resting: list[str] = []
        began, on_the_way = time.time_ns(), 0
        async with asyncio.timeout(_PATIENCE):
            for _ in range(orders):
                if on_the_way == at_once:
                    await room.acquire()
                    on_the_way -= 1
                at = time.time_ns()
                resting.append(self.submit(time_in_force))
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
        ended = accepted[-1]
        if time_in_force is TimeInForce.DAY:
            await self.clear(resting)
        return taken or [ended - began]


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

        def run(orders: int, at_once: int, time_in_force: TimeInForce) -> list[int]:
            client.stdin.write(f"{orders} {at_once} {time_in_force.value}\n")
            client.stdin.flush()
            return list(orjson.loads(client.stdout.readline()))

        yield run
        client.stdin.close()


class Side(NamedTuple):
    """What one side did in one pair: microseconds of a round trip, and orders a second."""

    trip: Quantiles
    rate: float
    ioc_rate: float

    def line(self) -> str:
        """For a person."""
        return (
            f"{self.rate:.0f} orders/s (IOC {self.ioc_rate:.0f}), "
            f"round trip p50 {self.trip.p50:.0f} p99 {self.trip.p99:.0f} us"
        )


async def run(kafka: KafkaProcess) -> list[Figure]:
    """Alternating pairs until five count, or seven were tried."""
    counted: list[tuple[Side, Side]] = []
    void = 0
    (ROOT / "runs").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT / "runs", prefix="bench-fix-") as name:
        folder = Path(name)
        for side in ("ours", "bare"):
            (folder / side).mkdir()
        async with ours(kafka, folder / "ours") as on:
            with bare(folder / "bare") as theirs:
                loop = asyncio.get_running_loop()

                async def one(mine: bool, orders: int, at_once: int, time_in_force: TimeInForce) -> list[int]:
                    await asyncio.sleep(1.1)  # the gate counts by the second
                    if mine:
                        return await on.measure(orders, at_once, time_in_force)
                    return await loop.run_in_executor(None, theirs, orders, at_once, time_in_force)

                async def side_of(mine: bool) -> Side:
                    trip = await one(mine, SINGLE, 1, TimeInForce.DAY)
                    burst = await one(mine, BURST, AT_ONCE, TimeInForce.DAY)
                    ioc = await one(mine, BURST, AT_ONCE, TimeInForce.IOC)
                    return Side(
                        Quantiles.of([ns / 1000 for ns in trip]), BURST / burst[0] * 1e9, BURST / ioc[0] * 1e9
                    )

                for mine in (True, False):  # warm
                    await one(mine, SINGLE, 1, TimeInForce.IOC)
                for number in range(TRIES):
                    watch = OthersWatch()
                    watch.start()
                    order = (True, False) if number % 2 == 0 else (False, True)
                    got = {mine: await side_of(mine) for mine in order}
                    others = watch.share()
                    for mine, label in ((True, "ours"), (False, "bare")):
                        line = got[mine].line()
                        print(
                            f"  pair {number + 1} {label}: {line}, others {others:.2f} of a core", flush=True
                        )
                    if others > OTHERS_AT_MOST:
                        void += 1
                        continue
                    counted.append((got[True], got[False]))
                    if len(counted) == PAIRS:
                        break
    print(f"  {len(counted)} pairs count, {void} void")
    return figures(counted)


def figures(pairs: list[tuple[Side, Side]]) -> list[Figure]:
    """By median paired ratio; void unless five pairs count."""
    enough = len(pairs) == PAIRS
    found = []
    for name, unit, aim, value in (
        ("rate", "orders/s", 0.7, lambda side: side.rate),
        ("rate, two reports an order", "orders/s", 0.0, lambda side: side.ioc_rate),
        ("round trip p50", "us", -1.5, lambda side: side.trip.p50),
    ):
        ratio = median([value(mine) / value(theirs) for mine, theirs in pairs])
        met = ratio >= aim if aim >= 0 else ratio <= -aim
        found.append(
            Figure(
                f"gateway against bare quickfix, {name}",
                median([value(mine) for mine, _ in pairs]),
                median([value(theirs) for _, theirs in pairs]),
                ratio,
                unit,
                f"ratio >= {aim}" if aim > 0 else f"ratio <= {-aim}" if aim else "none",
                met if enough else None,
            )
        )
    return found


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
