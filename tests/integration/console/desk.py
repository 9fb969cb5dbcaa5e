"""A console as a process of its own on the gateway's stage, and people at it, over HTTP like their pages."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from service.gateway.control import Approve, Credentials, Propose
from service.gateway.proofs import sign
from service.model.records import AuditEntry
from service.transport.consumer import Reader
from service.transport.kafka_process import KafkaProcess
from service.transport.topics import AUDIT
from tests.integration.gateway.stage import Process, Stage, stage

PATIENCE = 60.0


class Person:
    """One of development's users, who has logged in; at the gateway their secret is the same words."""

    def __init__(self, client: httpx.AsyncClient, name: str, csrf: str) -> None:
        self.name = name
        self._client = client
        self._csrf = csrf

    async def get(self, path: str) -> Any:
        answer = await self._client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def sees(self, path: str, condition: Callable[[Any], Any], seconds: float = PATIENCE) -> Any:
        """Look again until it is so, and return what was seen."""
        deadline = time.monotonic() + seconds
        while not condition(found := await self.get(path)):
            assert time.monotonic() < deadline, f"{path} not within {seconds} s: {found}"
            await asyncio.sleep(0.05)
        return found

    async def press(self, path: str, body: dict[str, Any]) -> Any:
        answer = await self._press(path, body)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    async def refused(self, path: str, body: dict[str, Any], status: int) -> str:
        """Press, be refused, and return why."""
        answer = await self._press(path, body)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"].startswith("application/problem+json")
        return str(answer.json()["detail"])

    async def _press(self, path: str, body: dict[str, Any]) -> httpx.Response:
        headers = {"x-csrf-token": self._csrf, "x-command-id": uuid.uuid4().hex}
        return await self._client.post(path, headers=headers, json=body)

    async def change(self, parent: str, action: str, **more: Any) -> Any:
        """Amend, pause, resume or cancel a parent as it is now."""
        seen = (await self.get(f"/api/parents/{parent}"))["parent"]["version"]
        return await self.press(
            f"/api/parents/{parent}/change", {"action": action, "version": seen, "reason": action, **more}
        )

    async def proposal(self, action: str, target: str, reason: str, text: str = "") -> dict[str, Any]:
        """What their page sends to propose this, their proof in it."""
        asked = Propose(
            action=action, who=Credentials(person=self.name), reason=reason, target=target, text=text
        )
        body = {"action": action, "target": target, "reason": reason, "text": text}
        return body | {"proof": await self._proof(asked)}

    async def approval(self, number: str, action: str, target: str, reason: str = "") -> dict[str, Any]:
        """What their page sends to approve this, their proof in it."""
        asked = Approve(
            proposal=number, action=action, target=target, who=Credentials(person=self.name), reason=reason
        )
        return {"action": action, "target": target, "reason": reason, "proof": await self._proof(asked)}

    async def propose(self, action: str, target: str, reason: str, text: str = "") -> dict[str, Any]:
        """Returns the proposal; of limits its target is their version."""
        body = await self.proposal(action, target, reason, text)
        made: dict[str, Any] = await self.press("/api/gateway/proposals", body)
        return made

    async def approve(self, made: dict[str, Any], reason: str = "") -> Any:
        body = await self.approval(made["proposal"], made["action"], made["target"], reason)
        return await self.press(f"/api/gateway/proposals/{made['proposal']}/approve", body)

    async def _proof(self, asked: Propose | Approve) -> dict[str, str]:
        given = await self.get(f"/api/gateway/challenge?person={self.name}")
        key = f"ed25519${given['rounds']}${given['salt']}$"
        secret = f"{self.name} in development"
        proof = await asyncio.to_thread(sign, secret, key, asked, given["number"])
        return {"person": self.name, "number": given["number"], "proof": proof}


class Desk:
    """A stage with a console before it."""

    def __init__(self, on: Stage, console: Process) -> None:
        self.on = on
        self.console = console
        self.began = time.time_ns()
        self.clients: list[httpx.AsyncClient] = []

    async def person(self, name: str) -> Person:
        """Log in."""
        origin = f"http://{(self.on.folder / 'ready' / 'console.address').read_text().strip()}"
        client = httpx.AsyncClient(base_url=origin, headers={"origin": origin}, timeout=PATIENCE)
        self.clients.append(client)
        answer = await client.post("/api/session", json={"name": name, "password": f"{name} in development"})
        assert answer.status_code == 200, answer.text
        return Person(client, name, answer.json()["csrf"])

    async def audited(self, enough: Callable[[list[AuditEntry]], Any]) -> list[AuditEntry]:
        """What the console has put on ``audit.v1``, once it is enough."""
        on = self.on
        reader = Reader(on.kafka.bootstrap, (AUDIT,), client="test", prefix=on.prefix, start="earliest")
        await reader.start()
        found: list[AuditEntry] = []
        deadline = time.monotonic() + PATIENCE
        try:
            while not enough(found):
                assert time.monotonic() < deadline, f"not all is on record: {found}"
                for batch in await reader.batch():
                    entries = [one for one in batch.messages if isinstance(one, AuditEntry)]
                    found += [one for one in entries if one.who.startswith("console:")]
        finally:
            await reader.stop()
        return found

    async def on_record(
        self, *presses: tuple[str, str, str, str, str]
    ) -> dict[tuple[str, str, str], AuditEntry]:
        """Wait for these: who, what, on what, why, and what came of it (how that begins); returns them."""

        def missing(found: list[AuditEntry]) -> list[tuple[str, str, str, str, str]]:
            return [press for press in presses if not any(_is(one, press) for one in found)]

        found = await self.audited(lambda found: not missing(found))
        for one in found:
            assert self.began < one.ts_utc <= time.time_ns()
        return {(one.who.removeprefix("console:"), one.action, one.target): one for one in found}


def _is(one: AuditEntry, press: tuple[str, str, str, str, str]) -> bool:
    who, action, target, reason, outcome = press
    told = (one.who, one.action, one.target, one.reason)
    return told == (f"console:{who}", action, target, reason) and one.outcome.startswith(outcome)


@asynccontextmanager
async def desk(
    kafka: KafkaProcess,
    prefix: str,
    folder: Path,
    *,
    broker: tuple[str, ...] = (),
    gateway: tuple[str, ...] = (),
) -> AsyncIterator[Desk]:
    """A started stage and console."""
    async with stage(kafka, prefix, folder, broker=broker, gateway=gateway) as on:
        console = Process(
            "console", folder, "--kafka", kafka.bootstrap, "--topic-prefix", prefix, "--run-dir", str(folder),
            "--port", "0",
        )  # fmt: skip
        at = Desk(on, console)
        try:
            await console.start()
            yield at
        finally:
            for client in at.clients:
                await client.aclose()
            await console.stop()
