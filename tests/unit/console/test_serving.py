"""Open pages on real sockets: all are served alike, and one that never reads is cut off and costs little."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from service.console import push, serving
from service.console.app import build
from service.console.beats import changes
from service.console.hub import Hub
from service.console.serving import Serving
from service.console.state import Console
from service.model.events import ParentAdmitted
from tests.unit.console.conftest import ORIGIN
from tests.unit.console.test_blotter import STATE, fill, submitted

CHILDREN = 4_000


@dataclass
class Server:
    """A console that listens."""

    console: Console
    serving: Serving
    port: int
    cookie: str

    @property
    def headers(self) -> dict[str, str]:
        return {"cookie": self.cookie, "origin": ORIGIN}

    def page(self) -> Any:
        return connect(
            f"ws://127.0.0.1:{self.port}/api/live", additional_headers=self.headers, max_size=None, proxy=None
        )

    def waiting(self) -> list[int]:
        """Bytes that wait for each page."""
        connections = self.serving._server.server_state.connections
        return [
            connection.transport.get_write_buffer_size()
            for connection in connections
            if isinstance(connection, serving._Pages)
        ]


@pytest.fixture
async def server(console: Console) -> AsyncIterator[Server]:
    listener = socket.create_server(("127.0.0.1", 0))
    served = Serving(build(console))
    running = asyncio.create_task(served.run(listener))
    port = listener.getsockname()[1]
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            body = {"name": "viewer", "password": "viewer in a test"}
            answer = await client.post("/api/session", json=body, headers={"origin": ORIGIN})
            assert answer.status_code == 200, answer.text
        yield Server(console, served, port, answer.headers["set-cookie"].partition(";")[0])
    finally:
        served.stop()
        await running
        listener.close()


async def until(condition: Callable[[], Any], what: str) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


def work(hub: Hub, number: int) -> None:
    """Every child trades a lot."""
    for child in range(CHILDREN):
        exec_id = f"E{child}-{number}"
        hub.blotter.apply(fill(exec_id, 1, number, child_id=f"P1.{child}"))
    hub.wake()


async def silent_page(server: Server) -> socket.socket:
    """A page that says what a page says and then never reads."""
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(plain, ("127.0.0.1", server.port))
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        "GET /api/live HTTP/1.1",
        f"Host: 127.0.0.1:{server.port}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}",
        *(f"{name}: {value}" for name, value in server.headers.items()),
    ]
    await loop.sock_sendall(plain, "\r\n".join([*lines, "", ""]).encode())
    return plain


async def test_a_page_that_never_reads_is_cut_off_and_at_most_one_message_waits_for_it(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "STUCK", 2.0)
    hub = server.console.hub
    hub.blotter.apply(ParentAdmitted(command_id="c", state=STATE, ts_event=1, ts_utc=2))
    for child in range(CHILDREN):
        hub.blotter.apply(submitted(child_id=f"P1.{child}"))
    largest = len(changes(hub, -1))
    session = server.console.sessions.find(server.cookie.partition("=")[2])
    assert session is not None
    async with server.page() as good:
        await good.recv()
        plain = await silent_page(server)
        try:
            await until(lambda: session.pages == 2, "the silent page is there")
            number, most = 0, 0
            async with asyncio.timeout(60):
                while session.pages == 2:
                    number += 1
                    work(hub, number)
                    largest = max(largest, len(changes(hub, -1)))
                    # Whoever reads is told meanwhile.
                    while not any(r["id"] == "P1" for r in await parents(good)):
                        pass
                    most = max([most, *server.waiting()])
            assert 0 < most <= largest + 65_536
            await until(lambda: len(server.waiting()) == 1, "its socket is closed")
        finally:
            plain.close()


async def parents(page: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(await page.recv())["rows"].get("parent", [])
    return found


async def test_a_session_when_it_opens_too_many_pages_is_refused_more(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push, "_MOST_PAGES", 2)
    async with server.page() as one, server.page() as two:
        await one.recv()
        await two.recv()
        async with server.page() as three:
            await three.wait_closed()
            assert three.close_code == 4429
    session = server.console.sessions.find(server.cookie.partition("=")[2])
    assert session is not None
    await until(lambda: session.pages == 0, "all have left")
