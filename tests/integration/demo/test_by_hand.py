"""The roles started one by one, as in four terminals: an order, a dead runner, a cancel, a kill."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from service.demo.processes import Roles
from service.gateway import control_client
from service.gateway.control import StatusReply
from service.model.events import ChildSnapshot
from service.transport.kafka_probe import free_port
from service.transport.kafka_process import KafkaProcess

pytestmark = pytest.mark.timeout(300)


class Hand:
    """Roles of one run folder, and the command line for it."""

    def __init__(self, run_dir: Path, kafka: str, prefix: str) -> None:
        self.run_dir = run_dir
        self.roles = Roles(run_dir)
        self._common = ["--kafka", kafka, "--topic-prefix", prefix]

    async def start(self, role: str, *options: str) -> None:
        await self.roles.start(role, ["--run-dir", str(self.run_dir), *self._common, *options])

    async def parent(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return await self._command("parent", *arguments, *self._common)

    async def kill(self) -> subprocess.CompletedProcess[str]:
        return await self._command("kill", "--run-dir", str(self.run_dir), "--reason", "enough")

    async def _command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "service.cli", *arguments]
        return await asyncio.to_thread(
            subprocess.run, command, capture_output=True, text=True, check=False, timeout=90
        )

    async def until(
        self, condition: Callable[[StatusReply], bool], what: str, timeout: float = 60.0
    ) -> StatusReply:
        deadline = asyncio.get_running_loop().time() + timeout
        while True:
            self.roles.check()
            status = await control_client.status(self.run_dir)
            if condition(status):
                return status
            assert asyncio.get_running_loop().time() < deadline, f"{what}: {status}"
            await asyncio.sleep(0.1)


@pytest.fixture
async def hand(kafka: KafkaProcess, topic_prefix: str, tmp_path: Path) -> AsyncIterator[Hand]:
    hand = Hand(tmp_path / "run", kafka.bootstrap, topic_prefix)
    port = free_port()
    try:
        await hand.start("gateway", "--broker", f"127.0.0.1:{port}")
        await hand.start("runner")
        await hand.start("broker-sim", "--port", str(port))
        await hand.start("feed", "--speed", "10")
        for role in ("feed", "broker-sim", "gateway", "runner"):
            await hand.roles.ready(role)
        yield hand
    finally:
        await hand.roles.stop_all(("feed", "runner", "gateway", "broker-sim"))


def works(parent_id: str) -> Callable[[StatusReply], bool]:
    def condition(status: StatusReply) -> bool:
        return any(child.parent_id == parent_id for child in status.working)

    return condition


def nothing_works(status: StatusReply) -> bool:
    return not status.working


def open_at_the_broker(run_dir: Path) -> set[str]:
    """OrderIDs that the broker's own log says are open."""
    leaves: dict[str, int] = {}
    for line in (run_dir / "broker" / "orders.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if "order_id" in entry:
            # What is zero is left out.
            leaves[entry["order_id"]] = entry.get("leaves", 0)
    assert leaves, "the broker saw no order"
    return {order_id for order_id, left in leaves.items() if left}


def of_parent(status: StatusReply, parent_id: str) -> list[ChildSnapshot]:
    return [child for child in status.working if child.parent_id == parent_id]


# An order that rests: far from the market, so that only a cancel can end it.
RESTING = (
    "--symbol", "AURA", "--side", "buy", "--quantity", "2000", "--policy", "twap", "--duration", "3000",
    "--passive-only", "true", "--limit-price", "49.50", "--min-clip", "10",
)  # fmt: skip


async def test_the_gateway_cancels_without_a_runner_and_kill_empties_the_market(hand: Hand) -> None:
    await hand.until(lambda s: s.logged_on and s.heartbeat_age >= 0, "no session")
    admitted = await hand.parent("new", "--id", "one", *RESTING)
    assert "one working, version 1" in admitted.stdout, admitted.stderr
    await hand.until(works("one"), "no order of the first parent works")

    os.kill(hand.roles.pids["runner"], signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        await hand.roles.stop("runner")
    await hand.until(nothing_works, "the dead runner's orders still work")
    canceled = await hand.parent("cancel", "one", "--reason", "no runner")
    assert canceled.returncode == 0, canceled.stderr
    await hand.until(lambda s: s.open_parents == 0, "the parent is not closed")

    await hand.start("runner")
    await hand.roles.ready("runner")
    admitted = await hand.parent("new", "--id", "two", *RESTING)
    assert "two working" in admitted.stdout, admitted.stderr
    await hand.until(works("two"), "no order of the second parent works")
    killed = await hand.kill()
    assert killed.returncode == 0, killed.stderr
    assert "kill all is in force" in killed.stdout
    assert "nothing in its scope works" in killed.stdout
    status = await hand.until(nothing_works, "orders work after the kill")
    assert of_parent(status, "two") == []
    assert [kill.scope for kill in status.kills] == ["all"]
    assert open_at_the_broker(hand.run_dir) == set()
