"""Tickets that wait: staged, claimed, released alone or all of a list or none, and still there afterwards."""

import asyncio
from typing import Any

import httpx
import pytest

from service.console.blotter import Blotter
from service.console.state import Console
from service.model.reference import Reference
from tests.unit.console.conftest import Behind, Page, page_of

Client = httpx.AsyncClient
TICKET: dict[str, Any] = {
    "symbol": "AURA",
    "side": "buy",
    "quantity": 1_000,
    "policy": "twap",
    "account": "NW-1",
    "parameters": {"duration": "600"},
}


@pytest.fixture
async def trader(browser: Client, behind: Behind) -> Page:
    return await page_of(browser, "trader")


async def stage(page: Page, list_: str = "", **changes: Any) -> str:
    row = await page.post(
        "/api/staging", {"ticket": {**TICKET, **changes}, "list": list_, "reason": "r"}, 201
    )
    assert row["status"] == "staged"
    return str(row["id"])


async def act(page: Page, ticket: str, action: str, status: int = 200) -> Any:
    return await page.post(f"/api/staging/{ticket}/act", {"action": action}, status)


async def statuses(page: Page) -> list[str]:
    return [row["status"] for row in await page.get("/api/staging")]


async def test_a_staged_ticket_is_not_with_the_gateway_until_its_claimant_releases_it(
    trader: Page, browser: Client, behind: Behind
) -> None:
    head = await page_of(browser, "desk_head")
    ticket = await stage(head)
    assert "claim all of it first" in await trader.refused(f"/api/staging/{ticket}/release", {}, 409)
    await act(trader, ticket, "claim")
    assert "trader has claimed" in (await act(head, ticket, "claim", 409))["detail"]
    assert not behind.desk.core.state.parents
    assert "by trader" in await head.refused(f"/api/staging/{ticket}/release", {}, 409)
    made = await trader.post(f"/api/staging/{ticket}/release", {"reason": "now"})
    assert (made["parent"], made["status"]) == (f"{ticket}-1", "working")
    assert behind.desk.core.state.parents[f"{ticket}-1"].order.trader == "alice"
    assert await statuses(trader) == ["released"]
    assert "is released" in (await act(trader, ticket, "discard", 409))["detail"]


async def test_a_ticket_is_given_back_and_discarded_by_those_that_it_belongs_to(
    trader: Page, browser: Client
) -> None:
    head = await page_of(browser, "desk_head")
    ticket = await stage(head)
    assert "is desk_head's" in (await act(trader, ticket, "discard", 403))["detail"]
    await act(trader, ticket, "claim")
    assert (await act(head, ticket, "return"))["claimed"] == ""
    assert "nobody has claimed" in (await act(head, ticket, "return", 409))["detail"]
    assert (await act(head, ticket, "discard"))["status"] == "discarded"
    assert "no ticket S-none" in (await act(trader, "S-none", "claim", 404))["detail"]


async def test_a_ticket_that_cannot_be_is_not_staged(trader: Page) -> None:
    for changes in (
        {"symbol": "ZZZ"},
        {"policy": "none"},
        {"account": "x"},
        {"parameters": {"duration": "x"}},
    ):
        await trader.refused("/api/staging", {"ticket": {**TICKET, **changes}})
    assert await statuses(trader) == []


async def test_a_list_is_admitted_whole_before_any_of_it_is_worked_on(trader: Page, behind: Behind) -> None:
    tickets = [await stage(trader, "open", quantity=100 * n) for n in (1, 2, 3)]
    await act(trader, tickets[0], "claim")
    path = "/api/staging/lists/open/release"
    assert "claim all of it first" in await trader.refused(path, {}, 409)
    assert "released with its list" in await trader.refused(f"/api/staging/{tickets[0]}/release", {})
    for ticket in tickets[1:]:
        await act(trader, ticket, "claim")
    made = await trader.post(path, {"reason": "the open"})
    assert [one["status"] for one in made] == ["working"] * 3
    told = [type(m).__name__ for m in behind.desk.published if type(m).__name__.startswith("Parent")]
    assert told == ["ParentAdmitted"] * 3 + ["ParentChanged"] * 3
    assert await statuses(trader) == ["released"] * 3
    assert "no ticket of a list" in await trader.refused(path, {}, 404)


