"""A trading floor of real processes: Kafka, feed, broker, gateway and runner, each to be killed at will."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from service.gateway import control_client
from service.gateway.control import StatusReply
from service.model.time import SECOND, SessionClock
from service.settings import ROOT
from service.transport.kafka_probe import free_port
from service.transport.kafka_process import LEASH, KafkaProcess

SPEED: Final = 2
ROLES: Final = ("broker-sim", "feed", "gateway", "runner")
_POLL: Final = 0.03


class DrillError(RuntimeError):
    """The drill cannot go on; the message says why and where to look."""


class Role:
    """One role as an operating-system process; it dies with us.

    Args:
        options: Of ``slipstream run NAME``, asked for at every start.
    """

    def __init__(
        self, name: str, run_dir: Path, options: Callable[[], list[str]], environment: dict[str, str]
    ) -> None:
        self.name = name
        self.log = run_dir / "logs" / f"{name}.log"
        self.ready_file = run_dir / "ready" / name
        self.starts = 0
        self._options = options
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start it, as a supervisor would; does not wait until it is ready."""
        self.ready_file.unlink(missing_ok=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.starts += 1
        with self.log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-ISc", LEASH, str(os.getpid()),
                sys.executable, "-m", "service.cli", "run", self.name, *self._options(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
                cwd=ROOT,
                env=self._environment,
            )  # fmt: skip

    async def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        await self.gone()

    async def gone(self) -> int:
        """Wait until it has ended; returns its exit status."""
        assert self._process is not None
        return await self._process.wait()

    async def stop(self) -> int:
        """SIGTERM, SIGKILL after a bound; returns its exit status."""
        if not self.alive:
            return 0
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            return await asyncio.wait_for(self._process.wait(), 30.0)
        except TimeoutError:
            await self.kill()
            return -signal.SIGKILL

    def tail(self, size: int = 3000) -> str:
        """The end of its log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return f"--- {self.log}\n{text[-size:]}"


def wide_limits(text: str) -> str:
    """The limits file with room for a drill: what counts up over minutes is near its ceiling."""
    for field, value in (
        ("max_orders_per_minute", "30_000"),
        ("messages_per_second", "500"),
        ("max_long", "1_000_000"),
        ("max_short", "1_000_000"),
        ("max_gross", "2_000_000"),
        ("max_volume_bps", "2_500"),
        ("first_lots", "1_000_000"),
        ("max_daily_loss", "10_000_000"),
        ("max_exposure", "500_000_000"),
        ("max_orders_per_day", "10_000"),
        ("max_position", "20_000"),
    ):
        text, changed = re.subn(rf"(?m)^{field} = [\d_]+", f"{field} = {value}", text)
        if not changed:
            raise DrillError(f"deploy/limits.toml has no {field} any more; change wide_limits")
    return text


def install_policy(folder: Path) -> None:
    """Register the ladder as a package of its own, as a desk's policies are."""
    info = folder / "drill_policies-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: drill-policies\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[slipstream.policies]\nladder = tests.drills.processes.ladder:LADDER\n"
    )


class Floor:
    """Everything that runs, in one folder."""

    def __init__(self, run_dir: Path, seed: int) -> None:
        self.run_dir = run_dir
        self.kafka = KafkaProcess(run_dir / "kafka")
        self._seed = seed
        self._port = free_port()
        self._market_start = 0
        self._feed_from = 0
        run_dir.mkdir(parents=True, exist_ok=True)
        install_policy(run_dir / "plugins")
        self._limits = run_dir / "limits.toml"
        self._limits.write_text(wide_limits((ROOT / "deploy" / "limits.toml").read_text()))
        path = [str(run_dir / "plugins"), str(ROOT), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))}
        options = {
            "broker-sim": self._broker,
            "feed": self._feed,
            "gateway": self._gateway,
            "runner": self._common,
        }
        self.roles = {name: Role(name, run_dir, options[name], environment) for name in ROLES}

    @property
    def gateway(self) -> Role:
        return self.roles["gateway"]

    @property
    def journal(self) -> Path:
        return self.run_dir / "journal" / "gateway.journal"

    def _common(self) -> list[str]:
        return ["--kafka", self.kafka.bootstrap, "--run-dir", str(self.run_dir), "--partitions", "2"]

    def _broker(self) -> list[str]:
        # Far enough off that orders are under way to it, and answers from it, at any time.
        latency = ["--entry-latency-ms", "25", "--response-latency-ms", "25"]
        return [*self._common(), *latency, "--port", str(self._port), "--seed", str(self._seed)]

    def _gateway(self) -> list[str]:
        address = ["--broker", f"127.0.0.1:{self._port}", "--limits", str(self._limits)]
        # A runner that is killed is back sooner than its orders would have to be given up for lost.
        return [*self._common(), *address, "--runner-timeout", "10", "--fix-heartbeat", "5"]

    def _feed(self) -> list[str]:
        at = 9 * 3600 + 30 * 60 + self._feed_from
        start = f"{at // 3600:02d}:{at // 60 % 60:02d}:{at % 60:02d}"
        replay = ["--speed", str(SPEED), "--start-at", start, "--seed", str(self._seed)]
        return [*self._common(), "--source", "synthetic", *replay]

    def market_goes_on(self, clock: SessionClock | None) -> None:
        """A feed that starts from now on begins where market time is, as a live one would."""
        if clock is None:
            return
        self._market_start = self._market_start or clock.market_start
        now = clock.market_start + (time.time_ns() - clock.utc_start) * SPEED
        self._feed_from = max(self._feed_from, (now - self._market_start) // SECOND + SPEED)

    async def start(self) -> None:
        """Start it all and wait until everything is ready."""
        await self.kafka.start()
        for role in self.roles.values():
            await role.start()
        for role in self.roles.values():
            await self.ready(role)

    async def ready(self, role: Role, seconds: float = 90.0) -> None:
        """Wait until a role says that it is ready.

        Raises:
            DrillError: If it ends, or is not in time.
        """
        deadline = time.monotonic() + seconds
        while not role.ready_file.exists():
            if not role.alive:
                raise DrillError(f"{role.name} ended by itself\n{role.tail()}")
            if time.monotonic() > deadline:
                raise DrillError(f"{role.name} was not ready within {seconds:g} s\n{role.tail()}")
            await asyncio.sleep(_POLL)

    def check(self) -> None:
        """Raise if a role has ended that nobody killed.

        Raises:
            DrillError: Naming it, with the end of its log.
        """
        for role in self.roles.values():
            if not role.alive:
                raise DrillError(f"{role.name} ended by itself\n{role.tail()}")

    async def settled(self, seconds: float = 120.0) -> StatusReply:
        """Wait until the gateway is logged on and knows the outcome of every order.

        Raises:
            DrillError: If it does not within ``seconds``.
        """
        deadline = time.monotonic() + seconds
        status: StatusReply | None = None
        while True:
            self.check()
            with contextlib.suppress(control_client.ControlError):
                status = await control_client.status(self.run_dir, 2.0)
                if status.logged_on and not status.unknown and not status.halted:
                    return status
            if time.monotonic() > deadline:
                raise DrillError(
                    f"the gateway did not settle within {seconds:g} s: {status}\n{self.gateway.tail()}"
                )
            await asyncio.sleep(_POLL)

    async def stop(self) -> dict[str, int]:
        """Stop everything; returns the exit statuses that are not 0."""
        bad = {}
        for name in ("feed", "runner", "gateway", "broker-sim"):
            status = await self.roles[name].stop()
            if status:
                bad[name] = status
        await self.kafka.stop()
        return bad
