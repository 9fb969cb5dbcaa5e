"""Drift against a parent (C2), and limits that tighten with spread, volatility and volume (C9)."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from service.model.orders import OrdType, Side
from service.risk import Denied, Facts, Gate, Level, Limits, ceilings
from service.risk.calm import share_left
from tests.unit.risk.orders import (
    CHILD,
    DOLLAR,
    FACTS,
    LIMITS,
    NOW,
    PRICE,
    SNAPSHOT,
    TICK,
    code,
    facts,
    judge,
    limits,
    replace,
    submit,
    traded,
)

SELL = {"parent_side": Side.SELL, "exposure_working_buy": 0}


def nervous(**changes: Any) -> Facts:
    """Facts in a market of twice the calm spread: half of every limit is left."""
    reference = msgspec.structs.replace(SNAPSHOT, spread_bps=20.0)
    given = facts(**changes)
    return msgspec.structs.replace(given, market=msgspec.structs.replace(given.market, reference=reference))


# Drift


@pytest.mark.parametrize(
    ("side", "arrival", "verdict"),
    [
        (Side.BUY, PRICE * 100 // 102, "C2 DRIFT"),
        (Side.BUY, PRICE * 100 // 102 + 1, "approved"),
        (Side.BUY, PRICE * 2, "approved"),
        (Side.SELL, PRICE * 100 // 98 + 1, "C2 DRIFT"),
        (Side.SELL, PRICE * 100 // 98, "approved"),
        (Side.SELL, PRICE // 2, "approved"),
        (Side.BUY, 0, "C6 NO_LIMIT"),
    ],
)
def test_a_price_that_went_too_far_against_the_parent_ends_its_trading(
    side: Side, arrival: int, verdict: str
) -> None:
    """Two per cent: a buy that arrived below 980,392, a sell above 1,020,408."""
    assert code(submit(side=side), facts(parent_side=side, parent_arrival_price=arrival)) == verdict


@pytest.mark.parametrize(("arrival", "verdict"), [(1_250_000, "approved"), (1_250_001, "C2 DRIFT")])
def test_a_drift_of_exactly_the_limit_is_allowed(arrival: int, verdict: str) -> None:
    """From 125 to 100 dollars is a fifth."""
    world = facts(parent_side=Side.SELL, parent_arrival_price=arrival)
    assert code(submit(side=Side.SELL), world, under=limits(max_drift_bps=2000)) == verdict


def test_a_replace_is_held_to_the_drift() -> None:
    assert code(replace(), facts(child=CHILD, parent_arrival_price=PRICE // 2)) == "C2 DRIFT"


def test_the_loosest_drift_is_still_refused_by_the_ceiling() -> None:
    loose = limits(max_drift_bps=1 << 60)
    at = PRICE * 10_000 // (10_000 + ceilings.MAX_DRIFT_BPS)
    assert code(given=facts(parent_arrival_price=at + 1), under=loose) == "approved"
    assert code(given=facts(parent_arrival_price=at - 1), under=loose) == "C2 DRIFT"


# What is left of a limit


@pytest.mark.parametrize(
    ("calm", "actual", "left"),
    [
        (10, 0.0, 1000),
        (10, 10.0, 1000),
        (10, 10.1, 990),
        (10, 20.0, 500),
        (10, 1e9, 0),
        (10, float("inf"), 0),
        (10, float("nan"), 0),
        (10, -1.0, 0),
        (0, 0.0, 0),
        (0, 5.0, 0),
    ],
)
def test_what_is_left_shrinks_in_proportion_and_nonsense_leaves_nothing(
    calm: int, actual: float, left: int
) -> None:
    assert share_left(calm, actual) == left


@pytest.mark.parametrize("field", ["spread_bps", "volatility_bps"])
def test_a_calm_that_nobody_set_leaves_nothing_even_in_a_market_that_stands_still(field: str) -> None:
    assert code(given=facts(**{f"ref_{field}": 0.0}), under=limits(**{f"calm_{field}": 0})) == "C9 TIGHTENED"


@pytest.mark.parametrize("field", ["spread_bps", "volatility_bps"])
def test_the_wilder_of_spread_and_volatility_decides(field: str) -> None:
    wild = facts(**{f"ref_{field}": 1e6})
    assert code(given=wild) == "C9 TIGHTENED"


TIGHT: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    # the order, the facts, what stops it; without facts it is just within half of the limit
    ({"quantity": 500}, {}, ""),
    ({"quantity": 501}, {}, "max_order_quantity"),
    ({}, {"exposure_position": 2000}, ""),
    ({}, {"exposure_position": 2001}, "max_long"),
    ({"side": Side.SELL}, {**SELL, "exposure_position": -1900}, ""),
    ({"side": Side.SELL}, {**SELL, "exposure_position": -1901}, "max_short"),
    ({"side": Side.SELL}, {**SELL, "exposure_position": 4500}, ""),
]


@pytest.mark.parametrize(("order", "given", "stopped_by"), TIGHT)
def test_twice_the_calm_spread_leaves_half_of_every_limit(
    order: dict[str, Any], given: dict[str, Any], stopped_by: str
) -> None:
    verdict = judge(submit(**order), nervous(**given))
    if stopped_by:
        assert isinstance(verdict, Denied)
        assert verdict.detail == f"limit={stopped_by} thousandths_left=500"
        assert (verdict.control, verdict.code) == ("C9", "TIGHTENED")
    else:
        assert not isinstance(verdict, Denied)


@pytest.mark.parametrize(("quantity", "verdict"), [(90, "approved"), (91, "C9 TIGHTENED")])
def test_the_value_of_one_order_tightens(quantity: int, verdict: str) -> None:
    under = limits(max_order_value=Decimal(18_000))
    assert code(submit(quantity=quantity), nervous(), under=under) == verdict
    market = submit(quantity=quantity, ord_type=OrdType.MARKET, price=0)
    assert code(market, nervous(), under=under) == verdict


def levels(place: Level, **changes: Any) -> Facts:
    given = nervous()
    changed = tuple(
        msgspec.structs.replace(row, **changes) if name is place else row
        for name, row in zip(
            (Level.STRATEGY, Level.TRADER, Level.DESK, Level.CLIENT, Level.FIRM), given.levels, strict=True
        )
    )
    return msgspec.structs.replace(given, levels=changed)


@pytest.mark.parametrize("place", [Level.STRATEGY, Level.FIRM])
def test_exposure_tightens_for_what_adds_and_not_for_what_reduces(place: Level) -> None:
    limit = 490_000 * DOLLAR
    assert code(given=levels(place, exposure=limit)) == "approved"
    assert code(given=levels(place, exposure=limit + 1)) == "C9 TIGHTENED"
    assert code(given=levels(place, exposure=900_000 * DOLLAR, lots=-500, buying=0)) == "approved"


def test_credit_tightens() -> None:
    limit = 990_000 * DOLLAR
    assert code(given=levels(Level.CLIENT, credit=limit)) == "approved"
    assert code(given=levels(Level.CLIENT, credit=limit + 1)) == "C9 TIGHTENED"
    assert code(given=levels(Level.DESK, credit=2 * limit)) == "approved"
    cheap = submit(price=PRICE - TICK)
    assert code(cheap, levels(Level.CLIENT, credit=limit)) == "approved"
    assert code(cheap, levels(Level.CLIENT, credit=limit + 1)) == "C9 TIGHTENED"
    dear = submit(price=PRICE + TICK)
    assert code(dear, levels(Level.CLIENT, credit=limit - 100 * DOLLAR // 100)) == "approved"
    assert code(dear, levels(Level.CLIENT, credit=limit - 100 * DOLLAR // 100 + 1)) == "C9 TIGHTENED"


def test_the_loosest_calm_is_still_tightened_past_the_ceilings() -> None:
    loose = limits(calm_spread_bps=1 << 60, calm_volatility_bps=1 << 60)
    full = submit(quantity=1000)
    for field, ceiling in (
        ("spread_bps", ceilings.MAX_CALM_SPREAD_BPS),
        ("volatility_bps", ceilings.MAX_CALM_VOLATILITY_BPS),
    ):
        assert code(full, facts(**{f"ref_{field}": float(ceiling)}), under=loose) == "approved"
        assert code(full, facts(**{f"ref_{field}": ceiling + 1.0}), under=loose) == "C9 TIGHTENED"


# Share of volume


def gross(limits_: Limits, volume: int) -> int:
    """The largest gross position, lots, that the gate lets through."""
    gate = Gate(limits_, traded(volume))
    low, high = 0, 1 << 40
    while low < high:
        middle = (low + high + 1) // 2
        world = facts(exposure_working_buy=0, exposure_working_sell=middle - 100)
        fits = middle >= 100 and not isinstance(gate.check(submit(), world, NOW), Denied)
        low, high = (middle, high) if fits or middle < 100 else (low, middle - 1)
    return low


def test_gross_is_at_most_its_share_of_an_average_days_volume() -> None:
    assert gross(LIMITS, 60_000) == 6_000
    assert gross(LIMITS, 50_000) == 5_000
    assert gross(limits(max_volume_bps=500), 60_000) == 3_000


def test_the_loosest_share_of_volume_is_still_refused_by_the_ceiling() -> None:
    loose = limits(max_gross=1 << 60, max_volume_bps=1 << 60)
    assert gross(loose, 60_000) == 60_000 * ceilings.MAX_VOLUME_BPS // 10_000


def test_an_instrument_of_unknown_volume_is_not_traded() -> None:
    gate = Gate(LIMITS, traded(0))
    assert isinstance(gate.check(submit(quantity=1), FACTS, NOW), Denied)