async def test_a_list_of_which_one_is_refused_leaves_nothing_at_work(trader: Page, behind: Behind) -> None:
    tickets = [await stage(trader, "open", quantity=quantity) for quantity in (100, 200_000, 300)]
    for ticket in tickets:
        await act(trader, ticket, "claim")
    refused = await trader.refused("/api/staging/lists/open/release", {})
    assert refused.startswith("nothing is worked on and what was admitted with it is cancelled: ")
    assert "MAX_PARENT_QUANTITY" in refused
    assert not behind.desk.core.state.open
    assert await statuses(trader) == ["claimed"] * 3
    # What was wrong is thrown out, and the rest goes again, under names of its own.
    await act(trader, tickets[1], "discard")
    made = await trader.post("/api/staging/lists/open/release", {})
    assert [one["parent"] for one in made] == [f"{tickets[0]}-2", f"{tickets[2]}-2"]
    assert await statuses(trader) == ["released", "discarded", "released"]


async def test_a_list_that_waits_for_a_market_is_taken_back_whole(
    trader: Page, behind: Behind, console: Console
) -> None:
    console.wait = 0.2
    tickets = [await stage(trader, "two"), await stage(trader, "two", symbol="BOLT")]
    for ticket in tickets:
        await act(trader, ticket, "claim")
    assert "no answer within" in await trader.refused("/api/staging/lists/two/release", {})
    state = behind.desk.core.state
    assert not state.open
    assert not state.waiting
    assert await statuses(trader) == ["claimed"] * 2


async def test_a_kill_between_admission_and_start_is_told(trader: Page, behind: Behind) -> None:
    for ticket in [await stage(trader, "l"), await stage(trader, "l")]:
        await act(trader, ticket, "claim")
    send = behind.command

    def killed_meanwhile(message: Any) -> None:
        if type(message).__name__ == "ResumeParent" and not behind.desk.core.state.kills.engaged:
            behind.desk.kill()
        send(message)

    behind.command = killed_meanwhile  # type: ignore[method-assign]
    refused = await trader.refused("/api/staging/lists/l/release", {})
    assert "all were admitted, and 2 of 2 stay paused" in refused


async def test_two_presses_at_once_release_once(trader: Page, behind: Behind) -> None:
    ticket = await stage(trader)
    await act(trader, ticket, "claim")
    path = f"/api/staging/{ticket}/release"
    answers = await asyncio.gather(*(trader.post(path, {}) for _ in range(2)), return_exceptions=True)
    assert sum(isinstance(answer, AssertionError) for answer in answers) == 1
    assert list(behind.desk.core.state.parents) == [f"{ticket}-1"]


async def test_tickets_outlive_the_console(
    trader: Page, behind: Behind, console: Console, reference: Reference
) -> None:
    kept = [await stage(trader), await stage(trader, "l"), await stage(trader), await stage(trader)]
    await act(trader, kept[1], "claim")
    await act(trader, kept[2], "claim")
    await trader.post(f"/api/staging/{kept[2]}/release", {})
    await act(trader, kept[3], "discard")
    again = Blotter(reference)
    for message in (*behind.record.audited(), *behind.desk.published):
        again.apply(message)
    before = {i: (r.status, r.claimed, r.parent) for i, r in console.hub.blotter.staging.rows.items()}
    assert {i: (r.status, r.claimed, r.parent) for i, r in again.staging.rows.items()} == before
    assert [status for status, _, _ in before.values()] == ["staged", "claimed", "released", "discarded"]
    # The record comes round again: what was taken once changes nothing.
    rev = again.rev
    for entry in behind.record.audited():
        again.apply(entry)
    assert again.rev == rev
