"""What goes on the wire, read by simplefix: a codec that shares nothing with the engine."""

from typing import Any

import msgspec
import pytest
import quickfix
import simplefix
from hypothesis import given
from hypothesis import strategies as st

from service.fix.config import FIX_CONFIGS
from service.fix.encode import Encoder
from service.fix.messages import (
    Attribution,
    FixSendError,
    OrderCancelRequest,
    OrderMassCancelRequest,
    OrderMassStatusRequest,
    OrderStatusRequest,
)
from service.model.orders import OrdType, Side, TimeInForce
from service.risk.gate import Approved
from tests.unit.fix.support import (
    ATTRIBUTION,
    AURA,
    COIN,
    TRANSACT,
    approved_replace,
    approved_submit,
    new_order,
    replace_order,
)

ENCODE = Encoder()
DICTIONARY = quickfix.DataDictionary(str(FIX_CONFIGS / "FIX44.xml"))
CANCEL = OrderCancelRequest(
    cl_ord_id="O-2",
    orig_cl_ord_id="O-1",
    order_id="B-1",
    instrument=AURA,
    side=Side.SELL,
    quantity=100,
    transact_time=TRANSACT,
)
STATUS = OrderStatusRequest(cl_ord_id="O-1", order_id="", instrument=AURA, side=Side.BUY)


def read(raw: str) -> dict[int, str]:
    """Fields by tag, the last of each, after simplefix has found the message whole."""
    parser = simplefix.FixParser()
    parser.append_buffer(raw.encode())
    message = parser.get_message()
    assert message is not None
    return {int(tag): value.decode() for tag, value in message.pairs}


def on_the_wire(raw: str) -> str:
    """As the engine serialises it: envelope, order of fields and groups, length, checksum."""
    return str(quickfix.Message(raw, DICTIONARY, False).toString())


def test_limit_order_when_encoded_then_every_field_is_the_order_s() -> None:
    fields = read(on_the_wire(ENCODE(new_order())))
    wanted = {
        35: "D", 11: "O-1", 526: "P1.1", 583: "P1", 1: "NW-1", 21: "1", 55: "AURA", 54: "1", 15: "USD",
        60: "20261121-10:00:00.123", 38: "100", 40: "2", 44: "187.2500", 59: "0", 528: "A", 453: "3",
    }  # fmt: skip
    assert {tag: fields[tag] for tag in wanted} == wanted
    assert not fields.keys() & {111, 100}


def test_parties_when_encoded_then_client_trader_desk_and_algorithm_are_named() -> None:
    raw = on_the_wire(ENCODE(new_order(approved=approved_submit(model="imbalance@1"))))
    parties = raw.split("\x01453=")[1].split("\x01526=")[0].split("\x01")
    assert parties == [
        "3",
        *("448=NORTHWIND", "447=D", "452=3"),
        *("448=alice", "447=D", "452=11", "802=1", "523=EQUITIES", "803=25"),
        *("448=twap/imbalance@1", "447=D", "452=16"),
    ]


def test_message_when_serialised_then_header_length_and_checksum_are_right() -> None:
    raw = on_the_wire(ENCODE(new_order()))
    assert [item.split("=")[0] for item in raw.split("\x01")[:3]] == ["8", "9", "35"]
    body = raw.split("\x01", 2)[2].rsplit("10=", 1)[0]
    assert int(raw.split("\x01")[1].removeprefix("9=")) == len(body)
    checksum = sum(raw.rsplit("10=", 1)[0].encode()) % 256
    assert raw.endswith(f"\x0110={checksum:03d}\x01")


def test_market_order_when_encoded_then_it_has_no_price() -> None:
    fields = read(ENCODE(new_order(approved=approved_submit(ord_type=OrdType.MARKET, price=0))))
    assert (fields[40], 44 in fields) == ("1", False)


def test_iceberg_when_encoded_then_the_shown_part_is_max_floor() -> None:
    approved = approved_submit(
        display_quantity=10, venue="XNAS", side=Side.SELL, time_in_force=TimeInForce.IOC
    )
    fields = read(ENCODE(new_order(approved=approved)))
    assert (fields[111], fields[100], fields[54], fields[59]) == ("10", "XNAS", "2", "3")


def test_quantity_when_the_lot_is_a_fraction_then_it_is_written_in_units() -> None:
    order = new_order(approved=approved_submit(COIN, quantity=7, price=6_512_345), instrument=COIN)
    fields = read(ENCODE(order))
    assert (fields[38], fields[44], fields[15]) == ("0.035", "65123.45", "USDT")


def test_cancel_when_encoded_then_it_names_both_orders() -> None:
    fields = read(on_the_wire(ENCODE(CANCEL)))
    wanted = {35: "F", 11: "O-2", 41: "O-1", 37: "B-1", 55: "AURA", 54: "2", 38: "100"}
    assert {tag: fields[tag] for tag in wanted} == wanted
    assert 453 not in fields


def test_cancel_when_the_brokers_own_id_is_not_ascii_then_it_goes_out_without_it() -> None:
    fields = read(on_the_wire(ENCODE(msgspec.structs.replace(CANCEL, order_id="B-\xc4"))))
    assert fields[41] == "O-1"
    assert 37 not in fields
    replaced = read(on_the_wire(ENCODE(msgspec.structs.replace(replace_order(), order_id="B-\xc4"))))
    assert 37 not in replaced


def test_cancel_when_a_foreign_order_has_no_id_that_fix_carries_then_the_brokers_names_it() -> None:
    fields = read(on_the_wire(ENCODE(msgspec.structs.replace(CANCEL, orig_cl_ord_id="\xdc-7"))))
    assert (fields[37], fields[41]) == ("B-1", "NONE")
    asked = msgspec.structs.replace(STATUS, cl_ord_id="\xdc-7", order_id="B-1")
    fields = read(on_the_wire(ENCODE(asked)))
    assert (fields[37], fields[11]) == ("B-1", "NONE")


