"""What an approval says of limits that it brings near (C34)."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from service.model.orders import Side
from service.risk import Approved, Facts, Limits, Use
from tests.unit.risk.orders import (
    CHILD,
    DOLLAR,
    FACTS,
    LIMITS,
    Level,
    at,
    facts,
    judge,
    limits,
    policy,
    replace,
    sent,
    submit,
)


def uses(given: Facts = FACTS, under: Limits = LIMITS, **order: Any) -> list[Use]:
    verdict = judge(submit(**order), given, under=under)
    assert isinstance(verdict, Approved), verdict
    return list(verdict.uses)


def test_an_order_far_from_every_limit_says_nothing() -> None:
    assert uses() == []


@pytest.mark.parametrize(
    ("given", "below", "use"),
    [
        (
            facts(exposure_position=2000),
            facts(exposure_position=1999),
            Use("max_long", "instrument", "AURA", 2500, 5000),
        ),
        (
            facts(exposure_working_sell=2500),
            facts(exposure_working_sell=2499),
            Use("max_gross", "instrument", "AURA", 3000, 6000),
        ),
        (
            at(Level.DESK, exposure=490_000 * DOLLAR),
            at(Level.DESK, exposure=490_000 * DOLLAR - 1),
            Use("max_exposure", "desk", "EQUITIES", 500_000 * DOLLAR, 1_000_000 * DOLLAR),
        ),
        (
            at(Level.CLIENT, credit=990_000 * DOLLAR),
            at(Level.CLIENT, credit=990_000 * DOLLAR - 1),
            Use("max_credit", "client", "NORTHWIND", 1_000_000 * DOLLAR, 2_000_000 * DOLLAR),
        ),
        (
            sent(Level.FIRM, 13),
            sent(Level.FIRM, 12),
            Use("messages_per_second", "firm", "SLIPSTREAM", 14, 28),
        ),
        (
            facts(traffic_instrument=4),
            facts(traffic_instrument=3),
            Use("messages_per_second", "instrument", "AURA", 5, 10),
        ),
        (
            facts(traffic_session=14),
            facts(traffic_session=13),
            Use("messages_per_second", "session", "*", 15, 30),
        ),
        (
            facts(traffic_minute=24),
            facts(traffic_minute=23),
            Use("max_orders_per_minute", "strategy", "twap", 25, 50),
        ),
    ],
    ids=lambda value: value.limit + " " + value.level if isinstance(value, Use) else "",
)
def test_from_half_of_a_limit_on_an_approval_says_how_much_is_used(
    given: Facts, below: Facts, use: Use
) -> None:
    assert uses(given) == [use]
    assert uses(below) == []
    assert use.percent == 50


def test_a_short_position_is_told_like_a_long_one() -> None:
    given = facts(parent_side=Side.SELL, exposure_position=-1900, exposure_working_buy=0)
    assert uses(given, side=Side.SELL) == [Use("max_short", "instrument", "AURA", 2000, 4000)]


def test_a_replace_tells_too() -> None:
    verdict = judge(replace(), facts(child=CHILD, exposure_position=2050))
    assert isinstance(verdict, Approved)
    assert verdict.uses == (Use("max_long", "instrument", "AURA", 2500, 5000),)


def test_the_last_lot_is_all_of_a_limit() -> None:
    assert uses(under=limits(max_long=500))[0].percent == 100


def test_limits_of_one_order_are_no_warning() -> None:
    """Quantity and value of one order: being at them is ordinary."""
    full = msgspec.structs.replace(
        limits(max_order_quantity=100), strategies=policy(max_order_value=Decimal(10_000)).strategies
    )
    assert uses(under=full) == []
