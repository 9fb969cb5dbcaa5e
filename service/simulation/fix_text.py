"""FIX 4.4 text to requests, outcomes to FIX 4.4 text. Pure; no FIX engine here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from service.model.orders import OrdStatus, OrdType, Side, TimeInForce
from service.model.reference import Instrument, Reference
from service.model.time import SECOND
from service.simulation.orders import (
    CancelOrder,
    Kind,
    MalformedOrder,
    MassCancel,
    MassStatusQuery,
    NewOrder,
    OrdRejReason,
    Outcome,
    ReplaceOrder,
    Request,
    StatusQuery,
)

SOH: Final = "\x01"
Fields = dict[str, str]

AGENT: Final = "1"
"""LastCapacity (29): this broker is never the other side of a trade itself."""
UNSUPPORTED_MESSAGE_TYPE: Final = 3
"""BusinessRejectReason (380)."""
OTHER: Final = 0
CONDITIONALLY_REQUIRED_FIELD_MISSING: Final = 5


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A message that gets a BusinessMessageReject (35=j)."""

    ref_seq_num: str
    ref_msg_type: str
    reason: int
    text: str


def fields_of(text: str) -> Fields:
    """Tag to value; of a repeating group the last entry, which nothing here reads."""
    return dict(pair.split("=", 1) for pair in text.split(SOH) if "=" in pair)


def request_of(fields: Fields, owner: str, reference: Reference) -> Request | Unsupported:
    """What a client's application message asks of the exchange."""
    message_type = fields.get("35", "")
    if not _is_text(fields):
        return _refuse({"34": fields.get("34", "0"), "35": message_type}, OTHER, "a field is not UTF-8 text")
    try:
        match message_type:
            case "D":
                return _new_order(fields, owner, reference)
            case "F":
                return CancelOrder(
                    owner=owner,
                    cl_ord_id=fields["11"],
                    orig_cl_ord_id=fields["41"],
                    order_id=fields.get("37", ""),
                )
            case "G":
                return _replace(fields, owner, reference)
            case "H":
                return StatusQuery(
                    owner=owner,
                    cl_ord_id=fields["11"],
                    symbol=fields["55"],
                    side=fields["54"],
                    order_id=fields.get("37", ""),
                    request_id=fields.get("790", ""),
                )
            case "AF":
                symbol = _scope(fields, "585", by_symbol="1", everything="7")
                return MassStatusQuery(owner=owner, request_id=fields["584"], symbol=symbol)
            case "q":
                symbol = _scope(fields, "530", by_symbol="1", everything="7")
                return MassCancel(owner=owner, cl_ord_id=fields["11"], symbol=symbol)
    except KeyError as error:
        return _refuse(fields, CONDITIONALLY_REQUIRED_FIELD_MISSING, f"tag {error.args[0]} is missing")
    except _Scope as error:
        return _refuse(fields, OTHER, str(error))
    return _refuse(fields, UNSUPPORTED_MESSAGE_TYPE, f"message type {message_type} is not supported")


def _is_text(fields: Fields) -> bool:
    """The engine hands bytes that are not UTF-8 over as lone surrogates, which no log and no answer takes."""
    try:
        "".join(fields.values()).encode()
    except UnicodeEncodeError:
        return False
    return True


class _Scope(ValueError):
    pass


def _scope(fields: Fields, tag: str, *, by_symbol: str, everything: str) -> str:
    kind = fields[tag]
    if kind == everything:
        return ""
    if kind == by_symbol:
        return fields["55"]
    raise _Scope(f"tag {tag}={kind} is not supported; {everything} is everything, {by_symbol} one symbol")


def _refuse(fields: Fields, reason: int, text: str) -> Unsupported:
    return Unsupported(fields.get("34", "0"), fields.get("35", ""), reason, text)


