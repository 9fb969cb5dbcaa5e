"""What we hold and work already: positions, our own prices, exposure, credit, losses (C11-C13, C17, C22)."""

from __future__ import annotations

from typing import Final

from service.risk.compiled import LevelBounds
from service.risk.denials import Code, Denied, denied
from service.risk.judged import Judged
from service.risk.limits import Level, LossStage
from service.risk.money import in_currency
from service.risk.snapshots import LevelFacts

_NORMAL: Final = LossStage.NORMAL


def reduce_only(order: Judged) -> Denied | None:
    """C26: under a kill that lets out what reduces, every holding of the order's names gets smaller."""
    scope = order.facts.halt.reduce_only
    if not scope:
        return None
    if not order.limits.reduce_only_kill:
        return denied(Code.KILLED, scope=scope)
    exposure, levels = order.facts.exposure, order.facts.levels
    everywhere = [_reducible(order, facts.lots, facts.buying, facts.selling) for facts in levels]
    instrument = _reducible(order, exposure.position, exposure.working_buy, exposure.working_sell)
    reducible = min(instrument, *everywhere)
    if order.added <= reducible:
        return None
    return denied(Code.KILLED_REDUCE_ONLY, scope=scope, added=order.added, reducible=max(reducible, 0))


def _reducible(order: Judged, lots: int, buying: int, selling: int) -> int:
    """Lots of a holding that no working order of this side reduces yet."""
    return -lots - buying if order.buys else lots - selling


def only_reduces(order: Judged) -> bool:
    """Whether the order, once filled, does no more than make the position in its instrument smaller."""
    exposure = order.facts.exposure
    left = _reducible(order, exposure.position, exposure.working_buy, exposure.working_sell)
    return order.added <= max(left, 0)


def position(order: Judged) -> Denied | None:
    """C12: as if every working order of a side, and this one, were filled and none of the other."""
    exposure, bounds, added = order.facts.exposure, order.bounds, order.added
    if order.buys:
        long = exposure.position + exposure.working_buy + added
        if long >= bounds.warn_long:
            if long > bounds.max_long:
                return denied(Code.MAX_LONG, long=long, limit=bounds.max_long)
            order.near("max_long", Level.INSTRUMENT.value, order.symbol, long, bounds.max_long)
    else:
        short = exposure.working_sell + added - exposure.position
        if short >= bounds.warn_short:
            if short > bounds.max_short:
                return denied(Code.MAX_SHORT, short=short, limit=bounds.max_short)
            order.near("max_short", Level.INSTRUMENT.value, order.symbol, short, bounds.max_short)
    gross = abs(exposure.position) + exposure.working_buy + exposure.working_sell + added
    if gross >= bounds.warn_gross:
        if gross > bounds.max_gross:
            return denied(Code.MAX_GROSS, gross=gross, limit=bounds.max_gross)
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
    most = order.added * order.reference.reference * order.bounds.unit
    levels = order.facts.levels
    for bounds in order.rows.each:
        facts = levels[bounds.place]
        if bounds.missing:
            return denied(Code.NO_LIMIT, limit=bounds.missing, level=bounds.level.value, name=bounds.name)
        if facts.loss is not _NORMAL and (verdict := _losing(order, bounds, facts)):
            return verdict
        # An order adds at most its own value: most never come near a limit, and need no closer look.
        if facts.exposure + most >= bounds.warn_exposure and (verdict := _exposed(order, bounds, facts)):
            return verdict
        if bounds.gives_credit and (verdict := _credit(order, bounds, facts)):
            return verdict
    return None


def _exposed(order: Judged, bounds: LevelBounds, facts: LevelFacts) -> Denied | None:
    """C11: by what the order makes the holding worse."""
    more = worst_of(order, facts)
    exposure = facts.exposure + more * order.reference.reference * order.bounds.unit
    if not more or exposure < bounds.warn_exposure:
        return None
    if exposure > bounds.max_exposure:
        return _over(Code.MAX_EXPOSURE, bounds, exposure, bounds.max_exposure)
    order.near("max_exposure", bounds.level.value, bounds.name, exposure, bounds.max_exposure)
    return None


def _credit(order: Judged, bounds: LevelBounds, facts: LevelFacts) -> Denied | None:
    """C13: what the order could make of it, at the worse of its price and the reference."""
    price, added = order.reference.reference, order.added
    if order.price > price:
        price = order.price
    credit = facts.credit + added * price * order.bounds.unit
    if not added or credit < bounds.warn_credit:
        return None
    if credit > bounds.max_credit:
        return _over(Code.MAX_CREDIT, bounds, credit, bounds.max_credit)
    order.near("max_credit", bounds.level.value, bounds.name, credit, bounds.max_credit)
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
    if facts.loss < LossStage.REDUCE_ONLY:
        return None
    if facts.loss >= LossStage.HALTED:
        return denied(Code.LOSS_HALTED, level=bounds.level.value, name=bounds.name)
    reducible = _reducible(order, facts.lots, facts.buying, facts.selling)
    if order.added <= reducible:
        return None
    return denied(
        Code.LOSS_REDUCE_ONLY,
        level=bounds.level.value,
        name=bounds.name,
        added=order.added,
        reducible=max(reducible, 0),
    )


def _over(code: Code, bounds: LevelBounds, value: int, limit: int) -> Denied:
    level, name = bounds.level.value, bounds.name
    return denied(code, level=level, name=name, value=in_currency(value), limit=in_currency(limit))
