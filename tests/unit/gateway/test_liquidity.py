"""What the gate is told about the day and about what moves together, by the real core (C9, C15)."""

from service.gateway.books import DAY
from service.model.market import Correlated
from service.model.orders import OrdStatus, Side
from tests.unit.gateway.driver import LIMITS, MARKET, PRICE, Driver, digest, snapshot

SHARE = LIMITS.replace("first_lots = 60_000", "first_lots = 1_000", 1)
"""Of AURA; 20 % of 10,000 lots is 2,000."""
APART = LIMITS.replace("max_exposure = 60_000_000", "max_exposure = 25_000")


def test_what_was_traded_today_counts_and_a_bust_takes_it_back() -> None:
    desk = Driver(limits=SHARE)
    desk.admit(quantity=5_000)
    desk.submit("P1.1", quantity=900)
    desk.fill(900)
    assert desk.submit("P1.2", quantity=900) == "approved"
    desk.fill(900, "P1.2")
    assert desk.core.state.ledger.books.today == {"AURA": 1_800}
    assert desk.submit("P1.3", quantity=201) == "PARTICIPATION"
    assert desk.denial() == ("C9", "PARTICIPATION")
    assert desk.submit("P1.4", quantity=200) == "approved"
    desk.report("H", OrdStatus.CANCELED, exec_ref_id="E1", cum_quantity=0)
    assert desk.core.state.ledger.books.today == {"AURA": 900}
    assert digest(desk.replayed()) == digest(desk.core)


def test_both_sides_count_as_trading() -> None:
    desk = Driver(limits=SHARE)
    desk.admit(quantity=5_000)
    desk.admit(parent_id="P2", side=Side.SELL, quantity=5_000)
    desk.submit("P1.1", quantity=900)
    desk.fill(900)
    desk.submit("P1.2", quantity=300)
    desk.fill(300, "P1.2")
    assert desk.submit("P2.1", quantity=700) == "approved"
    desk.fill(700, "P2.1")
    assert desk.submit("P1.3", quantity=101) == "PARTICIPATION"
    assert desk.submit("P2.2", quantity=500) == "approved"  # only closes


def test_a_new_day_begins_with_nothing_traded() -> None:
    desk = Driver(limits=SHARE)
    desk.admit(quantity=5_000)
    desk.submit("P1.1", quantity=900)
    desk.fill(900)
    desk.market += DAY
    desk.refresh(volume=0)
    assert desk.core.state.ledger.books.today == {}
    assert digest(desk.replayed()) == digest(desk.core)


def together(desk: Driver, percent: int) -> None:
    """BOLT at 180 dollars, and AURA that moves with it."""
    bolt = {"symbol": "BOLT", "bid": 1_799_900, "ask": 1_800_100, "reference": 1_800_000}
    desk.feed(snapshot(desk.utc, **bolt, last=1_800_000, open=1_800_000))
    desk.refresh(correlated=(Correlated(symbol="BOLT", percent=percent),))


def test_what_works_and_what_is_held_in_another_instrument_counts_with_its_sign() -> None:
    desk = Driver(limits=APART)
    together(desk, 0)
    desk.admit(quantity=1_000)
    desk.admit(parent_id="P2", symbol="BOLT", quantity=1_000)
    assert desk.submit("P2.1", symbol="BOLT", quantity=100, price=1_800_000) == "approved"
    together(desk, 71)
    assert desk.submit("P1.1", quantity=70) == "approved"
    assert desk.submit("P1.2", quantity=1) == "CORRELATED"
    assert desk.denial() == ("C9", "CORRELATED")
    together(desk, -71)
    assert desk.submit("P1.3", quantity=1) == "approved"
    together(desk, 70)
    assert desk.submit("P1.4", quantity=1) == "approved"
    desk.fill(100, "P2.1", last_price=1_800_000)
    together(desk, 71)
    assert desk.submit("P1.5", quantity=1) == "CORRELATED"
    assert digest(desk.replayed()) == digest(desk.core)


def test_what_it_moves_with_counts_for_nothing_while_nothing_of_it_is_held() -> None:
    desk = Driver(limits=APART)
    desk.refresh(correlated=(Correlated(symbol="GOOG", percent=100),))
    desk.admit(quantity=1_000)
    assert desk.submit("P1.1", quantity=900) == "approved"


def borrowing(lots: int, until: str) -> Driver:
    """AURA needs a locate, and the client has one; parents P1 buys and P2 sells."""
    text = LIMITS.replace('\nlocate = "not_required"', '\nlocate = "required"', 1)
    text += f'\n[[locates]]\nclient = "NORTHWIND"\nsymbol = "AURA"\nlots = {lots}\nuntil = {until}\n'
    desk = Driver(limits=text)
    desk.admit(quantity=1_000)
    desk.admit(parent_id="P2", side=Side.SELL, quantity=1_000)
    return desk


def test_a_client_sells_what_it_bought_and_what_was_located() -> None:
    """The market's day is 21 June 2012."""
    assert MARKET // DAY == 15_512
    desk = borrowing(200, "2012-06-21T20:00:00Z")
    assert desk.submit("P2.1", quantity=201) == "NO_LOCATE"
    assert desk.denial() == ("C15", "NO_LOCATE")
    assert desk.submit("P2.2", quantity=200) == "approved"
    desk.submit("P1.1", quantity=150, price=PRICE - 100)
    assert desk.submit("P2.3", quantity=1) == "NO_LOCATE"
    desk.fill(150)
    assert desk.submit("P2.4", quantity=150) == "approved"
    assert desk.submit("P2.5", quantity=1) == "NO_LOCATE"
    assert digest(desk.replayed()) == digest(desk.core)


def test_a_locate_that_has_run_out_stops_what_is_new_and_never_a_cancel() -> None:
    """Until a minute after the market's first moment here, written in New York's time."""
    desk = borrowing(200, "2012-06-21T09:31:00-04:00")
    assert desk.submit("P2.1", quantity=100) == "approved"
    desk.acknowledge("P2.1")
    desk.wait(60_000_000_000)
    desk.refresh()
    assert desk.submit("P2.2", quantity=10) == "NO_LOCATE"
    assert desk.replace("P2.1", quantity=50) == "NO_LOCATE"
    desk.cancel("P2.1")
    assert len(desk.cancels_sent) == 1
