"""The order under judgement, as the checks hand it on to each other."""

from __future__ import annotations

from collections.abc import Callable

from service.model.market import ReferenceSnapshot
from service.model.orders import OrdType, ReplaceChild, Side, SubmitChild, TimeInForce
from service.model.time import Now
from service.risk.compiled import Bounds, Compiled, Permission
from service.risk.denials import Denied
from service.risk.snapshots import Facts, ParentFacts
from service.risk.uses import Use


class Judged:
    """One order, new or as a replace would leave it.

    Attributes:
        limits: All limits; ``bounds`` are its instrument's and ``permission`` its strategy's, once
            a check has found them.
        added: Lots that may be filled beyond what counts already. A replace is atomic at the broker (one
            order, one CumQty), so until it is answered either version may be filled, never both: the
            larger one counts.
        uses: Limits of which half or more is used with this order (C34).
    """

    __slots__ = (
        "added",
        "bounds",
        "command",
        "facts",
        "limits",
        "now",
        "ord_type",
        "permission",
        "price",
        "quantity",
        "side",
        "symbol",
        "time_in_force",
        "uses",
    )

    command: SubmitChild | ReplaceChild
    facts: Facts
    now: Now
    limits: Compiled
    bounds: Bounds
    permission: Permission
    symbol: str
    side: Side
    ord_type: OrdType
    time_in_force: TimeInForce
    quantity: int
    price: int
    added: int
    uses: list[Use]

    def near(self, limit: str, level: str, name: str, used: int, most: int) -> None:
        """Note a limit that this order brings near; callers ask for half of it first, which is cheap."""
        self.uses.append(Use(limit, level, name, used, most))

    @property
    def parent(self) -> ParentFacts:
        """The parent; a check before has made sure that there is one."""
        parent = self.facts.parent
        assert parent is not None
        return parent

    @property
    def reference(self) -> ReferenceSnapshot:
        """The market's facts; a check before has made sure that there are some."""
        reference = self.facts.market.reference
        assert reference is not None
        return reference


Check = Callable[[Judged], Denied | None]
