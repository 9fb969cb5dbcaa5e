"""FIX text in and out, without an engine."""

import pytest

from service.model.orders import OrdStatus, OrdType, TimeInForce
from service.simulation.fix_text import (
    Unsupported,
    answer,
    business_reject,
    fields_of,
    request_of,
    timestamp,
)
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
    StatusQuery,
)
from tests.unit.simulation.harness import BUY, REFERENCE

INSTRUMENT = REFERENCE.by_symbol["S"]
ORDER = {
    "35": "D",
    "11": "a",
    "55": "S",
    "54": "1",
    "40": "2",
    "38": "10",
    "44": "1.25",
    "59": "3",
    "1": "ACC",
}


def test_order_when_complete_then_is_a_new_order_in_lots_and_price_units() -> None:
    assert request_of(ORDER, "ME", REFERENCE) == NewOrder(
        owner="ME",
        cl_ord_id="a",
        symbol="S",
        side=BUY,
        ord_type=OrdType.LIMIT,
        time_in_force=TimeInForce.IOC,
        quantity=10,
        price=125,
        account="ACC",
    )


def test_order_when_time_in_force_is_absent_then_is_good_for_the_day() -> None:
    order = request_of({k: v for k, v in ORDER.items() if k != "59"}, "ME", REFERENCE)
    assert isinstance(order, NewOrder)
    assert order.time_in_force is TimeInForce.DAY


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"55": "NOPE"}, OrdRejReason.UNKNOWN_SYMBOL),
        ({"54": "5"}, OrdRejReason.UNSUPPORTED),
        ({"40": "3"}, OrdRejReason.UNSUPPORTED),
        ({"59": "6"}, OrdRejReason.UNSUPPORTED),
        ({"38": None}, OrdRejReason.INCORRECT_QUANTITY),
        ({"38": "1.5"}, OrdRejReason.INCORRECT_QUANTITY),
        ({"38": "many"}, OrdRejReason.INCORRECT_QUANTITY),
        ({"44": None}, OrdRejReason.OTHER),
        ({"44": "1.255"}, OrdRejReason.OTHER),
    ],
)
def test_order_when_it_cannot_be_read_then_is_malformed_with_the_reason(
    change: dict[str, str | None], reason: OrdRejReason
) -> None:
    fields = {tag: value for tag, value in {**ORDER, **change}.items() if value is not None}
    request = request_of(fields, "ME", REFERENCE)
    assert isinstance(request, MalformedOrder)
    assert request.reason is reason
    assert (request.cl_ord_id, request.side) == ("a", fields["54"])


def test_requests_when_complete_then_are_what_they_say() -> None:
    base = {"11": "b", "41": "a", "37": "O1", "55": "S", "54": "1"}
    assert request_of({**base, "35": "F"}, "ME", REFERENCE) == CancelOrder(
        owner="ME", cl_ord_id="b", orig_cl_ord_id="a", order_id="O1"
    )
    assert request_of(
        {**base, "35": "G", "40": "2", "38": "7", "44": "1.26"}, "ME", REFERENCE
    ) == ReplaceOrder(
        owner="ME",
        cl_ord_id="b",
        orig_cl_ord_id="a",
        symbol="S",
        side="1",
        quantity=7,
        price=126,
        order_id="O1",
    )
    assert request_of({**base, "35": "H", "790": "r"}, "ME", REFERENCE) == StatusQuery(
        owner="ME", cl_ord_id="b", symbol="S", side="1", order_id="O1", request_id="r"
    )
    assert request_of({"35": "AF", "584": "r", "585": "7"}, "ME", REFERENCE) == MassStatusQuery(
        owner="ME", request_id="r"
    )
    assert request_of({"35": "q", "11": "m", "530": "1", "55": "S"}, "ME", REFERENCE) == MassCancel(
        owner="ME", cl_ord_id="m", symbol="S"
    )


