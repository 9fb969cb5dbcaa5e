"""Parameters of a parent as a person writes them: decimal prices, ISO times, words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, Final

import click
import msgspec

from service.model.orders import Objective
from service.model.parameters import Parameters, catalogue
from service.model.reference import Instrument
from service.model.time import SECOND

PRICE_UNIT: Final = "price units"
TIME_UNIT: Final = "ns market time"
_PREFIX: Final = "parameter_"

OBJECTIVES: Final = {
    "vwap": Objective.VWAP,
    "twap": Objective.TWAP,
    "pov": Objective.PARTICIPATION,
}
"""The benchmark that a schedule of that name is judged by, unless another is given; else arrival."""


class ParameterError(ValueError):
    """A parameter of a parent cannot be used; the message names it and says what it should be."""


@cache
def _types() -> dict[str, Any]:
    return {field.name: field.type for field in msgspec.structs.fields(Parameters)}


def unit_for_people(name: str) -> str:
    """How a person writes this parameter."""
    unit = catalogue()[name].unit
    return {PRICE_UNIT: "price, decimal", TIME_UNIT: "ISO 8601 market time, UTC unless it says"}.get(
        unit, unit
    )


def parameter_options() -> list[click.Option]:
    """One command-line option per parameter of the catalogue; ``split`` takes their values out again."""
    return [
        click.Option(
            [f"--{name.replace('_', '-')}", f"{_PREFIX}{name}"],
            type=click.Choice(declared.choices) if declared.choices else str,
            default=None,
            metavar=None if declared.choices else "VALUE",
            help=f"{declared.help} [{unit_for_people(name)}]",
        )
        for name, declared in catalogue().items()
    ]


def split(given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The other options, and the parameters that were given, by name."""
    own = {name: value for name, value in given.items() if not name.startswith(_PREFIX)}
    set_ = {
        name.removeprefix(_PREFIX): value
        for name, value in given.items()
        if name.startswith(_PREFIX) and value is not None
    }
    return own, set_


def parameters(values: Mapping[str, Any], instrument: Instrument) -> Parameters:
    """Typed parameters from what a person gave.

    Args:
        values: By name, with ``-`` or ``_``; text or already of their type. Prices in the instrument's
            currency, times as ISO 8601 text or nanoseconds, the rest as the catalogue says.

    Raises:
        ParameterError: An unknown name, or a value out of its range.
    """
    given: dict[str, Any] = {}
    for key, value in values.items():
        name = key.replace("-", "_")
        if name not in catalogue():
            raise ParameterError(f"no parameter is called {key}; there are {', '.join(catalogue())}")
        given[name] = _parameter(name, value, instrument)
    if "duration" in given and "end_time" in given:
        raise ParameterError("duration and end_time exclude each other: give one of them")
    return Parameters(**given)


def _parameter(name: str, value: Any, instrument: Instrument) -> Any:
    declared = catalogue()[name]
    if declared.unit == PRICE_UNIT:
        value = price_units(value, instrument, name)
    elif declared.unit == TIME_UNIT:
        value = market_time(value, name)
    try:
        # Not strict: text from a command line becomes a number, a flag or a word of its enumeration.
        return msgspec.convert(value, _types()[name], strict=not isinstance(value, str))
    except msgspec.ValidationError as error:
        what = _expected(str(error))
        raise ParameterError(f"{name.replace('_', '-')} {value!r}: {what} ({declared.help})") from error


def _expected(complaint: str) -> str:
    """A complaint about a type in the words of a person."""
    for kind, words in (("float", "a number"), ("int", "a whole number"), ("bool", "true or false")):
        if complaint.startswith(f"Expected `{kind} | null`"):
            return f"{words} is needed"
    return complaint


def price_units(value: Any, instrument: Instrument, what: str) -> int:
    """Price units of a decimal price in the instrument's currency.

    Raises:
        ParameterError: If it is no number or finer than the price unit.
    """
    try:
        return instrument.price_from_text(str(Decimal(str(value))))
    except (InvalidOperation, ValueError) as error:
        raise ParameterError(f"{what} {value!r} is no price of {instrument.symbol}: {error}") from error


def market_time(value: Any, what: str) -> int:
    """Nanoseconds since the epoch of ISO 8601 text, a datetime, or nanoseconds.

    Raises:
        ParameterError: If it is none of them.
    """
    if isinstance(value, int):
        return value
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        if str(value).isdigit():
            return int(value)
        raise ParameterError(f"{what} {value!r} is no time: write 2012-06-21T14:30:00+00:00") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * SECOND + moment.microsecond * 1000
