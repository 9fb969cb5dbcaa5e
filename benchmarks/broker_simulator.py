"""Market events and orders that the simulated exchange takes a second: ``python -m benchmarks.broker_simulator``.

The synthetic market, no FIX and no Kafka: what the matching model itself costs.
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


def _order(name: str, side: Side, price: int) -> NewOrder:
    return NewOrder(
        owner="BENCH",
        cl_ord_id=name,
        symbol="AURA",
        side=side,
        ord_type=OrdType.LIMIT,
        time_in_force=TimeInForce.DAY,
        quantity=10_000_000,
        price=price,
    )


def events_per_second(events: list[MarketEvent], reference: Reference, orders: int) -> float:
    """With ``orders`` orders resting at the first touch, too large to be filled."""
    exchange = Exchange(reference, fees=VenueFees(reference.by_venue))
    first = next(e for e in events if isinstance(e, BookSnapshot) and e.symbol == "AURA")
    exchange.apply(first, 0)
    for n in range(orders):
        side, levels = ((Side.BUY, first.bids), (Side.SELL, first.asks))[n % 2]
        exchange.receive(_order(f"{n}", side, levels[0][0]), 0)
    exchange.advance(0)
    began = time.perf_counter()
    for t, event in enumerate(events):
        exchange.apply(event, t)
    rate = len(events) / (time.perf_counter() - began)
    exchange.drain()
    return rate


def orders_per_second(events: list[MarketEvent], reference: Reference, count: int = 20_000) -> float:
    """A new order, its cancel, and both answers are two requests."""
    exchange = Exchange(reference)
    book = next(e for e in events if isinstance(e, BookSnapshot) and e.symbol == "AURA")
    exchange.apply(book, 0)
    began = time.perf_counter()
    for n in range(count):
        exchange.receive(_order(f"o{n}", Side.BUY, book.bids[0][0]), n)
        exchange.receive(CancelOrder(owner="BENCH", cl_ord_id=f"c{n}", orig_cl_ord_id=f"o{n}"), n)
        exchange.advance(n)
    return 2 * count / (time.perf_counter() - began)


def main() -> None:
    """Print the rates, best of three."""
    reference = load_reference(ROOT / "deploy" / "reference.toml")
    events = list(itertools.islice(open_source("synthetic", None, reference, 1).events(), EVENTS))
    for orders in (0, 4, 20):
        rate = max(events_per_second(events, reference, orders) for _ in range(3))
        print(f"market events with {orders:2d} resting orders: {rate:10,.0f} /s")
    print(
        f"requests with their answers:              {max(orders_per_second(events, reference) for _ in range(3)):10,.0f} /s"
    )


if __name__ == "__main__":
    main()
