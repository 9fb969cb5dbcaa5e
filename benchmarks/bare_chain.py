"""The bare chain: the same libraries in the same processes doing the same work, with no code of ours.

``runner``: aiokafka getmany, msgspec decode, every Nth event one ORT run and one frame on a Unix socket.
``gateway``: the frame off the socket, one write and one fdatasync, one quickfix send; it notes the time from
the record in the runner's hands to the return of the send, and writes all of them at the end.
``acceptor``: quickfix; acknowledges and cancels each order (both chains trade with it).
"""

from __future__ import annotations

import array
import asyncio
import os
import signal
import struct
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import quickfix as fix
import uvloop

from service.telemetry.process import ask_for_realtime

ORDER_EVERY = 25
REALTIME = 10
"""SCHED_FIFO priority of runner and gateway in both chains, where the kernel grants it."""


class Book(msgspec.Struct, frozen=True, array_like=True, tag="book", gc=False):
    """The same bytes as ours, decoded into a type of its own."""

    symbol: str
    venue: str
    ts_event: int
    ts_utc: int
    seq: int
    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]


class Status(msgspec.Struct, frozen=True, array_like=True, tag="status", gc=False):
    symbol: str
    venue: str
    ts_event: int
    ts_utc: int
    seq: int
    phase: str
    reason: str


class Beat(msgspec.Struct, frozen=True, array_like=True, tag="heartbeat", gc=False):
    feed: str
    watermark: int
    ts_utc: int
    published: int
    repaired: int
    done: bool


def stop_event() -> asyncio.Event:
    """Set by SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    return stop


async def runner(bootstrap: str, topic: str, sock: str, model: str) -> None:
    """Consume, decode, infer, hop."""
    import onnxruntime as ort
    from aiokafka import AIOKafkaConsumer

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0]
    row = np.zeros((1, entry.shape[1]), np.float32)
    decode = msgspec.msgpack.Decoder(Book | Status | Beat).decode
    _, writer = await asyncio.open_unix_connection(sock)
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        auto_offset_reset="latest",
        enable_auto_commit=False,
        fetch_max_wait_ms=20,
    )
    await consumer.start()
    stop = stop_event()
    Path(sock + ".ready").touch()
    count = 0
    while not stop.is_set():
        fetched = await consumer.getmany(timeout_ms=100, max_records=2000)
        tick = time.time_ns()
        for records in fetched.values():
            for record in records:
                decode(record.value)
                count += 1
                if count % ORDER_EVERY == 0:
                    session.run(None, {entry.name: row})
                    frame = struct.pack(">qq", tick, count)
                    writer.write(len(frame).to_bytes(4, "big") + frame)
    writer.close()
    await consumer.stop()


class Initiator(fix.Application):
    """The least that quickfix asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.session: Any = None
        self.up = False

    def onCreate(self, session_id: Any) -> None:  # noqa: N802
        self.session = session_id

    def onLogon(self, session_id: Any) -> None:  # noqa: N802
        del session_id
        self.up = True

    def onLogout(self, session_id: Any) -> None: ...  # noqa: N802
    def toAdmin(self, message: Any, session_id: Any) -> None: ...  # noqa: N802
    def fromAdmin(self, message: Any, session_id: Any) -> None: ...  # noqa: N802
    def toApp(self, message: Any, session_id: Any) -> None: ...  # noqa: N802
    def fromApp(self, message: Any, session_id: Any) -> None: ...  # noqa: N802


def settings(kind: str, port: int, folder: str, sender: str, target: str) -> Any:
    """Session settings text for one side."""
    side = (
        f"ConnectionType=initiator\nSocketConnectHost=127.0.0.1\nSocketConnectPort={port}\nReconnectInterval=1\n"
        if kind == "initiator"
        else f"ConnectionType=acceptor\nSocketAcceptPort={port}\n"
    )
    dictionary = Path(__file__).resolve().parent.parent / "fix_configs" / "FIX44.xml"
    text = (
        f"[DEFAULT]\n{side}StartTime=00:00:00\nEndTime=00:00:00\nHeartBtInt=30\nFileStorePath={folder}\n"
        f"FileLogPath={folder}\nUseDataDictionary=Y\nDataDictionary={dictionary}\nSocketNodelay=Y\n"
        f"[SESSION]\nBeginString=FIX.4.4\nSenderCompID={sender}\nTargetCompID={target}\n"
    )
    path = Path(folder) / f"{kind}.cfg"
    path.write_text(text)
    return fix.SessionSettings(str(path))


