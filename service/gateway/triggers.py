"""The ways to a kill inside the gateway: one function, and the signal and the file that call it (C23, C26).

Neither needs a runner, Kafka, the console or the command line. Who did it is what the kernel says: the
user that sent the signal, the owner of the file. Whatever goes wrong here kills everything.
"""

from __future__ import annotations

import logging
import os
import pwd
import signal
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from service.gateway.inputs import KillInput
from service.gateway.kill import ALL, in_full, normal_scope
from service.gateway.shell import Shell

log = logging.getLogger(__name__)

SIGNAL: Final = signal.SIGUSR1
FILE: Final = "KILL"

_LARGEST_FILE: Final = 64 * 1024


def engage(shell: Shell, scope: str, by: str, reason: str, via: str) -> str:
    """Kill: in force, its cancels sent and its record under way when this returns, whatever goes wrong.

    Args:
        scope: ``all`` or ``KEY=NAME``, with ``reduce-only`` before it or not; what cannot be understood is
            ``all``.
        by: Who.
        via: How it came: ``socket``, ``signal``, ``file``.

    Returns:
        The scope that is in force.
    """
    try:
        scope = shell.core.state.meant_scope(scope)
        log.critical("kill %s by %s (%s): %s", scope, by, via, reason)
        shell.feed(KillInput(scope=scope, by=by, reason=reason[:500], via=via))
    except Exception as error:
        log.exception("a kill failed")
        shell.stop_trading(f"kill {scope} by {by} failed: {type(error).__name__}: {error}")
        return ALL
    return scope


def user_name(uid: int) -> str:
    """An operating-system user as the record names him."""
    try:
        return f"os:{pwd.getpwuid(uid).pw_name}"
    except (KeyError, OverflowError):
        return f"os:{uid}"


class KillFile:
    """The file ``KILL`` in the run folder: while it is there, what it says is killed.

    One scope a line; a file without a line, one that cannot be read and one that makes no sense mean
    ``all``. It is a level, not an edge: a kill that it asks for cannot be released while it lies there.

    Args:
        path: Where it would lie.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int, int] | None = None
        self._scopes: tuple[str, ...] = ()
        self._meant: dict[str, str] = {}
        self._empty_before = False

    def look(self, shell: Shell) -> None:
        """Put in force what the file asks for and is not; costs one ``lstat`` when it is not there."""
        try:
            about = os.lstat(self.path)
        except FileNotFoundError:
            self._seen, self._empty_before = None, False
            return
        except OSError as error:
            if not shell.core.state.killed:
                engage(shell, ALL, "gateway", f"{self.path} cannot be looked at: {error.strerror}", "file")
            return
        now = about.st_ino, about.st_mtime_ns, about.st_size
        if now != self._seen:
            if stat.S_ISREG(about.st_mode) and not about.st_size and not self._empty_before:
                # Its writer may be about to fill it; the next look does not wait for that.
                self._empty_before = True
                return
            self._seen, self._scopes, self._meant = now, _scopes(self.path, about), {}
        for scope in self._scopes:
            state = shell.core.state
            self._meant[scope] = meant = state.meant_scope(scope)
            if meant not in state.kills.engaged:
                engage(shell, scope, user_name(about.st_uid), f"file {self.path.name}", "file")

    def holds(self, scope: str) -> str:
        """Why this kill cannot be released: the file lies there and asks for it; empty if it does not."""
        try:
            about = os.lstat(self.path)
        except FileNotFoundError:
            return ""
        except OSError as error:
            return f"{self.path} cannot be looked at: {error.strerror}"
        asked = _scopes(self.path, about)
        if scope not in {*asked, *map(in_full, asked), *(self._meant.get(one, one) for one in asked)}:
            return ""
        return f"{self.path} lies there and asks for it: take it away first"


def _scopes(path: Path, about: os.stat_result) -> tuple[str, ...]:
    """What the file asks for, each scope once; ``all`` for whatever is not a readable list of scopes."""
    if not stat.S_ISREG(about.st_mode) or about.st_size > _LARGEST_FILE:
        return (ALL,)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            text = file.read(_LARGEST_FILE + 1).decode()
    except (OSError, ValueError):
        return (ALL,)
    lines = [line for line in text.splitlines() if line.strip()]
    scopes = dict.fromkeys(normal_scope(line) for line in lines)
    return tuple(scopes) or (ALL,)


class KillSignal:
    """SIGUSR1 to the process kills everything; the kernel says which user sent it.

    A thread of its own waits for the signal, so that the sender can be told from it. ``block`` must have
    been called before the first thread of the process began: a thread inherits what it blocks, and one that
    does not block the signal would end the process by it.

    Args:
        call: Has a function run on the gateway's own thread (``loop.call_soon_threadsafe``).
    """

    def __init__(self, shell: Shell, call: Callable[[Callable[[], object]], object]) -> None:
        self._shell = shell
        self._call = call
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._wait, name="kill signal", daemon=True)

    @staticmethod
    def block() -> None:
        """Keep the signal for the thread that waits for it; one that comes earlier is not lost."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {SIGNAL})

    def start(self) -> None:
        """Begin to wait."""
        self.block()
        self._thread.start()

    def stop(self) -> None:
        """Wait no longer."""
        self._stopping.set()
        thread = self._thread
        if thread.is_alive() and thread.ident is not None:
            signal.pthread_kill(thread.ident, SIGNAL)
        thread.join(5.0)

    def _wait(self) -> None:
        try:
            while True:
                # Not sigtimedwait: a process that is stopped and goes on, or that a debugger looks at, gets a
                # signal from CPython's that nobody has sent (3.11 to 3.13: its time was over meanwhile).
                came = signal.sigwaitinfo({SIGNAL})
                if self._stopping.is_set():
                    return
                self._kill(user_name(came.si_uid), f"{SIGNAL.name} from process {came.si_pid}")
        except Exception as error:  # noqa: BLE001 - nobody waits for the signal any more: stricter
            if not self._stopping.is_set():
                self._kill("gateway", f"nobody waits for {SIGNAL.name} any more: {type(error).__name__}")

    def _kill(self, by: str, reason: str) -> None:
        self._call(lambda: engage(self._shell, ALL, by, reason, "signal"))
