"""The counterparty process as a test drives it, and an inbox for what our session says."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from service.fix.messages import Report
from service.fix.session import FixConfig, FixSession
from tests.unit.fix.support import INSTRUMENTS

PATIENCE = 60.0
"""Seconds after which what should have happened has not."""
Fields = dict[str, str]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that raises no event, such as a line in a file."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.02)


def fields_of(raw: str) -> Fields:
    return dict(item.split("=", 1) for item in raw.split("\x01") if item)


class Broker:
    def __init__(self, folder: Path, port: int, *tls: Path) -> None:
        self.folder = folder
        self.port = port
        self.tls = tls
        self.seen: list[tuple[str, Fields]] = []
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(Path(__file__).parent / "acceptor.py"),
            str(self.port),
            str(self.folder),
            *map(str, self.tls),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        await self.expect("listening")

    async def expect(self, event: str, msg_type: str = "") -> Fields:
        """Skip to the next such event."""
        assert self._process is not None
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while line := await self._process.stdout.readline():
                what = json.loads(line)
                fields = (
                    fields_of(what["raw"]) if "=" in what.get("raw", "") else {"raw": what.get("raw", "")}
                )
                self.seen.append((what["event"], fields))
                if what["event"] == event and msg_type in ("", fields.get("35")):
                    return fields
        raise AssertionError(f"the counterparty ended before {event} {msg_type}")

    async def do(self, what: str, **arguments: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": what, **arguments}).encode() + b"\n")
        await self._process.stdin.drain()

    async def send(self, fields: str) -> None:
        await self.do("send", fields=fields)

    async def report(self, order: Fields, exec_type: str, status: str, extra: str = "") -> None:
        """An ExecutionReport on ``order``, with the quantities that ``extra`` gives or zeros."""
        parts = {
            "35": "8", "37": "B-1", "17": f"E-{len(self.seen)}", "150": exec_type, "39": status,
            "11": order["11"], "55": order["55"], "54": order["54"], "14": "0", "151": "100", "6": "0",
        }  # fmt: skip
        parts |= dict(item.split("=", 1) for item in extra.split("|") if item)
        await self.send("|".join(f"{tag}={value}" for tag, value in parts.items()))

    async def numbers(self) -> tuple[int, int]:
        """The counterparty's next MsgSeqNum, and the next that it expects of us."""
        await self.do("numbers")
        ours, theirs = (await self.expect("numbers"))["raw"].split()
        return int(ours), int(theirs)

    async def kill(self) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            os.kill(self._process.pid, signal.SIGKILL)
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.communicate()


class Desk:
    """Our side: a session, its reports and its ups and downs."""

    def __init__(self, config: FixConfig) -> None:
        self.reports: asyncio.Queue[Report] = asyncio.Queue()
        self.states: asyncio.Queue[tuple[bool, str]] = asyncio.Queue()
        self.alarms: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self.numberings: list[str] = []
        self.session = FixSession(
            config,
            instruments=INSTRUMENTS,
            on_report=self.on_report,
            on_session=lambda up, why: self.states.put_nowait((up, why)),
            on_alarm=lambda code, detail: self.alarms.put_nowait((code, detail)),
            on_numbering=self.numberings.append,
        )

    def on_report(self, report: Report) -> None:
        self.reports.put_nowait(report)

    async def report(self) -> Report:
        async with asyncio.timeout(PATIENCE):
            return await self.reports.get()

    async def alarm(self) -> tuple[str, str]:
        async with asyncio.timeout(3 * PATIENCE):
            return await self.alarms.get()

    async def state(self, up: bool) -> str:
        """Wait until the session is up or down; returns the reason."""
        async with asyncio.timeout(PATIENCE):
            while True:
                now, why = await self.states.get()
                if now == up:
                    return why

    @asynccontextmanager
    async def trading(self, broker: Broker, expect_from: int | None = None) -> AsyncIterator["Desk"]:
        """Logged on with ``broker``."""
        await self.session.start(expect_from=expect_from)
        try:
            await self.state(True)
            await broker.expect("logon")
            yield self
        finally:
            await self.session.stop()


def config_for(tmp_path: Path, port: int, **changes: object) -> FixConfig:
    settings = {
        "host": "127.0.0.1",
        "port": port,
        "store_dir": tmp_path / "ours" / "store",
        "log_dir": tmp_path / "ours" / "log",
        **changes,
    }
    return FixConfig(**settings)