async def gateway(sock: str, port: int, folder: str) -> None:
    """Receive, sync, send."""
    sys.setswitchinterval(1e-4)
    application = Initiator()
    config = settings("initiator", port, folder, "SLIPSTREAM", "BROKERSIM")
    store, logs = fix.FileStoreFactory(config), fix.FileLogFactory(config)
    initiator = fix.SocketInitiator(application, store, config, logs)
    initiator.start()
    while not application.up:
        await asyncio.sleep(0.05)
    journal = os.open(str(Path(folder) / "journal"), os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    latencies = array.array("q")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                size = int.from_bytes(await reader.readexactly(4), "big")
                frame = await reader.readexactly(size)
            except asyncio.IncompleteReadError:
                break
            tick, count = struct.unpack(">qq", frame)
            os.write(journal, frame)
            os.fdatasync(journal)
            fix.Session.sendToTarget(order(count), application.session)
            latencies.append(time.time_ns() - tick)
        writer.close()

    server = await asyncio.start_unix_server(serve, sock)
    await stop_event().wait()
    server.close()
    Path(folder, "latencies").write_bytes(latencies.tobytes())
    await asyncio.get_running_loop().run_in_executor(None, initiator.stop)


def order(count: int) -> Any:
    """A NewOrderSingle with the fields that ours has."""
    message = fix.Message()
    header = message.getHeader()
    header.setField(8, "FIX.4.4")
    header.setField(35, "D")
    stamp = time.strftime("%Y%m%d-%H:%M:%S", time.gmtime()) + f".{time.time_ns() // 1_000_000 % 1000:03d}"
    for tag, value in (
        (11, f"B{count}"),
        (1, "NW-1"),
        (55, "S0"),
        (54, "1"),
        (60, stamp),
        (38, "1"),
        (40, "2"),
        (44, "99.9900"),
        (59, "3"),
        (526, f"P.{count}"),
    ):
        message.setField(tag, value)
    return message


class Acceptor(Initiator):
    """Acknowledges every order; an IOC meets nothing. Cancels what it is asked to."""

    def fromApp(self, message: Any, session_id: Any) -> None:  # noqa: N802
        kind = message.getHeader().getField(35)
        if kind not in "DF":
            return
        fields = {tag: message.getField(tag) for tag in (11, 55, 54, 38)}
        if kind == "F":
            told: tuple[str, ...] = ("4",)
        else:
            told = ("0", "4") if message.isSetField(59) and message.getField(59) == "3" else ("0",)
        for exec_type in told:
            report = fix.Message()
            header = report.getHeader()
            header.setField(8, "FIX.4.4")
            header.setField(35, "8")
            leaves = fields[38] if exec_type == "0" else "0"
            for tag, value in (
                (37, "O" + fields[11]),
                (17, f"E{exec_type}{fields[11]}"),
                (150, exec_type),
                (39, exec_type),
                (11, fields[11]),
                (55, fields[55]),
                (54, fields[54]),
                (38, fields[38]),
                (151, leaves),
                (14, "0"),
                (6, "0"),
            ):
                report.setField(tag, value)
            if kind == "F":
                report.setField(41, message.getField(41))
            fix.Session.sendToTarget(report, session_id)


async def acceptor(port: int, folder: str) -> None:
    """Serve until told to stop."""
    sys.setswitchinterval(1e-4)
    config = settings("acceptor", port, folder, "BROKERSIM", "SLIPSTREAM")
    application = Acceptor()
    store, logs = fix.FileStoreFactory(config), fix.FileLogFactory(config)
    server = fix.ThreadedSocketAcceptor(application, store, config, logs)
    server.start()
    await stop_event().wait()
    await asyncio.get_running_loop().run_in_executor(None, server.stop)


if __name__ == "__main__":
    role, arguments = sys.argv[1], sys.argv[2:]
    if role != "acceptor":
        ask_for_realtime(REALTIME)
    if role == "runner":
        uvloop.run(runner(*arguments))
    elif role == "gateway":
        uvloop.run(gateway(arguments[0], int(arguments[1]), arguments[2]))
    else:
        uvloop.run(acceptor(int(arguments[0]), arguments[1]))
