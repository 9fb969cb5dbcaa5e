"""What a person's tool and the gateway say to each other on the control socket."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from service.model.codec import Decoder
from service.model.events import ChildSnapshot, ParentSnapshot
from service.model.message import Message
from service.model.orders import OrdStatus, Side, SubmitChild


class Kill(Message, frozen=True, kw_only=True, tag="kill_request"):
    """Cancel everything in ``scope`` and send nothing new (C23): ``all``, or ``KEY=NAME`` (C25).

    Attributes:
        reduce_only: Except what only makes holdings smaller, where the limits allow that (C26).
    """

    scope: str = "all"
    reason: str = ""
    reduce_only: bool = False


class Credentials(Message, frozen=True, kw_only=True, tag="credentials"):
    """Who somebody says they are, and the secret that shows it, or a proof of it. Never printed.

    Attributes:
        number: From ``Challenge``; with it ``proof`` counts and the secret stays with the person.
        proof: Ed25519 over the request, in base64 (``service.gateway.proofs``).
    """

    person: str
    secret: str = ""
    number: str = ""
    proof: str = ""

    def __repr__(self) -> str:
        return f"Credentials(person={self.person!r})"


class Propose(Message, frozen=True, kw_only=True, tag="propose_request"):
    """One person proposes what takes two (C27, C43).

    Attributes:
        action: ``release``, ``limits`` or ``arm``.
        target: Exactly the scope of the kill or of what to arm; of limits nothing, their version is computed.
        text: Of the new limits file.
    """

    action: str
    who: Credentials
    reason: str
    target: str = ""
    text: str = ""


class Approve(Message, frozen=True, kw_only=True, tag="approve_request"):
    """Another person approves it; ``action`` and ``target`` are what they have seen."""

    proposal: str
    action: str
    target: str
    who: Credentials
    reason: str = ""


class ChallengeRequest(Message, frozen=True, kw_only=True, tag="challenge_request"):
    """A number for one proof of this person."""

    person: str


class Challenge(Message, frozen=True, kw_only=True, tag="challenge"):
    """What a page needs to make one proof; the same for somebody who is not in the file of people.

    Attributes:
        salt: Base64; with ``rounds`` of PBKDF2-HMAC-SHA256 it makes the person's key of their secret.
    """

    number: str
    salt: str
    rounds: int


class LimitsRequest(Message, frozen=True, kw_only=True, tag="limits_request"):
    """Text of the limits in force, or of a proposal."""

    proposal: str = ""


class StatusRequest(Message, frozen=True, kw_only=True, tag="status_request"):
    """How is it going?

    Attributes:
        brief: Leave out the orders that work, and say how many they are: for whoever asks often.
    """

    brief: bool = False


class ParentsRequest(Message, frozen=True, kw_only=True, tag="parents_request"):
    """All parents; ``closed`` ones too."""

    closed: bool = False


class OrdersRequest(Message, frozen=True, kw_only=True, tag="orders_request"):
    """All live orders."""


class ReconcileRequest(Message, frozen=True, kw_only=True, tag="reconcile_request"):
    """Compare every live order with the broker's book now."""

    reason: str = ""


class ExplainRequest(Message, frozen=True, kw_only=True, tag="explain_request"):
    """What the broker told a person about one order, outside the session.

    Attributes:
        cum_quantity: CumQty, lots.
        price: Price units, of the lots that the gateway holds no execution of; 0 books none.
        side: Where the broker never told it.
    """

    child_id: str
    status: OrdStatus
    cum_quantity: int
    price: int = 0
    reason: str = ""
    side: Side | None = None


class BreaksRequest(Message, frozen=True, kw_only=True, tag="breaks_request"):
    """Where do the trading session and the drop copy differ (C35)?"""


class ExplainBreakRequest(Message, frozen=True, kw_only=True, tag="explain_break_request"):
    """What a break is: it is over, and nothing is booked."""

    id: str
    reason: str


class BreakView(Message, frozen=True, kw_only=True, tag="break_view"):
    """One break.

    Attributes:
        kind: ``drop_copy_only``, ``trading_only``, ``different`` or ``status``.
        differs: Names of the fields that differ, by commas; empty where one session told nothing.
        ours, theirs: What the trading session and the drop copy told; empty for nothing.
        claimed: Lots that count as working because of it.
        ts_utc: When it was found.
    """

    id: str
    kind: str
    symbol: str
    child_id: str
    cl_ord_id: str
    order_id: str
    exec_id: str
    differs: str
    ours: str
    theirs: str
    claimed: int
    ts_utc: int


