"""Exposure as people see it: by level, against the limits in force, and profit that adds up (C36)."""

from decimal import Decimal
from typing import Any

import pytest

from service.gateway.control import ExposureRow, LimitUse
from service.gateway.exposures import rows
from service.model.orders import Side
from service.model.time import SECOND
from service.risk import LEVELS
from tests.unit.gateway.driver import LIMITS, PRICE, Driver, ms

LOTS = 300
WORTH = Decimal("30000.00")
"""300 AURA at 100 dollars."""


@pytest.fixture
def desk() -> Driver:
    """300 AURA bought at 100 dollars, 100 more are asked for at 99.99 and 50 offered at 100.01."""
    driver = Driver()
    driver.admit(parent_id="P1")
    assert driver.submit("P1.1", quantity=LOTS) == "approved"
    driver.acknowledge("P1.1")
    driver.fill(LOTS, "P1.1")
    assert driver.submit("P1.2", price=PRICE - 100) == "approved"
    driver.admit(parent_id="P2", side=Side.SELL)
    assert driver.submit("P2.1", quantity=50, price=PRICE + 100) == "approved"
    return driver


def by_level(desk: Driver) -> dict[tuple[str, str], ExposureRow]:
    return {(row.level, row.name): row for row in rows(desk.core.state)}


def firm(desk: Driver) -> ExposureRow:
    return by_level(desk)["firm", "SLIPSTREAM"]


def use(row: ExposureRow, limit: str) -> LimitUse:
    return next(one for one in row.limits if one.limit == limit)


def test_every_level_has_its_row_and_the_firm_comes_first(desk: Driver) -> None:
    names = ["firm", "client", "desk", "trader", "strategy", "instrument"]
    assert [row.level for row in rows(desk.core.state)] == names
    assert names[:-1] == [level.value for level in reversed(LEVELS)]


@pytest.mark.parametrize("level", ["firm", "client", "desk", "trader", "strategy", "instrument"])
def test_each_level_counts_what_is_held_and_worked(desk: Driver, level: str) -> None:
    (row,) = (row for row in rows(desk.core.state) if row.level == level)
    assert (row.long, row.short, row.gross, row.net) == (WORTH, 0, WORTH, WORTH)
    assert row.working == Decimal("15000.00")
    assert row.notional == Decimal("40000.00")
    assert row.position == (LOTS if level == "instrument" else 0)


def test_a_short_position_is_short() -> None:
    desk = Driver()
    desk.admit(parent_id="P2", side=Side.SELL)
    assert desk.submit("P2.1", price=PRICE) == "approved"
    desk.fill(100, "P2.1")
    row = firm(desk)
    assert (row.long, row.short, row.gross, row.net) == (0, 10_000, 10_000, -10_000)


def test_limits_are_those_in_force_and_say_what_share_is_used(desk: Driver) -> None:
    rows_ = by_level(desk)
    assert use(firm(desk), "max_exposure") == LimitUse(
        control="C11",
        limit="max_exposure",
        used=Decimal("40000.00"),
        most=Decimal(200_000_000),
        share=0.0002,
    )
    credit = use(rows_["client", "NORTHWIND"], "max_credit")
    assert (credit.control, credit.used) == ("C13", Decimal("45000.00"))
    aura = rows_["instrument", "AURA"]
    used = {one.limit: (one.control, one.used, one.most) for one in aura.limits}
    assert used == {
        "max_long": ("C12", 400, 60_000),
        "max_short": ("C12", 0, 60_000),
        "max_gross": ("C12", 450, 100_000),
    }
    desk.core.state.change_limits(LIMITS.replace("max_long = 60_000", "max_long = 500"))
    assert use(by_level(desk)["instrument", "AURA"], "max_long").share == 0.8


def test_where_nobody_set_a_limit_all_of_it_is_used(desk: Driver) -> None:
    desk.core.state.change_limits(LIMITS.replace("max_exposure = 200_000_000", ""))
    assert use(firm(desk), "max_exposure").share == 1.0


def test_profit_is_open_while_it_is_held_and_realised_when_it_is_sold(desk: Driver) -> None:
    desk.acknowledge("P2.1")
    desk.fill(50, "P2.1", last_price=PRICE + 100)
    row = firm(desk)
    assert (row.realised, row.open) == (Decimal("0.50"), Decimal("0.00"))
    desk.refresh(reference=PRICE + 1000, bid=PRICE + 900, ask=PRICE + 1100)
    row = firm(desk)
    assert (row.realised, row.open) == (Decimal("0.50"), Decimal("25.00"))


def trade(desk: Driver, side: Side, lots: int, price: int) -> None:
    parent_id = f"T{desk.seq}"
    desk.admit(parent_id=parent_id, side=side)
    assert desk.submit(f"{parent_id}.1", quantity=lots, price=price) == "approved"
    desk.fill(lots, f"{parent_id}.1")
    desk.wait(SECOND)
    desk.refresh()


def test_a_position_that_turns_costs_what_the_rest_was_sold_for() -> None:
    desk = Driver()
    trade(desk, Side.BUY, 100, PRICE)
    trade(desk, Side.SELL, 150, PRICE + 2000)
    row = firm(desk)
    assert (row.net, row.realised, row.open) == (-5000, Decimal("20.00"), Decimal("10.00"))
    trade(desk, Side.BUY, 50, PRICE + 2000)
    row = firm(desk)
    assert (row.net, row.realised, row.open) == (0, Decimal("20.00"), 0)


@pytest.mark.parametrize("lots", [1, 33, 99, 100, 101, 250])
def test_what_is_realised_and_open_is_what_the_loss_limit_counts(lots: int) -> None:
    """To the last unit, whatever is rounded in between."""
    desk = Driver()
    trade(desk, Side.BUY, 70, PRICE + 300)
    trade(desk, Side.BUY, 30, PRICE - 700)
    trade(desk, Side.SELL, lots, PRICE + 100)
    for book in desk.core.state.ledger.books.all.values():
        held = book.holdings.values()
        assert sum(h.realised + h.marked - h.cost for h in held) == -book.loss


def test_a_new_day_counts_profit_from_its_first_price(desk: Driver) -> None:
    desk.refresh(reference=PRICE + 1000, bid=PRICE + 900, ask=PRICE + 1100)
    desk.market += 86_400 * SECOND
    desk.utc += ms(1)
    desk.refresh(reference=PRICE + 2000, bid=PRICE + 1900, ask=PRICE + 2100)
    row = firm(desk)
    assert (row.realised, row.open) == (0, Decimal("30.00"))


def test_what_is_over_has_no_row() -> None:
    desk = Driver()
    desk.admit(parent_id="P1")
    assert desk.submit("P1.1") == "approved"
    assert len(rows(desk.core.state)) == 6
    desk.acknowledge("P1.1")
    desk.cancel("P1.1")
    desk.canceled("P1.1")
    assert rows(desk.core.state) == ()


def test_an_order_that_nobody_here_sent_counts_for_its_instrument() -> None:
    desk = Driver()
    fields: dict[str, Any] = {"cl_ord_id": "X", "order_id": "B", "cum_quantity": 0, "order_quantity": 70}
    desk.admit(parent_id="P1")
    assert desk.submit("P1.1") == "approved"
    desk.report("0", desk.order("P1.1").status.NEW, "P1.1", price=PRICE, leaves_quantity=70, **fields)
    (row,) = (row for row in rows(desk.core.state) if row.level == "instrument")
    assert use(row, "max_long").used == 170
    assert firm(desk).working == 10_000
