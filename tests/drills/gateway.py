"""The real gateway, with hand-driven ends: a journal whose disk is slow or dies, a wire, a record, a fuse.

``Shell``, ``Core``, ``Recovery``, the journal's bytes, the FIX encoder and parser are the real ones. The
fuse burns at every touch of the outside world, so that a kill falls between any two effects of one input.
"""

from __future__ import annotations

import logging
import os
import queue
import random
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from service.fix.dialect import STRICT
from service.fix.encode import Encoder
from service.fix.messages import FixSendError, Malformed, NewOrderSingle, OrderCancelReplaceRequest
from service.fix.parse import Parser
from service.gateway import journal as journal_module
from service.gateway import state as state_module
from service.gateway.core import Core
from service.gateway.inputs import RULES, Started
from service.gateway.journal import Journal, open_journal
from service.gateway.numbers import SenderNumbers
from service.gateway.shell import Recovery, Shell
from service.model.reference import parse_reference
from service.model.time import SECOND
from tests.unit.gateway.driver import LIMITS, REFERENCE

INSTRUMENTS = parse_reference(REFERENCE, "drill").by_symbol
SESSION = "OURS->THEIRS"
SOH = "\x01"


HEAD = 16
"""Bytes of a journal before its first frame."""


class Killed(BaseException):
    """kill -9: nothing catches it, nothing runs after it."""


PLACES = (
    "input applied, not journalled",
    "input journalled, not written",
    "written, not synced",
    "synced, not told",
    "about to send",
    "sent, not yet on record",
    "between two events on record",
    "between two events to runners",
)


class Fuse:
    """Kills at a touch of the outside world, the nth one of ``place`` or of any; out while ``left`` is 0."""

    def __init__(self) -> None:
        self.left = 0
        self.place = ""

    def light(self, left: int, place: str = "") -> None:
        self.left, self.place = left, place

    def touch(self, place: str) -> None:
        if self.left and self.place in ("", place):
            self.left -= 1
            if not self.left:
                raise Killed(place)


class SteppedJournal(Journal):
    """The journal, with its turn of the loop and its disk moved by hand."""

    def __init__(self, opened: Journal, fuse: Fuse) -> None:
        super().__init__(opened.path, opened._fd, opened.end)
        self._fuse = fuse

    def bind(self, on_synced: Callable[[int], None], on_failed: Callable[[str], None]) -> None:
        self._on_synced, self._on_failed = on_synced, on_failed

    def append(self, payload: bytes, *, sync: bool) -> int:
        self._fuse.touch("input applied, not journalled")
        position = super().append(payload, sync=sync)
        self._fuse.touch("input journalled, not written")
        return position

    def turn(self) -> None:
        """The loop's turn is over: what was appended is written into the page cache."""
        if self._buffer or self._wants_sync:
            self._flush()
            self._fuse.touch("written, not synced")

    def disk(self) -> None:
        """The disk has done what it was asked for."""
        end = 0
        while True:
            try:
                end = self._queue.get_nowait() or end
            except queue.Empty:
                break
        if end and not self.failed:
            self._fuse.touch("synced, not told")
            self._done(end)

    def fail(self, reason: str) -> None:
        """The disk is full."""
        self._fail(reason)

    @property
    def written(self) -> int:
        return self._written

    def die(self) -> None:
        """The kernel closes the file of a process that was killed."""
        os.close(self._fd)


class Wire:
    """Our end of the FIX session: what is sent goes, as text, to ``to_broker``."""

    def __init__(self, fuse: Fuse, utc: Callable[[], int], carry: Callable[[Any, str], None]) -> None:
        self.logged_on = False
        self.fault = ""
        self.refuse_orders = 0
        self.unanswered: set[str] = set()
        self._fuse = fuse
        self._utc = utc
        self._carry = carry
        self._encode = Encoder(timestamp_digits=6, order_capacity="A")

    def send(self, request: Any) -> int:
        self._fuse.touch("about to send")
        raw = self._encode(request)
        if not self.logged_on:
            raise FixSendError(f"session {SESSION} is not logged on")
        if type(request) is NewOrderSingle or type(request) is OrderCancelReplaceRequest:
            if self.fault:
                raise FixSendError(f"session {SESSION} takes no orders: {self.fault}")
            if self.refuse_orders:
                self.refuse_orders -= 1
                raise FixSendError(f"session {SESSION}: too many orders are unanswered")
            self.unanswered.add(request.cl_ord_id)
        self._carry(request, raw)
        self._fuse.touch("sent, not yet on record")
        return self._utc()


class Store:
    """What the FIX engine's store holds and ``SenderNumbers`` looks at; it outlives the gateway.

    Attributes:
        numbering: What the counterparty's numbers count from; empty before the first logon.
    """

    numbering = ""
    expected = (0, 0)
    ended_at = 0


class Record:
    """Where the record goes."""

    pending = 0

    def __init__(self, fuse: Fuse) -> None:
        self._fuse = fuse

    def send_encoded(self, topic: str, key: bytes | None, value: bytes) -> None:
        self._fuse.touch("between two events on record")


