"""Who may knock: a socket is its owner's until a group is let in by name."""

import grp
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.gateway.doors import admit_group
from service.model.codec import to_gateway
from service.transport.stream import StreamServer
from service.transport.topics import TransportError


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
