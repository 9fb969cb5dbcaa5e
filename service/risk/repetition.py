"""How often: look-alikes, message rates, and the throttle that switches a strategy off (C5, C8, C14)."""

from __future__ import annotations

from service.model.orders import SubmitChild
from service.risk.denials import Code, Denied, denied
from service.risk.judged import Judged
from service.risk.limits import EVERY, Level


def alike(order: Judged) -> Denied | None:
    """C14: the same order again and again within a moment is a loop, not a strategy. A replace adds none."""
    sent, limit = order.facts.traffic.alike, order.limits.max_alike
    if sent >= limit and type(order.command) is SubmitChild:
        return denied(Code.LOOK_ALIKE, sent=sent, limit=limit, window_ns=order.limits.alike_window)
    return None


def rate(order: Judged) -> Denied | None:
    """C5, C11: messages of the last second, this one included; cancels count but are never asked."""
    traffic, bounds, limits = order.facts.traffic, order.bounds, order.limits
    if (sent := traffic.instrument) >= bounds.busy_from and (
        verdict := _busy(order, Level.INSTRUMENT, order.symbol, sent, bounds.messages_per_second)
    ):
        return verdict
    if max(traffic.levels) >= order.rows.busy_from and (verdict := _busy_levels(order, traffic.levels)):
        return verdict
    if (sent := traffic.session) >= limits.session_busy_from:
        return _busy(order, Level.SESSION, EVERY, sent, limits.session_rate)
    return None


def _busy_levels(order: Judged, levels: tuple[int, ...]) -> Denied | None:
    for row, sent in zip(order.rows.each, levels, strict=True):
        if sent >= row.busy_from and (
            verdict := _busy(order, row.level, row.name, sent, row.messages_per_second)
        ):
            return verdict
    return None


def _busy(order: Judged, level: Level, name: str, sent: int, limit: int) -> Denied | None:
    """Near the limit a person is warned; at it the order is denied."""
    if sent >= limit:
        return denied(Code.MESSAGE_RATE, level=level.value, name=name, sent=sent, limit=limit)
    order.near("messages_per_second", level.value, name, sent + 1, limit)
    return None


def throttle(order: Judged) -> Denied | None:
    """C8: the order too many in a minute switches its strategy off. Asked last: it would have been sent."""
    sent = order.facts.traffic.minute
    if sent < order.permission.busy_from:
        return None
    limit = order.permission.max_orders_per_minute
    if limit <= 0:
        return denied(Code.NO_LIMIT, limit="max_orders_per_minute", strategy=order.parent.policy)
    if sent >= limit:
        return denied(Code.THROTTLE_TRIPPED, strategy=order.parent.policy, sent=sent, limit=limit)
    order.near("max_orders_per_minute", Level.STRATEGY.value, order.parent.policy, sent + 1, limit)
    return None
