"""The local stream between runner and gateway, and the gateway's control socket: frames over a socket.

A frame is four bytes of length, big-endian, and that many bytes of one encoded message. Addresses are
``unix:/path`` or ``tcp:HOST:PORT``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

from service.model.codec import DecodeError, encode
from service.model.message import Message
from service.transport.topics import TransportError

_MAX_FRAME: Final = 16 * 1024 * 1024
_MAX_UNREAD: Final = 64 * 1024 * 1024
_AT_ONCE: Final = 32
"""Messages of one peer in one turn of the loop."""
_UNIX_PATH_MAX: Final = 107

log = logging.getLogger(__name__)

Decode = Callable[[bytes], Any]


def _split(address: str) -> tuple[str, str, int]:
    """Kind, path or host, and port of an address."""
    kind, _, rest = address.partition(":")
    if kind == "unix" and rest:
        if len(rest.encode()) > _UNIX_PATH_MAX:
            raise TransportError(
                f"{address}: a socket's path has at most {_UNIX_PATH_MAX} bytes; use a shorter folder or tcp:"
            )
        return "unix", rest, 0
    host, _, port = rest.rpartition(":")
    if kind == "tcp" and host and port.isdigit():
        return "tcp", host, int(port)
    raise TransportError(f"{address!r} is no address; write unix:/path or tcp:HOST:PORT")


class Connection(asyncio.Protocol):
    """One peer. ``send`` buffers and never blocks; a peer that does not read is cut off."""

    def __init__(
        self,
        decode: Decode,
        on_message: Callable[[Connection, Any], None],
        on_open: Callable[[Connection], None] | None,
        on_close: Callable[[Connection], None] | None,
        on_bad: Callable[[Connection, bytes, str], None] | None,
        on_read: Callable[[], None] | None = None,
    ) -> None:
        self._on_read = on_read
        self._decode = decode
        self._on_message = on_message
        self._on_open = on_open
        self._on_close = on_close
        self._on_bad = on_bad
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._behind = self._paused = False
        self._corked = False
        self._waiting: list[bytes] = []
        self.name = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self.name = self.name or str(transport.get_extra_info("peername") or "local")
        sock: socket.socket | None = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._on_open is not None:
            self._on_open(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._behind:
            self._take(_AT_ONCE)

    def _take(self, most: float) -> None:
        """Hand over so many messages; what is left waits a turn of the loop, and the socket with it.

        One peer that never stops talking must not keep the loop from a kill, a report or another peer.
        """
        buffer, taken = self._buffer, 0
        at, end = 0, len(buffer)
        try:
            while end - at >= 4 and taken < most:
                size = int.from_bytes(buffer[at : at + 4], "big")
                if size > _MAX_FRAME:
                    self._bad(bytes(buffer[at : at + 64]), f"a frame of {size} bytes exceeds {_MAX_FRAME}")
                    self.close()
                    at = end
                    return
                if end - at - 4 < size:
                    return
                frame = bytes(buffer[at + 4 : at + 4 + size])
                at += 4 + size
                taken += 1
                try:
                    message = self._decode(frame)
                except DecodeError as error:
                    self._bad(frame, str(error))
                    continue
                self._on_message(self, message)
        finally:
            del buffer[:at]
            if taken and self._on_read is not None:
                self._on_read()
        if taken >= most and buffer:
            self._fall_behind()

    def _fall_behind(self) -> None:
        self._behind = True
        if not self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()
        asyncio.get_running_loop().call_soon(self._catch_up)

    def _catch_up(self) -> None:
        self._behind = False
        if self._transport is None:
            return  # what was left has been taken as the connection ended
        try:
            self._take(_AT_ONCE)
        except BaseException:
            self._transport.abort()
            raise
        if self._paused and not self._behind and self.open:
            self._paused = False
            self._transport.resume_reading()

    def _bad(self, frame: bytes, reason: str) -> None:
        log.warning("%s: %s", self.name, reason)
        if self._on_bad is not None:
            self._on_bad(self, frame, reason)

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            log.info("%s: connection lost: %s", self.name, exc)
        self._transport = None
        try:
            self._take(math.inf)
        finally:
            if self._on_close is not None:
                self._on_close(self)

    @property
    def open(self) -> bool:
        """Whether ``send`` can reach the peer."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def peer_uid(self) -> int | None:
        """Operating-system user of a peer on a Unix socket, as the kernel vouches for it."""
        peer = self._peer()
        return None if peer is None else peer[1]

    @property
    def peer_pid(self) -> int | None:
        """Process of a peer on a Unix socket, as the kernel vouches for it."""
        peer = self._peer()
        return None if peer is None else peer[0]

    def _peer(self) -> tuple[int, int] | None:
        if self._transport is None:
            return None
        sock: socket.socket | None = self._transport.get_extra_info("socket")
        if sock is None or sock.family != socket.AF_UNIX:
            return None
        pid, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        return int(pid), int(uid)

    def send(self, message: Message) -> None:
        """Hand one message to the socket; nothing happens if the peer has gone."""
        self.send_encoded(encode(message))

    def send_encoded(self, payload: bytes) -> None:
        """Hand over one message that is already bytes.

        The first of a turn of the loop goes out at once, those behind it together when the turn is over:
        a system call each, and a peer woken for each, would cost more than all else that is done for them.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._corked:
            self._waiting += (len(payload).to_bytes(4, "big"), payload)
            return
        self._corked = True
        asyncio.get_running_loop().call_soon(self._uncork)
        self._write(transport, len(payload).to_bytes(4, "big") + payload)

    def _uncork(self) -> None:
        self._corked = False
        if self._waiting:
            data = b"".join(self._waiting)
            self._waiting.clear()
            if self._transport is not None:
                self._write(self._transport, data)

    def _write(self, transport: asyncio.Transport, data: bytes) -> None:
        transport.write(data)
        if transport.get_write_buffer_size() > _MAX_UNREAD:
            log.error(
                "%s does not read: %d bytes wait; closing", self.name, transport.get_write_buffer_size()
            )
            transport.abort()

    def close(self) -> None:
        """Close after what was sent has been written."""
        if self._transport is not None:
            self._uncork()
            self._transport.close()


class StreamServer:
    """Accepts peers and hands their messages over, in order per peer.

    Args:
        on_bad: A frame that could not be decoded; the connection lives on, except after an absurd length.
        on_read: Messages that came in together have been handed over.
    """

    def __init__(
        self,
        address: str,
        decode: Decode,
        *,
        on_message: Callable[[Connection, Any], None],
        on_open: Callable[[Connection], None] | None = None,
        on_close: Callable[[Connection], None] | None = None,
        on_bad: Callable[[Connection, bytes, str], None] | None = None,
        on_read: Callable[[], None] | None = None,
    ) -> None:
        self._kind, self._where, self._port = _split(address)
        self._address = address
        self._decode = decode
        self._on_message = on_message
        self._on_open = on_open
        self._on_close = on_close
        self._on_bad = on_bad
        self._on_read = on_read
        self._server: asyncio.AbstractServer | None = None
        self._stopped = False
        self.connections: set[Connection] = set()

    def _opened(self, connection: Connection) -> None:
        self.connections.add(connection)
        if self._stopped:
            # Accepted by the kernel before the door closed.
            connection.close()
        if self._on_open is not None:
            self._on_open(connection)

    def _closed(self, connection: Connection) -> None:
        self.connections.discard(connection)
        if self._on_close is not None:
            self._on_close(connection)

    def _factory(self) -> Connection:
        return Connection(
            self._decode, self._on_message, self._opened, self._closed, self._on_bad, self._on_read
        )

    async def start(self) -> None:
        """Listen.

        Raises:
            TransportError: If another process listens there already.
        """
        loop = asyncio.get_running_loop()
        self._stopped = False
        try:
            if self._kind == "unix":
                self._claim(Path(self._where))
                self._server = await loop.create_unix_server(self._factory, self._where)
                Path(self._where).chmod(0o600)
            else:
                self._server = await loop.create_server(self._factory, self._where, self._port)
        except OSError as error:
            raise TransportError(f"cannot listen on {self._address}: {error}") from error

    def _claim(self, path: Path) -> None:
        """Take a socket file that a dead process left behind; refuse one that is alive."""
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            return
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(path)) != 0:
                path.unlink(missing_ok=True)
                return
        raise TransportError(f"{self._address}: another process listens there; stop it first")

    @property
    def port(self) -> int:
        """Port of a TCP server (useful when 0 was asked)."""
        server = cast("asyncio.Server", self._server)
        return int(server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close the door and every connection."""
        if self._server is None:
            return
        self._stopped = True
        self._server.close()
        for connection in list(self.connections):
            connection.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2.0):
                await self._server.wait_closed()
                while self.connections:
                    await asyncio.sleep(0.002)
        if self._kind == "unix":
            Path(self._where).unlink(missing_ok=True)


