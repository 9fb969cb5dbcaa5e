"""Money in the gate: exact integers in one unit, so that instruments of any exponent can be added up."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from service.model.reference import Instrument

DIGITS: Final = 18
"""One unit of value is 10^-18 of the currency: the finest that price and quantity exponents allow."""


def value_unit(instrument: Instrument) -> int:
    """Units of value in one price unit x lot of this instrument."""
    digits = DIGITS - instrument.price_exponent - instrument.quantity_exponent
    return instrument.lot * instrument.multiplier * int(10**digits)


def to_value(amount: Decimal) -> int:
    """Units of value in an amount of the currency; what is finer is cut off."""
    return int(amount.scaleb(DIGITS))


def in_currency(value: int) -> str:
    """An amount for people, to the hundredth, as plain text without an exponent."""
    return f"{Decimal(value).scaleb(-DIGITS):.2f}"
