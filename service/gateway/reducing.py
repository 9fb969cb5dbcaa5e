"""Kills that let out what only makes a holding smaller: what adds, and what has something to reduce (C26).

A holding is one in an instrument, of all of us and of each name that an order counts for (``LEVELS``): an
order reduces if it makes every one of them smaller, the other orders of its side counted with it.
"""

from __future__ import annotations

from collections.abc import Iterator

from service.gateway.books import Book
from service.gateway.order import Order
from service.gateway.state import Parent, State
from service.model.orders import Side

_Place = tuple[Book | None, str, Side]
"""A holding that an order of this side changes; ``None`` is the instrument's own."""


def adding(state: State, orders: list[Order]) -> list[Order]:
    """Those of the live ``orders`` that must go, so that the others can only reduce.

    The oldest may stay. An order that is being cancelled already is among those that go; one that nobody
    here sent, too, for nobody knows whose holding it would reduce.
    """
    try:
        return _adding(state, orders)
    except Exception:  # noqa: BLE001 - what cannot be judged adds
        return orders


def _adding(state: State, orders: list[Order]) -> list[Order]:
    places = {order.child_id: dict(_places(state, order)) for order in orders if order.levels}
    room: dict[_Place, int] = {}
    for order in orders:
        for place, free in places.get(order.child_id, {}).items():
            room[place] = room.get(place, free) + order.counted
    found = []
    for order in orders:
        mine = places.get(order.child_id)
        if mine is None or order.insist or any(room[place] < order.counted for place in mine):
            found.append(order)
            continue
        for place in mine:
            room[place] -= order.counted
    return found


def _places(state: State, order: Order) -> Iterator[tuple[_Place, int]]:
    """Holdings that the order changes, each with the lots by which what works leaves it to be reduced."""
    symbol, side = order.symbol, order.side
    of_all = state.ledger.exposure(symbol)
    working = of_all.working_buy if side is Side.BUY else of_all.working_sell
    yield (None, symbol, side), -side.sign * of_all.position - working
    for book in state.ledger.books.of(order.levels):
        held = book.holdings[symbol]
        working = held.buying if side is Side.BUY else held.selling
        yield (book, symbol, side), -side.sign * held.lots - working


def has_something(state: State, parent: Parent) -> bool:
    """Whether orders of this parent would make every holding that they change smaller."""
    symbol, sign = parent.order.symbol, parent.order.side.sign
    holdings = [book.holdings.get(symbol) for book in state.ledger.books.of(parent.levels)]
    lots = [state.ledger.exposure(symbol).position, *(held.lots if held else 0 for held in holdings)]
    return all(sign * held < 0 for held in lots)


def refusing(state: State, parent: Parent) -> str:
    """Scope of a kill under which this parent could do nothing; empty if there is none."""
    if not state.kills.engaged:
        return ""
    scope = state.kills.reducing(parent.scopes)
    return scope if scope and not has_something(state, parent) else ""
