"""One FIX session as asyncio sees it: requests out, reports in, on the loop's thread."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from service.fix.config import FixConfig, Tls
from service.fix.dialect import load_dialect
from service.fix.elsewhere import elsewhere
from service.fix.encode import Encoder
from service.fix.engine import Engine, Happened
from service.fix.messages import (
    FixConfigError,
    FixSendError,
    Malformed,
    NewOrderSingle,
    OrderCancelReplaceRequest,
    Report,
    Request,
)
from service.fix.parse import Parser
from service.fix.resend import FREE_ANSWERS, MOST_ANSWERS, CatchUp
from service.fix.schedule import Schedule
from service.model.reference import Instrument

__all__ = ["FixConfig", "FixConfigError", "FixSendError", "FixSession", "Tls"]

_log: Final = logging.getLogger(__name__)
_BATCH: Final = 500
"""Reports handled before the loop gets a turn for other work."""
_TEST_AGAIN: Final = (0.25, 0.5, 1.0, 2.0, 5.0)
"""Seconds to an unanswered test request's next, each time: the answer may have fallen into a gap."""
_FIRST_PATIENCE: Final = 3.0
_LAST_PATIENCE: Final = 30.0
"""Seconds that an engine has to log on again before it is replaced; doubled each time."""
_REMEMBERED: Final = 100_000
"""Sequence numbers of ours by which a reject can still be traced to its ClOrdID."""
_LOOK_AT_HOURS: Final = 0.5
"""Seconds between two looks at the session's schedule."""
_HOLD_AFTER: Final = 3
"""Requests for the same message after which a lost connection is made again more slowly."""
_LOOK_AT_GAP: Final = 0.1
"""Seconds between two looks at how far a resend has come."""
_LOGOUT_WAIT: Final = 4.0
"""Seconds for the answer to our Logout: one until the engine sends it, LogoutTimeout, one more."""


