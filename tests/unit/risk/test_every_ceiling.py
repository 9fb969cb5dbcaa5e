"""Every ceiling bites: the loosest configuration is refused by it, and by it alone.

The cases are held against the names in ``ceilings``, so a ceiling without a test here fails. Each order is
refused as it is, and no more once that one ceiling is lifted out of the way.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
import pytest

from service.model.orders import Side, SubmitChild
from service.model.reference import Instrument, Reference
from service.risk import (
    LEVELS,
    Approved,
    CorrelatedFacts,
    CorrelationLimits,
    DuplicateLimits,
    ExecutionPolicy,
    Facts,
    Gate,
    InstrumentLimits,
    Level,
    LevelLimits,
    Limits,
    Locate,
    LossStage,
    MarketDataLimits,
    Stage,
    TrialFacts,
    ceilings,
)
from tests.unit.risk.orders import DOLLAR, NOW, POLICY, PRICE, REFERENCE, TICK, at, facts, submit, traded

LOOSE = 1 << 60
AHEAD = 1 << 62
NAMES = [name for name in vars(ceilings) if name.isupper() and name not in ("MILLISECOND", "SECOND", "HOUR")]


def loosened(kind: type[msgspec.Struct], **changes: Any) -> Any:
    """Every number of a table as large as it gets."""
    numbers = {
        field.name: Decimal(LOOSE) if field.type in (Decimal, Decimal | None) else LOOSE
        for field in msgspec.structs.fields(kind)
        if field.type in (int, Decimal, Decimal | None, int | None)
    }
    return kind(**{**numbers, **changes})


LOOSEST = Limits(
    currency="USD",
    restricted=frozenset(),
    reduce_only_kill=True,
    strategies={
        "*": loosened(
            ExecutionPolicy,
            order_types=POLICY.order_types,
            times_in_force=POLICY.times_in_force,
            venues=POLICY.venues,
            instruments=POLICY.instruments,
            accounts=POLICY.accounts,
            passive_only=False,
        )
    },
    instruments={"AURA": loosened(InstrumentLimits, locate="not_required")},
    levels={(level, "*"): loosened(LevelLimits) for level in (Level.SESSION, *LEVELS)},
    market_data=loosened(MarketDataLimits),
    duplicates=DuplicateLimits(max_alike=LOOSE, window=1),
    introductions={"policy=twap": "full"},
    correlation=loosened(CorrelationLimits),
)
BOLT = Instrument(symbol="BOLT", venue="XSIM", currency="USD")
WORLD = Reference.model_validate(
    {
        **traded(1 << 60).model_dump(),
        "instruments": [traded(1 << 60).instruments[0].model_dump(), BOLT.model_dump()],
    }
)
BOUGHT = {"parent_quantity": LOOSE, "exposure_working_buy": 0, "ref_volume": LOOSE}
SOLD = {**BOUGHT, "parent_side": Side.SELL}
SELL = submit(side=Side.SELL)
CHEAP = {"ref_reference": TICK, "ref_bid": TICK, "ref_ask": TICK, "parent_arrival_price": TICK}


def together(lots: int, percent: int = 100) -> tuple[CorrelatedFacts, ...]:
    return (
        CorrelatedFacts(
            symbol="BOLT", percent=percent, position=lots, working_buy=0, working_sell=0, price=PRICE
        ),
    )


def located(lots: int, until: int) -> Limits:
    locate = Locate(client="NORTHWIND", symbol="AURA", lots=lots, until=until)
    needed = loosened(InstrumentLimits, locate="required")
    return msgspec.structs.replace(LOOSEST, instruments={"AURA": needed}, locates=(locate,))


TRIAL = msgspec.structs.replace(
    LOOSEST,
    stages={"trial": loosened(Stage, instruments=POLICY.instruments, venues=POLICY.venues)},
    introductions={"policy=twap": "trial"},
)


def on_trial(orders: int = 0, lots: int = 0) -> tuple[TrialFacts, ...]:
    return (TrialFacts(key="policy=twap", orders=orders, lots=lots, buying=0, selling=0),)


class Refused(NamedTuple):
    """What the loosest configuration is still asked to refuse, with the word that it refuses it with."""

    code: str
    command: SubmitChild = submit()
    given: Facts = facts(**BOUGHT)
    under: Limits = LOOSEST
    reference: Reference = WORLD
    lifted: Any = 1 << 61


def world(base: dict[str, Any] = BOUGHT, **changes: Any) -> Facts:
    return facts(**{**base, **changes})


def named(place: Level, **changes: Any) -> Facts:
    """The world with the facts of the name at one level changed."""
    return msgspec.structs.replace(world(), levels=at(place, **changes).levels)


CASES: dict[str, Refused | Callable[[pytest.MonkeyPatch], None]] = {
    "MAX_ORDER_QUANTITY": Refused(
        "MAX_ORDER_QUANTITY",
        submit(quantity=ceilings.MAX_ORDER_QUANTITY + 1, price=TICK),
        world(**CHEAP),
    ),
    "MAX_ORDER_VALUE": Refused("MAX_ORDER_VALUE", submit(quantity=100_001), lifted=Decimal(LOOSE)),
    "MAX_COLLAR_BPS": Refused("PRICE_COLLAR", submit(price=PRICE + 100_100), world(ref_ask=PRICE + 40_000)),
    "MAX_SPREAD_BPS": Refused("WIDE_MARKET", given=world(ref_bid=PRICE - 50_100, ref_ask=PRICE + 50_000)),
    "MAX_DRIFT_BPS": Refused("DRIFT", given=world(parent_arrival_price=PRICE * 10 // 12 - 1)),
    "MAX_CALM_SPREAD_BPS": Refused(
        "TIGHTENED",
        submit(quantity=99_900),
        world(ref_spread_bps=ceilings.MAX_CALM_SPREAD_BPS + 1.0),
    ),
    "MAX_CALM_VOLATILITY_BPS": Refused(
        "TIGHTENED",
        submit(quantity=99_900),
        world(ref_volatility_bps=ceilings.MAX_CALM_VOLATILITY_BPS + 1.0),
    ),
    "MAX_VOLUME_BPS": Refused(
        "MAX_GROSS", given=world(exposure_working_sell=14_901), reference=REFERENCE, lifted=10_000
    ),
    "MAX_PARTICIPATION_BPS": Refused(
        "PARTICIPATION",
        given=world(exposure_traded=ceilings.MAX_FIRST_LOTS, ref_volume=2_000_198),
    ),
    "MAX_FIRST_LOTS": Refused(
        "PARTICIPATION", given=world(exposure_traded=ceilings.MAX_FIRST_LOTS - 99, ref_volume=0)
    ),
    "MAX_CALM_CORRELATION": Refused(
        "CORRELATED",
        given=world(correlated=together(5_000_000, ceilings.MAX_CALM_CORRELATION + 1)),
        lifted=100,
    ),
    "MAX_CORRELATED_EXPOSURE": Refused(
        "CORRELATED", given=world(correlated=together(4_999_901)), lifted=Decimal(LOOSE)
    ),
    "MAX_POSITION": Refused("MAX_LONG", given=world(exposure_position=ceilings.MAX_POSITION - 99)),
    "MAX_GROSS": Refused("MAX_GROSS", given=world(exposure_working_sell=ceilings.MAX_GROSS - 99)),
    "MAX_EXPOSURE": Refused(
        "MAX_EXPOSURE",
        given=named(Level.FIRM, exposure=int(ceilings.MAX_EXPOSURE) * DOLLAR - 9_999 * DOLLAR),
        lifted=Decimal(LOOSE),
    ),
    "MAX_CREDIT": Refused(
        "MAX_CREDIT",
        given=named(Level.CLIENT, credit=int(ceilings.MAX_CREDIT) * DOLLAR - 9_999 * DOLLAR),
        lifted=Decimal(LOOSE),
    ),
    "MAX_MESSAGES_PER_SECOND": Refused(
        "MESSAGE_RATE", given=world(traffic_session=ceilings.MAX_MESSAGES_PER_SECOND)
    ),
    "MAX_ORDERS_PER_MINUTE": Refused(
        "THROTTLE_TRIPPED", given=world(traffic_minute=ceilings.MAX_ORDERS_PER_MINUTE)
    ),
    "MAX_ALIKE": Refused("LOOK_ALIKE", given=world(traffic_alike=ceilings.MAX_ALIKE)),
    "MAX_HEARTBEAT_AGE": Refused(
        "STALE_FEED", given=world(market_heartbeat_utc=NOW.utc - ceilings.MAX_HEARTBEAT_AGE - 1)
    ),
    "MAX_REFERENCE_AGE": Refused(
        "STALE_REFERENCE", given=world(ref_ts_utc=NOW.utc - ceilings.MAX_REFERENCE_AGE - 1)
    ),
    "CLOCK_AHEAD": Refused("CLOCK_TROUBLE", given=world(ref_ts_utc=NOW.utc + ceilings.CLOCK_AHEAD + 1)),
    "MAX_STAGE_ORDER_VALUE": Refused(
        "STAGE_ORDER_VALUE",
        submit(quantity=10_001),
        world(trials=on_trial()),
        TRIAL,
        lifted=Decimal(LOOSE),
    ),
    "MAX_STAGE_ORDERS": Refused(
        "STAGE_ORDERS", given=world(trials=on_trial(ceilings.MAX_STAGE_ORDERS)), under=TRIAL
    ),
    "MAX_STAGE_POSITION": Refused(
        "STAGE_POSITION", given=world(trials=on_trial(0, ceilings.MAX_STAGE_POSITION - 99)), under=TRIAL
    ),
    "MAX_LOCATE_AHEAD": Refused(
        "NO_LOCATE",
        SELL,
        world(SOLD),
        located(LOOSE, NOW.market + ceilings.MAX_LOCATE_AHEAD + 1),
    ),
}


def parent_quantity(patch: pytest.MonkeyPatch) -> None:
    assert _parent(ceilings.MAX_PARENT_QUANTITY + 1, 1) == "MAX_PARENT_QUANTITY"
    patch.setattr(ceilings, "MAX_PARENT_QUANTITY", LOOSE)
    assert _parent(ceilings.MAX_ORDER_QUANTITY * 11, 1) == ""


def parent_value(patch: pytest.MonkeyPatch) -> None:
    assert _parent(1_000_001, PRICE) == "MAX_PARENT_VALUE"
    patch.setattr(ceilings, "MAX_PARENT_VALUE", Decimal(LOOSE))
    assert _parent(1_000_001, PRICE) == ""


def _parent(quantity: int, price: int) -> str:
    verdict = Gate(LOOSEST, WORLD).admissible("AURA", "twap", quantity, price)
    return verdict.code if verdict is not None else ""


def daily_loss(patch: pytest.MonkeyPatch) -> None:
    """At every level, not one unit of value later."""
    most = int(ceilings.MAX_DAILY_LOSS) * DOLLAR
    for level in LEVELS:
        assert Gate(LOOSEST, WORLD).loss_stage(level, "any", most) is LossStage.HALTED
        assert Gate(LOOSEST, WORLD).loss_stage(level, "any", most - 1) is LossStage.REDUCE_ONLY
    patch.setattr(ceilings, "MAX_DAILY_LOSS", Decimal(LOOSE))
    assert Gate(LOOSEST, WORLD).loss_stage(Level.FIRM, "any", most) is LossStage.NORMAL


def alike_window(patch: pytest.MonkeyPatch) -> None:
    assert Gate(LOOSEST, WORLD).alike_window == ceilings.MIN_ALIKE_WINDOW
    patch.setattr(ceilings, "MIN_ALIKE_WINDOW", 0)
    assert Gate(LOOSEST, WORLD).alike_window == 1


CASES |= {
    "MAX_PARENT_QUANTITY": parent_quantity,
    "MAX_PARENT_VALUE": parent_value,
    "MAX_DAILY_LOSS": daily_loss,
    "MIN_ALIKE_WINDOW": alike_window,
}


def judge(case: Refused) -> str:
    verdict = Gate(case.under, case.reference).check(case.command, case.given, NOW)
    return "approved" if isinstance(verdict, Approved) else verdict.code


def test_every_ceiling_has_its_case() -> None:
    assert set(CASES) == set(NAMES)


def test_the_loosest_configuration_lets_an_ordinary_order_through() -> None:
    assert judge(Refused("")) == "approved"
    assert judge(Refused("", SELL, world(SOLD))) == "approved"


@pytest.mark.parametrize("name", CASES)
def test_the_loosest_configuration_is_refused_by_each_ceiling_and_by_it_alone(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES[name]
    if not isinstance(case, Refused):
        case(monkeypatch)
        return
    assert judge(case) == case.code
    monkeypatch.setattr(ceilings, name, case.lifted)
    assert judge(case) == "approved"


def test_the_ceilings_of_positions_hold_for_shorts_too() -> None:
    short = world(SOLD, exposure_position=99 - ceilings.MAX_POSITION)
    assert judge(Refused("", SELL, short)) == "MAX_SHORT"
    beyond = located(LOOSE, NOW.market + 1)
    more = msgspec.structs.replace(
        world(SOLD), levels=at(Level.CLIENT, lots=99 - ceilings.MAX_POSITION, buying=0).levels
    )
    assert judge(Refused("", SELL, more, beyond)) == "NO_LOCATE"
