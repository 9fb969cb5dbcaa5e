"""A recording on disk: ``TOPIC/KIND/part-NNNNNN.parquet`` and ``manifest.json``, its one point of commit.

Parts are written under another name, synced and renamed; they count only once the manifest, replaced in one
step, names them. So a recorder that is killed at any point goes on from the manifest's offsets: no gap, and
nothing twice.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from heapq import merge
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from service.model.codec import BY_TOPIC, DecodeError, encode
from service.model.message import Message
from service.recorder.columns import (
    KEY,
    OFFSET,
    PARTITION,
    RECORD_FIELDS,
    Columns,
    NotRecordableError,
    columns_by_tag,
)

MANIFEST: Final = "manifest.json"
RAW: Final = "_raw"
_RAW_SCHEMA: Final = pa.schema(
    [*RECORD_FIELDS, pa.field("message", pa.binary(), nullable=False), pa.field("reason", pa.string())]
)

log = logging.getLogger(__name__)


class RecordingError(RuntimeError):
    """A recording cannot be used or continued; the message names the file and what to do."""


class PartFile(msgspec.Struct, forbid_unknown_fields=True):
    """One committed file."""

    sha256: str
    records: int


class PartitionRange(msgspec.Struct, forbid_unknown_fields=True):
    """What the recording holds of one partition: ``records`` of them, from ``first`` to before ``next``."""

    first: int
    next: int
    records: int


class TopicEntry(msgspec.Struct, forbid_unknown_fields=True):
    """What the recording holds of one topic.

    Attributes:
        parts: Flushes so far; the number of the next part.
        partitions: By partition number as text.
        kinds: Records by kind.
    """

    parts: int = 0
    partitions: dict[str, PartitionRange] = {}
    kinds: dict[str, int] = {}


class Manifest(msgspec.Struct, forbid_unknown_fields=True):
    """What a recording holds.

    Attributes:
        reference: Version of the reference file.
        complete: The recorder read every topic to its end before it stopped.
        files: By path relative to the recording.
    """

    format: int = 1
    reference: str = ""
    complete: bool = False
    topics: dict[str, TopicEntry] = {}
    files: dict[str, PartFile] = {}


class Record(NamedTuple):
    """One recorded message and where it stood."""

    partition: int
    offset: int
    key: bytes | None
    message: Any


class _Pending:
    """Records of one kind that no file holds yet."""

    __slots__ = ("keys", "messages", "offsets", "partitions")

    def __init__(self) -> None:
        self.partitions: list[int] = []
        self.offsets: list[int] = []
        self.keys: list[bytes | None] = []
        self.messages: list[Message] = []

    def add(self, partition: int, offset: int, key: bytes | None, message: Message) -> None:
        self.partitions.append(partition)
        self.offsets.append(offset)
        self.keys.append(key)
        self.messages.append(message)

    def table(self, columns: Columns) -> pa.Table:
        return columns.table(self.partitions, self.offsets, self.keys, self.messages)


class RecordingWriter:
    """Writes a recording, or goes on with one.

    Args:
        folder: Where it lies; made if it is not there.
        reference: Version of the reference file, for the manifest.

    Raises:
        RecordingError: If the folder holds something that is no recording of ours.
    """

    def __init__(self, folder: Path, reference: str = "") -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._columns = {topic: columns_by_tag(decoder.kinds) for topic, decoder in BY_TOPIC.items()}
        self._pending: dict[str, dict[str, _Pending]] = {}
        self._counts: dict[str, int] = {}
        path = folder / MANIFEST
        if path.exists():
            self.manifest = read_manifest(folder)
            self.manifest.complete = False
            self._discard_uncommitted()
        else:
            if any(folder.glob("*/*/part-*.parquet")):
                raise RecordingError(f"{folder}: has parts but no {MANIFEST}; use another folder")
            self.manifest = Manifest()
        self.manifest.reference = reference

    def _discard_uncommitted(self) -> None:
        committed = self.manifest.files
        for path in [*self.folder.glob("*/*/*.parquet"), *self.folder.glob("*/*/*.new")]:
            if path.relative_to(self.folder).as_posix() not in committed:
                log.info("discarding %s, which was never committed", path)
                path.unlink()

    def next_offsets(self) -> dict[tuple[str, int], int]:
        """Offset to go on from, by topic and partition; empty for a new recording."""
        return {
            (topic, int(partition)): span.next
            for topic, entry in self.manifest.topics.items()
            for partition, span in entry.partitions.items()
        }

    def append(
        self,
        topic: str,
        partition: int,
        offsets: Iterable[int],
        keys: Iterable[bytes | None],
        messages: Iterable[Message],
    ) -> None:
        """Take consecutive records of one partition; they are on disk after the next ``flush``."""
        kinds = self._pending.setdefault(topic, {})
        count = 0
        for offset, key, message in zip(offsets, keys, messages, strict=True):
            tag = type(message).__struct_config__.tag
            assert isinstance(tag, str)
            pending = kinds.get(tag)
            if pending is None:
                pending = kinds[tag] = _Pending()
            pending.add(partition, offset, key, message)
            count += 1
        self._counts[topic] = self._counts.get(topic, 0) + count

    def pending(self, topic: str) -> int:
        """Records of a topic that no file holds yet."""
        return self._counts.get(topic, 0)

    def flush(self, topics: Iterable[str], positions: Mapping[tuple[str, int], int]) -> int:
        """Write what is pending of ``topics`` and commit it; returns the number of records.

        Args:
            positions: Offset after the last record taken, by topic and partition: where a later recorder
                goes on. Records between, if any, could not be decoded and are in ``dead.v1``.
        """
        written = 0
        moved = False
        for topic in topics:
            entry = self.manifest.topics.setdefault(topic, TopicEntry())
            kinds = self._pending.pop(topic, {})
            self._counts.pop(topic, None)
            for tag, pending in sorted(kinds.items()):
                self._write_kind(topic, entry, tag, pending)
                written += len(pending.messages)
            if kinds:
                entry.parts += 1
            for (name, partition), position in positions.items():
                if name == topic:
                    moved |= self._advance(entry, partition, position, kinds)
        if written or moved:
            self._commit()
        return written

    @staticmethod
    def _advance(entry: TopicEntry, partition: int, position: int, kinds: Mapping[str, _Pending]) -> bool:
        offsets = [
            offset
            for pending in kinds.values()
            for p, offset in zip(pending.partitions, pending.offsets, strict=True)
            if p == partition
        ]
        span = entry.partitions.get(str(partition))
        if span is None:
            span = PartitionRange(first=min(offsets, default=position), next=position, records=0)
            entry.partitions[str(partition)] = span
            moved = True
        else:
            moved = position > span.next
        span.next = max(span.next, position)
        span.records += len(offsets)
        return moved

    def _write_kind(self, topic: str, entry: TopicEntry, tag: str, pending: _Pending) -> None:
        columns = self._columns[topic][tag]
        try:
            tables = {tag: pending.table(columns)}
        except NotRecordableError:
            tables = _sorted_out(columns, pending)
        for name, table in tables.items():
            path, digest = _write(self.folder / topic / name / f"part-{entry.parts:06d}.parquet", table)
            relative = path.relative_to(self.folder).as_posix()
            self.manifest.files[relative] = PartFile(sha256=digest, records=table.num_rows)
            entry.kinds[name] = entry.kinds.get(name, 0) + table.num_rows

    def finish(self, *, complete: bool) -> None:
        """Close the recording; ``complete`` if every topic was read to its end."""
        self.manifest.complete = complete
        self._commit()

    def _commit(self) -> None:
        text = msgspec.json.format(msgspec.json.encode(self.manifest), indent=1)
        fresh = self.folder / f"{MANIFEST}.new"
        with fresh.open("wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.folder / MANIFEST)
        _sync_folder(self.folder)


def _sorted_out(columns: Columns, pending: _Pending) -> dict[str, pa.Table]:
    """The records that fit their columns, and those that do not as the bytes that they were."""
    good, bad = _Pending(), _Pending()
    reasons: list[str] = []
    for partition, offset, key, message in zip(
        pending.partitions, pending.offsets, pending.keys, pending.messages, strict=True
    ):
        try:
            columns.table([partition], [offset], [key], [message])
        except NotRecordableError as error:
            bad.add(partition, offset, key, message)
            reasons.append(str(error))
            log.warning("offset %d of partition %d is kept as bytes: %s", offset, partition, error)
        else:
            good.add(partition, offset, key, message)
    tables = {}
    if good.messages:
        tables[columns.tag] = good.table(columns)
    raw = [bad.partitions, bad.offsets, bad.keys, [encode(m) for m in bad.messages], reasons]
    tables[RAW] = pa.Table.from_arrays(
        [pa.array(values, field.type) for values, field in zip(raw, _RAW_SCHEMA, strict=True)],
        schema=_RAW_SCHEMA,
    )
    return tables


def _write(path: Path, table: pa.Table) -> tuple[Path, str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        # Two kinds of one flush can both leave raw records: number the second file on.
        stem = path.stem
        path = next(p for n in range(1, 1000) if not (p := path.with_stem(f"{stem}-{n}")).exists())
    fresh = path.with_suffix(".new")
    pq.write_table(table, fresh, compression="zstd", compression_level=1)
    with fresh.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    fresh.replace(path)
    _sync_folder(path.parent)
    return path, digest


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a recording.

    Raises:
        RecordingError: If there is none, or it is damaged.
    """
    path = folder / MANIFEST
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError:
        raise RecordingError(f"{folder}: no {MANIFEST}: nothing was recorded here") from None
    except (OSError, msgspec.DecodeError) as error:
        raise RecordingError(f"{path}: damaged ({error})") from error


