"""Whatever a counterparty writes: real FIX text, damaged at will, through the parser and the gateway's core.

Nothing raises, every message becomes one report, every report one journalled input that reads back the same,
and what the text did to the books is what the books say: an order counts for what is not known of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.fix.config import FIX_CONFIGS
from service.fix.dialect import Dialect, load_dialect
from service.fix.messages import ExecutionReport, Malformed
from service.fix.parse import FILL_TYPES, Parser
from service.gateway.inputs import decode_frame
from service.model.codec import encode
from service.model.reference import parse_reference
from tests.unit.gateway.driver import REFERENCE, Driver

KNOWN = parse_reference(REFERENCE, "deploy/reference.toml").by_symbol
DIALECTS = {
    name: load_dialect(FIX_CONFIGS / "dialects.toml", name)
    for name in ("strict", "lenient", "mute", "fix42-style")
}
Fields = list[tuple[str, str]]

WORDS = st.one_of(
    st.sampled_from(
        ["", "0", "1", "2", "4", "8", "F", "G", "H", "I", "D", "E", "6", "A", "C", "Y", "N", "-1", "NaN"]
    ),
    st.sampled_from(
        ["100", "50", "99", "101", "100.0000", "99.9999", "1e9", "9" * 30, "AURA", "BOLT", "NONE", "=", "|"]
    ),
    st.sampled_from(["99991231-23:59:59", "00010101-00:00:00", str(2**63 - 1), str(2**53), "-" + "9" * 12]),
    st.text(st.characters(codec="utf-8", exclude_characters="\x01"), max_size=12),
)
TAGS = st.sampled_from(
    [str(tag) for tag in (
        6, 11, 14, 17, 19, 20, 29, 30, 31, 32, 34, 35, 37, 38, 39, 41, 43, 44, 45, 52, 54, 55, 58, 60, 97,
        102, 103, 150, 151, 371, 372, 373, 379, 380, 434, 531, 532, 533, 584, 790, 851, 911, 912, 9999,
    )]
)  # fmt: skip


@st.composite
def messages(draw: st.DrawFn, own: str, other: str) -> Fields:
    """One message about one of our orders: right in its bones, and then a few fields are changed."""
    kind = draw(st.sampled_from("888889jr3B"))
    cl_ord_id = draw(st.sampled_from([own, own, own, other, "STRANGER", ""]))
    quantity = draw(st.sampled_from([1, 40, 60, 100]))
    exec_type = draw(st.sampled_from("0F4568CDEGHI12"))
    status = draw(st.sampled_from("0124568ACE"))
    some = st.sampled_from(["0", "40", "60", "100"])
    fields = [
        ("35", kind), ("34", str(draw(st.integers(1, 99)))), ("52", "20261121-10:00:00.123"), ("37", "B-1"),
        ("17", f"X-{draw(st.integers(0, 5))}"), ("150", exec_type), ("39", status), ("11", cl_ord_id),
        ("41", draw(st.sampled_from(["", own, other]))), ("55", "AURA"), ("54", "1"), ("38", "100"),
        ("44", "100.00"), ("32", str(quantity)), ("31", "100.00"), ("14", draw(some)), ("151", draw(some)),
        ("19", draw(st.sampled_from(["", "X-0", "X-1"]))), ("45", "3"), ("531", "7"),
        ("372", draw(st.sampled_from("DFG"))), ("434", draw(st.sampled_from("12"))),
    ]  # fmt: skip
    for tag, value in draw(st.lists(st.tuples(TAGS, WORDS), max_size=4)):
        at = draw(st.integers(0, len(fields)))
        if draw(st.booleans()):
            fields = [(t, v) for t, v in fields if t != tag]
        fields.insert(at, (tag, value))
    return fields


def text(fields: Fields) -> str:
    return "".join(f"{tag}={value}\x01" for tag, value in fields)


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
@settings(max_examples=40)
@given(data=st.data())
def test_messages_when_they_say_anything_then_nothing_raises_and_nothing_is_lost(
    dialect: Dialect, data: st.DataObject
) -> None:
    gateway = Driver(order_status=dialect.order_status)
    gateway.admit()
    for child in ("P1.1", "P1.2"):
        gateway.submit(child)
    own, other = (gateway.order(child).cl_ord_id for child in ("P1.1", "P1.2"))
    gateway.cancel("P1.2")
    parse = Parser(KNOWN, dialect, lambda seq: {3: own}.get(seq, ""))
    for fields in data.draw(st.lists(messages(own, other), min_size=1, max_size=12)):
        report = parse(text(fields))
        if report is None:
            assert dict(reversed(fields)).get("35") in dialect.ignored
            continue
        before = len(gateway.frames)
        gateway.feed(report)
        gateway.tick()
        frame = gateway.frames[before]
        assert frame.body == report
        assert decode_frame(encode(frame)) == frame
        if isinstance(report, Malformed):
            assert report.raw == text(fields).replace("\x01", "|").encode("utf-8", "surrogateescape").decode()
            assert report.reason
        if isinstance(report, ExecutionReport) and report.exec_type in FILL_TYPES:
            assert report.last_quantity
        _books_hold(gateway)
    _everything_can_be_told(gateway)
    assert gateway.replayed().state.ledger.exposure("AURA").position == _position(gateway)


def _position(gateway: Driver) -> int:
    return gateway.core.state.ledger.exposure("AURA").position


def _everything_can_be_told(gateway: Driver) -> None:
    """To Kafka, and to runners and people that ask."""
    state = gateway.core.state
    for message in gateway.published:
        encode(message)
    for parent in state.parents.values():
        encode(state.snapshot(parent))
    for order in state.ledger.orders.values():
        encode(order.snapshot())


def _books_hold(gateway: Driver) -> None:
    """Sums are sums of their orders, and no order is let go while it may still trade."""
    ledger = gateway.core.state.ledger
    orders: list[Any] = list(ledger.orders.values())
    aura = [order for order in orders if order.symbol == "AURA"]
    assert ledger.exposure("AURA").position == sum(int(o.side.sign) * o.cum_quantity for o in aura)
    assert all(order.cum_quantity >= 0 and order.at_risk >= 0 for order in orders)


def test_shipped_dialects_when_fuzzed_then_all_of_them_are() -> None:
    import tomllib

    shipped = tomllib.loads(Path(FIX_CONFIGS / "dialects.toml").read_text())
    assert set(shipped) >= set(DIALECTS)
