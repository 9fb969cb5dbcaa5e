"""What a run is asked to do: parents, and what a trader does to them on the way. From a file, or our own."""

from __future__ import annotations

import contextlib
import json
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from service.console.desk import DeskError, check_policy, command, instrument, new_id
from service.console.parameters import OBJECTIVES, ParameterError, parameters
from service.model.orders import NewParent, Objective, ParentCommand, ParentOrder, Side
from service.model.parameters import CatchUp
from service.model.reference import Reference
from service.model.time import SECOND, SessionClock

BY: Final = "demo"


class PlanError(ValueError):
    """A file of parents cannot be used; the message names the file, the entry and the field."""


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PlannedParent(_Entry):
    """A parent to be handed in.

    Attributes:
        after: Seconds of market time after the beginning of the session.
        quantity: Lots.
        parameters: As a person writes them (``service.console.parameters``).
    """

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
    symbol: str
    side: Literal["buy", "sell"]
    quantity: Annotated[int, Field(gt=0)]
    policy: str
    after: Annotated[float, Field(ge=0)] = 0.0
    objective: Objective | None = None
    account: str = "NW-1"
    trader: str = "alice"
    parameters: dict[str, Any] = {}

    def command(self, reference: Reference, utc: int) -> NewParent:
        """The command that hands it in.

        Raises:
            DeskError: The instrument is not in the reference file.
            ParameterError: A parameter cannot be used.
        """
        return NewParent(
            command_id=new_id("new"),
            parent=ParentOrder(
                id=self.id,
                symbol=self.symbol,
                side=Side[self.side.upper()],
                quantity=self.quantity,
                policy=self.policy,
                account=self.account,
                trader=self.trader,
                ts_utc=utc,
                objective=self.objective or OBJECTIVES.get(self.policy, Objective.ARRIVAL),
                parameters=parameters(self.parameters, instrument(reference, self.symbol)),
            ),
            by=self.trader,
            ts_utc=utc,
        )


class PlannedAction(_Entry):
    """What a trader does to a parent on the way.

    Attributes:
        after: Seconds of market time after the beginning of the session.
        changes: Parameters to amend, as a person writes them.
        quantity: New total quantity, lots, of an amendment.
        catch_up: Of a resume.
    """

    after: Annotated[float, Field(ge=0)]
    parent: str
    action: Literal["amend", "pause", "resume", "cancel"]
    reason: str = ""
    changes: dict[str, Any] = {}
    quantity: Annotated[int, Field(gt=0)] | None = None
    catch_up: CatchUp | None = None

    def command(self, symbol: str, reference: Reference) -> ParentCommand:
        """The command that does it.

        Raises:
            ParameterError: A parameter cannot be used.
        """
        fields: dict[str, Any] = {"reason": self.reason}
        if self.action == "amend":
            fields["changes"] = parameters(self.changes, instrument(reference, symbol))
            fields["quantity"] = self.quantity
        elif self.action == "resume" and self.catch_up is not None:
            fields["catch_up"] = self.catch_up
        return command(self.action, self.parent, symbol, BY, **fields)


class Plan(_Entry):
    """Parents and actions, cross-checked."""

    parents: Annotated[tuple[PlannedParent, ...], Field(min_length=1)]
    actions: tuple[PlannedAction, ...] = ()

    @model_validator(mode="after")
    def _cross_check(self) -> Plan:
        ids = [parent.id for parent in self.parents]
        doubles = sorted({i for i in ids if ids.count(i) > 1})
        if doubles:
            raise ValueError(f"parents: {', '.join(doubles)} stands there twice")
        for action in self.actions:
            if action.parent not in ids:
                raise ValueError(f"actions: {action.action} names {action.parent}, which is not in parents")
        return self

    @property
    def ids(self) -> list[str]:
        """Ids of the parents."""
        return [parent.id for parent in self.parents]

    def try_out(self, reference: Reference, where: str) -> None:
        """Make every command once, so that what cannot be is said before anything starts.

        Raises:
            PlanError: An instrument is not in the reference file, a policy is not installed, or a parameter
                cannot be used; naming ``where`` and the parent.
        """
        symbols = {}
        for parent in self.parents:
            with _said_of(f"{where}: parent {parent.id}"):
                check_policy(parent.policy, parent.parameters)
                parent.command(reference, utc=0)
            symbols[parent.id] = parent.symbol
        for action in self.actions:
            with _said_of(f"{where}: {action.action} of {action.parent} after {action.after:g} s"):
                action.command(symbols[action.parent], reference)

    def steps(self) -> list[PlannedParent | PlannedAction]:
        """Parents and actions in the order of their times."""
        return sorted([*self.parents, *self.actions], key=lambda step: step.after)