class FixSession:
    """An initiator session.

    It counts as logged on once the counterparty has answered a test request after the Logon, as FIX 4.4
    recommends: by then both sides have asked for what they missed and got it. So when ``on_session`` tells
    ``True``, every missed report has been delivered, and no order falls into a gap.

    Every callback runs on the loop that ``start`` was called on, in the order in which things happened. If
    one raises, or the engine fails inside, the session *stops trading*: ``fault`` says why, ``on_session``
    is told, new orders and replaces are refused until the process is restarted; cancels and status requests
    still go out, and reports still come in.

    Args:
        instruments: By symbol.
        on_report: Gets every report, the ones that make no sense (``Malformed``) included.
        on_session: Gets ``(logged_on, reason)`` whenever that changes, or when a logon fails.
        on_alarm: Gets the code and detail of what a person has to look at.
        on_numbering: Gets ``numbering`` at every logon, before any report that comes after it.
    """

    def __init__(
        self,
        config: FixConfig,
        *,
        instruments: Mapping[str, Instrument],
        on_report: Callable[[Report], None],
        on_session: Callable[[bool, str], None],
        on_alarm: Callable[[str, str], None] = lambda code, detail: None,  # noqa: ARG005
        on_numbering: Callable[[str], None] = lambda numbering: None,  # noqa: ARG005
    ) -> None:
        self._config = config
        self._on_report = on_report
        self._on_session = on_session
        self._on_alarm = on_alarm
        self._on_numbering = on_numbering
        self._catch_up = CatchUp()
        self._looking: asyncio.TimerHandle | None = None
        dialect = load_dialect(config.dialects, config.dialect)
        self._engine = Engine(config, self._happened, dialect.logon_fields)
        self._encode = Encoder(timestamp_digits=config.timestamp_digits, order_capacity=config.order_capacity)
        self._sent: dict[int, str] = {}
        self._last_seq = 0
        self._parse = Parser(
            instruments,
            dialect,
            lambda seq: self._sent.get(seq, ""),
        )
        self._unanswered: set[str] = set()
        self._queue: deque[Happened] = deque()
        self._woken = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told = (False, "")
        self._synced = False
        self._tests = 0
        self._retest: asyncio.TimerHandle | None = None
        self._down = asyncio.Event()
        self._reviver: asyncio.Task[None] | None = None
        self._schedule = config.schedule
        self._keeper: asyncio.Task[None] | None = None
        self._closed = False
        self._idle = False
        self._woken_up = asyncio.Event()
        self._first: tuple[int | None, int | None] = (None, None)
        self._stopping = asyncio.Event()
        self._fault = ""
        self.ended_at = 0
        """Our next MsgSeqNum once the session has been taken down in good order; until then 0."""

    async def start(self, *, expect_from: int | None = None, send_from: int | None = None) -> None:
        """Start connecting, and reconnect for ever; ``on_session`` tells when it is logged on.

        Outside the session's hours it is not connected, and says so once; inside it is.

        Args:
            expect_from: MsgSeqNum after the last report that the caller has on record. Reports that
                the engine had taken but the caller had not recorded are then sent again (``poss_dup``).
            send_from: MsgSeqNum from which on none of ours has been used, should the store be behind it.

        Raises:
            FixConfigError: If the session cannot be made as configured, or is in use.
        """
        self._loop = asyncio.get_running_loop()
        self._first = (expect_from, send_from)
        self._engine.open()
        try:
            if self._schedule.open(time.time_ns()):
                await self._connect()
            else:
                self._closed = True
                self._tell(False, self._schedule.reason(time.time_ns()))
        except BaseException:
            self._engine.close()
            self._loop = None
            raise
        if self._schedule != Schedule():
            self._keeper = asyncio.create_task(self._keep_hours(), name="fix-hours")

    async def _connect(self) -> None:
        (expect_from, send_from), self._first = self._first, (None, None)
        self._idle = False
        self._woken_up.clear()
        self.ended_at = 0
        await elsewhere(lambda: self._engine.connect(expect_from, send_from))

    async def _keep_hours(self) -> None:
        """Log out when the session's hours end, and connect when they begin."""
        while not self._stopping.is_set():
            utc = time.time_ns()
            if self._schedule.open(utc):
                if self._closed:
                    self._closed = False
                    try:
                        await self._connect()
                    except FixConfigError as error:
                        self._stop_trading(f"cannot connect: {error}")
            elif not self._closed:
                self._closed = True
                await self._take_down("end of session hours")
                self._unsynced()
                self._tell(False, self._schedule.reason(utc))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_AT_HOURS):
                    await self._stopping.wait()

    async def _stay_down(self) -> None:
        """Until the next ``_connect`` nobody replaces an engine that is down."""
        self._idle = True
        self._woken_up.set()
        if self._reviver is not None:
            await asyncio.wait([self._reviver])

    async def _take_down(self, reason: str) -> None:
        """Log out, if there is time for it, and end the engine."""
        await self._stay_down()
        if self._engine.logged_on:
            self._engine.request_logout(reason)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOGOUT_WAIT):
                    await self._down.wait()
        following = self._engine.expected[0]
        await elsewhere(self._engine.cut())
        self.ended_at = following or self.ended_at

    async def drop(self, seconds: float) -> None:
        """Cut the line without a Logout, as a network that fails does, and connect again after ``seconds``.

        Raises:
            FixSendError: If there is no line to cut.
        """
        if not self.logged_on:
            raise FixSendError(f"session {self.name} is not logged on")
        self._unsynced()
        await self._stay_down()
        await elsewhere(self._engine.cut())
        self._unanswered.clear()
        self._tell(False, f"the line was cut for {seconds:g} s")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        if self._stopping.is_set() or self._closed or self._engine.connected:
            return
        try:
            await self._connect()
        except FixConfigError as error:
            self._stop_trading(f"cannot connect again: {error}")

    async def stop(self) -> None:
        """Log out and take the session down, in ``stop_timeout`` seconds at most. Sequence numbers stay."""
        if self._stopping.is_set() or self._loop is None:
            return
        self._stopping.set()
        try:
            async with asyncio.timeout(self._config.stop_timeout):
                if self._keeper is not None:
                    await asyncio.wait([self._keeper])
                await self._take_down("end of service")
        except TimeoutError:
            _log.error("FIX %s did not stop within %s s", self._engine, self._config.stop_timeout)
        else:
            self._engine.close()
        while self._queue:
            self._drain()
        self._unsynced()
        if self._told[0]:
            self._tell(False, "stopped")

    async def _revive(self) -> None:
        """Replace an engine that does not log on again by itself, with growing patience.

        Some builds of quickfix never connect again once they have closed a connection themselves, as after
        a silence or a Logout; a new engine on the same store goes on with the same numbers.
        """
        patience = float(max(_FIRST_PATIENCE, 2 * self._config.reconnect_interval))
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._woken_up.wait()
            if self._idle:
                return
            if self._woken_up.is_set():
                # Connection after connection ends over the same gap: do not ask for it once a second.
                self._woken_up.clear()
                patience = max(patience, self._catch_up.delay)
                await elsewhere(self._engine.cut())
                continue
            if self._engine.logged_on:
                return
            patience = min(2 * patience, _LAST_PATIENCE)
            await elsewhere(self._engine.cut())
            try:
                await elsewhere(self._engine.connect)
            except FixConfigError as error:
                self._stop_trading(f"cannot connect again: {error}")

    @property
    def name(self) -> str:
        """``OURS->THEIRS``."""
        return str(self._engine)

    @property
    def numbering(self) -> str:
        """What both sides' sequence numbers count from: another text once they have begun at 1 again."""
        return self._engine.numbering

    @property
    def logged_on(self) -> bool:
        """Whether the session is up; ``send`` may still refuse orders (``fault``)."""
        return self._synced and not self._stopping.is_set() and self._engine.logged_on

    @property
    def closed(self) -> bool:
        """Whether it is down because it is outside its hours."""
        return self._closed

    @property
    def fault(self) -> str:
        """Why the session stopped trading; empty while it trades."""
        return self._fault

    @property
    def outstanding(self) -> int:
        """Orders and replaces sent on this connection that the counterparty has not answered at all."""
        return len(self._unanswered)

    @property
    def expected(self) -> tuple[int, int]:
        """Next MsgSeqNum that we send, and the next that we expect; zeros while stopped."""
        return self._engine.expected

    def heard(self) -> list[tuple[str, int]]:
        """SendingTime (52) and UTC of arrival of the newest messages since this was last called."""
        return self._engine.heard()

    def send(self, request: Request) -> int:
        """Hand a request to the engine. Call on the loop's thread.

        Returns:
            UTC nanoseconds when its bytes were the engine's.

        Raises:
            FixSendError: Not logged on, stopped by a fault, too many unanswered, without the gate's
                approval, or not expressible in FIX. Nothing goes out, now or later.
        """
        raw = self._encode(request)
        order = type(request) is NewOrderSingle or type(request) is OrderCancelReplaceRequest
        if self._stopping.is_set():
            raise FixSendError(f"session {self.name} is stopping")
        if not self._synced:
            raise FixSendError(f"session {self.name} is not logged on")
        if order:
            if self._fault:
                raise FixSendError(f"session {self.name} takes no orders: {self._fault}")
            if len(self._unanswered) >= self._config.max_outstanding:
                raise FixSendError(
                    f"session {self.name}: {len(self._unanswered)} orders are unanswered; the limit is"
                    f" {self._config.max_outstanding}"
                )
        seq = self._engine.send(raw)
        at = time.time_ns()
        if order:
            self._unanswered.add(request.cl_ord_id)
        if seq <= self._last_seq:
            # Sequence numbers were reset: what the old ones stood for is gone.
            self._sent.clear()
        self._last_seq = seq
        self._sent[seq] = request.cl_ord_id
        if len(self._sent) > _REMEMBERED:
            del self._sent[next(iter(self._sent))]
        return at

    def _happened(self, what: Happened) -> None:
        """On the engine's thread: queue it, and wake the loop once for all that is queued."""
        self._queue.append(what)
        if not self._woken and self._loop is not None:
            self._woken = True
            self._loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        self._woken = False
        queue = self._queue
        for _ in range(_BATCH):
            try:
                what = queue.popleft()
            except IndexError:
                return
            try:
                self._handle(what)
            except Exception as error:  # noqa: BLE001 - the next report must still be handled
                _log.exception("FIX %s: while handling %s: %s", self._engine, what.kind, what.text)
                self._stop_trading(f"{what.kind}: {type(error).__name__}: {error}")
        if self._loop is not None and not self._woken:
            self._woken = True
            self._loop.call_soon(self._drain)

    def _handle(self, what: Happened) -> None:
        match what.kind:
            case "message":
                report = self._parse(what.text)
                if report is not None:
                    self._unanswered.discard(report.cl_ord_id)
                    self._on_report(report)
            case "refused":
                raw = what.text.replace("\x01", "|")
                self._on_report(
                    Malformed(raw="", reason=f"the engine refused an inbound message, and said so in {raw}")
                )
            case "logon":
                self._on_numbering(self.numbering)
                self._down.clear()
                self._test()
            case "answer":
                if what.text == self._test_id:
                    self._catch_up.level()
                    if not self._synced:
                        self._unsynced()
                        self._synced = True
                        self._tell(True, self._fault)
            case "gap":
                self._gap(*map(int, what.text.split()))
            case "asked":
                begin, end, high = map(int, what.text.split())
                self._catch_up.asked(begin, end, high, time.monotonic())
                self._look()
            case "storm":
                self._storm(*map(int, what.text.split()))
            case "logout":
                self._unsynced()
                self._unanswered.clear()
                self._down.set()
                if self._catch_up.tries >= _HOLD_AFTER:
                    self._woken_up.set()
                if not self._idle and (self._reviver is None or self._reviver.done()):
                    self._reviver = asyncio.create_task(self._revive(), name="fix-revive")
                utc = time.time_ns()
                if not self._closed:
                    # The engine looks at the hours too, and may be first.
                    self._tell(False, what.text if self._schedule.open(utc) else self._schedule.reason(utc))
            case "fault":
                self._stop_trading(what.text)

    @property
    def _test_id(self) -> str:
        return f"SYNC-{self._tests}"

    def _test(self, tries: int = 0) -> None:
        """Ask for a sign that the counterparty is level with us; again until it comes."""
        self._unsynced()
        self._tests += 1
        self._engine.test(self._test_id)
        patience = _TEST_AGAIN[min(tries, len(_TEST_AGAIN) - 1)]
        self._retest = asyncio.get_running_loop().call_later(patience, self._test, tries + 1)

    def _unsynced(self) -> None:
        self._synced = False
        if self._retest is not None:
            self._retest.cancel()
            self._retest = None

    def _look(self) -> None:
        """See how far what we asked for has come, as long as something is missing."""
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        catch_up, expected = self._catch_up, self._engine.expected[1]
        if expected:
            match catch_up.look(expected, time.monotonic()):
                case "ask":
                    _log.warning("FIX %s: asking for messages from %d on again", self._engine, expected)
                    self._engine.ask_again(expected)
                case "probe":
                    self._tests += 1
                    self._engine.test(self._test_id)
                case "give up":
                    what = f"the counterparty does not send MsgSeqNum {expected} again"
                    self._give_up(f"{what}; asked {catch_up.tries} times")
        if catch_up.open:
            self._looking = asyncio.get_running_loop().call_later(_LOOK_AT_GAP, self._look)

    def _storm(self, begin: int, times: int) -> None:
        """The counterparty asks for the same messages again and again."""
        detail = f"the counterparty asked {times} times for messages from MsgSeqNum {begin} on"
        if times == FREE_ANSWERS + 1:
            self._on_alarm("RESEND_STORM", detail)
        elif times == MOST_ANSWERS:
            self._give_up(f"{detail}: what we send may not be read")

    def _give_up(self, detail: str) -> None:
        """A person has to look: orders are refused from now on, cancels go out."""
        if not self._fault:
            self._on_alarm("RESEND_GIVEN_UP", detail)
        self._stop_trading(detail)

    def _gap(self, first: int, following: int) -> None:
        """The counterparty asked for messages again; application messages among them were not sent again."""
        if not self._synced:
            # The test request itself may lie in the gap.
            self._test()
        for seq in range(max(first, following - _REMEMBERED), following):
            cl_ord_id = self._sent.get(seq, "")
            if cl_ord_id in self._unanswered:
                self._on_report(
                    Malformed(
                        raw="",
                        reason=f"the counterparty asked for {cl_ord_id} again and it is never sent again:"
                        " whether it was processed is unknown",
                        cl_ord_id=cl_ord_id,
                    )
                )

    def _tell(self, up: bool, why: str) -> None:
        """Attempts that fail alike are told once."""
        if (up, why) != self._told:
            self._told = (up, why)
            self._on_session(up, why)

    def _stop_trading(self, reason: str) -> None:
        if self._fault:
            return
        self._fault = reason
        _log.critical("FIX %s stopped trading: %s", self._engine, reason)
        try:
            self._on_session(False, f"stopped trading: {reason}")
        except Exception:  # noqa: BLE001 - the fault that is being told matters more
            _log.exception("FIX %s: on_session failed too", self._engine)
