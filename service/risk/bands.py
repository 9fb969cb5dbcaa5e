"""Limit up and limit down: what a venue would not trade, and a market that stands at its limit (C18).

The bands come from ``ref.v1``: told by the source, or worked out by the feed from the rule that the
reference file names for the instrument.
"""

from __future__ import annotations

from service.risk.denials import Code, Denied, denied
from service.risk.exposure import only_reduces
from service.risk.judged import Judged


def bands(order: Judged) -> Denied | None:
    """C18: no price beyond the bands; at a band, or in a market that stands at one, only what reduces.

    An instrument that has bands by its reference file is not traded while nobody says where they are.
    """
    reference = order.reference
    lower, upper = reference.lower_band, reference.upper_band
    if not upper and not lower:
        return denied(Code.NO_BANDS, symbol=order.symbol) if order.bounds.banded else None
    bid, ask = reference.bid, reference.ask
    price = order.price
    if order.is_market:
        price = ask if order.buys else bid
    if price > upper:
        return denied(Code.LIMIT_UP, price=price, upper=upper)
    if price < lower:
        return denied(Code.LIMIT_DOWN, price=price, lower=lower)
    up = bid >= upper or (order.buys and price == upper)
    down = ask <= lower or (not order.buys and price == lower)
    if (up or down) and not only_reduces(order):
        code = Code.LIMIT_UP if up else Code.LIMIT_DOWN
        return denied(code, price=price, bid=bid, ask=ask, lower=lower, upper=upper)
    return None