def planned_parent(**given: Any) -> PlannedParent:
    """One parent, checked.

    Raises:
        PlanError: Naming the field.
    """
    try:
        return PlannedParent.model_validate(given)
    except ValidationError as error:
        raise PlanError(_fields(error)) from error


@contextlib.contextmanager
def _said_of(where: str) -> Iterator[None]:
    try:
        yield
    except (DeskError, ParameterError) as error:
        raise PlanError(f"{where}: {error}") from error


def _fields(error: ValidationError) -> str:
    """What is wrong, by field; ``parents #1`` is the first of them, as a person counts."""
    found = error.errors()
    # An entry that is wrong counts as missing: no reason to say that the list is too short besides.
    found = [e for e in found if e["type"] != "too_short"] or found
    return "; ".join(f"{_place(e['loc'])}: {_complaint(e)}" for e in found)


def _place(loc: tuple[int | str, ...]) -> str:
    return " ".join(f"#{part + 1}" if isinstance(part, int) else part for part in loc) or "file"


def _complaint(error: Any) -> str:
    known = {"extra_forbidden": "there is no such field", "too_short": "at least one is needed"}
    message = known.get(error["type"], error["msg"]).removeprefix("Value error, ")
    given = error["input"]
    return f"{message}, not {given!r}" if isinstance(given, str | int | float) else str(message)


def load_plan(path: Path) -> Plan:
    """A plan from a TOML or JSON file.

    Raises:
        PlanError: If it cannot be read or does not hold together.
    """
    try:
        text = path.read_text()
        data = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise PlanError(f"parents file {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise PlanError(f"parents file {path}: no text in UTF-8 ({error.reason})") from error
    except ValueError as error:
        raise PlanError(f"parents file {path}: {error}") from error
    try:
        return Plan.model_validate({"parents": data} if isinstance(data, list) else data)
    except ValidationError as error:
        raise PlanError(f"parents file {path}: {_fields(error)}") from error


def session_seconds(clock: SessionClock) -> float:
    """Length of a session in seconds of market time."""
    return (clock.market_end - clock.market_start) / SECOND


def default_plan(symbols: Sequence[str], clock: SessionClock, reference: Reference) -> Plan:
    """Five parents on the synthetic pair, else four on one instrument; all end within the session."""
    seconds = session_seconds(clock)
    if {"AURA", "BOLT"} <= set(symbols):
        return _synthetic(seconds)
    return _one_instrument(instrument(reference, min(symbols)).symbol, seconds, reference)


def _parent(
    id_: str, symbol: str, side: Literal["buy", "sell"], quantity: int, after: float, **parameters: Any
) -> PlannedParent:
    policy = parameters.pop("policy", id_)
    return PlannedParent(
        id=id_,
        symbol=symbol,
        side=side,
        quantity=quantity,
        policy=policy,
        after=after,
        parameters={"end_behaviour": "complete", **parameters},
    )


def _synthetic(seconds: float) -> Plan:
    s = seconds
    return Plan(
        parents=(
            # It rests what the pause left behind in one piece, which is more than the gate lets through.
            _parent("twap", "AURA", "buy", 12_000, 0.02 * s, duration=0.74 * s, cross_when_behind=0.5),
            _parent("vwap", "BOLT", "sell", 4_000, 0.02 * s, duration=0.80 * s),
            _parent(
                "pov",
                "AURA",
                "buy",
                20_000,
                0.05 * s,
                duration=0.75 * s,
                target_participation=0.1,
                max_clip=400,
            ),
            _parent("is", "BOLT", "sell", 5_000, 0.10 * s, duration=0.6 * s, urgency=6, max_clip=400),
            _parent("timing", "AURA", "buy", 5_000, 0.08 * s, duration=0.74 * s),
        ),
        actions=(
            PlannedAction(after=0.25 * s, parent="twap", action="pause", reason="waiting for news"),
            PlannedAction(
                after=0.30 * s,
                parent="vwap",
                action="amend",
                changes={"max_clip": 300},
                reason="smaller clips",
            ),
            PlannedAction(
                after=0.40 * s, parent="twap", action="resume", catch_up="at_once", reason="news is out"
            ),
        ),
    )


def _one_instrument(symbol: str, seconds: float, reference: Reference) -> Plan:
    # A parent is about a thousandth of a day's volume: small beside the market, all within the limits.
    volume = reference.by_symbol[symbol].reference_volume or 1_000_000
    quantity = max(100, min(volume // 1000, 20_000) // 100 * 100)
    s = seconds
    return Plan(
        parents=(
            _parent("twap", symbol, "buy", quantity, 0.01 * s, duration=0.9 * s),
            _parent("vwap", symbol, "buy", quantity, 0.05 * s, duration=0.9 * s),
            _parent("is", symbol, "buy", quantity, 0.30 * s, duration=0.5 * s, urgency=5),
            _parent("timing", symbol, "buy", quantity, 0.10 * s, duration=0.8 * s),
        )
    )
