"""The console under load: is the page smooth, and what does it cost?

``python -m benchmarks.console frames``: a real Chromium at 1280x800 on the blotter, then on a parent's page,
while 5,000 children are live and the record has 200 updates a second: times between frames in the page.
``clients``: what 20 pages cost the console, and what one costs that never reads.
``hot_path``: tick to wire with a console and one reader of it, against the same without, in alternating
pairs.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import shutil
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import uvloop
from playwright.async_api import Page, async_playwright
from websockets.asyncio.client import ClientConnection, connect

from benchmarks import tick_to_wire
from benchmarks.console_load import BOOKS_PER_SECOND, CHILDREN, PARENTS, RATE
from benchmarks.machine import OthersWatch, describe, median
from benchmarks.tick_to_wire import Processes, processes, reference_file
from service.settings import ROOT
from service.transport.kafka_process import KafkaProcess
from service.transport.topics import ensure_topics

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-precise-memory-info",
)
FRAME_P95_MS = 50.0
RATIO = 1.05
RESAMPLES = 2_000

MEASURE = """
async (seconds) => {
  const frames = [], long = [];
  const watch = new PerformanceObserver((list) => list.getEntries().forEach((t) => long.push(t.duration)));
  watch.observe({ entryTypes: ["longtask"] });
  await new Promise((done) => {
    let last = performance.now();
    const end = last + seconds * 1000;
    const frame = () => {
      const now = performance.now();
      frames.push(now - last);
      last = now;
      if (now < end) requestAnimationFrame(frame); else done();
    };
    requestAnimationFrame(frame);
  });
  watch.disconnect();
  return { frames, long };
}
"""


@dataclass(frozen=True, slots=True)
class Desk:
    """A console on a full record that is being updated."""

    address: str
    console: psutil.Process
    children: Processes


@contextlib.asynccontextmanager
async def desk(kafka: str, folder: Path) -> AsyncIterator[Desk]:
    """Start the load, wait until every child works, and start a console on it."""
    prefix = f"{folder.name}."
    await ensure_topics(kafka, prefix)
    with processes(folder) as children:
        children.start("load", "benchmarks.console_load", kafka, prefix)
        log = folder / "load.log"
        deadline = time.monotonic() + 120
        while "full" not in log.read_text():
            if time.monotonic() > deadline or children.running[0].poll() is not None:
                raise RuntimeError(f"the load did not get ready: {log.read_text()}")
            await asyncio.sleep(0.1)
        address, console = await start_console(children, kafka, prefix, folder, reference_file(folder))
        yield Desk(address, console, children)


async def start_console(
    children: Processes, kafka: str, prefix: str, folder: Path, reference: Path
) -> tuple[str, psutil.Process]:
    """The role ``console`` on a free port; returns its address."""
    process = children.start(
        "console", "service.cli", "run", "console", "--run-dir", str(folder), "--kafka", kafka,
        "--topic-prefix", prefix, "--reference", str(reference), "--port", "0",
    )  # fmt: skip
    await children.wait_for(folder / "ready" / "console")
    return (folder / "ready" / "console.address").read_text().strip(), psutil.Process(process.pid)


def log_in(address: str, name: str = "alice") -> str:
    """A session's cookie."""
    request = urllib.request.Request(
        f"http://{address}/api/session",
        json.dumps({"name": name, "password": f"{name} in development"}).encode(),
        {"content-type": "application/json", "origin": f"http://{address}"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(answer.headers["set-cookie"]).partition(";")[0]


def websocket(address: str, cookie: str, **options: Any) -> Any:
    """A connection like a page's."""
    headers = {"cookie": cookie, "origin": f"http://{address}"}
    return connect(f"ws://{address}/api/live", additional_headers=headers, max_size=None, **options)


async def read_for(socket: ClientConnection, seconds: float) -> tuple[int, int]:
    """Bytes and messages that came in so many seconds."""
    size = count = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                size, count = size + len(await socket.recv(decode=False)), count + 1
    return size, count


class Cost:
    """What a process used between two moments."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._began, self._used = time.monotonic(), self._cpu()

    def _cpu(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def share(self) -> float:
        """Of one core."""
        return (self._cpu() - self._used) / (time.monotonic() - self._began)

    def megabytes(self) -> float:
        """Resident now."""
        return float(self._process.memory_info().rss) / 2**20


# Frames


async def frames(kafka: str, folder: Path, seconds: float) -> None:
    """Print the times between frames on the blotter and on a parent's page."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        raise SystemExit("chromium is not installed; on Debian: apt-get install chromium")
    print(f"  {PARENTS} parents, {CHILDREN} live children, {RATE} updates/s, {BOOKS_PER_SECOND} books/s")
    async with desk(kafka, folder) as at, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            context = await browser.new_context(viewport={"width": 1280, "height": 800})
            page = await context.new_page()
            page.set_default_timeout(30_000)
            page.on("pageerror", lambda error: print(f"  the page failed: {error}", flush=True))
            await page.goto(f"http://{at.address}/")
            await page.fill("#name", "alice")
            await page.fill("#password", "alice in development")
            await page.keyboard.press("Enter")
            await page.wait_for_selector(".vrow[data-key^=P0]")
            await page.keyboard.press("j")
            await page.wait_for_selector(".vrow[data-key^=P0][data-key*='.']")
            await _measured("blotter", page, at, seconds)
            await page.keyboard.press("Enter")
            await page.wait_for_selector("canvas")
            await _measured("parent's page", page, at, seconds)
        finally:
            await browser.close()


async def _measured(name: str, page: Page, at: Desk, seconds: float) -> None:
    received = {"live": 0, "fetched": 0}
    wire = await page.context.new_cdp_session(page)

    def live(event: dict[str, Any]) -> None:
        received["live"] += len(event["response"]["payloadData"])

    def fetched(event: dict[str, Any]) -> None:
        received["fetched"] += event["dataLength"]

    wire.on("Network.webSocketFrameReceived", live)
    wire.on("Network.dataReceived", fetched)
    await wire.send("Network.enable")
    await wire.send("Performance.enable", {"timeDomain": "threadTicks"})
    cost, others = Cost(at.console), OthersWatch()
    others.start()
    before = await _metrics(wire)
    result = await page.evaluate(MEASURE, seconds)
    after = await _metrics(wire)
    used, share = cost.share(), others.share()
    await wire.send("HeapProfiler.collectGarbage")
    heap = (await _metrics(wire))["JSHeapUsedSize"] / 2**20
    await wire.detach()
    times = sorted(result["frames"])
    p50, p95, p99 = (times[int(q * len(times))] for q in (0.5, 0.95, 0.99))
    verdict = "met" if p95 < FRAME_P95_MS else "MISSED"
    drawing = [
        sum(after[name] - before[name] for name in names)
        for names in (("TaskDuration",), ("ScriptDuration",), ("LayoutDuration", "RecalcStyleDuration"))
    ]
    long = result["long"]
    print(
        f"  {name}: {len(times)} frames, p50 {p50:.1f} p95 {p95:.1f} p99 {p99:.1f} worst {times[-1]:.1f} ms, "
        f"aim p95 < {FRAME_P95_MS:.0f} ms {verdict}; "
        f"{len(long)} long tasks, worst {max(long, default=0):.0f} ms"
    )
    print(
        f"    page's main thread {100 * drawing[0] / seconds:.0f} % of a core, of it script "
        f"{100 * drawing[1] / seconds:.0f}, style and layout "
        f"{100 * drawing[2] / seconds:.0f}; heap {heap:.0f} MiB"
    )
    print(
        f"    console {100 * used:.0f} % of a core, {cost.megabytes():.0f} MiB; to the page "
        f"{received['live'] / seconds / 1e3:.0f} kB/s live, "
        f"{received['fetched'] / seconds / 1e3:.0f} kB/s fetched; "
        f"others {share:.2f} of a core",
        flush=True,
    )


async def _metrics(wire: Any) -> dict[str, float]:
    return {m["name"]: m["value"] for m in (await wire.send("Performance.getMetrics"))["metrics"]}


# Clients


async def clients(kafka: str, folder: Path, seconds: float, count: int) -> None:
    """Print what many pages cost the console, and what one costs that never reads."""
    async with desk(kafka, folder) as at:
        cookie = await asyncio.to_thread(log_in, at.address)
        for many in (0, 1, count):
            async with contextlib.AsyncExitStack() as stack:
                sockets = [
                    await stack.enter_async_context(websocket(at.address, cookie)) for _ in range(many)
                ]
                await asyncio.gather(*(s.recv() for s in sockets))
                cost = Cost(at.console)
                got = await asyncio.gather(asyncio.sleep(seconds), *(read_for(s, seconds) for s in sockets))
                each = [size / seconds / 1e3 for size, _ in got[1:]]
                rate = [number / seconds for _, number in got[1:]]
                print(
                    f"  {many} pages: console {100 * cost.share():.0f} % of a core, "
                    f"{cost.megabytes():.0f} MiB; each {median(each):.0f} kB/s in "
                    f"{median(rate):.1f} messages/s",
                    flush=True,
                )
        async with websocket(at.address, cookie, max_queue=1):
            await asyncio.sleep(2.0)
            cost = Cost(at.console)
            before = cost.megabytes()
            await asyncio.sleep(seconds)
            print(
                f"  one page that never reads, {seconds:.0f} s: console from {before:.1f} to "
                f"{cost.megabytes():.1f} MiB, {100 * cost.share():.0f} % of a core",
                flush=True,
            )


# The hot path


async def hot_path(kafka: str, root: Path, pairs: int) -> None:
    """Print tick to wire with and without a console, in alternating pairs."""
    with_it: list[list[float]] = []
    without: list[list[float]] = []
    for number in range(pairs):
        for watched in (True, False) if number % 2 else (False, True):
            folder = root / f"{number}{'w' if watched else 'o'}"
            folder.mkdir()
            run = await tick_to_wire.ours(kafka, folder, beside=watch if watched else None)
            (with_it if watched else without).append(list(run.latencies))
            q = run.quantiles
            print(
                f"  pair {number + 1} {'with' if watched else 'without'} console: n {q.n}, "
                f"{run.orders_per_second:.0f} orders/s, p50 {q.p50:.0f} "
                f"p90 {at(run.latencies, 0.9):.0f} p99 {q.p99:.0f} us, others "
                f"{run.others:.2f} of a core",
                flush=True,
            )
    for quantile in (0.5, 0.9):
        ratios = [at(w, quantile) / at(o, quantile) for w, o in zip(with_it, without, strict=True)]
        ratio = median(ratios)
        verdict = "met" if ratio <= RATIO else "MISSED"
        print(
            f"  p{100 * quantile:.0f}: median paired ratio {ratio:.3f} "
            f"(pairs {' '.join(f'{r:.2f}' for r in ratios)}), aim <= {RATIO} {verdict}"
        )
    low, middle, high = pooled(with_it, without, 0.99)
    print(f"  p99, pooled: ratio {middle:.3f}, 95 % interval {low:.3f} to {high:.3f}")


def at(values: Any, quantile: float) -> float:
    """A quantile by nearest rank."""
    ordered = sorted(values)
    return float(ordered[min(len(ordered) - 1, int(quantile * len(ordered)))])


def pooled(
    with_it: list[list[float]], without: list[list[float]], quantile: float
) -> tuple[float, float, float]:
    """The ratio of a quantile over all runs, with a 95 % interval.

    Runs, not orders, are drawn again (orders of one run are not independent of each other).
    """
    draw = random.Random(1)

    def ratio(chosen: list[int]) -> float:
        ours = [x for i in chosen for x in with_it[i]]
        bare = [x for i in chosen for x in without[i]]
        return at(ours, quantile) / at(bare, quantile)

    everyone = list(range(len(with_it)))
    drawn = sorted(ratio(draw.choices(everyone, k=len(everyone))) for _ in range(RESAMPLES))
    return drawn[int(0.025 * RESAMPLES)], ratio(everyone), drawn[int(0.975 * RESAMPLES)]


@contextlib.asynccontextmanager
async def watch(children: Processes, kafka: str, prefix: str, folder: Path) -> AsyncIterator[None]:
    """A console beside a run, with a page's connection that reads all it is sent."""
    address, _ = await start_console(children, kafka, prefix, folder, folder / "reference.toml")
    cookie = await asyncio.to_thread(log_in, address)
    async with websocket(address, cookie) as socket:
        reading = asyncio.create_task(read_for(socket, 3_600))
        try:
            yield
            if reading.done():
                raise RuntimeError(f"the console hung up; logs in {folder}")
        finally:
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reading


async def main(arguments: argparse.Namespace) -> None:
    """Run one of them on a Kafka of its own."""
    with tempfile.TemporaryDirectory(dir=ROOT / "runs", prefix="bench-console-") as name:
        root = Path(name)
        (root / "kafka").mkdir()
        async with KafkaProcess(root / "kafka") as kafka:
            folder = root / arguments.what
            folder.mkdir()
            print(describe())
            if arguments.what == "frames":
                await frames(kafka.bootstrap, folder, arguments.seconds)
            elif arguments.what == "clients":
                await clients(kafka.bootstrap, folder, arguments.seconds, arguments.clients)
            else:
                await hot_path(kafka.bootstrap, folder, arguments.pairs)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What the console costs, and how smooth its page is.")
    parser.add_argument("what", choices=["frames", "clients", "hot_path"])
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
    parser.add_argument("--pairs", type=int, default=5, help="of runs with and without a console")
    parser.add_argument("--clients", type=int, default=20, help="pages at once")
    uvloop.run(main(parser.parse_args()))
