"""What a policy sees and what it may return.

A policy is composed of a *schedule* (how much should be done by now) and a *placement* (how the next
quantity is offered); a *model* may stand in place of the placement's timing. All of it is pure: no I/O, no
clock, no randomness but the parent's seed. A policy cannot send: it returns intents, and only the gate can
turn one into an order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import msgspec

from service.model.market import BookSnapshot
from service.model.orders import Objective, OrdType, Side, TimeInForce
from service.model.parameters import Parameters
from service.model.reference import Instrument
from service.model.time import Now


class PolicyError(ValueError):
    """A policy, or its parameters, cannot be used; the message says which and why."""


class Submit(msgspec.Struct, frozen=True):
    """Offer ``quantity`` lots. ``price`` in price units, on the tick; 0 with a market order."""

    quantity: int
    price: int
    ord_type: OrdType = OrdType.LIMIT
    time_in_force: TimeInForce = TimeInForce.DAY
    display_quantity: int = 0
    venue: str = ""
    reason: str = ""


class Cancel(msgspec.Struct, frozen=True):
    """Take a working child back."""

    child_id: str
    reason: str = ""


class Replace(msgspec.Struct, frozen=True):
    """Change a working child. ``quantity`` is its new total, filled part included."""

    child_id: str
    quantity: int
    price: int
    reason: str = ""


Intent = Submit | Cancel | Replace


class Child(msgspec.Struct, frozen=True):
    """A live child as its parent's policy sees it.

    Attributes:
        price: Price units; 0 for a market order.
        leaves: Lots still open, as far as we know.
        acknowledged: The broker has it.
        pending: ``""``, ``"cancel"`` or ``"replace"``: another request would only be refused.
        since, since_utc: Market time and UTC of its submission, or of its last change of price.
    """

    child_id: str
    side: Side
    price: int
    quantity: int
    filled: int
    leaves: int
    acknowledged: bool
    pending: str
    since: int
    time_in_force: TimeInForce = TimeInForce.DAY
    reason: str = ""
    since_utc: int = 0


class MarketView(Protocol):
    """The market of one instrument as the runner's own book knows it. Read-only.

    Prices in price units, quantities in lots, times in nanoseconds of market time.
    """

    @property
    def book(self) -> BookSnapshot | None: ...
    @property
    def bid(self) -> int: ...
    @property
    def ask(self) -> int: ...
    @property
    def bid_quantity(self) -> int: ...
    @property
    def ask_quantity(self) -> int: ...
    @property
    def last(self) -> int: ...
    @property
    def volume(self) -> int:
        """Eligible lots printed since this runner began to listen."""
        ...

    @property
    def ts_event(self) -> int: ...
    @property
    def open_for_trading(self) -> bool: ...
    def features(self, names: Sequence[str]) -> tuple[float, ...]:
        """The named features, in that order; computed by the code that training uses."""
        ...


class ParentView(msgspec.Struct, frozen=True):
    """How far a parent has come.

    Attributes:
        parameters: With the policy's defaults filled in.
        start, end: The window, market time.
        filled: Lots done.
        working: Lots open at the broker or on their way to it.
        due: Lots that should be done by now, 0 while the schedule is asked; then what the schedule wants,
            with what was missed in a pause or a stall caught up as ``catch_up`` says.
        market_volume: Eligible lots printed by others and us since the parent began.
        arrival_price: Price units.
        children: Live children, oldest first.
        resumed_at: Market time of the last resume, 0 if it was never paused.
        behind_at_resume: Lots that the schedule was ahead of us at that resume.
        clip_cap: Largest clip that the gate lets through, learnt from a denial for size; 0 if none was.
        next_child: Number of the next child: with the seed, what varies from clip to clip.
    """

    id: str
    side: Side
    quantity: int
    objective: Objective
    parameters: Parameters
    start: int
    end: int
    filled: int
    working: int
    due: int
    market_volume: int
    arrival_price: int
    children: tuple[Child, ...] = ()
    resumed_at: int = 0
    behind_at_resume: int = 0
    clip_cap: int = 0
    next_child: int = 1

    @property
    def remaining(self) -> int:
        """Lots neither filled nor working."""
        return self.quantity - self.filled - self.working


class View(msgspec.Struct, frozen=True):
    """Everything that a schedule, placement or model may look at."""

    now: Now
    instrument: Instrument
    market: MarketView
    parent: ParentView


@runtime_checkable
class Schedule(Protocol):
    """A pure function of clock, parameters, fills and volume: it survives a restart with no saved state."""

    def target(self, view: View) -> int:
        """Lots that should be done by ``view.now.market``: 0 .. ``view.parent.quantity``."""
        ...


@runtime_checkable
class Placement(Protocol):
    """How what is due is offered."""

    def place(self, view: View) -> list[Intent]:
        """Intents that bring ``working + filled`` towards ``view.parent.due``."""
        ...


@runtime_checkable
class ModelPolicy(Protocol):
    """A model in place of the placement's timing.

    ``name`` is that of the model's folder. ``observe`` may return ``None``: nothing to ask now (no book yet).
    """

    @property
    def name(self) -> str: ...

    def observe(self, view: View) -> tuple[float, ...] | None:
        """One row of features, in the order of the model's manifest."""
        ...

    def act(self, view: View, outputs: Sequence[float]) -> list[Intent]:
        """Intents for one row of the model's outputs."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A named composition, as a plug-in registers it (entry-point group ``slipstream.policies``).

    Attributes:
        takes: Names of the parameters it takes, all from the catalogue (``service.model.parameters``).
        defaults: Its own defaults; a parameter that it takes and that nobody set is ``None``.
        cadence: Smallest market time between two evaluations, ns; timers and fills evaluate at once.
        model: If set, its answer replaces the placement; when it is missing, late or unusable the
            placement serves as the fallback.
    """

    name: str
    description: str
    schedule: Schedule
    placement: Placement
    takes: frozenset[str]
    defaults: Parameters = field(default_factory=Parameters)
    cadence: int = 100_000_000
    model: ModelPolicy | None = None

    def resolve(self, given: Parameters) -> Parameters:
        """The given parameters with this policy's defaults filled in.

        Raises:
            PolicyError: If one is set that this policy does not take.
        """
        refused = [
            n for n in given.__struct_fields__ if getattr(given, n) is not None and n not in self.takes
        ]
        if refused:
            raise PolicyError(
                f"policy {self.name} takes no parameter {', '.join(refused)}; "
                f"it takes {', '.join(sorted(self.takes))}"
            )
        return self.defaults.merged(given)
