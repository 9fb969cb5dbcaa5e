"""Who may knock: a socket is its owner's until a group is let in by name, and a runner speaks for itself."""

import asyncio
import grp
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.gateway.doors import Runners, admit_group
from service.model.codec import to_gateway, to_runner
from service.model.message import Message
from service.model.stream import RunnerHeartbeat, RunnerHello, StreamSynced
from service.model.time import SECOND
from service.transport.stream import StreamClient, StreamServer
from service.transport.topics import TransportError
from tests.unit.gateway.driver import UTC
from tests.unit.gateway.test_shell import Gateway


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Path]:
    path = tmp_path / "gateway.sock"
    server = StreamServer(f"unix:{path}", to_gateway, on_message=lambda *_: None)
    await server.start()
    yield path
    await server.stop()


async def test_socket_when_no_group_is_named_then_it_is_its_owners_alone(door: Path) -> None:
    admit_group(f"unix:{door}", "")
    assert stat.S_IMODE(door.stat().st_mode) == 0o600


async def test_socket_when_a_group_is_named_then_its_members_may_use_it_and_nobody_else(door: Path) -> None:
    admit_group(f"unix:{door}", grp.getgrgid(os.getegid()).gr_name)
    assert stat.S_IMODE(door.stat().st_mode) == 0o660
    assert door.stat().st_gid == os.getegid()


async def test_socket_when_there_is_no_such_group_then_it_is_said_and_stays_closed(door: Path) -> None:
    with pytest.raises(
        TransportError, match=r"gateway\.sock cannot be given to group nobody-here: there is no"
    ):
        admit_group(f"unix:{door}", "nobody-here")
    assert stat.S_IMODE(door.stat().st_mode) == 0o600


class Peer:
    """Somebody on the stream, who can say anything."""

    def __init__(self, address: str) -> None:
        self.told: list[Message] = []
        self.down = asyncio.Event()
        self.synced = asyncio.Event()
        self.client = StreamClient(address, to_runner, on_message=self._heard, on_down=self.down.set)

    def _heard(self, message: Message) -> None:
        self.told.append(message)
        if isinstance(message, StreamSynced):
            self.synced.set()

    async def hello(self, name: str) -> None:
        await self.client.start()
        async with asyncio.timeout(20):
            while not self.client.send(RunnerHello(runner_id=name, ts_utc=0)):
                await asyncio.sleep(0.001)
            await self.synced.wait()


@pytest.fixture
async def stream(tmp_path: Path) -> AsyncIterator[tuple[Runners, Gateway, str]]:
    gateway = Gateway(tmp_path / "gateway.journal")
    address = f"unix:{tmp_path / 'runners.sock'}"
    runners = Runners(address, timeout=2 * SECOND, utc=lambda: gateway.utc)
    runners.shell = gateway.shell
    await runners.server.start()
    yield runners, gateway, address
    await runners.server.stop()
    await gateway.journal.close()


async def test_runner_when_another_vouches_for_it_then_it_is_lost_all_the_same(
    stream: tuple[Runners, Gateway, str],
) -> None:
    runners, gateway, address = stream
    dead, other = Peer(address), Peer(address)
    await dead.hello("r1")
    await dead.client.stop()
    await other.hello("r2")
    gateway.utc = UTC + SECOND
    other.client.send(RunnerHeartbeat(runner_id="r1", ts_utc=0))
    await asyncio.wait_for(other.down.wait(), 20)
    gateway.utc = UTC + 2 * SECOND + 1
    runners.check()
    lost = [m.detail for m in gateway.kafka.messages if getattr(m, "code", "") == "RUNNER_LOST"]
    assert any("runner=r1" in detail for detail in lost)
    await other.client.stop()


async def test_runner_when_it_says_twice_who_it_is_then_it_is_turned_out(
    stream: tuple[Runners, Gateway, str],
) -> None:
    _, _, address = stream
    peer = Peer(address)
    await peer.hello("r1")
    peer.client.send(RunnerHello(runner_id="r1", ts_utc=0))
    await asyncio.wait_for(peer.down.wait(), 20)
    assert sum(isinstance(m, StreamSynced) for m in peer.told) == 1
    await peer.client.stop()
