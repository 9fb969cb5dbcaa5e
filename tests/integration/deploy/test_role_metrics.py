"""What the roles really serve: names that promtool likes, and between them every metric that there is."""

import asyncio
import re
import signal
import subprocess
import urllib.request
from pathlib import Path

import pytest

from tests.integration.gateway.stage import Process, until
from tests.unit.deploy.supervision import families
from tests.unit.deploy.tools import require

ROLES = {"feed": (), "runner": (), "gateway": ("--broker", "127.0.0.1:1"), "recorder": (), "broker-sim": ()}


def read(address: str) -> bytes:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        return bytes(answer.read())


def faults(metrics: bytes) -> str:
    """What promtool finds wrong with the names."""
    command = [require("promtool"), "check", "metrics"]
    checked = subprocess.run(command, input=metrics, capture_output=True, check=False)
    return checked.stderr.decode() or "nothing" * (checked.returncode == 0)


async def served(role: str, folder: Path) -> bytes:
    """The metrics of a role that waits for a Kafka: they are there from its first moment."""
    process = Process(role, folder, "--kafka", "127.0.0.1:1", "--run-dir", str(folder), *ROLES[role])
    address = folder / "ready" / f"{role}.metrics"
    await process.launch()
    try:
        await until(lambda: address.exists() and address.read_text().endswith("\n"), 60.0, str(process.log))
        return await asyncio.to_thread(read, address.read_text().strip())
    finally:
        process.signal(signal.SIGKILL)
        await process.gone()


@pytest.mark.timeout(300)
async def test_roles_when_asked_for_their_metrics_then_promtool_finds_no_fault_and_none_is_missing(
    tmp_path: Path,
) -> None:
    found: set[str] = set()
    for role in ROLES:
        metrics = await served(role, tmp_path / role)
        assert (role, faults(metrics)) == (role, "nothing")
        names = re.findall(r"^# TYPE (\w+) \w+$", metrics.decode(), re.MULTILINE)
        found.update(name.removesuffix("_total") for name in names if not name.endswith("_created"))
    assert found == set(families())
