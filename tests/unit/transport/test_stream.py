"""The local stream: frames, bad frames, reconnecting, and who is at the other end."""

import asyncio
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.model.codec import encode, to_gateway, to_runner
from service.model.stream import RunnerHello, StreamSynced
from service.transport.stream import Connection, StreamClient, StreamServer
from service.transport.topics import TransportError

HELLO = RunnerHello(runner_id="r1", ts_utc=1)
SYNCED = StreamSynced(parents=0, ts_utc=2)


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


@pytest.fixture
def address(tmp_path: Path) -> str:
    return f"unix:{tmp_path / 's.sock'}"


async def test_messages_pass_both_ways_in_order(address: str) -> None:
    heard: list[Any] = []

    def answer(connection: Connection, message: Any) -> None:
        assert connection.peer_uid == os.getuid()
        heard.append(message)
        connection.send(StreamSynced(parents=len(heard), ts_utc=0))

    answers: list[Any] = []
    server = StreamServer(address, to_gateway, on_message=answer)
    await server.start()
    client = StreamClient(address, to_runner, on_message=answers.append)
    await client.start()
    await until(lambda: client.up)
    for number in range(500):
        assert client.send(RunnerHello(runner_id="r", ts_utc=number))
    await until(lambda: len(answers) == 500)
    assert [m.ts_utc for m in heard] == list(range(500))
    assert [m.parents for m in answers] == list(range(1, 501))
    await client.stop()
    await server.stop()


async def test_client_reconnects_when_the_server_comes_back(address: str) -> None:
    ups: list[bool] = []
    client = StreamClient(
        address,
        to_runner,
        on_message=lambda _: None,
        on_up=lambda: ups.append(True),
        on_down=lambda: ups.append(False),
    )
    await client.start()
    assert not client.send(HELLO)
    for round_ in (1, 2):
        server = StreamServer(address, to_gateway, on_message=lambda *_: None)
        await server.start()
        await until(lambda round_=round_: ups.count(True) == round_)
        await server.stop()
        await until(lambda round_=round_: ups.count(False) == round_)
    assert ups == [True, False, True, False]
    await client.stop()


async def test_undecodable_frame_is_reported_and_the_next_one_arrives(address: str, tmp_path: Path) -> None:
    heard: list[Any] = []
    bad: list[str] = []
    server = StreamServer(
        address,
        to_gateway,
        on_message=lambda _, m: heard.append(m),
        on_bad=lambda _, frame, reason: bad.append(reason),
    )
    await server.start()
    _, writer = await asyncio.open_unix_connection(str(tmp_path / "s.sock"))
    good = encode(HELLO)
    for frame in (b"\xc1", good):
        for byte in len(frame).to_bytes(4, "big") + frame:
            writer.write(bytes([byte]))
            await writer.drain()
    await until(lambda: heard)
    assert heard == [HELLO]
    assert len(bad) == 1
    assert bad[0].startswith("to gateway: ")
    writer.write(b"\xff\xff\xff\xff")
    await until(lambda: len(bad) == 2)
    assert "exceeds" in bad[1]
    await until(lambda: not server.connections)
    writer.close()
    await server.stop()


async def test_second_server_is_refused_and_a_dead_socket_is_taken(address: str, tmp_path: Path) -> None:
    server = StreamServer(address, to_gateway, on_message=lambda *_: None)
    await server.start()
    with pytest.raises(TransportError, match="another process listens there"):
        await StreamServer(address, to_gateway, on_message=lambda *_: None).start()
    await server.stop()
    left_behind = socket.socket(socket.AF_UNIX)
    left_behind.bind(str(tmp_path / "s.sock"))
    left_behind.close()
    await server.start()
    assert (tmp_path / "s.sock").stat().st_mode & 0o777 == 0o600
    await server.stop()


@pytest.mark.parametrize("address", ["unix:", "tcp:nohost", "tcp:host:x", "/tmp/s", "unix:/" + "x" * 120])
def test_bad_address_is_refused(address: str) -> None:
    with pytest.raises(TransportError):
        StreamServer(address, to_gateway, on_message=lambda *_: None)


