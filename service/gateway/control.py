"""What a person's tool and the gateway say to each other on the control socket."""

from __future__ import annotations

from typing import Final

from service.model.codec import Decoder
from service.model.events import ChildSnapshot, ParentSnapshot
from service.model.message import Message


class Kill(Message, frozen=True, kw_only=True, tag="kill_request"):
    """Cancel everything in ``scope`` and send nothing new (C23): ``all``, or ``KEY=NAME`` (C25)."""

    scope: str = "all"
    reason: str = ""


class Release(Message, frozen=True, kw_only=True, tag="release_request"):
    """Lift the kill of exactly this scope."""

    scope: str = "all"
    reason: str = ""


class StatusRequest(Message, frozen=True, kw_only=True, tag="status_request"):
    """How is it going?"""


class ParentsRequest(Message, frozen=True, kw_only=True, tag="parents_request"):
    """All parents; ``closed`` ones too."""

    closed: bool = False


class OrdersRequest(Message, frozen=True, kw_only=True, tag="orders_request"):
    """All live orders."""


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


class ReleaseReply(Message, frozen=True, kw_only=True, tag="release_reply"):
    """Whether the kill was lifted; paused parents stay paused."""

    scope: str
    released: bool
    detail: str = ""


class StatusReply(Message, frozen=True, kw_only=True, tag="status_reply"):
    """The gateway in a nutshell.

    Attributes:
        halted: Why no new order is sent at all (the journal failed, an internal error); empty if nothing is
            wrong.
        heartbeat_age: Nanoseconds of UTC since the feed's last heartbeat; -1 before the first.
        positions: Lots by symbol, signed.
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


class ParentsReply(Message, frozen=True, kw_only=True, tag="parents_reply"):
    """Answer to ``ParentsRequest``."""

    parents: tuple[ParentSnapshot, ...]


class OrdersReply(Message, frozen=True, kw_only=True, tag="orders_reply"):
    """Answer to ``OrdersRequest``."""

    orders: tuple[ChildSnapshot, ...]


class Refused(Message, frozen=True, kw_only=True, tag="refused"):
    """The request was not carried out, and why."""

    reason: str


ControlRequest = Kill | Release | StatusRequest | ParentsRequest | OrdersRequest
ControlReply = KillReply | ReleaseReply | StatusReply | ParentsReply | OrdersReply | Refused

decode_request: Final = Decoder[ControlRequest](ControlRequest, "control request")
decode_reply: Final = Decoder[ControlReply](ControlReply, "control reply")
