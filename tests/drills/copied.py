"""The broker's drop copy: every execution told a second time, on a session with faults of its own.

The line keeps what each session has told of each execution, so that at rest every difference between them
must be a break of the gateway's, and nothing else may be.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from service.fix.messages import ExecutionReport
from service.gateway.inputs import BreakExplained, DropCopy, DropCopySession
from service.model.time import SECOND
from tests.drills.broker import SOH, BookOrder
from tests.drills.invariants import Violation

if TYPE_CHECKING:
    from tests.drills.world import World

SESSION = "COPY->THEIRS"
NUMBERING = "1"
"""Its numbers never begin anew."""
EXECUTIONS = ("F", "G", "H")

Told = tuple[str, int, int]
"""ExecType, LastQty, LastPx; zeros where there are none."""


class CopyLine:
    """The second session, and what both have told.

    Attributes:
        said: What the broker's desks wrote and this session has not numbered yet.
        store: Everything numbered, by MsgSeqNum - 1; ``taken`` of it our engine has.
        trading, copied: What the gateway was told first of each execution, by ExecID.
        unsure: Executions told twice in different words, told by the desk, explained by a person, or
            told to a gateway that died without a record of them.
    """

    def __init__(self, *, enabled: bool) -> None:
        self.enabled = enabled
        self.up = self.synced = False
        self.said: list[str] = []
        self.store: list[str] = []
        self.taken = 0
        self.expected = 1
        self.trading: dict[str, Told] = {}
        self.copied: dict[str, Told] = {}
        self.unsure: set[str] = set()
        self._again = 0

    @property
    def waiting(self) -> int:
        return len(self.store) - self.taken

    def begin(self, expect_from: int | None) -> None:
        """A life of the gateway begins, and asks for all from here on again."""
        self.up = self.synced = False
        self.expected = min(self.taken + 1, expect_from or self.taken + 1)

    def forgotten(self, texts: list[str]) -> None:
        """The gateway that was told these is dead, and its successor does not know of them."""
        for text in texts:
            fields = dict(item.split("=", 1) for item in text.split(SOH) if item)
            self.unsure.add(fields.get("17", ""))

    def connect(self) -> None:
        self.up, self.synced = True, False
        self.taken = self.expected - 1
        self._again = len(self.store)

    def take(self) -> str:
        body = self.store[self.taken]
        self.taken += 1
        self.expected = self.taken + 1
        again = f"43=Y{SOH}" if self.taken <= self._again else ""
        return f"8=FIX.4.4{SOH}34={self.taken}{SOH}{again}797=Y{SOH}{body}10=000{SOH}"

    def heard(self, told: dict[str, Told], report: ExecutionReport, order: BookOrder | None) -> None:
        """A session has told the gateway of an execution.

        The desk's word when somebody calls (PossResend) has the OrdStatus of then, so it may well differ. An
        execution that is corrected or busted may be set right by that on both sessions.
        """
        if report.poss_resend:
            self.unsure.add(report.exec_id)
        if report.exec_ref_id:
            self.unsure |= {report.exec_ref_id, order.root(report.exec_ref_id) if order is not None else ""}
        words = (report.exec_type, report.last_quantity or 0, report.last_price or 0)
        if told.setdefault(report.exec_id, words) != words:
            self.unsure.add(report.exec_id)


# What may happen


def number(world: World) -> None:
    """The session takes up what was said: once, twice, falsely, never."""
    line, rng = world.copy, world.rng
    if not line.said:
        return
    text = line.said.pop(0)
    odd = rng.random()
    if odd < 0.01:
        _note(world, text, "omits")
    elif odd < 0.03 and f"{SOH}32=" in text:
        _note(world, text, "alters")
        line.store.append(_altered(text, rng.choice((32, 31))))
    else:
        line.store += [text] * (2 if odd > 0.97 else 1)


def _note(world: World, text: str, what: str) -> None:
    fields = dict(item.split("=", 1) for item in text.split(SOH) if item)
    world.note("the drop copy", what, fields["17"], fields["37"], fields["150"])


def _altered(text: str, tag: int) -> str:
    """Three lots, or three cents, more."""

    def more(found: re.Match[str]) -> str:
        value = found[2]
        changed = str(int(value) + 3) if tag == 32 else f"{float(value) + 0.03:.4f}"
        return f"{found[1]}{changed}{SOH}"

    return re.sub(rf"({SOH}{tag}=)([^{SOH}]*){SOH}", more, text)


def take(world: World) -> None:
    """Our engine takes the next one."""
    line = world.copy
    if not line.up or not line.waiting:
        return
    text = line.take()
    report = world.gateway.parse(text)
    assert isinstance(report, ExecutionReport)
    world.note("drop copy", text.replace(SOH, "|"))
    if report.exec_type in EXECUTIONS:
        line.heard(line.copied, report, world.broker.orders.get(report.order_id))
    world.touch(report.order_id)
    world.gateway.shell.feed(DropCopy(report=report))
    level(world)


def level(world: World) -> None:
    """The session is up once nothing that was missed is still to come."""
    line = world.copy
    if line.up and not line.synced and not line.waiting:
        line.synced = True
        world.gateway.shell.feed(DropCopySession(session=SESSION, up=True))


def connect(world: World) -> None:
    line = world.copy
    if line.enabled and not line.up:
        world.note("the drop copy connects")
        line.connect()
        world.gateway.copy_store.numbering = NUMBERING
        world.gateway.copy_numbers.numbered(NUMBERING)
        level(world)


def disconnect(world: World) -> None:
    line = world.copy
    if line.up:
        world.note("the drop copy is gone")
        line.up = line.synced = False
        world.gateway.shell.feed(DropCopySession(session=SESSION, up=False, detail="drill"))


def explain(world: World) -> None:
    """A person has looked at a break."""
    found = list(world.gateway.core.state.drop_copy.open.values())
    if found:
        one = world.rng.choice(found)
        world.note("explains", one.id, one.exec_id)
        world.copy.unsure.add(one.exec_id)
        world.gateway.shell.feed(BreakExplained(id=one.id, by="carol", reason="drill"))


def several(work: Callable[[World], None]) -> Callable[[World], None]:
    """A few at once."""

    def some(world: World) -> None:
        for _ in range(world.rng.randint(1, 4)):
            work(world)

    return some


ACTS: tuple[tuple[Callable[[Any], None], float], ...] = (
    (several(number), 20.0),
    (several(take), 20.0),
    (connect, 8.0),
    (disconnect, 0.2),
    (explain, 1.0),
)

# What must hold


def everything_is_told(world: World) -> None:
    """Both sessions have told all that they ever will by themselves: what differs now is a break."""
    line = world.line
    if not world.copy.enabled:
        return
    if not line.up:
        world.connect()
    line.said += line.late
    line.late.clear()
    while line.said:
        line.number(0)
    while line.waiting:
        world.take()
    settle(world)
    world.settle_turn()
    world.utc += PATIENCE
    world.gateway.shell.tick()
    world.settle_turn()
    check(world)


def settle(world: World) -> None:
    """Everything that was said is told."""
    line = world.copy
    if not line.enabled:
        return
    connect(world)
    line.store += line.said
    line.said.clear()
    while line.waiting:
        take(world)
    level(world)


def check(world: World) -> None:
    """At rest: every difference between the sessions is a break, and nothing else is one."""
    line, book = world.copy, world.gateway.core.state.drop_copy
    if not line.enabled:
        return
    if book.ours or book.theirs or book.ends:
        raise Violation(f"drop copy: {len(book.ours)} {len(book.theirs)} {len(book.ends)} wait for ever")
    broken = {found.exec_id for found in book.open.values()}
    for exec_id in line.trading.keys() | line.copied.keys():
        if exec_id in line.unsure:
            continue
        ours, theirs = line.trading.get(exec_id), line.copied.get(exec_id)
        if (ours != theirs) != (exec_id in broken):
            raise Violation(
                f"drop copy: {exec_id} was told as {ours} and {theirs}, and is "
                f"{'a' if exec_id in broken else 'no'} break"
            )


PATIENCE = 3 * SECOND
"""More than the gateway's tolerance."""
