"""How long a gateway takes to fold its journal: ``python -m benchmarks.recovery``.

The journal is made by the gateway's own core, driven as its unit tests drive it: parents of ten children,
each journalled with its market facts, acknowledged, and then filled or cancelled. Timed are reading, checking
and folding, as at a start, with the collector tuned as in the role.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from pathlib import Path

from benchmarks.machine import OthersWatch, describe
from service.gateway.core import Core
from service.gateway.journal import open_journal
from service.gateway.shell import Recovery
from service.model.codec import encode
from service.model.orders import Side
from service.model.time import MILLISECOND
from service.telemetry.process import tune_collector
from tests.unit.gateway.driver import PRICE, Driver, parent

_CHILDREN = 10


def trade(inputs: int) -> Driver:
    """A driver whose core has been fed at least so many inputs."""
    desk = Driver(on_runner_loss="leave")
    number = 0
    while desk.seq < inputs:
        number += 1
        side = Side.BUY if number % 2 else Side.SELL
        desk.admit(parent(f"P{number}", quantity=1000, side=side))
        for child in range(1, _CHILDREN + 1):
            child_id = f"P{number}.{child}"
            desk.wait(50 * MILLISECOND)
            desk.refresh()
            # No two alike within the window of the duplicate check.
            if desk.submit(child_id, quantity=100, price=PRICE + side.sign * -100 * child) != "approved":
                continue
            desk.acknowledge(child_id)
            if child % 2:
                desk.fill(100, child_id)
            else:
                desk.cancel(child_id)
                desk.canceled(child_id)
    return desk


async def write(path: Path, desk: Driver) -> None:
    """Put every input of a driver into a journal."""
    journal = open_journal(path, lambda _: None)
    journal.start(on_synced=lambda _: None, on_failed=lambda reason: print(reason))
    for frame in desk.frames:
        journal.append(encode(frame), sync=False)
    await asyncio.sleep(0)
    await journal.close()


def fold(path: Path) -> tuple[Recovery, float, float]:
    """Recover from a journal; returns the fold, seconds of the wall clock, and of the processor."""
    began, used = time.monotonic(), time.process_time()
    recovery = Recovery(Core())
    journal = open_journal(path, recovery.take)
    took = time.monotonic() - began, time.process_time() - used
    os.close(journal._fd)  # it was never started, so there is no loop to close it on
    return recovery, *took


def main(inputs: int, repeats: int) -> None:
    """Print what each of some recoveries took."""
    tune_collector()
    desk = trade(inputs)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gateway.journal"
        asyncio.run(write(path, desk))
        orders, size = len(desk.core.state.ledger.orders), path.stat().st_size
        print(f"{desk.seq} inputs, {orders} orders, {size / 1e6:.0f} MB; {describe()}")
        for _ in range(repeats):
            watch = OthersWatch()
            watch.start()
            recovery, wall, cpu = fold(path)
            print(
                f"{wall:.2f} s, of the processor {cpu:.2f} s: {1e6 * cpu / recovery.seq:.1f} us an input; "
                f"others used {watch.share():.2f} of a core"
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    main(given.inputs, given.repeats)
