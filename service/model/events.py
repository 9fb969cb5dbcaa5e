"""What happened to parents and children, in the past tense. ``orders.v1``, and the local stream."""

from __future__ import annotations

import enum

from service.model.message import Message
from service.model.orders import OrdStatus, OrdType, ParentOrder, ParentStatus, Side, Stamps, TimeInForce


class Liquidity(enum.IntEnum):
    """FIX tag 851, LastLiquidityInd."""

    UNKNOWN = 0
    ADDED = 1
    REMOVED = 2
    ROUTED_OUT = 3
    AUCTION = 4


class ChildSnapshot(Message, frozen=True, kw_only=True, tag="child"):
    """One order as the gateway's ledger knows it.

    Attributes:
        status: FIX OrdStatus; a pending cancel or replace shows in ``pending``.
        pending: ``""``, ``"cancel"`` or ``"replace"``.
        unknown: Its outcome is not known; only the broker's answer resolves it.
        filled_money: Sum of price x lots over its fills, price units; never beyond 2^63 - 1.
        side_told: False for an order that nobody here sent and whose side the broker left out: ``side`` is a
            guess, and it counts on both.
    """

    child_id: str
    parent_id: str
    cl_ord_id: str
    symbol: str
    side: Side
    ord_type: OrdType
    quantity: int
    price: int
    time_in_force: TimeInForce
    status: OrdStatus
    cum_quantity: int = 0
    leaves_quantity: int = 0
    filled_money: int = 0
    pending: str = ""
    unknown: bool = False
    policy: str = ""
    model: str = ""
    side_told: bool = True


class ParentSnapshot(Message, frozen=True, kw_only=True, tag="parent_state"):
    """A parent as the gateway knows it: the one truth that runners work on.

    Attributes:
        parent: The order with every amendment applied.
        version: Rises by one per admitted command; an intent carries the version that it was made on.
        window_start, window_end: Market time, resolved from the parameters at admission.
        arrival_price: Reference price at admission, price units.
        arrival_volume: Session volume at admission, lots (reference facts).
        next_child: Number of the next child (``PARENT_ID.N``).
        filled_quantity, filled_money: Over all children; money is price x lots in price units.
        children: Live children.
        hand: Who of the stream works it, while a person has taken it over (``hand_of``); else empty.
    """

    parent: ParentOrder
    version: int
    status: ParentStatus
    window_start: int
    window_end: int
    arrival_price: int
    arrival_volume: int = 0
    next_child: int = 1
    filled_quantity: int = 0
    filled_money: int = 0
    children: tuple[ChildSnapshot, ...] = ()
    hand: str = ""


class ParentAdmitted(Message, frozen=True, kw_only=True, tag="parent_admitted"):
    """The gateway vouches for this parent from now on (also sent for each live parent to a new runner)."""

    command_id: str
    state: ParentSnapshot
    ts_event: int
    ts_utc: int
    restored: bool = False


class ParentChanged(Message, frozen=True, kw_only=True, tag="parent_changed"):
    """An amendment, pause, resume or cancel request was admitted; ``state`` has the new version."""

    command_id: str
    change: str
    by: str
    reason: str
    state: ParentSnapshot
    ts_event: int
    ts_utc: int


class ParentRefused(Message, frozen=True, kw_only=True, tag="parent_refused"):
    """A parent command was not admitted. ``code`` is stable, ``detail`` is key=value."""

    command_id: str
    parent_id: str
    code: str
    detail: str
    ts_event: int
    ts_utc: int


class ParentClosed(Message, frozen=True, kw_only=True, tag="parent_closed"):
    """Nothing of this parent works any more, and nothing will."""

    state: ParentSnapshot
    reason: str
    ts_event: int
    ts_utc: int


class ChildDenied(Message, frozen=True, kw_only=True, tag="child_denied"):
    """The gate said no. On ``risk.v1`` and to the runner.

    Attributes:
        command: ``submit`` or ``replace``.
        control: Number in the catalogue of controls, e.g. ``C4``.
        code: Stable denial code, e.g. ``MAX_ORDER_QUANTITY``.
        detail: ``key=value`` pairs, space-separated.
    """

    child_id: str
    parent_id: str
    symbol: str
    command: str
    control: str
    code: str
    detail: str
    ts_event: int
    ts_utc: int
    stamps: Stamps = Stamps()


class ChildEvent(Message, frozen=True, kw_only=True):
    """Fields common to what happens to a child that the gate approved."""

    child_id: str
    parent_id: str
    cl_ord_id: str
    symbol: str
    ts_event: int
    ts_utc: int


