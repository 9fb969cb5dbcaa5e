"""Costs before and while a parent trades, against figures worked out by hand."""

from __future__ import annotations

import pytest

from service.console.estimate import before_trading, taking_now
from service.model.time import MINUTE

DAY = 390 * MINUTE


def test_an_estimate_is_almgrens() -> None:
    # A tenth of a day's volume over the day, one per cent of daily volatility: s = 100 bps.
    found = before_trading(
        100, DAY, daily_volume=1_000, spread_bps=4.0, volatility_bps=100 / 390**0.5, value=5.0
    )
    assert found.spread_bps == 2.0
    assert found.impact_bps == pytest.approx(0.314 * 100 * 0.1 / 2 + 0.142 * 100 * 0.1**0.6)
    assert found.cost_bps == pytest.approx(2.0 + found.impact_bps)
    assert found.risk_bps == pytest.approx(100 / 3**0.5)
    assert (found.participation, found.completes, found.missing) == (0.1, 1.0, [])


def test_an_estimate_when_the_cap_is_below_the_need_says_how_much_completes() -> None:
    found = before_trading(
        100, DAY, daily_volume=1_000, spread_bps=4.0, volatility_bps=1.0, value=None, cap=0.05
    )
    assert found.completes == pytest.approx(0.5)


def test_an_estimate_when_everything_adds_liquidity_earns_half_the_spread() -> None:
    taking = before_trading(1, DAY, daily_volume=1_000, spread_bps=4.0, volatility_bps=1.0, value=None)
    adding = before_trading(
        1, DAY, daily_volume=1_000, spread_bps=4.0, volatility_bps=1.0, value=None, passive=1.0
    )
    assert taking.cost_bps is not None
    assert adding.cost_bps == pytest.approx(taking.cost_bps - 4.0)


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"daily_volume": 0}, "average daily volume"),
        ({"volatility_bps": 0.0}, "volatility"),
        ({"spread_bps": 0.0}, "spread"),
    ],
)
def test_an_estimate_when_something_is_not_known_says_so_and_makes_nothing_up(
    changes: dict[str, float], missing: str
) -> None:
    known = {"daily_volume": 1_000, "spread_bps": 4.0, "volatility_bps": 1.0, "value": None}
    found = before_trading(100, DAY, **{**known, **changes})  # type: ignore[arg-type]
    assert (found.cost_bps, found.missing) == (None, [missing])


def test_an_estimate_when_the_window_is_over_has_no_figures() -> None:
    found = before_trading(100, 0, daily_volume=1_000, spread_bps=4.0, volatility_bps=1.0, value=None)
    assert (found.impact_bps, found.participation, found.missing) == (None, None, ["window"])


def test_taking_now_walks_the_book() -> None:
    found = taking_now(30, 1, ((101, 10), (102, 15), (110, 100)), 100.0)
    assert (found.fillable, found.average) == (30, (101 * 10 + 102 * 15 + 110 * 5) / 30)
    assert found.cost_bps == pytest.approx((found.average - 100) / 100 * 10_000)


def test_taking_now_when_the_book_is_thin_or_empty_says_what_there_is() -> None:
    assert taking_now(30, -1, ((99, 10),), 100.0).fillable == 10
    assert taking_now(30, -1, (), 100.0).cost_bps is None
