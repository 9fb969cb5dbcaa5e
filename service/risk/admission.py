"""Whether a parent is taken on at all, by its quantity and value (C3, C4).

Every child of a parent is judged by itself, and none of them shows that the parent was a mistake of the
desk: 999,999,999 lots are many small orders. So the parent is held to limits of its own.
"""

from __future__ import annotations

from service.risk.compiled import Compiled
from service.risk.denials import Code, Denied, denied


def admissible(limits: Compiled, symbol: str, policy: str, quantity: int, price: int) -> Denied | None:
    """Why a parent is not taken on; ``None`` if it may be.

    Args:
        quantity: Lots of the whole parent.
        price: Reference price in price units, which it is valued at; 0 where there is none yet, and then
            the value is judged once there is.
    """
    bounds = limits.bounds.get(symbol)
    permission = limits.permissions.get(policy) or limits.others
    if bounds is None:
        return denied(Code.NO_LIMIT, symbol=symbol)
    if permission is None:
        return denied(Code.NOT_PERMITTED, strategy=policy, execution_policy="none")
    for name, limit in (
        ("max_parent_quantity", bounds.max_parent_quantity),
        ("max_parent_value", permission.max_parent_value),
    ):
        if limit <= 0:
            return denied(Code.NO_LIMIT, limit=name, symbol=symbol, strategy=policy)
    if quantity > bounds.max_parent_quantity:
        return denied(
            Code.MAX_PARENT_QUANTITY,
            quantity=quantity,
            max_parent_quantity=bounds.max_parent_quantity,
            symbol=symbol,
        )
    value, most = price * quantity, permission.max_parent_value // bounds.unit
    if value > most:
        return denied(
            Code.MAX_PARENT_VALUE, quantity=quantity, value=value, max_parent_value=most, strategy=policy
        )
    return None
