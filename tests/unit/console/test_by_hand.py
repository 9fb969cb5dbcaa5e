"""Taking a parent over, sending single orders for it, and switching its policy, with a real gate behind."""

from typing import Any

import httpx
import pytest

from service.console.desk import DeskError
from service.console.hands import Hands
from service.console.state import Console
from service.model.events import ChildAccepted
from service.model.orders import OrdType, Side, SubmitChild, TimeInForce
from service.model.records import Decision
from tests.unit.console.conftest import Behind, Page, page_of

Client = httpx.AsyncClient
TICKET: dict[str, Any] = {
    "id": "P1",
    "symbol": "AURA",
    "side": "buy",
    "quantity": 1_000,
    "policy": "twap",
    "account": "NW-1",
    "parameters": {"tilt": 0.5, "limit_price": "101"},
}
ORDERS = "/api/parents/P1/orders"


@pytest.fixture
async def trader(browser: Client, behind: Behind) -> Page:
    page = await page_of(browser, "trader")
    await page.post("/api/parents", TICKET, 201)
    return page


async def take_over(page: Page, version: int = 1) -> None:
    made = await page.post("/api/parents/P1/change", {"action": "takeover", "version": version})
    assert (made["status"], made["version"]) == ("paused", version + 1)


async def test_orders_by_hand_pass_the_gate_and_are_on_record_with_the_person(
    trader: Page, console: Console, behind: Behind
) -> None:
    await take_over(trader)
    assert (await trader.get("/api/parents/P1"))["parent"]["taken_over"] == "trader"
    sent = await trader.post(ORDERS, {"version": 2, "quantity": 100, "price": "99.99"}, 201)
    assert sent == {"child": "P1.1", "outcome": "sent"}
    market = await trader.refused(ORDERS, {"version": 2, "quantity": 50})
    assert "C19 PARENT_LIMIT_PRICE" in market
    take = {"version": 2, "quantity": 50, "price": "100.01", "time_in_force": "ioc"}
    assert (await trader.post(ORDERS, take, 201))["child"] == "P1.3"
    first, second = (request.approved.command for request in behind.desk.orders_sent)
    assert (first.policy, first.price, first.ord_type) == ("manual/trader", 999_900, OrdType.LIMIT)
    assert (second.price, second.ord_type, second.time_in_force) == (
        1_000_100,
        OrdType.LIMIT,
        TimeInForce.IOC,
    )
    decided = [message for _, message in behind.record.sent if isinstance(message, Decision)]
    assert [(d.policy, d.child_id, d.quantity) for d in decided] == [
        ("manual/trader", "P1.1", 100),
        ("manual/trader", "P1.3", 50),
    ]
    presses = [e.action for e in behind.record.audited() if e.outcome == "done"]
    assert "takeover parent" in presses
    assert "order by hand buy 100 at 99.99" in presses


async def test_what_the_gate_denies_a_person_is_told_with_its_control(trader: Page, behind: Behind) -> None:
    await take_over(trader)
    collar = await trader.refused(ORDERS, {"version": 2, "quantity": 100, "price": "150"})
    assert collar.startswith("P1.1: C")
    much = await trader.refused(ORDERS, {"version": 2, "quantity": 1_001, "price": "100"})
    assert "P1.2: C" in much
    behind.desk.kill()
    assert "KILLED" in await trader.refused(ORDERS, {"version": 2, "quantity": 10, "price": "100"})
    assert not behind.desk.orders_sent
    assert [e.outcome[:8] for e in behind.record.audited() if "by hand" in e.action] == ["refused:"] * 3


async def test_an_order_by_hand_needs_the_parent_in_that_hand(trader: Page, browser: Client) -> None:
    body = {"version": 1, "quantity": 10}
    assert await trader.refused(ORDERS, body) == "twap works it: take P1 over first"
    await take_over(trader)
    assert "is at version 2 now" in await trader.refused(ORDERS, body, 409)
    head = await page_of(browser, "desk_head")
    assert await head.refused(ORDERS, {**body, "version": 2}) == "trader has it: take P1 over first"
    await take_over(head, 2)
    assert await trader.refused(ORDERS, {**body, "version": 3}) == "desk_head has it: take P1 over first"


async def test_a_price_that_is_none_is_refused_before_anything_is_sent(trader: Page, behind: Behind) -> None:
    await take_over(trader)
    for price in ("cheap", "0", "-1", "99.999999"):
        assert "price" in await trader.refused(ORDERS, {"version": 2, "quantity": 1, "price": price})
    assert (await trader.get("/api/parents/P1"))["parent"]["denied"] == 0


async def test_one_child_is_taken_back_and_the_parent_is_handed_back(trader: Page, behind: Behind) -> None:
    await take_over(trader)
    for _ in range(2):
        await trader.post(ORDERS, {"version": 2, "quantity": 100, "price": "99.99"}, 201)
    behind.desk.acknowledge("P1.1")
    behind.desk.acknowledge("P1.2")
    behind.tell()
    asked = await trader.post(f"{ORDERS}/P1.1/cancel", {"reason": "too many"})
    assert asked["outcome"] == "asked"
    assert len(behind.desk.cancels_sent) == 1
    assert "no child P1.9" in await trader.refused(f"{ORDERS}/P1.9/cancel", {}, 404)
    back = {"action": "resume", "version": 2, "catch_up": "skip"}
    assert (await trader.post("/api/parents/P1/change", back))["status"] == "working"
    assert len(behind.desk.cancels_sent) == 2
    assert behind.desk.events(ChildAccepted)


async def test_a_switch_of_policy_names_what_falls_away(trader: Page, behind: Behind) -> None:
    switch = {"action": "amend", "version": 1, "policy": "pov", "changes": {"target_participation": 0.1}}
    refused = await trader.refused("/api/parents/P1/change", switch)
    assert refused == "pov takes no tilt: name what falls away in unset"
    assert "no policy" in await trader.refused("/api/parents/P1/change", {**switch, "policy": "none"})
    made = await trader.post("/api/parents/P1/change", {**switch, "unset": ["tilt"]})
    assert made["version"] == 2
    row = (await trader.get("/api/parents/P1"))["parent"]
    assert row["policy"] == "pov"
    assert row["parameters"] == {"limit_price": 1_010_000, "target_participation": 0.1}
    only = {"action": "amend", "version": 2, "quantity": 900, "unset": ["limit_price"]}
    assert "change of policy alone" in await trader.refused("/api/parents/P1/change", only)
    pause = {"action": "pause", "version": 2, "policy": "vwap"}
    assert "pause changes neither" in await trader.refused("/api/parents/P1/change", pause)


async def test_a_hand_without_a_gateway_says_that_nothing_was_sent(console: Console) -> None:
    hands = Hands(f"unix:{console.hub.run_dir / 'nobody.sock'}")
    order = SubmitChild(
        child_id="",
        parent_id="P1",
        parent_version=1,
        symbol="AURA",
        side=Side.BUY,
        ord_type=OrdType.LIMIT,
        quantity=1,
        price=1,
        time_in_force=TimeInForce.DAY,
        policy="manual/alice",
    )
    try:
        with pytest.raises(DeskError, match="nothing was sent"):
            await hands.submit("alice", order, 0.01)
    finally:
        await hands.stop()
