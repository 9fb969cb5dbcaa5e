"""A container engine and a compose project on it, as ``compose_test`` uses them."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

SYSTEMD: Final = Path("/run/systemd/system")


class CheckFailed(Exception):
    """Something is not as it has to be; the message says what."""


def check(holds: bool, what: str, evidence: object = "") -> None:
    """Say that it holds, or end the run."""
    if not holds:
        raise CheckFailed(f"{what}\n{evidence}".rstrip())
    print(f"  ok  {what}", flush=True)


def step(name: str) -> None:
    """Begin a part of the run."""
    print(f"{time.strftime('%H:%M:%S')} {name}", flush=True)


def until(what: str, look: Callable[[], bool], timeout: float = 180.0) -> None:
    """Wait for a condition of another process, which raises no event here."""
    began = time.monotonic()
    while not look():
        if time.monotonic() - began > timeout:
            raise CheckFailed(f"{what}: not within {timeout:g} s")
        time.sleep(0.3)
    print(f"  ok  {what} ({time.monotonic() - began:.1f} s)", flush=True)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("engine", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Engine:
    """The container engine's own interface, on its Unix socket."""

    def __init__(self) -> None:
        host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
        if not host.startswith("unix://"):
            raise CheckFailed(
                f"DOCKER_HOST is {host}; this test needs an engine on a Unix socket, unix:///path"
            )
        self._path = host.removeprefix("unix://")
        try:
            version = self.get("/version")[1]
        except OSError as error:
            raise CheckFailed(
                f"no container engine answers at {self._path} ({error}); start Docker, or "
                "`podman system service -t 0 unix:///path` and set DOCKER_HOST to it"
            ) from None
        names = [part["Name"] for part in version.get("Components", [])]
        self.podman = any(name.startswith("Podman") for name in names)
        self.name = f"{'Podman' if self.podman else 'Docker'} {version['Version']}"

    def get(self, path: str, method: str = "GET") -> tuple[int, Any]:
        """Status and decoded answer."""
        connection = _UnixConnection(self._path)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        try:
            return answer.status, json.loads(text or b"null")
        except ValueError:
            return answer.status, text

    def has_image(self, name: str) -> bool:
        """Whether it is here, without asking a registry."""
        return self.get(f"/images/{name}/json")[0] == 200

    def variable(self, image: str, name: str) -> str:
        """An environment variable that an image sets; empty if it does not."""
        config = self.get(f"/images/{image}/json")[1].get("Config") or {}
        found = (
            one.removeprefix(f"{name}=") for one in config.get("Env") or () if one.startswith(f"{name}=")
        )
        return next(found, "")

    def remove_image(self, name: str) -> None:
        """Forget a name of an image; not an error if it is not there."""
        self.get(f"/images/{name}", "DELETE")

    @contextlib.contextmanager
    def health_checks(self, project: str) -> Iterator[None]:
        """Run the health checks of a project's containers where the engine has no timer for them.

        Podman leaves that to systemd; where that does not run, nobody would call them.
        """
        if not self.podman or SYSTEMD.exists():
            yield
            return
        over = threading.Event()
        label = urllib.parse.quote(json.dumps({"label": [f"com.docker.compose.project={project}"]}))

        def call() -> None:
            while not over.wait(3.0):
                with contextlib.suppress(OSError, http.client.HTTPException):
                    for container in self.get(f"/containers/json?filters={label}")[1]:
                        self.get(f"/v4.0.0/libpod/containers/{container['Id']}/healthcheck")

        thread = threading.Thread(target=call, name="health checks")
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


class Stack:
    """A project from a clone's docker-compose.yml.

    Args:
        override: A compose file laid over it.
        settings: Environment variables that docker-compose.yml reads.
    """

    def __init__(
        self, engine: Engine, project: str, clone: Path, override: Path, settings: dict[str, str]
    ) -> None:
        self._engine = engine
        self._clone = clone
        self._command = [str(Path(sys.executable).parent / "docker-compose"), "-p", project]
        self._command += ["-f", str(clone / "docker-compose.yml"), "-f", str(override)]
        self._env = {**os.environ, **settings}
        if engine.podman:
            self._env["DOCKER_BUILDKIT"] = "0"

    def call(
        self, *arguments: str, timeout: float = 300.0, told: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """One compose command; its output is kept. Past its time it is ended, with exit status 124."""
        command = [*self._command, *arguments]
        try:
            return subprocess.run(
                command, cwd=self._clone, env=self._env, timeout=timeout,
                text=True, capture_output=True, input=told, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(command, 124, "", f"not within {timeout:g} s")

    def must(self, *arguments: str, timeout: float = 300.0, told: str = "") -> str:
        """Its standard output; a failure ends the run."""
        done = self.call(*arguments, timeout=timeout, told=told)
        if done.returncode:
            said = (done.stdout + done.stderr)[-4000:]
            raise CheckFailed(f"docker-compose {' '.join(arguments)}: exit {done.returncode}\n{said}")
        return done.stdout

    def exec(self, service: str, *command: str) -> str:
        """Run in a service's container, as its user."""
        return self.must("exec", "-T", service, *command)

    def desk(self, *command: str) -> str:
        """Run ``slipstream`` as a person at a desk would."""
        return self.must("run", "--rm", "--no-deps", "-T", "desk", *command)

    def up(self, services: tuple[str, ...]) -> None:
        """Start and wait until all are healthy."""
        self.must(
            "up",
            "-d",
            "--wait",
            "--wait-timeout",
            "400",
            "--no-build",
            "--pull",
            "never",
            *services,
            timeout=450.0,
        )

    def state(self, service: str) -> dict[str, Any]:
        """What the engine says of a service's container."""
        container = self.must("ps", "-a", "-q", service).strip()
        found: dict[str, Any] = self._engine.get(f"/containers/{container}/json")[1]
        return found

    def memory(self, service: str) -> int:
        """Bytes that it uses now, its files in memory included, as the engine counts them."""
        container = self.must("ps", "-q", service).strip()
        found = self._engine.get(f"/containers/{container}/stats?stream=false")[1]
        return int(found["memory_stats"]["usage"])

    def healthy(self, service: str) -> bool:
        """Whether its health check last succeeded."""
        health = self.state(service)["State"].get("Health") or {}
        return health.get("Status") == "healthy"

    def logs(self, service: str) -> str:
        """Everything that it said."""
        return self.must("logs", "--no-log-prefix", "--no-color", service)

    def status(self) -> str:
        """The gateway in a nutshell; empty while it does not answer."""
        done = self.call("exec", "-T", "gateway", "slipstream", "status", timeout=30.0)
        return done.stdout if done.returncode == 0 else ""

    def position(self, symbol: str, status: str = "") -> int:
        """Lots, signed, as of ``status`` or now."""
        found = re.search(rf"\b{symbol} ([+-][\d,]+)", status or self.status())
        return int(found[1].replace(",", "")) if found else 0
