"""Each schedule against numbers worked out by hand."""

from math import sinh

import pytest

from policies.schedules.curve import US_EQUITIES, CurveError, curve
from policies.schedules.participation import Capped, Participation
from policies.schedules.shortfall import AlmgrenChriss
from policies.schedules.slices import begun, slices
from policies.schedules.twap import Twap
from policies.schedules.vwap import Vwap
from service.model.time import DAY, HOUR, MINUTE, SECOND
from tests.unit.policies.scene import OPEN, view

HALF_HOUR = 30 * MINUTE


@pytest.mark.parametrize(
    ("seconds", "target"),
    [(-1, 0), (0, 100), (49.9, 100), (50, 200), (600, 1_300), (1_199, 2_400), (1_200, 2_400)],
)
def test_twap_does_the_same_quantity_in_each_of_24_slices(seconds: float, target: int) -> None:
    assert Twap().target(view(seconds)) == target


@pytest.mark.parametrize(("tilt", "half"), [(1.0, 0.75), (0.0, 0.5), (-1.0, 0.25)])
def test_twap_leans_where_it_is_tilted(tilt: float, half: float) -> None:
    assert Twap().target(view(599.9, quantity=10_000, tilt=tilt)) == int(10_000 * half)


@pytest.mark.parametrize(
    ("window", "count"), [(1, 1), (60, 12), (120, 24), (1_200, 24), (7_200, 24), (23_400, 78)]
)
def test_slices_are_neither_too_short_nor_too_long(window: int, count: int) -> None:
    assert slices(view(window=window).parent) == count


def test_variance_of_the_interval_delays_a_slice_by_less_than_its_length() -> None:
    starts = [
        next(t for t in range(50 * n, 50 * n + 51) if begun(view(t, interval_variance=0.9, seed=3))[0] > n)
        for n in range(23)
    ]
    delays = {t - 50 * n for n, t in enumerate(starts)}
    assert len(delays) > 10
    assert 0 <= min(delays) < 15 < 30 < max(delays) <= 45


def test_another_seed_gives_other_slices_and_the_same_seed_the_same() -> None:
    def pattern(seed: int) -> list[int]:
        return [begun(view(t, interval_variance=0.9, seed=seed))[0] for t in range(0, 1_200, 5)]

    assert pattern(1) == pattern(1) != pattern(2)


def test_vwap_does_the_share_of_volume_that_the_curve_expects() -> None:
    # 09:30 to 16:00 in 78 slices of five minutes: six of them a half hour's bin.
    day = 23_400
    assert Vwap().target(view(1_799, window=day, quantity=1_000_000)) == 128_000
    assert Vwap().target(view(3_599, window=day, quantity=1_000_000)) == 220_000
    assert Vwap().target(view(day, window=day, quantity=1_000_000)) == 1_000_000


def test_vwap_is_even_where_the_curve_expects_nothing() -> None:
    night = OPEN + 8 * HOUR
    assert Vwap().target(view(600, start=night)) == Twap().target(view(600)) == 1_300


def test_the_curve_follows_the_exchanges_wall_clock_through_the_year() -> None:
    winter = 1_355_322_600 * SECOND  # 2012-12-12 09:30 in New York, 14:30 UTC
    assert US_EQUITIES.share(winter, winter + HALF_HOUR) == pytest.approx(0.128)
    assert US_EQUITIES.share(OPEN, OPEN + HALF_HOUR) == pytest.approx(0.128)
    assert US_EQUITIES.share(OPEN - HOUR, OPEN) == 0.0
    assert US_EQUITIES.share(OPEN, OPEN + DAY) == pytest.approx(1.0)


@pytest.mark.parametrize(("shares", "closes"), [((), 1), ((-1.0, 2.0), 1), ((0.0,), 1), ((1.0,), 0)])
def test_numbers_that_are_no_curve_are_refused(shares: tuple[float, ...], closes: int) -> None:
    with pytest.raises(CurveError):
        curve(shares, opens=0, closes=closes * HOUR, zone="America/New_York")


@pytest.mark.parametrize(
    ("parameters", "volume", "target"),
    [
        ({}, 5_000, 500),
        ({"target_participation": 0.2}, 5_000, 1_000),
        ({"target_participation": 0.2}, 50_000, 2_400),
        ({"target_participation": 0.2, "max_participation": 0.15}, 5_000, 750),
        ({"target_participation": 0.1, "min_participation": 0.12}, 5_000, 600),
        # Half of the window has passed: an even pace wants 1,200, the cap allows 20 % of 5,000.
        ({"target_participation": 0.1, "max_participation": 0.2}, 5_000, 1_000),
        ({"target_participation": 0.1, "max_participation": 0.5}, 5_000, 1_200),
        ({"target_participation": 0.1}, 0, 0),
    ],
)
def test_pov_does_its_share_within_the_band(parameters: dict[str, float], volume: int, target: int) -> None:
    assert Participation().target(view(600, volume=volume, **parameters)) == target


def test_a_cap_of_participation_holds_another_schedule_back() -> None:
    assert Capped(Twap()).target(view(600, volume=5_000, max_participation=0.1)) == 500
    assert Capped(Twap()).target(view(600, volume=500_000, max_participation=0.1)) == 1_300


def test_shortfall_follows_almgren_and_chriss() -> None:
    # Eight slices of 24 have begun; urgency 5 is kappa T = 3.
    left = sinh(3 * (1 - 8 / 24)) / sinh(3)
    assert AlmgrenChriss().target(view(399, quantity=1_000_000, urgency=5)) == int(1_000_000 * (1 - left))


def test_shortfall_without_urgency_is_twap() -> None:
    for seconds in range(0, 1_201, 7):
        assert AlmgrenChriss().target(view(seconds, urgency=0)) == Twap().target(view(seconds))


def test_the_more_urgent_is_never_behind_the_less_urgent() -> None:
    for seconds in range(0, 1_200, 13):
        targets = [AlmgrenChriss().target(view(seconds, urgency=u)) for u in range(11)]
        assert targets == sorted(targets)
