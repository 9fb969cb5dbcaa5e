"""Limits by what the market does today (C9): the share of its volume, and what moves together."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from service.model.orders import Side
from service.model.reference import Instrument, Reference
from service.risk import (
    Approved,
    CorrelatedFacts,
    CorrelationLimits,
    Denied,
    Facts,
    Gate,
    Limits,
    Use,
    ceilings,
)
from tests.unit.risk.orders import CHILD, LIMITS, NOW, REFERENCE, facts, limits, replace, submit

SELL = {"parent_side": Side.SELL, "exposure_working_buy": 0}
SHARE = limits(first_lots=1000, max_participation_bps=2000)
BOTH = Reference.model_validate(
    {
        **REFERENCE.model_dump(),
        "instruments": [
            REFERENCE.instruments[0].model_dump(),
            Instrument(symbol="BOLT", venue="XSIM", currency="USD", price_exponent=2).model_dump(),
        ],
    }
)


def judge(given: Facts, under: Limits, *, side: Side = Side.BUY, **changes: Any) -> Approved | Denied:
    return Gate(under, BOTH).check(submit(side=side, **changes), given, NOW)


def word(verdict: Approved | Denied) -> str:
    return "approved" if isinstance(verdict, Approved) else f"{verdict.control} {verdict.code}"


# Share of the day's volume


@pytest.mark.parametrize(
    ("traded", "buying", "selling", "volume", "verdict"),
    [
        (900, 0, 0, 0, "approved"),
        (901, 0, 0, 0, "C9 PARTICIPATION"),
        (300, 300, 300, 0, "approved"),
        (300, 300, 301, 0, "C9 PARTICIPATION"),
        (901, 0, 0, 5_004, "C9 PARTICIPATION"),
        (901, 0, 0, 5_005, "approved"),
        (1_900, 0, 0, 10_000, "approved"),
        (1_901, 0, 0, 10_000, "C9 PARTICIPATION"),
    ],
)
def test_what_we_trade_is_a_share_of_the_day_so_far_but_for_the_first_lots(
    traded: int, buying: int, selling: int, volume: int, verdict: str
) -> None:
    given = facts(
        exposure_traded=traded,
        exposure_working_buy=buying,
        exposure_working_sell=selling,
        ref_volume=volume,
    )
    assert word(judge(given, SHARE)) == verdict


def test_a_denial_for_volume_says_what_is_ours_and_what_is_not() -> None:
    verdict = judge(facts(exposure_traded=901, exposure_working_buy=0, ref_volume=3_000), SHARE)
    assert isinstance(verdict, Denied)
    assert verdict.detail == "ours=1001 limit=1000 volume=3000"


@pytest.mark.parametrize(
    ("position", "working", "verdict"),
    [(100, 0, "approved"), (99, 0, "C9 PARTICIPATION"), (101, 1, "approved")],
)
def test_what_only_reduces_needs_no_share(position: int, working: int, verdict: str) -> None:
    given = facts(
        **SELL, exposure_traded=5_000, exposure_position=position, exposure_working_sell=working, ref_volume=0
    )
    assert word(judge(given, SHARE, side=Side.SELL)) == verdict


def test_a_replace_counts_what_it_adds() -> None:
    given = facts(child=CHILD, exposure_traded=550, exposure_working_buy=400)
    assert word(Gate(SHARE, BOTH).check(replace(quantity=450), given, NOW)) == "approved"
    assert word(Gate(SHARE, BOTH).check(replace(quantity=451), given, NOW)) == "C9 PARTICIPATION"


def test_nobody_set_a_share_means_none() -> None:
    given = facts(ref_volume=1 << 40)
    assert word(judge(given, limits(first_lots=0, max_participation_bps=0))) == "C9 PARTICIPATION"


@pytest.mark.parametrize(
    ("traded", "volume", "uses"),
    [
        (399, 0, ()),
        (400, 0, (Use("max_participation_bps", "instrument", "AURA", 500, 1000),)),
        (400, 10_000, ()),
        (900, 10_000, (Use("max_participation_bps", "instrument", "AURA", 1000, 2000),)),
        (899, 10_000, ()),
    ],
)
def test_a_person_is_warned_from_half_of_it_on(traded: int, volume: int, uses: tuple[Use, ...]) -> None:
    verdict = judge(facts(exposure_traded=traded, exposure_working_buy=0, ref_volume=volume), SHARE)
    assert isinstance(verdict, Approved)
    assert tuple(use for use in verdict.uses if use.limit == "max_participation_bps") == uses


def test_the_loosest_share_is_still_refused_by_the_ceilings() -> None:
    loose = limits(first_lots=1 << 60, max_participation_bps=1 << 60)
    most = ceilings.MAX_FIRST_LOTS
    for traded, volume, verdict in (
        (most - 100, 0, "approved"),
        (most - 99, 0, "C9 PARTICIPATION"),
        (2 * most - 100, 4 * most, "approved"),
        (2 * most - 99, 4 * most, "C9 PARTICIPATION"),
    ):
        given = facts(exposure_traded=traded, exposure_working_buy=0, ref_volume=volume)
        assert word(judge(given, loose)) == verdict


# What moves together

DOLLARS = 100
"""Of one AURA; BOLT counts in cents."""


def with_bolt(percent: int, position: int = 0, buying: int = 0, selling: int = 0, **changes: Any) -> Facts:
    """BOLT at 50 dollars."""
    price = changes.pop("price", 5_000)
    bolt = CorrelatedFacts(
        symbol="BOLT",
        percent=percent,
        position=position,
        working_buy=buying,
        working_sell=selling,
        price=price,
    )
    given = facts(**{"exposure_working_buy": 0, **changes})
    return msgspec.structs.replace(given, correlated=(bolt,))


@pytest.mark.parametrize(
    ("percent", "position", "verdict"),
    [
        (61, 5_800, "approved"),
        (61, 5_801, "C9 CORRELATED"),
        (60, 50_000, "approved"),
        (-60, -50_000, "approved"),
        (-61, -5_800, "approved"),
        (-61, -5_801, "C9 CORRELATED"),
        (100, -50_000, "approved"),
        (-100, 50_000, "approved"),
    ],
)
def test_a_buy_adds_to_what_gains_with_it_beyond_calm(percent: int, position: int, verdict: str) -> None:
    """300,000 dollars: 10,000 of this order and 290,000 of BOLT."""
    assert word(judge(with_bolt(percent, position), LIMITS)) == verdict


@pytest.mark.parametrize(
    ("percent", "position", "verdict"),
    [(61, -5_801, "C9 CORRELATED"), (61, 50_000, "approved"), (-61, 5_801, "C9 CORRELATED")],
)
def test_a_sell_adds_to_what_loses_with_it(percent: int, position: int, verdict: str) -> None:
    assert word(judge(with_bolt(percent, position, **SELL), LIMITS, side=Side.SELL)) == verdict


@pytest.mark.parametrize(
    ("held", "verdict"),
    [
        ({"position": 5_000, "buying": 800}, "approved"),
        ({"position": 5_000, "buying": 801}, "C9 CORRELATED"),
        ({"position": 5_801, "selling": 5_801}, "C9 CORRELATED"),
    ],
)
def test_what_works_on_its_side_counts_as_filled_and_what_works_against_it_not_at_all(
    held: dict[str, int], verdict: str
) -> None:
    assert word(judge(with_bolt(90, **held), LIMITS)) == verdict


def test_its_own_position_counts_at_its_worst_and_never_as_less_than_nothing() -> None:
    own = {"exposure_position": 700, "exposure_working_buy": 200}
    assert word(judge(with_bolt(90, 4_000, **own), LIMITS)) == "approved"
    assert word(judge(with_bolt(90, 4_001, **own), LIMITS)) == "C9 CORRELATED"
    short = {"exposure_position": -99, "parent_quantity": 9_000}
    assert word(judge(with_bolt(90, 5_998, **short), LIMITS)) == "approved"
    assert word(judge(with_bolt(90, 5_999, **short), LIMITS)) == "C9 CORRELATED"


def test_of_a_sell_its_own_is_what_it_is_short_and_works_to_sell() -> None:
    """100 short, 200 working to be sold, and 100 of this order: 40,000 dollars."""
    own = {**SELL, "exposure_position": -100, "exposure_working_sell": 200}
    assert word(judge(with_bolt(90, -5_200, **own), LIMITS, side=Side.SELL)) == "approved"
    assert word(judge(with_bolt(90, -5_201, **own), LIMITS, side=Side.SELL)) == "C9 CORRELATED"


def test_a_position_that_stays_on_the_other_side_adds_nothing_of_its_own() -> None:
    """Not even to the warning: BOLT is 50 dollars short of half the limit."""
    verdict = judge(with_bolt(90, 2_999, exposure_position=-200), LIMITS)
    assert isinstance(verdict, Approved)
    assert [use for use in verdict.uses if use.limit == "correlated_exposure"] == []
    verdict = judge(with_bolt(90, 3_000, exposure_position=-200), LIMITS)
    assert isinstance(verdict, Approved)
    assert [use.used for use in verdict.uses if use.limit == "correlated_exposure"] == [150_000 * 10**18]


def test_what_only_reduces_is_let_through() -> None:
    assert word(judge(with_bolt(90, 9_000, exposure_position=-100), LIMITS)) == "approved"


def test_several_add_up_and_the_denial_names_them() -> None:
    one = with_bolt(90, 3_000)
    bolt = one.correlated[0]
    twice = msgspec.structs.replace(one, correlated=(bolt, msgspec.structs.replace(bolt, percent=-90), bolt))
    verdict = judge(twice, LIMITS)
    assert isinstance(verdict, Denied)
    assert verdict.detail == "value=310000.00 limit=300000.00 symbols=BOLT,BOLT"


def test_what_is_held_without_a_price_denies() -> None:
    assert word(judge(with_bolt(90, 1, price=0), LIMITS)) == "C16 NO_REFERENCE"
    assert word(judge(with_bolt(90, 1, price=1), LIMITS)) == "approved"
    assert word(judge(with_bolt(90, 0, price=0), LIMITS)) == "approved"


def test_where_nobody_set_a_limit_nothing_is_added_to_what_moves_with_it() -> None:
    """And nobody said what calm is, so that all that is measured counts."""
    none = msgspec.structs.replace(LIMITS, correlation=CorrelationLimits())
    assert word(judge(with_bolt(1, 1), none)) == "C9 CORRELATED"
    assert word(judge(with_bolt(1, -1), none)) == "approved"


@pytest.mark.parametrize(("position", "used"), [(2_799, 0), (2_800, 150_000)])
def test_a_person_is_warned_from_half_of_what_moves_together_on(position: int, used: int) -> None:
    verdict = judge(with_bolt(90, position), LIMITS)
    assert isinstance(verdict, Approved)
    found = [use for use in verdict.uses if use.limit == "correlated_exposure"]
    assert [(u.level, u.name, u.used, u.most) for u in found] == (
        [("instrument", "AURA", used * 10**18, 300_000 * 10**18)] if used else []
    )


def test_the_loosest_correlation_is_still_refused_by_the_ceilings() -> None:
    loose = msgspec.structs.replace(
        LIMITS, correlation=CorrelationLimits(calm_percent=1 << 60, max_exposure=Decimal(1 << 60))
    )
    most = (int(ceilings.MAX_CORRELATED_EXPOSURE) - 100 * DOLLARS) // 50
    assert word(judge(with_bolt(91, most), loose)) == "approved"
    assert word(judge(with_bolt(91, most + 1), loose)) == "C9 CORRELATED"
    assert word(judge(with_bolt(ceilings.MAX_CALM_CORRELATION, most + 1), loose)) == "approved"
