"""A control API on a hub that has neither Kafka nor a gateway behind it."""

from __future__ import annotations

import asyncio
import functools
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.console.accounts import Accounts, Role, User, hashed, token_digest
from service.console.app import build
from service.console.hub import Hub
from service.console.sessions import Sessions
from service.console.state import Console
from service.gateway.inputs import Intent
from service.model.codec import to_gateway
from service.model.events import ParentAdmitted
from service.model.message import Message
from service.model.records import AuditEntry
from service.model.reference import Reference, load_reference
from service.model.stream import RunnerHeartbeat, RunnerHello, StreamSynced
from service.settings import ROOT, stream_address
from service.transport.consumer import Reader
from service.transport.producer import Producer
from service.transport.stream import Connection, StreamServer
from service.transport.topics import PARENTS
from tests.unit.gateway.driver import Driver

ORIGIN = "http://testserver.local"
TOKEN = "a token that is long and random enough"
ALL_TOKEN = "a token of one who may do everything"


@functools.cache
def accounts() -> Accounts:
    """One user of every role, all with a password of the same form; hashing takes its time, on purpose."""
    users = [
        User(
            name=role.value,
            roles=(role,),
            trader={"trader": "alice", "desk_head": "bob"}.get(role.value, ""),
            password=hashed(f"{role.value} in a test"),
        )
        for role in Role
    ]
    machine = User(name="robot", roles=(Role.TRADER,), trader="alice", token=token_digest(TOKEN))
    everything = User(name="everything", roles=tuple(Role), trader="alice", token=token_digest(ALL_TOKEN))
    return Accounts(users=(*users, machine, everything))


class Recorded(Producer):
    """A producer that is never started: what is sent stays here."""

    def __init__(self) -> None:
        super().__init__("127.0.0.1:1", client="test")
        self.sent: list[tuple[str, Message]] = []
        self.behind: Behind | None = None

    def send(self, topic: str, key: bytes | None, message: Message, *, partition: int | None = None) -> None:
        self.sent.append((topic, message))
        if self.behind is not None and topic == PARENTS:
            self.behind.command(message)

    def audited(self) -> list[AuditEntry]:
        """What is on ``audit.v1``."""
        return [message for _, message in self.sent if isinstance(message, AuditEntry)]


@pytest.fixture
def reference() -> Reference:
    return load_reference(ROOT / "deploy" / "reference.toml")


@pytest.fixture
def console(reference: Reference, tmp_path: Path) -> Console:
    reader = Reader("127.0.0.1:1", ("orders.v1",), client="test")
    hub = Hub(reference, tmp_path, (reader,), reader, Recorded())
    sessions = Sessions(accounts, idle=60.0, life=600.0, clock=lambda: 0.0)
    return Console(hub=hub, sessions=sessions, origins=frozenset({ORIGIN}), secure=False, wait=0.05)


class Behind:
    """A gateway's real core behind the console: parent commands and the stream in, its events out."""

    def __init__(self, console: Console) -> None:
        self._hub = console.hub
        self.desk = Driver(begin=False)
        self.desk.utc = time.time_ns()
        self.desk.start()
        self.desk.log_on()
        self.desk.clock()
        self.desk.refresh()
        self._told = len(self.desk.published)
        self._names: dict[Connection, str] = {}
        self.server = StreamServer(stream_address(self._hub.run_dir), to_gateway, on_message=self._heard)
        producer = console.hub._producer
        assert isinstance(producer, Recorded)
        self.record = producer
        producer.behind = self

    def command(self, message: Any) -> None:
        self.desk.command(message)
        self.tell()

    def tell(self) -> None:
        """The record and everybody on the stream hear what is new, one turn of the loop later."""
        news, self._told = self.desk.published[self._told :], len(self.desk.published)
        asyncio.get_running_loop().call_soon(self._hub._take, news)
        for message in news:
            for connection in self._names:
                connection.send(message)

    def _heard(self, connection: Connection, message: Any) -> None:
        state = self.desk.core.state
        if isinstance(message, RunnerHello):
            self._names[connection] = message.runner_id
            for parent in state.open.values():
                snapshot = state.snapshot(parent)
                connection.send(
                    ParentAdmitted(command_id="", state=snapshot, ts_event=1, ts_utc=1, restored=True)
                )
            connection.send(StreamSynced(parents=len(state.open), ts_utc=1))
        elif not isinstance(message, RunnerHeartbeat):
            self.desk.feed(Intent(runner=self._names[connection], command=message))
            self.tell()


@pytest.fixture
async def behind(console: Console) -> AsyncIterator[Behind]:
    found = Behind(console)
    console.wait = 20.0
    await found.server.start()
    yield found
    await console.hub.hands.stop()
    await found.server.stop()


@pytest.fixture
async def browser(console: Console) -> AsyncIterator[httpx.AsyncClient]:
    """The application on the test's own loop, where what is behind it lives, too."""
    transport = httpx.ASGITransport(build(console))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as found:
        yield found


class Page:
    """What a page of one user does."""

    def __init__(self, client: httpx.AsyncClient, headers: dict[str, str], cookie: str) -> None:
        self._client = client
        self._headers = {**headers, "cookie": cookie}

    async def get(self, path: str) -> Any:
        answer = await self._client.get(path, headers=self._headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, body: dict[str, Any], status: int = 200) -> Any:
        """Press; ``status`` is what must come of it."""
        headers = {**self._headers, "x-command-id": uuid.uuid4().hex}
        answer = await self._client.post(path, headers=headers, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def refused(self, path: str, body: dict[str, Any], status: int = 422) -> str:
        return str((await self.post(path, body, status))["detail"])


async def page_of(client: httpx.AsyncClient, name: str) -> Page:
    """The page of a user who has logged in."""
    answer = await client.post(
        "/api/session", json={"name": name, "password": f"{name} in a test"}, headers={"origin": ORIGIN}
    )
    assert answer.status_code == 200, answer.text
    cookie = answer.headers["set-cookie"].partition(";")[0]
    client.cookies.clear()
    return Page(client, {"origin": ORIGIN, "x-csrf-token": answer.json()["csrf"]}, cookie)
