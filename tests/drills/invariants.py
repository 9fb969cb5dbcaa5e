"""What must hold whatever happens: our ledger against the broker's book, and against itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.gateway.core import Core
from service.gateway.order import Order
from tests.drills.broker import BookOrder
from tests.unit.gateway.driver import digest

if TYPE_CHECKING:
    from tests.drills.world import World


class Violation(AssertionError):
    """An invariant is broken; the message says which, where, and by how much."""


def check_order(world: World, child: str, flying: int) -> None:
    """One order: never counted for less than it may still become, never for more than was ever said.

    Args:
        flying: Lots that requests on the wire ask for.
    """
    book = world.by_child.get(child)
    ours = world.gateway.core.state.ledger.orders.get(child)
    if book is None:
        if flying and (ours is None or ours.cum_quantity + ours.at_risk < flying):
            raise Violation(f"{child}: {flying} lots are on the wire, and we count {_count(ours)}")
        return
    may_become = max(book.may_become, flying) if flying and book.open else book.may_become
    counted = _count(ours)
    if counted < may_become - book.surprise:
        raise Violation(f"{child}: exposure understated: we count {counted}, the broker {may_become}")
    if ours is not None and not book.lies and ours.cum_quantity > book.claimed:
        raise Violation(
            f"{child}: we have {ours.cum_quantity} filled, the broker never said over {book.claimed}"
        )


def _count(ours: Order | None) -> int:
    return 0 if ours is None else ours.cum_quantity + ours.at_risk


def check_sums(core: Core) -> None:
    """The ledger's running sums are the sums of its orders."""
    ledger = core.state.ledger
    sums: dict[str, list[int]] = {}
    parents: dict[str, list[int]] = {}
    for order in ledger.orders.values():
        if not order.parent_id:
            raise Violation(f"{order.child_id}: an order of ours is taken for a stranger's")
        total = sums.setdefault(order.symbol, [0, 0, 0, 0])
        total[0] += order.side.sign * order.cum_quantity
        total[1 if order.side == 1 else 2] += order.at_risk
        total[3] += order.unknown
        parent = parents.setdefault(order.parent_id, [0, 0])
        parent[0] += order.cum_quantity
        parent[1] += order.at_risk
    for symbol, total in sums.items():
        e = ledger.exposure(symbol)
        running = [e.position, e.working_buy, e.working_sell, e.unknown]
        if running != total:
            raise Violation(f"{symbol}: the running sums are {running}, those of the orders {total}")
    for parent_id, (filled, working) in parents.items():
        progress = ledger.progress(parent_id)
        if (progress.filled, progress.working) != (filled, working):
            raise Violation(
                f"{parent_id}: progress {progress.filled} {progress.working}, orders {filled} {working}"
            )


def check_parent(world: World, parent_id: str, flying: dict[str, int]) -> None:
    """No parent is over-executed: done, open and flying at the broker stay within it."""
    total, allowed = 0, world.parent_quantity(parent_id)
    for book in world.by_parent.get(parent_id, ()):
        most = book.may_become
        if flying and book.open:
            most = max(most, flying.get(book.child, 0))
        total += most
        allowed += book.surprise
    for child, quantity in flying.items():
        if child not in world.by_child and child.rpartition(".")[0] == parent_id:
            total += quantity
    if total > allowed:
        raise Violation(f"{parent_id}: {total} done or open at the broker, the parent allows {allowed}")


def check_replay(core: Core, again: Core) -> None:
    """Folding the journal again gives the same state."""
    ours, theirs = digest(core), digest(again)
    for name, value in ours.items():
        if theirs[name] != value:
            raise Violation(f"replay of the journal differs in {name}: {_difference(value, theirs[name])}")


def _difference(ours: object, theirs: object) -> str:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in [*ours, *theirs]:
            if ours.get(key) != theirs.get(key):
                return f"[{key}] {_difference(ours.get(key), theirs.get(key))}"
    return f"{ours!r} was, {theirs!r} is"


def check_quiet(world: World) -> list[str]:
    """Once everything is told and answered: every difference between our book and the broker's."""
    ledger, found = world.gateway.core.state.ledger, []
    books = world.by_child
    broken = {found.child_id for found in world.gateway.core.state.drop_copy.open.values()}
    for child, book in books.items():
        ours = ledger.orders.get(child)
        if ours is None:
            found.append(f"{child}: the broker has it, we do not")
        elif (line := _compare(ours, book, broken=child in broken)) is not None:
            found.append(f"{child}: {line}")
    for child, ours in ledger.orders.items():
        if child not in books and (ours.live or ours.cum_quantity or ours.unknown or ours.at_risk):
            found.append(
                f"{child}: the broker never had it; ours is {ours.status.name}, {ours.at_risk} at risk"
            )
    return found


def _compare(ours: Order, book: BookOrder, *, broken: bool) -> str | None:
    """``broken``: the drop copy tells something else of it, so that more counts until a person has looked."""
    at_risk = ours.at_risk
    if broken and book.leaves < at_risk <= max(book.leaves, ours.claimed):
        at_risk = book.leaves
    left = (ours.cum_quantity, ours.money, ours.live, at_risk, ours.unknown)
    right = (book.cum, book.money, book.open, book.leaves, False)
    if left == right:
        return None
    names = ("cum", "money", "live", "at risk", "unknown")
    pairs = zip(names, left, right, strict=True)
    return ", ".join(f"{name} {a} broker {b}" for name, a, b in pairs if a != b)