class BreaksReply(Message, frozen=True, kw_only=True, tag="breaks_reply"):
    """The open breaks, and the state of the drop copy session; ``session`` is empty if there is none.

    Attributes:
        waiting: Executions that one session has told and the other may still tell in time.
        found: Breaks since the journal began.
    """

    session: str
    up: bool
    breaks: tuple[BreakView, ...]
    waiting: int
    found: int


class BlockedRequest(Message, frozen=True, kw_only=True, tag="blocked_request"):
    """Which orders does a soft limit hold (C20)?"""


class DismissRequest(Message, frozen=True, kw_only=True, tag="dismiss_request"):
    """Say no to one order that a soft limit holds. There is no request about several (C21)."""

    child_id: str
    reason: str


class BlockedView(Message, frozen=True, kw_only=True, tag="blocked_view"):
    """One order that a soft limit holds.

    Attributes:
        order: As its policy wished it.
        terms: The same in words: what two people agree on, to the letter.
        blocks: Codes of the soft limits that it is past.
        detail: What the gate said, key=value.
        ts_utc, expires_utc: Since when it waits, and until when.
        proposal: Number of the open proposal to release it; empty if there is none.
    """

    order: SubmitChild
    terms: str
    blocks: tuple[str, ...]
    detail: str
    ts_utc: int
    expires_utc: int
    proposal: str = ""


class BlockedReply(Message, frozen=True, kw_only=True, tag="blocked_reply"):
    """Answer to ``BlockedRequest``, and what is left after a dismissal."""

    blocked: tuple[BlockedView, ...]


class LineRequest(Message, frozen=True, kw_only=True, tag="line_request"):
    """The line to the broker, and what it did with our orders when that last dropped (C28)."""


class CutRequest(Message, frozen=True, kw_only=True, tag="cut_request"):
    """Cut the line for so many ``seconds``, without a Logout, to see what becomes of orders."""

    seconds: float
    reason: str


class LineReply(Message, frozen=True, kw_only=True, tag="line_reply"):
    """Times are UTC nanoseconds, 0 for never.

    Attributes:
        declared: What the session's dialect says of the broker at a disconnect: ``broker`` cancels; ``none``.
        grace: Seconds that it gives us to come back.
        lost, back: The last disconnect of this life of the gateway, and the logon after it.
        untold: Orders that were live then and of which the broker has not told since.
        over, working: How many of them it has told to be over, and to work.
    """

    session: str
    logged_on: bool
    declared: str
    grace: float
    lost: int
    back: int
    untold: int
    over: int
    working: int


class KillInForce(Message, frozen=True, kw_only=True, tag="kill_in_force"):
    """A kill, who engaged it, when (UTC) and why; ``working``: orders in its scope that are not over."""

    scope: str
    by: str
    reason: str
    ts_utc: int
    working: int = 0


class KillReply(Message, frozen=True, kw_only=True, tag="kill_reply"):
    """The kill is in force and its cancels are on their way.

    Attributes:
        scope: What is in force: what cannot be understood is ``all``.
        working: What it still has to cancel; ask for the status until it is empty.
        durable: It is on disk and survives a restart.
        detail: In what it is not what was asked for, and what is wrong; empty if nothing is.
    """

    scope: str
    working: tuple[ChildSnapshot, ...]
    durable: bool
    detail: str = ""


class ProposeReply(Message, frozen=True, kw_only=True, tag="propose_reply"):
    """It waits so many ``seconds`` for another person."""

    proposal: str
    action: str
    target: str
    seconds: int


class ApproveReply(Message, frozen=True, kw_only=True, tag="approve_reply"):
    """It is done, and on disk. Parents that a kill has paused stay paused."""

    proposal: str
    action: str
    target: str


class LimitsReply(Message, frozen=True, kw_only=True, tag="limits_reply"):
    """Answer to ``LimitsRequest``."""

    version: str
    text: str


class OpenProposal(Message, frozen=True, kw_only=True, tag="open_proposal"):
    """A proposal that waits for another person; times are UTC."""

    proposal: str
    action: str
    target: str
    by: str
    reason: str
    ts_utc: int
    expires_utc: int