class StreamClient:
    """Keeps one connection to a server, for ever: it connects in the background and reconnects."""

    def __init__(
        self,
        address: str,
        decode: Decode,
        *,
        on_message: Callable[[Any], None],
        on_up: Callable[[], None] | None = None,
        on_down: Callable[[], None] | None = None,
        retry: float = 0.1,
    ) -> None:
        self._kind, self._where, self._port = _split(address)
        self._decode = decode
        self._on_message = on_message
        self._on_up = on_up
        self._on_down = on_down
        self._retry = retry
        self._connection: Connection | None = None
        self._gone = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def up(self) -> bool:
        """Whether the server is there."""
        return self._connection is not None and self._connection.open

    def send(self, message: Message) -> bool:
        """Send one message; False if the server is away (it is then not queued)."""
        connection = self._connection
        if connection is None or not connection.open:
            return False
        connection.send(message)
        return True

    async def start(self) -> None:
        """Begin to connect; returns at once."""
        self._task = asyncio.create_task(self._keep_connected(), name="stream client")

    async def _keep_connected(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._gone.clear()
            try:
                if self._kind == "unix":
                    _, connection = await loop.create_unix_connection(self._factory, self._where)
                else:
                    _, connection = await loop.create_connection(self._factory, self._where, self._port)
            except OSError:
                await asyncio.sleep(self._retry)
                continue
            del connection
            await self._gone.wait()

    def _factory(self) -> Connection:
        return Connection(
            self._decode, lambda _, message: self._on_message(message), self._opened, self._closed, None
        )

    def _opened(self, connection: Connection) -> None:
        self._connection = connection
        if self._on_up is not None:
            self._on_up()

    def _closed(self, connection: Connection) -> None:
        if self._connection is connection:
            self._connection = None
            self._gone.set()
            if self._on_down is not None:
                self._on_down()

    async def stop(self) -> None:
        """Disconnect and stay so."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._connection is not None:
            self._connection.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2.0):
                    await self._gone.wait()
