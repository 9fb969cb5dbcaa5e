"""The rule-based policies, as they are registered."""

from __future__ import annotations

from typing import Final

from policies.placements.crossing import Closing, Crossing
from policies.placements.passive import Pegged
from policies.schedules.participation import DEFAULT_PARTICIPATION, Capped, Participation
from policies.schedules.shortfall import AlmgrenChriss
from policies.schedules.twap import Twap
from policies.schedules.vwap import Vwap
from service.model.parameters import CatchUp, EndBehaviour, Parameters
from service.model.time import MILLISECOND
from service.policy.contract import Placement, Policy

COMMON: Final = frozenset(
    {
        "start_time",
        "end_time",
        "duration",
        "limit_price",
        "max_participation",
        "schedule_discretion",
        "end_behaviour",
        "catch_up",
        "min_clip",
        "max_clip",
        "clip_variance",
        "passive_only",
        "cross_when_behind",
        "display_quantity",
        "max_open_children",
        "seed",
    }
)
"""What every rule takes: the window, the limit, and what the placement needs."""

CADENCE: Final = 250 * MILLISECOND

PLACEMENT: Final[Placement] = Closing(Crossing(Pegged()))
"""Rest at the touch and follow it, take when behind, bring the rest home at the end."""

_COMPLETING: Final = Parameters(end_behaviour=EndBehaviour.COMPLETE, catch_up=CatchUp.SPREAD)

TWAP: Final = Policy(
    name="twap",
    description="Even over time, or tilted towards the beginning or the end of the window.",
    schedule=Capped(Twap()),
    placement=PLACEMENT,
    takes=COMMON | {"tilt", "interval_variance"},
    defaults=_COMPLETING,
    cadence=CADENCE,
)

VWAP: Final = Policy(
    name="vwap",
    description="In proportion to the volume that the session's curve expects in the window.",
    schedule=Capped(Vwap()),
    placement=PLACEMENT,
    takes=COMMON | {"tilt", "interval_variance"},
    defaults=_COMPLETING,
    cadence=CADENCE,
)

POV: Final = Policy(
    name="pov",
    description="A share of the market's volume, within a band.",
    schedule=Participation(),
    placement=PLACEMENT,
    takes=COMMON | {"target_participation", "min_participation"},
    defaults=Parameters(
        target_participation=DEFAULT_PARTICIPATION,
        end_behaviour=EndBehaviour.CANCEL,
        catch_up=CatchUp.SPREAD,
    ),
    cadence=CADENCE,
)

IS: Final = Policy(
    name="is",
    description="Implementation shortfall: the faster, the more urgent (Almgren and Chriss 2000).",
    schedule=Capped(AlmgrenChriss()),
    placement=PLACEMENT,
    takes=COMMON | {"urgency", "interval_variance"},
    defaults=_COMPLETING.merged(Parameters(urgency=5)),
    cadence=CADENCE,
)