def _new_order(fields: Fields, owner: str, reference: Reference) -> NewOrder | MalformedOrder:
    symbol, side, ord_type = fields["55"], fields["54"], fields["40"]
    time_in_force = fields.get("59", TimeInForce.DAY.value)

    def malformed(reason: OrdRejReason, text: str) -> MalformedOrder:
        return MalformedOrder(
            owner=owner,
            cl_ord_id=fields["11"],
            symbol=symbol,
            side=side,
            ord_type=ord_type,
            reason=reason,
            text=text,
        )

    instrument = reference.by_symbol.get(symbol)
    if instrument is None:
        return malformed(OrdRejReason.UNKNOWN_SYMBOL, f"unknown symbol {symbol}")
    for tag, value, known in (
        ("54", side, {str(s.value) for s in Side}),
        ("40", ord_type, {t.value for t in OrdType}),
        ("59", time_in_force, {t.value for t in TimeInForce}),
    ):
        if value not in known:
            takes = ", ".join(sorted(known))
            return malformed(OrdRejReason.UNSUPPORTED, f"tag {tag}={value} is not supported; taken: {takes}")
    if "38" not in fields:
        return malformed(OrdRejReason.INCORRECT_QUANTITY, "OrderQty (38) is missing")
    try:
        quantity = instrument.quantity_from_text(fields["38"])
    except ValueError as error:
        return malformed(OrdRejReason.INCORRECT_QUANTITY, str(error))
    price = 0
    if ord_type == OrdType.LIMIT:
        if "44" not in fields:
            return malformed(OrdRejReason.OTHER, "Price (44) is missing from a limit order")
        try:
            price = instrument.price_from_text(fields["44"])
        except ValueError as error:
            return malformed(OrdRejReason.OTHER, str(error))
    return NewOrder(
        owner=owner,
        cl_ord_id=fields["11"],
        symbol=symbol,
        side=Side(int(side)),
        ord_type=OrdType(ord_type),
        time_in_force=TimeInForce(time_in_force),
        quantity=quantity,
        price=price,
        account=fields.get("1", ""),
    )


def _replace(fields: Fields, owner: str, reference: Reference) -> ReplaceOrder:
    quantity = price = 0
    fault = ""
    instrument = reference.by_symbol.get(fields["55"])
    if instrument is None:
        fault = f"unknown symbol {fields['55']}"
    elif fields["40"] != OrdType.LIMIT:
        fault = f"tag 40={fields['40']} is not supported in a replace; taken: {OrdType.LIMIT.value}"
    else:
        try:
            quantity = instrument.quantity_from_text(fields.get("38", ""))
            price = instrument.price_from_text(fields.get("44", ""))
        except ValueError as error:
            fault = str(error)
    return ReplaceOrder(
        owner=owner,
        cl_ord_id=fields["11"],
        orig_cl_ord_id=fields["41"],
        symbol=fields["55"],
        side=fields["54"],
        quantity=quantity,
        price=price,
        order_id=fields.get("37", ""),
        fault=fault,
    )


