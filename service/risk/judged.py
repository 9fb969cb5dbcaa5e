"""The order under judgement, as the checks hand it on to each other."""

from __future__ import annotations

from collections.abc import Callable

from service.model.market import ReferenceSnapshot
from service.model.orders import OrdType, ReplaceChild, Side, SubmitChild, TimeInForce
from service.model.time import Now
from service.risk.compiled import Bounds, Compiled, Permission, Rows
from service.risk.denials import Denied
from service.risk.snapshots import Facts, ParentFacts
from service.risk.uses import Use


class Judged:
    """One order, new or as a replace would leave it.

    Attributes:
        limits: All limits; ``bounds`` are its instrument's, ``rows`` those of its names at each level,
            ``permission`` its strategy's. These, ``parent`` and ``reference`` are there for every check
            after the one that finds them.
        sign: +1 for a buy, -1 for a sell.
        added: Lots that may be filled beyond what counts already. A replace is atomic at the broker (one
            order, one CumQty), so until it is answered either version may be filled, never both: the
            larger one counts.
        uses: Limits of which half or more is used with this order (C34).
    """

    __slots__ = (
        "added",
        "bounds",
        "buys",
        "command",
        "facts",
        "is_market",
        "limits",
        "now",
        "ord_type",
        "parent",
        "permission",
        "price",
        "quantity",
        "reference",
        "rows",
        "side",
        "sign",
        "symbol",
        "time_in_force",
        "uses",
    )

    command: SubmitChild | ReplaceChild
    facts: Facts
    now: Now
    limits: Compiled
    parent: ParentFacts
    reference: ReferenceSnapshot
    bounds: Bounds
    rows: Rows
    permission: Permission
    symbol: str
    side: Side
    buys: bool
    sign: int
    is_market: bool
    ord_type: OrdType
    time_in_force: TimeInForce
    quantity: int
    price: int
    added: int
    uses: tuple[Use, ...]

    def near(self, limit: str, level: str, name: str, used: int, most: int) -> None:
        """Note a limit that this order brings near; callers ask for half of it first, which is cheap."""
        self.uses += (Use(limit, level, name, used, most),)


Check = Callable[[Judged], Denied | None]
