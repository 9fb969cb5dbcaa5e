"""Alerts on limits, denials, losses and latency, from real causes to the webhooks (C22, C31, C32, C34)."""

import asyncio
import os
import re
import signal
import time
from pathlib import Path

import pytest

from service.model.events import ChildAccepted, ChildDenied, ChildFilled
from service.model.records import SignalValue
from service.settings import ROOT
from service.transport.kafka_process import KafkaProcess
from service.transport.topics import SIGNALS
from tests.integration.deploy.arrivals import Arrivals, metrics_of, stop_and_go
from tests.integration.deploy.causes import GATE
from tests.integration.deploy.stack import Stack, stack
from tests.integration.gateway.stage import PRICE, Process, Stage, free_port, stage, until

RECORDS = 110_000
UNRECORDED = 1_000
"""Records that the gateway holds while Kafka hangs, and that its next life can make good for."""
SELDOM = ("--flush-records", "1000000", "--flush-seconds", "3600")


def tight_limits(folder: Path) -> Path:
    """The deployed limits, but a small position of AURA, a small loss of TWAP, few orders a minute of POV."""
    text = (ROOT / "deploy/limits.toml").read_text()
    found = re.search(r'\[\[strategies\]\]\nname = "\*"\n.*?\n\n', text, re.DOTALL)
    assert found is not None
    every = found[0]
    twap = every.replace('"*"', '"twap"', 1).replace("max_daily_loss = 500_000", "max_daily_loss = 800")
    pov = every.replace('"*"', '"pov"', 1).replace(
        "max_orders_per_minute = 3000", "max_orders_per_minute = 20"
    )
    assert len({every, twap, pov}) == 3
    text = text.replace(every, every + twap + pov).replace("max_long = 60_000", "max_long = 2_000", 1)
    path = folder / "limits.toml"
    path.write_text(text)
    return path


async def flood(on: Stage) -> None:
    """Give the recorder more than it may keep in memory."""
    record = SignalValue(name="drill", symbol="AURA", values=(1.0,), ts_event=1, ts_utc=1, horizon=0)
    for number in range(RECORDS):
        on.producer.send(SIGNALS, b"AURA", record)
        if number % 2_000 == 0:
            await asyncio.sleep(0)


async def slow_path(on: Stage) -> None:
    """Orders wait before a gateway that is stopped."""
    await on.admit(quantity=5_000)
    await on.fed()
    on.gateway.signal(signal.SIGSTOP)
    for number in range(1, 11):
        on.runner.submit(f"P1.{number}", 1, PRICE - 500)
    await asyncio.sleep(0.4)
    on.gateway.signal(signal.SIGCONT)
    await on.runner.hears(ChildAccepted, "P1.10")


async def fall(on: Stage, watch: Arrivals) -> None:
    """Buy, and have the market fall."""
    on.runner.submit("P1.11", 500, PRICE + 100)
    await on.runner.hears(ChildFilled, "P1.11")
    on.market.price, began = PRICE - 10_000, time.time()
    await watch.at_once("LossWarned", began)
    on.market.price, began = PRICE - 20_000, time.time()
    await watch.at_once("LossStopped", began)


async def near_the_limit(on: Stage, watch: Arrivals) -> None:
    """Orders that rest, of another policy: what they may add to the position counts."""
    await on.admit("P2", policy="vwap", quantity=5_000)
    began = time.time()
    on.runner.submit("P2.1", 950, PRICE - 21_000)
    await watch.at_once("OrderBlocked", began)
    began = time.time()
    on.runner.submit("P2.2", 800, PRICE - 21_000)
    await on.runner.hears(ChildAccepted, "P2.2")
    await watch.at_once("LimitWarned", began)
    await watch.at_once("LimitHalfUsed", began)
    began = time.time()
    on.runner.submit("P2.3", 500, PRICE - 21_000)
    await watch.at_once("LimitNearlyUsed", began)


