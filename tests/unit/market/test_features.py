"""Each feature against numbers worked out by hand."""

from math import sqrt

import pytest

from service.market.features import REGISTRY, FeatureError
from service.market.flow import SPAN
from service.market.instrument import InstrumentMarket
from service.model.market import Aggressor, BookSnapshot, Trade
from service.model.reference import Instrument

TICK = 100
AURA = Instrument(symbol="AURA", venue="XSIM", currency="USD", tick=TICK)
SECOND = 1_000_000_000
START = 1_000 * SECOND
"""On a boundary of the grid."""


class Tape:
    """Makes numbered events and applies them."""

    def __init__(self) -> None:
        self.market = InstrumentMarket(AURA)
        self.seq = 0

    def book(
        self, at: float, bid: int = 9_900, ask: int = 10_000, bid_lots: int = 30, ask_lots: int = 20
    ) -> None:
        self.levels(at, ((bid, bid_lots),), ((ask, ask_lots),))

    def levels(self, at: float, bids: tuple[tuple[int, int], ...], asks: tuple[tuple[int, int], ...]) -> None:
        self.seq += 1
        self.market.apply(
            BookSnapshot(
                symbol="AURA", venue="XSIM", ts_event=START + round(at * SECOND), ts_utc=0, seq=self.seq,
                bids=bids, asks=asks,
            )
        )  # fmt: skip

    def trade(self, at: float, price: int, lots: int, aggressor: Aggressor = Aggressor.UNKNOWN) -> None:
        self.seq += 1
        self.market.apply(
            Trade(
                symbol="AURA", venue="XSIM", ts_event=START + round(at * SECOND), ts_utc=0, seq=self.seq,
                price=price, quantity=lots, aggressor=aggressor,
            )
        )  # fmt: skip

    def __getitem__(self, name: str) -> float:
        return self.market.features((name,))[0]


def test_features_when_a_name_is_unknown_then_it_is_named_with_what_there_is() -> None:
    with pytest.raises(FeatureError, match=r"no feature moon_phase; there are .*imbalance"):
        Tape().market.features(("imbalance", "moon_phase"))


def test_features_when_no_two_sided_book_was_seen_then_all_are_zero() -> None:
    tape = Tape()
    tape.levels(0, ((9_900, 30),), ())
    tape.trade(0, 9_900, 5)
    assert tape.market.features(tuple(REGISTRY)) == (0.0,) * len(REGISTRY)


def test_features_when_asked_for_in_another_order_then_the_row_follows_it() -> None:
    tape = Tape()
    tape.book(0)
    assert tape.market.features(("imbalance", "spread_ticks")) == (0.2, 1.0)
    assert tape.market.features(["spread_ticks", "imbalance"]) == (1.0, 0.2)


def test_imbalance_when_levels_are_given_then_it_sums_those_that_are_there() -> None:
    tape = Tape()
    tape.levels(0, ((9_900, 30), (9_800, 10), (9_700, 20)), ((10_000, 20), (10_100, 20)))
    assert tape["imbalance"] == 10 / 50
    assert tape["imbalance_3"] == 20 / 100
    assert tape["imbalance_5"] == 20 / 100


def test_microprice_when_the_bid_is_heavier_then_it_leans_to_the_ask() -> None:
    tape = Tape()
    tape.book(0, bid=9_800, ask=10_000, bid_lots=30, ask_lots=10)
    microprice = (9_800 * 10 + 10_000 * 30) / 40
    assert tape["microprice_ticks"] == (microprice - 9_900) / TICK


@pytest.mark.parametrize(
    ("bid", "ask", "bid_lots", "ask_lots", "flow"),
    [
        (9_900, 10_000, 35, 20, 5),
        (9_900, 10_000, 30, 12, 8),
        (9_950, 10_000, 7, 20, 7),
        (9_800, 10_000, 50, 20, -30),
        (9_900, 9_950, 30, 4, -4),
        (9_900, 10_100, 30, 50, 20),
    ],
)
def test_order_flow_when_the_touch_changes_then_it_is_that_of_cont_kukanov_stoikov(
    bid: int, ask: int, bid_lots: int, ask_lots: int, flow: int
) -> None:
    tape = Tape()
    tape.book(0)
    tape.book(0.05, bid, ask, bid_lots, ask_lots)
    assert tape.market.flow.order_flow == flow
    assert tape["order_flow_1s"] == flow / ((bid_lots + ask_lots) / 2)


