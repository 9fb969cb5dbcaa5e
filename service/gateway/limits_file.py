"""The limits file: TOML that a risk officer reads and writes, checked before anything trades on it.

It can only tighten: a value above its ceiling (``service.risk.ceilings``) is refused. What is left out is
zero, and zero denies (C6).
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)

from service.model.orders import OrdType, TimeInForce
from service.model.reference import Name, Reference
from service.model.time import MICROSECOND, MILLISECOND
from service.risk import ceilings
from service.risk.limits import (
    EVERY,
    FULL,
    CorrelationLimits,
    DuplicateLimits,
    ExecutionPolicy,
    InstrumentLimits,
    Level,
    LevelLimits,
    Limits,
    Locate,
    MarketDataLimits,
    Stage,
)


class LimitsFileError(ValueError):
    """The limits file cannot be used; the message names file, line, table and field."""


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


_Rate = Annotated[int, Field(strict=True, ge=0, le=ceilings.MAX_MESSAGES_PER_SECOND)]
_Position = Annotated[int, Field(strict=True, ge=0, le=ceilings.MAX_POSITION)]


class _MarketData(_Table):
    max_heartbeat_age_ms: Annotated[
        int, Field(strict=True, ge=0, le=ceilings.MAX_HEARTBEAT_AGE // MILLISECOND)
    ] = 0
    max_reference_age_ms: Annotated[
        int, Field(strict=True, ge=0, le=ceilings.MAX_REFERENCE_AGE // MILLISECOND)
    ] = 0


class _Duplicates(_Table):
    window_ms: Annotated[int, Field(strict=True, ge=0)] = 0
    max_alike: Annotated[int, Field(strict=True, ge=0, le=ceilings.MAX_ALIKE)] = 0

    @field_validator("window_ms")
    @classmethod
    def _long_enough(cls, given: int) -> int:
        """A window is loose by being short; 0 is none, which denies."""
        least = ceilings.MIN_ALIKE_WINDOW // MILLISECOND
        if 0 < given < least:
            raise ValueError(f"below the least that counts anything: at least {least}")
        return given


class _Level(_Table):
    """What every level of names has."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    messages_per_second: _Rate = 0
    max_exposure: Annotated[Decimal, Field(ge=0, le=ceilings.MAX_EXPOSURE)] = Decimal(0)
    max_daily_loss: Annotated[Decimal, Field(ge=0, le=ceilings.MAX_DAILY_LOSS)] = Decimal(0)

    def limits(self) -> LevelLimits:
        """As the gate takes them (C11, C22)."""
        return LevelLimits(
            messages_per_second=self.messages_per_second,
            max_exposure=self.max_exposure,
            max_daily_loss=self.max_daily_loss,
        )


class _Client(_Level):
    max_credit: Annotated[Decimal, Field(ge=0, le=ceilings.MAX_CREDIT)] = Decimal(0)

    def limits(self) -> LevelLimits:
        """As the gate takes them, credit included (C13)."""
        return msgspec.structs.replace(super().limits(), max_credit=self.max_credit)


class _Session(_Table):
    messages_per_second: _Rate = 0


class _Strategy(_Level):
    order_types: tuple[Literal["market", "limit"], ...] = ()
    times_in_force: tuple[Literal["day", "gtc", "ioc", "fok"], ...] = ()
    venues: tuple[str, ...] = ()
    instruments: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    passive_only: Annotated[bool, Field(strict=True)] = True
    max_order_value: Annotated[Decimal, Field(ge=0, le=ceilings.MAX_ORDER_VALUE)] = Decimal(0)
    max_orders_per_minute: Annotated[int, Field(strict=True, ge=0, le=ceilings.MAX_ORDERS_PER_MINUTE)] = 0
    max_parent_value: Annotated[Decimal, Field(ge=0, le=ceilings.MAX_PARENT_VALUE)] = Decimal(0)

    def execution_policy(self) -> ExecutionPolicy:
        """As the gate takes it (C10)."""
        return ExecutionPolicy(
            order_types=frozenset(OrdType[word.upper()] for word in self.order_types),
            times_in_force=frozenset(TimeInForce[word.upper()] for word in self.times_in_force),
            venues=frozenset(self.venues),
            instruments=frozenset(self.instruments),
            accounts=frozenset(self.accounts),
            passive_only=self.passive_only,
            max_order_value=self.max_order_value,
            max_orders_per_minute=self.max_orders_per_minute,
            max_parent_value=self.max_parent_value,
        )


