"""Messages as typed columns and back, derived from their declarations: no message is named here.

A field becomes one column of its own type. A nested structure is flattened (``stamps_sent``), a tuple of
pairs or of structures becomes parallel list columns (``bids_price``, ``bids_quantity``; ``items_seq``). The
columns are the only copy of a message: ``rows`` rebuilds it from them, field for field, and validates it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from operator import attrgetter, itemgetter
from types import SimpleNamespace
from typing import Any, Final

import msgspec
import pyarrow as pa
from msgspec import inspect

from service.model.message import Message

PARTITION: Final = "kafka_partition"
OFFSET: Final = "kafka_offset"
KEY: Final = "kafka_key"
RECORD_FIELDS: Final = (
    pa.field(PARTITION, pa.int32(), nullable=False),
    pa.field(OFFSET, pa.int64(), nullable=False),
    pa.field(KEY, pa.binary()),
)

_PAIR_NAMES: Final = ("price", "quantity")


class UnmappableError(TypeError):
    """A message declares a field that has no column type: say here how it should be stored."""


class NotRecordableError(ValueError):
    """A value that its column cannot hold, such as an integer past 64 bits."""


class _Leaf:
    """One column: how to take it out of a message, and the message's field that it is a part of."""

    __slots__ = ("get", "name", "nullable", "top", "type")

    def __init__(
        self, name: str, type_: pa.DataType, get: Callable[[Any], Any], nullable: bool, top: str
    ) -> None:
        self.name = name
        self.type = type_
        self.get = get
        self.nullable = nullable
        self.top = top


_Build = Callable[[Mapping[str, Sequence[Any]]], Iterator[Any]]


class Columns:
    """The columns of one kind of message.

    Attributes:
        kind: The message class.
        tag: Its tag, which names its folder.
        schema: Arrow schema, the record's own columns (partition, offset, key) first.
    """

    def __init__(self, kind: type[Message]) -> None:
        info = inspect.type_info(kind)
        assert isinstance(info, inspect.StructType)
        self.kind = kind
        self.tag = str(info.tag)
        self._leaves: list[_Leaf] = []
        # A recording from before a field was appended lacks its columns: its default stands there.
        self._appended = {
            f.name: SimpleNamespace(**{f.name: _default(f)}) for f in info.fields if not f.required
        }
        self._build = self._struct(info, "", ())
        names = [leaf.name for leaf in self._leaves]
        if len(set(names)) != len(names) or set(names) & {field.name for field in RECORD_FIELDS}:
            raise UnmappableError(f"{kind.__name__}: two fields would share a column: {sorted(names)}")
        self.schema = pa.schema(
            [*RECORD_FIELDS, *(pa.field(leaf.name, leaf.type, leaf.nullable) for leaf in self._leaves)]
        )

    def table(
        self,
        partitions: Sequence[int],
        offsets: Sequence[int],
        keys: Sequence[bytes | None],
        messages: Sequence[Message],
    ) -> pa.Table:
        """Records of this kind as one table; the four sequences run in parallel.

        Raises:
            NotRecordableError: If a value does not fit its column.
        """
        arrays = [
            pa.array(partitions, pa.int32()),
            pa.array(offsets, pa.int64()),
            pa.array(keys, pa.binary()),
        ]
        try:
            arrays += [pa.array(list(map(leaf.get, messages)), leaf.type) for leaf in self._leaves]
        except (OverflowError, pa.ArrowException) as error:
            raise NotRecordableError(f"{self.tag}: {error}") from error
        return pa.Table.from_arrays(arrays, schema=self.schema)

    def rows(self, table: pa.Table) -> Iterator[tuple[int, int, bytes | None, Message]]:
        """Partition, offset, key and message of every row.

        Raises:
            msgspec.ValidationError: If a row is no message of this kind.
            KeyError: If a column is missing that messages of this kind have always had.
        """
        there = set(table.column_names)
        lists = {name: table.column(name).to_pylist() for name in (f.name for f in RECORD_FIELDS)}
        for leaf in self._leaves:
            if leaf.name not in there and leaf.top in self._appended:
                lists[leaf.name] = [leaf.get(self._appended[leaf.top])] * table.num_rows
            else:
                lists[leaf.name] = table.column(leaf.name).to_pylist()
        convert, kind = msgspec.convert, self.kind
        for partition, offset, key, wire in zip(
            lists[PARTITION], lists[OFFSET], lists[KEY], self._build(lists), strict=True
        ):
            yield partition, offset, key, convert(wire, kind)

    # Each of these adds its leaves and returns what rebuilds the wire shape (lists, tag first) from them.

    def _struct(self, info: inspect.StructType, prefix: str, path: tuple[str, ...]) -> _Build:
        parts = [self._field(f.type, prefix + f.name, (*path, f.name)) for f in info.fields]
        if info.tag is None:
            return lambda lists: zip(*(part(lists) for part in parts), strict=True)
        tag = info.tag

        def build(lists: Mapping[str, Sequence[Any]]) -> Iterator[Any]:
            return ((tag, *row) for row in zip(*(part(lists) for part in parts), strict=True))

        return build

    def _field(self, info: inspect.Type, name: str, path: tuple[str, ...]) -> _Build:
        if isinstance(info, inspect.StructType):
            return self._struct(info, name + "_", path)
        inner, nullable = _optional(info)
        scalar = _scalar(inner)
        if scalar is not None:
            return self._leaf(name, scalar[0], _value(path, scalar[1], nullable), nullable, path[0])
        if isinstance(inner, inspect.VarTupleType) and not nullable:
            return self._tuple(inner.item_type, name, path)
        raise UnmappableError(f"{self.kind.__name__}.{'.'.join(path)}: no column type for {info!r}")

    def _leaf(
        self, name: str, type_: pa.DataType, get: Callable[[Any], Any], nullable: bool, top: str
    ) -> _Build:
        self._leaves.append(_Leaf(name, type_, get, nullable, top))
        return lambda lists: iter(lists[name])

    def _tuple(self, item: inspect.Type, name: str, path: tuple[str, ...]) -> _Build:
        scalar = _scalar(item)
        whole = attrgetter(".".join(path))
        if scalar is not None:
            return self._leaf(name, pa.list_(scalar[0]), whole, False, path[0])
        tag: str | int | None = None
        members: list[tuple[str, tuple[pa.DataType, bool] | None, Callable[[Any], Any]]]
        if isinstance(item, inspect.TupleType) and len(item.item_types) == len(_PAIR_NAMES):
            members = [
                (part, _scalar(t), itemgetter(i))
                for i, (part, t) in enumerate(zip(_PAIR_NAMES, item.item_types, strict=True))
            ]
        elif isinstance(item, inspect.StructType):
            tag = item.tag
            members = [(f.name, _scalar(f.type), attrgetter(f.name)) for f in item.fields]
        else:
            raise UnmappableError(f"{self.kind.__name__}.{'.'.join(path)}: no column type for {item!r}")
        columns: list[_Build] = []
        for part, member, take in members:
            if member is None:
                raise UnmappableError(f"{self.kind.__name__}.{'.'.join(path)}.{part}: too deep for a column")
            get = _gather(whole, take)
            columns.append(self._leaf(f"{name}_{part}", pa.list_(member[0]), get, False, path[0]))

        def build(lists: Mapping[str, Sequence[Any]]) -> Iterator[Any]:
            for row in zip(*(column(lists) for column in columns), strict=True):
                items = zip(*row, strict=True)
                yield list(items) if tag is None else [(tag, *item) for item in items]

        return build


