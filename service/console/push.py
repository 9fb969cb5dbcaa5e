"""Changes to every open page over a WebSocket: all rows first, then ten times a second what has changed.

A page that cannot keep up is not sent more: each message holds the newest state of every row that changed
since the last one that the page took, so that nothing piles up and nothing is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final

import msgspec
from litestar import WebSocket, websocket
from litestar.exceptions import WebSocketDisconnect

from service.console.accounts import Right, User
from service.console.sessions import Session
from service.console.state import Console, needs

EVERY: Final = 0.1
_CLOSE_LOGGED_OUT: Final = 4401

_encode = msgspec.json.Encoder().encode


def changes(console: Console, since: int) -> bytes:
    """What a page lacks after revision ``since``, as one JSON document."""
    rows: dict[str, list[Any]] = {}
    for kind, row in console.hub.blotter.since(since):
        rows.setdefault(kind, []).append(row)
    return _encode({"rev": console.hub.blotter.rev, "head": console.hub.head, "rows": rows})


@websocket("/api/live", guards=[needs(Right.SEE)])
async def live(socket: WebSocket[User, Session, Any]) -> None:
    """Push until the page goes away or its session ends."""
    console: Console = socket.app.state.console
    key = socket.auth.key
    await socket.accept()
    listener = asyncio.create_task(_until_gone(socket))
    try:
        rev = -1
        while not listener.done():
            if key and console.sessions.find(key, touch=False) is None:
                await socket.close(code=_CLOSE_LOGGED_OUT, reason="logged out")
                return
            document = changes(console, rev)
            rev = console.hub.blotter.rev
            await socket.send_data(document, mode="text")
            await asyncio.sleep(EVERY)
            await console.hub.changed(1.0)
    except WebSocketDisconnect:
        pass
    finally:
        listener.cancel()
        with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect):
            await listener


async def _until_gone(socket: WebSocket[User, Session, Any]) -> None:
    """A page says nothing; this ends when it closes."""
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            await socket.receive_data(mode="text")
