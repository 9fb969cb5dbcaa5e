"""Benchmarks of an interval, against numbers worked out by hand."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.model.market import BookSnapshot, Trade
from service.tca.tape import Tape


def trade(at: int, price: int, quantity: int, *, eligible: bool = True) -> Trade:
    return Trade(
        symbol="AURA",
        venue="XSIM",
        ts_event=at,
        ts_utc=0,
        seq=at,
        price=price,
        quantity=quantity,
        eligible=eligible,
    )


def book(at: int, bid: int | None, ask: int | None) -> BookSnapshot:
    return BookSnapshot(
        symbol="AURA",
        venue="XSIM",
        ts_event=at,
        ts_utc=0,
        seq=at,
        bids=() if bid is None else ((bid, 1),),
        asks=() if ask is None else ((ask, 1),),
    )


def tape_of(*events: Trade | BookSnapshot) -> Tape:
    tape = Tape()
    for event in events:
        if isinstance(event, Trade):
            tape.add_trade(event)
        else:
            tape.add_book(event)
    return tape


def test_vwap_weighs_the_prints_of_the_interval_with_both_ends_included() -> None:
    tape = tape_of(
        trade(1, 100, 9), trade(2, 100, 10), trade(3, 110, 30), trade(4, 120, 10), trade(5, 500, 1)
    )
    # (100 x 10 + 110 x 30 + 120 x 10) / 50
    assert tape.vwap(2, 4) == 110.0
    assert tape.volume(2, 4) == 50


def test_vwap_leaves_out_a_print_when_it_is_not_eligible() -> None:
    tape = tape_of(trade(1, 100, 10), trade(2, 900, 10, eligible=False))
    assert tape.vwap(0, 9) == 100.0


def test_vwap_is_none_when_nothing_printed_in_the_interval() -> None:
    assert tape_of(trade(1, 100, 10)).vwap(2, 3) is None
    assert Tape().vwap(0, 9) is None


def test_twap_weighs_each_mid_by_the_time_that_it_stood() -> None:
    # mid 100 for 10, 101 for 30
    tape = tape_of(book(0, 99, 101), book(10, 100, 102))
    assert tape.twap(0, 40) == pytest.approx((100 * 10 + 101 * 30) / 40, rel=1e-15)
    # only the second mid stands in 20..40; half of 5..15 each
    assert tape.twap(20, 40) == 101.0
    assert tape.twap(5, 15) == 100.5


def test_twap_begins_at_the_first_mid_when_the_interval_begins_before_it() -> None:
    tape = tape_of(book(100, 99, 101))
    assert tape.twap(0, 200) == 100.0
    assert tape.twap(0, 99) is None


def test_the_mid_stands_on_when_a_side_is_empty_or_the_book_is_crossed() -> None:
    tape = tape_of(book(0, 99, 101), book(5, None, 200), book(6, 300, 200))
    assert tape.mid(10) == 100.0
    assert tape.twap(0, 10) == 100.0


def test_a_locked_book_has_a_mid() -> None:
    assert tape_of(book(0, 99, 101), book(1, 105, 105)).mid(1) == 105.0


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 500), st.integers(1, 50)), min_size=1, max_size=30)
)
def test_the_averages_equal_a_plain_sum_over_every_instant(steps: list[tuple[int, int, int]]) -> None:
    tape, now, mids, money, volume = Tape(), 0, {}, 0, 0
    for wait, bid, spread in steps:
        now += wait
        tape.add_book(book(now, bid, bid + spread))
        tape.add_trade(trade(now, bid, spread))
        mids[now] = Fraction(2 * bid + spread, 2)
        money, volume = money + bid * spread, volume + spread
    first, end = min(mids), now + 5
    current, total = mids[first], Fraction(0)
    for instant in range(first, end):
        current = mids.get(instant, current)
        total += current
    assert tape.twap(first, end) == pytest.approx(float(total / (end - first)), rel=1e-12)
    assert tape.vwap(0, end) == pytest.approx(money / volume, rel=1e-12)
