"""Limit up and limit down (C18): the bands, a market that stands at one, and bands that nobody tells."""

from typing import Any

import pytest

from service.model.market import TradingPhase
from service.model.orders import OrdType, Side
from service.model.reference import Reference
from service.risk import Approved, Gate
from tests.unit.risk.orders import (
    CHILD,
    LIMITS,
    NOW,
    PRICE,
    REFERENCE,
    TICK,
    code,
    facts,
    limits,
    replace,
    submit,
)

UPPER, LOWER = PRICE + 5 * TICK, PRICE - 5 * TICK
SELL = {"parent_side": Side.SELL, "exposure_working_buy": 0}
SHORT = {"exposure_position": -100, "exposure_working_buy": 0}
LONG = {**SELL, "exposure_position": 100}
AT_UPPER = {"ref_bid": UPPER, "ref_ask": UPPER + TICK}
AT_LOWER = {"ref_bid": LOWER - TICK, "ref_ask": LOWER}
WIDE = limits(max_spread_bps=1000)


def verdict(order: dict[str, Any], world: dict[str, Any]) -> str:
    return code(submit(**order), facts(ref_lower_band=LOWER, ref_upper_band=UPPER, **world), under=WIDE)


def priced(price: int, side: Side = Side.BUY) -> dict[str, Any]:
    return {"price": price, "side": side}


def market(side: Side) -> dict[str, Any]:
    return {"ord_type": OrdType.MARKET, "price": 0, "side": side}


@pytest.mark.parametrize(
    ("order", "world", "expected"),
    [
        (priced(UPPER - TICK), {}, "approved"),
        (priced(UPPER), {}, "C18 LIMIT_UP"),
        (priced(UPPER), SHORT, "approved"),
        (priced(UPPER + TICK), SHORT, "C18 LIMIT_UP"),
        (priced(LOWER), {}, "approved"),
        (priced(LOWER - TICK), {}, "C18 LIMIT_DOWN"),
        (priced(LOWER + TICK, Side.SELL), SELL, "approved"),
        (priced(LOWER, Side.SELL), SELL, "C18 LIMIT_DOWN"),
        (priced(LOWER, Side.SELL), LONG, "approved"),
        (priced(LOWER - TICK, Side.SELL), LONG, "C18 LIMIT_DOWN"),
        (priced(UPPER, Side.SELL), SELL, "approved"),
        (priced(UPPER + TICK, Side.SELL), SELL, "C18 LIMIT_UP"),
    ],
)
def test_a_price_beyond_a_band_goes_nowhere_and_at_one_only_what_reduces(
    order: dict[str, Any], world: dict[str, Any], expected: str
) -> None:
    assert verdict(order, world) == expected


@pytest.mark.parametrize(
    ("side", "world", "expected"),
    [
        (Side.BUY, {"ref_ask": UPPER - TICK}, "approved"),
        (Side.BUY, {"ref_ask": UPPER}, "C18 LIMIT_UP"),
        (Side.BUY, {"ref_ask": UPPER, **SHORT}, "approved"),
        (Side.BUY, {"ref_ask": UPPER + TICK, **SHORT}, "C18 LIMIT_UP"),
        (Side.SELL, {"ref_bid": LOWER + TICK, **SELL}, "approved"),
        (Side.SELL, {"ref_bid": LOWER, **SELL}, "C18 LIMIT_DOWN"),
        (Side.SELL, {"ref_bid": LOWER, **LONG}, "approved"),
        (Side.SELL, {"ref_bid": LOWER - TICK, **LONG}, "C18 LIMIT_DOWN"),
    ],
)
def test_a_market_order_is_held_to_the_bands_at_the_price_that_it_would_take(
    side: Side, world: dict[str, Any], expected: str
) -> None:
    assert verdict(market(side), world) == expected


@pytest.mark.parametrize(
    ("order", "world", "expected"),
    [
        (priced(PRICE), AT_UPPER, "C18 LIMIT_UP"),
        (priced(PRICE), {**AT_UPPER, **SHORT}, "approved"),
        (priced(PRICE), {**AT_UPPER, "exposure_position": -99, "exposure_working_buy": 0}, "C18 LIMIT_UP"),
        (priced(PRICE), {**AT_UPPER, "exposure_position": -101, "exposure_working_buy": 1}, "approved"),
        (priced(PRICE), {**AT_UPPER, "exposure_position": -100, "exposure_working_buy": 1}, "C18 LIMIT_UP"),
        (priced(PRICE), {**AT_UPPER, "ref_bid": UPPER - TICK}, "approved"),
        (priced(PRICE, Side.SELL), {**AT_UPPER, **SELL}, "C18 LIMIT_UP"),
        (priced(PRICE, Side.SELL), {**AT_UPPER, **LONG}, "approved"),
        (priced(PRICE), AT_LOWER, "C18 LIMIT_DOWN"),
        (priced(PRICE), {**AT_LOWER, **SHORT}, "approved"),
        (priced(PRICE), {**AT_LOWER, "ref_ask": LOWER + TICK}, "approved"),
        (priced(PRICE, Side.SELL), {**AT_LOWER, **LONG}, "approved"),
    ],
)
def test_a_market_that_stands_at_a_band_takes_only_what_reduces(
    order: dict[str, Any], world: dict[str, Any], expected: str
) -> None:
    assert verdict(order, world) == expected


def test_a_replace_is_held_to_the_bands_and_one_that_adds_nothing_may_come_back_within_them() -> None:
    bands = {"child": CHILD, "ref_lower_band": LOWER, "ref_upper_band": UPPER}
    assert code(replace(price=UPPER + TICK, quantity=400), facts(**bands)) == "C18 LIMIT_UP"
    assert code(replace(quantity=400), facts(**bands, **AT_UPPER), under=WIDE) == "approved"
    assert code(replace(quantity=401), facts(**bands, **AT_UPPER), under=WIDE) == "C18 LIMIT_UP"


@pytest.mark.parametrize("bands", [{"ref_lower_band": LOWER}, {"ref_upper_band": -1}])
def test_bands_that_make_no_sense_deny(bands: dict[str, int]) -> None:
    assert code(given=facts(**bands)) == "C18 LIMIT_UP"


def banded(source: str) -> Reference:
    rows = [{**REFERENCE.instruments[0].model_dump(), "price_bands": source}]
    return Reference.model_validate({**REFERENCE.model_dump(), "instruments": rows})


@pytest.mark.parametrize("source", ["luld-1", "luld-2", "source"])
def test_an_instrument_that_has_bands_is_not_traded_while_nobody_tells_them(source: str) -> None:
    """No limit can loosen that: it is the reference file's word."""
    gate = Gate(LIMITS, banded(source))
    refused = gate.check(submit(), facts(), NOW)
    assert not isinstance(refused, Approved)
    assert (refused.control, refused.code, refused.detail) == ("C18", "NO_BANDS", "symbol=AURA")
    told = facts(ref_lower_band=LOWER, ref_upper_band=UPPER)
    assert isinstance(gate.check(submit(), told, NOW), Approved)


def test_a_halted_market_takes_nothing_not_even_what_reduces() -> None:
    assert verdict(priced(PRICE), {**SHORT, "ref_phase": TradingPhase.HALTED}) == "C15 TRADING_PHASE"
