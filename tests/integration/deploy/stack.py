"""A real Prometheus and a real Alertmanager on the files of deploy/, and the webhooks at their end.

Only addresses differ from what is deployed: targets, Alertmanager and webhooks are on this machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from service.settings import ROOT
from tests.integration.gateway.stage import free_port, until
from tests.unit.deploy.tools import require


class Notice(NamedTuple):
    """One alert as a webhook got it; ``at`` is UTC in seconds."""

    receiver: str
    at: float
    alert: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.alert["labels"]["alertname"])

    @property
    def firing(self) -> bool:
        return bool(self.alert["status"] == "firing")


TOKEN = (ROOT / "deploy/alertmanager/console.token").read_text().strip()
CONSOLE = "http://console:8070/"


class Webhooks:
    """In the console's place: keeps what arrives with the token, for whom and when."""

    def __init__(self) -> None:
        notices: list[Notice] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                at = time.time()
                known = self.headers["Authorization"] == f"Bearer {TOKEN}"
                if known and self.path == "/api/alarms/alertmanager":
                    notices.extend(Notice(body["receiver"], at, alert) for alert in body["alerts"])
                self.send_response(200 if known else 401)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self.notices = notices
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_port)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def of(self, name: str, *, firing: bool = True, since: float = 0.0) -> list[Notice]:
        return [n for n in self.notices if n.name == name and n.firing is firing and n.at >= since]

    async def hears(
        self, name: str, receiver: str, since: float, seconds: float = 20.0, **labels: str
    ) -> Notice:
        """The first firing notice of this alert, with these labels, at that receiver."""

        def heard() -> list[Notice]:
            return [
                n
                for n in self.of(name, since=since)
                if n.receiver == receiver and labels.items() <= n.alert["labels"].items()
            ]

        found: list[Notice] = await until(
            heard, seconds, f"{name} at {receiver}; heard {sorted({n.name for n in self.notices})}"
        )
        return found[0]


class Stack:
    """Prometheus, Alertmanager and the webhooks."""

    def __init__(self, prometheus: str, webhooks: Webhooks) -> None:
        self.webhooks = webhooks
        self._prometheus = prometheus

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of an instant query."""
        found: list[dict[str, Any]] = self._get(
            f"/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
        )["result"]
        return found

    async def evaluated(self, times: int) -> None:
        """Wait until every target was scraped so many times, and the rules looked at it after that."""

        def looked() -> bool:
            scraped = [int(float(found["value"][1])) for found in self.query("count_over_time(up[1h])")]
            return bool(scraped) and min(scraped) >= times

        await until(looked, 60.0, f"{times} scrapes")
        seen = datetime.now(UTC)
        await until(lambda: self._evaluated_at() > seen, 30.0, "an evaluation")

    def _evaluated_at(self) -> datetime:
        """When the group of rules that was looked at longest ago was."""
        groups = self._get("/api/v1/rules")["groups"]
        return min(datetime.fromisoformat(group["lastEvaluation"]) for group in groups)

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(self._prometheus + path, timeout=10) as answer:
            return json.loads(answer.read())["data"]


def _answers(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:
        return bool(answer.status == 200)
    return False


def _prometheus_config(folder: Path, targets: Mapping[str, str], alertmanager: str) -> Path:
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    assert config["rule_files"] == ["rules/*.yml"]
    config["rule_files"] = [str(ROOT / "deploy/prometheus/rules/*.yml")]
    config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [alertmanager]
    config["scrape_configs"][0]["static_configs"] = [
        {"targets": [address], "labels": {"role": role}} for role, address in targets.items()
    ]
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    return path


def alertmanager_config(folder: Path, console: int) -> Path:
    """The deployed one, with the console at that port of this machine."""
    text = (ROOT / "deploy/alertmanager/alertmanager.yml").read_text()
    assert text.count(CONSOLE) == 1
    path = folder / "alertmanager.yml"
    path.write_text(text.replace(CONSOLE, f"http://127.0.0.1:{console}/"))
    (folder / "console.token").write_text(TOKEN + "\n")
    return path


@asynccontextmanager
async def _running(folder: Path, commands: Mapping[str, list[str]]) -> AsyncIterator[None]:
    """Programs by the address that each is ready at."""
    log = folder / "supervision.log"
    processes: list[asyncio.subprocess.Process] = []
    try:
        with log.open("a") as out:
            for command in commands.values():
                processes.append(await asyncio.create_subprocess_exec(*command, stdout=out, stderr=out))
        for address in commands:
            await until(
                lambda at=address: _answers(f"http://{at}/-/ready"), 60.0, f"{address}: {log.read_text()}"
            )
        yield
    finally:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        await asyncio.gather(*(process.wait() for process in processes))


@asynccontextmanager
async def alertmanager(folder: Path, console: int) -> AsyncIterator[str]:
    """The address of one that tells a console at that port of this machine."""
    program = require("prometheus-alertmanager", "alertmanager")
    address = f"127.0.0.1:{free_port()}"
    command = [
        program,
        f"--config.file={alertmanager_config(folder, console)}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
        "--log.level=warn",
    ]
    async with _running(folder, {address: command}):
        yield address


@asynccontextmanager
async def stack(folder: Path, targets: Mapping[str, str]) -> AsyncIterator[Stack]:
    """Started and ready; ``targets`` are addresses of metrics by role."""
    program = require("prometheus")
    folder.mkdir(parents=True, exist_ok=True)
    webhooks = Webhooks()
    try:
        async with alertmanager(folder, webhooks.port) as other:
            address = f"127.0.0.1:{free_port()}"
            command = [
                program,
                f"--config.file={_prometheus_config(folder, targets, other)}",
                f"--storage.tsdb.path={folder / 'prometheus'}",
                f"--web.listen-address={address}",
                "--log.level=warn",
            ]
            async with _running(folder, {address: command}):
                yield Stack(f"http://{address}", webhooks)
    finally:
        webhooks.close()
