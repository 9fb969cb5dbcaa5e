"""quickfix behind one typed module: the only one of the service's own that imports it.

The engine's thread only ever copies text into a queue. Nothing of ours runs in a callback, no message object
outlives one, and no exception leaves one but ``DoNotSend``. Each guard stands for a trap that was reproduced
(``docs/fix.md``, "Traps").
"""

# ruff: noqa: ARG002, BLE001 - names and signatures are quickfix's; nothing may leave a callback

from __future__ import annotations

import fcntl
import logging
import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

import quickfix

from service.fix.config import FixConfig, lenient_dictionary, settings_text
from service.fix.credentials import Credentials, read_credentials
from service.fix.messages import FixConfigError, FixSendError
from service.fix.peer import Peer
from service.fix.plugs import Plugs
from service.fix.resend import Answers, request_end
from service.fix.schedule import Schedule
from service.telemetry.passwords import hide_passwords

Kind = Literal["message", "logon", "logout", "answer", "gap", "asked", "storm", "refused", "fault"]


class Happened(NamedTuple):
    """Something that the engine's thread saw.

    Attributes:
        kind: ``message`` (inbound application message or session reject), ``logon``, ``logout``,
            ``answer`` (to a test request), ``gap`` (the engine filled a gap where the counterparty asked for
            messages again), ``asked`` (we asked for messages again), ``storm`` (the counterparty does, again
            and again), ``refused`` (the engine itself rejected an inbound message) or ``fault`` (a callback
            failed).
        text: The raw message; the reason; the TestReqID; first and next MsgSeqNum of the gap; first, last and
            last known to be missing of what we asked for; or first of what they asked for and how often.
    """

    kind: Kind
    text: str


_BEGIN_STRING: Final = "FIX.4.4"
_NUMBERING: Final = "numbering"
"""File in the store's folder that says when the counterparty's numbers began."""
_HEAR_EVERY: Final = 0.01
"""Seconds after which the times of a report are noted again."""
_HEARD: Final = 256
"""Messages of which the times are kept until somebody asks."""

_log: Final = logging.getLogger(__name__)
_live: Final[dict[tuple[str, str], Engine]] = {}
"""Keeps every engine until it is stopped: collected while its thread runs, it takes the process down."""
_live_lock: Final = threading.Lock()


