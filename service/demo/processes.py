"""The roles as child processes: started, watched, stopped in order, and none left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from service.settings import ROOT
from service.transport.kafka_process import LEASH

POLL_S: Final = 0.05
STOP_S: Final = 20.0


class DemoError(RuntimeError):
    """The demo cannot go on; the message names the role and where its log is."""


class Roles:
    """Processes of one run, each with its own log.

    Each dies with us, also when we are killed with SIGKILL (PR_SET_PDEATHSIG). Use from one event loop, on
    the main thread.
    """

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._stopping: set[str] = set()
        (run_dir / "logs").mkdir(parents=True, exist_ok=True)

    @property
    def pids(self) -> Mapping[str, int]:
        """Process id by role, of those that run."""
        return {name: p.pid for name, p in self._processes.items() if p.returncode is None}

    def log_path(self, role: str) -> Path:
        """Where a role's log goes."""
        return self._run_dir / "logs" / f"{role}.log"

    async def start(self, role: str, options: Iterable[str]) -> None:
        """Start ``slipstream run ROLE OPTIONS``."""
        (self._run_dir / "ready" / role).unlink(missing_ok=True)
        with self.log_path(role).open("ab") as output:
            self._processes[role] = await asyncio.create_subprocess_exec(
                sys.executable,
                "-ISc",
                LEASH,
                str(os.getpid()),
                sys.executable,
                "-m",
                "service.cli",
                "run",
                role,
                *options,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                # Ctrl-C in a terminal is for us: we stop them in order.
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, _python_path()))},
            )

    async def ready(self, role: str, timeout: float = 60.0) -> None:
        """Wait until a role says that it is ready.

        Raises:
            DemoError: If it ends before, or is not in time.
        """
        path = self._run_dir / "ready" / role
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while not path.exists():
                    self.check()
                    await asyncio.sleep(POLL_S)
                return
        raise DemoError(f"{role} was not ready within {timeout:g} s. {self.tail(role)}")

    def check(self) -> None:
        """Raise if a role has ended by itself.

        Raises:
            DemoError: Naming it, with the end of its log.
        """
        for role, process in self._processes.items():
            if process.returncode is not None and role not in self._stopping:
                how = (
                    f"signal {-process.returncode}"
                    if process.returncode < 0
                    else f"status {process.returncode}"
                )
                raise DemoError(f"{role} ended by itself ({how}). {self.tail(role)}")

    def tail(self, role: str, lines: int = 3) -> str:
        """The end of a role's log, or just what it said was wrong."""
        path = self.log_path(role)
        last = path.read_text(errors="replace").strip().splitlines()[-lines:] if path.exists() else []
        if last and last[-1].startswith("Error: "):
            return f"{last[-1].removeprefix('Error: ')} (log: {path})"
        return f"Its log, {path}, ends: {' | '.join(last) or 'with nothing'}"

    async def stop(self, role: str, timeout: float = STOP_S) -> int | None:
        """Ask a role to stop, and kill it after ``timeout`` seconds; returns its exit status."""
        self._stopping.add(role)
        process = self._processes.get(role)
        if process is None:
            return None
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(timeout):
                    await process.wait()
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        return process.returncode

    async def stop_all(self, order: Iterable[str]) -> dict[str, int]:
        """Stop the named roles in that order, then the rest; returns those that did not end well."""
        bad = {}
        for role in [*order, *(name for name in self._processes if name not in set(order))]:
            ended_by_itself = role in self._processes and self._processes[role].returncode is not None
            status = await self.stop(role, 60.0 if role == "recorder" else STOP_S)
            # A role that is stopped while it still starts dies of SIGTERM itself, and that is well.
            if status and status != -signal.SIGTERM and not ended_by_itself:
                bad[role] = status
        return bad


def _python_path() -> list[str]:
    return [str(ROOT), os.environ.get("PYTHONPATH", "")]
