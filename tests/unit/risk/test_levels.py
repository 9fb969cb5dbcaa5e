"""Limits of strategy, trader, desk, client and firm together (C11): exposure, credit, losses, rates."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from service.model.orders import Side
from service.risk import LEVELS, Denied, Facts, Gate, Level, LevelLimits, Limits, LossStage, ceilings
from tests.unit.risk.orders import (
    CHILD,
    DOLLAR,
    FACTS,
    LIMITS,
    NAMES,
    PRICE,
    REFERENCE,
    TICK,
    at,
    code,
    facts,
    judge,
    level,
    replace,
    sent,
    submit,
)

MILLION = 1_000_000 * DOLLAR
SELL = submit(side=Side.SELL)


def under(place: Level, name: str = "*", **changes: Any) -> Limits:
    """The limits with those of one name at one level changed."""
    row = msgspec.structs.replace(LIMITS.levels[place, "*"], **changes)
    return msgspec.structs.replace(LIMITS, levels={**LIMITS.levels, (place, name): row})


def selling(given: Facts) -> Facts:
    return msgspec.structs.replace(given, parent=msgspec.structs.replace(given.parent, side=Side.SELL))


@pytest.mark.parametrize("place", LEVELS)
def test_an_order_is_denied_when_it_takes_a_name_past_its_exposure(place: Level) -> None:
    """100 lots at 100 dollars are 10,000 dollars."""
    assert code(given=at(place, exposure=MILLION - 10_000 * DOLLAR)) == "approved"
    verdict = judge(given=at(place, exposure=MILLION - 10_000 * DOLLAR + 1))
    assert isinstance(verdict, Denied)
    assert (verdict.control, verdict.code) == ("C11", "MAX_EXPOSURE")
    name = NAMES[LEVELS.index(place)]
    assert verdict.detail == f"level={place.value} name={name} value=1000000.00 limit=1000000.00"


@pytest.mark.parametrize("field", ["max_exposure", "max_daily_loss"])
@pytest.mark.parametrize("place", LEVELS)
def test_a_name_without_a_limit_is_denied(place: Level, field: str) -> None:
    verdict = judge(under=under(place, **{field: Decimal(0)}))
    assert isinstance(verdict, Denied)
    assert (verdict.code, verdict.detail.split()[0]) == ("NO_LIMIT", f"limit={field}")


def test_a_client_without_credit_is_denied_and_others_need_none() -> None:
    assert code(under=under(Level.CLIENT, max_credit=Decimal(0))) == "C6 NO_LIMIT"
    assert code(under=under(Level.DESK, max_credit=Decimal(0))) == "approved"


@pytest.mark.parametrize("place", LEVELS)
def test_a_level_that_nobody_wrote_down_is_denied(place: Level) -> None:
    rest = {key: row for key, row in LIMITS.levels.items() if key[0] is not place}
    assert code(under=msgspec.structs.replace(LIMITS, levels=rest)) == "C6 NO_LIMIT"


def test_a_names_own_row_stands_in_place_of_the_one_for_all() -> None:
    small = under(Level.DESK, "EQUITIES", max_exposure=Decimal(10_000))
    assert code(under=small) == "C11 MAX_EXPOSURE"
    assert code(under=under(Level.DESK, "ELSEWHERE", max_exposure=Decimal(10_000))) == "approved"


def test_an_order_that_only_reduces_is_let_through_by_a_full_exposure() -> None:
    full = selling(at(Level.FIRM, exposure=2 * MILLION, lots=300, buying=0, selling=200))
    assert code(SELL, full) == "approved"
    over = selling(at(Level.FIRM, exposure=2 * MILLION, lots=50, buying=0, selling=0))
    assert code(submit(side=Side.SELL, quantity=101), over) == "C11 MAX_EXPOSURE"


def test_the_other_side_counts_by_what_it_makes_worse() -> None:
    """Short 100 with 400 working to buy: another 100 make the worst 400, not 500."""
    near = at(Level.DESK, exposure=MILLION - 10_000 * DOLLAR, lots=-100, buying=400, selling=0)
    assert code(given=near) == "approved"
    nearer = at(Level.DESK, exposure=MILLION - 10_000 * DOLLAR + 1, lots=-100, buying=400, selling=0)
    assert code(given=nearer) == "C11 MAX_EXPOSURE"


def test_a_replace_counts_by_what_it_adds() -> None:
    """From 400 to 450 lots: 5,000 dollars."""
    near = at(Level.TRADER, exposure=MILLION - 5_000 * DOLLAR)
    assert code(replace(), msgspec.structs.replace(near, child=CHILD)) == "approved"
    assert code(replace(quantity=451), msgspec.structs.replace(near, child=CHILD)) == "C11 MAX_EXPOSURE"


# Credit


def test_a_client_is_denied_past_its_credit() -> None:
    limit = 2 * MILLION
    assert code(given=at(Level.CLIENT, credit=limit - 10_000 * DOLLAR)) == "approved"
    assert code(given=at(Level.CLIENT, credit=limit - 10_000 * DOLLAR + 1)) == "C13 MAX_CREDIT"
    assert code(given=at(Level.DESK, credit=limit)) == "approved"


def test_credit_counts_the_worse_of_price_and_reference() -> None:
    near = at(Level.CLIENT, credit=2 * MILLION - 10_000 * DOLLAR)
    assert code(submit(price=PRICE - TICK), near) == "approved"
    assert code(submit(price=PRICE + TICK), near) == "C13 MAX_CREDIT"


def test_a_replace_that_adds_nothing_needs_no_credit() -> None:
    spent = msgspec.structs.replace(at(Level.CLIENT, credit=3 * MILLION), child=CHILD)
    assert code(replace(quantity=400, price=PRICE - TICK), spent) == "approved"


# Losses


@pytest.mark.parametrize("place", LEVELS)
def test_a_name_that_is_halted_sends_nothing(place: Level) -> None:
    assert code(given=at(place, loss=LossStage.WARNED)) == "approved"
    assert code(given=at(place, loss=LossStage.HALTED)) == "C22 LOSS_HALTED"
    assert code(SELL, selling(at(place, loss=LossStage.HALTED, lots=500))) == "C22 LOSS_HALTED"


@pytest.mark.parametrize(
    ("side", "lots", "buying", "selling_now", "verdict"),
    [
        (Side.SELL, 100, 0, 0, "approved"),
        (Side.SELL, 99, 0, 0, "C22 LOSS_REDUCE_ONLY"),
        (Side.SELL, 150, 0, 51, "C22 LOSS_REDUCE_ONLY"),
        (Side.SELL, 150, 0, 50, "approved"),
        (Side.SELL, 0, 500, 0, "C22 LOSS_REDUCE_ONLY"),
        (Side.BUY, -100, 0, 0, "approved"),
        (Side.BUY, -99, 0, 0, "C22 LOSS_REDUCE_ONLY"),
        (Side.BUY, -150, 51, 0, "C22 LOSS_REDUCE_ONLY"),
        (Side.BUY, 100, 0, 0, "C22 LOSS_REDUCE_ONLY"),
    ],
)
def test_a_name_that_may_only_reduce_is_denied_what_its_position_does_not_hold(
    side: Side, lots: int, buying: int, selling_now: int, verdict: str
) -> None:
    given = at(Level.DESK, loss=LossStage.REDUCE_ONLY, lots=lots, buying=buying, selling=selling_now)
    given = msgspec.structs.replace(given, parent=msgspec.structs.replace(given.parent, side=side))
    assert code(submit(side=side), given) == verdict


@pytest.mark.parametrize(("lots", "told"), [(99, 99), (-5, 0)])
def test_a_denial_says_how_much_may_be_reduced(lots: int, told: int) -> None:
    verdict = judge(SELL, selling(at(Level.DESK, loss=LossStage.REDUCE_ONLY, lots=lots, buying=0)))
    assert isinstance(verdict, Denied)
    assert verdict.detail == f"level=desk name=EQUITIES added=100 reducible={told}"


@pytest.mark.parametrize(
    ("loss", "stage"),
    [
        (-MILLION, LossStage.NORMAL),
        (0, LossStage.NORMAL),
        (5_000 * DOLLAR - 1, LossStage.NORMAL),
        (5_000 * DOLLAR, LossStage.WARNED),
        (8_000 * DOLLAR - 1, LossStage.WARNED),
        (8_000 * DOLLAR, LossStage.REDUCE_ONLY),
        (10_000 * DOLLAR - 1, LossStage.REDUCE_ONLY),
        (10_000 * DOLLAR, LossStage.HALTED),
    ],
)
def test_a_loss_has_stages(loss: int, stage: LossStage) -> None:
    assert Gate(LIMITS, REFERENCE).loss_stage(Level.CLIENT, "NORTHWIND", loss) is stage


def test_where_no_loss_is_set_nothing_latches_because_every_order_is_denied_anyway() -> None:
    none = under(Level.CLIENT, max_daily_loss=Decimal(0))
    assert Gate(none, REFERENCE).loss_stage(Level.CLIENT, "NORTHWIND", MILLION) is LossStage.NORMAL
    assert code(under=none) == "C6 NO_LIMIT"


# Rates


@pytest.mark.parametrize(("place", "limit"), list(zip(LEVELS, (20, 25, 26, 27, 28), strict=True)))
def test_every_level_has_a_rate(place: Level, limit: int) -> None:
    assert code(given=sent(place, limit - 1)) == "approved"
    verdict = judge(given=sent(place, limit))
    assert isinstance(verdict, Denied)
    assert verdict.detail.startswith(f"level={place.value} name=")
    assert (verdict.control, verdict.code) == ("C5", "MESSAGE_RATE")


def test_facts_without_levels_are_denied() -> None:
    assert code(given=msgspec.structs.replace(FACTS, levels=())) == "C6 CHECK_FAILED"
    assert code(given=facts(traffic_levels=())) == "C6 CHECK_FAILED"


# Ceilings

LOOSE = Decimal(1 << 60)
LOOSEST = msgspec.structs.replace(
    LIMITS,
    levels={
        key: LevelLimits(
            messages_per_second=1 << 60, max_exposure=LOOSE, max_daily_loss=LOOSE, max_credit=LOOSE
        )
        for key in LIMITS.levels
    },
)


@pytest.mark.parametrize("place", LEVELS)
def test_the_loosest_level_is_still_refused_by_the_ceilings(place: Level) -> None:
    exposure = int(ceilings.MAX_EXPOSURE) * DOLLAR
    assert code(given=at(place, exposure=exposure - 10_000 * DOLLAR), under=LOOSEST) == "approved"
    assert code(given=at(place, exposure=exposure - 9_999 * DOLLAR), under=LOOSEST) == "C11 MAX_EXPOSURE"
    assert code(given=sent(place, ceilings.MAX_MESSAGES_PER_SECOND), under=LOOSEST) == "C5 MESSAGE_RATE"
    loss = int(ceilings.MAX_DAILY_LOSS) * DOLLAR
    assert Gate(LOOSEST, REFERENCE).loss_stage(place, "any", loss) is LossStage.HALTED
    assert Gate(LOOSEST, REFERENCE).loss_stage(place, "any", loss - 1) is LossStage.REDUCE_ONLY


def test_the_loosest_credit_is_still_refused_by_the_ceiling() -> None:
    credit = int(ceilings.MAX_CREDIT) * DOLLAR
    assert code(given=at(Level.CLIENT, credit=credit - 10_000 * DOLLAR), under=LOOSEST) == "approved"
    assert code(given=at(Level.CLIENT, credit=credit - 9_999 * DOLLAR), under=LOOSEST) == "C13 MAX_CREDIT"


def test_a_level_row_has_no_default_that_allows() -> None:
    assert level() != LevelLimits()
    assert not any(getattr(LevelLimits(), name) for name in LevelLimits.__struct_fields__)
