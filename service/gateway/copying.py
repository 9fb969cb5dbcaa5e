"""The drop copy session of a running gateway: reports in, nothing out (C35)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Final

from service.fix.config import FixConfig
from service.fix.messages import ExecutionReport, Malformed, Report
from service.fix.session import FixSession
from service.gateway.control import BreaksReply, BreakView, ControlReply, ExplainBreakRequest, Refused
from service.gateway.inputs import BreakExplained, DropCopy, DropCopySession, Noted
from service.gateway.numbers import SenderNumbers
from service.gateway.shell import Shell
from service.gateway.state import State
from service.model.reference import Instrument

log: Final = logging.getLogger(__name__)

MALFORMED: Final = "DROP_COPY_MALFORMED"


class DropCopyLink:
    """An initiator session on which the broker tells every execution a second time; it sends no request.

    Each of its execution reports is an input of the core, and so on record before anything follows from it.
    What it tells besides them is not compared: refusals of cancels are passed over, and what cannot be read
    is an alarm, for the execution in it will be missing.
    """

    def __init__(self, config: FixConfig, instruments: Mapping[str, Instrument], shell: Shell) -> None:
        self._shell = shell
        self._fix = FixSession(
            config,
            instruments=instruments,
            on_report=self._report,
            on_session=self._session,
            on_alarm=self._alarm,
            on_numbering=lambda numbering: self._numbers.numbered(numbering),
        )
        self._numbers = SenderNumbers(shell, self._fix, kept=not config.reset_on_logon, drop_copy=True)
        self._first: int | None = None

    @property
    def name(self) -> str:
        """``OURS->THEIRS``."""
        return self._fix.name

    def reserve(self) -> None:
        """Numbers for its heartbeats; they have to be on disk before ``start``."""
        self._first = self._numbers.begin()

    async def start(self) -> None:
        """Connect, and reconnect for ever.

        Raises:
            FixConfigError: If the session cannot be made as configured, or is in use.
        """
        await self._fix.start(expect_from=self._numbers.expect_from, send_from=self._first)

    async def stop(self) -> None:
        """Log out; sequence numbers stay."""
        await self._fix.stop()
        self._numbers.end()

    def check(self) -> None:
        """Call it every few milliseconds."""
        self._numbers.check()

    def _report(self, report: Report) -> None:
        if isinstance(report, ExecutionReport):
            self._shell.feed(DropCopy(report=report))
        elif isinstance(report, Malformed):
            detail = f"cl_ord_id={report.cl_ord_id} msg_type={report.msg_type} {report.reason}"
            self._shell.feed(Noted(code=MALFORMED, detail=detail, symbol=report.symbol))
        else:
            log.info("drop copy %s: %s is not compared", self.name, type(report).__name__)

    def _alarm(self, code: str, detail: str) -> None:
        self._shell.feed(Noted(code=code, detail=f"session={self.name} {detail}"))

    def _session(self, up: bool, reason: str) -> None:
        log.info("drop copy %s %s %s", self.name, "logged on" if up else "not logged on", reason)
        self._shell.feed(DropCopySession(session=self.name, up=up and not reason, detail=reason))


def breaks_reply(state: State) -> BreaksReply:
    """The breaks as people see them."""
    book = state.drop_copy
    return BreaksReply(
        session=book.session,
        up=book.up,
        breaks=tuple(
            BreakView(
                id=found.id,
                kind=found.kind.value,
                symbol=found.symbol,
                child_id=found.child_id,
                cl_ord_id=found.cl_ord_id,
                order_id=found.order_id,
                exec_id=found.exec_id,
                differs=found.differs,
                ours=str(found.ours or ""),
                theirs=str(found.theirs or ""),
                claimed=found.claim,
                ts_utc=found.utc,
            )
            for found in book.open.values()
        ),
        waiting=book.waiting,
        found=book.found,
    )


def explain_break(
    shell: Shell, request: ExplainBreakRequest, who: str, reply: Callable[[ControlReply], None]
) -> None:
    """A person, known to the kernel as ``who``, says what a break is; ``reply`` comes once it is on disk."""
    if not who:
        reply(Refused(reason="only a known user on the Unix socket may explain a break"))
    elif request.id not in shell.core.state.drop_copy.open:
        reply(Refused(reason=f"there is no open break {request.id[:20]}; see `slipstream orders breaks`"))
    elif not request.reason.strip():
        reply(Refused(reason="a break is explained with a reason"))
    else:
        shell.feed(BreakExplained(id=request.id, by=who, reason=request.reason[:500]))
        shell.when_synced(lambda _: reply(breaks_reply(shell.core.state)))
