"""Soft blocks: thresholds below the hard limits at which an order waits for people (C20).

Asked after everything else, so what is soft blocked has passed every hard check. Two people may let that one
order through (C44); nobody lifts anything but what is asked here.
"""

from __future__ import annotations

import msgspec

from service.risk.compiled import BPS
from service.risk.denials import Code, Denied, denied
from service.risk.judged import Judged


def soft_blocks(order: Judged) -> Denied | None:
    """C20: every soft threshold that the order is past and that nobody has lifted for it."""
    bounds = order.bounds
    if not bounds.soft:
        return None
    reference, price, exposure = order.reference, order.price, order.facts.exposure
    worst = touch = price
    if order.is_market:
        touch = reference.ask if order.buys else reference.bid
        worst = -(-reference.reference * (BPS + bounds.collar_bps) // BPS)
    gross = abs(exposure.position) + exposure.working_buy + exposure.working_sell + order.added
    away = abs(touch - reference.reference)
    asked = (
        (Code.SOFT_ORDER_QUANTITY, order.quantity, bounds.soft_order_quantity),
        (Code.SOFT_ORDER_VALUE, worst * order.quantity, bounds.soft_order_value),
        (Code.SOFT_COLLAR, away * BPS, bounds.soft_collar_bps * reference.reference),
        (Code.SOFT_VOLUME, gross, bounds.soft_gross),
    )
    lifted = order.facts.lifted
    past = [row for row in asked if row[1] > row[2] and row[0] not in lifted]
    if not past:
        return None
    first, used, limit = past[0]
    blocks = tuple([code for code, _, _ in past])
    figures = {"used": used, "limit": limit}
    if first is Code.SOFT_COLLAR:
        figures = {"price": touch, "reference": reference.reference, "limit_bps": bounds.soft_collar_bps}
    return msgspec.structs.replace(denied(first, **figures, blocks=",".join(blocks)), blocks=blocks)
