"""From ``kill`` on the control socket to the last cancel handed to FIX, with many orders at work.

By itself: ``python -m benchmarks.kill``. The real gateway, Kafka and the broker simulator as processes, the
stage of the gateway's integration tests. Time runs from before the request is written to the socket to the
``sent`` stamp of the last OrderCancelRequest; both clocks are this machine's.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from functools import partial
from pathlib import Path

import uvloop

from benchmarks.machine import OthersWatch, describe
from service.gateway import control_client
from service.model.events import ChildAccepted, ChildCancelRequested, ChildDenied
from service.model.time import MILLISECOND
from service.settings import ROOT
from service.transport.kafka_process import KafkaProcess
from tests.integration.gateway.stage import PRICE, Stage, stage, until

AIM_MS = 1_000.0
_A_SECOND = 120
_PER_PARENT = 100


async def fill(on: Stage, orders: int) -> None:
    """Have so many orders work at the broker, none of them like another, at a pace that the limits allow.

    What a busy machine has denied (a feed that came too late) is tried again.
    """
    for number in range(-(-orders // _PER_PARENT)):
        await on.admit(f"K{number}", quantity=1_000_000)
    next_child = dict.fromkeys(range(-(-orders // _PER_PARENT)), 1)
    accepted = 0
    while accepted < orders:
        began = time.monotonic()
        for count, number in enumerate(range(accepted, orders)):
            parent = number // _PER_PARENT
            price = PRICE - 200 - 100 * (number % 40)
            on.runner.submit(f"K{parent}.{next_child[parent]}", 1 + number // 40, price)
            next_child[parent] += 1
            await asyncio.sleep(max(0.0, began + count / _A_SECOND - time.monotonic()))
        tried = sum(next_child.values()) - len(next_child)
        await until(partial(_answered, on, tried), 60.0, "orders")
        accepted = len(on.runner.all(ChildAccepted))
        assert tried < 10 * orders, f"the last denial: {on.runner.all(ChildDenied)[-1]}"


def _answered(on: Stage, tried: int) -> bool:
    return len(on.runner.all(ChildAccepted)) + len(on.runner.all(ChildDenied)) >= tried


async def measure(orders: int) -> tuple[float, float, float]:
    """Milliseconds to the last cancel sent and to the last order's end; what others used of a core."""
    (ROOT / "runs").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT / "runs", prefix="bench-kill-") as folder:
        async with KafkaProcess(Path(folder) / "kafka") as kafka, stage(kafka, "kill.", Path(folder)) as on:
            await fill(on, orders)
            working = len((await on.status()).working)
            assert working == orders, f"{working} orders work"
            watch = OthersWatch()
            watch.start()
            began, at = time.time_ns(), time.monotonic()
            await control_client.kill(Path(folder), "all", "benchmark")
            left = await control_client.until_nothing_works(Path(folder), 60.0)
            over = (time.monotonic() - at) * 1e3
            assert not left
            sent = await until(
                lambda: len(found := on.runner.all(ChildCancelRequested)) >= orders and found, what="cancels"
            )
            last = max(cancel.stamps.sent for cancel in sent)
            return (last - began) / MILLISECOND, over, watch.share()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=1_000, help="that work when the kill comes")
    given = parser.parse_args()
    sent, over, others = uvloop.run(measure(given.orders))
    print(describe())
    verdict = "met" if sent <= AIM_MS else "MISSED"
    print(
        f"kill of {given.orders:,} working orders: last cancel sent after {sent:,.0f} ms "
        f"(aim {AIM_MS:,.0f} ms: {verdict}), nothing worked after {over:,.0f} ms; "
        f"others used {others:.2f} of a core"
    )


if __name__ == "__main__":
    main()