class ChildSubmitted(ChildEvent, frozen=True, kw_only=True, tag="child_submitted"):
    """Approved, journalled and handed to FIX."""

    side: Side
    ord_type: OrdType
    quantity: int
    price: int
    time_in_force: TimeInForce
    account: str
    policy: str
    model: str = ""
    reason: str = ""
    venue: str = ""
    stamps: Stamps = Stamps()


class ChildAccepted(ChildEvent, frozen=True, kw_only=True, tag="child_accepted"):
    """The broker acknowledged it (ExecType 0)."""

    order_id: str


class ChildFill(ChildEvent, frozen=True, kw_only=True):
    """One execution. ``last_price`` need not be on the tick.

    Attributes:
        liquidity: LastLiquidityInd (851).
        venue: LastMkt (30).
        broker_ts: TransactTime (60), UTC nanoseconds; 0 if it was not told.
        last_capacity: LastCapacity (29); ``1`` the broker was our agent, ``4`` it was the other side itself.
    """

    exec_id: str
    side: Side
    last_quantity: int
    last_price: int
    cum_quantity: int
    leaves_quantity: int
    liquidity: Liquidity = Liquidity.UNKNOWN
    venue: str = ""
    broker_ts: int = 0
    last_capacity: str = ""


class ChildPartiallyFilled(ChildFill, frozen=True, kw_only=True, tag="child_partially_filled"):
    """A fill that leaves something open."""


class ChildFilled(ChildFill, frozen=True, kw_only=True, tag="child_filled"):
    """The fill that completes the order."""


class ChildCancelRequested(ChildEvent, frozen=True, kw_only=True, tag="child_cancel_requested"):
    """OrderCancelRequest handed to FIX; ``cl_ord_id`` is the request's own."""

    orig_cl_ord_id: str
    reason: str = ""
    stamps: Stamps = Stamps()


class ChildReplaceRequested(ChildEvent, frozen=True, kw_only=True, tag="child_replace_requested"):
    """OrderCancelReplaceRequest handed to FIX; ``cl_ord_id`` is the request's own."""

    orig_cl_ord_id: str
    quantity: int
    price: int
    reason: str = ""
    stamps: Stamps = Stamps()


class ChildReplaced(ChildEvent, frozen=True, kw_only=True, tag="child_replaced"):
    """The broker confirmed a replace."""

    quantity: int
    price: int
    cum_quantity: int
    leaves_quantity: int


class ChildCanceled(ChildEvent, frozen=True, kw_only=True, tag="child_canceled"):
    """The broker confirmed a cancel, or cancelled by itself (``unsolicited``)."""

    cum_quantity: int
    unsolicited: bool = False
    reason: str = ""


class ChildExpired(ChildEvent, frozen=True, kw_only=True, tag="child_expired"):
    """Its time in force ended (ExecType C or 3)."""

    cum_quantity: int
    reason: str = ""


class ChildRejected(ChildEvent, frozen=True, kw_only=True, tag="child_rejected"):
    """The broker refused the order."""

    reason: str


class ChildCancelRejected(ChildEvent, frozen=True, kw_only=True, tag="child_cancel_rejected"):
    """The broker refused a cancel or a replace, as when a fill won the race.

    Attributes:
        request: ``cancel`` or ``replace``.
        status: OrdStatus that the broker reported with the reject.
    """

    request: str
    status: OrdStatus
    reason: str = ""


class ChildUnknown(ChildEvent, frozen=True, kw_only=True, tag="child_unknown"):
    """What became of this order is not known: only the broker's answer resolves it."""

    reason: str


class KillEngaged(Message, frozen=True, kw_only=True, tag="kill_engaged"):
    """Everything in ``scope`` is being cancelled and nothing new goes out. ``audit.v1`` and ``risk.v1``.

    Attributes:
        scope: ``all`` or ``parent=ID``, ``symbol=X``, ``policy=X``, ``trader=X`` ...
    """

    scope: str
    by: str
    reason: str
    ts_utc: int
    working: int = 0


class KillReleased(Message, frozen=True, kw_only=True, tag="kill_released"):
    """The kill of ``scope`` was lifted."""

    scope: str
    by: str
    reason: str
    ts_utc: int


class Alarm(Message, frozen=True, kw_only=True, tag="alarm"):
    """Something that a person must look at: an illegal transition, an unknown report, a break."""

    code: str
    detail: str
    symbol: str
    ts_utc: int


class SessionChanged(Message, frozen=True, kw_only=True, tag="session_changed"):
    """A FIX session logged on or off."""

    session: str
    logged_on: bool
    ts_utc: int
    detail: str = ""


ChildReport = (
    ChildSubmitted
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
)
ParentEvent = ParentAdmitted | ParentChanged | ParentRefused | ParentClosed
OrderEvent = ParentEvent | ChildReport
RiskEvent = ChildDenied | KillEngaged | KillReleased | Alarm | SessionChanged
