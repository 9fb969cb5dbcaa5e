"""The people of a deployment, as ``compose_test`` needs them: files, and what they do at the console."""

from __future__ import annotations

import http.cookiejar
import json
import os
import secrets
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from compose_stack import CheckFailed

from service.gateway.control import Approve, Credentials, Propose
from service.gateway.proofs import sign

ORIGIN: Final = "http://127.0.0.1:8070"
GATEWAY_USER, CONSOLE_USER, GROUP = 10001, 10002, 10001
ROLE_USERS: Final = {"console": CONSOLE_USER}
"""Of roles that are not the gateway's user."""
STATIONS: Final = {"carol": 10011, "dave": 10012}
"""Operating-system user of each of the risk people, by number; they have no name in the image."""


class Deployment:
    """Files of a deployment of its own, made as ``docs/console.md`` says: nothing of development is in them.

    Args:
        folder: Where they are written.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.secrets = {name: secrets.token_urlsafe(18) for name in ("alice", *STATIONS)}
        people, users = folder / "people.toml", folder / "users.toml"
        token, password = folder / "alertmanager.token", folder / "fix.password"
        for name, station in STATIONS.items():
            self._run(name, "people", "add", name, "--user", str(station), "--file", str(people))
            self._run(name, "users", "add", name, "--role", "risk", "--file", str(users))
        # A key before the first table belongs to the file.
        people.write_text(f'consoles = ["slipstream-console"]\n{people.read_text()}')
        self._run(
            "alice", "users", "add", "alice", "--role", "trader", "--trader", "alice", "--file", str(users)
        )
        said = self._run("alice", "users", "add", "am", "--role", "alerts", "--machine", "--file", str(users))
        token.write_text(said.splitlines()[0].rpartition(" ")[2] + "\n")
        password.write_text(secrets.token_urlsafe(18) + "\n")
        for path, user in (
            (people, GATEWAY_USER),
            (users, CONSOLE_USER),
            (token, 65534),
            (password, GATEWAY_USER),
        ):
            os.chown(path, user, -1)
            path.chmod(0o400)
        self.settings = {
            "SLIPSTREAM_PEOPLE_FILE": str(people),
            "SLIPSTREAM_USERS_FILE": str(users),
            "SLIPSTREAM_ALERTS_TOKEN_FILE": str(token),
            "SLIPSTREAM_FIX_PASSWORD_FILE": str(password),
        }
        self.hidden = (*self.secrets.values(), token.read_text().strip(), password.read_text().strip())

    def _run(self, name: str, *command: str) -> str:
        program = Path(sys.executable).parent / "slipstream"
        done = subprocess.run(
            [program, *command], input=f"{self.secrets[name]}\n", text=True, capture_output=True, check=True
        )
        return done.stdout


class Page:
    """Somebody who is logged in at the console, over its control API as the page uses it.

    Args:
        address: HOST:PORT at which the console is reached from here.
    """

    def __init__(self, address: str, name: str, password: str) -> None:
        self._address = address
        self._headers = {"origin": ORIGIN, "content-type": "application/json"}
        jar = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
        self.name, self._secret = name, password
        me = self.send("/api/session", {"name": name, "password": password})
        self._headers["x-csrf-token"] = me["csrf"]

    def get(self, path: str) -> Any:
        """The answer, decoded."""
        return self._ask(urllib.request.Request(f"http://{self._address}{path}", headers=self._headers))

    def send(self, path: str, body: Mapping[str, Any]) -> Any:
        """One change, with an id of its own."""
        headers = {**self._headers, "x-command-id": secrets.token_hex(8)}
        data = json.dumps(body).encode()
        return self._ask(
            urllib.request.Request(f"http://{self._address}{path}", data, headers, method="POST")
        )

    def _ask(self, request: urllib.request.Request) -> Any:
        try:
            with self._opener.open(request, timeout=30.0) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            said = error.read().decode(errors="replace")[:2000]
            raise CheckFailed(f"console: {request.full_url}: {error.code}\n{said}") from None

    def propose(self, action: str, target: str, reason: str) -> str:
        """Number of a proposal, with a proof of this person alone."""
        challenge = self.get(f"/api/gateway/challenge?person={self.name}")
        request = Propose(action=action, who=Credentials(person=self.name), reason=reason, target=target)
        body = {
            "action": action,
            "target": target,
            "reason": reason,
            "proof": self._proof(request, challenge),
        }
        return str(self.send("/api/gateway/proposals", body)["proposal"])

    def approve(self, number: str, action: str, target: str) -> None:
        """Approve what another person proposed."""
        challenge = self.get(f"/api/gateway/challenge?person={self.name}")
        request = Approve(proposal=number, action=action, who=Credentials(person=self.name), target=target)
        body = {"action": action, "target": target, "proof": self._proof(request, challenge)}
        self.send(f"/api/gateway/proposals/{number}/approve", body)

    def _proof(self, request: Propose | Approve, challenge: Mapping[str, Any]) -> dict[str, str]:
        number = challenge["number"]
        stored = f"ed25519${challenge['rounds']}${challenge['salt']}$"
        proof = sign(self._secret, stored, request, number)
        return {"person": self.name, "number": number, "proof": proof}
