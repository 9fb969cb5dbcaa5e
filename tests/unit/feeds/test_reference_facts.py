import itertools
import math

import pytest

from service.feeds.price_bands import PriceBands
from service.feeds.reference_facts import ReferenceTracker
from service.model.market import BookSnapshot, ReferenceSnapshot, Trade, TradingPhase, TradingStatus
from service.model.time import MINUTE, SECOND

START = 1_000_000 * MINUTE


class Market:
    """One instrument that a test drives by hand."""

    def __init__(self, bands: PriceBands | None = None) -> None:
        self.tracker = ReferenceTracker("AURA", "XSIM", jump_bps=100.0, wide_bps=250.0, bands=bands)
        self.seq = 0

    def phase(
        self, at: int, phase: TradingPhase = TradingPhase.CONTINUOUS, bands: tuple[int, int] = (0, 0)
    ) -> None:
        self.tracker.apply(
            TradingStatus(
                symbol="AURA",
                venue="XSIM",
                ts_event=START + at,
                ts_utc=0,
                seq=self._next(),
                phase=phase,
                lower_band=bands[0],
                upper_band=bands[1],
            )
        )

    def touch(self, at: int, bid: int, ask: int) -> None:
        self.tracker.apply(
            BookSnapshot(
                symbol="AURA",
                venue="XSIM",
                ts_event=START + at,
                ts_utc=0,
                seq=self._next(),
                bids=((bid, 300), (bid - 100, 1)) if bid else (),
                asks=((ask, 500), (ask + 100, 1)) if ask else (),
            )
        )

    def trade(self, at: int, price: int, quantity: int = 100, *, eligible: bool = True) -> None:
        self.tracker.apply(
            Trade(
                symbol="AURA",
                venue="XSIM",
                ts_event=START + at,
                ts_utc=0,
                seq=self._next(),
                price=price,
                quantity=quantity,
                eligible=eligible,
            )
        )

    def facts(self, at: int) -> ReferenceSnapshot:
        return self.tracker.snapshot(START + at, 77)

    def _next(self) -> int:
        self.seq += 1
        return self.seq


@pytest.fixture
def market() -> Market:
    made = Market()
    made.phase(0)
    return made


def test_facts_when_nothing_is_known_then_no_reference() -> None:
    facts = Market().facts(0)
    assert (facts.reference, facts.bid, facts.ask, facts.open, facts.last) == (0, 0, 0, 0, 0)
    assert facts.phase is TradingPhase.PRE_OPEN
    assert (facts.spread_bps, facts.volatility_bps) == (0.0, 0.0)


def test_facts_when_the_touch_is_orderly_then_its_mid(market: Market) -> None:
    market.touch(1, 499_900, 500_100)
    facts = market.facts(2)
    assert (facts.bid, facts.bid_quantity, facts.ask, facts.ask_quantity) == (499_900, 300, 500_100, 500)
    assert (facts.reference, facts.open, facts.ts_event, facts.ts_utc) == (500_000, 500_000, START + 1, 77)
    assert facts.phase is TradingPhase.CONTINUOUS
    assert (facts.crossed, facts.locked, facts.jumped) == (False, False, False)


@pytest.mark.parametrize(("bid", "ask"), [(0, 500_100), (499_900, 0), (0, 0), (480_000, 500_100)])
def test_reference_when_a_side_is_missing_or_the_touch_wide_then_the_last_good_one(
    market: Market, bid: int, ask: int
) -> None:
    market.touch(1, 499_900, 500_100)
    market.touch(2, bid, ask)
    facts = market.facts(3)
    assert facts.reference == 500_000
    assert (facts.bid, facts.ask) == (bid, ask)


def test_reference_when_crossed_then_flagged_and_the_last_good_one(market: Market) -> None:
    market.touch(1, 499_900, 500_100)
    market.touch(2, 500_300, 500_100)
    facts = market.facts(3)
    assert (facts.crossed, facts.locked, facts.reference) == (True, False, 500_000)


def test_reference_when_locked_then_flagged_and_still_orderly(market: Market) -> None:
    market.touch(1, 500_200, 500_200)
    facts = market.facts(2)
    assert (facts.crossed, facts.locked, facts.reference) == (False, True, 500_200)