async def in_a_loop(on: Stage, supervised: Stack, watch: Arrivals) -> None:
    """A runner that sends and sends."""
    await on.admit("P3", policy="pov", quantity=5_000)
    began = time.time()
    for number in range(1, 26):
        on.runner.submit(f"P3.{number}", 1, PRICE - 21_000 - 100 * number)
    await on.runner.hears(ChildDenied, "P3.25")
    await watch.at_once("ThrottleTripped", began)
    denied = 'slipstream_gateway_denials_total{code="THROTTLED"}'
    await until(lambda: supervised.query(denied), 20.0, "the denials in Prometheus")
    for number in range(26, 1_526):
        on.runner.submit(f"P3.{number}", 1, PRICE - 21_000)
        if number % 20 == 0:
            await asyncio.sleep(0.01)
    await on.runner.hears(ChildDenied, "P3.1525", seconds=60)
    await asyncio.gather(watch.once_it_lasts("DenialStorm"), watch.once_it_lasts("DenialsHigh"))


async def lossy_record(on: Stage, watch: Arrivals) -> None:
    """Kafka hangs for longer than the gateway's memory reaches, and the gateway is killed."""
    assert on.kafka.pid is not None
    os.kill(on.kafka.pid, signal.SIGSTOP)
    try:
        for number in range(1_526, 1_526 + 3 * UNRECORDED):
            on.runner.submit(f"P3.{number}", 1, PRICE - 21_000)
            if number % 20 == 0:
                await asyncio.sleep(0.01)
        # All of them: one that is on record after the gap, and the next life knows where to go on.
        await on.runner.hears(ChildDenied, f"P3.{number}", seconds=60)
        await watch.once_it_lasts("RecordDropped")
    finally:
        os.kill(on.kafka.pid, signal.SIGCONT)
    while (await on.status()).pending_records:
        await asyncio.sleep(0.1)
    await watch.once_it_lasts("JournalLarge")
    began = time.time()
    on.gateway.kill()
    await on.gateway.gone()
    await watch.once_it_lasts("RoleDown", began, role="gateway")
    await on.restart_gateway()
    await watch.once_it_lasts("RecordGap", began)


async def late_recorder(on: Stage, recorder: Process, supervised: Stack, watch: Arrivals) -> None:
    """More than the recorder may keep, and then no time for it."""
    await flood(on)
    pending = "slipstream_recorder_pending > 100000"
    await until(lambda: supervised.query(pending), 90.0, "the records at the recorder")
    stop = asyncio.Event()
    stopping = asyncio.create_task(stop_and_go(recorder, 0.3, 0.15, stop))
    try:
        await watch.once_it_lasts("LoopLate", role="recorder")
    finally:
        stop.set()
        await stopping
    await watch.once_it_lasts("RecorderBehind", seconds=90.0)


@pytest.mark.timeout(400)
async def test_limits_when_they_come_near_or_are_passed_then_people_know_and_of_nothing_else(
    own_kafka: KafkaProcess, topic_prefix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    options = (
        "--limits", str(tight_limits(tmp_path)), "--metrics-port", str(free_port()),
        "--max-unrecorded", str(UNRECORDED), "--record-kept", str(UNRECORDED), "--journal-large-mb", "0.25",
    )  # fmt: skip
    async with stage(own_kafka, topic_prefix, folder, gateway=options) as on:
        recorder = Process("recorder", folder, *on.where(), *SELDOM)
        try:
            await recorder.start()
            roles = metrics_of(folder, "gateway", "broker-sim", "recorder")
            async with stack(tmp_path / "supervision", roles) as supervised:
                watch = Arrivals(supervised, GATE)
                await watch.quiet()
                late = asyncio.create_task(late_recorder(on, recorder, supervised, watch))
                await slow_path(on)
                await asyncio.gather(watch.once_it_lasts("OrderPathSlow"), fall(on, watch))
                await near_the_limit(on, watch)
                await in_a_loop(on, supervised, watch)
                await late
                await lossy_record(on, watch)
                # A session that begins takes about as long as the alert waits for it.
                watch.finished(capsys, perhaps=frozenset(("FixSessionLost",)))
        finally:
            recorder.kill()
            await recorder.gone()
