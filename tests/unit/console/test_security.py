"""Who gets through to which endpoint: nobody without a session, nobody with the wrong role, nothing twice."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from litestar import Litestar
from litestar.exceptions import WebSocketDisconnect
from litestar.testing import AsyncTestClient

from service.console.accounts import RIGHTS, Right, Role
from service.console.app import build
from service.console.state import Console
from service.model.records import AuditEntry
from tests.unit.console.conftest import ORIGIN, TOKEN, Recorded

OPEN = {("GET", "/"), ("GET", "/api/health"), ("POST", "/api/session")}
NEEDS = {
    ("POST", "/api/parents"): Right.TRADE,
    ("POST", "/api/parents/estimate"): Right.TRADE,
    ("POST", "/api/parents/{parent_id}/change"): Right.TRADE,
    ("POST", "/api/parents/{parent_id}/orders"): Right.TRADE,
    ("POST", "/api/parents/{parent_id}/orders/{child_id}/cancel"): Right.TRADE,
    ("POST", "/api/staging"): Right.TRADE,
    ("POST", "/api/staging/{ticket_id}/act"): Right.TRADE,
    ("POST", "/api/staging/{ticket_id}/release"): Right.TRADE,
    ("POST", "/api/staging/lists/{name}/release"): Right.TRADE,
    ("POST", "/api/gateway/held/{child_id}/dismiss"): Right.COUNTERSIGN,
    ("POST", "/api/gateway/kill"): Right.KILL,
    ("POST", "/api/gateway/reconcile"): Right.RECONCILE,
    ("POST", "/api/gateway/breaks/{break_id}/explain"): Right.RECONCILE,
    ("GET", "/api/gateway/challenge"): Right.COUNTERSIGN,
    ("POST", "/api/gateway/proposals"): Right.COUNTERSIGN,
    ("POST", "/api/gateway/proposals/{proposal}/approve"): Right.COUNTERSIGN,
    ("POST", "/api/alarms/{alarm_id}/acknowledge"): Right.ACKNOWLEDGE,
    ("POST", "/api/alarms/{alarm_id}/close"): Right.ACKNOWLEDGE,
    ("POST", "/api/alarms/alertmanager"): Right.ALERT,
    ("GET", "/api/session"): None,
    ("POST", "/api/session/end"): None,
}
"""What an endpoint takes; all others take ``see``. None: a session is enough."""


def endpoints(app: Litestar) -> list[tuple[str, str]]:
    """Every method and path of the schema."""
    return [
        (method.upper(), path)
        for path, item in app.openapi_schema.to_schema()["paths"].items()
        for method in item
        if method in ("get", "post", "put", "patch", "delete")
    ]


@pytest.fixture
async def client(console: Console) -> AsyncIterator[AsyncTestClient[Litestar]]:
    async with AsyncTestClient(build(console), base_url=ORIGIN) as found:
        yield found


async def login(client: AsyncTestClient[Litestar], name: str) -> dict[str, str]:
    """Headers that a page of this user sends with a change."""
    answer = await client.post(
        "/api/session", json={"name": name, "password": f"{name} in a test"}, headers={"origin": ORIGIN}
    )
    assert answer.status_code == 200, answer.text
    return {"origin": ORIGIN, "x-csrf-token": answer.json()["csrf"]}


def path_of(template: str) -> str:
    names = {"parent_id": "P1", "child_id": "P1.1", "ticket_id": "S1", "name": "L", "proposal": "1"}
    return template.format(**names, alarm_id="A1", break_id="B1")


async def send(client: AsyncTestClient[Litestar], method: str, path: str, headers: dict[str, str]) -> Any:
    more = {"x-command-id": uuid.uuid4().hex} if method != "GET" else {}
    body = {} if method != "GET" else None
    return await client.request(method, path_of(path), headers={**more, **headers}, json=body)


async def test_every_endpoint_is_in_the_table_or_only_shows(client: AsyncTestClient[Litestar]) -> None:
    found = set(endpoints(client.app))
    assert NEEDS.keys() <= found
    assert {e for e in found if e[0] != "GET"} <= NEEDS.keys() | OPEN


async def test_an_endpoint_when_nobody_is_logged_in_says_so(client: AsyncTestClient[Litestar]) -> None:
    for method, path in endpoints(client.app):
        if (method, path) in OPEN:
            continue
        answer = await send(client, method, path, {"origin": ORIGIN})
        assert answer.status_code == 401, (method, path, answer.text)
        assert answer.headers["content-type"].startswith("application/problem+json")
        token = await send(client, method, path, {"authorization": "Bearer made up"})
        assert token.status_code == 401, (method, path)


@pytest.mark.parametrize("role", list(Role))
async def test_an_endpoint_when_the_role_is_the_wrong_one_refuses(
    client: AsyncTestClient[Litestar], role: Role
) -> None:
    headers = await login(client, role.value)
    for method, path in endpoints(client.app):
        needed = NEEDS.get((method, path), Right.SEE)
        if (method, path) in OPEN or (method, path) == ("POST", "/api/session/end") or needed is None:
            continue
        status = (await send(client, method, path, headers)).status_code
        if needed in RIGHTS[role]:
            assert status not in (401, 403), (method, path, status)
        else:
            assert status == 403, (method, path, status)


async def test_a_change_when_the_csrf_token_or_the_origin_is_wrong_is_refused(
    client: AsyncTestClient[Litestar],
) -> None:
    good = await login(client, "trader")
    for bad in (
        {**good, "x-csrf-token": ""},
        {**good, "x-csrf-token": good["x-csrf-token"][:-1]},
        {**good, "origin": "https://elsewhere.example"},
        {**good, "origin": "null"},
        {"x-csrf-token": good["x-csrf-token"]},
    ):
        for method, path in endpoints(client.app):
            if method != "GET" and (method, path) not in OPEN:
                assert (await send(client, method, path, bad)).status_code == 403, (path, bad)


async def test_a_login_when_another_sites_page_sends_it_is_refused(client: AsyncTestClient[Litestar]) -> None:
    body = {"name": "trader", "password": "trader in a test"}
    answer = await client.post("/api/session", json=body, headers={"origin": "https://elsewhere.example"})
    assert answer.status_code == 403


async def test_a_command_when_sent_again_or_without_an_id_is_refused(
    client: AsyncTestClient[Litestar],
) -> None:
    headers = await login(client, "trader")
    body = {"scope": "all", "typed": "all", "reason": "drill"}
    none = await client.post("/api/gateway/kill", json=body, headers=headers)
    assert (none.status_code, "has an id" in none.json()["detail"]) == (403, True)
    once = {**headers, "x-command-id": "12345678"}
    first = await client.post("/api/gateway/kill", json=body, headers=once)
    assert (first.status_code, "no gateway answered" in first.json()["detail"]) == (503, True)
    again = await client.post("/api/gateway/kill", json=body, headers=once)
    assert (again.status_code, "sent before" in again.json()["detail"]) == (403, True)


async def test_a_machine_when_its_token_is_right_gets_through_and_sends_nothing_twice(
    client: AsyncTestClient[Litestar],
) -> None:
    headers = {"authorization": f"Bearer {TOKEN}", "x-command-id": "12345678"}
    assert (await client.get("/api/parents", headers=headers)).status_code == 200
    ticket = {"symbol": "AURA", "side": "buy", "quantity": 10, "policy": "twap", "account": "NW-1"}
    first = await client.post("/api/parents", json=ticket, headers=headers)
    assert (first.status_code, "no answer within" in first.json()["detail"]) == (503, True)
    assert (await client.post("/api/parents", json=ticket, headers=headers)).status_code == 403


async def test_a_session_when_logged_out_is_over(client: AsyncTestClient[Litestar]) -> None:
    headers = await login(client, "viewer")
    assert (await client.get("/api/parents")).status_code == 200
    assert (await send(client, "POST", "/api/session/end", headers)).status_code == 204
    assert (await client.get("/api/parents")).status_code == 401


async def test_guesses_when_there_are_many_have_to_wait(client: AsyncTestClient[Litestar]) -> None:
    for _ in range(5):
        answer = await client.post(
            "/api/session", json={"name": "risk", "password": "a guess"}, headers={"origin": ORIGIN}
        )
        assert answer.status_code == 401
    body = {"name": "risk", "password": "risk in a test"}
    locked = await client.post("/api/session", json=body, headers={"origin": ORIGIN})
    assert locked.status_code == 429
    assert int(locked.headers["retry-after"]) >= 1


async def test_what_a_name_is_refused_for_does_not_tell_whether_it_exists(
    client: AsyncTestClient[Litestar],
) -> None:
    answers = [
        (
            await client.post(
                "/api/session", json={"name": name, "password": "wrong"}, headers={"origin": ORIGIN}
            )
        )
        for name in ("trader", "nobody", "robot")
    ]
    assert len({(a.status_code, a.json()["detail"]) for a in answers}) == 1


async def first_rows(client: AsyncTestClient[Litestar], origin: str) -> Any:
    with await client.websocket_connect("/api/live", headers={"origin": origin}) as socket:
        return socket.receive_json(timeout=20)


async def test_the_live_rows_when_the_page_is_another_sites_or_nobodys_are_not_given(
    client: AsyncTestClient[Litestar],
) -> None:
    with pytest.raises(WebSocketDisconnect):
        await first_rows(client, ORIGIN)
    await login(client, "viewer")
    with pytest.raises(WebSocketDisconnect):
        await first_rows(client, "https://elsewhere.example")
    assert (await first_rows(client, ORIGIN))["rev"] == 0


async def test_an_answer_forbids_frames_foreign_scripts_and_caches(client: AsyncTestClient[Litestar]) -> None:
    answer = await client.get("/")
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "unsafe-inline" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    cookie = (
        await client.post(
            "/api/session",
            json={"name": "viewer", "password": "viewer in a test"},
            headers={"origin": ORIGIN},
        )
    ).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie


async def test_a_press_when_refused_is_on_record_too_without_the_password(
    client: AsyncTestClient[Litestar], console: Console
) -> None:
    headers = await login(client, "trader")
    body = {"scope": "all", "typed": "al", "reason": "drill"}
    refused = await client.post(
        "/api/gateway/kill", json=body, headers={**headers, "x-command-id": uuid.uuid4().hex}
    )
    assert (refused.status_code, "you typed 'al'" in refused.json()["detail"]) == (422, True)
    producer = console.hub._producer
    assert isinstance(producer, Recorded)
    entries = [message for _, message in producer.sent if isinstance(message, AuditEntry)]
    assert ("console:trader", "login", "done") in {(e.who, e.action, e.outcome) for e in entries}
    assert "in a test" not in repr(entries)


async def test_brackets_that_never_end_are_the_senders_mistake_and_leave_no_traceback(
    client: AsyncTestClient[Litestar], caplog: pytest.LogCaptureFixture
) -> None:
    bomb = {"content": "[" * 200_000, "headers": {"origin": ORIGIN, "content-type": "application/json"}}
    answer = await client.post("/api/session", **bomb)
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("brackets stand too deep in each other")
    assert not [record for record in caplog.records if record.exc_info]
