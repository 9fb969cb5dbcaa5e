"""Any message of ours, generated from its declaration."""

from typing import Any

from hypothesis import strategies as st
from msgspec import inspect

from service.model.message import Message

INT64 = st.integers(-(2**63), 2**63 - 1)
WIRE_INTS = st.integers(-(2**63), 2**64 - 1)


def messages(kind: type[Message], integers: st.SearchStrategy[int] = INT64) -> st.SearchStrategy[Any]:
    """Messages of one kind that its decoder would accept; ``integers`` draws every unbounded integer."""
    return _value(inspect.type_info(kind), integers)


def _value(info: inspect.Type, integers: st.SearchStrategy[int]) -> st.SearchStrategy[Any]:
    match info:
        case inspect.StructType():
            fields = {f.name: _value(f.type, integers) for f in info.fields}
            return st.fixed_dictionaries(fields).map(lambda values: info.cls(**values))
        case inspect.Metadata():
            return _value(info.type, integers)
        case inspect.UnionType():
            return st.one_of(*(_value(t, integers) for t in info.types))
        case inspect.NoneType():
            return st.none()
        case inspect.EnumType():
            return st.sampled_from(list(info.cls))
        case inspect.BoolType():
            return st.booleans()
        case inspect.IntType(ge=None, gt=None, le=None, lt=None):
            return integers
        case inspect.IntType():
            low = info.ge if info.ge is not None else None if info.gt is None else info.gt + 1
            return st.integers(low, info.le if info.le is not None else 2**63 - 1)
        case inspect.FloatType(ge=None, gt=None, le=None, lt=None):
            return st.floats()
        case inspect.FloatType():
            low, high = (
                info.ge if info.ge is not None else info.gt,
                info.le if info.le is not None else info.lt,
            )
            return st.floats(low, high, exclude_min=info.gt is not None, exclude_max=info.lt is not None)
        case inspect.StrType():
            return st.text(max_size=info.max_length or 20)
        case inspect.BytesType():
            return st.binary(max_size=40)
        case inspect.TupleType():
            return st.tuples(*(_value(t, integers) for t in info.item_types))
        case inspect.VarTupleType():
            return st.lists(_value(info.item_type, integers), max_size=4).map(tuple)
    raise TypeError(f"no strategy for {info!r}")
