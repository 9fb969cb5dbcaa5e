"""Every kind of message survives its columns, bit for bit, and so does the Parquet file between."""

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.model.codec import BY_TOPIC, encode
from service.model.market import Trade
from service.model.message import Message
from service.recorder.columns import NotRecordableError, columns_of
from tests.strategies import WIRE_INTS, messages

KINDS = sorted({kind for decoder in BY_TOPIC.values() for kind in decoder.kinds}, key=lambda k: k.__name__)
TRADE = Trade(symbol="AURA", venue="XSIM", ts_event=1, ts_utc=1, seq=1, price=1, quantity=1)


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
@settings(max_examples=25)
@given(data=st.data())
def test_a_message_is_rebuilt_exactly_when_read_back_from_its_columns(
    kind: type[Message], data: st.DataObject
) -> None:
    batch = data.draw(st.lists(messages(kind), max_size=5))
    columns = columns_of(kind)
    numbers = list(range(len(batch)))
    keys = [None if n % 2 else b"k%d" % n for n in numbers]

    sink = pa.BufferOutputStream()
    pq.write_table(columns.table(numbers, numbers, keys, batch), sink)
    back = list(columns.rows(pq.read_table(pa.BufferReader(sink.getvalue()))))

    assert [encode(message) for *_, message in back] == [encode(message) for message in batch]
    assert [row[:3] for row in back] == list(zip(numbers, numbers, keys, strict=True))


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
@settings(max_examples=25)
@given(data=st.data())
def test_a_message_with_an_integer_past_64_bits_is_refused_and_never_changed(
    kind: type[Message], data: st.DataObject
) -> None:
    message = data.draw(messages(kind, WIRE_INTS))
    columns = columns_of(kind)
    try:
        table = columns.table([0], [0], [None], [message])
    except NotRecordableError:
        return
    (row,) = columns.rows(table)
    assert encode(row[3]) == encode(message)


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
@settings(max_examples=10)
@given(data=st.data())
def test_a_recording_from_before_a_field_was_appended_reads_as_its_default(
    kind: type[Message], data: st.DataObject
) -> None:
    fields = msgspec.structs.fields(kind)
    if not fields or fields[-1].required:
        return
    last = fields[-1]
    message = data.draw(messages(kind))
    table = columns_of(kind).table([0], [0], [None], [message])
    old = table.select(
        [n for n in table.column_names if n != last.name and not n.startswith(f"{last.name}_")]
    )
    (row,) = columns_of(kind).rows(old)
    default = last.default if last.default is not msgspec.NODEFAULT else last.default_factory()
    assert encode(row[3]) == encode(msgspec.structs.replace(message, **{last.name: default}))


def test_a_recording_without_what_every_message_has_is_refused() -> None:
    table = columns_of(Trade).table([0], [0], [None], [TRADE]).drop_columns(["price"])
    with pytest.raises(KeyError, match="price"):
        list(columns_of(Trade).rows(table))
