"""Who may trade what, and how: limits at all, restricted instruments, execution policies (C6, C10, C15)."""

from __future__ import annotations

from service.model.orders import OrdType, SubmitChild, TimeInForce
from service.risk.denials import Code, Denied, denied
from service.risk.judged import Judged

_AT_ONCE = (TimeInForce.IOC, TimeInForce.FOK)


def limits_exist(order: Judged) -> Denied | None:
    """C6: an instrument without limits, or in a currency that they are not in, is not traded."""
    limits = order.limits
    bounds = limits.bounds.get(order.symbol)
    if bounds is None:
        code = Code.NO_LIMIT if order.symbol in limits.instruments else Code.UNKNOWN_INSTRUMENT
        return denied(code, symbol=order.symbol)
    if bounds.currency != limits.currency:
        return denied(Code.NO_LIMIT, currency=bounds.currency, limits_currency=limits.currency or "none")
    order.bounds = bounds
    order.rows = rows = limits.rows(order.parent.levels)
    facts = order.facts
    if not len(rows.each) == len(facts.levels) == len(facts.traffic.levels):
        raise ValueError("facts of every level are needed")
    return None


def restricted(order: Judged) -> Denied | None:
    """C15: the restricted list; where nobody has said what is on it, everything is."""
    names = order.limits.restricted
    if names is None or order.symbol in names:
        return denied(Code.RESTRICTED, symbol=order.symbol, list="missing" if names is None else "named")
    return None


def permitted(order: Judged) -> Denied | None:
    """C10: what the strategy's execution policy does not name, it may not do."""
    limits, parent, command = order.limits, order.parent, order.command
    permission = limits.permissions.get(parent.policy) or limits.others
    if permission is None:
        return denied(Code.NOT_PERMITTED, strategy=parent.policy, execution_policy="none")
    order.permission = permission
    if order.symbol not in permission.instruments:
        return _not(order, "instrument", order.symbol)
    if parent.account not in permission.accounts:
        return _not(order, "account", parent.account)
    if order.ord_type not in permission.order_types:
        return _not(order, "order_type", order.ord_type.name.lower())
    if order.time_in_force not in permission.times_in_force:
        return _not(order, "time_in_force", order.time_in_force.name.lower())
    # A replace leaves the order where it is.
    if type(command) is SubmitChild and command.venue not in permission.venues:
        return _not(order, "venue", command.venue or "any")
    return None


def _not(order: Judged, what: str, given: str) -> Denied:
    return denied(Code.NOT_PERMITTED, strategy=order.parent.policy, **{what: given})


def passive(order: Judged) -> Denied | None:
    """C10: a strategy that may only rest does not take: no market, no immediate, no marketable order."""
    if not order.permission.passive_only:
        return None
    far = order.reference.ask if order.buys else order.reference.bid
    takes = order.ord_type is not OrdType.LIMIT or order.time_in_force in _AT_ONCE
    if takes or (order.price - far) * order.sign >= 0:
        return denied(Code.PASSIVE_ONLY, strategy=order.parent.policy, price=order.price, far=far)
    return None
