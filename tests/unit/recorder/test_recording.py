"""A recording on disk: what counts is what the manifest names."""

from pathlib import Path

import pytest

from service.model.codec import encode
from service.model.market import BookSnapshot, FeedHeartbeat, MarketMessage, Trade
from service.model.records import AuditEntry
from service.recorder.recording import MANIFEST, RAW, Recording, RecordingError, RecordingWriter

MD = "md.v1"


def trade(n: int) -> Trade:
    return Trade(symbol="AURA", venue="XSIM", ts_event=n, ts_utc=n, seq=n, price=10_000 + n, quantity=1)


def book(n: int) -> BookSnapshot:
    return BookSnapshot(
        symbol="AURA", venue="XSIM", ts_event=n, ts_utc=n, seq=n, bids=((9_900, n),), asks=((10_100, 1),)
    )


def append(writer: RecordingWriter, partition: int, start: int, messages: list[MarketMessage]) -> None:
    offsets = range(start, start + len(messages))
    writer.append(MD, partition, offsets, [b"AURA"] * len(messages), messages)


def recorded(folder: Path, partition: int) -> list[tuple[int, bytes]]:
    return [(r.offset, encode(r.message)) for r in Recording(folder).partition(MD, partition)]


def test_kinds_come_back_in_the_order_of_their_offsets_when_read(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path)
    first = [book(0), trade(1), trade(2), book(3)]
    second = [trade(4), book(5)]
    append(writer, 1, 0, first)
    append(writer, 0, 0, [trade(9)])
    writer.flush([MD], {(MD, 0): 1, (MD, 1): 4})
    append(writer, 1, 4, second)
    writer.flush([MD], {(MD, 0): 1, (MD, 1): 6})
    writer.finish(complete=True)

    assert recorded(tmp_path, 1) == [(n, encode(m)) for n, m in enumerate(first + second)]
    assert recorded(tmp_path, 0) == [(0, encode(trade(9)))]
    recording = Recording(tmp_path)
    assert [r.offset for r in recording.partition(MD, 1, Trade)] == [1, 2, 4]
    assert list(recording.messages(MD, Trade)) == [trade(9), trade(1), trade(2), trade(4)]
    assert recording.manifest.complete
    assert recording.manifest.topics[MD].kinds == {"book": 3, "trade": 4}


def test_nothing_is_lost_or_doubled_when_the_recorder_dies_before_its_commit(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path)
    append(writer, 0, 0, [book(0), trade(1)])
    writer.flush([MD], {(MD, 0): 2})
    before = (tmp_path / MANIFEST).read_bytes()
    append(writer, 0, 2, [book(2), trade(3)])
    writer.flush([MD], {(MD, 0): 4})
    (tmp_path / MANIFEST).write_bytes(before)  # as if killed between the parts and the manifest
    (tmp_path / MD / "book" / "part-000009.new").write_bytes(b"half a file")

    writer = RecordingWriter(tmp_path)
    assert writer.next_offsets() == {(MD, 0): 2}
    append(writer, 0, 2, [book(2), trade(3)])
    writer.flush([MD], {(MD, 0): 4})

    assert recorded(tmp_path, 0) == [
        (n, encode(m)) for n, m in enumerate([book(0), trade(1), book(2), trade(3)])
    ]
    assert not list(tmp_path.glob("*/*/*.new"))


def test_the_next_offset_passes_undecodable_records_when_nothing_else_came(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path)
    append(writer, 0, 0, [trade(0)])
    writer.flush([MD], {(MD, 0): 1})
    writer.flush([MD], {(MD, 0): 7})
    assert RecordingWriter(tmp_path).next_offsets() == {(MD, 0): 7}


def test_a_value_that_no_column_holds_is_kept_as_bytes_when_recorded(tmp_path: Path) -> None:
    huge = FeedHeartbeat(feed="f", watermark=2**64 - 1, ts_utc=1, published=1)
    small = FeedHeartbeat(feed="f", watermark=1, ts_utc=1, published=1)
    writer = RecordingWriter(tmp_path)
    append(writer, 0, 0, [small, huge, small, huge])
    writer.flush([MD], {(MD, 0): 4})
    assert recorded(tmp_path, 0) == [(n, encode(m)) for n, m in enumerate([small, huge, small, huge])]
    assert (tmp_path / MD / RAW).is_dir()


def test_pandas_style_columns_are_typed_when_the_file_is_read_directly(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    writer = RecordingWriter(tmp_path)
    append(writer, 0, 0, [book(3)])
    writer.flush([MD], {(MD, 0): 1})
    table = pq.ParquetFile(tmp_path / MD / "book" / "part-000000.parquet").read()
    row = table.to_pylist()[0]
    assert row["bids_price"] == [9_900]
    assert row["bids_quantity"] == [3]
    assert row["symbol"] == "AURA"
    assert (row["kafka_partition"], row["kafka_offset"], row["kafka_key"]) == (0, 0, b"AURA")


def test_a_changed_or_missing_file_is_named_when_the_recording_is_opened(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path)
    append(writer, 0, 0, [trade(0)])
    writer.append(
        "audit.v1",
        0,
        [0],
        [None],
        [AuditEntry(who="a", action="b", target="c", reason="d", outcome="e", ts_utc=1)],
    )
    writer.flush([MD, "audit.v1"], {(MD, 0): 1, ("audit.v1", 0): 1})
    part = tmp_path / MD / "trade" / "part-000000.parquet"
    data = bytearray(part.read_bytes())
    data[20] ^= 1
    part.write_bytes(data)
    with pytest.raises(RecordingError, match=r"trade/part-000000\.parquet is not the file that was recorded"):
        Recording(tmp_path)
    Recording(tmp_path, hashes=False)
    part.unlink()
    with pytest.raises(RecordingError, match="is missing"):
        Recording(tmp_path, hashes=False)


def test_a_folder_without_a_manifest_is_refused_by_name_when_opened(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"no manifest\.json"):
        Recording(tmp_path)
    (tmp_path / MANIFEST).write_text("{")
    with pytest.raises(RecordingError, match="damaged"):
        Recording(tmp_path)
