"""FIX text to reports. Pure; never raises.

Fields that say *which* order, *what* happened and *how much* are strict: anything wrong there makes the
message ``Malformed``. Fields that only describe (liquidity, reason codes, times) never cost a fill:
unreadable, they count as absent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

from service.fix.dialect import Dialect
from service.fix.messages import (
    BusinessReject,
    ExecutionReport,
    Malformed,
    OrderCancelReject,
    OrderMassCancelReport,
    Report,
    SessionReject,
)
from service.fix.timestamps import utc_from_text
from service.model.events import Liquidity
from service.model.orders import OrdStatus, Side
from service.model.reference import Instrument

SOH: Final = "\x01"
EXEC_TYPES: Final = frozenset("03456789ABCDEFGHI")
FILL_TYPES: Final = frozenset("FG")
"""A trade and its correction: both say how much, at what price."""
# fmt: off
_READ: Final = frozenset(map(str, (
    11, 14, 17, 19, 20, 29, 30, 31, 32, 34, 35, 37, 38, 39, 41, 43, 44, 45, 52, 54, 55, 58, 60, 97,
    102, 103, 150, 151, 371, 372, 373, 379, 380, 434, 531, 532, 533, 584, 851, 912,
)))
# fmt: on
_PAIRS: Final = re.compile(r"([^=\x01]+)=([^\x01]*)\x01")
_NUMBER: Final = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_COUNT: Final = re.compile(r"[0-9]{1,18}")
_DIGITS: Final = 28
"""Longest number that decimal arithmetic of default precision reads exactly."""
_LIMIT: Final = 1 << 63
_MOST_LOTS: Final = 1 << 53
"""No order is so large, and sums of such still fit 64 bits."""
_STATUS: Final = {str(s.value): s for s in OrdStatus}
_SIDES: Final = {"1": Side.BUY, "2": Side.SELL}
_REJECTED: Final = OrdStatus.REJECTED.value
_LIQUIDITY: Final = {str(int(m)): m for m in Liquidity}
_TEXT_LIMIT: Final = 512

Fields = dict[str, str]


class _BadField(ValueError):
    pass


class Parser:
    """Reads what one counterparty sends.

    Args:
        instruments: By symbol; a report on any other symbol is ``Malformed``.
        dialect: What is tolerated.
        sent: ClOrdID of a request by its MsgSeqNum, or ``""``.
    """

    def __init__(
        self, instruments: Mapping[str, Instrument], dialect: Dialect, sent: Callable[[int], str]
    ) -> None:
        self._instruments = instruments
        self._optional = frozenset(str(tag) for tag in dialect.optional)
        self._legacy = dialect.legacy_exec_type
        self._reused = dialect.order_ids_reused
        self._ignored = dialect.ignored
        self._sent = sent
        self._parsers: Final[Mapping[str, Callable[[Fields, dict[str, Any]], Report]]] = {
            "8": self._execution_report,
            "9": self._order_cancel_reject,
            "r": self._order_mass_cancel_report,
            "j": self._business_reject,
            "3": self._session_reject,
        }

    def __call__(self, raw: str) -> Report | None:
        """The report that ``raw`` is; ``None`` if the dialect ignores its type."""
        if not raw.isascii():
            raw = raw.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        fields, repeated = _split(raw)
        msg_type = fields.get("35", "")
        if msg_type in self._ignored:
            return None
        try:
            if repeated:
                raise _BadField(f"tag {repeated} stands there twice")
            parser = self._parsers.get(msg_type)
            if parser is None:
                raise _BadField(f"message type {msg_type!r} is not handled")
            return parser(fields, _common(fields))
        except _BadField as error:
            return _malformed(raw, fields, str(error))
        except Exception as error:  # noqa: BLE001 - one message must never cost the next
            return _malformed(raw, fields, f"{type(error).__name__}: {error}")

    def _execution_report(self, fields: Fields, common: dict[str, Any]) -> ExecutionReport:
        mass = fields.get("584", "")
        if mass and fields.get("39") == _REJECTED and not fields.get("11"):
            return _nothing_works(fields, mass, common)
        symbol = self._required(fields, "55", "Symbol")
        instrument = self._instruments.get(symbol)
        if instrument is None:
            raise _BadField(f"Symbol (55) {symbol!r} is not an instrument of the reference file")
        exec_type = self._exec_type(fields)
        last_quantity = _quantity(instrument, fields, "32", "LastQty")
        last_price = _price(instrument, fields, "31", "LastPx")
        if exec_type in FILL_TYPES:
            self._required(fields, "32", "LastQty")
            self._required(fields, "31", "LastPx")
            if last_quantity == 0 or (last_price is not None and last_price <= 0):
                raise _BadField(f"a fill of {fields.get('32')} at {fields.get('31')}")
        return ExecutionReport(
            order_id=self._order_id(fields),
            exec_id=self._required(fields, "17", "ExecID"),
            exec_type=exec_type,
            ord_status=self._status(fields),
            symbol=symbol,
            side=self._side(fields),
            orig_cl_ord_id=fields.get("41", ""),
            order_quantity=_quantity(instrument, fields, "38", "OrderQty"),
            price=_price(instrument, fields, "44", "Price"),
            last_quantity=last_quantity,
            last_price=last_price,
            cum_quantity=self._required_quantity(instrument, fields, "14", "CumQty"),
            leaves_quantity=self._required_quantity(instrument, fields, "151", "LeavesQty"),
            liquidity=_LIQUIDITY.get(fields.get("851", ""), Liquidity.UNKNOWN),
            venue=fields.get("30", ""),
            last_capacity=fields.get("29", ""),
            transact_time=_time(fields, "60"),
            exec_ref_id=(
                self._required(fields, "19", "ExecRefID") if exec_type in "GH" else fields.get("19", "")
            ),
            ord_rej_reason=_code(fields, "103"),
            mass_status_id=mass,
            last_report=fields.get("912") == "Y",
            **common,
        )

    def _order_cancel_reject(self, fields: Fields, common: dict[str, Any]) -> OrderCancelReject:
        self._required(fields, "11", "ClOrdID")
        response_to = self._required(fields, "434", "CxlRejResponseTo")
        if response_to not in ("", "1", "2"):
            raise _BadField(f"CxlRejResponseTo (434) is {response_to!r}, neither 1 nor 2")
        return OrderCancelReject(
            order_id=self._order_id(fields),
            orig_cl_ord_id=self._required(fields, "41", "OrigClOrdID"),
            ord_status=self._status(fields),
            cxl_rej_response_to=response_to,
            cxl_rej_reason=_code(fields, "102"),
            transact_time=_time(fields, "60"),
            **common,
        )

    def _order_mass_cancel_report(self, fields: Fields, common: dict[str, Any]) -> OrderMassCancelReport:
        response = self._required(fields, "531", "MassCancelResponse")
        return OrderMassCancelReport(
            accepted=response != "0", affected=_code(fields, "533"), reason=_code(fields, "532"), **common
        )

    def _business_reject(self, fields: Fields, common: dict[str, Any]) -> BusinessReject:
        ref_seq_num = _code(fields, "45") or 0
        return BusinessReject(
            ref_msg_type=self._required(fields, "372", "RefMsgType"),
            ref_seq_num=ref_seq_num,
            reason=_code(fields, "380"),
            **common | {"cl_ord_id": fields.get("379", "") or self._sent(ref_seq_num)},
        )

    def _session_reject(self, fields: Fields, common: dict[str, Any]) -> SessionReject:
        ref_seq_num = _code(fields, "45")
        if ref_seq_num is None:
            raise _BadField("RefSeqNum (45) is missing or no number")
        return SessionReject(
            ref_seq_num=ref_seq_num,
            ref_msg_type=fields.get("372", ""),
            ref_tag_id=_code(fields, "371") or 0,
            reason=_code(fields, "373"),
            **common | {"cl_ord_id": self._sent(ref_seq_num)},
        )

    def _required(self, fields: Fields, tag: str, name: str) -> str:
        value = fields.get(tag, "")
        if not value and tag not in self._optional:
            raise _BadField(f"{name} ({tag}) is missing")
        return value

    def _order_id(self, fields: Fields) -> str:
        """Empty where the counterparty uses it again: nothing must be found by it."""
        value = self._required(fields, "37", "OrderID")
        return "" if self._reused else value

    def _required_quantity(self, instrument: Instrument, fields: Fields, tag: str, name: str) -> int | None:
        self._required(fields, tag, name)
        return _quantity(instrument, fields, tag, name)

    def _status(self, fields: Fields) -> OrdStatus:
        text = fields.get("39", "")
        status = _STATUS.get(text)
        if status is None:
            _unknown_value("OrdStatus", "39", text)
        return status

    def _side(self, fields: Fields) -> Side | None:
        text = self._required(fields, "54", "Side")
        side = _SIDES.get(text)
        if side is None and text:
            _unknown_value("Side", "54", text)
        return side

    def _exec_type(self, fields: Fields) -> str:
        text = fields.get("150", "")
        if self._legacy:
            text = _from_legacy(text, fields)
        if text not in EXEC_TYPES:
            _unknown_value("ExecType", "150", text)
        return text


def _nothing_works(fields: Fields, mass: str, common: dict[str, Any]) -> ExecutionReport:
    """The answer to an OrderMassStatusRequest that there is no such order; what else it says is filling."""
    return ExecutionReport(
        order_id="",
        exec_id="",
        exec_type="I",
        ord_status=OrdStatus.REJECTED,
        symbol="",
        ord_rej_reason=_code(fields, "103"),
        mass_status_id=mass,
        last_report=True,
        **common,
    )


def _from_legacy(exec_type: str, fields: Fields) -> str:
    """FIX 4.2's pair of ExecTransType (20) and ExecType (150) as FIX 4.4's ExecType."""
    transaction = fields.get("20", "0")
    if transaction == "1":
        return "H"
    if transaction == "2":
        return "G"
    if transaction == "3":
        return "I"
    return "F" if exec_type in ("1", "2") else exec_type


def _unknown_value(name: str, tag: str, text: str) -> NoReturn:
    raise _BadField(
        f"{name} ({tag}) is missing" if not text else f"{name} ({tag}) {text!r} is not known here"
    )


def _split(raw: str) -> tuple[Fields, str]:
    """Fields by tag (the first of each), and a tag that we read and that stands there twice, if any."""
    pairs = _PAIRS.findall(raw)
    fields: Fields = dict(pairs)
    if len(fields) == len(pairs) == raw.count(SOH):
        return fields, ""
    fields = {}
    repeated = ""
    for item in raw.split(SOH):
        tag, _, value = item.partition("=")
        if tag not in fields:
            fields[tag] = value
        elif tag in _READ:
            repeated = tag
    return fields, repeated


def _common(fields: Fields) -> dict[str, Any]:
    return {
        "cl_ord_id": fields.get("11", ""),
        "text": fields.get("58", "")[:_TEXT_LIMIT],
        "seq": _code(fields, "34") or 0,
        "sending_time": _time(fields, "52"),
        "poss_dup": fields.get("43") == "Y",
        "poss_resend": fields.get("97") == "Y",
    }


def _malformed(raw: str, fields: Fields, reason: str) -> Malformed:
    return Malformed(
        raw=raw.replace(SOH, "|"),
        reason=reason,
        msg_type=fields.get("35", ""),
        symbol=fields.get("55", ""),
        **_common(fields),
    )


def _quantity(instrument: Instrument, fields: Fields, tag: str, name: str) -> int | None:
    text = fields.get(tag, "")
    if not text:
        return None
    return _bounded(instrument.quantity_from_text, text, f"{name} ({tag})", low=0, limit=_MOST_LOTS)


def _price(instrument: Instrument, fields: Fields, tag: str, name: str) -> int | None:
    text = fields.get(tag, "")
    if not text:
        return None
    return _bounded(instrument.price_from_text, text, f"{name} ({tag})", low=1 - _LIMIT, limit=_LIMIT)


def _bounded(convert: Callable[[str], int], text: str, what: str, low: int, limit: int) -> int:
    if len(text) > _DIGITS or not _NUMBER.fullmatch(text):
        raise _BadField(f"{what} {text[:40]!r} is not a number")
    try:
        value = convert(text)
    except ValueError as error:
        raise _BadField(f"{what}: {error}") from error
    if not low <= value < limit:
        raise _BadField(f"{what} {text} is out of range")
    return value


def _code(fields: Fields, tag: str) -> int | None:
    text = fields.get(tag, "")
    return int(text) if _COUNT.fullmatch(text) else None


def _time(fields: Fields, tag: str) -> int:
    try:
        value = utc_from_text(fields.get(tag, ""))
    except ValueError:
        return 0
    return value if 0 <= value < _LIMIT else 0  # the year 9999 stands for none, and fits no journal
