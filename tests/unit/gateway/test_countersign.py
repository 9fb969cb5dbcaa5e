"""The door for two people: only who is who they say gets through, and their secret goes nowhere."""

import asyncio
import functools
import logging
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from service.gateway.control import (
    Approve,
    ApproveReply,
    ControlReply,
    Credentials,
    Propose,
    ProposeReply,
    Refused,
)
from service.gateway.countersign import Countersign
from service.gateway.inputs import KillInput
from service.gateway.people import May, add_person, read_people
from service.model.records import AuditEntry
from tests.unit.gateway.driver import LIMITS
from tests.unit.gateway.test_shell import Gateway

SECRETS = {"carol": "carols own secret", "dave": "daves own secret", "erin": "erins own secret"}


@functools.cache
def file_of_three() -> str:
    """Hashing takes its time, on purpose."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "people.toml"
        for name, secret in SECRETS.items():
            may = (May.LIMITS,) if name == "erin" else tuple(May)
            add_person(path, name, f"u-{name}", may, secret)
        return path.read_text()


class Door:
    """A countersign on a real shell and journal, with a file of three people."""

    def __init__(self, gateway: Gateway, folder: Path) -> None:
        self.gateway = gateway
        self.file = folder / "people.toml"
        self.file.touch(0o600)
        self.file.write_text(file_of_three())
        self.seconds = 0.0
        self.held = ""
        self.door = Countersign(
            lambda: read_people(self.file, simulator=True),
            allowed=lambda _: self.held,
            clock=lambda: self.seconds,
        )

    async def ask(self, request: Propose | Approve, user: str, pid: int = 1) -> ControlReply:
        answer: asyncio.Future[ControlReply] = asyncio.get_running_loop().create_future()
        self.door.take(self.gateway.shell, request, user, pid, answer.set_result)
        return await asyncio.wait_for(answer, 20)

    async def propose(self, name: str = "carol", *, user: str = "", pid: int = 1, **changes: Any) -> Any:
        fields: dict[str, Any] = {"action": "release", "target": "all", "reason": "drill over"}
        who = Credentials(person=name, secret=changes.pop("secret", SECRETS.get(name, "")))
        return await self.ask(Propose(who=who, **{**fields, **changes}), user or f"os:u-{name}", pid)

    async def approve(self, name: str = "dave", *, user: str = "", pid: int = 2, **changes: Any) -> Any:
        fields: dict[str, Any] = {"proposal": "1", "action": "release", "target": "all"}
        who = Credentials(person=name, secret=changes.pop("secret", SECRETS.get(name, "")))
        return await self.ask(Approve(who=who, **{**fields, **changes}), user or f"os:u-{name}", pid)

    @property
    def killed(self) -> bool:
        return self.gateway.core.state.killed

    def audit(self) -> list[AuditEntry]:
        return self.gateway.events(AuditEntry)


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    gateway = Gateway(tmp_path / "gateway.journal")
    gateway.shell.feed(KillInput(scope="all", by="bob", reason="drill"))
    yield Door(gateway, tmp_path)
    await gateway.journal.close()


async def test_two_people_lift_a_kill(door: Door) -> None:
    proposed = await door.propose()
    assert isinstance(proposed, ProposeReply)
    assert (proposed.proposal, proposed.target, proposed.seconds) == ("1", "all", 600)
    assert door.killed
    assert isinstance(await door.approve(), ApproveReply)
    assert not door.killed
    assert door.gateway.journal.synced == door.gateway.journal.end


STRANGERS: dict[str, dict[str, Any]] = {
    "a wrong secret": {"secret": "carols own secre"},
    "no secret": {"secret": ""},
    "somebody else's secret": {"secret": SECRETS["dave"]},
    "another operating-system user": {"user": "os:u-dave"},
    "nobody known": {"name": "mallory", "secret": "whatever it is"},
}


@pytest.mark.parametrize("changes", STRANGERS.values(), ids=STRANGERS)
async def test_who_is_not_who_they_say_is_turned_away_and_on_record(
    door: Door, changes: dict[str, Any]
) -> None:
    refused = await door.propose(**changes)
    assert isinstance(refused, Refused)
    assert refused.reason == "name, secret or operating-system user is wrong"
    assert not door.gateway.core.state.proposals.open
    assert door.audit()[-1].action == "release"
    assert door.audit()[-1].outcome.startswith(
        "refused: name, secret or operating-system user is wrong from="
    )


async def test_one_person_is_not_two(door: Door) -> None:
    await door.propose()
    assert "another person has to approve" in (await door.approve("carol")).reason
    assert door.killed


async def test_one_user_that_holds_two_secrets_is_not_two_people(door: Door) -> None:
    await door.propose(user="os:u-carol")
    refused = await door.approve(user="os:u-carol")
    assert isinstance(refused, Refused)
    assert door.killed


async def test_who_may_not_do_it_does_not_do_it(door: Door) -> None:
    refused = await door.propose("erin")
    assert refused.reason == "erin may not do this: release is not in the file of people"
    assert "may not do this" in door.audit()[-1].outcome


async def test_a_peer_that_the_kernel_does_not_know_does_nothing(door: Door) -> None:
    answers: list[ControlReply] = []
    who = Credentials(person="carol", secret=SECRETS["carol"])
    request = Propose(action="release", who=who, reason="r", target="all")
    door.door.take(door.gateway.shell, request, "", 0, answers.append)
    assert isinstance(answers[0], Refused)
    assert "a known user" in answers[0].reason


async def test_guessing_is_slowed_down_for_each_person_by_themselves(door: Door) -> None:
    for _ in range(3):
        await door.propose(secret="a wrong guess")
    entries = len(door.audit())
    assert "too many wrong secrets: wait 1 s" in (await door.propose()).reason
    assert len(door.audit()) == entries
    assert isinstance(await door.propose("dave"), ProposeReply)
    door.seconds += 0.9
    assert "wait 1 s" in (await door.propose()).reason
    door.seconds += 0.6
    await door.propose(secret="a wrong guess")
    assert "wait 2 s" in (await door.propose()).reason
    door.seconds += 2.5
    assert isinstance(await door.propose(), ProposeReply)


async def test_guesses_of_one_user_lock_nobody_else_out(door: Door) -> None:
    for _ in range(4):
        await door.propose(secret="a wrong guess", user="os:mallory")
    assert "too many wrong secrets" in (await door.propose(user="os:mallory")).reason
    assert isinstance(await door.propose(), ProposeReply)


async def test_only_so_many_wait_at_once(door: Door) -> None:
    answers = await asyncio.gather(*(door.propose() for _ in range(10)))
    assert sum(isinstance(answer, ProposeReply) for answer in answers) == 8
    assert {a.reason for a in answers if isinstance(a, Refused)} == {"too many people ask at once; try again"}


async def test_a_file_of_people_that_cannot_be_used_lets_nobody_through(door: Door) -> None:
    door.file.chmod(0o666)
    assert "others can write it" in (await door.propose()).reason
    door.file.unlink()
    assert "No such file" in (await door.propose()).reason
    assert door.killed


async def test_in_development_two_processes_are_two_people(door: Door) -> None:
    door.file.write_text("development = true\n" + door.file.read_text())
    await door.propose(user="os:me", pid=11)
    assert "that is not two people" in (await door.approve(user="os:me", pid=11)).reason
    assert isinstance(await door.approve(user="os:me", pid=12), ApproveReply)
    assert [e.outcome for e in door.audit() if e.action == "propose release"] == [
        "proposal=1 from=os:me process 11"
    ]


async def test_what_the_kill_file_holds_is_not_released(door: Door) -> None:
    door.held = "KILL lies there"
    assert (await door.propose()).reason == "KILL lies there"
    door.held = ""
    await door.propose()
    door.held = "KILL lies there"
    assert (await door.approve()).reason == "KILL lies there"
    assert door.killed


async def test_when_trading_has_stopped_nothing_is_released(door: Door) -> None:
    door.gateway.shell.stop_trading("the disk is full")
    assert "trading has stopped: the disk is full" in (await door.propose()).reason


async def test_what_cannot_be_put_on_record_is_not_confirmed(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door.gateway.journal, "failed", "journal: no space left")
    assert (await door.propose()).reason == "it cannot be put on record: journal: no space left"


async def test_two_people_change_the_limits(door: Door) -> None:
    text = LIMITS.replace("max_order_quantity = 1000\n", "max_order_quantity = 50\n")
    proposed = await door.propose("erin", action="limits", target="", text=text)
    assert isinstance(proposed, ProposeReply)
    done = await door.approve(action="limits", target=proposed.target)
    assert isinstance(done, ApproveReply)
    assert door.gateway.core.state.gate.limits.version == proposed.target
    wrong = await door.propose(action="limits", text="[session]\nmessages = 3\n")
    assert wrong.reason == (
        "proposed limits, line 2: session: messages: no such field; take it out or correct its name"
    )
    assert "has at most" in (await door.propose(action="limits", text="#" * 300_000)).reason


async def test_no_secret_is_ever_in_a_log_the_journal_the_record_or_a_text(
    door: Door, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    await door.propose()
    await door.propose("erin")
    await door.propose(secret="a wrong guess at it")
    await door.approve()
    monkeypatch.setattr(door.door, "_verify", _fails)
    assert (await door.propose()).reason == "internal error: ZeroDivisionError"
    await door.gateway.synced()
    journal = door.gateway.path.read_bytes()
    record = "".join(map(str, door.gateway.kafka.messages))
    for secret in (*SECRETS.values(), "a wrong guess at it"):
        assert secret not in caplog.text
        assert secret.encode() not in journal
        assert secret not in record
        assert secret not in repr(Credentials(person="x", secret=secret))
        assert secret not in repr(Propose(action="", who=Credentials(person="x", secret=secret), reason=""))


def _fails(*_: object) -> str:
    raise ZeroDivisionError
