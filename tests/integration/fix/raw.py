"""A counterparty of plain sockets and simplefix: it does what no decent engine would do."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Self

import simplefix

from tests.integration.fix.broker import PATIENCE

Fields = dict[str, str]


class RawPeer:
    """Answers Logon, TestRequest and Logout; everything else is the test's.

    Attributes:
        received: Every message that came, in order, as its fields (the first of each tag).
        raw: The same as bytes.
        next_out: MsgSeqNum of what it sends next.
        answers_logons: Whether a Logon gets one.
        answers_tests: Whether a TestRequest gets its Heartbeat.
        on_message: Called with each message after it was answered.
    """

    def __init__(self) -> None:
        self.received: list[Fields] = []
        self.raw: list[bytes] = []
        self.next_out = 1
        self.answers_logons = True
        self.answers_tests = True
        self.on_message: Callable[[Fields], None] = lambda fields: None
        self.port = 0
        self._writer: asyncio.StreamWriter | None = None
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None
        self._news = asyncio.Condition()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        # A connection that was accepted just now has its writer some turns of the loop later.
        for _ in range(10):
            await asyncio.sleep(0)
        for writer in self._writers:
            writer.transport.abort()

    def hang_up(self) -> None:
        if self._writer is not None:
            self._writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._writers.append(writer)
        parser = simplefix.FixParser()
        buffer = b""
        while True:
            try:
                data = await reader.read(65_536)
            except ConnectionError:
                data = b""
            if not data:
                writer.close()
                return
            parser.append_buffer(data)
            buffer += data
            while (message := parser.get_message()) is not None:
                fields: Fields = {}
                for tag, value in message.pairs:
                    fields.setdefault(tag.decode(), value.decode())
                cut = buffer.index(b"\x0110=") + len(b"\x0110=000\x01")
                self.raw.append(buffer[:cut])
                buffer = buffer[cut:]
                self._take(fields)
            async with self._news:
                self._news.notify_all()

    def _take(self, fields: Fields) -> None:
        self.received.append(fields)
        kind = fields["35"]
        if kind == "A" and self.answers_logons:
            self.send({"35": "A", "98": "0", "108": fields["108"]})
        elif kind == "1" and self.answers_tests:
            self.send({"35": "0", "112": fields["112"]})
        elif kind == "5":
            self.send({"35": "5"})
        self.on_message(fields)

    def send(self, fields: Fields, seq: int | None = None, **header: str) -> None:
        """Send a message; with ``seq`` under that number, else under the next."""
        assert self._writer is not None
        if seq is None:
            seq, self.next_out = self.next_out, self.next_out + 1
        now = datetime.fromtimestamp(time.time(), UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:-3]
        message = simplefix.FixMessage()
        message.append_pair(8, "FIX.4.4")
        message.append_pair(35, fields["35"])
        for tag, value in {
            "49": "BROKERSIM",
            "56": "SLIPSTREAM",
            "34": str(seq),
            "52": now,
            **header,
        }.items():
            message.append_pair(tag.removeprefix("_"), value)
        for tag, value in fields.items():
            if tag != "35":
                message.append_pair(tag, value)
        self._writer.write(message.encode())

    def fill_gap(self, begin: int, following: int) -> None:
        """A SequenceReset with GapFillFlag."""
        self.send({"35": "4", "123": "Y", "36": str(following)}, seq=begin, _43="Y")

    def of(self, msg_type: str) -> list[Fields]:
        return [fields for fields in self.received if fields["35"] == msg_type]

    async def until(self, condition: Callable[[], bool], patience: float = PATIENCE) -> None:
        """Wait until what came fulfils a condition."""
        async with asyncio.timeout(patience), self._news:
            await self._news.wait_for(condition)
