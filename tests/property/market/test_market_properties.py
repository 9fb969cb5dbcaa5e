"""What holds for every stream of events."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from service.market.features import REGISTRY
from service.market.flow import GRID, SPAN
from service.market.instrument import InstrumentMarket
from service.model.market import Aggressor, BookSnapshot, MarketEvent, Trade
from service.model.reference import Instrument

AURA = Instrument(symbol="AURA", venue="XSIM", currency="USD", tick=100)
NAMES = tuple(REGISTRY)
CENTRE = 1_000_000
GAPS = st.one_of(st.integers(0, GRID // 2), st.integers(0, 3 * GRID), st.integers(0, SPAN // 4))


@st.composite
def tapes(draw: st.DrawFn, least: int = 1) -> list[MarketEvent]:
    """Events in order of time, with books of one to three levels and prints around them."""
    ts = draw(st.integers(0, 10**18))
    events: list[MarketEvent] = []
    for seq in range(1, draw(st.integers(least, 40)) + 1):
        ts += draw(GAPS)
        mid = CENTRE + 50 * draw(st.integers(-20, 20))
        if events and draw(st.booleans()):
            events.append(
                Trade(
                    symbol="AURA", venue="XSIM", ts_event=ts, ts_utc=0, seq=seq,
                    price=mid, quantity=draw(st.integers(1, 1_000)),
                    aggressor=draw(st.sampled_from(Aggressor)),
                    eligible=draw(st.sampled_from((True, True, False))),
                )
            )  # fmt: skip
        else:
            spread = draw(st.integers(-1, 4))
            levels = draw(st.integers(1, 3))
            lots = st.lists(st.integers(0, 5_000), min_size=levels, max_size=levels)
            events.append(
                BookSnapshot(
                    symbol="AURA", venue="XSIM", ts_event=ts, ts_utc=0, seq=seq,
                    bids=tuple((mid - 100 * n, q) for n, q in enumerate(draw(lots))),
                    asks=tuple((mid + 100 * (n + spread), q) for n, q in enumerate(draw(lots))),
                )
            )  # fmt: skip
    return events


def mirrored(event: MarketEvent) -> MarketEvent:
    """Buyers for sellers: every price reflected in ``CENTRE``."""
    if isinstance(event, BookSnapshot):
        return BookSnapshot(
            symbol=event.symbol, venue=event.venue, ts_event=event.ts_event, ts_utc=0, seq=event.seq,
            bids=tuple((2 * CENTRE - p, q) for p, q in event.asks),
            asks=tuple((2 * CENTRE - p, q) for p, q in event.bids),
        )  # fmt: skip
    assert isinstance(event, Trade)
    other = {Aggressor.BUY: Aggressor.SELL, Aggressor.SELL: Aggressor.BUY}
    return Trade(
        symbol=event.symbol, venue=event.venue, ts_event=event.ts_event, ts_utc=0, seq=event.seq,
        price=2 * CENTRE - event.price, quantity=event.quantity, eligible=event.eligible,
        aggressor=other.get(event.aggressor, event.aggressor),
    )  # fmt: skip


def heard(events: list[MarketEvent]) -> InstrumentMarket:
    market = InstrumentMarket(AURA)
    for event in events:
        market.apply(event)
    return market


@given(tapes())
def test_features_when_any_events_came_then_every_value_is_finite(events: list[MarketEvent]) -> None:
    market = InstrumentMarket(AURA)
    for event in events:
        market.apply(event)
        assert all(math.isfinite(value) for value in market.features(NAMES))


@given(tapes())
def test_features_when_asked_for_along_the_way_then_nothing_changes(events: list[MarketEvent]) -> None:
    asked = InstrumentMarket(AURA)
    digest = 0
    for event in events:
        asked.apply(event)
        asked.features(NAMES)
        digest = asked.state_digest(digest)
    silent = heard(events)
    assert silent.features(NAMES) == asked.features(NAMES)
    assert silent.state_digest(0) == asked.state_digest(0)


@given(tapes(), tapes(), tapes())
def test_features_when_listening_began_later_then_they_are_equal_once_warm(
    missed: list[MarketEvent], first: list[MarketEvent], then: list[MarketEvent]
) -> None:
    """Bit for bit: what is older than the span has left no trace."""
    first = [_moved(e, missed[-1].ts_event - first[0].ts_event + GRID) for e in first]
    reach = max(first[-1].ts_event, first[0].ts_event + SPAN + GRID)
    then = [_moved(e, reach - then[0].ts_event) for e in then]
    everything, tail = heard(missed + first + then), heard(first + then)
    assert tail.flow.warm
    assert everything.features(NAMES) == tail.features(NAMES)


@given(tapes())
def test_features_when_the_market_is_mirrored_then_odd_ones_change_their_sign_and_others_their_name(
    events: list[MarketEvent],
) -> None:
    row = dict(zip(NAMES, heard(events).features(NAMES), strict=True))
    reflected = dict(zip(NAMES, heard([mirrored(e) for e in events]).features(NAMES), strict=True))
    for name, feature in REGISTRY.items():
        if name == "sigma_bps":
            continue
        expected = -row[feature.mirror] if feature.odd else row[feature.mirror]
        assert reflected[name] == expected, name


def _moved(event: MarketEvent, shift: int) -> MarketEvent:
    if isinstance(event, BookSnapshot):
        return BookSnapshot(
            symbol=event.symbol, venue=event.venue, ts_event=event.ts_event + shift, ts_utc=0,
            seq=event.seq, bids=event.bids, asks=event.asks,
        )  # fmt: skip
    assert isinstance(event, Trade)
    return Trade(
        symbol=event.symbol, venue=event.venue, ts_event=event.ts_event + shift, ts_utc=0, seq=event.seq,
        price=event.price, quantity=event.quantity, aggressor=event.aggressor, eligible=event.eligible,
    )  # fmt: skip
