"""A market that is not calm: limits tighten with spread and volatility, and drift ends trading (C2, C9)."""

from __future__ import annotations

from typing import Final

from service.risk.compiled import BPS
from service.risk.denials import Code, Denied, denied
from service.risk.exposure import worst_of
from service.risk.judged import Judged

_WHOLE: Final = 1000


def drift(order: Judged) -> Denied | None:
    """C2: how far the price has gone against the parent since it was admitted; our own trading may be why."""
    arrival, limit = order.parent.arrival_price, order.bounds.max_drift_bps
    gone = (order.reference.reference - arrival) * order.sign
    if limit <= 0 or arrival <= 0:
        return denied(Code.NO_LIMIT, limit="max_drift_bps", arrival=arrival)
    if gone * BPS > limit * arrival:
        return denied(Code.DRIFT, reference=order.reference.reference, arrival=arrival, limit_bps=limit)
    return None


def share_left(calm: float, actual: float) -> int:
    """Thousandths of a limit that are left: all of it while calm, then less as spread or volatility grows.

    What is no number of basis points leaves nothing.
    """
    if 0 <= actual <= calm:
        return _WHOLE if calm else 0
    return int(_WHOLE * calm / actual) if actual > calm else 0


def tightened(order: Judged) -> Denied | None:
    """C9: twice the calm spread or volatility leave half of every limit; what only reduces needs none."""
    bounds, reference = order.bounds, order.reference
    if (
        0.0 <= reference.spread_bps <= bounds.calm_spread_bps > 0.0
        and 0.0 <= reference.volatility_bps <= bounds.calm_volatility_bps > 0.0
    ):
        return None
    left = min(
        share_left(bounds.calm_spread_bps, reference.spread_bps),
        share_left(bounds.calm_volatility_bps, reference.volatility_bps),
    )
    value = (order.price or reference.reference) * order.quantity
    if order.quantity * _WHOLE > bounds.max_order_quantity * left:
        return _tight("max_order_quantity", left)
    if value * _WHOLE > bounds.max_order_value * left:
        return _tight("max_order_value", left)
    exposure, added = order.facts.exposure, order.added
    if order.buys:
        if (exposure.position + exposure.working_buy + added) * _WHOLE > bounds.max_long * left:
            return _tight("max_long", left)
    elif (exposure.working_sell + added - exposure.position) * _WHOLE > bounds.max_short * left:
        return _tight("max_short", left)
    return _levels_tightened(order, left)


def _levels_tightened(order: Judged, left: int) -> Denied | None:
    price, unit = order.reference.reference, order.bounds.unit
    for bounds, facts in zip(order.rows.each, order.facts.levels, strict=True):
        more = worst_of(order, facts)
        if more <= 0:
            continue
        if (facts.exposure + more * price * unit) * _WHOLE > bounds.max_exposure * left:
            return _tight("max_exposure", left)
        credit = facts.credit + order.added * max(price, order.price) * unit
        if bounds.gives_credit and credit * _WHOLE > bounds.max_credit * left:
            return _tight("max_credit", left)
    return None


def _tight(limit: str, left: int) -> Denied:
    return denied(Code.TIGHTENED, limit=limit, thousandths_left=left)
