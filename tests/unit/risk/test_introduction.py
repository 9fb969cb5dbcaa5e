"""What is new trades little, until people have widened its stage (C39)."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from service.model.orders import OrdType, Side
from service.risk import FULL, Approved, Code, Facts, Gate, Limits, Stage, TrialFacts, ceilings
from tests.unit.risk.orders import CHILD, FACTS, LIMITS, NOW, PRICE, REFERENCE, TICK, facts, replace, submit

ANY = frozenset({"*"})
SMALL = Stage(
    instruments=frozenset({"AURA"}),
    venues=ANY,
    max_order_value=Decimal(20_000),
    max_orders_per_day=10,
    max_position=1_000,
)
NEW = {"policy=twap": FULL, "model=old@1": FULL, "model=new@2": "small"}


def under(introductions: dict[str, str] = NEW, **changes: Any) -> Limits:
    stages = {"small": msgspec.structs.replace(SMALL, **changes), "wide": SMALL}
    return msgspec.structs.replace(LIMITS, stages=stages, introductions=introductions)


def trial(key: str = "model=new@2", **done: Any) -> TrialFacts:
    fields: dict[str, Any] = {"key": key, "orders": 0, "lots": 0, "buying": 0, "selling": 0}
    return TrialFacts(**{**fields, **done})


def verdict(limits: Limits, command: Any = None, given: Facts = FACTS, *trials: TrialFacts) -> str:
    """``approved``, or control, code and detail of the denial."""
    with_trials = msgspec.structs.replace(given, trials=trials or (trial(),))
    found = Gate(limits, REFERENCE).check(command or submit(model="new@2"), with_trials, NOW)
    return "approved" if isinstance(found, Approved) else f"{found.control} {found.code} {found.detail}"


def test_what_is_introduced_in_full_has_no_limits_but_the_others() -> None:
    nothing = under(max_orders_per_day=0)
    assert verdict(nothing, submit()) == "approved"
    assert verdict(nothing, submit(model="old@1")) == "approved"


@pytest.mark.parametrize(
    ("introductions", "model", "of"),
    [
        ({}, "", "policy=twap"),
        ({"policy=twap": FULL}, "old@1", "model=old@1"),
        ({"policy=twap": FULL, "model=old@1": FULL}, "old@2", "model=old@2"),
        ({"policy=twap": "nowhere"}, "", "policy=twap"),
        ({"policy=*": FULL}, "", "policy=twap"),
        ({"policy=twap": FULL, "model=*": FULL}, "old@1", "model=old@1"),
        ({"policy=old@1": FULL, "policy=twap": FULL}, "old@1", "model=old@1"),
    ],
)
def test_what_nobody_has_introduced_trades_nothing_and_nothing_new_starts_in_full(
    introductions: dict[str, str], model: str, of: str
) -> None:
    trials = (trial("policy=twap"), trial(f"model={model}"))
    expected = f"C39 NOT_INTRODUCED of={of}"
    assert verdict(under(introductions), submit(model=model), FACTS, *trials) == expected


def test_a_changed_model_begins_again_where_everything_new_does() -> None:
    widened = {"policy=twap": FULL, "model=new@2": FULL, "model=*": "small"}
    big = submit(quantity=201, model="new@2")
    assert verdict(under(widened), big) == "approved"
    changed = verdict(under(widened), submit(quantity=201, model="new@3"), FACTS, trial("model=new@3"))
    assert changed.startswith("C39 STAGE_ORDER_VALUE of=model=new@3 stage=small")


def test_a_new_policy_is_held_to_its_stage_whoever_decides() -> None:
    limits = under({"policy=*": "small", "model=old@1": FULL})
    for model in ("", "old@1"):
        denial = verdict(limits, submit(quantity=201, model=model), FACTS, trial("policy=twap"))
        assert denial.startswith("C39 STAGE_ORDER_VALUE of=policy=twap")


def test_policy_and_model_are_each_held_to_their_own_stage() -> None:
    limits = under({"policy=*": "wide", "model=*": "small"}, max_orders_per_day=5)
    both = (trial("policy=twap", orders=4), trial(orders=4))
    assert verdict(limits, None, FACTS, *both) == "approved"
    assert "of=model=new@2" in verdict(limits, None, FACTS, both[0], trial(orders=5))
    assert "of=policy=twap" in verdict(limits, None, FACTS, trial("policy=twap", orders=10), both[1])


def test_instruments_and_venues_are_those_of_the_stage() -> None:
    assert verdict(under(instruments=frozenset({"BOLT"}))) == (
        "C39 STAGE_INSTRUMENT of=model=new@2 stage=small instrument=AURA"
    )
    assert verdict(under(instruments=ANY)) == "approved"
    lit = under(venues=frozenset({"XSIM"}))
    assert verdict(lit) == "C39 STAGE_VENUE of=model=new@2 stage=small venue=any"
    assert verdict(lit, submit(model="new@2", venue="XSIM")) == "approved"
    none = under(venues=frozenset())
    assert verdict(none, submit(model="new@2", venue="XSIM")).endswith("venue=XSIM")


def test_a_replace_stays_where_it_is_and_is_held_to_value_and_number() -> None:
    child = msgspec.structs.replace(CHILD, quantity=100, filled=0)
    given = facts(child=child)
    lit = under(venues=frozenset({"XSIM"}))
    assert verdict(lit, replace(model="new@2", quantity=200), given) == "approved"
    assert "STAGE_ORDER_VALUE" in verdict(lit, replace(model="new@2", quantity=201), given)
    assert "STAGE_ORDERS" in verdict(lit, replace(model="new@2", quantity=200), given, trial(orders=10))


def test_the_value_of_an_order_is_that_of_the_stage_a_market_order_at_its_worst() -> None:
    assert verdict(under(), submit(quantity=200, model="new@2")) == "approved"
    assert verdict(under(), submit(quantity=201, model="new@2")) == (
        "C39 STAGE_ORDER_VALUE of=model=new@2 stage=small value=201000000 limit=200000000"
    )
    market = {"ord_type": OrdType.MARKET, "price": 0, "model": "new@2"}
    assert verdict(under(), submit(quantity=198, **market)) == "approved"
    assert "STAGE_ORDER_VALUE" in verdict(under(), submit(quantity=199, **market))
    worst = verdict(under(), submit(quantity=199, **market), facts(ref_reference=PRICE + 1))
    assert worst.endswith(f"value={1_010_002 * 199} limit=200000000")


def test_the_number_of_orders_in_a_day_is_that_of_the_stage() -> None:
    assert verdict(under(), None, FACTS, trial(orders=9)) == "approved"
    assert verdict(under(), None, FACTS, trial(orders=10)) == (
        "C39 STAGE_ORDERS of=model=new@2 stage=small sent=10 limit=10"
    )


@pytest.mark.parametrize(
    ("side", "done", "allowed"),
    [
        (Side.BUY, {"lots": 900}, True),
        (Side.BUY, {"lots": 901}, False),
        (Side.BUY, {"lots": 500, "buying": 401}, False),
        (Side.BUY, {"lots": 500, "buying": 400, "selling": 900}, True),
        (Side.SELL, {"lots": -900}, True),
        (Side.SELL, {"lots": -901}, False),
        (Side.SELL, {"lots": -500, "selling": 401}, False),
        (Side.SELL, {"lots": 1_000}, True),
    ],
)
def test_the_position_is_that_of_the_stage_working_orders_counted(
    side: Side, done: dict[str, int], allowed: bool
) -> None:
    given = facts(parent_side=side, exposure_working_buy=0, exposure_position=1_000)
    found = verdict(under(), submit(side=side, model="new@2"), given, trial(**done))
    assert found == ("approved" if allowed else found)
    assert allowed or found == ("C39 STAGE_POSITION of=model=new@2 stage=small position=1001 limit=1000")


def test_a_replace_that_adds_nothing_needs_no_room() -> None:
    child = msgspec.structs.replace(CHILD, quantity=200, filled=0)
    smaller = replace(model="new@2", quantity=150, price=PRICE + TICK)
    assert verdict(under(), smaller, facts(child=child), trial(lots=5_000)) == "approved"


def test_facts_that_are_missing_deny() -> None:
    other = (trial("model=else@1"),)
    assert verdict(under(), None, FACTS, *other) == "C39 NOT_INTRODUCED of=model=new@2 facts=missing"


@pytest.mark.parametrize(
    ("done", "near"),
    [
        ({"orders": 3}, []),
        ({"orders": 4}, [("max_orders_per_day", "model", "new@2", 5, 10)]),
        ({"lots": 399}, []),
        ({"lots": 400}, [("max_position", "model", "new@2", 500, 1_000)]),
    ],
)
def test_half_of_a_stage_is_warned_of(done: dict[str, int], near: list[tuple[Any, ...]]) -> None:
    given = msgspec.structs.replace(FACTS, trials=(trial(**done),))
    found = Gate(under(), REFERENCE).check(submit(model="new@2"), given, NOW)
    assert isinstance(found, Approved)
    assert [tuple(use) for use in found.uses if use.level == "model"] == near


def test_half_of_an_odd_number_of_orders_is_the_greater_half() -> None:
    odd = under(max_orders_per_day=11)
    for orders, warned in ((4, False), (5, True)):
        given = msgspec.structs.replace(FACTS, trials=(trial(orders=orders),))
        found = Gate(odd, REFERENCE).check(submit(model="new@2"), given, NOW)
        assert isinstance(found, Approved)
        assert any(use.level == "model" for use in found.uses) is warned


def test_a_name_is_told_whole_whatever_stands_in_it() -> None:
    given = msgspec.structs.replace(FACTS, trials=(trial("model=a=b@1", orders=9),))
    limits = under({"policy=twap": FULL, "model=*": "small"})
    found = Gate(limits, REFERENCE).check(submit(model="a=b@1"), given, NOW)
    assert isinstance(found, Approved)
    assert [(use.level, use.name) for use in found.uses if use.limit == "max_orders_per_day"] == [
        ("model", "a=b@1")
    ]


def test_the_loosest_stage_is_still_refused_by_its_ceilings() -> None:
    loose = 1 << 60
    everything = {
        "instruments": ANY,
        "venues": ANY,
        "max_order_value": Decimal(loose),
        "max_orders_per_day": loose,
        "max_position": loose,
    }
    wide = msgspec.structs.replace(
        under(**everything),
        instruments={
            "AURA": msgspec.structs.replace(
                LIMITS.instruments["AURA"], max_order_quantity=loose, max_order_value=Decimal(loose)
            )
        },
        strategies={"*": msgspec.structs.replace(LIMITS.strategies["*"], max_order_value=Decimal(loose))},
    )
    given = facts(parent_quantity=loose)
    most = int(ceilings.MAX_STAGE_ORDER_VALUE) // 100
    assert Code.STAGE_ORDER_VALUE not in verdict(wide, submit(quantity=most, model="new@2"), given)
    assert Code.STAGE_ORDER_VALUE in verdict(wide, submit(quantity=most + 1, model="new@2"), given)
    orders = ceilings.MAX_STAGE_ORDERS
    assert verdict(wide, None, given, trial(orders=orders - 1)) == "approved"
    assert Code.STAGE_ORDERS in verdict(wide, None, given, trial(orders=orders))
    lots = ceilings.MAX_STAGE_POSITION
    assert verdict(wide, None, given, trial(lots=lots - 100)) == "approved"
    assert Code.STAGE_POSITION in verdict(wide, None, given, trial(lots=lots - 99))
