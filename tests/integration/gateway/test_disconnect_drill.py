"""A person cuts the line of a real gateway: what the broker does with our orders then is seen (C28)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from service.cli import main
from service.gateway import control_client
from service.model.events import Alarm, ChildAccepted
from service.transport.kafka_process import KafkaProcess
from tests.integration.gateway.stage import PRICE, Stage, stage

ASKED = ("--fix-dialect", "cancels")


async def drill(on: Stage, seconds: float) -> Result:
    """Two orders that rest, and the operator's command."""
    await on.admit()
    for number in (1, 2):
        on.runner.submit(f"P1.{number}", 100, PRICE - 100 * number)
        await on.runner.hears(ChildAccepted, f"P1.{number}")
    arguments = ["line", "drop", "--seconds", str(seconds), "--reason", "drill", "--run-dir", str(on.folder)]
    result = await asyncio.to_thread(CliRunner().invoke, main, arguments)
    await on.logged_on()
    return result


@pytest.mark.timeout(240)
async def test_line_when_it_is_cut_and_the_broker_was_asked_to_cancel_then_it_is_seen_to(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    broker = ("--cancel-on-disconnect-tag", "35002", "--cancel-on-disconnect-grace", "2")
    async with stage(kafka, topic_prefix, tmp_path, broker=broker, gateway=ASKED) as on:
        result = await drill(on, 4.0)
        assert result.exit_code == 0, result.output
        assert "2 orders over, 0 still worked" in result.output
        line = await control_client.line(tmp_path)
        assert (line.declared, line.grace, line.over, line.working, line.untold) == ("broker", 2.0, 2, 0, 0)
        assert (await on.settled()).working == ()


@pytest.mark.timeout(240)
async def test_line_when_it_is_cut_and_the_broker_does_not_cancel_as_declared_then_that_is_an_alarm(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    async with stage(kafka, topic_prefix, tmp_path, gateway=ASKED) as on:
        result = await drill(on, 2.5)
        assert result.exit_code == 1, result.output
        assert "declared to be cancelled at a disconnect" in result.output
        record = await on.recorded(
            lambda found: (
                sum(isinstance(m, Alarm) and m.code == "CANCEL_ON_DISCONNECT_FAILED" for m in found) == 2
            )
        )
        assert record
        assert len((await on.status()).working) == 2


@pytest.mark.timeout(240)
async def test_line_when_it_is_cut_for_less_than_the_grace_then_the_orders_still_work(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    broker = ("--cancel-on-disconnect", "--cancel-on-disconnect-grace", "300")
    async with stage(kafka, topic_prefix, tmp_path, broker=broker) as on:
        result = await drill(on, 0.5)
        assert result.exit_code == 0, result.output
        assert "leaves our orders where they are" in result.output
        assert "0 orders over, 2 still worked" in result.output
        with pytest.raises(control_client.ControlError, match="at most 600 seconds"):
            await control_client.cut_line(tmp_path, 601.0, "too long")
