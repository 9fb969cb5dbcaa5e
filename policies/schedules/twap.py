"""Time-weighted: the same quantity in each slice of the window, or more at its beginning or end."""

from __future__ import annotations

from dataclasses import dataclass

from policies.schedules.slices import begun, lots
from service.policy.contract import View


@dataclass(frozen=True, slots=True)
class Twap:
    """Even over time. With ``tilt`` t the share done at fraction x of the window is x + t x (1 - x).

    The pace at the beginning is 1 + t, at the end 1 - t, of the even one; it is never negative for |t| <= 1.
    """

    def target(self, view: View) -> int:
        done, count = begun(view)
        if done >= count:
            return view.parent.quantity
        x = done / count
        tilt = view.parent.parameters.tilt or 0.0
        return lots(view.parent.quantity, x + tilt * x * (1.0 - x))
