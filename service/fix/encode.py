"""Requests to FIX text. Pure.

The engine fills in what belongs to the session (CompIDs, sequence number, SendingTime, length, checksum)
and puts the fields in order; ``fix_configs/FIX44.xml`` is what the result conforms to.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from service.fix.messages import (
    Attribution,
    FixSendError,
    NewOrderSingle,
    OrderCancelReplaceRequest,
    OrderCancelRequest,
    OrderMassCancelRequest,
    OrderMassStatusRequest,
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
OF_AN_INSTRUMENT: Final = "1"
OF_ALL: Final = "7"
"""MassCancelRequestType (530)."""
_NONE: Final = "NONE"
"""A ClOrdID that there is none of."""
AUTOMATED: Final = "1"
"""HandlInst (21): automated execution, private, no broker intervention."""


Part = tuple[str, int]
"""Some fields as text, each closed by SOH, and how many."""
_NOTHING: Final[Part] = ("", 0)


def _template(text: str) -> str:
    return text.replace("|", SOH)


_ORDER: Final = _template(
    "11=%s|526=%s|583=%s|1=%s|21=" + AUTOMATED + "|55=%s|54=%d|60=%s|38=%s|40=%s|15=%s|59=%s|"
)
_PARTIES: Final = _template(
    f"453=3|448=%s|447={PROPRIETARY}|452={CLIENT_ID}|"
    f"448=%s|447={PROPRIETARY}|452={ORDER_ORIGINATION_TRADER}|802=1|523=%s|803={LOCATION_DESK}|"
    f"448=%s|447={PROPRIETARY}|452={EXECUTING_SYSTEM}|"
)
_ORDER_FIELDS: Final = _ORDER.count(SOH)
_CANCEL: Final = _template("41=%s|11=%s|55=%s|54=%d|60=%s|38=%s|")
_MASS_STATUS: Final = _template("584=%s|585=7|")
_MASS_CANCEL: Final = _template("11=%s|530=%s|60=%s|")
_STATUS: Final = _template("11=%s|55=%s|54=%d|")


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
            return self._new_order_single(request)
        if type(request) is OrderCancelRequest:
            return self._order_cancel_request(request)
        if type(request) is OrderCancelReplaceRequest:
            return self._order_cancel_replace_request(request)
        if type(request) is OrderStatusRequest:
            return self._order_status_request(request)
        if type(request) is OrderMassStatusRequest:
            text = _MASS_STATUS % _given(request.cl_ord_id, "MassStatusReqID")
            return _message("AF", (text, _MASS_STATUS.count(SOH)))
        if type(request) is OrderMassCancelRequest:
            return self._order_mass_cancel_request(request)
        raise FixSendError(f"{type(request).__name__} is no request that FIX can send")

    def _new_order_single(self, request: NewOrderSingle) -> str:
        approved = _approved(request.approved, SubmitChild, request.instrument)
        command = approved.command
        assert isinstance(command, SubmitChild)
        return _message(
            "D",
            self._order(approved, request),
            _parties(request.attribution, command.policy, command.model),
            self._options(approved, request.instrument, approved.display_quantity),
            _optional(100, approved.venue),
        )

    def _order_cancel_replace_request(self, request: OrderCancelReplaceRequest) -> str:
        approved = _approved(request.approved, ReplaceChild, request.instrument)
        return _message(
            "G",
            self._order(approved, request),
            _parties(request.attribution, request.policy, approved.command.model),
            self._options(approved, request.instrument, request.display_quantity),
            _optional(100, request.venue),
            _optional(37, _theirs(request.order_id)),
            _optional(41, _given(request.orig_cl_ord_id, "OrigClOrdID")),
        )

    def _order(self, approved: Approved, request: NewOrderSingle | OrderCancelReplaceRequest) -> Part:
        if approved.quantity <= 0:
            raise FixSendError(f"OrderQty of {approved.symbol} is {approved.quantity} lots")
        command, instrument = approved.command, request.instrument
        text = _ORDER % (
            _given(request.cl_ord_id, "ClOrdID"),
            command.child_id,
            command.parent_id,
            _given(request.account, "Account"),
            instrument.symbol,
            approved.side,
            utc_text(request.transact_time, self._digits),
            instrument.quantity_text(approved.quantity),
            approved.ord_type.value,
            instrument.currency,
            approved.time_in_force.value,
        )
        return text, _ORDER_FIELDS

    def _options(self, approved: Approved, instrument: Instrument, display: int) -> Part:
        limit = approved.ord_type is OrdType.LIMIT
        if limit != (approved.price != 0):
            raise FixSendError(f"OrdType {approved.ord_type.name} at price {approved.price}")
        price = f"44={instrument.price_text(approved.price)}{SOH}" if limit else ""
        shown = f"111={instrument.quantity_text(display)}{SOH}" if 0 < display < approved.quantity else ""
        capacity = f"528={self._capacity}{SOH}" if self._capacity else ""
        return price + shown + capacity, bool(price) + bool(shown) + bool(capacity)

    def _order_cancel_request(self, request: OrderCancelRequest) -> str:
        text = _CANCEL % (
            _theirs(_given(request.orig_cl_ord_id, "OrigClOrdID")) or _NONE,
            _given(request.cl_ord_id, "ClOrdID"),
            request.instrument.symbol,
            request.side,
            utc_text(request.transact_time, self._digits),
            request.instrument.quantity_text(request.quantity),
        )
        order_id = _optional(37, _theirs(request.order_id))
        return _message("F", (text, _CANCEL.count(SOH)), order_id, _optional(1, request.account))

    def _order_mass_cancel_request(self, request: OrderMassCancelRequest) -> str:
        text = _MASS_CANCEL % (
            _given(request.cl_ord_id, "ClOrdID"),
            OF_ALL if request.instrument is None else OF_AN_INSTRUMENT,
            utc_text(request.transact_time, self._digits),
        )
        symbol = request.instrument.symbol if request.instrument is not None else ""
        return _message("q", (text, _MASS_CANCEL.count(SOH)), _optional(55, symbol))

    def _order_status_request(self, request: OrderStatusRequest) -> str:
        cl_ord_id = _theirs(_given(request.cl_ord_id, "ClOrdID")) or _NONE
        text = _STATUS % (cl_ord_id, request.instrument.symbol, request.side)
        order_id = _optional(37, _theirs(request.order_id))
        return _message("H", (text, _STATUS.count(SOH)), order_id, _optional(1, request.account))


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


@lru_cache(maxsize=4096)
def _parties(attribution: Attribution, policy: str, model: str) -> Part:
    _given(policy, "policy")
    text = _PARTIES % (
        _given(attribution.client, "client"),
        _given(attribution.trader, "trader"),
        _given(attribution.desk, "desk"),
        f"{policy}/{model}" if model else policy,
    )
    return text, _PARTIES.count(SOH)


def _optional(tag: int, value: str) -> Part:
    return (f"{tag}={value}{SOH}", 1) if value else _NOTHING


def _theirs(value: str) -> str:
    """An id as the counterparty gave it; empty where FIX cannot carry it back.

    The other id of the order says which one it is, and a cancel that names it so is better than none.
    """
    return value if value.isascii() else ""


def _given(value: str, name: str) -> str:
    if not value:
        raise FixSendError(f"{name} is empty")
    return value


def _message(msg_type: str, *parts: Part) -> str:
    body = "".join([text for text, _ in parts])
    # A separator more than there are fields came in with somebody's name.
    if body.count(SOH) != sum([fields for _, fields in parts]) or not body.isascii():
        raise FixSendError(f"a field has a character that FIX cannot carry: {body!r}")
    return f"8=FIX.4.4{SOH}9=0{SOH}35={msg_type}{SOH}{body}10=000{SOH}"
