"""What we hold and work already: positions, our own prices, exposure, credit, losses (C11-C13, C17, C22)."""

from __future__ import annotations

from service.model.orders import OrdType, Side
from service.risk.compiled import LevelBounds
from service.risk.denials import Code, Denied, denied
from service.risk.judged import Judged
from service.risk.limits import Level, LossStage
from service.risk.money import in_currency
from service.risk.snapshots import LevelFacts


def position(order: Judged) -> Denied | None:
    """C12: as if every working order of a side, and this one, were filled and none of the other."""
    exposure, bounds, added = order.facts.exposure, order.bounds, order.added
    if order.side is Side.BUY:
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
    own = exposure.own_ask if order.side is Side.BUY else exposure.own_bid
    if own and (order.ord_type is OrdType.MARKET or (order.price - own) * order.side.sign >= 0):
        return denied(Code.SELF_MATCH, side=order.side.name, price=order.price, own=own)
    return None


def levels(order: Judged) -> Denied | None:
    """C11, C13, C22: what strategy, trader, desk, client and firm may hold, trade and lose, all at once.

    The order is valued at the reference price, like everything that is held and worked; for credit at its
    own price, should that be worse. An order that only makes a holding smaller adds no exposure.
    """
    added, unit = order.added, order.bounds.unit
    price = order.reference.reference
    for table, facts in zip(order.limits.levels, order.facts.levels, strict=True):
        bounds = table.of(facts.name)
        if bounds.missing:
            return denied(Code.NO_LIMIT, limit=bounds.missing, level=bounds.level.value, name=facts.name)
        if facts.loss >= LossStage.REDUCE_ONLY:
            verdict = _losing(order, bounds, facts)
            if verdict is not None:
                return verdict
        more = worst_of(order, facts)
        exposure = facts.exposure + more * price * unit
        if exposure > bounds.max_exposure and more:
            return _over(Code.MAX_EXPOSURE, bounds, facts, exposure, bounds.max_exposure)
        if 2 * exposure >= bounds.max_exposure:
            order.near("max_exposure", bounds.level.value, facts.name, exposure, bounds.max_exposure)
        if bounds.level is Level.CLIENT:
            credit = facts.credit + added * max(price, order.price) * unit
            if credit > bounds.max_credit and added:
                return _over(Code.MAX_CREDIT, bounds, facts, credit, bounds.max_credit)
            if 2 * credit >= bounds.max_credit:
                order.near("max_credit", bounds.level.value, facts.name, credit, bounds.max_credit)
    return None


def worst_of(order: Judged, facts: LevelFacts) -> int:
    """Lots that the order adds to a holding at its worst: all buys filled and no sell, or all sells."""
    long, short = facts.lots + facts.buying, facts.selling - facts.lots
    if order.side is Side.BUY:
        return max(long + order.added, short) - max(long, short)
    return max(long, short + order.added) - max(long, short)


def _losing(order: Judged, bounds: LevelBounds, facts: LevelFacts) -> Denied | None:
    """C22: past the limit nothing goes out, near it only what the position holds and nothing sells yet."""
    if facts.loss >= LossStage.HALTED:
        return denied(Code.LOSS_HALTED, level=bounds.level.value, name=facts.name)
    reducible = -facts.lots - facts.buying if order.side is Side.BUY else facts.lots - facts.selling
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
