"""What we hold and work already: positions, our own prices, exposure, credit, losses (C11-C13, C17, C22)."""

from __future__ import annotations

from typing import Final

from service.risk.compiled import LevelBounds
from service.risk.denials import Code, Denied, denied
from service.risk.judged import Judged
from service.risk.limits import Level, LossStage
from service.risk.money import in_currency
from service.risk.snapshots import LevelFacts

_REDUCE_ONLY: Final = LossStage.REDUCE_ONLY


def only_reduces(order: Judged) -> bool:
    """Whether the order, once filled, does no more than make the position in its instrument smaller."""
    exposure = order.facts.exposure
    if order.buys:
        left = -exposure.position - exposure.working_buy
    else:
        left = exposure.position - exposure.working_sell
    return order.added <= max(left, 0)


def position(order: Judged) -> Denied | None:
    """C12: as if every working order of a side, and this one, were filled and none of the other."""
    exposure, bounds, added = order.facts.exposure, order.bounds, order.added
    if order.buys:
        long = exposure.position + exposure.working_buy + added
        if long > bounds.max_long:
            return denied(Code.MAX_LONG, long=long, limit=bounds.max_long)
        if 2 * long >= bounds.max_long:
            order.near("max_long", Level.INSTRUMENT.value, order.symbol, long, bounds.max_long)
    else:
        short = exposure.working_sell + added - exposure.position
        if short > bounds.max_short:
            return denied(Code.MAX_SHORT, short=short, limit=bounds.max_short)
        if 2 * short >= bounds.max_short:
            order.near("max_short", Level.INSTRUMENT.value, order.symbol, short, bounds.max_short)
    gross = abs(exposure.position) + exposure.working_buy + exposure.working_sell + added
    if gross > bounds.max_gross:
        return denied(Code.MAX_GROSS, gross=gross, limit=bounds.max_gross)
    if 2 * gross >= bounds.max_gross:
        order.near("max_gross", Level.INSTRUMENT.value, order.symbol, gross, bounds.max_gross)
    return None


def self_match(order: Judged) -> Denied | None:
    """C17: an order that would trade with one of ours that rests is the one that is denied."""
    exposure = order.facts.exposure
    own = exposure.own_ask if order.buys else exposure.own_bid
    if own and (order.is_market or (order.price - own) * order.sign >= 0):
        return denied(Code.SELF_MATCH, side=order.side.name, price=order.price, own=own)
    return None


def levels(order: Judged) -> Denied | None:
    """C11, C13, C22: what strategy, trader, desk, client and firm may hold, trade and lose, all at once.

    The order is valued at the reference price, like everything that is held and worked; for credit at its
    own price, should that be worse. An order that only makes a holding smaller adds no exposure.
    """
    price = order.reference.reference
    lot = price * order.bounds.unit
    for (named, others), facts in zip(order.limits.levels, order.facts.levels, strict=True):
        bounds = named.get(facts.name, others)
        if bounds.missing:
            return denied(Code.NO_LIMIT, limit=bounds.missing, level=bounds.level.value, name=facts.name)
        if facts.loss >= _REDUCE_ONLY:
            verdict = _losing(order, bounds, facts)
            if verdict is not None:
                return verdict
        more = worst_of(order, facts)
        exposure = facts.exposure + more * lot
        if exposure >= bounds.warn_exposure and more:
            if exposure > bounds.max_exposure:
                return _over(Code.MAX_EXPOSURE, bounds, facts, exposure, bounds.max_exposure)
            order.near("max_exposure", bounds.level.value, facts.name, exposure, bounds.max_exposure)
        if bounds.gives_credit and order.added:
            credit = facts.credit + order.added * max(price, order.price) * order.bounds.unit
            if credit > bounds.max_credit:
                return _over(Code.MAX_CREDIT, bounds, facts, credit, bounds.max_credit)
            if credit >= bounds.warn_credit:
                order.near("max_credit", bounds.level.value, facts.name, credit, bounds.max_credit)
    return None


def worst_of(order: Judged, facts: LevelFacts) -> int:
    """Lots that the order adds to a holding at its worst: all buys filled and no sell, or all sells."""
    long, short = facts.lots + facts.buying, facts.selling - facts.lots
    ahead, behind = (long, short) if order.buys else (short, long)
    if ahead >= behind:
        return order.added
    return max(0, ahead + order.added - behind)


def _losing(order: Judged, bounds: LevelBounds, facts: LevelFacts) -> Denied | None:
    """C22: past the limit nothing goes out, near it only what the position holds and nothing sells yet."""
    if facts.loss >= LossStage.HALTED:
        return denied(Code.LOSS_HALTED, level=bounds.level.value, name=facts.name)
    reducible = -facts.lots - facts.buying if order.buys else facts.lots - facts.selling
    if order.added <= reducible:
        return None
    return denied(
        Code.LOSS_REDUCE_ONLY,
        level=bounds.level.value,
        name=facts.name,
        added=order.added,
        reducible=max(reducible, 0),
    )


def _over(code: Code, bounds: LevelBounds, facts: LevelFacts, value: int, limit: int) -> Denied:
    level, name = bounds.level.value, facts.name
    return denied(code, level=level, name=name, value=in_currency(value), limit=in_currency(limit))
