"""What runner and gateway say to each other on the local stream, besides commands and events."""

from __future__ import annotations

from service.model.events import (
    ChildAccepted,
    ChildCanceled,
    ChildCancelRejected,
    ChildCancelRequested,
    ChildDenied,
    ChildExpired,
    ChildFilled,
    ChildPartiallyFilled,
    ChildRejected,
    ChildReplaced,
    ChildReplaceRequested,
    ChildSubmitted,
    ChildUnknown,
    KillEngaged,
    KillReleased,
    ParentAdmitted,
    ParentChanged,
    ParentClosed,
)
from service.model.message import Message
from service.model.orders import CancelChild, ReplaceChild, SubmitChild

_HAND = "hand:"


def hand_of(person: str) -> str:
    """Name on the stream of a person who works parents by hand."""
    return f"{_HAND}{person}"


def person_of(hand: str) -> str:
    """The person of such a name; empty if it is a runner's."""
    return hand.removeprefix(_HAND) if hand.startswith(_HAND) else ""


class RunnerHello(Message, frozen=True, kw_only=True, tag="runner_hello"):
    """First message of a runner. The gateway answers with every live parent, then ``StreamSynced``."""

    runner_id: str
    ts_utc: int


class RunnerHeartbeat(Message, frozen=True, kw_only=True, tag="runner_heartbeat"):
    """Proof of life, every 250 ms of UTC (C29)."""

    runner_id: str
    ts_utc: int


class StreamSynced(Message, frozen=True, kw_only=True, tag="stream_synced"):
    """The runner now knows everything that the gateway knows."""

    parents: int
    ts_utc: int


ToGateway = RunnerHello | RunnerHeartbeat | SubmitChild | CancelChild | ReplaceChild
ToRunner = (
    StreamSynced
    | ParentAdmitted
    | ParentChanged
    | ParentClosed
    | ChildDenied
    | ChildSubmitted
    | ChildAccepted
    | ChildPartiallyFilled
    | ChildFilled
    | ChildCancelRequested
    | ChildReplaceRequested
    | ChildReplaced
    | ChildCanceled
    | ChildExpired
    | ChildRejected
    | ChildCancelRejected
    | ChildUnknown
    | KillEngaged
    | KillReleased
)
