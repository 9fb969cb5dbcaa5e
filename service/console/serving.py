"""The server under the console: signals are the role's affair, and a page that takes nothing is cut off."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path
from typing import Final

import uvicorn
from litestar import Litestar
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

STUCK: Final = 10.0
"""Seconds that a page may take nothing, with a message waiting for it."""


class _Pages(WebSocketsSansIOProtocol):
    """One message waits for a slow page, and none for one that has stopped reading.

    Closing would first wait until the page has read what is left, and it never will.
    """

    async def send(self, message) -> None:  # type: ignore[no-untyped-def]
        try:
            async with asyncio.timeout(STUCK):
                await self.writable.wait()
        except TimeoutError:
            self.transport.abort()
            raise ClientDisconnected from None
        await super().send(message)


class _Server(uvicorn.Server):
    """Signals are the role's own affair."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        yield


class Serving:
    """Serves an application on a socket that is bound already."""

    def __init__(self, app: Litestar, *, certificate: Path | None = None, key: Path | None = None) -> None:
        self._server = _Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=False,
                ws=_Pages,
                ws_max_size=64 * 1024,
                # Ten small messages a second to every page: packing each would be most of the work.
                ws_per_message_deflate=False,
                ssl_certfile=certificate,
                ssl_keyfile=key,
                timeout_graceful_shutdown=2,
            )
        )

    async def run(self, listener: socket.socket) -> None:
        """Serve until ``stop``."""
        await self._server.serve(sockets=[listener])

    def stop(self) -> None:
        """Take no more requests, and end soon."""
        self._server.should_exit = True