class Gateway:
    """One machine with one gateway on it, which is killed and started again.

    Args:
        carry: Takes every request that is handed to FIX, and its text.
    """

    def __init__(
        self, path: Path, rng: random.Random, utc: Callable[[], int], carry: Callable[[Any, str], None]
    ) -> None:
        self.path = path
        self.fuse = Fuse()
        self.alive = False
        self.parse = Parser(INSTRUMENTS, STRICT, lambda _: "")
        self.core = Core()
        self._rng = rng
        self._utc = utc
        self._carry = carry
        self.wire = Wire(self.fuse, utc, carry)
        self.store, self.copy_store = Store(), Store()
        self._folded = 0
        self._again = self.core
        self._fold = Recovery(self._again)
        self.configure()

    def configure(
        self, *, order_status: str = "single", mass_cancel: bool = False, drop_copy: str = ""
    ) -> None:
        """What the next life is told about the broker: how it can be asked, what it takes."""
        self.started = Started(
            reference=REFERENCE,
            limits=LIMITS,
            on_runner_loss="cancel",
            max_command_age=600 * SECOND,
            order_status=order_status,
            mass_cancel=mass_cancel,
            drop_copy=drop_copy,
            parent_limits=True,
            rules=RULES,
        )

    def start(self) -> None:
        """Recover from what the disk holds, and begin a life. The session is not up yet."""
        core = Core()
        fold = Recovery(core)
        journal = SteppedJournal(open_journal(self.path, fold.take), self.fuse)
        self.core, self.journal = core, journal
        self.wire = Wire(self.fuse, self._utc, self._carry)
        self.shell = Shell(
            core, journal, self.wire, Record(self.fuse), self._tell, seq=fold.seq, utc=self._utc
        )
        journal.bind(self.shell.on_synced, self.shell.on_journal_failed)
        self.alive = True
        self.shell.feed(self.started)
        self.numbers = SenderNumbers(self.shell, self.store, kept=True)  # type: ignore[arg-type]
        self.copy_numbers = SenderNumbers(self.shell, self.copy_store, kept=True, drop_copy=True)  # type: ignore[arg-type]
        self.numbers.begin()
        if self.started.drop_copy:
            self.copy_numbers.begin()
        journal.turn()
        journal.disk()

    def _tell(self, payload: bytes) -> None:
        self.fuse.touch("between two events to runners")

    def refold(self) -> Core:
        """A core made of the journal's written bytes, as a restart would make it.

        It goes on from where it was at the last call, unless what it has folded was cut off since. What a
        life folds at its start is folded from the first input on.
        """
        if not self._folded:
            self._folded, self._again = HEAD, Core()
            self._fold = Recovery(self._again)
        shadow = self.path.with_suffix(".shadow")
        with self.path.open("rb") as source:
            head = source.read(HEAD)
            source.seek(self._folded)
            shadow.write_bytes(head + source.read(self.journal.written - self._folded))
        opened = open_journal(shadow, self._fold.take)
        os.close(opened._fd)
        shadow.unlink()
        self._folded = self.journal.written
        return self._again

    def die(self, *, power: bool) -> None:
        """kill -9, or the machine's power: then only what was synced is sure to be there."""
        journal, self.alive = self.journal, False
        self.fuse.light(0)
        journal.die()
        if power:
            self._cut(journal.synced, journal.written)

    def _cut(self, synced: int, written: int) -> None:
        """Behind the last synced byte anything may be there: nothing, a part, or later pages only."""
        rng, tail = self._rng, written - synced
        keep = synced
        hole = 0
        fd = os.open(self.path, os.O_RDWR)
        if tail and rng.random() < 0.5:
            keep += rng.randrange(tail)
            if keep > synced and rng.random() < 0.5:
                hole = synced + rng.randrange(keep - synced)
                os.pwrite(fd, bytes(min(512, keep - hole)), hole)
        os.ftruncate(fd, keep)
        os.close(fd)
        if min(keep, hole or keep) < self._folded:
            self._folded = 0

    def lost(self, request: Any) -> None:
        """The broker asked for a request again; it is never sent again (what ``FixSession`` says then)."""
        cl_ord_id = request.cl_ord_id
        if cl_ord_id in self.wire.unanswered:
            reason = f"the counterparty asked for {cl_ord_id} again: whether it was processed is unknown"
            self.shell.report(Malformed(raw="", reason=reason, cl_ord_id=cl_ord_id))


def prepare() -> None:
    """Thousands of lives in one process: their logs, their two files and their disk space are kept small."""
    for name in ("service.gateway.shell", "service.gateway.journal"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    for name in ("parse_reference", "parse_limits"):
        parse = getattr(state_module, name)
        if not hasattr(parse, "cache_info"):
            setattr(state_module, name, lru_cache(maxsize=4)(parse))
    vars(journal_module)["_GROW"] = 1 << 18
