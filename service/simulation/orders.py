"""What the simulated exchange is asked, what it keeps, and what it answers.

The simulator's own vocabulary, apart from the gateway's: it stands for somebody else's system. Prices in
price units, quantities in lots, times in nanoseconds since the epoch.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

import msgspec

from service.model.orders import OrdStatus, OrdType, Side, TimeInForce


class Kind(enum.StrEnum):
    """What an outcome says: ExecType (150) of an ExecutionReport, or the MsgType (35) of another answer."""

    NEW = "0"
    CANCELED = "4"
    REPLACED = "5"
    REJECTED = "8"
    EXPIRED = "C"
    TRADE = "F"
    STATUS = "I"
    CANCEL_REJECTED = "9"
    MASS_CANCELED = "r"


class OrdRejReason(enum.IntEnum):
    """FIX tag 103."""

    BROKER_OPTION = 0
    UNKNOWN_SYMBOL = 1
    EXCHANGE_CLOSED = 2
    EXCEEDS_LIMIT = 3
    UNKNOWN_ORDER = 5
    DUPLICATE_ORDER = 6
    UNSUPPORTED = 11
    INCORRECT_QUANTITY = 13
    OTHER = 99


class CxlRejReason(enum.IntEnum):
    """FIX tag 102."""

    TOO_LATE = 0
    UNKNOWN_ORDER = 1
    BROKER_OPTION = 2
    DUPLICATE_CL_ORD_ID = 6
    OTHER = 99


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """A well-formed NewOrderSingle (35=D). ``price`` is 0 for a market order."""

    owner: str
    cl_ord_id: str
    symbol: str
    side: Side
    ord_type: OrdType
    time_in_force: TimeInForce
    quantity: int
    price: int
    account: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MalformedOrder:
    """A NewOrderSingle that no market could take, rejected on arrival. FIX codes as the client wrote."""

    owner: str
    cl_ord_id: str
    symbol: str
    side: str
    ord_type: str
    reason: OrdRejReason
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOrder:
    """An OrderCancelRequest (35=F)."""

    owner: str
    cl_ord_id: str
    orig_cl_ord_id: str
    order_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceOrder:
    """An OrderCancelReplaceRequest (35=G).

    Attributes:
        quantity: New total, filled part included.
        fault: Why it cannot be taken whatever the order's state; empty if it can.
    """

    owner: str
    cl_ord_id: str
    orig_cl_ord_id: str
    symbol: str
    side: str
    quantity: int
    price: int
    order_id: str = ""
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusQuery:
    """An OrderStatusRequest (35=H)."""

    owner: str
    cl_ord_id: str
    symbol: str
    side: str
    order_id: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MassStatusQuery:
    """An OrderMassStatusRequest (35=AF) for all working orders, or those of ``symbol``."""

    owner: str
    request_id: str
    symbol: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MassCancel:
    """An OrderMassCancelRequest (35=q) for all working orders, or those of ``symbol``."""

    owner: str
    cl_ord_id: str
    symbol: str = ""


Request = NewOrder | MalformedOrder | CancelOrder | ReplaceOrder | StatusQuery | MassStatusQuery | MassCancel

QUEUE_UNKNOWN: Final = -1
"""The price of the order is beyond the displayed levels, so what stands ahead of it cannot be known."""


@dataclass(slots=True, eq=False, kw_only=True)
class Order:
    """One order in the exchange.

    Attributes:
        rank: Time priority among our own orders; rises with each arrival and each loss of priority.
        money: Sum of price x lots over its fills.
        closed: Final status, once it has one.
        ahead: Estimated displayed lots that trade before it at its price, or ``QUEUE_UNKNOWN``.
        seen: Displayed lots at its price in the last book, or ``QUEUE_UNKNOWN``.
        traded: Lots printed at its price since that book.
        waiting: Accepted, but not yet in the market (halt, or no book yet).
    """

    order_id: str
    owner: str
    cl_ord_id: str
    symbol: str
    side: Side
    ord_type: OrdType
    time_in_force: TimeInForce
    account: str
    quantity: int
    price: int
    rank: int
    cum: int = 0
    money: int = 0
    closed: OrdStatus | None = None
    ahead: int = QUEUE_UNKNOWN
    seen: int = QUEUE_UNKNOWN
    traded: int = 0
    waiting: bool = False

    @property
    def leaves(self) -> int:
        """Lots still open; 0 once the order is closed."""
        return 0 if self.closed is not None else self.quantity - self.cum

    @property
    def status(self) -> OrdStatus:
        """FIX OrdStatus."""
        if self.closed is not None:
            return self.closed
        return OrdStatus.PARTIALLY_FILLED if self.cum else OrdStatus.NEW

    @property
    def priority(self) -> tuple[int, int]:
        """Sorts own orders of one side: best price first, then time."""
        return (-self.side.sign * self.price, self.rank)


NO_ORDER: Final = "NONE"
"""OrderID (37) of an answer about no order of ours."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="outcome"):
    """One answer of the exchange, with the order's whole state after it; also a line of the order log.

    Attributes:
        number: 1, 2, 3 ... in the order in which the exchange decided.
        owner: CompID of the client.
        exec_id: Unique for ever; ``"0"`` for a status answer (FIX 4.4, tag 17).
        cl_ord_id, orig_cl_ord_id: As FIX wants them in this answer (tags 11 and 41).
        order_cl_ord_id: The order's own ClOrdID after this outcome.
        side, ord_type: FIX codes, as the client wrote them.
        reason: OrdRejReason or CxlRejReason, where the kind has one.
        response_to: CxlRejResponseTo (434): 1 cancel, 2 replace.
        request_id: OrdStatusReqID (790) or MassStatusReqID (584).
        total, last: TotNumReports (911) and LastRptRequested (912); for a mass cancel ``total`` is
            TotalAffectedOrders (533).
        commission: Currency text, negative for a rebate.
        ts_market: Newest market time of the instrument when it happened.
        ts_utc: UTC at which the exchange decided it (TransactTime).
    """

    number: int
    kind: Kind
    owner: str
    ts_utc: int
    status: OrdStatus
    order_id: str = NO_ORDER
    exec_id: str = "0"
    cl_ord_id: str = ""
    orig_cl_ord_id: str = ""
    order_cl_ord_id: str = ""
    symbol: str = ""
    side: str = ""
    ord_type: str = ""
    time_in_force: str = ""
    account: str = ""
    quantity: int = 0
    price: int = 0
    cum: int = 0
    leaves: int = 0
    money: int = 0
    rank: int = 0
    last_quantity: int = 0
    last_price: int = 0
    liquidity: int = 0
    venue: str = ""
    commission: str = ""
    ts_market: int = 0
    reason: int | None = None
    response_to: int = 0
    request_id: str = ""
    total: int | None = None
    last: bool = True
    text: str = ""
