"""The reference file: instruments, venues, accounts and people, checked at start.

Its version, a digest of its text, is on every role's record. Written in TOML by a person, so it is
validated by pydantic, and every error names the table and the field.
"""

from __future__ import annotations

import hashlib
import tomllib
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Name = Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9._/-]+$")]
_PLAIN: Final = 28
"""Digits that decimal arithmetic of default precision keeps."""


class ReferenceFileError(ValueError):
    """The reference file cannot be used; the message names file, table and field."""


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Venue(_Entry):
    """Where instruments trade."""

    name: Name
    description: str = ""
    kind: Annotated[str, Field(pattern="^(lit|dark|rfq|consolidated)$")] = "lit"
    maker_fee_bps: Decimal = Decimal(0)
    taker_fee_bps: Decimal = Decimal(0)


class Instrument(_Entry):
    """What is traded.

    Attributes:
        group: Kafka key of ``md.v1`` and ``parents.v1``; legs that trade together share one.
        price_exponent: The price unit is 10^-price_exponent of ``currency``.
        tick: Smallest price step of an order, price units.
        lot: Units (shares, contracts, coins x 10^-quantity_exponent) in one lot.
        quantity_exponent: FIX quantities are lots x lot x 10^-quantity_exponent.
        multiplier: Currency per price point and unit.
        reference_volume: Average daily volume in lots; 0 is unknown, which denies what needs it.
        price_bands: Whose limit up and limit down it has: ``luld-1`` or ``luld-2``, a tier of the US limit up
            limit down plan, which the feed works out; ``source``, told by the source; empty for none.
    """

    symbol: Name
    venue: Name
    currency: Annotated[str, Field(pattern="^[A-Z]{3,5}$")]
    group: str = ""
    description: str = ""
    price_exponent: Annotated[int, Field(ge=0, le=9)] = 4
    tick: Annotated[int, Field(gt=0)] = 100
    lot: Annotated[int, Field(gt=0)] = 1
    quantity_exponent: Annotated[int, Field(ge=0, le=9)] = 0
    multiplier: Annotated[int, Field(gt=0)] = 1
    reference_volume: Annotated[int, Field(ge=0)] = 0
    price_bands: Annotated[str, Field(pattern="^(luld-1|luld-2|source)?$")] = ""

    @property
    def key(self) -> bytes:
        """Kafka key: the group, which is the symbol unless set."""
        return (self.group or self.symbol).encode()

    @cached_property
    def price_unit(self) -> Decimal:
        return Decimal(1).scaleb(-self.price_exponent)

    def price_text(self, price: int) -> str:
        """A price as FIX wants it: plain decimal text."""
        return _text(price, self.price_exponent)

    def price_from_text(self, text: str) -> int:
        """Price units of a decimal text.

        Raises:
            ValueError: If it is no number, or finer than the price unit.
        """
        return _exact(text, self.price_exponent, f"price of {self.symbol}")

    def quantity_text(self, lots: int) -> str:
        """Lots as FIX OrderQty text."""
        return _text(lots * self.lot, self.quantity_exponent)

    def quantity_from_text(self, text: str) -> int:
        """Lots of an OrderQty text.

        Raises:
            ValueError: If it is no number or not a whole number of lots.
        """
        units = _exact(text, self.quantity_exponent, f"quantity of {self.symbol}")
        lots, rest = divmod(units, self.lot)
        if rest:
            raise ValueError(f"quantity of {self.symbol}: {text} is not a multiple of the lot of {self.lot}")
        return lots

    def money(self, price_lots: int) -> Decimal:
        """Currency amount of a sum of price x lots."""
        scale = self.price_exponent + self.quantity_exponent
        return Decimal(price_lots * self.lot * self.multiplier).scaleb(-scale)


def _text(units: int, exponent: int) -> str:
    if not exponent:
        return str(units)
    sign, digits = ("-", str(-units)) if units < 0 else ("", str(units))
    digits = digits.zfill(exponent + 1)
    return f"{sign}{digits[:-exponent]}.{digits[-exponent:]}"


def _exact(text: str, exponent: int, what: str) -> int:
    before, _, fraction = text.partition(".")
    digits = before + fraction
    if len(fraction) <= exponent and len(digits) <= _PLAIN and digits.isascii() and digits.isdecimal():
        return int(digits.ljust(len(before) + exponent, "0"))
    try:
        scaled = Decimal(text).scaleb(exponent)
        whole = int(scaled)
    except (ArithmeticError, ValueError) as error:
        raise ValueError(f"{what}: {text!r} is not a number") from error
    if scaled != whole:
        raise ValueError(f"{what}: {text} is finer than 10^-{exponent}")
    return whole


