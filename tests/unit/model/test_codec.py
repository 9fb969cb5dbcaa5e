"""Every message survives the round trip, and nothing but a message decodes."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.model import codec, events, market, orders, records, stream
from service.model.parameters import CatchUp, EndBehaviour, ModelMode, Parameters
from service.model.time import SessionClock

INT64 = st.integers(-(2**63), 2**63 - 1)
QUANTITY = st.integers(0, 2**53)
TEXT = st.text(max_size=12)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
OWN: dict[type, st.SearchStrategy[Any]] = {
    int: INT64,
    str: TEXT,
    bytes: st.binary(max_size=20),
    float: FINITE,
    bool: st.booleans(),
}

PARAMETERS = st.builds(
    Parameters,
    start_time=st.none() | QUANTITY,
    duration=st.none() | st.floats(0.001, 86_400),
    limit_price=st.none() | st.integers(1, 2**53),
    target_participation=st.none() | st.floats(0.001, 0.5),
    urgency=st.none() | st.integers(0, 10),
    tilt=st.none() | st.floats(-1, 1),
    end_behaviour=st.none() | st.sampled_from(EndBehaviour),
    catch_up=st.none() | st.sampled_from(CatchUp),
    min_clip=st.none() | st.integers(1, 10_000),
    passive_only=st.none() | st.booleans(),
    model=st.none() | TEXT,
    model_mode=st.none() | st.sampled_from(ModelMode),
)

CLOCK = st.builds(
    SessionClock,
    market_start=st.integers(0, 2**62),
    utc_start=st.integers(0, 2**62),
    speed=st.floats(0, 1e6),
    market_end=st.integers(0, 2**62),
    ts_utc=INT64,
)


def messages(union: Any) -> list[type[msgspec.Struct]]:
    return list(getattr(union, "__args__", (union,)))


def strategy(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a field's declared type."""
    if kind is Parameters:
        return PARAMETERS
    if kind is SessionClock:
        return CLOCK
    if kind in OWN:
        return OWN[kind]
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return st.builds(kind, **{f.name: strategy(f.type) for f in msgspec.structs.fields(kind)})
    origin, args = getattr(kind, "__origin__", None), getattr(kind, "__args__", ())
    if origin is tuple and len(args) == 2 and args[1] is Ellipsis:
        return st.lists(strategy(args[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(strategy, args))
    if args:
        return st.one_of([st.none() if a is type(None) else strategy(a) for a in args])
    return st.sampled_from(list(kind))


CASES = [
    (name, decoder, kind)
    for name, decoder, union in (
        ("md", codec.market_message, market.MarketMessage),
        ("ref", codec.reference_message, market.ReferenceMessage),
        ("parents", codec.parent_command, orders.ParentCommand),
        ("orders", codec.order_event, events.OrderEvent),
        ("risk", codec.risk_event, events.RiskEvent),
        ("decisions", codec.decision, records.DecisionMessage),
        ("signals", codec.signal, records.SignalMessage),
        ("inputs", codec.input_batch, records.InputBatch),
        ("audit", codec.audit_entry, records.AuditEntry),
        ("dead", codec.dead_letter, records.DeadLetter),
        ("to gateway", codec.to_gateway, stream.ToGateway),
        ("to runner", codec.to_runner, stream.ToRunner),
        ("inline", codec.inline_input, records.InlineInput | SessionClock | market.ReferenceSnapshot),
    )
    for kind in messages(union)
]


@pytest.mark.parametrize(
    ("decoder", "kind"), [c[1:] for c in CASES], ids=[f"{c[0]}-{c[2].__name__}" for c in CASES]
)
@given(data=st.data())
def test_message_survives_the_round_trip(decoder: codec.Decoder[Any], kind: Any, data: st.DataObject) -> None:
    message = data.draw(strategy(kind))
    assert decoder(codec.encode(message)) == message


@given(st.binary(max_size=200), st.sampled_from(list(codec.BY_TOPIC.values())))
def test_random_bytes_are_refused_or_decoded_but_never_crash(
    data: bytes, decoder: codec.Decoder[Any]
) -> None:
    try:
        message = decoder(data)
    except codec.DecodeError:
        return
    assert isinstance(message, msgspec.Struct)


@given(st.data())
def test_damaged_message_is_refused_or_is_another_valid_one(data: st.DataObject) -> None:
    message = data.draw(strategy(market.BookSnapshot))
    raw = bytearray(codec.encode(message))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        decoded = codec.market_message(bytes(raw))
    except codec.DecodeError:
        return
    assert isinstance(decoded, msgspec.Struct)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        (["no_such", 1], "no_such"),
        (["trade", "A", "V", 1, 2, 3, "cheap", 5], r"\$\[6\]"),
        (["trade", "A", "V", 1, 2, 3, 4], "length"),
        (["cancel_parent", "c", "p", "s", "b", 1, "r", "extra"], "length"),
    ],
)
def test_wrong_shape_is_refused_with_the_place(fields: list[Any], says: str) -> None:
    decoder = codec.parent_command if fields[0] == "cancel_parent" else codec.market_message
    with pytest.raises(codec.DecodeError, match=says):
        decoder(msgspec.msgpack.encode(fields))


def test_messages_are_immutable_and_slotted() -> None:
    beat = market.FeedHeartbeat(feed="f", watermark=1, ts_utc=2, published=3)
    with pytest.raises(AttributeError):
        beat.watermark = 5  # type: ignore[misc]
    assert not hasattr(beat, "__dict__")


def test_reference_facts_from_before_bands_and_correlation_still_decode() -> None:
    """As old journals and recordings hold them: the fields that were appended since are not there."""
    facts = market.ReferenceSnapshot(
        symbol="AURA",
        venue="XSIM",
        ts_event=1,
        ts_utc=2,
        bid=3,
        ask=4,
        bid_quantity=5,
        ask_quantity=6,
        last=7,
        reference=8,
        open=9,
        volume=10,
        spread_bps=1.5,
        volatility_bps=2.5,
        phase=market.TradingPhase.CONTINUOUS,
        jumped=True,
    )
    fields = msgspec.msgpack.decode(codec.encode(facts))
    assert fields[-4:] == [True, 0, 0, []]
    assert codec.reference_message(msgspec.msgpack.encode(fields[:-3])) == facts
    status = market.TradingStatus(
        symbol="AURA", venue="XSIM", ts_event=1, ts_utc=2, seq=3, phase=market.TradingPhase.HALTED
    )
    fields = msgspec.msgpack.decode(codec.encode(status))
    assert codec.market_message(msgspec.msgpack.encode(fields[:-2])) == status


@given(st.data())
def test_mark_when_looked_for_then_messages_of_that_kind_alone_have_it(data: st.DataObject) -> None:
    is_book = codec.marked(market.BookSnapshot)
    for kind in messages(market.MarketMessage):
        assert is_book(codec.encode(data.draw(strategy(kind)))) == (kind is market.BookSnapshot)
