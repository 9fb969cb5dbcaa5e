"""(b) Tick to wire: from the record in the runner's hands to the FIX bytes handed to the socket.

Ours: the real roles ``runner`` and ``gateway``, with features, ONNX, the hop, the gate and a synced journal.
Bare: the same libraries in the same processes on the same Kafka (``benchmarks.bare_chain``). Both get the
same open-loop load, about 5,000 events and 200 orders a second, evenly spread, trade with the same acceptor,
and run with the same realtime priority where the kernel grants one. They alternate in pairs; a run in which
others used over a tenth of a core is void.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.bare_chain import REALTIME
from benchmarks.load import SYMBOLS
from benchmarks.machine import OthersWatch, Quantiles, median
from benchmarks.policy import CADENCE
from benchmarks.result import Figure
from service.model.events import ChildSubmitted
from service.model.orders import NewParent, ParentOrder, Side, Stamps
from service.model.parameters import Parameters
from service.model.time import MILLISECOND, SECOND
from service.settings import ROOT
from service.transport.consumer import Reader
from service.transport.kafka_probe import free_port
from service.transport.kafka_process import KafkaProcess
from service.transport.producer import Producer
from service.transport.topics import MD, ORDERS, PARENTS, REF, ensure_topics

PAIRS = 5
TRIES = 7
RATE = 5000
SECONDS = 12.0
WARM_UP = 4.0
PARENTS_PER_SYMBOL = 5
END = 20 * MILLISECOND
OTHERS_AT_MOST = 0.1
MODEL = ROOT / "policies" / "models" / "timing" / "model.onnx"


@dataclass
class Processes:
    """Children of one run, ended in reverse order of their start."""

    folder: Path
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, name: str, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start ``python -m ARGUMENTS``; its output goes to a log in the folder."""
        with (self.folder / f"{name}.log").open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env={**os.environ, **environment},
            )
        self.running.append(process)
        return process

    def stop(self) -> None:
        """End all, the newest first."""
        for process in reversed(self.running):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    async def wait_for(self, path: Path, timeout: float = 90.0) -> None:
        """Wait for a file, failing early if a child dies."""
        deadline = time.monotonic() + timeout
        while not path.exists():
            dead = [p.args for p in self.running if p.poll() is not None]
            if dead or time.monotonic() > deadline:
                raise RuntimeError(f"{path.name} did not appear; ended: {dead}; logs in {self.folder}")
            await asyncio.sleep(0.05)


@contextlib.contextmanager
def processes(folder: Path) -> Iterator[Processes]:
    """Children that do not outlive the block."""
    made = Processes(folder)
    try:
        yield made
    finally:
        made.stop()


@dataclass(frozen=True, slots=True)
class Run:
    """Latencies of one run in microseconds, in order of sending, and whether it counts."""

    quantiles: Quantiles
    orders_per_second: float
    others: float
    latencies: tuple[float, ...] = ()


def summarise(latencies_ns: list[int], others: float, seconds: float = SECONDS) -> Run:
    """Leave out the warm-up's share at the front of what took ``seconds``."""
    kept = latencies_ns[int(len(latencies_ns) * WARM_UP / SECONDS) :]
    rate = len(kept) / (seconds * (1 - WARM_UP / SECONDS))
    micros = tuple(ns / 1000 for ns in kept)
    return Run(Quantiles.of(micros), rate, others, micros)


def load(children: Processes, kafka: str, prefix: str) -> subprocess.Popen[bytes]:
    """Start the load."""
    return children.start("load", "benchmarks.load", kafka, prefix, str(RATE), str(SECONDS))


async def bare(kafka: str, folder: Path) -> Run:
    """One run of the bare chain."""
    prefix = f"bare-{folder.name}."
    await ensure_topics(kafka, prefix)
    sock, port = str(folder / "s"), str(free_port())
    with processes(folder) as children:
        children.start("acceptor", "benchmarks.bare_chain", "acceptor", port, str(folder))
        children.start("gateway", "benchmarks.bare_chain", "gateway", sock, port, str(folder))
        await children.wait_for(Path(sock))
        children.start("runner", "benchmarks.bare_chain", "runner", kafka, prefix + MD, sock, str(MODEL))
        await children.wait_for(Path(sock + ".ready"))
        watch = OthersWatch()
        watch.start()
        source = load(children, kafka, prefix)
        await asyncio.get_running_loop().run_in_executor(None, source.wait)
        others = watch.share()
    latencies = array.array("q")
    latencies.frombytes((folder / "latencies").read_bytes())
    return summarise(list(latencies), others)