class Engine:
    """One initiator with one session. Not thread-safe but where it says so.

    Args:
        happened: Called on the engine's thread for everything that happens, in order. Must be quick.
        logon_fields: What our Logon says besides, by tag.
    """

    def __init__(
        self,
        config: FixConfig,
        happened: Callable[[Happened], None],
        logon_fields: Mapping[int, str] = MappingProxyType({}),
    ) -> None:
        self._config = config
        self._logon_fields = tuple(logon_fields.items())
        self._name = (config.sender_comp_id, config.target_comp_id)
        self._happened = happened
        self._dictionary = quickfix.DataDictionary(str(config.dictionary))
        self._application: _Application | None = None
        self._initiator: Any = None
        self._session: Any = None
        self._lock: int | None = None

    def open(self) -> None:
        """Take the session for this process, so that nobody else uses its store.

        Raises:
            FixConfigError: If it is in use, here or in another process.
        """
        with _live_lock:
            if self._name in _live:
                raise FixConfigError(f"session {self} is live in this process already; stop that one first")
            for folder in (self._config.store_dir, self._config.log_dir):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = _locked(self._config.store_dir / "session.lock", self)
            _live[self._name] = self

    @property
    def numbering(self) -> str:
        """When the counterparty's sequence numbers last began at 1; empty if that is not known."""
        try:
            return (self._config.store_dir / _NUMBERING).read_text()
        except FileNotFoundError:
            return ""

    def _numbered_anew(self) -> None:
        """The counterparty's Logon has number 1. Written before anything that follows it is taken."""
        fresh = self._config.store_dir / f"{_NUMBERING}.new"
        fresh.write_text(str(time.time_ns()))
        fresh.replace(self._config.store_dir / _NUMBERING)

    def _hide_passwords(self) -> None:
        session = f"{_BEGIN_STRING}-{'-'.join(self._name)}"
        hide_passwords(self._config.log_dir / f"{session}.messages.current.log")

    def _keep_numbers(self) -> None:
        """Whatever the schedule says, the engine resets a store that another day began, when it is made."""
        if self._config.schedule == Schedule():
            store = self._config.store_dir / f"{_BEGIN_STRING}-{'-'.join(self._name)}.session"
            if store.exists():
                store.write_text(time.strftime("%Y%m%d-%H:%M:%S", time.gmtime()))

    def close(self) -> None:
        """Give the session back. Only after the function that ``cut`` returned has ended."""
        with _live_lock:
            if _live.get(self._name) is self:
                del _live[self._name]
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    def connect(self, expect_from: int | None = None, send_from: int | None = None) -> None:
        """Start the engine's thread, which connects; returns in some tens of milliseconds. Any thread.

        Args:
            expect_from: MsgSeqNum of the first inbound message that the caller has no record of. If the
                store is ahead of it, the counterparty is asked to send from there again.

            send_from: MsgSeqNum from which on none of ours has been used. If the store is behind it, as after
                a power cut, this is the next; the counterparty asks for the gap and gets a gap fill.

        Raises:
            FixConfigError: If the session cannot be made as configured.
        """
        config = self._config
        dictionary = config.store_dir / "inbound.xml"
        dictionary.write_bytes(lenient_dictionary(config.dictionary))
        settings_file = config.store_dir / "session.cfg"
        settings_file.write_text(settings_text(config, dictionary.resolve()))
        kind = quickfix.SSLSocketInitiator if config.tls else quickfix.SocketInitiator
        credentials = read_credentials(config.credentials)
        application = _Application(
            self._happened,
            credentials,
            self._logon_fields,
            self._numbered_anew,
            self._hide_passwords,
            Peer(config).doubt,
        )
        self._keep_numbers()
        # A process that was killed may have left one.
        self._hide_passwords()
        try:
            settings = quickfix.SessionSettings(str(settings_file))
            store = quickfix.FileStoreFactory(settings)
            log = quickfix.FileLogFactory(settings)
            initiator = kind(application, store, settings, log)
            session = quickfix.Session.lookupSession(quickfix.SessionID(_BEGIN_STRING, *self._name))
            if expect_from is not None and expect_from < session.getExpectedTargetNum():
                session.setNextTargetMsgSeqNum(max(1, expect_from))
            if send_from is not None and send_from > session.getExpectedSenderNum():
                session.setNextSenderMsgSeqNum(send_from)
            initiator.start()
        except quickfix.FIXException as error:
            hint = "; this build has no TLS, quickfix-tls has" if "HAVE_SSL" in str(error) else ""
            raise FixConfigError(f"session {self}: {error}{hint}") from error
        self._application, self._initiator, self._session = application, initiator, session

    def cut(self) -> Callable[[], None]:
        """Cut the session off: from now on nothing is sent and no logon or logout is told.

        Returns:
            What ends the engine's thread and takes the session down. It may block for seconds: call it on
            a thread that can wait, never in a callback. The store keeps the sequence numbers.
        """
        application, initiator = self._application, self._initiator
        self._application = self._initiator = self._session = None
        if application is not None:
            application.live = False

        def end() -> None:
            nonlocal application, initiator
            if initiator is not None:
                initiator.stop(True)
                # The engine's sessions end with it, and they still call the application.
                initiator = None
            if application is not None:
                application.plugs.release()
                application = None

        return end

    @property
    def connected(self) -> bool:
        """Whether there is an engine that connects by itself: not so once it is cut off."""
        return self._initiator is not None

    @property
    def logged_on(self) -> bool:
        """Whether both sides have logged on and neither has left."""
        session = self._session
        return session is not None and bool(session.isLoggedOn())

    @property
    def expected(self) -> tuple[int, int]:
        """Next MsgSeqNum that we send, and the next that we expect; zeros while cut off."""
        session = self._session
        if session is None:
            return 0, 0
        return int(session.getExpectedSenderNum()), int(session.getExpectedTargetNum())

    def heard(self) -> list[tuple[str, int]]:
        """SendingTime (52) and UTC of arrival of the newest messages since the last call. Any thread."""
        application, found = self._application, []
        while application is not None and application.heard:
            found.append(application.heard.popleft())
        return found

    def send(self, raw: str) -> int:
        """Hand one application message to the engine; returns its MsgSeqNum.

        Should the line drop in the same instant, the message may or may not have left: its outcome is
        unknown. It is never sent later.

        Raises:
            FixSendError: If the session is not logged on, or the engine refused it; nothing goes out.
        """
        session, application = self._session, self._application
        if session is None or application is None or not session.isLoggedOn():
            raise FixSendError(f"session {self} is not logged on")
        application.sent = 0
        application.sender = threading.get_ident()
        try:
            accepted = session.send(quickfix.Message(raw, self._dictionary, False))
        except quickfix.FIXException as error:
            raise FixSendError(f"session {self}: the engine refused the message: {error}") from error
        if not accepted or not application.sent:
            raise FixSendError(f"session {self}: the engine did not take the message")
        return application.sent

    def test(self, test_id: str) -> None:
        """Send a TestRequest; the counterparty has to answer with this id."""
        if self._session is not None:
            raw = f"8=FIX.4.4\x019=0\x0135=1\x01112={test_id}\x0110=000\x01"
            self._session.send(quickfix.Message(raw, False))

    def ask_again(self, begin: int) -> None:
        """Send a ResendRequest from ``begin`` on; its length is bounded like that of the engine's own."""
        if self._session is not None:
            raw = f"8=FIX.4.4\x019=0\x0135=2\x017={begin}\x0116=0\x0110=000\x01"
            self._session.send(quickfix.Message(raw, False))

    def request_logout(self, reason: str) -> None:
        """Ask for an orderly end; the engine's thread sends Logout within a second."""
        if self._session is not None:
            self._session.logout(reason)

    def __str__(self) -> str:
        return f"{self._name[0]}->{self._name[1]}"


