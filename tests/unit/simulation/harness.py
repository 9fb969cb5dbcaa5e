"""An exchange of one instrument that a test drives: price unit and tick 1, lot 1, no fees, no latency."""

from typing import Any

from service.model.market import Aggressor, BookSnapshot, Trade, TradingPhase, TradingStatus
from service.model.orders import OrdType, Side, TimeInForce
from service.model.reference import parse_reference
from service.simulation.exchange import Exchange
from service.simulation.orders import CancelOrder, Kind, NewOrder, Outcome, ReplaceOrder

REFERENCE = parse_reference(
    """
firms = []
clients = []
desks = []
traders = []
accounts = []
[[venues]]
name = "X"
maker_fee_bps = "-1"
taker_fee_bps = "3"
[[instruments]]
symbol = "S"
venue = "X"
currency = "USD"
price_exponent = 2
tick = 1
[[instruments]]
symbol = "TICKY"
venue = "X"
currency = "USD"
price_exponent = 2
tick = 5
""",
    "harness",
)

Levels = list[tuple[int, int]]
BUY, SELL = Side.BUY, Side.SELL


def limit(
    cl_ord_id: str,
    side: Side,
    quantity: int,
    price: int,
    *,
    owner: str = "ME",
    symbol: str = "S",
    time_in_force: TimeInForce = TimeInForce.DAY,
) -> NewOrder:
    """A limit order."""
    return NewOrder(
        owner=owner,
        cl_ord_id=cl_ord_id,
        symbol=symbol,
        side=side,
        ord_type=OrdType.LIMIT,
        time_in_force=time_in_force,
        quantity=quantity,
        price=price,
    )


def market(cl_ord_id: str, side: Side, quantity: int, *, owner: str = "ME") -> NewOrder:
    """A market order."""
    return NewOrder(
        owner=owner,
        cl_ord_id=cl_ord_id,
        symbol="S",
        side=side,
        ord_type=OrdType.MARKET,
        time_in_force=TimeInForce.DAY,
        quantity=quantity,
        price=0,
    )


class Harness:
    """Feeds one exchange; every call answers with what came of it."""

    def __init__(self, bids: Levels | None = None, asks: Levels | None = None, **models: Any) -> None:
        self.exchange = Exchange(REFERENCE, **models)
        self.now = 0
        self.outcomes: list[Outcome] = []
        if bids is not None or asks is not None:
            self.book(bids or [], asks or [])

    def _take(self) -> list[Outcome]:
        outcomes = self.exchange.advance(self.now)
        self.outcomes += outcomes
        return outcomes

    def event(self, make: Any, **fields: Any) -> list[Outcome]:
        """Apply one event."""
        self.now += 1
        stamps = {"ts_event": self.now, "ts_utc": self.now, "seq": self.now}
        self.exchange.apply(make(**{"symbol": "S", "venue": "X", **stamps, **fields}), self.now)
        return self._take()

    def book(self, bids: Levels, asks: Levels, **fields: Any) -> list[Outcome]:
        """Apply a book."""
        return self.event(BookSnapshot, bids=tuple(bids), asks=tuple(asks), **fields)

    def trade(
        self, price: int, quantity: int, aggressor: Aggressor = Aggressor.UNKNOWN, **fields: Any
    ) -> list[Outcome]:
        """Apply a print."""
        return self.event(Trade, price=price, quantity=quantity, aggressor=aggressor, **fields)

    def sold(self, price: int, quantity: int, **fields: Any) -> list[Outcome]:
        """Apply a print whose taker sold."""
        return self.trade(price, quantity, Aggressor.SELL, **fields)

    def bought(self, price: int, quantity: int, **fields: Any) -> list[Outcome]:
        """Apply a print whose taker bought."""
        return self.trade(price, quantity, Aggressor.BUY, **fields)

    def phase(self, phase: TradingPhase) -> list[Outcome]:
        """Apply a change of the session's state."""
        return self.event(TradingStatus, phase=phase)

    def send(self, request: Any) -> list[Outcome]:
        """Send a request and take the answers."""
        self.now += 1
        self.exchange.receive(request, self.now)
        return self._take()

    def cancel(self, cl_ord_id: str, orig: str, owner: str = "ME") -> list[Outcome]:
        """Send a cancel."""
        return self.send(CancelOrder(owner=owner, cl_ord_id=cl_ord_id, orig_cl_ord_id=orig))

    def replace(
        self, cl_ord_id: str, orig: str, quantity: int, price: int, side: Side = BUY, **fields: Any
    ) -> list[Outcome]:
        """Send a replace."""
        request = ReplaceOrder(
            owner="ME",
            cl_ord_id=cl_ord_id,
            orig_cl_ord_id=orig,
            symbol="S",
            side=str(int(side)),
            quantity=quantity,
            price=price,
            **fields,
        )
        return self.send(request)


def kinds(outcomes: list[Outcome]) -> list[Kind]:
    """What happened, in order."""
    return [outcome.kind for outcome in outcomes]


def fills(outcomes: list[Outcome]) -> list[tuple[str, int, int]]:
    """``(cl_ord_id, quantity, price)`` of the fills, in order."""
    return [(o.cl_ord_id, o.last_quantity, o.last_price) for o in outcomes if o.kind is Kind.TRADE]
