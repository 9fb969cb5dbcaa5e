"""Daily losses (C22): stages, latches, restarts, and how a person arms again."""

import pytest

from service.gateway.inputs import ArmInput
from service.model.events import Alarm
from service.model.orders import Side
from service.model.records import AuditEntry
from service.model.time import SECOND
from service.risk import LEVELS, Level, LossStage
from tests.unit.gateway.driver import LIMITS, MARKET, PRICE, Driver, digest

DAY = 86_400 * SECOND
TIGHT = LIMITS.replace("max_daily_loss = 500_000", "max_daily_loss = 1_000")
"""Strategies and traders lose at most 1,000 dollars a day: 10 dollars on 100 lots."""


@pytest.fixture
def desk() -> Driver:
    """Long 100 AURA at 100 dollars, another order working, and a parent to sell with."""
    desk = Driver(limits=TIGHT)
    desk.admit()
    desk.admit(parent_id="S1", side=Side.SELL)
    desk.submit("P1.1")
    desk.fill(100)
    desk.submit("P1.2", price=PRICE - 100)
    desk.acknowledge("P1.2")
    return desk


def at(desk: Driver, dollars: float) -> None:
    """The market is so many dollars lower than we bought."""
    mid = PRICE - int(dollars * 10_000)
    desk.refresh(reference=mid, bid=mid - 100, ask=mid + 100)


def arm(desk: Driver, scope: str, by: str = "carol") -> str:
    desk.feed(ArmInput(scope=scope, by=by, reason="talked to the desk"))
    return desk.events(AuditEntry)[-1].outcome


def stages(desk: Driver) -> dict[str, LossStage]:
    return {level.value: book.stage for (level, _), book in desk.core.state.ledger.books.all.items()}


def sell(desk: Driver, number: int, price: int, quantity: int = 50) -> str:
    return desk.submit(f"S1.{number}", price=price, quantity=quantity, side=Side.SELL)


def test_half_of_the_limit_warns_once_and_stops_nothing(desk: Driver) -> None:
    at(desk, 5)
    at(desk, 6)
    alarms = [alarm for alarm in desk.events(Alarm) if alarm.code == "LOSS_WARNED"]
    assert [alarm.detail for alarm in alarms] == [
        "level=strategy name=twap loss=500.00 limit=1000",
        "level=trader name=alice loss=500.00 limit=1000",
    ]
    assert desk.submit("P1.3", price=PRICE - 60_000) == "approved"


def test_a_warning_comes_again_after_the_loss_was_made_good(desk: Driver) -> None:
    for dollars in (5, 0, 5):
        at(desk, dollars)
    assert desk.alarms().count("LOSS_WARNED") == 4


def test_from_80_percent_orders_only_reduce_even_when_the_price_comes_back(desk: Driver) -> None:
    at(desk, 8)
    at(desk, 0)
    assert desk.submit("P1.3") == "LOSS_REDUCE_ONLY"
    assert desk.denial() == ("C22", "LOSS_REDUCE_ONLY")
    assert sell(desk, 1, PRICE, 60) == "approved"
    assert sell(desk, 2, PRICE, 41) == "LOSS_REDUCE_ONLY"
    assert desk.order("P1.2").insist == ""


def test_at_the_limit_nothing_goes_out_and_what_works_is_cancelled(desk: Driver) -> None:
    at(desk, 10)
    assert [r.orig_cl_ord_id for r in desk.cancels_sent] == [desk.order("P1.2").cl_ord_id]
    at(desk, 0)
    assert desk.submit("P1.3") == "LOSS_HALTED"
    assert sell(desk, 1, PRICE, 10) == "LOSS_HALTED"


def test_a_realised_loss_counts_like_an_open_one(desk: Driver) -> None:
    desk.cancel("P1.2")
    desk.canceled("P1.2")
    at(desk, 4)
    sell(desk, 1, PRICE - 40_000, 100)
    desk.fill(100, "S1.1")
    at(desk, 0)
    book = desk.core.state.ledger.books.all[Level.FIRM, "SLIPSTREAM"]
    assert book.loss == 400 * 10**18
    assert (book.marked, book.cash) == (0, -400 * 10**18)


def test_a_busted_fill_takes_its_loss_back(desk: Driver) -> None:
    at(desk, 5)
    order = desk.order("P1.1")
    desk.report("H", order.status, "P1.1", exec_ref_id=next(iter(order.executions)))
    book = desk.core.state.ledger.books.all[Level.STRATEGY, "twap"]
    assert (book.loss, book.traded) == (0, 0)