def _default(field: inspect.Field) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


def _optional(info: inspect.Type) -> tuple[inspect.Type, bool]:
    if isinstance(info, inspect.UnionType):
        rest = [t for t in info.types if not isinstance(t, inspect.NoneType)]
        if len(rest) == 1 and len(rest) < len(info.types):
            return rest[0], True
    return info, False


def _scalar(info: inspect.Type) -> tuple[pa.DataType, bool] | None:
    """Arrow type of a scalar, and whether it is an enumeration."""
    if isinstance(info, inspect.Metadata):
        return _scalar(info.type)
    if isinstance(info, inspect.EnumType):
        return (pa.int64() if issubclass(info.cls, enum.IntEnum) else pa.string()), True
    for kind, type_ in _SCALARS.items():
        if isinstance(info, kind):
            return type_, False
    return None


_SCALARS: Final[dict[type[inspect.Type], pa.DataType]] = {
    inspect.IntType: pa.int64(),
    inspect.FloatType: pa.float64(),
    inspect.BoolType: pa.bool_(),
    inspect.StrType: pa.string(),
    inspect.BytesType: pa.binary(),
}


def _value(path: tuple[str, ...], enumeration: bool, nullable: bool) -> Callable[[Any], Any]:
    get = attrgetter(".".join(path))
    if not enumeration:
        return get
    if not nullable:
        return attrgetter(".".join((*path, "value")))

    def optional(message: Any) -> Any:
        member = get(message)
        return None if member is None else member.value

    return optional


def _gather(whole: Callable[[Any], Any], take: Callable[[Any], Any]) -> Callable[[Any], list[Any]]:
    return lambda message: [take(item) for item in whole(message)]


@cache
def columns_of(kind: type[Message]) -> Columns:
    """The columns of one kind of message, worked out once."""
    return Columns(kind)


def columns_by_tag(kinds: Sequence[type[Message]]) -> dict[str, Columns]:
    """The columns of several kinds by tag."""
    return {columns.tag: columns for columns in map(columns_of, kinds)}
