"""What an operator types about orders that a soft limit holds: one at a time, with a reason (C20, C21)."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from service.gateway.blocked import PACE
from service.gateway.blocking import dismiss_one
from service.gateway.control import DismissRequest, Refused
from service.model.events import ChildSubmitted
from service.model.market import FeedHeartbeat
from service.model.orders import NewParent
from service.model.records import AuditEntry
from service.model.time import SECOND
from tests.unit.cli.test_operator import Desk
from tests.unit.gateway.driver import PRICE, parent, snapshot

CAROL, DAVE = "carol in development\n", "dave in development\n"
TERMS = f"P1.1 BUY 950 AURA at {PRICE} DAY"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """An order of P1 and one of P2 wait."""
    built = Desk(tmp_path)
    for n in (1, 2):
        order = parent(f"P{n}", quantity=5_000)
        built.gateway.shell.parent(
            0, n, NewParent(command_id=f"c{n}", parent=order, by="alice", ts_utc=built.gateway.utc)
        )
        built.gateway.submit(1, child_id=f"P{n}.1", parent_id=f"P{n}", quantity=950)
    await built.control.server.start()
    yield built
    await built.control.server.stop()
    await built.gateway.journal.close()


async def elsewhere(desk: Desk, *arguments: str, secret: str) -> "subprocess.CompletedProcess[str]":
    """Another process, as another person has."""
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "service.cli", *arguments, "--run-dir", str(desk.folder)],
        input=secret,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
    )


def time_passes(desk: Desk, nanoseconds: int) -> None:
    """The feed goes on meanwhile; the core has not heard of it yet."""
    desk.gateway.utc += nanoseconds
    desk.gateway.shell.reference(snapshot(desk.gateway.utc))
    desk.gateway.shell.reference(FeedHeartbeat(feed="f", watermark=1, ts_utc=desk.gateway.utc, published=1))


def audit(desk: Desk) -> list[tuple[str, str, str]]:
    return [(e.who, e.action, e.target) for e in desk.gateway.events(AuditEntry)]


async def test_what_waits_is_shown(desk: Desk) -> None:
    shown = (await desk.type("orders", "blocked")).output
    assert f"{TERMS}  (twap): used=950 limit=900 blocks=SOFT_ORDER_QUANTITY, waits another" in shown
    (first, second) = (await desk.json("orders", "blocked"))["blocked"]
    assert (first["terms"], first["blocks"]) == (TERMS, ["SOFT_ORDER_QUANTITY"])
    assert first["expires_utc"] - first["ts_utc"] == 300 * SECOND
    assert second["order"]["child_id"] == "P2.1"


async def test_the_status_names_what_waits(desk: Desk) -> None:
    assert f"held       {TERMS} waits for two people" in (await desk.type("status")).output
    assert len((await desk.json("status"))["held"]) == 2


async def test_two_people_release_one_order_on_the_market_of_that_moment(desk: Desk) -> None:
    proposed = await desk.type(
        "override", "propose", "P1.1", "--as", "carol", "--reason", "the client asked", secret=CAROL
    )
    assert f"proposal 1: override {TERMS}" in proposed.output
    assert (await desk.json("orders", "blocked"))["blocked"][0]["proposal"] == "1"
    time_passes(desk, 30 * SECOND)
    other = await elsewhere(
        desk, "override", "approve", "1", "--as", "dave", "--reason", "I called them", secret=DAVE
    )
    said = other.stdout
    assert f"carol proposes: override {TERMS}: the client asked" in said
    assert f"done: override {TERMS}" in said
    await desk.gateway.until(lambda: desk.gateway.events(ChildSubmitted))
    assert [event.child_id for event in desk.gateway.events(ChildSubmitted)] == ["P1.1"]
    assert ("carol and dave", "override", TERMS) in audit(desk)
    assert [b["order"]["child_id"] for b in (await desk.json("orders", "blocked"))["blocked"]] == ["P2.1"]


async def test_one_person_does_not_release_it_in_two_commands(desk: Desk) -> None:
    reason = ("--reason", "r")
    await desk.type("override", "propose", "P1.1", "--as", "carol", *reason, secret=CAROL)
    refused = await desk.type("override", "approve", "1", "--as", "dave", *reason, secret=DAVE)
    assert refused.exit_code
    assert "that is not two people" in refused.output


async def test_what_the_gate_denies_at_that_moment_is_told(desk: Desk) -> None:
    await desk.type("override", "propose", "P1.1", "--as", "carol", "--reason", "r", secret=CAROL)
    desk.gateway.utc += 30 * SECOND
    other = await elsewhere(desk, "override", "approve", "1", "--as", "dave", "--reason", "r", secret=DAVE)
    assert "it was approved, and the gate denies it now: STALE_FEED" in other.stdout
    assert other.returncode
    assert not desk.gateway.events(ChildSubmitted)


async def test_one_order_is_dismissed_by_the_user_whom_the_kernel_names(desk: Desk) -> None:
    left = await desk.json("override", "dismiss", "P1.1", "--reason", "a typing error")
    assert [b["order"]["child_id"] for b in left["blocked"]] == ["P2.1"]
    entry = desk.gateway.events(AuditEntry)[-1]
    assert entry.who.startswith("os:")
    assert (entry.action, entry.target, entry.reason) == ("dismiss", TERMS, "a typing error")
    again = await desk.type("override", "dismiss", "P2.1", "--reason", "the same")
    assert "one at a time" in again.output
    desk.gateway.utc += PACE
    assert "no order waits" in (await desk.type("override", "dismiss", "P2.1", "--reason", "so too")).output


@pytest.mark.parametrize(
    "arguments",
    [
        ("dismiss", "all", "--reason", "r"),
        ("dismiss", "P1.1,P2.1", "--reason", "r"),
        ("dismiss", "P1.1", "P2.1", "--reason", "r"),
        ("dismiss", "--all", "--reason", "r"),
        ("dismiss", "--reason", "r"),
        ("dismiss", "P1.1"),
        ("dismiss", "P1.1", "--reason", " "),
        ("propose", "P1.1", "P2.1", "--as", "carol", "--reason", "r"),
        ("propose", "all", "--as", "carol", "--reason", "r"),
        ("propose", "P1.1", "--as", "carol"),
        ("approve", "1", "2", "--as", "dave", "--reason", "r"),
        ("approve", "1", "--as", "dave"),
    ],
    ids=" ".join,
)
async def test_no_command_takes_several_or_goes_without_a_reason(
    desk: Desk, arguments: tuple[Any, ...]
) -> None:
    done = await desk.type("override", *arguments, secret=CAROL)
    assert done.exit_code
    assert len(desk.gateway.core.state.blocked.waiting) == 2


async def test_a_user_whom_the_kernel_does_not_know_dismisses_nothing(desk: Desk) -> None:
    answers: list[Any] = []
    dismiss_one(desk.gateway.shell, DismissRequest(child_id="P1.1", reason="r"), "", answers.append)
    assert isinstance(answers[0], Refused)
    assert len(desk.gateway.core.state.blocked.waiting) == 2
