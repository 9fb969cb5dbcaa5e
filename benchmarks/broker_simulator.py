"""What the simulated exchange takes a second: ``python -m benchmarks.broker_simulator``.

The synthetic market, no FIX and no Kafka: what the matching model itself costs, in processor time.
"""

import itertools
import time

from service.feeds.source import open_source
from service.model.market import BookSnapshot, MarketEvent
from service.model.orders import OrdType, Side, TimeInForce
from service.model.reference import Reference, load_reference
from service.settings import ROOT
from service.simulation.exchange import Exchange
from service.simulation.fees import VenueFees
from service.simulation.orders import CancelOrder, NewOrder

EVENTS = 200_000
LIFE = 1_000
"""Market events after which a resting order is cancelled and sent again at the touch."""


def _order(name: str, side: Side, price: int) -> NewOrder:
    return NewOrder(
        owner="BENCH",
        cl_ord_id=name,
        symbol="AURA",
        side=side,
        ord_type=OrdType.LIMIT,
        time_in_force=TimeInForce.DAY,
        quantity=500,
        price=price,
    )


def _cancel(name: str) -> CancelOrder:
    return CancelOrder(owner="BENCH", cl_ord_id=f"c{name}", orig_cl_ord_id=name)


def events_per_second(events: list[MarketEvent], reference: Reference, orders: int) -> float:
    """With up to ``orders`` orders at or near the touch, filled as the market comes."""
    exchange = Exchange(reference, fees=VenueFees(reference.by_venue))
    every = LIFE // orders if orders else 0
    names: list[str] = []
    began = time.process_time()
    for t, event in enumerate(events):
        exchange.apply(event, t)
        if every and t % every == 0 and isinstance(event, BookSnapshot) and event.symbol == "AURA":
            side = (Side.BUY, Side.SELL)[len(names) % 2]
            levels = event.bids if side is Side.BUY else event.asks
            names.append(f"{t}")
            exchange.receive(_order(names[-1], side, levels[0][0]), t)
            if len(names) > orders:
                exchange.receive(_cancel(names[-1 - orders]), t)
            exchange.advance(t)
    rate = len(events) / (time.process_time() - began)
    exchange.drain()
    return rate


def requests_per_second(events: list[MarketEvent], reference: Reference, count: int = 20_000) -> float:
    """A new order and its cancel, with both answers, are two requests."""
    exchange = Exchange(reference)
    book = next(e for e in events if isinstance(e, BookSnapshot) and e.symbol == "AURA")
    exchange.apply(book, 0)
    began = time.process_time()
    for n in range(count):
        exchange.receive(_order(f"{n}", Side.BUY, book.bids[0][0]), n)
        exchange.receive(_cancel(f"{n}"), n)
        exchange.advance(n)
    return 2 * count / (time.process_time() - began)


def main() -> None:
    """Print the rates, best of three."""
    reference = load_reference(ROOT / "deploy" / "reference.toml")
    events = list(itertools.islice(open_source("synthetic", None, reference, 1).events(), EVENTS))
    for orders in (0, 4, 20):
        rate = max(events_per_second(events, reference, orders) for _ in range(3))
        print(f"market events with {orders:2d} resting orders: {rate:10,.0f} /s")
    rate = max(requests_per_second(events, reference) for _ in range(3))
    print(f"requests with their answers:          {rate:10,.0f} /s")


if __name__ == "__main__":
    main()
