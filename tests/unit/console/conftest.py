"""A control API on a hub that has neither Kafka nor a gateway behind it."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from service.console.accounts import Accounts, Role, User, hashed, token_digest
from service.console.hub import Hub
from service.console.sessions import Sessions
from service.console.state import Console
from service.model.message import Message
from service.model.reference import Reference, load_reference
from service.settings import ROOT
from service.transport.consumer import Reader
from service.transport.producer import Producer

ORIGIN = "http://testserver.local"
TOKEN = "a token that is long and random enough"


@functools.cache
def accounts() -> Accounts:
    """One user of every role, all with a password of the same form; hashing takes its time, on purpose."""
    users = [
        User(
            name=role.value,
            roles=(role,),
            trader={"trader": "alice", "desk_head": "bob"}.get(role.value, ""),
            password=hashed(f"{role.value} in a test"),
        )
        for role in Role
    ]
    machine = User(name="robot", roles=(Role.TRADER,), trader="alice", token=token_digest(TOKEN))
    return Accounts(users=(*users, machine))


class Recorded(Producer):
    """A producer that is never started: what is sent stays here."""

    def __init__(self) -> None:
        super().__init__("127.0.0.1:1", client="test")
        self.sent: list[tuple[str, Message]] = []

    def send(self, topic: str, key: bytes | None, message: Message, *, partition: int | None = None) -> None:
        self.sent.append((topic, message))


@pytest.fixture
def reference() -> Reference:
    return load_reference(ROOT / "deploy" / "reference.toml")


@pytest.fixture
def console(reference: Reference, tmp_path: Path) -> Console:
    reader = Reader("127.0.0.1:1", ("orders.v1",), client="test")
    hub = Hub(reference, tmp_path, (reader,), reader, Recorded())
    sessions = Sessions(accounts, idle=60.0, life=600.0, clock=lambda: 0.0)
    return Console(hub=hub, sessions=sessions, origins=frozenset({ORIGIN}), secure=False, wait=0.05)
