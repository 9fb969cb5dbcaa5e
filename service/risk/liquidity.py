"""Limits that go by what the market does today: its volume so far, and what moves together (C9).

Both bind what adds; an order that only makes the position smaller needs none of it.
"""

from __future__ import annotations

from typing import Final

from service.risk.compiled import BPS
from service.risk.denials import Code, Denied, denied
from service.risk.exposure import only_reduces
from service.risk.judged import Judged
from service.risk.limits import Level
from service.risk.money import in_currency

_INSTRUMENT: Final = Level.INSTRUMENT.value


def participation(order: Judged) -> Denied | None:
    """C9: what we have traded today and work, both sides, is at most a share of the day's volume so far.

    The first lots of a day are free of it: nobody's have traded yet.
    """
    exposure, bounds = order.facts.exposure, order.bounds
    ours = exposure.traded + exposure.working_buy + exposure.working_sell + order.added
    if ours < bounds.warn_first_lots:
        return None
    volume = order.reference.volume
    most = max(bounds.first_lots, volume * bounds.max_participation_bps // BPS)
    if ours > most:
        if only_reduces(order):
            return None
        return denied(Code.PARTICIPATION, ours=ours, limit=most, volume=volume)
    if 2 * ours >= most:
        order.near("max_participation_bps", _INSTRUMENT, order.symbol, ours, most)
    return None


def correlated(order: Judged) -> Denied | None:
    """C9: what moves together counts as one position, at the reference prices.

    Added up is what would gain and lose with this order: the instrument's own position at its worst, and that
    of each instrument whose measured correlation is beyond calm, by its sign. Nothing is set off.
    """
    others = order.facts.correlated
    if not others:
        return None
    limits, exposure, price = order.limits, order.facts.exposure, order.reference.reference
    if order.buys:
        own = exposure.position + exposure.working_buy
    else:
        own = exposure.working_sell - exposure.position
    together, names = max(own + order.added, 0) * price * order.bounds.unit, []
    for other in others:
        if abs(other.percent) <= limits.calm_correlation:
            continue
        long = order.buys is (other.percent > 0)
        lots = other.position + other.working_buy if long else other.working_sell - other.position
        if lots > 0:
            if other.price <= 0:
                return denied(Code.NO_REFERENCE, symbol=other.symbol)
            together += lots * other.price * limits.units[other.symbol]
            names.append(other.symbol)
    most = limits.max_correlated
    if not names or 2 * together < most:
        return None
    if together > most:
        if only_reduces(order):
            return None
        value, limit = in_currency(together), in_currency(most)
        return denied(Code.CORRELATED, value=value, limit=limit, symbols=",".join(names))
    order.near("correlated_exposure", _INSTRUMENT, order.symbol, together, most)
    return None
