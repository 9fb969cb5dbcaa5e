"""Two people through one console: their proofs count, and the console itself can do nothing."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from service.gateway.control import (
    Approve,
    ApproveReply,
    Challenge,
    ControlReply,
    Credentials,
    Propose,
    ProposeReply,
    Refused,
)
from service.gateway.inputs import KillInput
from service.gateway.people import read_people
from service.gateway.proofs import sign
from tests.unit.gateway.test_countersign import SECRETS, Door, file_of_three
from tests.unit.gateway.test_shell import Gateway

CONSOLE = "os:slipstream-console"
RELEASE = Propose(action="release", who=Credentials(person=""), target="all", reason="drill over")
APPROVE = Approve(proposal="1", action="release", target="all", who=Credentials(person=""))


class Page(Door):
    """The door as pages reach it, through a console that has an operating-system user of its own."""

    def __init__(self, gateway: Gateway, folder: Path) -> None:
        super().__init__(gateway, folder)
        self.file.write_text('consoles = ["slipstream-console"]\n' + file_of_three())

    async def signed(
        self, request: Propose | Approve, name: str, *, secret: str = "", user: str = CONSOLE
    ) -> ControlReply:
        return await self.ask(self.made(request, name, secret=secret), user)

    def file_key(self, name: str) -> str:
        """What the file holds of this person's key."""
        return read_people(self.file, simulator=True).by_name[name].key

    def made(self, request: Propose | Approve, name: str, *, secret: str = "") -> Propose | Approve:
        challenge = self.door.challenge(name)
        assert isinstance(challenge, Challenge)
        stored = f"ed25519${challenge.rounds}${challenge.salt}$"
        proof = sign(secret or SECRETS[name], stored, request, challenge.number)
        who = Credentials(person=name, number=challenge.number, proof=proof)
        return msgspec.structs.replace(request, who=who)


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[Page]:
    gateway = Gateway(tmp_path / "gateway.journal")
    gateway.shell.feed(KillInput(scope="all", by="bob", reason="drill"))
    yield Page(gateway, tmp_path)
    await gateway.journal.close()


async def test_two_people_when_both_prove_it_lift_a_kill_through_one_console(page: Page) -> None:
    assert isinstance(await page.signed(RELEASE, "carol"), ProposeReply)
    assert page.killed
    assert isinstance(await page.signed(APPROVE, "dave"), ApproveReply)
    assert not page.killed


async def test_one_person_when_proving_it_twice_is_not_two(page: Page) -> None:
    await page.signed(RELEASE, "carol")
    refused = await page.signed(APPROVE, "carol")
    assert isinstance(refused, Refused)
    assert "another person has to approve" in refused.reason


async def test_a_proof_when_sent_again_does_nothing(page: Page) -> None:
    request = page.made(RELEASE, "carol")
    assert isinstance(await page.ask(request, CONSOLE), ProposeReply)
    again = await page.ask(request, CONSOLE)
    assert isinstance(again, Refused)
    assert "was used" in again.reason


async def test_a_proof_when_moved_to_another_request_does_nothing(page: Page) -> None:
    request = msgspec.structs.replace(page.made(RELEASE, "carol"), reason="something else")
    assert isinstance(await page.ask(request, CONSOLE), Refused)
    assert not page.gateway.core.state.proposals.open


async def test_a_proof_when_its_number_is_the_consoles_own_invention_does_nothing(page: Page) -> None:
    made_up = sign(SECRETS["carol"], page.file_key("carol"), RELEASE, "made up")
    who = Credentials(person="carol", number="made up", proof=made_up)
    assert isinstance(await page.ask(msgspec.structs.replace(RELEASE, who=who), CONSOLE), Refused)


async def test_a_proof_when_it_is_too_old_does_nothing(page: Page) -> None:
    request = page.made(RELEASE, "carol")
    page.seconds += 121
    assert isinstance(await page.ask(request, CONSOLE), Refused)


async def test_a_proof_when_it_comes_from_what_is_no_console_does_nothing(page: Page) -> None:
    refused = await page.signed(RELEASE, "carol", user="os:u-mallory")
    assert isinstance(refused, Refused)
    assert "is no console" in refused.reason


async def test_a_wrong_secret_when_proved_with_is_turned_away_and_on_record(page: Page) -> None:
    refused = await page.signed(RELEASE, "carol", secret="not carols secret")
    assert isinstance(refused, Refused)
    assert "name or secret is wrong" in refused.reason
    assert "refused" in page.audit()[-1].outcome


async def test_a_person_when_not_allowed_to_is_told_so(page: Page) -> None:
    refused = await page.signed(RELEASE, "erin")
    assert isinstance(refused, Refused)
    assert "may not do this" in refused.reason


async def test_a_challenge_when_nobody_has_that_name_looks_the_same(page: Page) -> None:
    known, unknown = page.door.challenge("carol"), page.door.challenge("mallory")
    assert isinstance(known, Challenge)
    assert isinstance(unknown, Challenge)
    assert (len(known.salt), known.rounds) == (len(unknown.salt), unknown.rounds)
    again = page.door.challenge("mallory")
    assert isinstance(again, Challenge)
    assert (again.salt, again.number == unknown.number) == (unknown.salt, False)
    refused = await asyncio.wait_for(page.signed(RELEASE, "mallory", secret="whatever it is"), 20)
    assert isinstance(refused, Refused)
