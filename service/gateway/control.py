"""What a person's tool and the gateway say to each other on the control socket."""

from __future__ import annotations

from typing import Final

from service.model.codec import Decoder
from service.model.events import ChildSnapshot, ParentSnapshot
from service.model.message import Message
from service.model.orders import OrdStatus, Side


class Kill(Message, frozen=True, kw_only=True, tag="kill_request"):
    """Cancel everything in ``scope`` and send nothing new (C23): ``all``, or ``KEY=NAME`` (C25)."""

    scope: str = "all"
    reason: str = ""


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
    """How is it going?"""


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
        scope: As understood: what cannot be understood is ``all``.
        working: What still works; ask for the status until it is empty.
        durable: It is on disk and survives a restart.
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


class ParentsReply(Message, frozen=True, kw_only=True, tag="parents_reply"):
    """Answer to ``ParentsRequest``."""

    parents: tuple[ParentSnapshot, ...]


class OrdersReply(Message, frozen=True, kw_only=True, tag="orders_reply"):
    """Answer to ``OrdersRequest``."""

    orders: tuple[ChildSnapshot, ...]


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
    | Refused
)

decode_request: Final = Decoder[ControlRequest](ControlRequest, "control request")
decode_reply: Final = Decoder[ControlReply](ControlReply, "control reply")