@pytest.mark.parametrize("dollars", [8, 10])
def test_a_latch_survives_a_restart(desk: Driver, dollars: int) -> None:
    at(desk, dollars)
    before = desk.submit("P1.3", price=PRICE - dollars * 10_000)
    again = desk.replayed()
    assert digest(again) == digest(desk.core)
    desk.core = again
    desk.start()
    desk.log_on()
    for child in ("P1.1", "P1.2"):
        order = desk.order(child)
        if order.unknown:
            desk.report("I", order.status, child, cum_quantity=order.cum_quantity)
    desk.refresh()
    assert before in ("LOSS_REDUCE_ONLY", "LOSS_HALTED")
    assert desk.submit("P1.4") == before


def test_a_named_person_arms_each_name_again_and_the_loss_counts_from_there(desk: Driver) -> None:
    at(desk, 8)
    assert arm(desk, "strategy=twap") == "armed loss"
    assert desk.submit("P1.3", price=PRICE - 80_000) == "LOSS_REDUCE_ONLY"
    assert arm(desk, "trader=alice") == "armed loss"
    assert desk.submit("P1.4", price=PRICE - 80_000) == "approved"
    at(desk, 12)
    assert stages(desk)["strategy"] is LossStage.NORMAL
    at(desk, 16)
    assert stages(desk)["strategy"] is LossStage.REDUCE_ONLY


@pytest.mark.parametrize(
    ("scope", "by"),
    [
        ("strategy=twap", ""),
        ("strategy=vwap", "carol"),
        ("twap", "carol"),
        ("what=twap", "carol"),
        ("", "carol"),
    ],
)
def test_nobody_and_nothing_known_arms_nothing(desk: Driver, scope: str, by: str) -> None:
    at(desk, 10)
    assert arm(desk, scope, by) == "nothing to arm"
    assert stages(desk)["strategy"] is LossStage.HALTED


def test_a_new_day_counts_anew_but_opens_no_latch(desk: Driver) -> None:
    at(desk, 8)
    desk.market += DAY
    at(desk, 8)
    book = desk.core.state.ledger.books.all[Level.TRADER, "alice"]
    assert (book.loss, book.traded, book.stage) == (0, 0, LossStage.REDUCE_ONLY)
    desk.market = MARKET
    at(desk, 9)
    assert book.loss == 100 * 10**18


def test_what_is_held_is_valued_once_a_second_without_any_order(desk: Driver) -> None:
    books = desk.core.state.ledger.books
    assert not books.mark_due("AURA", PRICE - 100, desk.utc + SECOND - 1)
    assert books.mark_due("AURA", PRICE - 100, desk.utc + SECOND)
    assert not books.mark_due("AURA", PRICE, desk.utc + SECOND)
    assert not books.mark_due("AURA", 0, desk.utc + SECOND)
    assert not books.mark_due("BOLT", PRICE, desk.utc + SECOND)


def test_what_is_neither_held_nor_worked_any_more_is_not_valued(desk: Driver) -> None:
    desk.cancel("P1.2")
    desk.canceled("P1.2")
    assert desk.core.state.ledger.books.mark_due("AURA", PRICE - 100, desk.utc + SECOND)
    sell(desk, 1, PRICE, 100)
    assert desk.core.state.ledger.books.mark_due("AURA", PRICE - 100, desk.utc + SECOND)
    desk.fill(100, "S1.1")
    assert not desk.core.state.ledger.books.mark_due("AURA", PRICE - 100, desk.utc + SECOND)


def test_a_loss_stops_the_name_that_has_it_and_nobody_else(desk: Driver) -> None:
    desk.admit(parent_id="B1", trader="bob", policy="vwap")
    at(desk, 10)
    assert desk.submit("B1.1", price=PRICE - 100_000) == "approved"
    assert desk.submit("P1.3", price=PRICE - 100_000) == "LOSS_HALTED"


def dollars(desk: Driver, level: Level) -> int:
    """Exposure of the only name at this level."""
    return (
        next(b.exposure for (at, _), b in desk.core.state.ledger.books.all.items() if at is level) // 10**18
    )


@pytest.mark.parametrize("level", LEVELS)
def test_an_order_counts_at_every_level_when_it_is_sent_and_until_the_broker_lets_go(level: Level) -> None:
    desk = Driver()
    desk.admit()
    desk.hold = True
    desk.submit("P1.1")
    assert dollars(desk, level) == 10_000
    desk.release_held()
    desk.acknowledge()
    desk.cancel()
    assert dollars(desk, level) == 10_000
    desk.fill(30)
    assert dollars(desk, level) == 10_000
    desk.canceled()
    assert dollars(desk, level) == 3_000
