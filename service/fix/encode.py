"""Requests to FIX text. Pure.

The engine fills in what belongs to the session (CompIDs, sequence number, SendingTime, length, checksum)
and puts the fields in order; ``fix_configs/FIX44.xml`` is what the result conforms to.
"""

from __future__ import annotations

from typing import Final

from service.fix.messages import (
    Attribution,
    FixSendError,
    NewOrderSingle,
    OrderCancelReplaceRequest,
    OrderCancelRequest,
    OrderStatusRequest,
    Request,
)
from service.fix.timestamps import utc_text
from service.model.orders import OrdType, ReplaceChild, SubmitChild
from service.model.reference import Instrument
from service.risk.gate import Approved, ForgedApproval

SOH: Final = "\x01"
CLIENT_ID: Final = "3"
ORDER_ORIGINATION_TRADER: Final = "11"
EXECUTING_SYSTEM: Final = "16"
"""PartyRole (452)."""
PROPRIETARY: Final = "D"
"""PartyIDSource (447)."""
LOCATION_DESK: Final = "25"
"""PartySubIDType (803)."""
AUTOMATED: Final = "1"
"""HandlInst (21): automated execution, private, no broker intervention."""

Field = tuple[int, str]


class Encoder:
    """Makes the text of requests.

    Args:
        timestamp_digits: Digits of a second in TransactTime.
        order_capacity: OrderCapacity (528); empty leaves it out.
    """

    def __init__(self, *, timestamp_digits: int = 3, order_capacity: str = "A") -> None:
        self._digits = timestamp_digits
        self._capacity = order_capacity

    def __call__(self, request: Request) -> str:
        """The message with an empty envelope, ready for the engine.

        Raises:
            FixSendError: If an order lacks the gate's approval or does not agree with it, or if a field
                cannot be sent.
        """
        if type(request) is NewOrderSingle:
            return _message("D", self._new_order_single(request))
        if type(request) is OrderCancelRequest:
            return _message("F", self._order_cancel_request(request))
        if type(request) is OrderCancelReplaceRequest:
            return _message("G", self._order_cancel_replace_request(request))
        if type(request) is OrderStatusRequest:
            return _message("H", self._order_status_request(request))
        raise FixSendError(f"{type(request).__name__} is no request that FIX can send")

    def _new_order_single(self, request: NewOrderSingle) -> list[Field]:
        approved = _approved(request.approved, SubmitChild, request.instrument)
        command = approved.command
        assert isinstance(command, SubmitChild)
        return [
            (11, request.cl_ord_id),
            (526, command.child_id),
            (583, command.parent_id),
            *_parties(request.attribution, command.policy, command.model),
            *self._order(approved, request.account, request.instrument, request.transact_time),
            *_display(approved.display_quantity, approved.quantity, request.instrument),
            (100, approved.venue),
        ]

    def _order_cancel_replace_request(self, request: OrderCancelReplaceRequest) -> list[Field]:
        approved = _approved(request.approved, ReplaceChild, request.instrument)
        command = approved.command
        return [
            (37, request.order_id),
            *_parties(request.attribution, request.policy, command.model),
            (41, _given(request.orig_cl_ord_id, "OrigClOrdID")),
            (11, request.cl_ord_id),
            (526, command.child_id),
            (583, command.parent_id),
            *self._order(approved, request.account, request.instrument, request.transact_time),
            *_display(request.display_quantity, approved.quantity, request.instrument),
            (100, request.venue),
        ]

    def _order(
        self, approved: Approved, account: str, instrument: Instrument, transact_time: int
    ) -> list[Field]:
        if approved.quantity <= 0:
            raise FixSendError(f"OrderQty of {approved.symbol} is {approved.quantity} lots")
        limit = approved.ord_type is OrdType.LIMIT
        if limit != (approved.price != 0):
            raise FixSendError(f"OrdType {approved.ord_type.name} at price {approved.price}")
        return [
            (1, _given(account, "Account")),
            (21, AUTOMATED),
            (55, instrument.symbol),
            (54, str(approved.side.value)),
            (60, utc_text(transact_time, self._digits)),
            (38, instrument.quantity_text(approved.quantity)),
            (40, approved.ord_type.value),
            (44, instrument.price_text(approved.price) if limit else ""),
            (15, instrument.currency),
            (59, approved.time_in_force.value),
            (528, self._capacity),
        ]

    def _order_cancel_request(self, request: OrderCancelRequest) -> list[Field]:
        return [
            (41, _given(request.orig_cl_ord_id, "OrigClOrdID")),
            (37, request.order_id),
            (11, request.cl_ord_id),
            (1, request.account),
            (55, request.instrument.symbol),
            (54, str(request.side.value)),
            (60, utc_text(request.transact_time, self._digits)),
            (38, request.instrument.quantity_text(request.quantity)),
        ]

    def _order_status_request(self, request: OrderStatusRequest) -> list[Field]:
        return [
            (37, request.order_id),
            (11, request.cl_ord_id),
            (1, request.account),
            (55, request.instrument.symbol),
            (54, str(request.side.value)),
        ]


def _approved(approved: Approved, kind: type[SubmitChild | ReplaceChild], instrument: Instrument) -> Approved:
    if type(approved) is not Approved:
        raise FixSendError(f"an order needs the gate's approval, not {type(approved).__name__}")
    try:
        approved.verify()
    except ForgedApproval as error:
        raise FixSendError(str(error)) from error
    if type(approved.command) is not kind:
        raise FixSendError(f"this approval is of {type(approved.command).__name__}, not {kind.__name__}")
    if approved.symbol != instrument.symbol:
        raise FixSendError(f"this approval is of {approved.symbol}, not {instrument.symbol}")
    return approved


def _parties(attribution: Attribution, policy: str, model: str) -> list[Field]:
    return [
        (453, "3"),
        (448, _given(attribution.client, "client")),
        (447, PROPRIETARY),
        (452, CLIENT_ID),
        (448, _given(attribution.trader, "trader")),
        (447, PROPRIETARY),
        (452, ORDER_ORIGINATION_TRADER),
        (802, "1"),
        (523, _given(attribution.desk, "desk")),
        (803, LOCATION_DESK),
        (448, f"{_given(policy, 'policy')}/{model}" if model else _given(policy, "policy")),
        (447, PROPRIETARY),
        (452, EXECUTING_SYSTEM),
    ]


def _display(lots: int, quantity: int, instrument: Instrument) -> list[Field]:
    return [(111, instrument.quantity_text(lots))] if 0 < lots < quantity else []


def _given(value: str, name: str) -> str:
    if not value:
        raise FixSendError(f"{name} is empty")
    return value


def _message(msg_type: str, fields: list[Field]) -> str:
    present = [f"{tag}={value}{SOH}" for tag, value in fields if value]
    body = "".join(present)
    if body.count(SOH) != len(present) or not body.isascii():
        raise FixSendError(f"a field has a character that FIX cannot carry: {body!r}")
    if f"{SOH}11=" not in body and not body.startswith("11="):
        raise FixSendError("ClOrdID is empty")
    return f"8=FIX.4.4{SOH}9=0{SOH}35={msg_type}{SOH}{body}10=000{SOH}"
