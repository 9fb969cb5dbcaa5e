"""A console on a full record that is being updated, what a page does to it, and what that costs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.tick_to_wire import Processes, processes, reference_file
from service.transport.topics import ensure_topics

BEGAN = time.monotonic()


def say(text: str) -> None:
    """Progress, with the seconds since the start."""
    print(f"  {time.monotonic() - BEGAN:4.0f} s  {text}", flush=True)


@dataclass(frozen=True, slots=True)
class Desk:
    """A console on a full record that is being updated."""

    address: str
    console: psutil.Process
    children: Processes


@contextlib.asynccontextmanager
async def desk(kafka: str, folder: Path) -> AsyncIterator[Desk]:
    """Start the load, wait until every child works, and start a console on it."""
    prefix = f"{folder.name}."
    await ensure_topics(kafka, prefix)
    with processes(folder) as children:
        children.start("load", "benchmarks.console_load", kafka, prefix)
        log = folder / "load.log"
        deadline = time.monotonic() + 120
        while "full" not in log.read_text():
            if time.monotonic() > deadline or children.running[0].poll() is not None:
                raise RuntimeError(f"the load did not get ready: {log.read_text()}")
            await asyncio.sleep(0.1)
        address, console = await start_console(children, kafka, prefix, folder, reference_file(folder))
        yield Desk(address, console, children)


async def start_console(
    children: Processes, kafka: str, prefix: str, folder: Path, reference: Path
) -> tuple[str, psutil.Process]:
    """The role ``console`` on a free port; returns its address."""
    process = children.start(
        "console", "service.cli", "run", "console", "--run-dir", str(folder), "--kafka", kafka,
        "--topic-prefix", prefix, "--reference", str(reference), "--port", "0",
    )  # fmt: skip
    await children.wait_for(folder / "ready" / "console")
    return (folder / "ready" / "console.address").read_text().strip(), psutil.Process(process.pid)


def log_in(address: str, name: str = "alice") -> str:
    """A session's cookie."""
    request = urllib.request.Request(
        f"http://{address}/api/session",
        json.dumps({"name": name, "password": f"{name} in development"}).encode(),
        {"content-type": "application/json", "origin": f"http://{address}"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(answer.headers["set-cookie"]).partition(";")[0]


def websocket(address: str, cookie: str) -> Any:
    """A connection like a page's."""
    headers = {"cookie": cookie, "origin": f"http://{address}"}
    return connect(f"ws://{address}/api/live", additional_headers=headers, max_size=None, proxy=None)


async def read_for(socket: ClientConnection, seconds: float) -> tuple[int, int]:
    """Bytes and messages that came in so many seconds."""
    size = count = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                size, count = size + len(await socket.recv(decode=False)), count + 1
    return size, count


class Cost:
    """What a process used between two moments."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._began, self._used = time.monotonic(), self._cpu()

    def _cpu(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def share(self) -> float:
        """Of one core."""
        return (self._cpu() - self._used) / (time.monotonic() - self._began)

    def megabytes(self) -> float:
        """Resident now."""
        return float(self._process.memory_info().rss) / 2**20
