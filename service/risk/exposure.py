"""What all orders together allow: positions, our own prices, levels, repetition (C5, C11-C14, C17, C22)."""

from __future__ import annotations

from service.model.orders import OrdType, Side, SubmitChild
from service.risk.compiled import LevelBounds
from service.risk.denials import Code, Denied, denied
from service.risk.judged import Judged
from service.risk.limits import EVERY, Level, LossStage
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
    added, side, unit = order.added, order.side, order.bounds.unit
    price = order.reference.reference
    for table, facts in zip(order.limits.levels, order.facts.levels, strict=True):
        bounds = table.of(facts.name)
        if bounds.missing:
            return denied(Code.NO_LIMIT, limit=bounds.missing, level=bounds.level.value, name=facts.name)
        long, short = facts.lots + facts.buying, facts.selling - facts.lots
        held = long if long > short else short
        if side is Side.BUY:
            worst, reducible = max(long + added, short), short - facts.selling - facts.buying
        else:
            worst, reducible = max(long, short + added), long - facts.buying - facts.selling
        if facts.loss >= LossStage.REDUCE_ONLY:
            if facts.loss >= LossStage.HALTED:
                return denied(Code.LOSS_HALTED, level=bounds.level.value, name=facts.name)
            if added > reducible:
                return denied(
                    Code.LOSS_REDUCE_ONLY,
                    level=bounds.level.value,
                    name=facts.name,
                    added=added,
                    reducible=max(reducible, 0),
                )
        exposure = facts.exposure + (worst - held) * price * unit
        if exposure > bounds.max_exposure and worst > held:
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


def _over(code: Code, bounds: LevelBounds, facts: LevelFacts, value: int, limit: int) -> Denied:
    level, name = bounds.level.value, facts.name
    return denied(code, level=level, name=name, value=in_currency(value), limit=in_currency(limit))


def alike(order: Judged) -> Denied | None:
    """C14: the same order again and again within a moment is a loop, not a strategy. A replace adds none."""
    sent, limit = order.facts.traffic.alike, order.limits.max_alike
    if sent >= limit and isinstance(order.command, SubmitChild):
        return denied(Code.LOOK_ALIKE, sent=sent, limit=limit, window_ns=order.limits.alike_window)
    return None


def rate(order: Judged) -> Denied | None:
    """C5, C11: messages of the last second, this one included; cancels count but are never asked."""
    traffic, limits = order.facts.traffic, order.limits
    if traffic.instrument >= order.bounds.messages_per_second:
        return _too_many(Level.INSTRUMENT, order.symbol, traffic.instrument, order.bounds.messages_per_second)
    if 2 * traffic.instrument + 2 >= order.bounds.messages_per_second:
        _busy(order, Level.INSTRUMENT, order.symbol, traffic.instrument, order.bounds.messages_per_second)
    for table, facts, sent in zip(limits.levels, order.facts.levels, traffic.levels, strict=True):
        bounds = table.of(facts.name)
        if sent >= bounds.messages_per_second:
            return _too_many(bounds.level, facts.name, sent, bounds.messages_per_second)
        if 2 * sent + 2 >= bounds.messages_per_second:
            _busy(order, bounds.level, facts.name, sent, bounds.messages_per_second)
    if traffic.session >= limits.session_rate:
        return _too_many(Level.SESSION, EVERY, traffic.session, limits.session_rate)
    if 2 * traffic.session + 2 >= limits.session_rate:
        _busy(order, Level.SESSION, EVERY, traffic.session, limits.session_rate)
    return None


def _busy(order: Judged, level: Level, name: str, sent: int, limit: int) -> None:
    order.near("messages_per_second", level.value, name, sent + 1, limit)


def _too_many(level: Level, name: str, sent: int, limit: int) -> Denied:
    return denied(Code.MESSAGE_RATE, level=level.value, name=name, sent=sent, limit=limit)


def throttle(order: Judged) -> Denied | None:
    """C8: the order too many in a minute switches its strategy off. Asked last: it would have been sent."""
    sent, limit = order.facts.traffic.minute, order.permission.max_orders_per_minute
    if limit <= 0:
        return denied(Code.NO_LIMIT, limit="max_orders_per_minute", strategy=order.parent.policy)
    if sent >= limit:
        return denied(Code.THROTTLE_TRIPPED, strategy=order.parent.policy, sent=sent, limit=limit)
    if 2 * sent + 2 >= limit:
        order.near("max_orders_per_minute", Level.STRATEGY.value, order.parent.policy, sent + 1, limit)
    return None
