"""The gateway's numbered inputs: what the core is fed, and so what the journal holds.

Parent commands, children's intents, market facts, the broker's reports and the messages below, each with
``Now``. Ledger, exposure, parents and kills are a fold over them.
"""

from __future__ import annotations

from typing import Final

from service.fix.messages import (
    BusinessReject,
    ExecutionReport,
    Malformed,
    OrderCancelReject,
    OrderMassCancelReport,
    SessionReject,
)
from service.model.codec import Decoder
from service.model.market import FeedHeartbeat, ReferenceSnapshot
from service.model.message import Message
from service.model.orders import (
    AmendParent,
    CancelChild,
    CancelParent,
    NewParent,
    OrdStatus,
    PauseParent,
    ReplaceChild,
    ResumeParent,
    Side,
    SubmitChild,
)
from service.model.time import SECOND, SessionClock

RULES: Final = 4
"""Newest rule of the fold (``Started.rules``).

1: A report that carries the OrderID (37) of another live order of ours is of neither.
2: No parent is named like an order that nobody here sent.
3: An order may go by the ClOrdID of a replace that was taken for lost; an order that is full keeps its
   pending replace; a restatement changes the version whose ClOrdID it tells, and none if that was replaced
   since; a correction of what was never told counts only if the broker's sum has room for it.
4: Of an order that is full no longer, as much may work as its pending replace asks for.
"""


class Started(Message, frozen=True, kw_only=True, tag="started"):
    """A gateway began to run on this journal. What it was configured with holds until the next one.

    Attributes:
        reference, limits: Texts of the two files, so that the journal explains itself for ever.
        on_runner_loss: ``leave``, ``pause`` or ``cancel`` (C29).
        max_command_age: A new parent older than this is refused, nanoseconds of UTC.
        order_status: What the broker can be asked about orders: ``mass``, ``single`` or ``none``.
        mass_cancel: It takes OrderMassCancelRequest.
        drop_copy: Name of the drop copy session; empty if there is none.
        drop_copy_tolerance: UTC nanoseconds that one session may be behind the other.
        drop_copy_required: Nothing new is sent while the drop copy session is down.
        drop_copy_golden: What it alone tells is booked after the tolerance.
        cancel_on_disconnect: What the broker is declared to do with our orders when the line drops (C28):
            ``broker`` cancels them, or ``none``; empty in journals from before.
        cancel_on_disconnect_grace: Nanoseconds of UTC that it gives us to come back before that.
        parent_limits: Parents are held to limits of their own; they were not in journals from before.
        rules: Newest of the ``RULES`` that this life goes by, now and in every replay.
    """

    reference: str
    limits: str
    on_runner_loss: str
    max_command_age: int
    order_status: str = "single"
    mass_cancel: bool = False
    drop_copy: str = ""
    drop_copy_tolerance: int = 2 * SECOND
    drop_copy_required: bool = False
    drop_copy_golden: bool = False
    cancel_on_disconnect: str = ""
    cancel_on_disconnect_grace: int = 0
    parent_limits: bool = False
    rules: int = 0


class ParentInput(Message, frozen=True, kw_only=True, tag="parent_input"):
    """A record of ``parents.v1``; a restart reads on behind the newest ``offset`` of each partition."""

    partition: int
    offset: int
    command: NewParent | AmendParent | PauseParent | ResumeParent | CancelParent


class Intent(Message, frozen=True, kw_only=True, tag="intent"):
    """A runner's wish for a child order.

    Attributes:
        reference, heartbeat: What the market is known to be by now, where it is news: the gate goes by it.
    """

    runner: str
    command: SubmitChild | CancelChild | ReplaceChild
    reference: ReferenceSnapshot | None = None
    heartbeat: FeedHeartbeat | None = None


class Sent(Message, frozen=True, kw_only=True, tag="sent"):
    """A request was handed to FIX. UTC nanoseconds; ``journalled`` is 0 where nothing waited for the disk."""

    cl_ord_id: str
    gated: int
    journalled: int
    sent: int


class Unsent(Message, frozen=True, kw_only=True, tag="unsent"):
    """A request was not handed to FIX and never will be: a definite end, not an unknown one."""

    cl_ord_id: str
    reason: str


class SessionInput(Message, frozen=True, kw_only=True, tag="session"):
    """The FIX session logged on or off.

    Attributes:
        reachable: Cancels and questions get through: true also while a fault keeps orders back.
    """

    session: str
    logged_on: bool
    reachable: bool
    detail: str = ""


class RunnerLost(Message, frozen=True, kw_only=True, tag="runner_lost"):
    """No heartbeat of this runner for the allowed time (C29)."""

    runner: str


class KillInput(Message, frozen=True, kw_only=True, tag="kill"):
    """A person, or the gateway itself, engaged a kill (C23). ``via``: ``socket``, ``signal``, ``file``."""

    scope: str
    by: str
    reason: str
    via: str = ""


class ReleaseInput(Message, frozen=True, kw_only=True, tag="release"):
    """One person lifted a kill: in journals from before it took two (``Proposed``, ``Approval``)."""

    scope: str
    by: str
    reason: str


class ReconcileInput(Message, frozen=True, kw_only=True, tag="reconcile"):
    """A person wants every live order compared with the broker's book."""

    by: str
    reason: str


