"""What all orders together allow: positions and message rates (C5, C12)."""

from __future__ import annotations

from service.model.orders import Side
from service.risk.denials import Code, Denied, denied
from service.risk.judged import Judged
from service.risk.limits import EVERY, Level


def position(order: Judged) -> Denied | None:
    """C12: as if every working order of a side, and this one, were filled and none of the other."""
    exposure, bounds, added = order.facts.exposure, order.bounds, order.added
    if order.side is Side.BUY:
        long = exposure.position + exposure.working_buy + added
        if long > bounds.max_long:
            return denied(Code.MAX_LONG, long=long, limit=bounds.max_long)
    else:
        short = exposure.working_sell + added - exposure.position
        if short > bounds.max_short:
            return denied(Code.MAX_SHORT, short=short, limit=bounds.max_short)
    gross = abs(exposure.position) + exposure.working_buy + exposure.working_sell + added
    if gross > bounds.max_gross:
        return denied(Code.MAX_GROSS, gross=gross, limit=bounds.max_gross)
    return None


def rate(order: Judged) -> Denied | None:
    """C5: messages of the last second, this one included; cancels count but are never asked."""
    traffic, limits = order.facts.traffic, order.limits
    if traffic.instrument >= order.bounds.messages_per_second:
        return _too_many(Level.INSTRUMENT, traffic.instrument, order.bounds.messages_per_second)
    limit = limits.strategy_rates.get(order.parent.policy, limits.strategy_rates.get(EVERY, 0))
    if traffic.strategy >= limit:
        return _too_many(Level.STRATEGY, traffic.strategy, limit)
    if traffic.session >= limits.session_rate:
        return _too_many(Level.SESSION, traffic.session, limits.session_rate)
    return None


def _too_many(level: Level, sent: int, limit: int) -> Denied:
    return denied(Code.MESSAGE_RATE, level=level.value, sent=sent, limit=limit)
