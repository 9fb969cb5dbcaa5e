"""Schedules that follow the market's volume: a share of it, or no more than a share of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from policies.schedules.slices import lots
from service.policy.contract import Schedule, View

DEFAULT_PARTICIPATION: Final = 0.1


@dataclass(frozen=True, slots=True)
class Participation:
    """``target_participation`` of the eligible volume printed since the parent began (POV).

    Within the band: never less than ``min_participation`` of it, never more than ``max_participation``; and
    up to the latter where the target alone would fall behind an even pace to the end of the window.
    """

    def target(self, view: View) -> int:
        parent, parameters = view.parent, view.parent.parameters
        volume = parent.market_volume
        aim = parameters.target_participation or DEFAULT_PARTICIPATION
        low = parameters.min_participation or 0.0
        high = parameters.max_participation
        wanted = max(aim, low) * volume
        if high is not None:
            length = max(parent.end - parent.start, 1)
            passed = min(max(view.now.market - parent.start, 0), length)
            even = parent.quantity * passed / length
            wanted = min(max(wanted, even), high * volume)
        return lots(parent.quantity, wanted / parent.quantity) if parent.quantity else 0


@dataclass(frozen=True, slots=True)
class Capped:
    """Another schedule, held to ``max_participation`` of the market's volume where that is set."""

    schedule: Schedule

    def target(self, view: View) -> int:
        target = self.schedule.target(view)
        cap = view.parent.parameters.max_participation
        return target if cap is None else min(target, int(cap * view.parent.market_volume))
