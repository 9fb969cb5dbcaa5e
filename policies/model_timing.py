"""The policy ``timing``: even over time, with a model that says when to wait, to follow and to take.

The model predicts in which direction the mid moves over the next seconds; its score, -1 .. 1, is turned so
that a positive one is against the parent (up for a buy). What the score leads to:

=============================  ================================================================
score                          what is done with what is due
=============================  ================================================================
``cross`` or more, and the     take at the opposite touch: the price is leaving, and is expected
expected move is worth it      to go further than taking costs
``follow`` or more             rest at the touch and move resting children there at once
between                        rest at the touch, follow it with patience (the fallback's way)
``-hold`` or less              hold: the price is coming, offer nothing new and move nothing
=============================  ================================================================

The thresholds are the manifest's. The schedule stays in charge: a parent that is further behind than
``cross_when_behind`` takes whatever the score, and near the end of the window the model is not asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Final, Self

from policies.placements.crossing import call_back, catch_up, in_flight
from policies.placements.offers import take
from policies.placements.passive import Pegged
from policies.rules import CADENCE, COMMON, PLACEMENT
from policies.schedules.participation import Capped
from policies.schedules.twap import Twap
from service.model.parameters import CatchUp, EndBehaviour, ModelMode, Parameters
from service.model.time import MILLISECOND, SECOND
from service.policy.contract import Intent, Placement, Policy, PolicyError, View
from service.policy.manifest import OWN, Manifest, load_manifest

FOLDER: Final = Path(__file__).resolve().parent / "models" / "timing"

ACTIONS: Final = ("cross", "follow", "hold", "edge")
"""Thresholds that a manifest for this policy must set; ``edge`` is the expected move that makes taking worth
it, in half spreads."""

_PATIENT: Final[Placement] = Pegged()
_PROMPT: Final[Placement] = Pegged(spread_share=0.0, rest=SECOND // 2, rest_utc=100 * MILLISECOND)
_SIGMA: Final = ("sigma_ticks",)


@dataclass(frozen=True, slots=True)
class TimingModel:
    """Times the placement by a model's score.

    Attributes:
        name: Of the model's folder.
        inputs: Features that the model reads, in its order.
        horizon: Seconds ahead that the score is about.
        cross, follow, hold, edge: Thresholds, see the module's table.
    """

    name: str
    inputs: tuple[str, ...]
    horizon: float
    cross: float
    follow: float
    hold: float
    edge: float

    @classmethod
    def of(cls, manifest: Manifest) -> Self:
        """The model policy that this manifest describes.

        Raises:
            PolicyError: If it wants inputs or signals that this policy does not have, or lacks a threshold.
        """
        own = [name for name in manifest.names if name.startswith(OWN)]
        if own or manifest.signals:
            raise PolicyError(
                f"model {manifest.name}: policy timing provides features of the market alone, "
                f"not {', '.join((*own, *manifest.signals))}"
            )
        if sorted(manifest.actions) != sorted(ACTIONS):
            raise PolicyError(
                f"model {manifest.name}: [actions] sets {', '.join(manifest.actions) or 'nothing'}; "
                f"policy timing needs {', '.join(ACTIONS)}"
            )
        if not 0.0 <= manifest.actions["follow"] <= manifest.actions["cross"]:
            raise PolicyError(f"model {manifest.name}: [actions] must have 0 <= follow <= cross")
        return cls(manifest.name, manifest.names, manifest.horizon, **manifest.actions)

    def bound(self, manifest: Manifest) -> Self:
        """The same policy, reading that manifest."""
        return self.of(manifest)

    def observe(self, view: View) -> tuple[float, ...] | None:
        """A row, if there is anything to time and a two-sided market to time it in."""
        market, parent = view.market, view.parent
        if not market.bid or not market.ask:
            return None
        if parent.due <= parent.filled and not parent.children:
            return None
        return market.features(self.inputs)

    def act(self, view: View, outputs: Sequence[float]) -> list[Intent]:
        """What the table of this module says; a parent that is behind comes first."""
        behind = catch_up(view)
        if behind:
            return behind
        score = outputs[0] * view.parent.side.sign
        if score >= self.cross and self._worth_taking(view, score):
            taken = self._take(view)
            if taken:
                return taken
        if score >= self.follow:
            return _PROMPT.place(view)
        if score <= -self.hold:
            return []
        return _PATIENT.place(view)

    def _worth_taking(self, view: View, score: float) -> bool:
        """Whether the expected move, score times a deviation of the horizon, is ``edge`` half spreads."""
        (sigma,) = view.market.features(_SIGMA)
        expected = score * sigma * sqrt(self.horizon) * view.instrument.tick
        return expected * 2 >= self.edge * (view.market.ask - view.market.bid)

    def _take(self, view: View) -> list[Intent]:
        """Take what is due and not offered yet; where all of it rests, call the youngest child back."""
        parent = view.parent
        if parent.parameters.passive_only:
            return []
        lacking = parent.due - parent.filled - parent.working
        if lacking > 0:
            return take(view, lacking, "model_cross")
        if parent.due > parent.filled + in_flight(view):
            return call_back(view, 1, "model_cross")
        return []


TIMING: Final = Policy(
    name="timing",
    description="Even over time; an ONNX model says when to wait, to follow and to take.",
    schedule=Capped(Twap()),
    placement=PLACEMENT,
    takes=COMMON | {"tilt", "interval_variance", "model", "model_mode"},
    defaults=Parameters(
        end_behaviour=EndBehaviour.COMPLETE, catch_up=CatchUp.SPREAD, model_mode=ModelMode.LIVE
    ),
    cadence=CADENCE,
    model=TimingModel.of(load_manifest(FOLDER)),
)
