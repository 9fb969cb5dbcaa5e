"""The drill "health checks that would stop every healthy process at once".

An orchestrator restarts what says that it is ill. If a role asked Kafka or the broker for its own health, one
of them gone would have every role restarted in the same minute, the gateway with its orders among them.
"""

import asyncio
import sys
from pathlib import Path

import pytest

from service.model.events import ChildCanceled
from service.settings import ROOT
from service.transport.kafka_process import KafkaProcess
from tests.integration.gateway.stage import Process, Stage, stage

ROLES = ("gateway", "broker-sim", "runner", "recorder")


async def ill(run_dir: Path, *roles: str) -> dict[str, str]:
    """What ``slipstream health`` says of the roles that it finds ill, as compose and Kubernetes ask it."""
    said: dict[str, str] = {}
    for role in roles:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "service.cli", "health", role, "--run-dir", str(run_dir),
            cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await process.communicate()
        if process.returncode != 0:
            said[role] = output.decode()
    return said


def beside(on: Stage, role: str) -> Process:
    return Process(role, on.folder, *on.where())


@pytest.mark.timeout(400)
async def test_health_checks_when_kafka_and_the_broker_are_gone_then_no_healthy_process_is_called_ill(
    own_kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    options = ("--on-runner-loss", "leave")
    async with stage(own_kafka, topic_prefix, tmp_path, gateway=options) as on:
        others = [beside(on, role) for role in ("recorder", "runner")]
        try:
            for process in others:
                await process.start()
            await on.resting()
            assert await ill(tmp_path, *ROLES) == {}
            await own_kafka.stop()
            while (await on.status()).heartbeat_age < 2_000_000_000:
                await asyncio.sleep(0.05)
            assert await ill(tmp_path, *ROLES) == {}, "Kafka is gone, and everybody says so of themselves"
            on.runner.cancel("P1.1")
            await on.runner.hears(ChildCanceled, "P1.1")
            on.broker.kill()
            await on.broker.gone()

            async def down() -> bool:
                return not (await on.status()).logged_on

            while not await down():
                await asyncio.sleep(0.05)
            rest = [role for role in ROLES if role != "broker-sim"]
            assert await ill(tmp_path, *rest) == {}, "the broker is gone, and the others say so of themselves"
            assert set(await ill(tmp_path, "broker-sim")) == {"broker-sim"}, (
                "a check that cannot fail is none"
            )
        finally:
            await own_kafka.start()
            for process in others:
                await process.stop()
