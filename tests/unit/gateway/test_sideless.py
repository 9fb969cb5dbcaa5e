"""Orders that nobody here sent and whose side the broker leaves out: they count on both sides."""

from typing import Any

import pytest

from service.fix.messages import ExecutionReport
from service.gateway.inputs import ExplainInput
from service.model.orders import OrdStatus, Side
from service.model.time import SECOND
from tests.unit.gateway.driver import PRICE, Driver, digest

NAME = "foreign:PHONE-1"


@pytest.fixture
def desk() -> Driver:
    desk = Driver()
    desk.admit()
    return desk


def told(desk: Driver, exec_type: str = "I", **changes: Any) -> None:
    """The broker tells of 300 AURA, and not whether they are bought or sold."""
    fields: dict[str, Any] = {
        "cl_ord_id": "PHONE-1",
        "order_id": "B-77",
        "exec_id": "0" if exec_type == "I" else "X-77",
        "exec_type": exec_type,
        "ord_status": OrdStatus.NEW,
        "symbol": "AURA",
        "order_quantity": 300,
        "price": PRICE + 500,
        "cum_quantity": 0,
        "leaves_quantity": 300,
    }
    desk.feed(ExecutionReport(**{**fields, **changes}))


def executed(desk: Driver, **changes: Any) -> None:
    told(desk, "F", last_quantity=100, last_price=PRICE, cum_quantity=100, leaves_quantity=200, **changes)


def exposure(desk: Driver) -> tuple[int, int, int]:
    found = desk.core.state.ledger.exposure("AURA")
    return found.position, found.working_buy, found.working_sell


def test_it_is_adopted_with_an_alarm_and_counts_on_both_sides(desk: Driver) -> None:
    told(desk)
    assert desk.alarms() == ["FOREIGN_ORDER"]
    assert exposure(desk) == (0, 300, 300)
    assert not desk.order(NAME).snapshot().side_told


def test_none_of_our_orders_may_trade_with_it_on_either_side(desk: Driver) -> None:
    told(desk)
    resting = desk.core.state.ledger.resting
    assert (resting.best("AURA", Side.BUY), resting.best("AURA", Side.SELL)) == (PRICE + 500, PRICE + 500)


def test_what_it_executed_is_no_position_goes_on_counting_and_stops_the_instrument(desk: Driver) -> None:
    executed(desk)
    assert exposure(desk) == (0, 300, 300)
    told(desk, cum_quantity=100, leaves_quantity=200, ord_status=OrdStatus.PARTIALLY_FILLED)
    assert desk.order(NAME).unknown
    told(desk, cum_quantity=100, leaves_quantity=0, ord_status=OrdStatus.CANCELED)
    assert desk.order(NAME).unknown
    assert exposure(desk) == (0, 100, 100)
    desk.refresh()
    desk.submit()
    assert desk.denial() == ("C35", "UNRECONCILED")


def test_over_without_an_execution_it_counts_nothing(desk: Driver) -> None:
    told(desk)
    told(desk, "4", ord_status=OrdStatus.CANCELED, leaves_quantity=0)
    assert exposure(desk) == (0, 0, 0)


@pytest.mark.parametrize("side", list(Side))
def test_once_a_report_tells_the_side_it_counts_on_that_side_alone(desk: Driver, side: Side) -> None:
    executed(desk)
    told(desk, side=side, cum_quantity=100, leaves_quantity=200, ord_status=OrdStatus.PARTIALLY_FILLED)
    order = desk.order(NAME)
    assert (order.side, order.unknown, order.snapshot().side_told) == (side, False, True)
    assert exposure(desk) == (side.sign * 100, *((200, 0) if side is Side.BUY else (0, 200)))
    resting = desk.core.state.ledger.resting
    assert resting.best("AURA", side) == PRICE + 500
    assert resting.best("AURA", side.opposite) == 0


def test_a_person_may_tell_the_side(desk: Driver) -> None:
    executed(desk)
    said = ExplainInput(
        child_id=NAME,
        status=OrdStatus.CANCELED,
        cum_quantity=100,
        by="bob",
        reason="by phone",
        side=Side.SELL,
    )
    desk.feed(said)
    assert exposure(desk) == (-100, 0, 0)
    assert not desk.order(NAME).unknown


def test_a_kill_asks_for_its_cancel_with_one_side_and_then_with_the_other(desk: Driver) -> None:
    told(desk)
    desk.kill()
    desk.refuse_cancel(NAME, cxl_rej_reason=1)
    desk.tick(6 * SECOND)
    assert {request.side for request in desk.cancels_sent} == set(Side)


def test_the_journal_gives_it_all_again(desk: Driver) -> None:
    told(desk)
    executed(desk)
    desk.kill()
    desk.tick(6 * SECOND)
    assert digest(desk.replayed()) == digest(desk.core)
    told(desk, side=Side.SELL, cum_quantity=100, leaves_quantity=200, ord_status=OrdStatus.PARTIALLY_FILLED)
    assert digest(desk.replayed()) == digest(desk.core)
