"""Implementation shortfall: the optimal trajectory of Almgren and Chriss."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, expm1
from typing import Final

from policies.schedules.slices import begun, lots
from service.policy.contract import View

KAPPA_PER_URGENCY: Final = 0.6
"""kappa T for one point of urgency: 0 is TWAP, 5 does two thirds in a third of the window, 10 gives 6.0."""


@dataclass(frozen=True, slots=True)
class AlmgrenChriss:
    """What is left at fraction x of the window is sinh(kappa T (1 - x)) / sinh(kappa T) of the parent.

    Source: Almgren and Chriss (2000), "Optimal execution of portfolio transactions", eq. (20), in its limit
    of short intervals: kappa = sqrt(lambda sigma^2 / eta), where lambda is the risk aversion, sigma the
    volatility and eta the temporary impact. ``urgency`` u is the trader's lambda, in units in which
    kappa T = 0.6 u whatever the instrument and the window: lambda = (0.6 u / T)^2 eta / sigma^2.
    """

    def target(self, view: View) -> int:
        parent = view.parent
        done, count = begun(view)
        if done >= count:
            return parent.quantity
        urgency = parent.parameters.urgency
        kappa = KAPPA_PER_URGENCY * (0 if urgency is None else urgency)
        return lots(parent.quantity, 1.0 - left(kappa, done / count))


def left(kappa: float, x: float) -> float:
    """sinh(kappa (1 - x)) / sinh(kappa), and its limit 1 - x at kappa = 0; without overflow for any kappa."""
    if kappa < 1e-9:
        return 1.0 - x
    return exp(-kappa * x) * expm1(-2.0 * kappa * (1.0 - x)) / expm1(-2.0 * kappa)
