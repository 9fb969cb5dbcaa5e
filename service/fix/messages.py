"""What we ask of a counterparty and what it reports, typed. FIX 4.4.

Requests are plain immutable values; ``FixSession.send`` turns them into text. Reports are ``Message``s, so
that the gateway can journal them as they came.
"""

from __future__ import annotations

import msgspec

from service.model.events import Liquidity
from service.model.message import Message
from service.model.orders import OrdStatus, Side
from service.model.reference import Instrument
from service.risk.gate import Approved


class Attribution(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """On whose behalf an order goes out (C24): names of the reference file, sent as FIX Parties.

    Attributes:
        trader: PartyRole 11, order origination trader.
        desk: PartySubID of type 25 of that trader.
        client: PartyRole 3.
    """

    trader: str
    desk: str
    client: str


class NewOrderSingle(msgspec.Struct, frozen=True, kw_only=True):
    """MsgType D. Everything about the order itself comes from the gate's approval.

    Attributes:
        approved: Approval of a ``SubmitChild``.
        account: FIX tag 1.
        transact_time: UTC nanoseconds.
    """

    approved: Approved
    cl_ord_id: str
    account: str
    instrument: Instrument
    transact_time: int
    attribution: Attribution


class OrderCancelRequest(msgspec.Struct, frozen=True, kw_only=True):
    """MsgType F. Never needs an approval.

    Attributes:
        orig_cl_ord_id: Last ClOrdID of the order that the broker accepted.
        order_id: The broker's; empty while not known.
        quantity: OrderQty of the order in lots.
    """

    cl_ord_id: str
    orig_cl_ord_id: str
    order_id: str
    instrument: Instrument
    side: Side
    quantity: int
    transact_time: int
    account: str = ""


class OrderCancelReplaceRequest(msgspec.Struct, frozen=True, kw_only=True):
    """MsgType G. The order as it shall be comes from the gate's approval of a ``ReplaceChild``.

    FIX wants everything restated, so what the approval does not carry comes from the ledger.

    Attributes:
        policy: Policy of the child, for attribution.
        display_quantity: Of the child, lots; 0 shows all.
    """

    approved: Approved
    cl_ord_id: str
    orig_cl_ord_id: str
    order_id: str
    account: str
    instrument: Instrument
    policy: str
    transact_time: int
    attribution: Attribution
    display_quantity: int = 0
    venue: str = ""


class OrderStatusRequest(msgspec.Struct, frozen=True, kw_only=True):
    """MsgType H: what became of this order?"""

    cl_ord_id: str
    order_id: str
    instrument: Instrument
    side: Side
    account: str = ""


class OrderMassStatusRequest(msgspec.Struct, frozen=True, kw_only=True):
    """MsgType AF: which orders of this session work at the broker, ours or not?

    Attributes:
        cl_ord_id: MassStatusReqID (584), which the answers repeat.
    """

    cl_ord_id: str


class OrderMassCancelRequest(msgspec.Struct, frozen=True, kw_only=True):
    """MsgType q: cancel all orders of this session, or all in one instrument.

    Attributes:
        instrument: ``None``: all of them.
    """

    cl_ord_id: str
    instrument: Instrument | None
    transact_time: int


Request = (
    NewOrderSingle
    | OrderCancelRequest
    | OrderCancelReplaceRequest
    | OrderStatusRequest
    | OrderMassStatusRequest
    | OrderMassCancelRequest
)


class Inbound(Message, frozen=True, kw_only=True):
    """Fields that every report has.

    Attributes:
        cl_ord_id: Order or request that it is about; empty if the counterparty did not say.
        seq: MsgSeqNum.
        sending_time: The counterparty's clock, UTC nanoseconds; 0 if absent or unreadable.
        poss_dup: The session layer sent it again (43).
        poss_resend: The application sent it again under a new sequence number (97).
    """

    cl_ord_id: str = ""
    text: str = ""
    seq: int = 0
    sending_time: int = 0
    poss_dup: bool = False
    poss_resend: bool = False


class ExecutionReport(Inbound, frozen=True, kw_only=True, tag="execution_report"):
    """MsgType 8. Quantities in lots, prices in price units; ``None`` is absent.

    Attributes:
        exec_type: FIX 4.4 ExecType (150) after the dialect's translation: a fill is always ``F``.
        last_price: Need not be on the tick.
        venue: LastMkt (30).
        last_capacity: LastCapacity (29).
        transact_time: UTC nanoseconds, 0 if absent.
        exec_ref_id: ExecID that a bust (``H``) or correction (``G``) refers to.
        mass_status_id: MassStatusReqID (584) of the request that this is one of the answers to; ``symbol`` is
            empty if the answer is that there is no such order.
        last_report: LastRptRequested (912): no more answers to that request follow.
    """

    order_id: str
    exec_id: str
    exec_type: str
    ord_status: OrdStatus
    symbol: str
    side: Side | None = None
    orig_cl_ord_id: str = ""
    order_quantity: int | None = None
    price: int | None = None
    last_quantity: int | None = None
    last_price: int | None = None
    cum_quantity: int | None = None
    leaves_quantity: int | None = None
    liquidity: Liquidity = Liquidity.UNKNOWN
    venue: str = ""
    last_capacity: str = ""
    transact_time: int = 0
    exec_ref_id: str = ""
    ord_rej_reason: int | None = None
    mass_status_id: str = ""
    last_report: bool = False


class OrderCancelReject(Inbound, frozen=True, kw_only=True, tag="order_cancel_reject"):
    """MsgType 9.

    Attributes:
        cl_ord_id: Of the refused request.
        cxl_rej_response_to: ``1`` refuses a cancel, ``2`` a replace; empty if the dialect lets it be absent.
    """

    order_id: str
    orig_cl_ord_id: str
    ord_status: OrdStatus
    cxl_rej_response_to: str
    cxl_rej_reason: int | None = None
    transact_time: int = 0


class BusinessReject(Inbound, frozen=True, kw_only=True, tag="business_reject"):
    """MsgType j. ``cl_ord_id`` is BusinessRejectRefID, else found by sequence number among what we sent."""

    ref_msg_type: str
    ref_seq_num: int = 0
    reason: int | None = None


class SessionReject(Inbound, frozen=True, kw_only=True, tag="session_reject"):
    """MsgType 3. ``cl_ord_id`` is found by sequence number among what this process sent."""

    ref_seq_num: int
    ref_msg_type: str = ""
    ref_tag_id: int = 0
    reason: int | None = None


class Malformed(Inbound, frozen=True, kw_only=True, tag="malformed"):
    """A message that cannot be understood. What it meant is unknown: alarm, and ask the broker.

    Attributes:
        raw: The message as it came, ``|`` for SOH; empty if the engine itself refused it.
        reason: What was wrong, naming the tag.
        cl_ord_id, symbol: As far as they could be read.
    """

    raw: str
    reason: str
    msg_type: str = ""
    symbol: str = ""


class OrderMassCancelReport(Inbound, frozen=True, kw_only=True, tag="mass_cancel_report"):
    """MsgType r: what became of an OrderMassCancelRequest; each order is reported by itself besides.

    Attributes:
        accepted: MassCancelResponse (531) is not 0.
        affected: TotalAffectedOrders (533), where it is told.
        reason: MassCancelRejectReason (532).
    """

    accepted: bool
    affected: int | None = None
    reason: int | None = None


Report = (
    ExecutionReport | OrderCancelReject | OrderMassCancelReport | BusinessReject | SessionReject | Malformed
)


class FixSendError(RuntimeError):
    """A request was not handed to the engine; nothing of it will ever go out."""


class FixConfigError(ValueError):
    """A session cannot be started as configured; the message says which setting."""
