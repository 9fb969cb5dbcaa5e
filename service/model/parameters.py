"""The parameters that traders expect, each declared once as data.

Command line, ticket, FIX tags and documents are made from these declarations (``catalogue()``); a policy
names the ones it takes and may give its own default (``service.policy``). ``None`` means: not set, take
the policy's default.
"""

from __future__ import annotations

import enum
from functools import cache
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from service.model.message import Message


class EndBehaviour(enum.StrEnum):
    """What happens to the rest at the end of the window."""

    CANCEL = "cancel"
    COMPLETE_SOFTLY = "complete_softly"
    COMPLETE = "complete"


class CatchUp(enum.StrEnum):
    """After a pause or a stall: skip what was missed, spread it, or send it at once."""

    SKIP = "skip"
    SPREAD = "spread"
    AT_ONCE = "at_once"


class ModelMode(enum.StrEnum):
    """Whether a model's answers are acted upon or only recorded."""

    SHADOW = "shadow"
    LIVE = "live"


def _meta(help_: str, unit: str, *, amendable: bool = True, **bounds: Any) -> Meta:
    return Meta(description=help_, extra={"unit": unit, "amendable": amendable}, **bounds)


class Parameters(Message, frozen=True, kw_only=True):
    """Typed parameters of a parent; every field is optional and ``None`` means not set."""

    start_time: Annotated[int, _meta("start of the window", "ns market time", ge=0)] | None = None
    end_time: Annotated[int, _meta("end of the window; excludes duration", "ns market time", ge=0)] | None = (
        None
    )
    duration: (
        Annotated[float, _meta("length of the window; excludes end_time", "s", gt=0.0, le=86_400.0)] | None
    ) = None
    limit_price: Annotated[int, _meta("hard limit of every child", "price units", gt=0)] | None = None
    target_participation: (
        Annotated[float, _meta("share of market volume aimed at", "fraction", gt=0.0, le=0.5)] | None
    ) = None
    min_participation: (
        Annotated[float, _meta("lower bound of participation", "fraction", ge=0.0, le=0.5)] | None
    ) = None
    max_participation: Annotated[float, _meta("cap of participation", "fraction", gt=0.0, le=1.0)] | None = (
        None
    )
    urgency: Annotated[int, _meta("0 patient .. 10 get it done", "0-10", ge=0, le=10)] | None = None
    schedule_discretion: (
        Annotated[float, _meta("how far from the curve is allowed", "fraction", ge=0.0, le=1.0)] | None
    ) = None
    tilt: (
        Annotated[float, _meta("front-load (+) or back-load (-) the curve", "-1..1", ge=-1.0, le=1.0)] | None
    ) = None
    end_behaviour: (
        Annotated[EndBehaviour, _meta("what happens to the rest at the end of the window", "enum")] | None
    ) = None
    catch_up: (
        Annotated[CatchUp, _meta("after a pause: skip what was missed, spread it, send it at once", "enum")]
        | None
    ) = None
    min_clip: Annotated[int, _meta("smallest child", "lots", ge=1)] | None = None
    max_clip: Annotated[int, _meta("largest child", "lots", ge=1)] | None = None
    clip_variance: (
        Annotated[float, _meta("seeded randomness of child size", "fraction", ge=0.0, le=0.9)] | None
    ) = None
    interval_variance: (
        Annotated[float, _meta("seeded randomness of child time", "fraction", ge=0.0, le=0.9)] | None
    ) = None
    passive_only: Annotated[bool, _meta("never take liquidity", "bool")] | None = None
    cross_when_behind: (
        Annotated[
            float,
            _meta("how far behind schedule before taking, share of the parent", "fraction", ge=0.0, le=1.0),
        ]
        | None
    ) = None
    display_quantity: Annotated[int, _meta("shown part of a child; 0 shows all", "lots", ge=0)] | None = None
    max_open_children: Annotated[int, _meta("children at work at once", "count", ge=1, le=50)] | None = None
    seed: (
        Annotated[int, _meta("seed of the parent's own randomness", "int", amendable=False, ge=0)] | None
    ) = None
    model: Annotated[str, _meta("model policy to use", "name", max_length=64)] | None = None
    model_mode: Annotated[ModelMode, _meta("shadow or live", "enum")] | None = None

    def merged(self, changes: Parameters) -> Parameters:
        """These parameters with every one that ``changes`` sets replaced."""
        updates = {n: v for n in self.__struct_fields__ if (v := getattr(changes, n)) is not None}
        if "duration" in updates:
            updates["end_time"] = None
        elif "end_time" in updates:
            updates["duration"] = None
        return msgspec.structs.replace(self, **updates)


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """One declared parameter: what every user interface needs to offer and check it."""

    name: str
    type: type
    unit: str
    help: str
    amendable: bool
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()


@cache
def catalogue() -> dict[str, Parameter]:
    """Every parameter by name, read from the declarations of ``Parameters``."""
    found: dict[str, Parameter] = {}
    info = msgspec.inspect.type_info(Parameters)
    assert isinstance(info, msgspec.inspect.StructType)
    for field in info.fields:
        found[field.name] = _parameter(field.name, field.type)
    return found


def _parameter(name: str, info: msgspec.inspect.Type) -> Parameter:
    assert isinstance(info, msgspec.inspect.UnionType)
    (meta,) = (t for t in info.types if not isinstance(t, msgspec.inspect.NoneType))
    assert isinstance(meta, msgspec.inspect.Metadata)
    schema, extra, inner = meta.extra_json_schema or {}, meta.extra or {}, meta.type
    kinds: dict[type, type] = {
        msgspec.inspect.IntType: int,
        msgspec.inspect.FloatType: float,
        msgspec.inspect.BoolType: bool,
        msgspec.inspect.StrType: str,
    }
    choices: tuple[str, ...] = ()
    if isinstance(inner, msgspec.inspect.EnumType):
        kind: type = inner.cls
        choices = tuple(str(m.value) for m in inner.cls)
    else:
        kind = kinds[type(inner)]
    low = getattr(inner, "ge", None) if getattr(inner, "ge", None) is not None else getattr(inner, "gt", None)
    high = (
        getattr(inner, "le", None) if getattr(inner, "le", None) is not None else getattr(inner, "lt", None)
    )
    return Parameter(
        name=name,
        type=kind,
        unit=extra["unit"],
        help=schema["description"],
        amendable=extra["amendable"],
        low=low,
        high=high,
        choices=choices,
    )
