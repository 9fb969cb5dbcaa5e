"""How often: look-alikes, message rates, and the throttle that switches a strategy off (C5, C8, C14)."""

from __future__ import annotations

from service.model.orders import SubmitChild
from service.risk.denials import Code, Denied, denied
from service.risk.judged import Judged
from service.risk.limits import EVERY, Level


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
    for (named, others), facts, sent in zip(limits.levels, order.facts.levels, traffic.levels, strict=True):
        bounds = named.get(facts.name, others)
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