def reference_file(folder: Path) -> Path:
    """Instruments of the load."""
    text = (ROOT / "deploy" / "reference.toml").read_text()
    text += "".join(
        f'\n[[instruments]]\nsymbol = "{s}"\nvenue = "XSIM"\ncurrency = "USD"\nreference_volume = 1_000_000\n'
        for s in SYMBOLS
    )
    path = folder / "reference.toml"
    path.write_text(text)
    return path


def limits_file(folder: Path) -> Path:
    """Limits wide enough that the load is not denied."""
    text = (ROOT / "deploy" / "limits.toml").read_text()
    text = text.replace("max_alike = 10", "max_alike = 100").replace("minute = 3000", "minute = 30_000")
    text += "".join(
        f'\n[[instruments]]\nsymbol = "{s}"\nmax_order_quantity = 1000\nmax_order_value = 250_000\n'
        "max_parent_quantity = 100_000\n"
        "collar_bps = 150\nmax_spread_bps = 100\nmax_long = 60_000\nmax_short = 60_000\nmax_gross = 100_000\n"
        "messages_per_second = 200\nmax_drift_bps = 500\ncalm_spread_bps = 25\n"
        "calm_volatility_bps = 40\nmax_volume_bps = 1000\nmax_participation_bps = 5_000\n"
        'first_lots = 1_000_000\nlocate = "not_required"\n'
        for s in SYMBOLS
    )
    text += '\n[[introductions]]\npolicy = "bench"\nstage = "full"\n'
    path = folder / "limits.toml"
    path.write_text(text)
    return path


def plugin(folder: Path) -> Path:
    """A folder that registers ``benchmarks.policy:BENCH`` as a policy, as an installed package would."""
    site = folder / "site"
    info = site / "slipstream_bench-0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: slipstream-bench\nVersion: 0\n")
    (info / "entry_points.txt").write_text("[slipstream.policies]\nbench = benchmarks.policy:BENCH\n")
    return site


Beside = Callable[[Processes, str, str, Path], AbstractAsyncContextManager[None]]
"""What runs beside the roles; from the children, Kafka, the topics' prefix and the run folder."""


async def ours(kafka: str, folder: Path, *, beside: Beside | None = None) -> Run:
    """One run of the real roles."""
    prefix = f"ours-{folder.name}."
    await ensure_topics(kafka, prefix)
    port = free_port()
    common = ["--run-dir", str(folder), "--kafka", kafka, "--topic-prefix", prefix]
    common += ["--reference", str(reference_file(folder)), "--realtime-priority", str(REALTIME)]
    path = os.pathsep.join([str(plugin(folder)), str(ROOT)])
    async with contextlib.AsyncExitStack() as stack:
        children = stack.enter_context(processes(folder))
        children.start("acceptor", "benchmarks.bare_chain", "acceptor", str(port), str(folder))
        children.start(
            "gateway", "service.cli", "run", "gateway", *common,
            "--limits", str(limits_file(folder)), "--broker", f"127.0.0.1:{port}",
        )  # fmt: skip
        children.start("runner", "service.cli", "run", "runner", *common, PYTHONPATH=path)
        for role in ("gateway", "runner"):
            await children.wait_for(folder / "ready" / role)
        if beside is not None:
            await stack.enter_async_context(beside(children, kafka, prefix, folder))
        out = Producer(kafka, client="bench", prefix=prefix)
        await out.start()
        await out.partitions(PARENTS)
        reader = Reader(kafka, [ORDERS], client="bench", prefix=prefix, start="earliest")
        await reader.start()
        watch = OthersWatch()
        watch.start()
        source = load(children, kafka, prefix)
        await first_facts(kafka, prefix)
        # One after the other, evenly over a cadence: so orders come evenly, as they do in the bare chain.
        begin, step = time.time_ns() + SECOND, CADENCE // (PARENTS_PER_SYMBOL * len(SYMBOLS))
        for number in range(PARENTS_PER_SYMBOL * len(SYMBOLS)):
            symbol = SYMBOLS[number % len(SYMBOLS)]
            out.send(PARENTS, symbol.encode(), parent(f"{symbol}-{number}", symbol, begin + number * step))
        await asyncio.get_running_loop().run_in_executor(None, source.wait)
        others = watch.share()
        sent: list[Stamps] = []
        while batches := await reader.batch(1.0):
            for batch in batches:
                sent += [e.stamps for e in batch.messages if isinstance(e, ChildSubmitted) and e.stamps.feed]
        await reader.stop()
        await out.stop()
    # Policies go on by the clock for a second after the last event, all at once: that is no longer the load.
    end = max((stamps.feed for stamps in sent), default=0) + END
    sent = [stamps for stamps in sent if stamps.tick < end]
    if not sent:
        raise RuntimeError(f"no order was sent; logs in {folder}")
    seconds = (sent[-1].sent - sent[0].sent) / SECOND
    return summarise([stamps.sent - stamps.tick for stamps in sent], others, seconds)