class Firm(_Entry):
    name: Name


class Client(_Entry):
    name: Name
    firm: Name


class Desk(_Entry):
    name: Name
    firm: Name


class Trader(_Entry):
    name: Name
    desk: Name


class Account(_Entry):
    """A trading account at the broker (FIX tag 1)."""

    name: Name
    client: Name


class Reference(_Entry):
    """Everything of the reference file, cross-checked."""

    version: str = ""
    instruments: tuple[Instrument, ...]
    venues: tuple[Venue, ...]
    accounts: tuple[Account, ...]
    traders: tuple[Trader, ...]
    desks: tuple[Desk, ...]
    clients: tuple[Client, ...]
    firms: tuple[Firm, ...]

    @model_validator(mode="after")
    def _cross_check(self) -> Reference:
        for table, key in _KEYS.items():
            names = [getattr(entry, key) for entry in getattr(self, table)]
            doubles = sorted({n for n in names if names.count(n) > 1})
            if doubles:
                raise ValueError(f"{table}: {', '.join(doubles)} stands there twice")
        known = {table: {getattr(e, key) for e in getattr(self, table)} for table, key in _KEYS.items()}
        for table, field, target in _LINKS:
            for entry in getattr(self, table):
                if getattr(entry, field) not in known[target]:
                    name = getattr(entry, _KEYS[table])
                    raise ValueError(f"{table} {name}: {field} {getattr(entry, field)!r} is not in {target}")
        return self

    @cached_property
    def by_symbol(self) -> dict[str, Instrument]:
        return {i.symbol: i for i in self.instruments}

    @cached_property
    def by_account(self) -> dict[str, Account]:
        return {a.name: a for a in self.accounts}

    @cached_property
    def by_trader(self) -> dict[str, Trader]:
        return {t.name: t for t in self.traders}

    @cached_property
    def by_venue(self) -> dict[str, Venue]:
        return {v.name: v for v in self.venues}


_KEYS = {
    "instruments": "symbol",
    "venues": "name",
    "accounts": "name",
    "traders": "name",
    "desks": "name",
    "clients": "name",
    "firms": "name",
}
_LINKS = (
    ("instruments", "venue", "venues"),
    ("accounts", "client", "clients"),
    ("traders", "desk", "desks"),
    ("desks", "firm", "firms"),
    ("clients", "firm", "firms"),
)


def parse_reference(text: str, where: str) -> Reference:
    """Reference data from TOML text.

    Raises:
        ReferenceFileError: Naming ``where``, the table and the field.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ReferenceFileError(f"{where}: not TOML: {error}") from error
    except (ValueError, RecursionError) as error:
        what = f"a number is too long, or brackets stand too deep in each other ({type(error).__name__})"
        raise ReferenceFileError(f"{where}: cannot be read: {what}") from None
    if "version" in data:
        raise ReferenceFileError(f"{where}: version is computed from the text; take the line out")
    data["version"] = hashlib.sha256(text.encode()).hexdigest()[:12]
    try:
        return Reference.model_validate(data)
    except ValidationError as error:
        lines = "; ".join(
            f"{_place(e['loc'], data)}: {_complaint(e['type'], e['msg'])}" for e in error.errors()
        )
        raise ReferenceFileError(f"{where}: {lines}") from error


def _complaint(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "no such field; take it out or correct its name"
    return message.removeprefix("Value error, ")


def _place(loc: tuple[int | str, ...], data: Any) -> str:
    """Where in the file, an entry by its name: ``instruments AURA lot``."""
    parts = []
    for step in loc:
        try:
            data = data[step]
        except (LookupError, TypeError):
            data = None
        if isinstance(step, int):
            entry = data if isinstance(data, dict) else {}
            parts.append(str(entry.get("symbol") or entry.get("name") or f"#{step + 1}"))
        else:
            parts.append(step)
    return " ".join(parts) or "file"


def load_reference(path: Path) -> Reference:
    """Reference data from a TOML file.

    Raises:
        ReferenceFileError: If it cannot be read or does not hold together.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ReferenceFileError(f"reference file {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ReferenceFileError(f"reference file {path}: not UTF-8 text: {error}") from error
    return parse_reference(text, str(path))
