"""Every kind of message survives its columns, bit for bit, and so does the Parquet file between."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.model.codec import BY_TOPIC, encode
from service.model.message import Message
from service.recorder.columns import NotRecordableError, columns_of
from tests.strategies import WIRE_INTS, messages

KINDS = sorted({kind for decoder in BY_TOPIC.values() for kind in decoder.kinds}, key=lambda k: k.__name__)


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
