"""What our own orders are to each other, through the core: look-alikes (C14), prices that match (C17)."""

import pytest

from service.model.orders import OrdStatus, OrdType, Side, TimeInForce
from tests.unit.gateway.driver import LIMITS, PRICE, Driver, digest, ms

ALIKE = LIMITS.replace("max_alike = 10", "max_alike = 2")
TICK = 100


@pytest.fixture
def desk() -> Driver:
    """A buyer and a seller; two orders may look alike within half a second."""
    desk = Driver(limits=ALIKE)
    desk.admit()
    desk.admit(parent_id="S1", side=Side.SELL)
    return desk


def buy(desk: Driver, number: int, price: int = PRICE, quantity: int = 10, **changes: object) -> str:
    return desk.submit(f"P1.{number}", price=price, quantity=quantity, **changes)


def sell(desk: Driver, number: int, price: int = PRICE, quantity: int = 10, **changes: object) -> str:
    return desk.submit(f"S1.{number}", price=price, quantity=quantity, side=Side.SELL, **changes)


# Look-alikes


def test_the_third_of_one_look_is_denied_until_the_window_has_passed(desk: Driver) -> None:
    assert [buy(desk, n) for n in (1, 2, 3)] == ["approved", "approved", "LOOK_ALIKE"]
    assert desk.denial() == ("C14", "LOOK_ALIKE")
    desk.wait(ms(499))
    assert buy(desk, 4) == "LOOK_ALIKE"
    desk.wait(ms(1))
    assert buy(desk, 5) == "approved"


def test_another_parent_does_not_make_it_another_order(desk: Driver) -> None:
    desk.admit(parent_id="P2")
    assert [buy(desk, n) for n in (1, 2)] == ["approved", "approved"]
    assert desk.submit("P2.1", price=PRICE, quantity=10) == "LOOK_ALIKE"


def test_another_price_quantity_or_side_is_another_order(desk: Driver) -> None:
    assert [buy(desk, n) for n in (1, 2)] == ["approved", "approved"]
    assert buy(desk, 3, quantity=11) == "approved"
    assert buy(desk, 4, price=PRICE - TICK) == "approved"
    assert sell(desk, 1, price=PRICE + TICK) == "approved"


def test_what_was_denied_does_not_count(desk: Driver) -> None:
    assert [buy(desk, n, venue="nowhere") for n in (1, 2)] == ["NOT_PERMITTED"] * 2
    assert [buy(desk, n) for n in (3, 4)] == ["approved", "approved"]


def test_a_clock_that_jumps_back_forgets_none(desk: Driver) -> None:
    assert [buy(desk, n) for n in (1, 2)] == ["approved", "approved"]
    desk.utc -= ms(900)
    assert buy(desk, 3) == "LOOK_ALIKE"


# Our own prices


def test_an_order_that_would_meet_a_resting_one_of_ours_is_denied(desk: Driver) -> None:
    assert sell(desk, 1) == "approved"
    assert buy(desk, 1) == "SELF_MATCH"
    assert desk.denial() == ("C17", "SELF_MATCH")
    assert buy(desk, 2, price=PRICE - TICK) == "approved"
    assert buy(desk, 3, ord_type=OrdType.MARKET, price=0) == "SELF_MATCH"
    assert sell(desk, 2, price=PRICE - TICK) == "SELF_MATCH"


def test_it_rests_before_the_broker_has_said_a_word_and_until_it_says_the_last(desk: Driver) -> None:
    desk.hold = True
    assert sell(desk, 1) == "approved"
    assert buy(desk, 1) == "SELF_MATCH"
    desk.release_held()
    desk.hold = False
    desk.acknowledge("S1.1")
    desk.cancel("S1.1")
    assert buy(desk, 2) == "SELF_MATCH"
    desk.canceled("S1.1")
    assert buy(desk, 3) == "approved"


def test_a_filled_order_rests_no_more_and_the_next_best_does(desk: Driver) -> None:
    sell(desk, 1)
    sell(desk, 2)
    sell(desk, 3, price=PRICE + TICK)
    desk.fill(10, "S1.1")
    assert buy(desk, 1) == "SELF_MATCH"
    desk.fill(10, "S1.2")
    assert buy(desk, 2) == "approved"
    assert buy(desk, 3, price=PRICE + TICK) == "SELF_MATCH"


def test_a_pending_replace_rests_at_both_prices(desk: Driver) -> None:
    sell(desk, 1, price=PRICE + TICK)
    desk.acknowledge("S1.1")
    desk.replace("S1.1", quantity=10, price=PRICE)
    assert buy(desk, 1) == "SELF_MATCH"
    desk.refuse_cancel("S1.1")
    assert buy(desk, 2) == "approved"
    desk.fill(10, "P1.2")
    desk.replace("S1.1", quantity=10, price=PRICE - TICK)
    desk.replaced("S1.1")
    assert buy(desk, 3, price=PRICE - TICK) == "SELF_MATCH"


def test_an_immediate_order_never_rests(desk: Driver) -> None:
    assert sell(desk, 1, time_in_force=TimeInForce.IOC) == "approved"
    assert buy(desk, 1) == "approved"


def test_an_order_of_unknown_outcome_rests_after_a_restart(desk: Driver) -> None:
    sell(desk, 1)
    again = desk.replayed()
    assert digest(again) == digest(desk.core)
    desk.core = again
    desk.start()
    desk.log_on()
    assert desk.core.state.ledger.resting.best("AURA", Side.SELL) == PRICE
    desk.report("I", OrdStatus.CANCELED, "S1.1", cum_quantity=0)
    assert desk.core.state.ledger.resting.best("AURA", Side.SELL) == 0