class Recording:
    """A recording to be read.

    Args:
        folder: Where its manifest lies.
        hashes: Check the sha256 of every file against the manifest first.

    Raises:
        RecordingError: If there is none, or a file is missing, different or (with ``hashes``) not the one
            that was written.
    """

    def __init__(self, folder: Path, *, hashes: bool = True) -> None:
        self.folder = folder
        self.manifest = read_manifest(folder)
        wrong = []
        for name, part in sorted(self.manifest.files.items()):
            path = folder / name
            if not path.is_file():
                wrong.append(f"{path} is missing")
            elif hashes:
                with path.open("rb") as file:
                    if hashlib.file_digest(file, "sha256").hexdigest() != part.sha256:
                        wrong.append(f"{path} is not the file that was recorded (sha256 differs)")
        if wrong:
            raise RecordingError("; ".join(wrong))

    def partitions(self, topic: str) -> list[int]:
        """Partitions of a topic, in order."""
        entry = self.manifest.topics.get(topic)
        return sorted(map(int, entry.partitions)) if entry else []

    def records(self, topic: str, *kinds: type[Message]) -> Iterator[Record]:
        """Every record of a topic, or of some kinds of it: partition by partition, in order of offset."""
        for partition in self.partitions(topic):
            yield from self.partition(topic, partition, *kinds)

    def messages(self, topic: str, *kinds: type[Message]) -> Iterator[Any]:
        """The messages of ``records``."""
        return map(itemgetter(3), self.records(topic, *kinds))

    def partition(self, topic: str, partition: int, *kinds: type[Message]) -> Iterator[Record]:
        """The records of one partition in order of offset; a part at a time is held in memory.

        Raises:
            RecordingError: While it runs, naming the file that cannot be read.
        """
        wanted = columns_by_tag(kinds or BY_TOPIC[topic].kinds)
        streams = [self._kind(topic, tag, columns, partition) for tag, columns in wanted.items()]
        streams.append(self._raw(topic, partition, kinds))
        return merge(*streams, key=itemgetter(1))

    def _kind(self, topic: str, tag: str, columns: Columns, partition: int) -> Iterator[Record]:
        for path in self._parts(topic, tag):
            with _reading(path):
                table = _of_partition(path, partition)
                if table.num_rows:
                    for row in columns.rows(table):
                        yield Record(*row)

    def _raw(self, topic: str, partition: int, kinds: tuple[type[Message], ...]) -> Iterator[Record]:
        decode = BY_TOPIC[topic]
        found: list[Record] = []
        for path in self._parts(topic, RAW):
            with _reading(path):
                for row in _of_partition(path, partition).to_pylist():
                    message = decode(row["message"])
                    if not kinds or isinstance(message, kinds):
                        found.append(Record(partition, row[OFFSET], row[KEY], message))
        yield from sorted(found, key=itemgetter(1))

    def _parts(self, topic: str, tag: str) -> list[Path]:
        prefix = f"{topic}/{tag}/"
        return [self.folder / name for name in sorted(self.manifest.files) if name.startswith(prefix)]


def _of_partition(path: Path, partition: int) -> pa.Table:
    # One file, not a dataset: a folder called KEY=VALUE anywhere above must not become a column.
    table = pq.ParquetFile(path).read()
    return table.filter(pc.equal(table.column(PARTITION), partition))


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException, msgspec.ValidationError, DecodeError, KeyError) as error:
        raise RecordingError(f"{path}: cannot be read: {error}") from error
