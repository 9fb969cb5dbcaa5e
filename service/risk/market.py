"""One order by itself against the market: quantity, price, collar, value, market state (C1, C3, C4, C16)."""

from __future__ import annotations

from typing import Final

from service.model.market import TradingPhase
from service.model.orders import SubmitChild
from service.risk import ceilings
from service.risk.compiled import BPS
from service.risk.denials import Code, Denied, denied
from service.risk.judged import Judged

_CONTINUOUS: Final = TradingPhase.CONTINUOUS


def quantity(order: Judged) -> Denied | None:
    """C4: on a new order and on a replace."""
    if order.quantity <= 0:
        return denied(Code.INVALID_QUANTITY, quantity=order.quantity)
    if order.quantity > order.bounds.max_order_quantity:
        return denied(Code.MAX_ORDER_QUANTITY, quantity=order.quantity, limit=order.bounds.max_order_quantity)
    command = order.command
    if type(command) is SubmitChild and not 0 <= command.display_quantity <= command.quantity:
        return denied(Code.INVALID_QUANTITY, display=command.display_quantity, quantity=command.quantity)
    return None


def price(order: Judged) -> Denied | None:
    """C1, C19: a price on the tick, none for a market order, never past the parent's limit."""
    limit = order.parent.limit_price
    if order.is_market:
        if order.price != 0:
            return denied(Code.INVALID_PRICE, price=order.price, ord_type="market")
        if limit:
            return denied(Code.PARENT_LIMIT_PRICE, ord_type="market", limit=limit)
        return None
    if order.price <= 0 or order.price % order.bounds.tick:
        return denied(Code.INVALID_PRICE, price=order.price, tick=order.bounds.tick)
    if limit and (order.price - limit) * order.sign > 0:
        return denied(Code.PARENT_LIMIT_PRICE, price=order.price, limit=limit, side=order.side.name)
    return None


def market_data(order: Judged) -> Denied | None:
    """C16, C15, C47: reasonable, fresh facts of a market that is open."""
    limits, bounds, utc = order.limits, order.bounds, order.now.utc
    heartbeat, reference = order.facts.market.heartbeat_utc, order.facts.market.reference
    if reference is None or reference.reference <= 0:
        return denied(Code.NO_REFERENCE, symbol=order.symbol)
    if heartbeat - utc > ceilings.CLOCK_AHEAD or reference.ts_utc - utc > ceilings.CLOCK_AHEAD:
        return denied(Code.CLOCK_TROUBLE, ahead_ns=max(heartbeat, reference.ts_utc) - utc)
    order.reference = reference
    if utc - heartbeat > limits.max_heartbeat_age:
        return denied(Code.STALE_FEED, age_ns=utc - heartbeat, limit_ns=limits.max_heartbeat_age)
    if utc - reference.ts_utc > limits.max_reference_age:
        return denied(Code.STALE_REFERENCE, age_ns=utc - reference.ts_utc, limit_ns=limits.max_reference_age)
    if reference.phase is not _CONTINUOUS:
        return denied(Code.TRADING_PHASE, phase=reference.phase)
    if reference.jumped:
        return denied(Code.JUMPED_MARKET, bid=reference.bid, ask=reference.ask)
    bid, ask = reference.bid, reference.ask
    if reference.crossed or (bid and ask and bid > ask):
        return denied(Code.CROSSED_MARKET, bid=bid, ask=ask)
    # An empty side is a spread without end.
    if not bid or not ask or (ask - bid) * BPS > bounds.max_spread_bps * reference.reference:
        return denied(Code.WIDE_MARKET, bid=bid, ask=ask, limit_bps=bounds.max_spread_bps)
    return None


def collar(order: Judged) -> Denied | None:
    """C1: near the trusted reference, on either side: a price far off is an error, cheap or dear."""
    reference, limit = order.reference, order.bounds.collar_bps
    trusted = reference.reference
    if limit <= 0:
        return denied(Code.NO_LIMIT, limit="collar_bps")
    price = order.price
    if order.is_market:
        price = reference.ask if order.buys else reference.bid
    if abs(price - trusted) * BPS > limit * trusted:
        return denied(Code.PRICE_COLLAR, price=price, reference=trusted, limit_bps=limit)
    return None


def value(order: Judged) -> Denied | None:
    """C3, C10: by instrument and by strategy; a market order is valued at the worst price of its collar."""
    price, bounds = order.price, order.bounds
    if order.is_market:
        price = -(-order.reference.reference * (BPS + bounds.collar_bps) // BPS)
    value = price * order.quantity
    if value > bounds.max_order_value:
        return denied(Code.MAX_ORDER_VALUE, value=value, limit=bounds.max_order_value)
    if value * bounds.unit > order.permission.max_order_value:
        limit = order.permission.max_order_value // bounds.unit
        return denied(Code.MAX_ORDER_VALUE, value=value, limit=limit, strategy=order.parent.policy)
    return None