async def first_facts(kafka: str, prefix: str) -> None:
    """Wait for the load: what is sent before it would be admitted all at once when it comes."""
    reader = Reader(kafka, [REF], client="bench-ref", prefix=prefix, start="earliest")
    await reader.start()
    while not await reader.batch():
        pass
    await reader.stop()


def parent(name: str, symbol: str, start: int) -> NewParent:
    """A parent that the benchmark's policy works for as long as the load lasts."""
    order = ParentOrder(
        id=name,
        symbol=symbol,
        side=Side.BUY,
        quantity=50_000,
        policy="bench",
        account="NW-1",
        trader="alice",
        ts_utc=time.time_ns(),
        parameters=Parameters(start_time=start, duration=600.0),
    )
    return NewParent(command_id=f"new-{name}", parent=order, by="alice", ts_utc=time.time_ns())


async def run(kafka: KafkaProcess) -> list[Figure]:
    """Alternating pairs until five count, or seven were tried."""
    pairs: list[tuple[Run, Run]] = []
    void = 0
    with tempfile.TemporaryDirectory(dir=ROOT / "runs", prefix="bench-") as name:
        for number in range(TRIES):
            folders = [Path(name) / f"{number}{side}" for side in "ob"]
            for folder in folders:
                folder.mkdir()
            if number % 2:
                theirs = await bare(kafka.bootstrap, folders[1])
                mine = await ours(kafka.bootstrap, folders[0])
            else:
                mine = await ours(kafka.bootstrap, folders[0])
                theirs = await bare(kafka.bootstrap, folders[1])
            for label, done in (("ours", mine), ("bare", theirs)):
                q = done.quantiles
                print(
                    f"  pair {number + 1} {label}: n {q.n}, {done.orders_per_second:.0f} orders/s, "
                    f"p50 {q.p50:.0f} p99 {q.p99:.0f} p99.9 {q.p999:.0f} us, "
                    f"others {done.others:.2f} of a core",
                    flush=True,
                )
            if max(mine.others, theirs.others) > OTHERS_AT_MOST:
                void += 1
                continue
            pairs.append((mine, theirs))
            if len(pairs) == PAIRS:
                break
    print(f"  {len(pairs)} pairs count, {void} void")
    figures = []
    for quantile, aim in (("p50", 2.0), ("p99", 2.0), ("p999", None)):
        mine = [getattr(m.quantiles, quantile) for m, _ in pairs]
        theirs = [getattr(t.quantiles, quantile) for _, t in pairs]
        ratio = median([m / t for m, t in zip(mine, theirs, strict=True) if t])
        words, met = "reported", True
        if aim is not None:
            words, met = f"ratio <= {aim:.0f}", ratio <= aim
        if quantile == "p50":
            words, met = f"{words} and ours < 1000 us", met and median(mine) < 1000
        counted = len(pairs) == PAIRS
        figures.append(
            Figure(
                f"tick to wire, {quantile}",
                median(mine),
                median(theirs),
                ratio,
                "us",
                words,
                met if counted else None,
            )
        )
    return figures
