"""Limit up and limit down as the US plan has them, from trades, quotes and halts in market time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.feeds.exchange_time import REGULAR_CLOSE, REGULAR_OPEN, midnight, parse_date
from service.feeds.price_bands import PriceBands
from service.model.reference import Instrument
from service.model.time import MINUTE, SECOND

DAY = midnight(parse_date("20260105"))
OPEN = DAY + REGULAR_OPEN
LAST = DAY + REGULAR_CLOSE - 25 * MINUTE
DOLLAR = 10_000


def bands(tier: str = "luld-1") -> PriceBands:
    instrument = Instrument(symbol="AURA", venue="XSIM", currency="USD", price_bands=tier)
    made = PriceBands.of(instrument, OPEN)
    assert made is not None
    return made


@pytest.mark.parametrize("tier", ["", "source"])
def test_none_are_worked_out_where_the_reference_file_names_no_tier(tier: str) -> None:
    instrument = Instrument(symbol="AURA", venue="XSIM", currency="USD", price_bands=tier)
    assert PriceBands.of(instrument, OPEN) is None


def test_there_are_none_before_the_first_price() -> None:
    assert bands().at(OPEN) == (0, 0)


@pytest.mark.parametrize(
    ("tier", "price", "lower", "upper"),
    [
        ("luld-1", 100 * DOLLAR, 95 * DOLLAR, 105 * DOLLAR),
        ("luld-2", 100 * DOLLAR, 90 * DOLLAR, 110 * DOLLAR),
        ("luld-1", 30_100, 28_600, 31_600),
        ("luld-1", 30_000, 24_000, 36_000),
        ("luld-2", 7_500, 6_000, 9_000),
        ("luld-1", 7_400, 5_900, 8_900),
        ("luld-1", 1_000, 300, 1_800),
        ("luld-1", 100, 100, 200),
    ],
)
def test_their_width_goes_by_tier_and_price(tier: str, price: int, lower: int, upper: int) -> None:
    """To the cent: 3.01 by 5 % is 0.1505; below 0.75 it is 0.15 or 75 %, and never below one tick."""
    made = bands(tier)
    made.trade(OPEN, price)
    assert made.at(OPEN) == (lower, upper)


@pytest.mark.parametrize(
    ("tier", "price", "width"),
    [("luld-1", 100, 10), ("luld-2", 100, 10), ("luld-1", 2, 0.8), ("luld-2", 2, 0.8)],
)
def test_they_are_twice_as_wide_at_the_end_but_for_tier_2_above_three(
    tier: str, price: int, width: float
) -> None:
    made = bands(tier)
    made.trade(OPEN, price * DOLLAR)
    usual = made.at(LAST - 1)[1] - price * DOLLAR
    assert made.at(LAST)[1] - price * DOLLAR == int(width * DOLLAR)
    assert usual == int(width * DOLLAR) // (1 if (tier, price) == ("luld-2", 100) else 2)


def test_the_first_mid_counts_where_no_trade_came_before() -> None:
    made = bands()
    made.quote(OPEN, 100 * DOLLAR)
    made.quote(OPEN + 1, 50 * DOLLAR)
    assert made.at(OPEN + 1) == (95 * DOLLAR, 105 * DOLLAR)


def test_the_reference_moves_by_one_per_cent_of_the_mean_and_not_by_less() -> None:
    made = bands()
    made.trade(OPEN, 1_000_000)
    made.trade(OPEN + MINUTE, 1_019_998)
    assert made.at(OPEN + MINUTE) == (950_000, 1_050_000)
    made.trade(OPEN + MINUTE, 1_010_002)
    assert made.at(OPEN + MINUTE) == (959_500, 1_060_500)


def test_the_reference_stays_for_thirty_seconds() -> None:
    made = bands()
    made.trade(OPEN, 1_000_000)
    made.trade(OPEN + 30 * SECOND - 1, 1_040_000)
    assert made.at(OPEN + MINUTE) == (950_000, 1_050_000)
    made.trade(OPEN + 30 * SECOND, 1_020_000)
    assert made.at(OPEN + MINUTE) == (969_000, 1_071_000)


def test_trades_of_the_last_five_minutes_count_and_none_before() -> None:
    made = bands()
    made.trade(OPEN, 1_000_000)
    made.trade(OPEN + 5 * MINUTE, 1_020_000)
    assert made.at(OPEN + 5 * MINUTE) == (969_000, 1_071_000)
    young = bands()
    young.trade(OPEN, 1_000_000)
    young.trade(OPEN + 5 * MINUTE - 1, 1_020_000)
    assert young.at(OPEN + 5 * MINUTE) == (959_500, 1_060_500)


def test_after_a_halt_they_begin_anew_with_what_comes_first() -> None:
    made = bands()
    made.trade(OPEN, 100 * DOLLAR)
    made.halt()
    assert made.at(OPEN + MINUTE) == (0, 0)
    made.quote(OPEN + 2 * MINUTE, 80 * DOLLAR)
    assert made.at(OPEN + 2 * MINUTE) == (76 * DOLLAR, 84 * DOLLAR)
    made.trade(OPEN + 3 * MINUTE, 82 * DOLLAR)
    assert made.at(OPEN + 3 * MINUTE) == (779_000, 861_000)


@given(
    trades=st.lists(st.tuples(st.integers(0, 90 * SECOND), st.integers(1, 2_000_000)), max_size=40),
    tier=st.sampled_from(["luld-1", "luld-2"]),
)
def test_bands_lie_on_the_tick_around_a_price_that_was_traded(
    trades: list[tuple[int, int]], tier: str
) -> None:
    made, at = bands(tier), OPEN
    for wait, price in trades:
        at += wait
        made.trade(at, price)
    lower, upper = made.at(at)
    if trades:
        prices = [price for _, price in trades]
        assert lower % 100 == upper % 100 == 0
        assert 0 < lower <= max(max(prices), 100)
        assert upper >= min(prices) // 100 * 100
        assert upper >= lower