async def test_tcp_works_as_well() -> None:
    server = StreamServer("tcp:127.0.0.1:0", to_gateway, on_message=lambda c, _: c.send(SYNCED))
    await server.start()
    answers: list[Any] = []
    client = StreamClient(f"tcp:127.0.0.1:{server.port}", to_runner, on_message=answers.append)
    await client.start()
    await until(lambda: client.up)
    client.send(HELLO)
    await until(lambda: answers)
    assert answers == [SYNCED]
    await client.stop()
    await server.stop()


def frames(number: int) -> bytes:
    """So many introductions, as bytes on the wire."""
    each = [encode(RunnerHello(runner_id="r", ts_utc=n)) for n in range(number)]
    return b"".join(len(one).to_bytes(4, "big") + one for one in each)


async def test_one_peer_that_never_stops_talking_leaves_the_loop_to_others(
    address: str, tmp_path: Path
) -> None:
    happened: list[int] = []

    def heard(_: Connection, message: Any) -> None:
        if not happened:
            asyncio.get_running_loop().call_soon(happened.append, -1)
        happened.append(message.ts_utc)

    server = StreamServer(address, to_gateway, on_message=heard)
    await server.start()
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(tmp_path / "s.sock"))
        peer.sendall(frames(1000))
        await until(lambda: len(happened) == 1001)
        assert happened.index(-1) <= 64
        happened.remove(-1)
        assert happened == list(range(1000))
        peer.sendall(frames(1))  # and it is read again
        await until(lambda: len(happened) == 1001)
    await server.stop()


async def test_messages_of_one_turn_leave_in_order_and_behind_the_first_together(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: list[bytes] = []
    real = Connection._write

    def write(self: Connection, transport: asyncio.Transport, data: bytes) -> None:
        writes.append(data)
        real(self, transport, data)

    answers: list[Any] = []

    def answer(connection: Connection, _: Any) -> None:
        monkeypatch.setattr(Connection, "_write", write)
        for number in range(10):
            connection.send(StreamSynced(parents=number, ts_utc=0))
        connection.close()  # what was said goes out all the same

    server = StreamServer(address, to_gateway, on_message=answer)
    await server.start()
    client = StreamClient(address, to_runner, on_message=answers.append)
    await client.start()
    await until(lambda: client.up)
    assert client.send(HELLO)
    await until(lambda: len(answers) == 10)
    assert [m.parents for m in answers] == list(range(10))
    assert len(writes) == 2
    await client.stop()
    await server.stop()


async def test_messages_that_came_together_are_all_handed_over_before_it_is_said_that_they_are(
    address: str,
) -> None:
    heard: list[Any] = []
    server = StreamServer(
        address,
        to_gateway,
        on_message=lambda _, message: heard.append(message),
        on_read=lambda: heard.append("read"),
    )
    await server.start()
    frame = encode(HELLO)
    frame = len(frame).to_bytes(4, "big") + frame
    _, writer = await asyncio.open_unix_connection(address.removeprefix("unix:"))
    writer.write(frame * 3 + frame[:7])
    await until(lambda: len(heard) == 4)
    assert heard == [HELLO, HELLO, HELLO, "read"]
    writer.write(frame[7:])
    await until(lambda: len(heard) == 6)
    assert heard[4:] == [HELLO, "read"]
    writer.close()
    await server.stop()


async def test_what_a_peer_said_before_it_went_is_heard_to_the_end(address: str, tmp_path: Path) -> None:
    heard: list[int] = []
    closed: list[int] = []
    server = StreamServer(
        address,
        to_gateway,
        on_message=lambda _, message: heard.append(message.ts_utc),
        on_close=lambda _: closed.append(len(heard)),
    )
    await server.start()
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(tmp_path / "s.sock"))
        peer.sendall(frames(1000))
    await until(lambda: closed)
    assert closed == [1000]
    assert heard == list(range(1000))
    await server.stop()
