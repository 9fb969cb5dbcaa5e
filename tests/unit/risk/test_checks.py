"""Every check of the gate counts: an order that it alone refuses goes through without it, or nothing does."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
import pytest

from service.model.orders import Side, SubmitChild
from service.risk import Approved, CorrelatedFacts, Denied, Facts, Gate, Limits, LossStage
from service.risk import gate as gate_module
from service.risk.gate import CHECKS
from tests.unit.risk.orders import (
    FACTS,
    LIMITS,
    NOW,
    PRICE,
    REFERENCE,
    TICK,
    Level,
    at,
    facts,
    limits,
    policy,
    submit,
)
from tests.unit.risk.test_liquidity import BOTH

BAND = {"ref_lower_band": PRICE - TICK, "ref_upper_band": PRICE + TICK}
SELL = facts(parent_side=Side.SELL, exposure_working_buy=0, exposure_position=1000)
TOGETHER = CorrelatedFacts(
    symbol="BOLT", percent=90, position=400_000, working_buy=0, working_sell=0, price=100
)


class Refused(NamedTuple):
    """An order that one check refuses, and no other."""

    code: str
    command: SubmitChild = submit()
    given: Facts = FACTS
    under: Limits = LIMITS


ALONE: dict[str, Refused] = {
    "halted": Refused("KILLED", given=facts(halt_kill="all")),
    "restricted": Refused(
        "RESTRICTED", under=msgspec.structs.replace(LIMITS, restricted=frozenset({"AURA"}))
    ),
    "matches_parent": Refused("PARENT_SIDE", submit(side=Side.SELL)),
    "quantity": Refused("MAX_ORDER_QUANTITY", under=limits(max_order_quantity=99)),
    "parent_quantity": Refused("PARENT_QUANTITY", given=facts(parent_filled=2501)),
    "price": Refused("INVALID_PRICE", submit(price=PRICE + 1)),
    "bands": Refused("LIMIT_UP", submit(price=PRICE + 2 * TICK), facts(**BAND)),
    "passive": Refused("PASSIVE_ONLY", submit(price=PRICE + TICK), under=policy(passive_only=True)),
    "collar": Refused("PRICE_COLLAR", submit(price=PRICE + 101 * TICK)),
    "value": Refused("MAX_ORDER_VALUE", under=policy(max_order_value=Decimal(99))),
    "introduced": Refused("NOT_INTRODUCED", submit(model="m@1")),
    "reduce_only": Refused("KILLED", given=facts(halt_reduce_only="all")),
    "position": Refused("MAX_LONG", given=facts(exposure_position=4501)),
    "located": Refused("NO_LOCATE", submit(side=Side.SELL), SELL, limits(locate="required")),
    "self_match": Refused("SELF_MATCH", given=facts(exposure_own_ask=PRICE)),
    "levels": Refused("LOSS_HALTED", given=at(Level.DESK, loss=LossStage.HALTED)),
    "drift": Refused("DRIFT", given=facts(parent_arrival_price=PRICE * 9 // 10)),
    "tightened": Refused("TIGHTENED", submit(quantity=1000), facts(ref_spread_bps=20.0)),
    "participation": Refused("PARTICIPATION", under=limits(first_lots=0, max_participation_bps=0)),
    "correlated": Refused("CORRELATED", given=msgspec.structs.replace(FACTS, correlated=(TOGETHER,))),
    "alike": Refused("LOOK_ALIKE", given=facts(traffic_alike=3)),
    "rate": Refused("MESSAGE_RATE", given=facts(traffic_session=30)),
    "throttle": Refused("THROTTLE_TRIPPED", given=facts(traffic_minute=50)),
    "soft_blocks": Refused("SOFT_ORDER_QUANTITY", under=limits(soft_order_quantity=99)),
}
FOUNDATIONS = {"parent", "terms", "limits_exist", "permitted", "market_data"}
"""They find what later checks ask about: without one of them no order passes at all."""

Without = Callable[[str], None]


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Without:
    """Takes one check out of the gate, by name."""

    def take_out(name: str) -> None:
        rest = tuple(check for check in CHECKS if check.__name__ != name)
        assert len(rest) == len(CHECKS) - 1
        monkeypatch.setattr(gate_module, "CHECKS", rest)

    return take_out


def judge(case: Refused) -> Approved | Denied:
    return Gate(case.under, BOTH if case.given.correlated else REFERENCE).check(case.command, case.given, NOW)


def test_every_check_is_asked_once_and_has_its_case_here() -> None:
    names = [check.__name__ for check in CHECKS]
    assert len(set(names)) == len(names)
    assert set(names) == set(ALONE) | FOUNDATIONS


@pytest.mark.parametrize("name", ALONE)
def test_what_one_check_alone_refuses_would_go_out_without_it(name: str, without: Without) -> None:
    verdict = judge(ALONE[name])
    assert isinstance(verdict, Denied)
    assert verdict.code == ALONE[name].code
    without(name)
    assert isinstance(judge(ALONE[name]), Approved)


@pytest.mark.parametrize("name", sorted(FOUNDATIONS))
def test_without_what_the_others_rely_on_nothing_goes_out(name: str, without: Without) -> None:
    assert isinstance(judge(Refused("")), Approved)
    without(name)
    verdict = judge(Refused(""))
    assert isinstance(verdict, Denied)
    assert verdict.code == "CHECK_FAILED"


CROSS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    # What an order breaks besides, and which of the two is told: the one that is asked first.
    "a kill before all": ({"quantity": 0}, {"halt_kill": "all"}, "KILLED"),
    "its parent before its terms": ({"child_id": "x"}, {"parent": None}, "UNKNOWN_PARENT"),
    "stale before collar": ({"price": 2 * PRICE}, {"market_heartbeat_utc": 0}, "STALE_FEED"),
    "position before levels": ({}, {"exposure_position": 4501, "traffic_session": 30}, "MAX_LONG"),
    "rate before throttle": ({}, {"traffic_session": 30, "traffic_minute": 50}, "MESSAGE_RATE"),
    "throttle before soft": ({"quantity": 200}, {"traffic_minute": 50}, "THROTTLE_TRIPPED"),
}


@pytest.mark.parametrize(("order", "world", "told"), CROSS.values(), ids=CROSS)
def test_of_several_reasons_the_first_is_told(
    order: dict[str, Any], world: dict[str, Any], told: str
) -> None:
    soft = limits(soft_order_quantity=150)
    verdict = Gate(soft, REFERENCE).check(submit(**order), facts(**world), NOW)
    assert isinstance(verdict, Denied)
    assert verdict.code == told


def test_the_throttle_is_asked_after_every_other_hard_check() -> None:
    """What it switches off would have been sent."""
    names = [check.__name__ for check in CHECKS]
    assert names[-2:] == ["throttle", "soft_blocks"]
