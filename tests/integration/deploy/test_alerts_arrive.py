"""Alerts of a day's events, from causes in real processes to the webhooks (C31, C32)."""

import asyncio
import os
import resource
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from service.gateway import control_client
from service.model.events import Alarm, ChildAccepted, ChildRejected, ChildSubmitted
from service.model.market import TradingPhase
from service.model.parameters import Parameters
from service.model.time import SECOND
from service.transport.kafka_process import KafkaProcess
from service.transport.topics import PARENTS
from tests.drills.processes.gaps import why_no_trap
from tests.integration.deploy.arrivals import Arrivals, metrics_of
from tests.integration.deploy.causes import DAY
from tests.integration.deploy.stack import stack
from tests.integration.gateway.stage import PRICE, Process, Stage, stage, until


def require_strace() -> None:
    """Skip without a strace that works; fail where it must be there (CI)."""
    if reason := why_no_trap():
        if os.environ.get("SLIPSTREAM_REQUIRE_STRACE") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)


@asynccontextmanager
async def slow_disk(process: Process, seconds: float) -> AsyncIterator[None]:
    """Every fdatasync of the process begins so much later."""
    slow = f"inject=fdatasync:delay_enter={int(seconds * 1e6)}"
    strace = await asyncio.create_subprocess_exec(
        "strace", "-f", "-p", str(process.pid), "-e", "trace=fdatasync", "-e", slow, "-o", os.devnull,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert strace.stderr is not None
        assert b"attached" in await asyncio.wait_for(strace.stderr.readline(), 30.0)
        yield
    finally:
        strace.send_signal(signal.SIGINT)
        await strace.wait()


async def lose_a_runner(on: Stage) -> float:
    """The runner falls silent with an order at work; when the gateway said so, UTC."""
    on.runner.submit("P1.998", 100, PRICE - 500)
    await on.runner.hears(ChildAccepted, "P1.998")
    on.runner.alive = False

    def told(found: list[Any]) -> list[Alarm]:
        return [m for m in found if isinstance(m, Alarm) and m.code == "RUNNER_LOST"]

    (alarm,) = told(await on.recorded(lambda found: bool(told(found))))
    return alarm.ts_utc / 1e9


async def leave_a_parent(on: Stage) -> float:
    """Nobody works a parent until four fifths of its window are over; when that is, UTC."""
    begins = on.market.market
    window = Parameters(start_time=begins, end_time=begins + 20 * SECOND)
    state = await on.admit("P2", parameters=window)
    assert state.window_end == window.end_time
    return time.time() + (begins + 16 * SECOND - on.market.market) / 1e9


async def wait_for_the_disk(on: Stage, watch: Arrivals) -> None:
    """Orders are sent late; then so late that none of them is."""
    await on.admit(quantity=1000)
    await on.fed()
    async with slow_disk(on.gateway, 0.3):
        for number in (1, 2, 3):
            on.runner.submit(f"P1.{number}", 10, PRICE - 100 * number)
            await on.runner.hears(ChildSubmitted, f"P1.{number}")
        await watch.once_it_lasts("JournalSlow")
    async with slow_disk(on.gateway, 4.5):
        waiting = asyncio.create_task(watch.once_it_lasts("OrdersWaitForDisk"))
        number = 3
        while not waiting.done():
            number += 1
            on.runner.submit(f"P1.{number}", 1, PRICE - 100 * number)
            await asyncio.wait((waiting,), timeout=0.5)
        await waiting
    await until(lambda: on.runner.all(ChildRejected, "P1.4"), what="P1.4 is not sent")


async def silence(on: Stage, watch: Arrivals) -> None:
    """A minute of market time without a word of the venue."""
    on.market.hasten(60)
    on.market.silent = True
    await watch.once_it_lasts("VenueDown")
    on.market.silent = False
    on.market.hasten(1)


async def fill_the_disk(on: Stage, watch: Arrivals) -> None:
    """No byte more fits."""
    end = len((on.folder / "journal" / "gateway.journal").read_bytes().rstrip(b"\0"))
    began = time.time()
    on.gateway.limit(resource.RLIMIT_FSIZE, end)
    on.runner.submit("P1.999", 100, PRICE - 500)
    await watch.at_once("JournalFailed", began)


@pytest.mark.timeout(400)
async def test_alerts_when_their_causes_come_true_then_people_know_within_five_seconds_and_not_before(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    require_strace()
    folder = tmp_path / "run"
    async with stage(kafka, topic_prefix, folder) as on:
        roles = metrics_of(folder, "gateway", "broker-sim")
        async with stack(tmp_path / "supervision", roles) as supervised:
            watch = Arrivals(supervised, DAY)
            await watch.quiet()

            finish = await leave_a_parent(on)
            began = time.time()
            on.market.phase = TradingPhase.HALTED
            await watch.at_once("MarketHalted", began)
            on.market.phase = TradingPhase.CONTINUOUS
            over = supervised.webhooks.of
            await until(lambda: over("MarketHalted", firing=False), 30.0, "the end of MarketHalted")

            await wait_for_the_disk(on, watch)
            await watch.at_once("ParentWillNotFinish", finish)
            await watch.at_once("RunnerLost", await lose_a_runner(on))

            began = time.time()
            on.producer.send_encoded(PARENTS, b"", b"\x00 not a message", partition=0)
            await watch.at_once("DeadLetters", began)
            await silence(on, watch)

            began = time.time()
            await control_client.kill(folder, "all", "drill")
            await watch.at_once("KillEngaged", began)
            await fill_the_disk(on, watch)

            began = time.time()
            on.broker.kill()
            await watch.at_once("RoleDown", began)
            await watch.at_once("FixSessionLost", began)
            watch.finished(capsys)
