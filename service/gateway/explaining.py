"""What the broker told a person about one order, as terms that two people agree on where it books lots (C43).

What only says how an order stands books nothing, and one person may say it.
"""

from __future__ import annotations

import re
from typing import Final

from service.gateway.inputs import ExplainInput
from service.gateway.state import State
from service.model.orders import OrdStatus, Side

_TERMS: Final = re.compile(
    r"order (\S{1,120}) status=([a-z_]{1,20}) cum=(\d{1,12}) price=(\d{1,15})(?: side=(buy|sell))?", re.ASCII
)


def terms(child_id: str, status: OrdStatus, cum_quantity: int, price: int, side: Side | None) -> str:
    """Target of a proposal to book: everything that is booked, so that it is what was approved."""
    told = f" side={side.name.lower()}" if side is not None else ""
    return f"order {child_id} status={status.name.lower()} cum={cum_quantity} price={price}{told}"


def is_of_order(target: str) -> bool:
    """Whether a proposal to book is about an order, and not about a break with the drop copy."""
    return target.startswith("order ")


def read(target: str, by: str = "", reason: str = "") -> ExplainInput | None:
    """What these terms say; ``None`` if they cannot be understood."""
    found = _TERMS.fullmatch(target)
    if found is None or found[2].upper() not in OrdStatus.__members__:
        return None
    return ExplainInput(
        child_id=found[1],
        status=OrdStatus[found[2].upper()],
        cum_quantity=int(found[3]),
        price=int(found[4]),
        side=Side[found[5].upper()] if found[5] else None,
        by=by,
        reason=reason,
    )


def may_not_book(state: State, target: str) -> str:
    """Why these terms book nothing; empty if they do."""
    given = read(target)
    if given is None:
        return "the terms are: order CHILD status=STATUS cum=LOTS price=PRICE_UNITS"
    order = state.ledger.orders.get(given.child_id)
    if order is None or not (order.unknown or order.sideless):
        return f"no unknown order {given.child_id}; see `slipstream orders show`"
    if given.price <= 0 or given.cum_quantity <= order.cum_quantity:
        return f"nothing to book: {order.cum_quantity} lots of {given.child_id} are filled here"
    return ""
