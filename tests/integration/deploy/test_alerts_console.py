"""An alert, from a real Alertmanager on the deployed files to the console's alarms, and its end."""

import asyncio
import json
import socket
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uvicorn

from service.console.accounts import read_accounts
from service.console.app import build
from service.console.hub import Hub
from service.console.sessions import Sessions
from service.console.state import Console
from service.model.reference import load_reference
from service.settings import ROOT
from service.transport.consumer import Reader
from service.transport.producer import Producer
from tests.integration.deploy.stack import alertmanager
from tests.integration.gateway.stage import until


def console(folder: Path) -> Console:
    """A console that is told nothing by anybody else."""
    reader = Reader("127.0.0.1:1", ("orders.v1",), client="test")
    hub = Hub(
        load_reference(ROOT / "deploy/reference.toml"),
        folder,
        (reader,),
        reader,
        Producer("127.0.0.1:1", client="test"),
    )
    users = ROOT / "deploy/users.toml"
    sessions = Sessions(lambda: read_accounts(users, exposed=False), idle=60.0, life=600.0)
    return Console(hub=hub, sessions=sessions, origins=frozenset(), secure=False, wait=1.0)


@asynccontextmanager
async def served(one: Console) -> AsyncIterator[int]:
    """The port that its API answers on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(build(one), log_config=None, ws="websockets-sansio"))
        serving = asyncio.create_task(server._serve([listener]))
        try:
            await until(lambda: server.started, 60.0, "the console's API")
            yield int(listener.getsockname()[1])
        finally:
            server.should_exit = True
            await serving


def raise_alert(address: str, began: datetime, ends: datetime) -> None:
    alert = {
        "labels": {"alertname": "KillEngaged", "severity": "critical"},
        "annotations": {"summary": "1 kills are in force", "runbook": "docs/runbooks/kill-engaged.md"},
        "startsAt": began.isoformat(),
        "endsAt": ends.isoformat(),
    }
    request = urllib.request.Request(
        f"http://{address}/api/v2/alerts", json.dumps([alert]).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


async def test_alert_when_alertmanager_has_it_then_the_console_shows_it_once_with_its_run_book_until_it_ends(
    tmp_path: Path,
) -> None:
    one = console(tmp_path)
    async with served(one) as port, alertmanager(tmp_path, port) as address:
        began = datetime.now(UTC)
        await asyncio.to_thread(raise_alert, address, began, began + timedelta(hours=1))
        alarms = one.hub.blotter.alarms
        await until(lambda: bool(alarms), 30.0, "the alert at the console")
        await asyncio.to_thread(raise_alert, address, began, datetime.now(UTC))
        await until(lambda: all(row.resolved for row in alarms.values()), 30.0, "the alert's end")
    (row,) = alarms.values()
    assert (row.code, row.severity, row.detail) == ("KillEngaged", "critical", "1 kills are in force")
    assert row.runbook == "docs/runbooks/kill-engaged.md"
