"""No password, cookie, token or proof gets into a log, not even when the console itself fails."""

import logging
import uuid

import httpx
import pytest

from service.console.state import Console
from tests.unit.console.conftest import ORIGIN, TOKEN, page_of


async def test_nothing_secret_is_logged_when_logins_and_a_proposal_fail_inside(
    browser: httpx.AsyncClient,
    console: Console,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a defect")

    with caplog.at_level(logging.DEBUG):
        page = await page_of(browser, "risk")
        wrong = {"name": "risk", "password": "almost the password"}
        await browser.post("/api/session", json=wrong, headers={"origin": ORIGIN})
        await browser.get("/api/parents", headers={"authorization": f"Bearer {TOKEN}"})
        monkeypatch.setattr(console.hub, "record", broken)
        proof = {"person": "carol", "number": "1234567890", "proof": "a proof that nobody may read"}
        body = {"action": "release", "target": "all", "reason": "r", "proof": proof}
        headers = {**page._headers, "x-command-id": uuid.uuid4().hex}
        answer = await browser.post("/api/gateway/proposals", json=body, headers=headers)
    assert (answer.status_code, answer.json()["detail"]) == (500, "see the console's log")
    assert "/api/gateway/proposals failed" in caplog.text  # there was something to be told
    secrets = ["risk in a test", "almost the password", TOKEN, proof["proof"]]
    secrets += [page._headers["cookie"].partition("=")[2], page._headers["x-csrf-token"]]
    assert [secret for secret in secrets if secret in caplog.text] == []
