"""Our fills against the broker's own log: the same set, and the same money."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from service.model.events import ChildFill
from service.model.reference import Instrument, Reference


class Execution(NamedTuple):
    """What identifies a fill on both sides, as FIX text says it: quantity in units, price in currency."""

    exec_id: str
    cl_ord_id: str
    symbol: str
    side: str
    quantity: Decimal
    price: Decimal


class Totals(NamedTuple):
    """Fills, units and currency."""

    fills: int
    quantity: Decimal
    money: Decimal


class Difference(NamedTuple):
    """A fill that one side has more often than the other; ``side`` is ``ours`` or ``broker``."""

    only: str
    execution: Execution
    times: int


def ours(fill: ChildFill, instrument: Instrument) -> Execution:
    """One of our recorded fills."""
    return Execution(
        exec_id=fill.exec_id,
        cl_ord_id=fill.cl_ord_id,
        symbol=fill.symbol,
        side=fill.side.name.lower(),
        quantity=Decimal(instrument.quantity_text(fill.last_quantity)),
        price=Decimal(instrument.price_text(fill.last_price)),
    )


def totals(executions: Iterable[Execution], reference: Reference) -> Totals:
    """Sums of one side."""
    fills, quantity, money = 0, Decimal(0), Decimal(0)
    for execution in executions:
        fills += 1
        quantity += execution.quantity
        multiplier = (
            reference.by_symbol[execution.symbol].multiplier if execution.symbol in reference.by_symbol else 1
        )
        money += execution.quantity * execution.price * multiplier
    return Totals(fills, quantity, money)


def divergence(our: Iterable[Execution], broker: Iterable[Execution]) -> list[Difference]:
    """Fills in one and not in the other, ours first; a double on one side is a difference too."""
    mine, theirs = Counter(our), Counter(broker)
    return [
        *(Difference("ours", execution, n) for execution, n in sorted((mine - theirs).items())),
        *(Difference("broker", execution, n) for execution, n in sorted((theirs - mine).items())),
    ]
