"""Cutting the line on purpose: how a broker's cancel-on-disconnect is tested rather than believed (C28)."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from typing import Final

from service.fix.messages import FixSendError
from service.fix.session import FixSession
from service.gateway.control import ControlReply, CutRequest, LineReply, Refused
from service.gateway.inputs import LineCut
from service.gateway.shell import Shell

log: Final = logging.getLogger(__name__)

LONGEST: Final = 600.0
"""Seconds: a line that is cut for a drill comes back by itself."""


class Cutter:
    """Has the trading session's line cut when a known person wants it, and tells what came of it."""

    def __init__(self, session: FixSession) -> None:
        self._fix = session
        self._cutting: asyncio.Task[None] | None = None

    def reply(self, shell: Shell) -> LineReply:
        """How the line is, and what the broker did when it last dropped."""
        state = shell.core.state
        line = state.line
        return LineReply(
            session=self._fix.name,
            logged_on=state.logged_on,
            declared=line.declared,
            grace=line.grace / 1e9,
            lost=line.lost,
            back=line.back,
            untold=len(line.left),
            over=line.over,
            working=line.working,
        )

    def take(
        self, shell: Shell, request: CutRequest, who: str, reply: Callable[[ControlReply], None]
    ) -> None:
        """Cut the line once who wanted it, and why, is on disk; ``who`` is empty if the kernel cannot say."""
        if not who:
            reply(Refused(reason="only a known user on the Unix socket may cut the line"))
        elif not request.reason.strip():
            reply(Refused(reason="the line is cut with a reason"))
        elif not (math.isfinite(request.seconds) and 0 < request.seconds <= LONGEST):
            reply(Refused(reason=f"for more than 0 and at most {LONGEST:g} seconds, please"))
        elif not self._fix.logged_on or (self._cutting is not None and not self._cutting.done()):
            reply(Refused(reason=f"session {self._fix.name} is not logged on: there is no line to cut"))
        else:
            log.warning("%s has the line cut for %g s: %s", who, request.seconds, request.reason)
            shell.feed(LineCut(by=who, reason=request.reason[:500], seconds=request.seconds))
            self._cutting = asyncio.create_task(self._cut(shell, request.seconds, reply))

    async def _cut(self, shell: Shell, seconds: float, reply: Callable[[ControlReply], None]) -> None:
        synced = asyncio.Event()
        shell.when_synced(lambda _: synced.set())
        await synced.wait()
        reply(self.reply(shell))
        try:
            await self._fix.drop(seconds)
        except FixSendError as error:
            log.warning("the line was not cut: %s", error)

    async def stop(self) -> None:
        """Wait for a cut to end; the session has been told to stop."""
        if self._cutting is not None:
            await asyncio.gather(self._cutting, return_exceptions=True)
