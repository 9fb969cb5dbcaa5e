"""Two accounts of the same executions, and where they differ (C35): what ``dropcopy`` folds reports into.

An execution is known by its order and ExecID. It waits here from the moment at which one session has told of
it until the other one has, too; what both have told alike is forgotten but for a checksum.
"""

from __future__ import annotations

import enum
import zlib
from typing import Final, NamedTuple

import msgspec

from service.fix.messages import ExecutionReport
from service.gateway.order import Order
from service.model.time import SECOND

TOLERANCE: Final = 2 * SECOND
"""UTC that one session may be behind the other."""

REMEMBERED: Final = 200_000
"""Executions that agreed and can still be told again, by checksum; and executions that may wait."""


class BreakKind(enum.StrEnum):
    """How the two sessions differ."""

    DROP_COPY_ONLY = "drop_copy_only"
    TRADING_ONLY = "trading_only"
    DIFFERENT = "different"
    STATUS = "status"


class Told(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one session told of an execution, as far as the two must agree.

    Attributes:
        kind: ExecType: ``F`` a fill, ``G`` a correction, ``H`` a bust; the end of an order is its ExecType.
        side: FIX 54; 0 if it was not told.
        status: FIX 39.
        quantity, price: LastQty in lots, LastPx in price units; 0 where there are none.
        cum: CumQty in lots; -1 if it was not told.
        refers: ExecRefID.
    """

    kind: str
    symbol: str
    side: int
    status: str
    quantity: int
    price: int
    cum: int
    refers: str = ""

    @property
    def sum(self) -> int:
        """Checksum of what must agree; CumQty and side, which may be left out, are not in it."""
        text = f"{self.kind}|{self.symbol}|{self.status}|{self.quantity}|{self.price}|{self.refers}"
        return zlib.crc32(text.encode())

    def __str__(self) -> str:
        return (
            f"{self.kind}:{self.symbol}:side={self.side}:status={self.status}:quantity={self.quantity}"
            f":price={self.price}:cum={self.cum}"
        )


def told(report: ExecutionReport) -> Told:
    """What a report tells."""
    return Told(
        kind=report.exec_type,
        symbol=report.symbol,
        side=int(report.side) if report.side is not None else 0,
        status=report.ord_status.value,
        quantity=report.last_quantity or 0,
        price=report.last_price or 0,
        cum=report.cum_quantity if report.cum_quantity is not None else -1,
        refers=report.exec_ref_id,
    )


def difference(ours: Told, theirs: Told) -> str:
    """Names of the fields that differ, by commas; what one side leaves out differs from nothing."""
    fields = [name for name in ("kind", "symbol", "status", "quantity", "price", "refers")
              if getattr(ours, name) != getattr(theirs, name)]  # fmt: skip
    if ours.side and theirs.side and ours.side != theirs.side:
        fields.append("side")
    if ours.cum >= 0 and theirs.cum >= 0 and ours.cum != theirs.cum:
        fields.append("cum")
    return ",".join(fields)


class Waiting(NamedTuple):
    """One session has told of it and the other one has not, since ``utc``.

    Attributes:
        order: As far as it is known.
        claim: Lots that count in ``order.claimed``.
    """

    report: ExecutionReport
    order: Order | None
    utc: int
    claim: int


class Break(msgspec.Struct, frozen=True, kw_only=True):
    """A difference that has lasted longer than the tolerance; its instrument takes no new orders.

    Attributes:
        child_id: Of our order, or of the adopted one; empty if it is not known at all.
        differs: Names of the fields that differ.
        ours, theirs: What the trading session and the drop copy told; ``None`` is nothing.
        report: The drop copy's report, for whoever decides that it shall be booked.
        claim: Lots that count in ``order.claimed``.
        utc: When it was found.
    """

    id: str
    kind: BreakKind
    symbol: str
    child_id: str
    cl_ord_id: str
    order_id: str
    exec_id: str
    utc: int
    differs: str = ""
    ours: Told | None = None
    theirs: Told | None = None
    report: ExecutionReport | None = None
    order: Order | None = None
    claim: int = 0

    @property
    def key(self) -> tuple[str, str]:
        """Of the execution."""
        return self.child_id or self.cl_ord_id or self.order_id, self.exec_id

    def __str__(self) -> str:
        return (
            f"break={self.id} kind={self.kind.value} cl_ord_id={self.cl_ord_id} order_id={self.order_id}"
            f" exec_id={self.exec_id} differs={self.differs or 'all'} trading={self.ours or 'nothing'}"
            f" drop_copy={self.theirs or 'nothing'}"
        )


class DropCopyBook:
    """What is known of the drop copy session, what waits for its other half, and the open breaks.

    Attributes:
        session: Name of the drop copy session; empty if there is none to compare with.
        required: Without it nothing new is sent.
        golden: What it alone tells is booked, after the tolerance, as if the trading session had told it.
        tolerance: UTC nanoseconds.
        up, since: Whether the session is, and since when; ``was_up``: it has been, in this life;
            ``down_told``: its loss has been alarmed.
        trading_since: UTC since which the trading session is up, and has sent what was missed.
        report_seq: MsgSeqNum of the newest report of the drop copy.
        numbering: What that number counts from; empty if that is not known.
        unused_from: No MsgSeqNum of ours on that session from this one on has been used.
        ours, theirs: Executions that only the trading session, or only the drop copy, has told, oldest first.
        ends: Orders of ours that work here and are over by the drop copy: its report and when it came.
        agreed: Checksum of what both told, oldest first.
        open: Breaks by id.
    """

    def __init__(self) -> None:
        self.session = ""
        self.required = self.golden = False
        self.tolerance = TOLERANCE
        self.up = self.was_up = self.down_told = False
        self.since = self.trading_since = 0
        self.report_seq = self.unused_from = 0
        self.numbering = ""
        self.ours: dict[tuple[str, str], Waiting] = {}
        self.theirs: dict[tuple[str, str], Waiting] = {}
        self.ends: dict[str, tuple[ExecutionReport, int]] = {}
        self.agreed: dict[tuple[str, str], int] = {}
        self.open: dict[str, Break] = {}
        self.by_key: dict[tuple[str, str], str] = {}
        self._last = 0

    def configure(self, session: str, *, tolerance: int, required: bool, golden: bool, utc: int) -> None:
        """A life of the gateway begins: the session is not up yet. Breaks and what waits are as they were."""
        self.session, self.tolerance, self.required, self.golden = session, tolerance, required, golden
        self.up = self.was_up = self.down_told = False
        self.since = utc

    @property
    def enabled(self) -> bool:
        """There is a drop copy to compare with."""
        return self.session != ""

    @property
    def lets_trade(self) -> bool:
        """New orders may be sent as far as the drop copy goes."""
        return self.up or not (self.enabled and self.required)

    @property
    def waiting(self) -> int:
        """Executions, and ends of orders, that only one session has told of and that are no break yet."""
        return len(self.ours) + len(self.theirs) + len(self.ends)

    @property
    def found(self) -> int:
        """Breaks since the journal began."""
        return self._last

    def next_id(self) -> str:
        """An id never used before."""
        self._last += 1
        return f"B{self._last}"

    def agree(self, key: tuple[str, str], checksum: int) -> None:
        """Both have told it, or a person has said which is right: remember that, and no more."""
        agreed = self.agreed
        agreed[key] = checksum
        if len(agreed) > REMEMBERED:
            del agreed[next(iter(agreed))]
