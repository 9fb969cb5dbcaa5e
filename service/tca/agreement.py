"""Our fills against the broker's own log: the same set, and the same money."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from service.model.events import ChildFill
from service.model.orders import Side
from service.model.reference import Reference


class Execution(NamedTuple):
    """What identifies a fill on both sides: quantity in lots, price in price units."""

    exec_id: str
    cl_ord_id: str
    symbol: str
    side: Side
    quantity: int
    price: int


class Totals(NamedTuple):
    """Fills, lots and currency."""

    fills: int
    quantity: int
    money: Decimal


class Difference(NamedTuple):
    """A fill that one side has more often than the other; ``only`` is ``ours`` or ``broker``."""

    only: str
    execution: Execution
    times: int


def execution(fill: ChildFill) -> Execution:
    """One of our recorded fills."""
    return Execution(
        exec_id=fill.exec_id,
        cl_ord_id=fill.cl_ord_id,
        symbol=fill.symbol,
        side=fill.side,
        quantity=fill.last_quantity,
        price=fill.last_price,
    )


def totals(executions: Iterable[Execution], reference: Reference) -> Totals:
    """Sums of one side.

    Raises:
        KeyError: An instrument is not in the reference file.
    """
    fills, quantity, money = 0, 0, Decimal(0)
    for fill in executions:
        fills += 1
        quantity += fill.quantity
        money += reference.by_symbol[fill.symbol].money(fill.price * fill.quantity)
    return Totals(fills, quantity, money)


def divergence(our: Iterable[Execution], broker: Iterable[Execution]) -> list[Difference]:
    """Fills in one and not in the other, ours first; a double on one side is a difference too."""
    mine, theirs = Counter(our), Counter(broker)
    return [
        *(Difference("ours", execution, n) for execution, n in sorted((mine - theirs).items())),
        *(Difference("broker", execution, n) for execution, n in sorted((theirs - mine).items())),
    ]
