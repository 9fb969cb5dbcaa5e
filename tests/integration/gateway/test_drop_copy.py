"""A real gateway with a drop copy session at the broker simulator, all as processes of their own (C35)."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from service.cli import main
from service.gateway import control_client
from service.gateway.control import BreaksReply
from service.model.events import Alarm, ChildDenied, ChildFilled
from service.transport.kafka_process import KafkaProcess
from tests.integration.gateway.stage import PRICE, Stage, stage

BROKER = ("--drop-copy", "SLIPDROP", "--drop-copy-delay-ms", "20")
GATEWAY = ("--drop-copy-session", "drop-copy", "--drop-copy", "127.0.0.1:PORT")


async def breaks(folder: Path, enough: Callable[[BreaksReply], Any], seconds: float = 60.0) -> BreaksReply:
    """What the gateway tells of breaks, once it is enough."""
    deadline = time.monotonic() + seconds
    while not enough(reply := await control_client.breaks(folder)):
        assert time.monotonic() < deadline, f"not within {seconds} s: {reply}"
        await asyncio.sleep(0.05)
    return reply


async def fill(on: Stage, child_id: str, quantity: int = 100) -> None:
    """A child that trades at once."""
    on.runner.submit(child_id, quantity, PRICE + 200)
    await on.runner.hears(ChildFilled, child_id)


async def run(*arguments: str) -> str:
    """A command of a person, as ``slipstream`` runs it."""
    result = await asyncio.to_thread(CliRunner().invoke, main, list(arguments))
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.timeout(240)
async def test_fills_when_both_sessions_tell_them_then_nothing_breaks_over_a_kill_of_the_gateway(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    async with stage(kafka, topic_prefix, tmp_path, broker=BROKER, gateway=GATEWAY) as on:
        await breaks(tmp_path, lambda reply: reply.up)
        await on.admit()
        await fill(on, "P1.1")
        await breaks(tmp_path, lambda reply: not reply.waiting)
        on.runner.submit("P1.2", 100, PRICE + 200)
        on.gateway.kill()
        await on.gateway.gone()
        await on.restart_gateway()
        await on.settled()
        reply = await breaks(tmp_path, lambda reply: reply.up and not reply.waiting)
        assert (reply.session, reply.breaks, reply.found) == ("SLIPDROP->BROKERSIM", (), 0)
        shown = json.loads(await run("orders", "breaks", "--json", "--run-dir", str(tmp_path)))
        assert (shown["up"], shown["breaks"]) == (True, [])
        bought = sum(fill["quantity"] for fill in on.broker_fills())
        assert (await on.status()).positions.get("AURA", 0) == bought


@pytest.mark.timeout(240)
async def test_fill_when_the_drop_copy_leaves_it_out_then_the_instrument_stops_until_it_is_explained(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    omits = (*BROKER, "--drop-copy-omit-rate", "1.0")
    async with stage(kafka, topic_prefix, tmp_path, broker=omits, gateway=GATEWAY) as on:
        await breaks(tmp_path, lambda reply: reply.up)
        await on.admit()
        await fill(on, "P1.1")
        reply = await breaks(tmp_path, lambda reply: reply.breaks)
        assert [(one.kind, one.child_id, one.theirs) for one in reply.breaks] == [
            ("trading_only", "P1.1", "")
        ]
        on.runner.submit("P1.2", 100, PRICE - 200)
        denied = await on.runner.hears(ChildDenied, "P1.2")
        assert (denied.control, denied.code) == ("C35", "UNRECONCILED")
        record = await on.recorded(lambda found: any(_is_break(one) for one in found))
        assert "trading=F:AURA" in next(one for one in record if _is_break(one)).detail
        folder = ("--run-dir", str(tmp_path))
        assert "trading_only" in await run("orders", "breaks", *folder)
        left = await run("orders", "breaks", "explain", "B1", "--reason", "they lost it", *folder)
        assert "agree" in left
        on.runner.submit("P1.3", 100, PRICE - 200)
        await breaks(tmp_path, lambda reply: not reply.breaks)
        with pytest.raises(control_client.ControlError, match="no open break B1"):
            await control_client.explain_break(tmp_path, "B1", "again")


def _is_break(message: Any) -> bool:
    return isinstance(message, Alarm) and message.code == "DROP_COPY_BREAK"