class _Instrument(_Table):
    symbol: Name
    max_order_quantity: Annotated[int, Field(strict=True, ge=0, le=ceilings.MAX_ORDER_QUANTITY)] = 0
    max_order_value: Annotated[Decimal, Field(ge=0, le=ceilings.MAX_ORDER_VALUE)] = Decimal(0)
    collar_bps: Annotated[int, Field(strict=True, ge=0, le=ceilings.MAX_COLLAR_BPS)] = 0
    max_spread_bps: Annotated[int, Field(strict=True, ge=0, le=ceilings.MAX_SPREAD_BPS)] = 0
    max_long: _Position = 0
    max_short: _Position = 0
    max_gross: Annotated[int, Field(strict=True, ge=0, le=ceilings.MAX_GROSS)] = 0
    messages_per_second: _Rate = 0
    max_drift_bps: Annotated[int, Field(strict=True, ge=0, le=ceilings.MAX_DRIFT_BPS)] = 0
    calm_spread_bps: Annotated[int, Field(strict=True, ge=0, le=ceilings.MAX_CALM_SPREAD_BPS)] = 0
    calm_volatility_bps: Annotated[int, Field(strict=True, ge=0, le=ceilings.MAX_CALM_VOLATILITY_BPS)] = 0
    max_volume_bps: Annotated[int, Field(strict=True, ge=0, le=ceilings.MAX_VOLUME_BPS)] = 0
    max_parent_quantity: Annotated[int, Field(strict=True, ge=0, le=ceilings.MAX_PARENT_QUANTITY)] = 0
    max_participation_bps: Annotated[int, Field(strict=True, ge=0, le=ceilings.MAX_PARTICIPATION_BPS)] = 0
    first_lots: Annotated[int, Field(strict=True, ge=0, le=ceilings.MAX_FIRST_LOTS)] = 0
    locate: Literal["required", "not_required"] = "required"

    soft_order_quantity: Annotated[int, Field(strict=True, ge=0)] | None = None
    soft_order_value: Annotated[Decimal, Field(ge=0)] | None = None
    soft_collar_bps: Annotated[int, Field(strict=True, ge=0)] | None = None
    soft_volume_bps: Annotated[int, Field(strict=True, ge=0)] | None = None


class _Locate(_Table):
    """What a lender holds ready for a client's short sales (C15)."""

    client: Name
    symbol: Name
    lots: _Position
    until: AwareDatetime

    def locate(self) -> Locate:
        """As the gate takes it."""
        nanoseconds = (self.until - _EPOCH) // timedelta(microseconds=1) * MICROSECOND
        return Locate(client=self.client, symbol=self.symbol, lots=self.lots, until=nanoseconds)


class _Correlation(_Table):
    calm_percent: Annotated[int, Field(strict=True, ge=0, le=ceilings.MAX_CALM_CORRELATION)] = 0
    max_exposure: Annotated[Decimal, Field(ge=0, le=ceilings.MAX_CORRELATED_EXPOSURE)] = Decimal(0)


class _Stage(_Table):
    name: Annotated[str, Field(min_length=1, max_length=64)]
    instruments: tuple[str, ...] = ()
    venues: tuple[str, ...] = ()
    max_order_value: Annotated[Decimal, Field(ge=0, le=ceilings.MAX_STAGE_ORDER_VALUE)] = Decimal(0)
    max_orders_per_day: Annotated[int, Field(strict=True, ge=0, le=ceilings.MAX_STAGE_ORDERS)] = 0
    max_position: Annotated[int, Field(strict=True, ge=0, le=ceilings.MAX_STAGE_POSITION)] = 0

    def stage(self) -> Stage:
        """As the gate takes it (C39)."""
        return Stage(
            instruments=frozenset(self.instruments),
            venues=frozenset(self.venues),
            max_order_value=self.max_order_value,
            max_orders_per_day=self.max_orders_per_day,
            max_position=self.max_position,
        )


class _Introduction(_Table):
    """A policy by its name, or a model by ``NAME@VERSION``."""

    policy: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    model: Annotated[str, Field(pattern=r"^(\*|[^@]+@[^@]+)$", max_length=128)] | None = None
    stage: Annotated[str, Field(min_length=1, max_length=64)]

    @property
    def key(self) -> str:
        """As the gate has it."""
        return f"policy={self.policy}" if self.policy is not None else f"model={self.model}"


class _File(_Table):
    currency: Annotated[str, Field(pattern="^[A-Z]{3,5}$")] | None = None
    restricted: tuple[Name, ...] | None = None
    reduce_only_kill: Annotated[bool, Field(strict=True)] = False
    market_data: _MarketData = _MarketData()
    session: _Session = _Session()
    duplicates: _Duplicates = _Duplicates()
    strategies: tuple[_Strategy, ...] = ()
    traders: tuple[_Level, ...] = ()
    desks: tuple[_Level, ...] = ()
    clients: tuple[_Client, ...] = ()
    firms: tuple[_Level, ...] = ()
    instruments: tuple[_Instrument, ...] = ()
    correlation: _Correlation = _Correlation()
    locates: tuple[_Locate, ...] = ()
    stages: tuple[_Stage, ...] = ()
    introductions: tuple[_Introduction, ...] = ()


