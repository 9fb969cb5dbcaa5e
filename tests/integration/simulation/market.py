"""Market events of AURA as a test makes them; price unit 0.0001, tick 0.01."""

import itertools
import time

from service.model.market import Aggressor, BookSnapshot, FeedHeartbeat, Trade

_numbers = itertools.count(1)


def book(*, bid: int = 1_000_000, ask: int = 1_000_100, quantity: int = 30) -> BookSnapshot:
    """Two levels a side, a tick apart."""
    number = next(_numbers)
    return BookSnapshot(
        symbol="AURA",
        venue="XSIM",
        ts_event=number,
        ts_utc=time.time_ns(),
        seq=number,
        bids=((bid, quantity), (bid - 100, quantity)),
        asks=((ask, quantity), (ask + 100, quantity)),
    )


def sold(price: int, quantity: int) -> Trade:
    """A print whose taker sold."""
    number = next(_numbers)
    return Trade(
        symbol="AURA",
        venue="XSIM",
        ts_event=number,
        ts_utc=time.time_ns(),
        seq=number,
        price=price,
        quantity=quantity,
        aggressor=Aggressor.SELL,
    )


def heartbeat() -> FeedHeartbeat:
    """The feed's sign of life."""
    return FeedHeartbeat(feed="test", watermark=0, ts_utc=time.time_ns(), published=0)
