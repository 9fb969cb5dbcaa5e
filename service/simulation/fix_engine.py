"""The FIX 4.4 acceptor: the only place of the simulator that knows quickfix.

Its threads hand text over through a deque with one coalesced wake-up of the loop; answers are sent from the
loop's thread. No exception leaves a callback (it would kill the session's thread silently).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any, Final, NamedTuple

import quickfix as fix

from service.settings import ROOT
from service.telemetry.passwords import hide_passwords

CONFIGS: Final = ROOT / "fix_configs"

log = logging.getLogger(__name__)


class FixEngineError(RuntimeError):
    """The acceptor cannot be started; the message says what to do."""


class Received(NamedTuple):
    """An application message of a client, as text, and the UTC at which it came."""

    owner: str
    text: str
    ts_utc: int


class SessionChange(NamedTuple):
    """A client logged on or off; ``asks``: its Logon asked for its orders to be cancelled at a disconnect."""

    owner: str
    up: bool
    ts_utc: int
    asks: bool = False


Inbound = Received | SessionChange


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptorConfig:
    """Where it listens and for whom.

    Attributes:
        comp_id: The broker's CompID, TargetCompID (56) of the clients' messages.
        clients: SenderCompIDs (49) that may log on, one session each.
        folder: Settings as used, sequence numbers (``store``) and message logs (``log``).
        ask_tag: Tag of a Logon by which a client, with 1 or Y, asks for cancel-on-disconnect; 0: none.
    """

    port: int
    comp_id: str
    clients: Sequence[str]
    folder: Path
    ask_tag: int = 0

    def text(self) -> str:
        """Session settings for quickfix: the template of ``fix_configs`` with one session a client.

        Raises:
            FixEngineError: If the template cannot be read or lacks a value.
        """
        path = CONFIGS / "acceptor.cfg"
        try:
            template = path.read_text()
        except OSError as error:
            raise FixEngineError(f"FIX settings {path}: {error.strerror}") from error
        default, _, session = template.partition("[SESSION]")
        values = {
            "port": str(self.port),
            "store_dir": str(self.folder / "store"),
            "log_dir": str(self.folder / "log"),
            "dictionary": str(CONFIGS / "FIX44.xml"),
            "sender_comp_id": self.comp_id,
        }
        try:
            parts = [Template(default).substitute(values)]
            parts += [
                "[SESSION]" + Template(session).substitute(values, target_comp_id=client)
                for client in self.clients
            ]
        except (KeyError, ValueError) as error:
            raise FixEngineError(f"FIX settings {path}: no value for {error}") from error
        return "\n".join(parts)


class _Application(fix.Application):  # type: ignore[misc]
    """Callbacks of quickfix's threads: strings out of the message, nothing else."""

    def __init__(self, put: Callable[[Inbound], None], log_dir: Path, ask_tag: int = 0) -> None:
        super().__init__()
        self._put = put
        self._log_dir = log_dir
        self._ask_tag = ask_tag
        self._asks: dict[str, bool] = {}

    def onCreate(self, session_id: Any) -> None:
        pass

    def onLogon(self, session_id: Any) -> None:
        self._changed(session_id, up=True)

    def onLogout(self, session_id: Any) -> None:
        self._changed(session_id, up=False)

    def toAdmin(self, message: Any, session_id: Any) -> None:
        pass

    def fromAdmin(self, message: Any, session_id: Any) -> None:
        try:
            if message.getHeader().getField(35) != "A":
                return
            broker, client = session_id.getSenderCompID().getValue(), session_id.getTargetCompID().getValue()
            # What a client says is in the engine's log before it comes here.
            hide_passwords(self._log_dir / f"FIX.4.4-{broker}-{client}.messages.current.log")
            if self._ask_tag:
                asked = message.isSetField(self._ask_tag) and message.getField(self._ask_tag) in ("1", "Y")
                self._asks[client] = asked
        except Exception:
            log.critical("a client's Logon could not be read", exc_info=True)

    def toApp(self, message: Any, session_id: Any) -> None:
        """Reports are resent as they were: a client that missed a fill needs it."""

    def fromApp(self, message: Any, session_id: Any) -> None:
        try:
            owner = session_id.getTargetCompID().getValue()
            self._put(Received(owner, message.toString(), time.time_ns()))
        except Exception:
            log.critical("a client's message could not be taken over and is lost", exc_info=True)

    def _changed(self, session_id: Any, *, up: bool) -> None:
        try:
            owner = session_id.getTargetCompID().getValue()
            self._put(SessionChange(owner, up, time.time_ns(), self._asks.get(owner, False)))
        except Exception:
            log.critical("a change of a FIX session could not be taken over", exc_info=True)


class FixEngine:
    """A ThreadedSocketAcceptor for the loop that starts it.

    Args:
        on_inbound: Called on the loop with what has come since the last call, in order.
    """

    def __init__(self, config: AcceptorConfig, on_inbound: Callable[[list[Inbound]], None]) -> None:
        self._config = config
        self._on_inbound = on_inbound
        self._inbox: deque[Inbound] = deque()
        self._woken = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._acceptor: Any = None
        self._keep: tuple[Any, ...] = ()
        self._sessions: dict[str, Any] = {}

    async def start(self) -> None:
        """Listen.

        Raises:
            FixEngineError: If the port is taken or the settings are refused.
        """
        self._loop = asyncio.get_running_loop()
        await self._loop.run_in_executor(None, self._start)

    def _start(self) -> None:
        config = self._config
        config.folder.mkdir(parents=True, exist_ok=True)
        path = config.folder / "acceptor.cfg"
        path.write_text(config.text())
        try:
            settings = fix.SessionSettings(str(path))
            application = _Application(self._put, config.folder / "log", config.ask_tag)
            store, logs = fix.FileStoreFactory(settings), fix.FileLogFactory(settings)
            acceptor = fix.ThreadedSocketAcceptor(application, store, settings, logs)
            acceptor.start()
        except (fix.ConfigError, fix.RuntimeError) as error:
            raise FixEngineError(
                f"the FIX acceptor cannot listen on port {config.port} with the settings in {path}: {error}; "
                "is another process using the port?"
            ) from error
        # The C++ side holds bare pointers to these.
        self._keep = (settings, application, store, logs)
        self._acceptor = acceptor
        self._sessions = {
            client: fix.SessionID("FIX.4.4", config.comp_id, client) for client in config.clients
        }

    async def stop(self) -> None:
        """Log every session out and stop listening; bounded by the engine's logout time-out."""
        if self._acceptor is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._acceptor.stop)
            self._acceptor, self._keep = None, ()

    def send(self, owner: str, text: str) -> bool:
        """Hand one message to the client's session; False if it is not logged on."""
        session_id = self._sessions.get(owner)
        if session_id is None:
            return False
        session = fix.Session.lookupSession(session_id)
        if session is None or not session.isLoggedOn():
            return False
        return bool(fix.Session.sendToTarget(fix.Message(text, False), session_id))

    def _put(self, inbound: Inbound) -> None:
        self._inbox.append(inbound)
        if not self._woken:
            self._woken = True
            assert self._loop is not None
            self._loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        # Cleared first: what is appended from here on wakes the loop again.
        self._woken = False
        batch = []
        while self._inbox:
            batch.append(self._inbox.popleft())
        if batch:
            self._on_inbound(batch)
