"""Memory of each role over a long, fast replay: ``python -m benchmarks.memory [--speed X] [--seconds Y]``.

Starts the real roles on a Kafka of their own, replays the synthetic market fast, hands in parents all the
time (what a closed parent leaves behind would show), and samples each role's resident memory. The figure is
the growth from the end of the first third, when caches are warm, to the end.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

import psutil
import uvloop

from benchmarks.machine import describe, median
from benchmarks.tick_to_wire import Processes, processes
from service.model.orders import NewParent, ParentOrder, Side
from service.model.parameters import Parameters
from service.settings import ROOT
from service.transport.kafka_probe import free_port
from service.transport.kafka_process import KafkaProcess
from service.transport.producer import Producer
from service.transport.topics import PARENTS

ROLES = ("recorder", "broker-sim", "gateway", "runner", "feed")
EVERY = 2.0


def start(children: Processes, role: str, common: list[str], *more: str) -> psutil.Process:
    """Start one role."""
    return psutil.Process(children.start(role, "service.cli", "run", role, *common, *more).pid)


async def main(speed: float, seconds: float) -> None:
    """Run, sample, report."""
    with tempfile.TemporaryDirectory(dir=ROOT / "runs", prefix="memory-") as name:
        folder = Path(name)
        async with KafkaProcess(folder / "kafka") as kafka:
            port = str(free_port())
            common = ["--run-dir", str(folder), "--kafka", kafka.bootstrap]
            with processes(folder) as children:
                running = {"recorder": start(children, "recorder", common)}
                await children.wait_for(folder / "ready" / "recorder")
                running["broker-sim"] = start(children, "broker-sim", common, "--port", port)
                running["gateway"] = start(children, "gateway", common, "--broker", f"127.0.0.1:{port}")
                running["runner"] = start(children, "runner", common)
                for role in running:
                    await children.wait_for(folder / "ready" / role)
                running["feed"] = start(
                    children, "feed", common, "--source", "synthetic", "--speed", str(speed)
                )
                samples = await sample(running, kafka.bootstrap, seconds)
    print(f"{describe()}; synthetic market at {speed:.0f} times real time for {seconds:.0f} s")
    for role, sizes in samples.items():
        third = len(sizes) // 3
        early, late = median(sizes[third : third + 5]), median(sizes[-5:])
        print(
            f"{role:<11} {sizes[0]:6.1f} MB at start, {early:6.1f} after a third, {late:6.1f} at the end: "
            f"{late - early:+.1f} MB ({(late / early - 1) * 100:+.1f} %), peak {max(sizes):.1f}"
        )


async def sample(
    running: dict[str, psutil.Process], bootstrap: str, seconds: float
) -> dict[str, list[float]]:
    """Resident memory of each role in MB, every two seconds, while parents come and go."""
    out = Producer(bootstrap, client="bench-memory")
    await out.start()
    samples: dict[str, list[float]] = {role: [] for role in running}
    end = time.monotonic() + seconds
    number = 0
    while time.monotonic() < end:
        for role, process in running.items():
            samples[role].append(process.memory_info().rss / 2**20)
        for symbol in ("AURA", "BOLT"):
            number += 1
            order = ParentOrder(
                id=f"M-{number}",
                symbol=symbol,
                side=Side.BUY if number % 4 < 2 else Side.SELL,
                quantity=1000,
                policy=("twap", "pov", "timing")[number % 3],
                account="NW-1",
                trader="alice",
                ts_utc=time.time_ns(),
                parameters=Parameters(duration=600.0),
            )
            command = NewParent(command_id=f"n-{number}", parent=order, by="alice", ts_utc=time.time_ns())
            out.send(PARENTS, symbol.encode(), command)
        await asyncio.sleep(EVERY)
    await out.stop()
    return samples


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Memory of each role over a long, fast replay.")
    parser.add_argument("--speed", type=float, default=100.0)
    parser.add_argument("--seconds", type=float, default=240.0)
    given = parser.parse_args()
    (ROOT / "runs").mkdir(exist_ok=True)
    uvloop.run(main(given.speed, given.seconds))
