"""What InstrumentMarket knows after events that are as they should be, and after events that are not."""

from typing import Any

import msgspec
import pytest

from service.market.instrument import InstrumentMarket
from service.model.market import Aggressor, BookSnapshot, Trade, TradingPhase, TradingStatus
from service.model.reference import Instrument
from service.policy import MarketView

AURA = Instrument(symbol="AURA", venue="XSIM", currency="USD", tick=100)
SECOND = 1_000_000_000


def book(seq: int, ts: int, bid: int = 9_900, ask: int = 10_000, **changes: Any) -> BookSnapshot:
    plain = BookSnapshot(
        symbol="AURA",
        venue="XSIM",
        ts_event=ts,
        ts_utc=0,
        seq=seq,
        bids=((bid, 30), (bid - 100, 50)),
        asks=((ask, 20), (ask + 100, 40)),
    )
    return msgspec.structs.replace(plain, **changes)


def trade(seq: int, ts: int, **changes: Any) -> Trade:
    plain = Trade(symbol="AURA", venue="XSIM", ts_event=ts, ts_utc=0, seq=seq, price=10_000, quantity=5)
    return msgspec.structs.replace(plain, **changes)


def market(*events: BookSnapshot | Trade | TradingStatus) -> InstrumentMarket:
    made = InstrumentMarket(AURA)
    for event in events:
        made.apply(event)
    return made


def test_view_when_nothing_was_heard_then_it_is_empty_and_closed() -> None:
    empty = market()
    view: MarketView = empty
    assert (view.book, view.bid, view.ask, view.last, view.volume) == (None, 0, 0, 0, 0)
    assert not view.open_for_trading
    assert not empty.ready


def test_touch_when_a_book_came_then_it_is_its_best_levels() -> None:
    seen = market(book(1, SECOND))
    assert (seen.bid, seen.bid_quantity, seen.ask, seen.ask_quantity) == (9_900, 30, 10_000, 20)
    assert seen.ts_event == SECOND
    assert seen.open_for_trading


def test_touch_when_a_side_is_empty_then_that_side_is_zero_and_trading_is_not_open() -> None:
    seen = market(book(1, SECOND), book(2, SECOND, asks=()))
    assert (seen.bid, seen.ask, seen.ask_quantity) == (9_900, 0, 0)
    assert not seen.open_for_trading


@pytest.mark.parametrize("phase", [p for p in TradingPhase if p is not TradingPhase.CONTINUOUS])
def test_open_for_trading_when_the_phase_is_not_continuous_then_it_is_not(phase: TradingPhase) -> None:
    halt = TradingStatus(symbol="AURA", venue="XSIM", ts_event=SECOND, ts_utc=0, seq=2, phase=phase)
    assert not market(book(1, SECOND), halt).open_for_trading


def test_open_for_trading_when_a_halt_is_lifted_then_it_is_again() -> None:
    halt = TradingStatus(
        symbol="AURA", venue="XSIM", ts_event=SECOND, ts_utc=0, seq=2, phase=TradingPhase.HALTED
    )
    lifted = msgspec.structs.replace(halt, seq=3, phase=TradingPhase.CONTINUOUS)
    assert market(book(1, SECOND), halt, lifted).open_for_trading


def test_volume_when_a_print_is_not_eligible_then_it_does_not_count() -> None:
    seen = market(book(1, SECOND), trade(2, SECOND), trade(3, SECOND, price=12_345, eligible=False))
    assert (seen.last, seen.volume) == (10_000, 5)


def test_integrity_when_books_are_locked_or_crossed_then_each_is_counted_and_applied() -> None:
    seen = market(book(1, SECOND), book(2, SECOND, bid=10_000), book(3, SECOND, bid=10_100))
    assert (seen.locked, seen.crossed) == (1, 1)
    assert seen.bid == 10_100


def test_integrity_when_time_runs_backwards_then_it_is_counted_and_market_time_stands() -> None:
    seen = market(book(1, 2 * SECOND), book(2, SECOND, bid=9_800))
    assert seen.backwards == 1
    assert seen.ts_event == 2 * SECOND
    assert seen.bid == 9_800


def test_integrity_when_numbers_are_missing_or_repeated_then_they_are_counted() -> None:
    seen = market(book(7, SECOND), book(10, SECOND), book(10, SECOND), book(11, SECOND))
    assert (seen.gaps, seen.repeated) == (2, 1)


CHANGES: list[dict[str, Any]] = [
    {"bids": ((9_900, 30), (9_800, 51))},
    {"asks": ((10_000, 20), (10_200, 40))},
    {"ts_event": SECOND + 1},
    {"bids": ((9_901, 30), (9_800, 50))},
]


@pytest.mark.parametrize("change", CHANGES)
def test_digest_when_any_number_of_a_book_differs_then_it_differs(change: dict[str, Any]) -> None:
    one, other = market(book(1, SECOND)), market(msgspec.structs.replace(book(1, SECOND), **change))
    assert one.state_digest(0) != other.state_digest(0)


@pytest.mark.parametrize("change", [{"price": 10_100}, {"quantity": 6}, {"aggressor": Aggressor.SELL}])
def test_digest_when_a_print_differs_then_it_differs(change: dict[str, Any]) -> None:
    one = market(book(1, SECOND), trade(2, SECOND))
    other = market(book(1, SECOND), trade(2, SECOND, **change))
    assert one.state_digest(0) != other.state_digest(0)


def test_digest_when_the_state_before_it_differs_then_it_differs() -> None:
    same = market(book(1, SECOND))
    assert same.state_digest(1) != same.state_digest(2)


def test_digest_when_published_at_another_time_then_it_is_the_same() -> None:
    one, other = market(book(1, SECOND)), market(book(1, SECOND, ts_utc=99))
    assert one.state_digest(0) == other.state_digest(0)
