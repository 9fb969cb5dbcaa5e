"""The console under load: is the page smooth, and what does it cost?

``python -m benchmarks.console`` runs all three, about ten minutes; or name some:

``frames``: a real Chromium at 1280x800 on the blotter, then on a parent's page, while 5,000 children are live
and the record has 200 updates a second: times between frames in the page, beside those of an empty page.
``clients``: what 20 pages cost the console beside what none do, and what one costs that never reads.
``hot_path``: tick to wire with a console and one reader of it, against the same without, in alternating
pairs.

A measurement during which others used over a tenth of a core is void and taken again, a few times at most.
Figures go to ``benchmarks/results/console.json``.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import os
import random
import shutil
import socket
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import uvloop
from playwright.async_api import Page, async_playwright

from benchmarks import tick_to_wire
from benchmarks.console_desk import Cost, Desk, desk, log_in, read_for, say, start_console, websocket
from benchmarks.console_load import BOOKS_PER_SECOND, CHILDREN, PARENTS, RATE
from benchmarks.machine import OthersWatch, describe, median
from benchmarks.result import LATEST, Figure, write
from benchmarks.tick_to_wire import Processes
from service.console.serving import STUCK
from service.settings import ROOT
from service.transport.kafka_process import KafkaProcess

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
NAMES = ("frames", "clients", "hot_path")
RESULTS = LATEST.with_name("console.json")
FRAME_P95_MS = 50.0
RATIO = 1.05
RESAMPLES = 2_000
OTHERS_AT_MOST = 0.1
TRIES = 3
EXTRA_PAIRS = 2
PAGES_A_SESSION = 10
MOST_SHARE = 0.5
MOST_GROWTH = 16.0

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


# Frames


async def frames(kafka: str, folder: Path, seconds: float) -> list[Figure]:
    """Times between frames on the blotter and on a parent's page."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        raise SystemExit("chromium is not installed; on Debian: apt-get install chromium")
    say(f"{PARENTS} parents, {CHILDREN} live children, {RATE} updates/s, {BOOKS_PER_SECOND} books/s")
    async with desk(kafka, folder) as at, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            context = await browser.new_context(viewport={"width": 1280, "height": 800})
            empty = await context.new_page()
            bare, _ = await _counting("an empty page", empty, at, seconds / 2)
            await empty.close()
            page = await context.new_page()
            page.set_default_timeout(60_000)
            page.on("pageerror", lambda error: say(f"the page failed: {error}"))
            await page.goto(f"http://{at.address}/")
            await page.fill("#name", "alice")
            await page.fill("#password", "alice in development")
            await page.keyboard.press("Enter")
            await page.wait_for_selector(".vrow[data-key^=P0]")
            await page.keyboard.press("j")
            await page.wait_for_selector(".vrow[data-key^=P0][data-key*='.']")
            blotter = await _counting("blotter", page, at, seconds)
            await page.keyboard.press("Enter")
            await page.wait_for_selector("canvas")
            parent = await _counting("a parent's page", page, at, seconds)
        finally:
            await browser.close()
    aim = f"p95 < {FRAME_P95_MS:.0f} ms"
    return [
        Figure(
            f"console, frames of {name}, p95",
            p95,
            bare,
            p95 / bare,
            "ms",
            aim,
            p95 < FRAME_P95_MS if counts else None,
        )
        for name, (p95, counts) in (("the blotter", blotter), ("a parent's page", parent))
    ]


async def _counting(name: str, page: Page, at: Desk, seconds: float) -> tuple[float, bool]:
    """Measure until it counts; the p95, and whether it does."""
    for _ in range(TRIES):
        p95, others = await _measured(name, page, at, seconds)
        if others <= OTHERS_AT_MOST:
            return p95, True
        say(f"  void: others used {others:.2f} of a core")
    return p95, False


async def _measured(name: str, page: Page, at: Desk, seconds: float) -> tuple[float, float]:
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
    drawing = [
        sum(after[name] - before[name] for name in names)
        for names in (("TaskDuration",), ("ScriptDuration",), ("LayoutDuration", "RecalcStyleDuration"))
    ]
    long = result["long"]
    say(
        f"{name}: {len(times)} frames, p50 {p50:.1f} p95 {p95:.1f} p99 {p99:.1f} worst {times[-1]:.1f} ms; "
        f"{len(long)} long tasks, worst {max(long, default=0):.0f} ms"
    )
    say(
        f"  its main thread {100 * drawing[0] / seconds:.0f} % of a core, of it script "
        f"{100 * drawing[1] / seconds:.0f}, style and layout {100 * drawing[2] / seconds:.0f}; "
        f"heap {heap:.0f} MiB"
    )
    say(
        f"  console {100 * used:.0f} % of a core, {cost.megabytes():.0f} MiB; to the page "
        f"{received['live'] / seconds / 1e3:.0f} kB/s live, "
        f"{received['fetched'] / seconds / 1e3:.0f} kB/s fetched; others {share:.2f} of a core"
    )
    return p95, share