_MOST_BITS: Final = 512
_MOST_SHOWN: Final = 80
_LEVELS: Final = {
    "strategies": Level.STRATEGY,
    "traders": Level.TRADER,
    "desks": Level.DESK,
    "clients": Level.CLIENT,
    "firms": Level.FIRM,
}


def parse_limits(text: str, where: str, reference: Reference) -> Limits:
    """Limits from TOML text.

    Raises:
        LimitsFileError: Naming ``where``, the line, the table and the field.
    """
    try:
        data = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise LimitsFileError(f"{where}: not TOML: {error}") from error
    except (ValueError, ArithmeticError, RecursionError) as error:
        what = f"a number is too long, or brackets stand too deep in each other ({type(error).__name__})"
        raise LimitsFileError(
            f"{where}: cannot be read: {what}; write it as deploy/limits.toml does"
        ) from None
    try:
        file = _File.model_validate(data)
    except ValidationError as error:
        raise LimitsFileError("; ".join(_explain(text, where, data, e) for e in error.errors())) from error
    levels = {(Level.SESSION, "*"): LevelLimits(messages_per_second=file.session.messages_per_second)}
    for table, level in _LEVELS.items():
        for n, named in enumerate(getattr(file, table)):
            if (level, named.name) in levels:
                raise _twice(text, where, table, n, f"name {named.name!r}")
            levels[level, named.name] = named.limits()
            _names_exist(text, where, table, n, named, reference)
    instruments: dict[str, InstrumentLimits] = {}
    for n, row in enumerate(file.instruments):
        if row.symbol in instruments:
            raise _twice(text, where, "instruments", n, f"symbol {row.symbol!r}")
        if row.symbol not in reference.by_symbol:
            at = _line(text, "instruments", n, "symbol")
            raise LimitsFileError(
                f"{where}, line {at}: instruments {row.symbol}: symbol is not in the reference file; "
                "add the instrument there or take the table out"
            )
        instruments[row.symbol] = InstrumentLimits(**row.model_dump(exclude={"symbol"}))
    for n, locate in enumerate(file.locates):
        _locate_fits(text, where, n, locate, reference)
    return Limits(
        version=hashlib.sha256(text.encode()).hexdigest()[:12],
        currency=file.currency or "",
        restricted=None if file.restricted is None else frozenset(file.restricted),
        reduce_only_kill=file.reduce_only_kill,
        strategies={row.name: row.execution_policy() for row in file.strategies},
        instruments=instruments,
        levels=levels,
        market_data=MarketDataLimits(
            max_heartbeat_age=file.market_data.max_heartbeat_age_ms * MILLISECOND,
            max_reference_age=file.market_data.max_reference_age_ms * MILLISECOND,
        ),
        duplicates=DuplicateLimits(
            max_alike=file.duplicates.max_alike, window=file.duplicates.window_ms * MILLISECOND
        ),
        stages={row.name: row.stage() for row in file.stages},
        introductions=_introductions(text, where, file, reference),
        locates=tuple(row.locate() for row in file.locates),
        correlation=CorrelationLimits(
            calm_percent=file.correlation.calm_percent, max_exposure=file.correlation.max_exposure
        ),
    )


def _introductions(text: str, where: str, file: _File, reference: Reference) -> dict[str, str]:
    """Stage by key; every stage is there, and nothing that is new starts in full (C39)."""
    stages = [row.name for row in file.stages]
    for n, row in enumerate(file.stages):
        if row.name == FULL or row.name in stages[:n]:
            what = "is the stage without limits" if row.name == FULL else "stands there twice"
            raise _wrong(text, where, "stages", n, "name", f"{row.name!r} {what}; give it another name")
        for field, known in (("instruments", reference.by_symbol), ("venues", reference.by_venue)):
            strange = sorted(set(getattr(row, field)) - set(known) - {EVERY})
            if strange:
                what = f"{', '.join(strange)} is not in the reference file; correct the name or add it there"
                raise _wrong(text, where, "stages", n, field, what)
    found: dict[str, str] = {}
    for n, given in enumerate(file.introductions):
        if (given.policy is None) == (given.model is None):
            raise _wrong(text, where, "introductions", n, "", "it names a policy or a model, and not both")
        if given.key in found:
            raise _wrong(text, where, "introductions", n, "", f"{given.key} stands there twice")
        if given.stage not in (FULL, *stages):
            what = f"there is no stage {given.stage!r}; there are {', '.join((FULL, *stages))}"
            raise _wrong(text, where, "introductions", n, "stage", what)
        if given.stage == FULL and given.key.endswith(f"={EVERY}"):
            what = "what nobody has introduced does not start in full; name a stage with limits"
            raise _wrong(text, where, "introductions", n, "stage", what)
        found[given.key] = given.stage
    return found