@pytest.mark.parametrize("change", [{"55": "NOPE"}, {"40": "1"}, {"38": "x"}, {"44": "x"}])
def test_replace_when_it_cannot_be_read_then_carries_its_fault(change: dict[str, str]) -> None:
    fields = {"35": "G", "11": "b", "41": "a", "55": "S", "54": "1", "40": "2", "38": "7", "44": "1.26"}
    request = request_of({**fields, **change}, "ME", REFERENCE)
    assert isinstance(request, ReplaceOrder)
    assert request.fault


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"35": "R", "34": "9"}, 3),
        ({"35": "AF", "34": "9", "584": "r", "585": "3"}, 0),
        ({"35": "q", "34": "9", "11": "m", "530": "1"}, 5),
        ({**ORDER, "34": "9", "11": "\udce9"}, 0),
    ],
)
def test_message_when_not_supported_then_gets_a_business_reject(fields: dict[str, str], reason: int) -> None:
    refused = request_of(fields, "ME", REFERENCE)
    assert isinstance(refused, Unsupported)
    text = fields_of(business_reject(refused))
    assert (text["35"], text["45"], text["372"], text["380"]) == ("j", "9", fields["35"], str(reason))
    assert text["58"]


def outcome(kind: Kind, **fields: object) -> Outcome:
    base = {
        "number": 1,
        "kind": kind,
        "owner": "ME",
        "ts_utc": 1_000_000_000_123_456_789,
        "status": OrdStatus.PARTIALLY_FILLED,
        "order_id": "O1",
        "exec_id": "E1",
        "cl_ord_id": "a",
        "symbol": "S",
        "side": "1",
        "ord_type": "2",
        "time_in_force": "0",
        "quantity": 10,
        "price": 125,
        "cum": 3,
        "leaves": 7,
        "money": 374,
    }
    return Outcome(**{**base, **fields})  # type: ignore[arg-type]


def test_trade_when_reported_then_has_every_field_of_an_execution() -> None:
    trade = outcome(
        Kind.TRADE, last_quantity=2, last_price=124, liquidity=1, venue="X", commission="-0.01", account="ACC"
    )
    assert fields_of(answer(trade, INSTRUMENT)) == {
        "8": "FIX.4.4",
        "9": "0",
        "35": "8",
        "37": "O1",
        "11": "a",
        "17": "E1",
        "150": "F",
        "39": "1",
        "1": "ACC",
        "55": "S",
        "54": "1",
        "40": "2",
        "59": "0",
        "60": "20010909-01:46:40.123456",
        "38": "10",
        "44": "1.25",
        "151": "7",
        "14": "3",
        "6": "1.24666667",
        "32": "2",
        "31": "1.24",
        "30": "X",
        "29": "1",
        "851": "1",
        "12": "-0.01",
        "13": "3",
        "10": "000",
    }


def test_reject_when_instrument_is_unknown_then_is_still_an_execution_report() -> None:
    rejected = outcome(Kind.REJECTED, status=OrdStatus.REJECTED, symbol="NOPE", reason=1, quantity=0, price=0)
    fields = fields_of(answer(rejected, None))
    assert (fields["150"], fields["103"], fields["151"], fields["14"], fields["6"]) == (
        "8",
        "1",
        "0",
        "0",
        "0",
    )


def test_cancel_reject_when_answering_a_replace_then_says_which_and_why() -> None:
    rejected = outcome(
        Kind.CANCEL_REJECTED, cl_ord_id="b", orig_cl_ord_id="a", reason=0, response_to=2, text="too late"
    )
    fields = fields_of(answer(rejected, INSTRUMENT))
    assert {tag: fields[tag] for tag in ("35", "11", "41", "39", "434", "102", "58")} == {
        "35": "9",
        "11": "b",
        "41": "a",
        "39": "1",
        "434": "2",
        "102": "0",
        "58": "too late",
    }


def test_answer_when_perhaps_sent_before_then_is_marked() -> None:
    assert fields_of(answer(outcome(Kind.NEW), INSTRUMENT, possible_resend=True))["97"] == "Y"
    assert "97" not in fields_of(answer(outcome(Kind.NEW), INSTRUMENT))


def test_timestamp_when_given_nanoseconds_then_is_text_with_microseconds() -> None:
    assert timestamp(999) == "19700101-00:00:00.000000"
    assert timestamp(1_340_285_400_000_001_000) == "20120621-13:30:00.000001"
