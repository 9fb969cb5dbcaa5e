"""Every order of every client, found by ClOrdID and by OrderID."""

from __future__ import annotations

from typing import Final

from service.model.orders import OrdType, Side, TimeInForce
from service.simulation.orders import Kind, Order, Outcome

_STATE: Final = frozenset({Kind.NEW, Kind.TRADE, Kind.CANCELED, Kind.REPLACED, Kind.EXPIRED})


class Register:
    """Orders by their names. A client is its CompID; clients do not see each other's orders."""

    def __init__(self) -> None:
        self._by_cl_ord_id: dict[tuple[str, str], Order] = {}
        self._by_order_id: dict[tuple[str, str], Order] = {}
        self._used: set[tuple[str, str]] = set()
        self._working: dict[Order, None] = {}

    @property
    def working(self) -> list[Order]:
        """Open orders of all clients, oldest first."""
        return list(self._working)

    def __len__(self) -> int:
        """Number of open orders."""
        return len(self._working)

    def claim(self, owner: str, cl_ord_id: str) -> bool:
        """Take a ClOrdID; False if this client has used it before."""
        key = (owner, cl_ord_id)
        if key in self._used:
            return False
        self._used.add(key)
        return True

    def find(self, owner: str, order_id: str, cl_ord_id: str) -> Order | None:
        """The order that any ClOrdID of its chain of replaces names, or else its OrderID."""
        return self._by_cl_ord_id.get((owner, cl_ord_id)) or self._by_order_id.get((owner, order_id))

    def open_orders(self, owner: str, symbol: str) -> list[Order]:
        """Open orders of one client, oldest first; of every instrument if ``symbol`` is empty."""
        return [o for o in self._working if o.owner == owner and symbol in ("", o.symbol)]

    def add(self, order: Order) -> None:
        """Keep an open order under its present ClOrdID, besides those that it had."""
        self._by_cl_ord_id[(order.owner, order.cl_ord_id)] = order
        self._by_order_id[(order.owner, order.order_id)] = order
        self._working[order] = None

    def close(self, order: Order) -> None:
        """It is open no more; status requests still find it."""
        self._working.pop(order, None)

    def restore(self, outcome: Outcome) -> None:
        """Bring one order to the state that an outcome of an earlier life states."""
        self._used.add((outcome.owner, outcome.cl_ord_id))
        if outcome.kind not in _STATE:
            return
        order = self._by_order_id.get((outcome.owner, outcome.order_id))
        if order is None:
            order = Order(
                order_id=outcome.order_id,
                owner=outcome.owner,
                cl_ord_id=outcome.order_cl_ord_id,
                symbol=outcome.symbol,
                side=Side(int(outcome.side)),
                ord_type=OrdType(outcome.ord_type),
                time_in_force=TimeInForce(outcome.time_in_force),
                account=outcome.account,
                quantity=outcome.quantity,
                price=outcome.price,
                rank=outcome.rank,
            )
        order.cl_ord_id = outcome.order_cl_ord_id
        order.quantity, order.price, order.rank = outcome.quantity, outcome.price, outcome.rank
        order.cum, order.money = outcome.cum, outcome.money
        order.closed = None if outcome.leaves else outcome.status
        self.add(order)
        if order.closed is not None:
            self.close(order)
