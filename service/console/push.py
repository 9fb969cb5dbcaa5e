"""Changes to every open page over a WebSocket: all rows first, then ten times a second what has changed.

A page that cannot keep up is not sent more: its next message holds the newest state of every row that has
changed since the last one that it took, so that nothing piles up and nothing is lost. One that takes nothing
at all is cut off (``service.console.serving``).
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final

from litestar import WebSocket, websocket
from litestar.exceptions import WebSocketDisconnect

from service.console.accounts import Right, User
from service.console.sessions import Session
from service.console.state import Console, needs

_CLOSE_LOGGED_OUT: Final = 4401
_CLOSE_TOO_MANY: Final = 4429
_MOST_PAGES: Final = 16


@websocket("/api/live", guards=[needs(Right.SEE)])
async def live(socket: WebSocket[User, Session, Any]) -> None:
    """Push until the page goes away or its session ends."""
    console: Console = socket.app.state.console
    session, beats = socket.auth, console.beats
    await socket.accept()
    if session.pages >= _MOST_PAGES:
        await socket.close(code=_CLOSE_TOO_MANY, reason=f"{_MOST_PAGES} pages are open in this session")
        return
    listener = asyncio.create_task(_until_gone(socket))
    session.pages += 1
    beats.join()
    try:
        rev = -1
        while not listener.done():
            if session.key and console.sessions.find(session.key, touch=False) is None:
                await socket.close(code=_CLOSE_LOGGED_OUT, reason="logged out")
                return
            number = beats.number
            rev, document = beats.document(rev)
            await socket.send_data(document, mode="text")
            await beats.after(number)
    except (WebSocketDisconnect, OSError):
        pass  # it has gone, or was cut off
    finally:
        session.pages -= 1
        beats.leave()
        listener.cancel()
        with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect):
            await listener


async def _until_gone(socket: WebSocket[User, Session, Any]) -> None:
    """A page says nothing; this ends when it closes."""
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            await socket.receive_data(mode="text")