def _locked(path: Path, engine: Engine) -> int:
    """A lock that the kernel drops when its process dies, however it dies."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise FixConfigError(
            f"session {engine}: another process works on {path.parent}; stop it first"
        ) from error
    return handle


class _Application(quickfix.Application):  # type: ignore[misc]
    """The engine's callbacks; all but ``toApp`` run on the engine's thread."""

    def __init__(
        self,
        happened: Callable[[Happened], None],
        credentials: Credentials,
        logon_fields: tuple[tuple[int, str], ...] = (),
        numbered_anew: Callable[[], None] = lambda: None,
        hide_passwords: Callable[[], None] = lambda: None,
        doubt: Callable[[], str] = lambda: "",
    ) -> None:
        super().__init__()
        self._happened = happened
        self._numbered_anew = numbered_anew
        self._hide_passwords = hide_passwords
        self._doubt = doubt
        self._password_logged = False
        self._logon = ((553, credentials.username), (554, credentials.password), *logon_fields)
        self._reason = ""
        self._high = 0
        self._answers = Answers()
        self._request = 0
        self.heard: deque[tuple[str, int]] = deque(maxlen=_HEARD)
        self._heard_at = -math.inf
        self.plugs = Plugs()
        self.live = True
        self.sender = 0
        self.sent = 0

    def _tell(self, kind: Kind, text: str) -> None:
        try:
            self._happened(Happened(kind, text))
        except BaseException:
            _log.critical("FIX: nobody could be told of %s: %s", kind, text, exc_info=True)

    def _because(self, who: str, logout: Any) -> None:
        """The first Logout says why; the second only answers it."""
        if not self._reason:
            self._reason = f"{who}: {_field(logout, 58) or 'without a reason'}"

    def _hide(self) -> None:
        """A Logon is in the engine's log by the time of whatever callback comes next on its thread."""
        if self._password_logged:
            self._password_logged = False
            self._hide_passwords()

    def _hear(self, message: Any) -> None:
        header = message.getHeader()
        if header.isSetField(52):
            self._heard_at = time.monotonic()
            self.heard.append((header.getField(52), time.time_ns()))

    def _fault(self, where: str, error: BaseException) -> None:
        self._tell("fault", f"{where}: {type(error).__name__}: {error}")

    def onCreate(self, session_id: Any) -> None:
        """Nothing to do."""

    def onLogon(self, session_id: Any) -> None:
        self._reason = ""
        if self.live:
            self._tell("logon", "")

    def onLogout(self, session_id: Any) -> None:
        self._hide()
        reason, self._reason = self._reason, ""
        if self.live:
            self._tell("logout", reason or "disconnected")

    def toAdmin(self, message: Any, session_id: Any) -> None:
        try:
            kind = _header(message, 35)
            if kind == "A":
                if why := self._doubt():
                    self._turn_away(session_id, why)
                    return
                for tag, value in self._logon:
                    if value:
                        message.setField(tag, value)
                self._password_logged = message.isSetField(554)
                self._high = 0
            elif kind == "2":
                begin = int(_field(message, 7))
                end = request_end(begin, self._high)
                message.setField(16, str(end))
                self._tell("asked", f"{begin} {end} {self._high if self._high >= begin else 0}")
            elif kind == "5":
                self._because("we logged out", message)
            elif kind == "3":
                self._tell("refused", message.toString())
            elif kind == "4":
                self._count_request(session_id)
                self._tell("gap", f"{_header(message, 34)} {_field(message, 36)}")
        except BaseException as error:
            self._fault("toAdmin", error)

    def _turn_away(self, session_id: Any, why: str) -> None:
        """Cut the line in the middle of our Logon: it does not go out, and the engine tries again."""
        self._reason = why
        session = quickfix.Session.lookupSession(session_id)
        if session is not None:
            with self.plugs.instead_of_sockets():
                session.disconnect()

    def fromAdmin(self, message: Any, session_id: Any) -> None:
        try:
            self._hide()
            self._hear(message)
            kind = _header(message, 35)
            if kind == "A":
                # What comes before this number and has not come yet is missing.
                self._high = int(_header(message, 34)) - 1
                if not self._high:
                    self._numbered_anew()
            elif kind == "2":
                self._request = int(_header(message, 34))
                self._answer(_field(message, 7))
            elif kind == "3":
                self._tell("message", message.toString())
            elif kind == "5":
                self._because("counterparty logged out", message)
            elif kind == "0" and (test_id := _field(message, 112)):
                self._tell("answer", test_id)
        except BaseException as error:
            self._fault("fromAdmin", error)

    def _answer(self, begin: str) -> None:
        """Hold the engine's answer back if they ask for the same again and again.

        Nothing is read from the counterparty meanwhile; what we send goes out on other threads.
        """
        delay = self._answers.asked(int(begin), time.monotonic())
        if delay:
            self._tell("storm", f"{begin} {self._answers.times}")
            time.sleep(delay)

    def _count_request(self, session_id: Any) -> None:
        """Count the ResendRequest that is being answered, which an engine without stored messages forgets.

        Uncounted, whatever follows it would look like a gap, and we would ask for it in turn.
        """
        request, self._request = self._request, 0
        session = quickfix.Session.lookupSession(session_id)
        if request and session is not None and session.getExpectedTargetNum() == request:
            session.setNextTargetMsgSeqNum(request + 1)

    def toApp(self, message: Any, session_id: Any) -> None:
        try:
            header = message.getHeader()
            resend = header.isSetField(43)
            if not resend and threading.get_ident() == self.sender:
                self.sent = int(header.getField(34))
        except BaseException as error:
            self._fault("toApp", error)
            resend = True
        if resend:
            raise quickfix.DoNotSend

    def fromApp(self, message: Any, session_id: Any) -> None:
        try:
            if time.monotonic() - self._heard_at >= _HEAR_EVERY:
                # A few of many reports show the clocks' difference as well as all, and asking costs as much
                # as the rest of this.
                self._hear(message)
            self._tell("message", message.toString())
        except BaseException as error:
            self._fault("fromApp", error)


def _header(message: Any, tag: int) -> str:
    return str(message.getHeader().getField(tag))


def _field(message: Any, tag: int) -> str:
    return str(message.getField(tag)) if message.isSetField(tag) else ""
