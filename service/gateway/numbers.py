"""Our MsgSeqNums after a power cut: the engine's store may be behind, so the journal reserves blocks.

The engine writes its store without syncing it, and heartbeats use numbers that no input of ours holds. So
numbers are reserved in blocks, on disk before the first of a block is used. A gateway that was not stopped in
good order goes on above the block: the counterparty sees a gap, asks, and is told that nothing in it is sent
again. A number that is too low would end the session for good.
"""

from __future__ import annotations

from typing import Final

from service.fix.session import FixSession
from service.gateway.breaks import DropCopyBook
from service.gateway.inputs import Numbered, Reserved
from service.gateway.shell import Shell
from service.gateway.state import State

BLOCK: Final = 50_000
"""Numbers reserved at a time: more than the session can send between two looks at them."""
NOT_BEGUN: Final = "not begun"
"""What is on record before the first logon of all: whatever is taken from then on may be asked for again."""


class SenderNumbers:
    """Keeps the journal ahead of the numbers that one session uses.

    Args:
        kept: False if the session's numbers start anew at every logon.
        drop_copy: It is the drop copy session.
    """

    def __init__(self, shell: Shell, session: FixSession, *, kept: bool, drop_copy: bool = False) -> None:
        self._shell = shell
        self._session = session
        self._kept = kept
        self._drop_copy = drop_copy

    @property
    def _held(self) -> State | DropCopyBook:
        """What is on record."""
        state = self._shell.core.state
        return state.drop_copy if self._drop_copy else state

    def _reserve(self, unused_from: int) -> None:
        self._shell.feed(Reserved(unused_from=unused_from, drop_copy=self._drop_copy))

    @property
    def expect_from(self) -> int | None:
        """MsgSeqNum after the counterparty's last that is on record; ``None`` if there is nothing to go by.

        Have its numbers begun anew since, and nothing of that is on record, then everything from 1 on.
        """
        held, numbering = self._held, self._session.numbering
        if not self._kept:
            return None
        recorded = "" if held.numbering == NOT_BEGUN and not numbering else held.numbering
        if recorded and recorded != numbering:
            return 1
        return held.report_seq + 1 if held.report_seq or recorded else None

    def numbered(self, numbering: str) -> None:
        """The session is up, and its numbers count from this."""
        if self._kept and numbering != self._held.numbering:
            self._shell.feed(Numbered(numbering=numbering, drop_copy=self._drop_copy))

    def begin(self) -> int | None:
        """Reserve a block, and say so if no number was ever used; on disk, that is enough to connect.

        Returns:
            The number to go on from where the store is behind it; ``None`` if there is nothing to go by.
        """
        held = self._held
        if not self._kept:
            return None
        if not (held.numbering or held.report_seq or self._session.numbering):
            self._shell.feed(Numbered(numbering=NOT_BEGUN, drop_copy=self._drop_copy))
        free = held.unused_from
        self._reserve(max(1, free) + BLOCK)
        return free or None

    def check(self) -> None:
        """Reserve the next block in time. Call it every few milliseconds."""
        following = self._session.expected[0]
        if self._kept and following + BLOCK // 2 > self._held.unused_from:
            self._reserve(following + BLOCK)
            self._shell.journal.sync()

    def end(self) -> None:
        """The session has ended in good order: give back what was not used."""
        if self._kept and self._session.ended_at:
            self._reserve(self._session.ended_at)