def test_replace_when_encoded_then_it_restates_the_order_as_approved() -> None:
    fields = read(on_the_wire(ENCODE(replace_order(display_quantity=20))))
    wanted = {35: "G", 11: "O-2", 41: "O-1", 37: "B-1", 38: "80", 40: "2", 44: "187.2600", 59: "0", 111: "20"}
    assert {tag: fields[tag] for tag in wanted} == wanted


def test_status_request_when_the_order_id_is_unknown_then_it_is_left_out() -> None:
    fields = read(on_the_wire(ENCODE(STATUS)))
    assert (fields[35], fields[11], 37 in fields) == ("H", "O-1", False)


def test_mass_status_request_when_encoded_then_it_asks_for_all_orders() -> None:
    fields = read(on_the_wire(ENCODE(OrderMassStatusRequest(cl_ord_id="M-1"))))
    assert {tag: fields[tag] for tag in (35, 584, 585)} == {35: "AF", 584: "M-1", 585: "7"}
    with pytest.raises(FixSendError, match="MassStatusReqID is empty"):
        ENCODE(OrderMassStatusRequest(cl_ord_id=""))


@pytest.mark.parametrize(("instrument", "kind", "symbol"), [(None, "7", None), (AURA, "1", "AURA")])
def test_mass_cancel_when_encoded_then_it_is_of_all_or_of_an_instrument(
    instrument: Any, kind: str, symbol: str | None
) -> None:
    request = OrderMassCancelRequest(cl_ord_id="Q-1", instrument=instrument, transact_time=TRANSACT)
    fields = read(on_the_wire(ENCODE(request)))
    assert (fields[35], fields[11], fields[530], fields.get(55)) == ("q", "Q-1", kind, symbol)
    assert 60 in fields


def test_settings_when_they_ask_for_it_then_digits_and_capacity_follow() -> None:
    fields = read(Encoder(timestamp_digits=6, order_capacity="")(new_order()))
    assert (fields[60], 528 in fields) == ("20261121-10:00:00.123456", False)


class Lookalike:
    def __init__(self, approved: Approved) -> None:
        for name in ("command", "symbol", "side", "ord_type", "time_in_force", "quantity", "price"):
            setattr(self, name, getattr(approved, name))
        self.display_quantity, self.venue = 0, ""

    def verify(self) -> None:
        pass


@pytest.mark.parametrize("forged", [None, Lookalike(approved_submit()), approved_submit().command])
def test_order_when_it_is_not_approved_then_it_is_refused(forged: Any) -> None:
    order = msgspec.structs.replace(new_order(), approved=forged)
    with pytest.raises(FixSendError, match="needs the gate's approval"):
        ENCODE(order)


def test_order_when_the_approval_was_not_minted_then_it_is_refused() -> None:
    order = msgspec.structs.replace(new_order(), approved=object.__new__(Approved))
    with pytest.raises(FixSendError, match="not minted by the gate"):
        ENCODE(order)


def test_order_when_the_approval_is_of_another_kind_or_instrument_then_it_is_refused() -> None:
    with pytest.raises(FixSendError, match="of ReplaceChild, not SubmitChild"):
        ENCODE(new_order(approved=approved_replace()))
    with pytest.raises(FixSendError, match="of SubmitChild, not ReplaceChild"):
        ENCODE(replace_order(approved=approved_submit()))
    with pytest.raises(FixSendError, match="of AURA, not COIN"):
        ENCODE(new_order(approved=approved_submit(AURA), instrument=COIN))


def test_request_when_it_is_none_of_ours_then_it_is_refused() -> None:
    with pytest.raises(FixSendError, match="no request that FIX can send"):
        ENCODE("35=D")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"account": ""}, "Account is empty"),
        ({"cl_ord_id": ""}, "ClOrdID is empty"),
        ({"attribution": Attribution(trader="", desk="D", client="C")}, "trader is empty"),
        ({"attribution": Attribution(trader="T", desk="", client="C")}, "desk is empty"),
        ({"attribution": Attribution(trader="T", desk="D", client="")}, "client is empty"),
        ({"cl_ord_id": "O-1\x0138=9999"}, "cannot carry"),
        ({"account": "caf\u00e9"}, "cannot carry"),
    ],
)
def test_order_when_a_field_cannot_be_sent_then_it_is_refused(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(FixSendError, match=reason):
        ENCODE(msgspec.structs.replace(new_order(), **change))


TEXT = st.text(max_size=12)


@given(cl_ord_id=TEXT, account=TEXT, trader=TEXT, policy=TEXT, model=TEXT, venue=TEXT)
def test_names_when_they_are_anything_then_they_are_carried_exactly_or_refused(
    cl_ord_id: str, account: str, trader: str, policy: str, model: str, venue: str
) -> None:
    attribution = msgspec.structs.replace(ATTRIBUTION, trader=trader)
    order = msgspec.structs.replace(
        new_order(approved=approved_submit(policy=policy, model=model, venue=venue)),
        cl_ord_id=cl_ord_id,
        account=account,
        attribution=attribution,
    )
    try:
        raw = ENCODE(order)
    except FixSendError:
        return
    fields = read(on_the_wire(raw))
    assert (fields[11], fields[1], fields.get(100, "")) == (cl_ord_id, account, venue)
    assert fields[448] == (f"{policy}/{model}" if model else policy)
    assert raw.count("\x0138=") == 1