async def _metrics(wire: Any) -> dict[str, float]:
    return {m["name"]: m["value"] for m in (await wire.send("Performance.getMetrics"))["metrics"]}


# Clients


async def clients(kafka: str, folder: Path, seconds: float, count: int) -> list[Figure]:
    """What many pages cost the console, and what one costs that never reads."""
    costs: dict[int, tuple[float, bool]] = {}
    async with desk(kafka, folder) as at:
        cookies = [await asyncio.to_thread(log_in, at.address) for _ in range(-(-count // PAGES_A_SESSION))]
        for many in (0, 1, count):
            for _ in range(TRIES):
                share, others = await _pages(
                    at, [cookies[n // PAGES_A_SESSION] for n in range(many)], seconds
                )
                costs[many] = share, others <= OTHERS_AT_MOST
                if costs[many][1]:
                    break
                say(f"  void: others used {others:.2f} of a core")
        grown = await _silent(at, cookies[-1], max(seconds, 2 * STUCK))
    (none, quiet), (busy, still) = costs[0], costs[count]
    counts = quiet and still
    return [
        Figure(
            f"console, {count} pages beside none", 100 * busy, 100 * none, busy / max(none, 1e-6), "% a core",
            f"< {100 * MOST_SHARE:.0f} % of a core", busy < MOST_SHARE if counts else None,
        ),
        Figure(
            "console, memory for a page that never reads", grown, 0.0, float("nan"), "MiB",
            f"< {MOST_GROWTH:.0f} MiB", grown < MOST_GROWTH,
        ),
    ]  # fmt: skip


async def _pages(at: Desk, cookies: list[str], seconds: float) -> tuple[float, float]:
    """Share of a core that the console used while a page with each cookie read all; and what others used."""
    async with contextlib.AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(websocket(at.address, cookie)) for cookie in cookies]
        await asyncio.gather(*(socket.recv() for socket in sockets))
        cost, watch = Cost(at.console), OthersWatch()
        watch.start()
        got = await asyncio.gather(asyncio.sleep(seconds), *(read_for(socket, seconds) for socket in sockets))
        share, others = cost.share(), watch.share()
    each = median([size / seconds / 1e3 for size, _ in got[1:]]) if sockets else 0.0
    rate = median([number / seconds for _, number in got[1:]]) if sockets else 0.0
    say(
        f"{len(cookies)} pages: console {100 * share:.1f} % of a core, {cost.megabytes():.0f} MiB; "
        f"each {each:.0f} kB/s in {rate:.1f} messages/s; others {others:.2f} of a core"
    )
    return share, others


async def _silent(at: Desk, cookie: str, seconds: float) -> float:
    """MiB that the console grows by for a page that never reads, until it is cut off and after."""
    host, _, port = at.address.rpartition(":")
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.setblocking(False)
    cost = Cost(at.console)
    before = cost.megabytes()
    with plain:
        loop = asyncio.get_running_loop()
        await loop.sock_connect(plain, (host, int(port)))
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            "GET /api/live HTTP/1.1", f"Host: {at.address}", "Connection: Upgrade", "Upgrade: websocket",
            "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}", f"Cookie: {cookie}",
            f"Origin: http://{at.address}", "", "",
        ]  # fmt: skip
        await loop.sock_sendall(plain, "\r\n".join(lines).encode())
        most = before
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            await asyncio.sleep(0.25)
            most = max(most, cost.megabytes())
    say(
        f"one page that never reads, {seconds:.0f} s: console from {before:.1f} to at most {most:.1f} MiB, "
        f"{100 * cost.share():.1f} % of a core"
    )
    return most - before


# The hot path


async def _one(kafka: str, folder: Path, watched: bool) -> tick_to_wire.Run | None:
    """One run; None if the machine was too busy for it, and of what that came is said."""
    name = "with" if watched else "without"
    folder.mkdir()
    try:
        run = await tick_to_wire.ours(kafka, folder, beside=watch if watched else None)
    except RuntimeError as error:
        say(f"{name} console: {error}")
        for log in sorted(folder.glob("*.log")):
            print(f"--- {log.name}\n{log.read_text()[-600:]}", flush=True)
        return None
    q = run.quantiles
    say(
        f"{name} console: n {q.n}, {run.orders_per_second:.0f} orders/s, p50 {q.p50:.0f} "
        f"p90 {at(run.latencies, 0.9):.0f} p99 {q.p99:.0f} us, others {run.others:.2f} of a core"
    )
    return run


async def hot_path(kafka: str, root: Path, pairs: int) -> list[Figure]:
    """Tick to wire with and without a console, in alternating pairs."""
    with_it: list[tick_to_wire.Run] = []
    without: list[tick_to_wire.Run] = []
    for number in range(pairs + EXTRA_PAIRS):
        runs: dict[bool, tick_to_wire.Run] = {}
        for watched in (True, False) if number % 2 else (False, True):
            found_in = await _one(kafka, root / f"{number}{'w' if watched else 'o'}", watched)
            if found_in is not None:
                runs[watched] = found_in
        if len(runs) < 2 or max(run.others for run in runs.values()) > OTHERS_AT_MOST:
            say(f"pair {number + 1} is void: others were at work, or it did not run")
            continue
        with_it.append(runs[True])
        without.append(runs[False])
        if len(with_it) == pairs:
            break
    counts = len(with_it) == pairs
    say(f"{len(with_it)} pairs count")
    if not with_it:
        return []
    found = []
    for quantile in (0.5, 0.9):
        mine = [at(run.latencies, quantile) for run in with_it]
        bare = [at(run.latencies, quantile) for run in without]
        ratios = [w / o for w, o in zip(mine, bare, strict=True)]
        say(f"p{100 * quantile:.0f} of pairs: {' '.join(f'{r:.2f}' for r in ratios)}")
        ratio = median(ratios)
        found.append(
            Figure(
                f"tick to wire beside a console, p{100 * quantile:.0f}",
                median(mine), median(bare), ratio, "us",
                f"ratio <= {RATIO}", ratio <= RATIO if counts else None,
            )
        )  # fmt: skip
    low, middle, high = pooled(
        [list(r.latencies) for r in with_it], [list(r.latencies) for r in without], 0.99
    )
    mine, bare = ([at([x for run in runs for x in run.latencies], 0.99)] for runs in (with_it, without))
    found.append(
        Figure(
            "tick to wire beside a console, p99 pooled", mine[0], bare[0], middle, "us",
            f"95 % interval {low:.2f} to {high:.2f}", True if counts else None,
        )
    )  # fmt: skip
    return found


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
    address, console = await start_console(children, kafka, prefix, folder, folder / "reference.toml")
    cookie = await asyncio.to_thread(log_in, address)
    async with websocket(address, cookie) as socket:
        reading = asyncio.create_task(read_for(socket, 3_600))
        cost = Cost(console)
        try:
            yield
            say(f"the console used {100 * cost.share():.0f} % of a core")
            if reading.done():
                raise RuntimeError(f"the console hung up; logs in {folder}")
        finally:
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reading


async def main(arguments: argparse.Namespace) -> list[Figure]:
    """Run those that are named, on a Kafka of their own."""
    (ROOT / "runs").mkdir(exist_ok=True)
    found: list[Figure] = []
    with tempfile.TemporaryDirectory(dir=ROOT / "runs", prefix="bench-console-") as name:
        root = Path(name)
        (root / "kafka").mkdir()
        async with KafkaProcess(root / "kafka") as kafka:
            for what in arguments.what or NAMES:
                print(what, flush=True)
                folder = root / what
                folder.mkdir()
                if what == "frames":
                    found += await frames(kafka.bootstrap, folder, arguments.seconds)
                elif what == "clients":
                    found += await clients(kafka.bootstrap, folder, arguments.seconds, arguments.clients)
                else:
                    found += await hot_path(kafka.bootstrap, folder, arguments.pairs)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What the console costs, and how smooth its page is.")
    parser.add_argument("what", nargs="*", choices=[*NAMES, []], help="which; all if none is named")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
    parser.add_argument("--pairs", type=int, default=5, help="of runs with and without a console")
    parser.add_argument("--clients", type=int, default=20, help="pages at once")
    given = parser.parse_args()
    print(describe())
    figures = uvloop.run(main(given))
    for figure in figures:
        print(figure.line())
    if not given.what or set(given.what) == set(NAMES):
        write(figures, describe(), RESULTS)
    print(f"missed: {', '.join(f.name for f in figures if f.met is False) or 'nothing'}")