def test_order_flow_when_it_is_older_than_the_window_then_it_is_out_of_it() -> None:
    tape = Tape()
    tape.book(0)
    tape.book(0.05, bid_lots=35)
    tape.book(1.3, bid_lots=36)
    depth = 55 / 2
    assert tape["order_flow_1s"] == 1 / depth
    assert tape["order_flow_5s"] == 6 / depth


def test_trades_when_the_source_names_the_taker_then_it_is_believed() -> None:
    tape = Tape()
    tape.book(0)
    tape.trade(0.1, 10_000, 30, Aggressor.SELL)
    tape.trade(0.1, 9_900, 10, Aggressor.BUY)
    assert tape["trade_imbalance_1s"] == -20 / 40
    assert tape["trade_pressure_1s"] == -20 / 25
    assert tape["last_trade_sign"] == 1.0


@pytest.mark.parametrize(
    ("prices", "sign"),
    [
        ((10_000,), 1.0),
        ((9_900,), -1.0),
        ((9_950,), 0.0),
        ((9_900, 9_950), 1.0),
        ((10_000, 9_950), -1.0),
    ],
)
def test_trades_when_the_taker_is_not_known_then_the_sign_is_that_of_lee_and_ready(
    prices: tuple[int, ...], sign: float
) -> None:
    tape = Tape()
    tape.book(0)
    for price in prices:
        tape.trade(0.1, price, 10)
    assert tape["last_trade_sign"] == sign


def test_last_trade_place_when_it_was_at_the_ask_then_it_is_one_half_spread_up() -> None:
    tape = Tape()
    tape.book(0)
    tape.trade(0.1, 10_000, 10)
    assert tape["last_trade_place"] == 1.0


def test_move_when_the_mid_changed_then_it_is_in_ticks_and_in_deviations() -> None:
    tape = Tape()
    tape.book(0)
    tape.book(4.0, bid=10_000, ask=10_100)
    assert tape["move_ticks_1s"] == 1.0
    assert tape["move_ticks_5s"] == 1.0
    assert tape["sigma_ticks"] == sqrt(1 / 4)
    assert tape["move_sigma_1s"] == 1.0 / sqrt(1 / 4)


def test_sigma_when_the_mid_stood_still_then_it_is_that_of_one_tick() -> None:
    tape = Tape()
    tape.book(0)
    tape.book(16.0)
    assert tape["sigma_ticks"] == 1 / 4


def test_sigma_when_the_mid_stood_elsewhere_at_boundaries_then_it_is_the_root_of_the_mean_square() -> None:
    tape = Tape()
    tape.book(0)
    for n in range(1, 11):
        shift = 200 * (n % 2)  # each boundary sees it where the one before did not
        tape.book(n * 0.2 - 0.1, bid=9_900 + shift, ask=10_000 + shift)
    tape.book(2.0)
    seconds = 2.0
    assert tape["sigma_ticks"] == sqrt(10 * 400 * 400 / 4 / seconds) / TICK


def test_since_when_nothing_printed_for_three_seconds_then_it_is_three_quarters() -> None:
    tape = Tape()
    tape.book(0)
    tape.trade(0, 10_000, 1)
    tape.book(3.0, bid_lots=31)
    assert tape["since_trade"] == 0.75
    assert tape["since_move"] == 0.75


def test_since_when_it_is_longer_than_the_span_then_it_stops_there() -> None:
    tape = Tape()
    tape.book(0)
    tape.book(1_000.0)
    minute = SPAN / SECOND
    assert tape["since_move"] == minute / (1 + minute)


def test_rates_when_twice_as_many_books_come_then_the_ratio_is_a_third() -> None:
    tape = Tape()
    tape.book(0)
    for n in range(1, 10):
        tape.book(float(n))
    tape.book(9.5)
    long, short = 11 / 9.4, 2 / 1.0
    assert tape["book_rate_1s"] == pytest.approx((short - long) / (short + long), abs=0.1)
    assert tape["book_rate_1s"] > 0


def test_spread_ratio_when_the_spread_doubles_then_it_is_a_third() -> None:
    tape = Tape()
    tape.book(0)
    tape.book(10.0, ask=10_100)
    assert tape["spread_ratio"] == pytest.approx(1 / 3)
    assert tape["spread_ticks"] == 2.0


def test_registry_when_read_then_mirrors_point_at_each_other_and_odd_ones_at_themselves() -> None:
    for name, feature in REGISTRY.items():
        assert REGISTRY[feature.mirror].mirror == name
        assert not feature.odd or feature.mirror == name
        assert feature.unit
        assert feature.meaning
