"""Where one price unit, one unit of value or one word is all the difference."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from service.model.orders import ReplaceChild, SubmitChild
from service.model.reference import Reference
from service.risk import Approved, Denied, Facts, Gate, Level, Limits, LossStage
from tests.unit.risk.orders import FACTS, LIMITS, NOW, PRICE, REFERENCE, facts, level, limits, submit, traded

FINE = Reference.model_validate(
    {**REFERENCE.model_dump(), "instruments": [{**REFERENCE.instruments[0].model_dump(), "tick": 1}]}
)
"""Every price unit is a tick."""
CENT: dict[str, Any] = {"ref_bid": 1, "ref_ask": 1, "ref_last": 1, "ref_reference": 1, "ref_open": 1}
"""A market that trades, locked, at one price unit."""


def judge(
    command: SubmitChild | ReplaceChild | None = None,
    given: Facts = FACTS,
    *,
    under: Limits = LIMITS,
    on: Reference = FINE,
) -> str:
    """``approved``, or code and detail of the denial."""
    verdict = Gate(under, on).check(command or submit(), given, NOW)
    if isinstance(verdict, Approved):
        return "approved"
    assert isinstance(verdict, Denied)
    return f"{verdict.control} {verdict.code} {verdict.detail}"


def test_one_price_unit_past_the_parents_limit_is_past_it() -> None:
    assert judge(given=facts(parent_limit_price=PRICE)) == "approved"
    verdict = judge(given=facts(parent_limit_price=PRICE - 1))
    assert verdict == f"C19 PARENT_LIMIT_PRICE price={PRICE} limit={PRICE - 1} side=BUY"


def test_a_market_of_one_price_unit_is_a_market() -> None:
    """Reference, price and arrival of one are each more than none."""
    assert judge(submit(price=1), facts(parent_arrival_price=1, **CENT)) == "approved"


@pytest.mark.parametrize("name", ["collar_bps", "max_drift_bps"])
def test_a_limit_of_one_basis_point_is_a_limit(name: str) -> None:
    assert judge(under=limits(**{name: 1})) == "approved"
    assert judge(under=limits(**{name: 0})).startswith("C6 NO_LIMIT")


def test_a_parents_id_may_have_dots() -> None:
    given = facts(parent_id="DESK.7")
    assert judge(submit(parent_id="DESK.7", child_id="DESK.7.4"), given) == "approved"
    assert "MALFORMED_CHILD_ID" in judge(submit(parent_id="DESK.7", child_id="DESK.4"), given)


def test_what_is_wrong_with_a_clock_is_told() -> None:
    assert judge(given=facts(halt_clock="unsynchronised")) == "C47 CLOCK_TROUBLE trouble=unsynchronised"


def test_a_kill_that_the_limits_let_nothing_out_of_is_told_as_what_it_is() -> None:
    assert judge(given=facts(halt_reduce_only="reduce-only all")) == "C23 KILLED scope=reduce-only_all"


def test_a_share_of_a_days_volume_is_whole_lots() -> None:
    """A tenth of 50,005 lots."""
    given = facts(exposure_working_buy=4_900)
    assert judge(submit(), given, on=traded(50_005)) == "approved"
    given = facts(exposure_working_buy=4_901)
    roomy = limits(max_long=10_000)
    verdict = judge(submit(), given, under=roomy, on=traded(50_005))
    assert verdict == "C12 MAX_GROSS gross=5001 limit=5000"


def test_a_soft_share_of_a_days_volume_is_whole_lots() -> None:
    """A tenth of 50,005 lots, and nine hundredths as the soft limit."""
    verdict = judge(
        submit(), facts(exposure_working_buy=4_401), under=limits(soft_volume_bps=900), on=traded(50_005)
    )
    assert verdict.startswith("C20 SOFT_VOLUME")
    assert "limit=4500" in verdict.split()


def test_a_share_of_the_volume_so_far_is_whole_lots() -> None:
    """A tenth of 10,005 lots."""
    given = facts(exposure_working_buy=400, exposure_traded=501, ref_volume=10_005)
    verdict = judge(given=given, under=limits(first_lots=10))
    assert verdict == "C9 PARTICIPATION ours=1001 limit=1000 volume=10005"


@pytest.mark.parametrize("most", ["10000.01", "9999.99", "0.000000000000000003", "123456.789"])
def test_stages_of_a_loss_begin_at_the_exact_unit_of_value(most: str) -> None:
    changed = {**LIMITS.levels, (Level.FIRM, "*"): level(max_daily_loss=Decimal(most))}
    gate = Gate(msgspec.structs.replace(LIMITS, levels=changed), REFERENCE)
    whole = int(Decimal(most) * 10**18)

    def stage(loss: int) -> LossStage:
        return gate.loss_stage(Level.FIRM, "SLIPSTREAM", loss)

    for share, before, after in (
        (LossStage.WARNED, LossStage.NORMAL, LossStage.WARNED),
        (LossStage.REDUCE_ONLY, LossStage.WARNED, LossStage.REDUCE_ONLY),
        (LossStage.HALTED, LossStage.REDUCE_ONLY, LossStage.HALTED),
    ):
        begins = whole * share // 100
        assert (stage(begins - 1), stage(begins)) == (before, after)
