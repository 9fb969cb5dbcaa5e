"""What a parent is likely to cost before it trades, and what the rest of one costs now and to the end.

Impact: R. Almgren, C. Thum, E. Hauptmann, H. Li, Direct Estimation of Equity Market Impact (Risk, July 2005):
for X of a day's volume V traded over T of a day with daily volatility s, the permanent part of the shortfall
is 0.314 s X/V / 2 (the turnover factor left out) and the temporary one 0.142 s (X/(V T))^0.6. Risk: one
standard deviation of a price walk under an even schedule, s sqrt(T/3). All pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import msgspec

from service.model.time import MINUTE

_GAMMA: Final = 0.314
_ETA: Final = 0.142
_EXPONENT: Final = 0.6
_MINUTES_A_DAY: Final = 390
BPS: Final = 10_000


class Estimate(msgspec.Struct, kw_only=True):
    """Basis points of the reference price, a cost positive.

    Attributes:
        spread_bps: Half the spread, paid by what takes liquidity.
        impact_bps: Temporary and permanent impact at an even pace.
        cost_bps: Both together, ``passive`` of it saved.
        risk_bps: One standard deviation of the shortfall.
        participation: Share of the expected volume of the window; above 1 it cannot complete.
        completes: Expected share of the quantity done by the end, at most ``cap`` of the volume.
        value: Quantity at the reference price, currency.
        missing: What is not known, so that a figure is None.
    """

    spread_bps: float | None
    impact_bps: float | None
    cost_bps: float | None
    risk_bps: float | None
    participation: float | None
    completes: float | None
    value: float | None
    missing: list[str]


def before_trading(
    quantity: int,
    window: int,
    *,
    daily_volume: int,
    spread_bps: float,
    volatility_bps: float,
    value: float | None,
    cap: float | None = None,
    passive: float = 0.0,
) -> Estimate:
    """What ``quantity`` lots over ``window`` ns of market time are likely to cost.

    Args:
        daily_volume: Average, lots; 0 is unknown.
        volatility_bps: Standard deviation of one-minute returns; 0 is unknown.
        value: Of the quantity at the reference price, currency.
        cap: Largest share of the volume that may be taken.
        passive: Share expected to add liquidity, and so to earn half the spread and not pay it.
    """
    missing = [
        name
        for name, there in (
            ("average daily volume", daily_volume > 0),
            ("volatility", volatility_bps > 0),
            ("spread", spread_bps > 0),
            ("window", window > 0),
        )
        if not there
    ]
    half = spread_bps / 2 if spread_bps > 0 else None
    day = window / (_MINUTES_A_DAY * MINUTE)
    sigma = volatility_bps * math.sqrt(_MINUTES_A_DAY)
    expected = daily_volume * day
    participation = quantity / expected if expected > 0 else None
    impact = None
    if participation is not None and sigma > 0:
        impact = _GAMMA * sigma * quantity / daily_volume / 2 + _ETA * sigma * participation**_EXPONENT
    cost = half * (1 - 2 * passive) + impact if half is not None and impact is not None else None
    completes = None
    if participation is not None:
        completes = min(1.0, (cap if cap is not None else 1.0) / participation) if participation else 1.0
    return Estimate(
        spread_bps=half,
        impact_bps=impact,
        cost_bps=cost,
        risk_bps=sigma * math.sqrt(max(day, 0.0) / 3) if sigma > 0 and window > 0 else None,
        participation=participation,
        completes=completes,
        value=value,
        missing=missing,
    )


class CostNow(msgspec.Struct, kw_only=True):
    """Taking the rest from the displayed book at once.

    Attributes:
        fillable: Lots that the displayed levels hold.
        average: Average price over them, price units.
        cost_bps: Against the mid.
    """

    fillable: int
    average: float | None
    cost_bps: float | None


def taking_now(quantity: int, sign: int, levels: Sequence[tuple[int, int]], mid: float) -> CostNow:
    """What it costs to take ``quantity`` lots from the other side's displayed ``levels`` now."""
    left, money = quantity, 0
    for price, size in levels:
        taken = min(left, size)
        money += taken * price
        left -= taken
        if left <= 0:
            break
    filled = quantity - max(left, 0)
    if filled <= 0 or mid <= 0:
        return CostNow(fillable=0, average=None, cost_bps=None)
    average = money / filled
    return CostNow(fillable=filled, average=average, cost_bps=sign * (average - mid) / mid * BPS)