def timestamp(ns: int) -> str:
    """UTCTimestamp with microseconds."""
    seconds, rest = divmod(ns, SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y%m%d-%H:%M:%S}.{rest // 1000:06d}"


def business_reject(refused: Unsupported) -> str:
    """The BusinessMessageReject, ready for the engine."""
    return _text(
        "j",
        [
            ("45", refused.ref_seq_num),
            ("372", refused.ref_msg_type),
            ("380", str(refused.reason)),
            ("58", refused.text),
        ],
    )


def answer(
    outcome: Outcome, instrument: Instrument | None, *, possible_resend: bool = False, copy: bool = False
) -> str:
    """The message of an outcome, ready for the engine, which fills in the session's fields.

    Args:
        instrument: That of ``outcome.symbol``; ``None`` if there is none, which only a reject survives.
        possible_resend: Set PossResend (97): an earlier life may have sent it.
        copy: Set CopyMsgIndicator (797): it goes to the drop copy session.
    """
    match outcome.kind:
        case Kind.CANCEL_REJECTED:
            message_type, pairs = "9", _cancel_reject(outcome)
        case Kind.MASS_CANCELED:
            message_type, pairs = "r", _mass_cancel_report(outcome)
        case _:
            message_type, pairs = "8", _execution_report(outcome, instrument)
    if possible_resend:
        pairs.insert(0, ("97", "Y"))
    if copy:
        pairs.append(("797", "Y"))
    return _text(message_type, pairs)


def _text(message_type: str, pairs: list[tuple[str, str]]) -> str:
    body = SOH.join([f"{tag}={value}" for tag, value in pairs if value])
    return f"8=FIX.4.4{SOH}9=0{SOH}35={message_type}{SOH}{body}{SOH}10=000{SOH}"


def _execution_report(outcome: Outcome, instrument: Instrument | None) -> list[tuple[str, str]]:
    pairs = [
        ("37", outcome.order_id),
        ("11", outcome.cl_ord_id),
        ("41", outcome.orig_cl_ord_id),
        ("17", outcome.exec_id),
        ("150", outcome.kind.value),
        ("39", outcome.status.value),
        ("1", outcome.account),
        ("55", outcome.symbol),
        ("54", outcome.side),
        ("40", outcome.ord_type),
        ("59", outcome.time_in_force),
        ("60", timestamp(outcome.ts_utc)),
        ("58", outcome.text),
    ]
    if instrument is None:
        pairs += [("151", "0"), ("14", "0"), ("6", "0")]
    else:
        pairs += [
            ("38", instrument.quantity_text(outcome.quantity) if outcome.quantity else ""),
            ("44", instrument.price_text(outcome.price) if outcome.price else ""),
            ("151", instrument.quantity_text(outcome.leaves)),
            ("14", instrument.quantity_text(outcome.cum)),
            ("6", _average(outcome, instrument)),
        ]
    if outcome.kind is Kind.TRADE:
        assert instrument is not None
        pairs += [
            ("32", instrument.quantity_text(outcome.last_quantity)),
            ("31", instrument.price_text(outcome.last_price)),
            ("30", outcome.venue),
            ("29", AGENT),
            ("851", str(outcome.liquidity)),
        ]
        if outcome.commission:
            pairs += [("12", outcome.commission), ("13", "3")]
    if outcome.status is OrdStatus.REJECTED and outcome.reason is not None:
        pairs.append(("103", str(outcome.reason)))
    if outcome.kind is Kind.STATUS:
        if outcome.total is None:
            pairs.append(("790", outcome.request_id))
        else:
            pairs += [
                ("584", outcome.request_id),
                ("911", str(outcome.total)),
                ("912", "Y" if outcome.last else "N"),
            ]
    return pairs


def _average(outcome: Outcome, instrument: Instrument) -> str:
    if not outcome.cum:
        return "0"
    average = Decimal(outcome.money) / outcome.cum
    return f"{average.scaleb(-instrument.price_exponent).quantize(Decimal('1e-8')).normalize():f}"


def _cancel_reject(outcome: Outcome) -> list[tuple[str, str]]:
    return [
        ("37", outcome.order_id),
        ("11", outcome.cl_ord_id),
        ("41", outcome.orig_cl_ord_id),
        ("39", outcome.status.value),
        ("434", str(outcome.response_to)),
        ("102", str(outcome.reason)),
        ("60", timestamp(outcome.ts_utc)),
        ("58", outcome.text),
    ]


def _mass_cancel_report(outcome: Outcome) -> list[tuple[str, str]]:
    scope = "1" if outcome.symbol else "7"
    return [
        ("11", outcome.cl_ord_id),
        ("37", outcome.exec_id),
        ("530", scope),
        ("531", scope),
        ("533", str(outcome.total)),
        ("55", outcome.symbol),
        ("60", timestamp(outcome.ts_utc)),
    ]
