"""Two strangers to the simulator: a bare quickfix initiator, and a client made of a socket and simplefix."""

import itertools
import queue
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import quickfix as fix
import simplefix

from service.settings import ROOT

Message = dict[str, str]


def free_port() -> int:
    """A port that nothing listens on now."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _pairs(text: str) -> Message:
    return dict(pair.split("=", 1) for pair in text.split("\x01") if pair)


class _Application(fix.Application):
    def __init__(self, messages: "queue.Queue[Message]", logons: "queue.Queue[bool]") -> None:
        super().__init__()
        self._messages = messages
        self._logons = logons

    def onCreate(self, session_id: Any) -> None: ...
    def onLogon(self, session_id: Any) -> None:
        self._logons.put(True)

    def onLogout(self, session_id: Any) -> None: ...
    def toAdmin(self, message: Any, session_id: Any) -> None: ...
    def fromAdmin(self, message: Any, session_id: Any) -> None: ...
    def toApp(self, message: Any, session_id: Any) -> None: ...
    def fromApp(self, message: Any, session_id: Any) -> None:
        self._messages.put(_pairs(message.toString()))


class Client(ABC):
    """What both clients can do; subclasses say how a message goes out and comes in."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self.stash: list[Message] = []

    @abstractmethod
    def send(self, message_type: str, fields: list[tuple[int, str]]) -> None:
        """Send one message, its header left to the client."""

    @abstractmethod
    def receive(self, timeout: float) -> Message | None:
        """The next application message, or ``None`` when none came in ``timeout`` seconds."""

    def expect(self, timeout: float = 15.0, /, **wanted: str) -> Message:
        """The next message with these fields (``t35="8"``); others are stashed."""
        tags = {name[1:]: value for name, value in wanted.items()}
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            message = self.receive(left)
            if message is not None:
                if all(message.get(tag) == value for tag, value in tags.items()):
                    return message
                self.stash.append(message)
        raise AssertionError(f"no message with {tags} within {timeout} s; got {self.stash}")

    def order(
        self,
        cl_ord_id: str,
        side: str,
        quantity: int,
        price: str = "",
        symbol: str = "AURA",
        time_in_force: str = "0",
        more: Sequence[tuple[int, Any]] = (),
    ) -> None:
        """A NewOrderSingle; a market order without a price."""
        fields = [
            (11, cl_ord_id),
            (55, symbol),
            (54, side),
            (60, _now()),
            (38, str(quantity)),
            (40, "2" if price else "1"),
            (59, time_in_force),
        ]
        if price:
            fields.append((44, price))
        self.send("D", [*fields, *more])

    def cancel(self, cl_ord_id: str, orig: str, side: str, symbol: str = "AURA") -> None:
        """An OrderCancelRequest."""
        self.send("F", [(41, orig), (11, cl_ord_id), (55, symbol), (54, side), (60, _now()), (38, "1")])

    def replace(self, cl_ord_id: str, orig: str, side: str, quantity: int, price: str) -> None:
        """An OrderCancelReplaceRequest."""
        fields = [(41, orig), (11, cl_ord_id), (55, "AURA"), (54, side), (60, _now())]
        self.send("G", [*fields, (38, str(quantity)), (40, "2"), (44, price)])

    def status(self, cl_ord_id: str, side: str) -> None:
        """An OrderStatusRequest."""
        self.send("H", [(11, cl_ord_id), (55, "AURA"), (54, side)])


def _now() -> str:
    return time.strftime("%Y%m%d-%H:%M:%S", time.gmtime()) + ".000"


class QuickfixClient(Client):
    """A plain initiator with a strict dictionary: what it takes in is well-formed FIX 4.4."""

    def __init__(self, sender: str, target: str = "BROKERSIM") -> None:
        super().__init__()
        self.messages: queue.Queue[Message] = queue.Queue()
        self.logons: queue.Queue[bool] = queue.Queue()
        self._session_id = fix.SessionID("FIX.4.4", sender, target)

    def send(self, message_type: str, fields: list[tuple[int, str]]) -> None:
        body = "".join(f"{tag}={value}\x01" for tag, value in fields)
        message = fix.Message(f"8=FIX.4.4\x019=0\x0135={message_type}\x01{body}10=000\x01", False)
        assert fix.Session.sendToTarget(message, self._session_id)

    def receive(self, timeout: float) -> Message | None:
        try:
            return self.messages.get(timeout=timeout)
        except queue.Empty:
            return None


@contextmanager
def quickfix_client(folder: Path, port: int, sender: str) -> Iterator[QuickfixClient]:
    """A client that is logged on; its sequence numbers stay in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "initiator.cfg"
    path.write_text(
        f"""[DEFAULT]
ConnectionType=initiator
FileStorePath={folder / "store"}
ReconnectInterval=1
HeartBtInt=30
NonStopSession=Y
UseDataDictionary=Y
DataDictionary={ROOT / "fix_configs" / "FIX44.xml"}
[SESSION]
BeginString=FIX.4.4
SenderCompID={sender}
TargetCompID=BROKERSIM
SocketConnectHost=127.0.0.1
SocketConnectPort={port}
"""
    )
    client = QuickfixClient(sender)
    settings = fix.SessionSettings(str(path))
    application = _Application(client.messages, client.logons)
    store = fix.FileStoreFactory(settings)
    initiator = fix.SocketInitiator(application, store, settings)
    initiator.start()
    try:
        client.logons.get(timeout=20)
        yield client
    finally:
        initiator.stop()


class SimplefixClient(Client):
    """A socket, a parser and a counter: no FIX engine at all."""

    def __init__(self, port: int, sender: str, *logon_fields: tuple[int, str]) -> None:
        super().__init__()
        self._sender = sender
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=15)
        self._parser = simplefix.FixParser()
        self.send("A", [(98, "0"), (108, "30"), (141, "Y"), *logon_fields])
        logon = self._read(time.monotonic() + 15)
        assert logon is not None
        assert logon["35"] == "A", logon

    def send(self, message_type: str, fields: list[tuple[int, str]]) -> None:
        message = simplefix.FixMessage()
        message.append_pair(8, "FIX.4.4", header=True)
        message.append_pair(35, message_type, header=True)
        message.append_pair(49, self._sender, header=True)
        message.append_pair(56, "BROKERSIM", header=True)
        message.append_pair(34, str(next(self._numbers)), header=True)
        message.append_utc_timestamp(52, header=True)
        for tag, value in fields:
            message.append_pair(tag, value)
        self._socket.sendall(message.encode())

    def receive(self, timeout: float) -> Message | None:
        deadline = time.monotonic() + timeout
        while (message := self._read(deadline)) is not None:
            if message["35"] not in "0A1245":
                return message
        return None

    def _read(self, deadline: float) -> Message | None:
        while (message := self._parser.get_message()) is None:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self._socket.settimeout(left)
            try:
                data = self._socket.recv(65536)
            except TimeoutError:
                return None
            assert data, "the broker closed the connection"
            self._parser.append_buffer(data)
        return {tag.decode(): value.decode() for tag, value in message.pairs}

    def close(self) -> None:
        """Cut the connection without a logout."""
        self._socket.close()


def until(condition: Callable[[], bool], timeout: float = 15.0) -> None:
    """Wait for a condition of another thread or process."""
    deadline = time.monotonic() + timeout
    pause = queue.SimpleQueue()  # type: ignore[var-annotated]
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        try:
            pause.get(timeout=0.01)
        except queue.Empty:
            continue