class StatusReply(Message, frozen=True, kw_only=True, tag="status_reply"):
    """The gateway in a nutshell.

    Attributes:
        halted: Why no new order is sent at all (the journal failed, an internal error); empty if nothing is
            wrong.
        heartbeat_age: Nanoseconds of UTC since the feed's last heartbeat; -1 before the first.
        positions: Lots by symbol, signed.
        proposals: What waits for another person.
        latched: What has stopped itself, by ``LEVEL=NAME``, and why.
        held: Terms of the orders that a soft limit holds (C20).
        clock: Why our clock is not to be trusted, where that denies new orders (C47).
        works: How many orders work, also where ``working`` was not asked for.
    """

    session: str
    logged_on: bool
    halted: str
    kills: tuple[KillInForce, ...]
    working: tuple[ChildSnapshot, ...]
    unknown: int
    open_parents: int
    waiting_parents: int
    runners: tuple[str, ...]
    market_time: int
    heartbeat_age: int
    positions: dict[str, int]
    limits_version: str
    reference_version: str
    journal_seq: int
    pending_records: int
    latched: dict[str, str]
    proposals: tuple[OpenProposal, ...] = ()
    held: tuple[str, ...] = ()
    clock: str = ""
    works: int = 0


class ParentsReply(Message, frozen=True, kw_only=True, tag="parents_reply"):
    """Answer to ``ParentsRequest``."""

    parents: tuple[ParentSnapshot, ...]


class OrdersReply(Message, frozen=True, kw_only=True, tag="orders_reply"):
    """Answer to ``OrdersRequest``."""

    orders: tuple[ChildSnapshot, ...]


class ExposureRequest(Message, frozen=True, kw_only=True, tag="exposure_request"):
    """What is held, worked, won and lost, at every level (C36)?"""


class LimitUse(Message, frozen=True, kw_only=True, tag="limit_use"):
    """How much of a limit in force is used; ``share`` is 1 at the limit. Currency, or lots."""

    control: str
    limit: str
    used: Decimal
    most: Decimal
    share: float


class ExposureRow(Message, frozen=True, kw_only=True, tag="exposure_row"):
    """One name at one level, or an instrument; amounts in the limits' currency.

    Attributes:
        level: ``firm``, ``client``, ``desk``, ``trader``, ``strategy`` or ``instrument``.
        long, short, gross, net: What is held, at the newest reference price.
        working: Value of all orders that work.
        notional: Holdings at their worst: all orders of one side filled and none of the other (C11).
        credit: Traded today and working.
        realised, open: Profit and loss of the day.
        position: Lots of an instrument, signed.
    """

    level: str
    name: str
    long: Decimal
    short: Decimal
    gross: Decimal
    net: Decimal
    working: Decimal
    notional: Decimal
    credit: Decimal
    realised: Decimal
    open: Decimal
    limits: tuple[LimitUse, ...] = ()
    position: int = 0


class ExposureReply(Message, frozen=True, kw_only=True, tag="exposure_reply"):
    """Answer to ``ExposureRequest``; times are nanoseconds."""

    currency: str
    limits_version: str
    ts_event: int
    ts_utc: int
    rows: tuple[ExposureRow, ...]


class Refused(Message, frozen=True, kw_only=True, tag="refused"):
    """The request was not carried out, and why."""

    reason: str


ControlRequest = (
    Kill
    | Propose
    | Approve
    | ChallengeRequest
    | LimitsRequest
    | StatusRequest
    | ParentsRequest
    | OrdersRequest
    | ReconcileRequest
    | ExplainRequest
    | BreaksRequest
    | ExplainBreakRequest
    | LineRequest
    | CutRequest
    | ExposureRequest
    | BlockedRequest
    | DismissRequest
)
ControlReply = (
    KillReply
    | ProposeReply
    | ApproveReply
    | Challenge
    | LimitsReply
    | StatusReply
    | ParentsReply
    | OrdersReply
    | BreaksReply
    | LineReply
    | ExposureReply
    | BlockedReply
    | Refused
)

decode_request: Final = Decoder[ControlRequest](ControlRequest, "control request")
decode_reply: Final = Decoder[ControlReply](ControlReply, "control reply")