class ExplainInput(Message, frozen=True, kw_only=True, tag="explain"):
    """What a person was told by the broker, outside the session, about one order.

    Attributes:
        cum_quantity: CumQty, lots.
        price: Price units, of the lots that we hold no execution of; 0 books none.
        side: Of an adopted order whose side was never told; else of no consequence.
    """

    child_id: str
    status: OrdStatus
    cum_quantity: int
    by: str
    reason: str
    price: int = 0
    side: Side | None = None


class DropCopy(Message, frozen=True, kw_only=True, tag="drop_copy"):
    """An execution report that came on the drop copy session (C35). It books nothing."""

    report: ExecutionReport


class DropCopySession(Message, frozen=True, kw_only=True, tag="drop_copy_session"):
    """The drop copy session came up, and has told what was missed, or went down."""

    session: str
    up: bool
    detail: str = ""


class LineCut(Message, frozen=True, kw_only=True, tag="line_cut"):
    """A person has the line to the broker cut for ``seconds``, to see what becomes of orders (C28)."""

    by: str
    reason: str
    seconds: float


class BreakExplained(Message, frozen=True, kw_only=True, tag="break_explained"):
    """A named person says what a break is; ``book``: two people want booked what the drop copy tells."""

    id: str
    by: str
    reason: str
    book: bool = False


class Reserved(Message, frozen=True, kw_only=True, tag="reserved"):
    """No MsgSeqNum of ours from ``unused_from`` on has been used; those below may have been.

    ``drop_copy``: on that session, not on the one that trades.
    """

    unused_from: int
    drop_copy: bool = False


class Numbered(Message, frozen=True, kw_only=True, tag="numbered"):
    """The counterparty's MsgSeqNums count from ``numbering`` now: what older numbers stood for is gone.

    ``drop_copy``: on that session, not on the one that trades.
    """

    numbering: str
    drop_copy: bool = False


class Noted(Message, frozen=True, kw_only=True, tag="noted"):
    """The shell saw something that a person must look at: it goes on record as an alarm."""

    code: str
    detail: str
    symbol: str = ""


class ClockInput(Message, frozen=True, kw_only=True, tag="clock_trouble"):
    """What is wrong with a clock, from now on (C47).

    Attributes:
        trouble: Words with commas between; empty if nothing is wrong any more.
        blocks: New orders are denied meanwhile.
        detail: Figures, ``key=value``.
    """

    trouble: str
    blocks: bool
    detail: str = ""


class ArmInput(Message, frozen=True, kw_only=True, tag="arm"):
    """A named person lets what has stopped itself trade again (C8, C22). ``scope``: ``LEVEL=NAME``."""

    scope: str
    by: str
    reason: str


class Proposed(Message, frozen=True, kw_only=True, tag="proposed"):
    """A person, verified, proposes what takes two (C27, C43).

    Attributes:
        action: ``release``, ``limits`` or ``arm``.
        target: Scope of the kill, version of the new limits (``text``: theirs), or what to arm.
        station: Where the person is: the operating-system user, as the kernel has it, and the process where
            users are not told apart.
    """

    action: str
    target: str
    by: str
    station: str
    reason: str
    text: str = ""


class Approval(Message, frozen=True, kw_only=True, tag="approval"):
    """A person, verified, approves a proposal; ``action`` and ``target`` are what they were shown."""

    proposal: str
    action: str
    target: str
    by: str
    station: str
    reason: str


class Dismissed(Message, frozen=True, kw_only=True, tag="dismissed"):
    """A person says no to one order that a soft limit holds (C20, C21)."""

    child_id: str
    by: str
    reason: str


class Unauthorised(Message, frozen=True, kw_only=True, tag="unauthorised"):
    """Somebody who was not verified as ``by``, or may not do this, tried to."""

    action: str
    target: str
    by: str
    station: str
    why: str


class Tick(Message, frozen=True, kw_only=True, tag="tick"):
    """Something has come due by the clock: a window's end, a retry."""


Input = (
    Started
    | ParentInput
    | Intent
    | ReferenceSnapshot
    | SessionClock
    | FeedHeartbeat
    | ExecutionReport
    | OrderCancelReject
    | OrderMassCancelReport
    | BusinessReject
    | SessionReject
    | Malformed
    | Sent
    | Unsent
    | SessionInput
    | RunnerLost
    | KillInput
    | ReleaseInput
    | ClockInput
    | ArmInput
    | ReconcileInput
    | ExplainInput
    | DropCopy
    | DropCopySession
    | BreakExplained
    | LineCut
    | Reserved
    | Numbered
    | Noted
    | Proposed
    | Approval
    | Unauthorised
    | Dismissed
    | Tick
)


class Frame(Message, frozen=True, kw_only=True, tag="frame"):
    """One numbered input as the journal holds it.

    Attributes:
        seq: 1, 2, 3 ... over the journal's whole life.
        market, utc: The ``Now`` that the core was handed.
        outcome: Of an intent, and of the approval of a blocked order, what the gate said then: ``approved``
            or the denial's code. Recovery goes by this, so that a newer gate cannot make the ledger forget an
            order that was sent.
        ids: Numbers of the ClOrdIDs that it gave, by what for; ``None`` in journals from before they were
            kept. Recovery goes by these too (``Identifiers``).
    """

    seq: int
    market: int
    utc: int
    body: Input
    outcome: str = ""
    ids: dict[str, int] | None = None


decode_frame: Final = Decoder[Frame](Frame, "journal frame")
