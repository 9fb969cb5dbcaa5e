"""Who pressed what stands on record, also when it never got under way, and then once."""

from typing import Any

import httpx
import pytest

from service.console.state import Console
from tests.unit.console.conftest import ORIGIN, Behind, Recorded, page_of

TICKET: dict[str, Any] = {
    "symbol": "AURA", "side": "buy", "quantity": 100, "policy": "twap", "account": "NW-1",
    "parameters": {"duration": 600},
}  # fmt: skip
KILL: dict[str, Any] = {"scope": "all", "typed": "all", "reason": "drill"}


@pytest.fixture
def record(console: Console) -> Recorded:
    producer = console.hub._producer
    assert isinstance(producer, Recorded)
    return producer


def told(record: Recorded) -> list[tuple[str, str, str, str]]:
    """Who, what, on what, and what came of it; logins left out."""
    return [
        (entry.who, entry.action, entry.target, entry.outcome)
        for entry in record.audited()
        if entry.action != "login"
    ]


async def test_a_press_when_the_role_is_the_wrong_one_is_on_record(
    browser: httpx.AsyncClient, record: Recorded
) -> None:
    page = await page_of(browser, "viewer")
    said = await page.refused("/api/gateway/kill", KILL, 403)
    assert told(record) == [("console:viewer", "kill", "/api/gateway/kill", f"refused: {said}")]


async def test_a_press_when_it_cannot_be_understood_is_on_record(
    browser: httpx.AsyncClient, record: Recorded
) -> None:
    page = await page_of(browser, "trader")
    await page.post("/api/gateway/kill", {"scope": "all"}, 400)
    ((who, action, _, outcome),) = told(record)
    assert (who, action, outcome.startswith("refused: ")) == ("console:trader", "kill", True)


async def test_a_press_when_it_is_sent_twice_is_on_record_both_times(
    browser: httpx.AsyncClient, record: Recorded
) -> None:
    page = await page_of(browser, "trader")
    headers = {**page._headers, "x-command-id": "12345678"}
    for _ in range(2):
        await browser.post("/api/alarms/none/acknowledge", json={}, headers=headers)
    assert [outcome for *_, outcome in told(record)] == [
        "refused: no alarm none",
        "refused: this command was sent before; it is not carried out again",
    ]


async def test_a_press_when_it_was_under_way_is_on_record_once(
    browser: httpx.AsyncClient, record: Recorded, behind: Behind
) -> None:
    page = await page_of(browser, "trader")
    made = await page.post("/api/parents", TICKET, 201)
    await page.refused("/api/parents", TICKET | {"id": made["parent"]})
    assert [(target, outcome.partition(":")[0]) for *_, target, outcome in told(record)] == [
        (made["parent"], "done"),
        (made["parent"], "refused"),
    ]


async def test_looking_and_whoever_is_nobody_leave_no_record(
    browser: httpx.AsyncClient, record: Recorded
) -> None:
    page = await page_of(browser, "viewer")
    await browser.get("/api/parents/none", headers=page._headers)
    await page.refused("/api/parents/estimate", TICKET, 403)
    await browser.post("/api/gateway/kill", json=KILL, headers={"origin": ORIGIN})
    without_token = {k: v for k, v in page._headers.items() if k != "x-csrf-token"}
    await browser.post("/api/gateway/kill", json=KILL, headers=without_token)
    assert told(record) == []
