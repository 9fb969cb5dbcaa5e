"""From a cause in a running service to the webhooks, by a real Prometheus and Alertmanager (C31, C32)."""

import time
from pathlib import Path
from typing import Any

import pytest

from service.gateway import control_client
from service.model.events import Alarm, ChildAccepted
from service.model.market import TradingPhase
from service.model.parameters import Parameters
from service.model.time import SECOND
from service.transport.kafka_process import KafkaProcess
from service.transport.topics import PARENTS
from tests.integration.deploy.stack import Stack, stack
from tests.integration.gateway.stage import PRICE, Stage, stage, until
from tests.unit.deploy.supervision import ALERTS

LIMIT = 5.0
"""Seconds from a condition being true to the webhook (C31)."""

BOOKS = {rule["alert"]: rule["annotations"]["runbook"] for rule in ALERTS}


def metrics_of(folder: Path, role: str) -> str:
    return (folder / "ready" / f"{role}.metrics").read_text().strip()


class Stopwatch:
    """Seconds from causes to webhooks; a critical alert is waited for at both of them."""

    def __init__(self, on: Stack) -> None:
        self.took: dict[str, float] = {}
        self._on = on

    async def critical(self, name: str, since: float) -> None:
        await self._arrives(name, "critical", ("desk", "risk"), since)

    async def warning(self, name: str, since: float) -> None:
        await self._arrives(name, "warning", ("desk",), since)
        assert not [n for n in self._on.webhooks.of(name) if n.receiver == "risk"]

    async def _arrives(self, name: str, severity: str, receivers: tuple[str, ...], since: float) -> None:
        notices = [await self._on.webhooks.hears(name, receiver, since) for receiver in receivers]
        for notice in notices:
            assert notice.alert["labels"]["severity"] == severity
            assert notice.alert["annotations"]["runbook"] == BOOKS[name]
            assert "<" not in notice.alert["annotations"]["summary"]
        self.took[name] = max(notice.at for notice in notices) - since


async def lose_a_runner(on: Stage) -> float:
    """The runner falls silent with an order at work; when the gateway said so, UTC."""
    await on.admit(quantity=1000)
    await on.fed()
    on.runner.submit("P1.1", 100, PRICE - 500)
    await on.runner.hears(ChildAccepted, "P1.1")
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


OF_THIS_MACHINE = frozenset(("ClockTrouble", "LoopLate"))
"""May well be true where tests run: a container without NTP, a machine that others use."""


@pytest.mark.timeout(300)
async def test_alerts_when_their_causes_come_true_then_people_know_within_five_seconds_and_not_before(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    async with (
        stage(kafka, topic_prefix, folder) as on,
        stack(
            tmp_path / "supervision",
            {role: metrics_of(folder, role) for role in ("gateway", "broker-sim")},
        ) as supervised,
    ):
        watch = Stopwatch(supervised)
        await supervised.evaluated(5)
        assert {n.name for n in supervised.webhooks.notices} <= OF_THIS_MACHINE

        await watch.warning("ParentWillNotFinish", await leave_a_parent(on))

        on.market.phase, began = TradingPhase.HALTED, time.time()
        await watch.warning("MarketHalted", began)
        on.market.phase = TradingPhase.CONTINUOUS
        over = supervised.webhooks.of
        await until(lambda: over("MarketHalted", firing=False), 30.0, "the end of MarketHalted")

        await watch.critical("RunnerLost", await lose_a_runner(on))

        began = time.time()
        on.producer.send_encoded(PARENTS, b"", b"\x00 not a message", partition=0)
        await watch.warning("DeadLetters", began)

        began = time.time()
        await control_client.kill(folder, "all", "drill")
        await watch.critical("KillEngaged", began)

        began = time.time()
        on.broker.kill()
        await watch.critical("RoleDown", began)
        await watch.critical("FixSessionLost", began)

        shown = {n.name for n in supervised.webhooks.notices} - OF_THIS_MACHINE
        assert shown == set(watch.took)
        with capsys.disabled():
            print("\nseconds from the cause to the last webhook:")
            for name, seconds in watch.took.items():
                print(f"  {name:20} {seconds:.2f}")
        assert max(watch.took.values()) < LIMIT
