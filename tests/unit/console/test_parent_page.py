"""One parent's page: its own rows alone, the newest of them, however many there are."""

import httpx
import pytest

from service.console.state import Console
from service.model.events import ParentAdmitted
from tests.unit.console.conftest import Page, page_of
from tests.unit.console.test_blotter import STATE, fill, submitted


@pytest.fixture
async def page(browser: httpx.AsyncClient, console: Console) -> Page:
    blotter = console.hub.blotter
    blotter.apply(ParentAdmitted(command_id="c", state=STATE, ts_event=1, ts_utc=2))
    for number in range(1, 11):
        child = f"P1.{number}"
        blotter.apply(submitted(child_id=child, quantity=2))
        blotter.apply(fill(f"E{number}", 1, 1, child_id=child))
    blotter.apply(submitted(child_id="P2.1", parent_id="P2"))
    return await page_of(browser, "viewer")


async def test_a_page_when_nothing_is_said_holds_all_of_a_small_parent_and_nothing_of_others(
    page: Page,
) -> None:
    found = await page.get("/api/parents/P1")
    assert [child["id"] for child in found["children"]] == [f"P1.{n}" for n in range(1, 11)]
    assert [one["exec_id"] for one in found["fills"]] == [f"E{n}" for n in range(1, 11)]
    assert len(found["plan"]) > 2


async def test_a_page_holds_as_many_of_the_newest_as_were_asked_for(page: Page) -> None:
    found = await page.get("/api/parents/P1?children=3&fills=0&decisions=0")
    assert [child["id"] for child in found["children"]] == ["P1.8", "P1.9", "P1.10"]
    assert found["fills"] == found["decisions"] == []
    assert found["parent"]["filled"] == 10
