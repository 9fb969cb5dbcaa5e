"""Volume-weighted: in proportion to the volume that a curve expects."""

from __future__ import annotations

from dataclasses import dataclass

from policies.schedules.curve import US_EQUITIES, VolumeCurve
from policies.schedules.slices import begun, lots
from service.policy.contract import View


@dataclass(frozen=True, slots=True)
class Vwap:
    """The share done is the share of the window's expected volume that its begun slices hold.

    Where the curve expects no volume in the whole window (a market that trades outside the session), even
    over time. ``tilt`` acts on the share as it does for TWAP.
    """

    curve: VolumeCurve = US_EQUITIES

    def target(self, view: View) -> int:
        parent = view.parent
        done, count = begun(view)
        if done >= count:
            return parent.quantity
        reached = parent.start + (parent.end - parent.start) * done // count
        expected = self.curve.share(parent.start, parent.end)
        x = self.curve.share(parent.start, reached) / expected if expected > 0 else done / count
        tilt = parent.parameters.tilt or 0.0
        return lots(parent.quantity, x + tilt * x * (1.0 - x))