def _wrong(text: str, where: str, table: str, number: int, field: str, what: str) -> LimitsFileError:
    label = f"{table} {number + 1}: {field}" if field else f"{table} {number + 1}"
    return LimitsFileError(f"{where}, line {_line(text, table, number, field)}: {label}: {what}")


def _names_exist(text: str, where: str, table: str, number: int, row: _Level, reference: Reference) -> None:
    """A row that names what is not in the reference file was meant to say something else."""
    given: dict[str, tuple[Iterable[str], Iterable[str]]] = {}
    if isinstance(row, _Strategy):
        given["instruments"] = row.instruments, reference.by_symbol
        given["accounts"] = row.accounts, reference.by_account
        given["venues"] = row.venues, reference.by_venue
    else:
        given["name"] = (row.name,), {entry.name for entry in getattr(reference, table)}
    for field, (names, known) in given.items():
        strange = sorted(set(names) - set(known) - {EVERY})
        if strange:
            raise LimitsFileError(
                f"{where}, line {_line(text, table, number, field)}: {table} {row.name}: {field}: "
                f"{', '.join(strange)} is not in the reference file; correct the name or add it there"
            )


def _locate_fits(text: str, where: str, number: int, row: _Locate, reference: Reference) -> None:
    clients = {client.name for client in reference.clients}
    for field, name, known in (("client", row.client, clients), ("symbol", row.symbol, reference.by_symbol)):
        if name not in known:
            raise LimitsFileError(
                f"{where}, line {_line(text, 'locates', number, field)}: locates {row.symbol}: {field}: "
                f"{name} is not in the reference file; correct the name or add it there"
            )


def load_limits(path: Path, reference: Reference) -> Limits:
    """Limits from a TOML file.

    Raises:
        LimitsFileError: If it cannot be read or does not hold together.
    """
    return parse_limits(read_limits(path), str(path), reference)


def read_limits(path: Path) -> str:
    """Text of a limits file.

    Raises:
        LimitsFileError: If it cannot be read.
    """
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise LimitsFileError(f"limits file {path}: {error}") from error


_HINTS: Final = {
    "extra_forbidden": "no such field; take it out or correct its name",
    "less_than_equal": "above the ceiling, which no file can exceed",
}


def _shown(given: object, as_text: Callable[[object], str]) -> str:
    """What stands in the file, as far as a message goes; hexadecimal has no end that Python would print."""
    if isinstance(given, int) and given.bit_length() > _MOST_BITS:
        return "a number of hundreds of digits"
    return as_text(given)[:_MOST_SHOWN]


def _explain(text: str, where: str, data: dict[str, Any], error: Any) -> str:
    """One sentence about one error: file, line, table, field, what is wrong."""
    path = list(error["loc"])
    table = str(path[0])
    number = path[1] if len(path) > 1 and isinstance(path[1], int) else 0
    field = next((part for part in path[1:] if isinstance(part, str)), "")
    name = table
    rows = data.get(table)
    if isinstance(rows, list) and number < len(rows) and isinstance(rows[number], dict):
        name = f"{table} {rows[number].get('symbol') or rows[number].get('name') or number + 1}"
    hint = _HINTS.get(error["type"], "")
    what = hint
    if error["type"] != "extra_forbidden":
        what = f"{error['msg']} (it is {_shown(error['input'], repr)})"
    if error["type"] == "less_than_equal":
        what = f"{_shown(error['input'], str)} is {hint}: at most {error['ctx']['le']}"
    label = f"{name}: {field}" if field else name
    return f"{where}, line {_line(text, table, number, field)}: {label}: {what}"


def _twice(text: str, where: str, table: str, number: int, what: str) -> LimitsFileError:
    return LimitsFileError(
        f"{where}, line {_line(text, table, number, '')}: {table}: {what} stands there twice"
    )


def _line(text: str, table: str, number: int, field: str) -> int:
    """Line of a field of the ``number``-th table of that name, else of the table, else 1."""
    header = re.compile(rf"^\s*\[\[?\s*{re.escape(table)}\s*\]\]?")
    wanted = re.compile(rf"^\s*[\"']?{re.escape(field)}[\"']?\s*=") if field else None
    top = re.compile(rf"^\s*[\"']?{re.escape(table)}[\"']?\s*[=.]")
    seen, at = -1, 1
    for n, line in enumerate(text.splitlines(), 1):
        if header.match(line):
            seen += 1
            if seen == number:
                at = n
        elif seen == number:
            if line.lstrip().startswith("["):
                break
            if wanted is not None and wanted.match(line):
                return n
        elif seen < 0 and top.match(line):
            at = n
    return at