def test_reference_when_the_mid_jumps_then_not_believed_until_it_has_stood(market: Market) -> None:
    market.touch(1, 499_900, 500_100)
    market.touch(2, 509_900, 510_100)
    facts = market.facts(3)
    assert (facts.jumped, facts.reference) == (True, 500_000)
    market.touch(SECOND // 2, 509_800, 510_000)
    assert market.facts(SECOND // 2).jumped
    market.touch(SECOND + 2, 509_900, 510_100)
    facts = market.facts(SECOND + 2)
    assert (facts.jumped, facts.reference) == (False, 510_000)


def test_reference_when_a_jump_stands_without_events_then_believed_by_time(market: Market) -> None:
    market.touch(1, 499_900, 500_100)
    market.touch(2, 509_900, 510_100)
    assert market.facts(SECOND + 1).jumped
    facts = market.facts(SECOND + 2)
    assert (facts.jumped, facts.reference) == (False, 510_000)


def test_reference_when_a_jump_goes_back_then_as_if_it_had_not_been(market: Market) -> None:
    market.touch(1, 499_900, 500_100)
    market.touch(2, 509_900, 510_100)
    market.touch(3, 500_000, 500_200)
    facts = market.facts(2 * SECOND)
    assert (facts.jumped, facts.reference) == (False, 500_100)


def test_reference_when_it_jumps_on_then_the_wait_begins_anew(market: Market) -> None:
    market.touch(1, 499_900, 500_100)
    market.touch(2, 509_900, 510_100)
    market.touch(SECOND, 529_900, 530_100)
    facts = market.facts(SECOND + SECOND // 2)
    assert (facts.jumped, facts.reference) == (True, 500_000)


def test_reference_when_it_moves_step_by_step_then_follows(market: Market) -> None:
    for step in range(50):
        market.touch(step, 499_900 + 4_000 * step, 500_100 + 4_000 * step)
    facts = market.facts(50)
    assert (facts.jumped, facts.reference) == (False, 500_000 + 4_000 * 49)


def test_volume_when_prints_are_not_eligible_then_left_out(market: Market) -> None:
    market.trade(1, 500_050, 100)
    market.trade(2, 510_000, 900, eligible=False)
    market.trade(3, 500_150, 50)
    facts = market.facts(4)
    assert (facts.volume, facts.last, facts.open) == (150, 500_150, 500_050)


def test_open_when_the_session_is_not_then_unset() -> None:
    market = Market()
    market.touch(1, 499_900, 500_100)
    assert market.facts(2).open == 0


def test_spread_when_it_changes_then_weighted_by_time_over_a_minute(market: Market) -> None:
    market.touch(0, 499_900, 500_100)
    market.touch(45 * SECOND, 499_800, 500_200)
    assert market.facts(60 * SECOND).spread_bps == pytest.approx(0.75 * 4.0 + 0.25 * 8.0, rel=1e-6)
    assert market.facts(90 * SECOND).spread_bps == pytest.approx(0.25 * 4.0 + 0.75 * 8.0, rel=1e-6)
    assert market.facts(200 * SECOND).spread_bps == pytest.approx(8.0, rel=1e-6)


def test_spread_when_there_was_none_then_that_time_counts_for_nothing(market: Market) -> None:
    market.touch(0, 499_900, 500_100)
    market.touch(20 * SECOND, 0, 500_100)
    market.touch(50 * SECOND, 499_800, 500_200)
    assert market.facts(60 * SECOND).spread_bps == pytest.approx((20 * 4.0 + 10 * 8.0) / 30, rel=1e-6)


def test_volatility_when_mids_move_by_the_minute_then_exponentially_weighted(market: Market) -> None:
    mids = (500_000, 500_500, 500_100, 500_100)
    for minute, mid in enumerate(mids):
        market.touch(minute * MINUTE + SECOND, mid - 100, mid + 100)
    returns = [math.log(b / a) for a, b in itertools.pairwise(mids)]
    variance = returns[0] ** 2
    variance = 0.94 * variance + 0.06 * returns[1] ** 2
    assert market.facts(3 * MINUTE).volatility_bps == pytest.approx(1e4 * math.sqrt(variance))
    variance *= 0.94
    assert market.facts(4 * MINUTE).volatility_bps == pytest.approx(1e4 * math.sqrt(variance))


def test_volatility_when_halted_then_the_gap_is_no_return(market: Market) -> None:
    market.touch(SECOND, 499_900, 500_100)
    market.facts(MINUTE)
    market.phase(MINUTE + SECOND, TradingPhase.HALTED)
    market.phase(3 * MINUTE + SECOND)
    market.touch(3 * MINUTE + 2 * SECOND, 501_900, 502_100)
    market.touch(4 * MINUTE + SECOND, 501_900, 502_100)
    assert market.facts(5 * MINUTE).volatility_bps == 0.0


def test_snapshot_when_asked_twice_then_the_same() -> None:
    market = Market()
    market.phase(0)
    market.touch(1, 499_900, 500_100)
    assert market.facts(5 * SECOND) == market.facts(5 * SECOND)


# Price bands


@pytest.fixture
def banded() -> Market:
    """Tier 1, and the last 25 minutes begin an hour on."""
    made = Market(PriceBands("luld-1", 100, 10_000, START + 60 * MINUTE))
    made.phase(0)
    return made


def bands_of(market: Market, at: int) -> tuple[int, int]:
    facts = market.facts(at)
    return facts.lower_band, facts.upper_band


def test_bands_when_nobody_asked_for_them_then_none(market: Market) -> None:
    market.trade(1, 500_000)
    assert bands_of(market, 2) == (0, 0)


def test_bands_when_the_first_touch_is_orderly_then_around_its_mid(banded: Market) -> None:
    banded.touch(1, 0, 500_100)
    assert bands_of(banded, 2) == (0, 0)
    banded.touch(2, 499_900, 500_100)
    assert bands_of(banded, 3) == (475_000, 525_000)


def test_bands_when_the_session_has_not_begun_then_none_from_a_touch() -> None:
    early = Market(PriceBands("luld-1", 100, 10_000, START + 60 * MINUTE))
    early.touch(1, 499_900, 500_100)
    assert bands_of(early, 2) == (0, 0)


def test_bands_when_trades_move_on_then_they_follow_and_ineligible_prints_do_not_count(
    banded: Market,
) -> None:
    banded.trade(1, 500_000)
    banded.trade(MINUTE, 530_000, eligible=False)
    assert bands_of(banded, MINUTE) == (475_000, 525_000)
    banded.trade(MINUTE, 520_000)
    assert bands_of(banded, MINUTE) == (484_500, 535_500)


def test_bands_when_time_passes_without_events_then_wider_in_the_last_minutes(banded: Market) -> None:
    banded.trade(1, 500_000)
    assert bands_of(banded, 60 * MINUTE - 1) == (475_000, 525_000)
    assert bands_of(banded, 60 * MINUTE) == (450_000, 550_000)


def test_bands_when_halted_then_none_until_trading_goes_on(banded: Market) -> None:
    banded.touch(1, 499_900, 500_100)
    banded.phase(2, TradingPhase.HALTED)
    assert bands_of(banded, 3) == (0, 0)
    banded.touch(4, 459_900, 460_100)
    assert bands_of(banded, 5) == (0, 0)
    banded.phase(6)
    banded.touch(2 * SECOND, 459_900, 460_100)
    assert bands_of(banded, 2 * SECOND) == (437_000, 483_000)


def test_bands_when_the_source_tells_them_then_these_until_it_tells_others(banded: Market) -> None:
    banded.trade(1, 500_000)
    banded.phase(2, bands=(490_000, 510_000))
    assert bands_of(banded, 3) == (490_000, 510_000)
    banded.phase(4, TradingPhase.HALTED)
    assert bands_of(banded, 5) == (490_000, 510_000)
    banded.phase(6, bands=(480_000, 500_000))
    assert bands_of(banded, 7) == (480_000, 500_000)


# Returns, for correlation


def test_returns_when_minutes_pass_then_each_once_with_its_minute(market: Market) -> None:
    market.touch(SECOND, 499_900, 500_100)
    assert market.tracker.returns(START + SECOND) == []
    market.touch(MINUTE + SECOND, 500_900, 501_100)
    assert market.tracker.returns(START + 3 * MINUTE) == [
        (START + 2 * MINUTE, pytest.approx(math.log(501 / 500))),
        (START + 3 * MINUTE, 0.0),
    ]
    assert market.tracker.returns(START + 3 * MINUTE) == []
