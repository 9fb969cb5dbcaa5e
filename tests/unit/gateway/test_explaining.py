"""What the broker told a person about an order books lots only if two people say so (C43)."""

import pytest

from service.gateway.authority import may_not_propose
from service.gateway.explaining import read, terms
from service.gateway.inputs import Proposed
from service.model.orders import OrdStatus, Side
from service.model.records import AuditEntry
from tests.unit.gateway.driver import PRICE, Driver, digest

TERMS = terms("P1.1", OrdStatus.FILLED, 100, PRICE, None)


@pytest.fixture
def desk() -> Driver:
    """P1.1 is of unknown outcome: its session was lost, and nothing has been heard of it since."""
    driver = Driver()
    driver.admit()
    assert driver.submit() == "approved"
    driver.log_off()
    return driver


def refused(desk: Driver, target: str) -> str:
    given = Proposed(action="book", target=target, by="carol", station="os:carol", reason="telephone")
    return may_not_propose(desk.core.state, given)


def test_two_people_book_what_the_broker_told(desk: Driver) -> None:
    desk.propose("book", TERMS)
    assert desk.core.state.ledger.exposures["AURA"].position == 0
    desk.approve(action="book", target=TERMS)
    order = desk.order()
    assert (order.status, order.cum_quantity, order.unknown) == (OrdStatus.FILLED, 100, False)
    assert desk.core.state.ledger.exposures["AURA"].position == 100
    said = [entry for entry in desk.events(AuditEntry) if entry.action == "explain"]
    assert [(entry.who, entry.target) for entry in said] == [("carol and dave", "P1.1")]
    assert digest(desk.replayed()) == digest(desk.core)


def test_one_person_is_not_two(desk: Driver) -> None:
    desk.propose("book", TERMS)
    desk.approve(action="book", target=TERMS, by="carol")
    desk.approve(action="book", target=TERMS, station="os:carol")
    assert desk.order().unknown


def test_other_terms_than_those_proposed_are_not_approved(desk: Driver) -> None:
    desk.propose("book", TERMS)
    desk.approve(action="book", target=TERMS.replace(f"price={PRICE}", f"price={PRICE + 1}"))
    assert desk.order().unknown


def test_what_the_broker_says_meanwhile_makes_the_proposal_void(desk: Driver) -> None:
    desk.propose("book", TERMS)
    desk.log_on()
    desk.fill(100)
    desk.approve(action="book", target=TERMS)
    assert desk.core.state.ledger.exposures["AURA"].position == 100


WRONG = {
    "an order that nobody knows": ("order P1.9 status=filled cum=100 price=1", "no unknown order P1.9"),
    "nothing to book": ("order P1.1 status=filled cum=0 price=1", "nothing to book"),
    "no price": ("order P1.1 status=filled cum=100 price=0", "nothing to book"),
    "no status of FIX": ("order P1.1 status=perhaps cum=100 price=1", "the terms are"),
    "no terms": ("order everything", "the terms are"),
    "a number that is none": ("order P1.1 status=filled cum=-1 price=1", "the terms are"),
}


@pytest.mark.parametrize(("target", "why"), WRONG.values(), ids=WRONG)
def test_what_books_nothing_is_not_proposed(desk: Driver, target: str, why: str) -> None:
    assert refused(desk, target).startswith(why)


def test_an_order_of_known_outcome_is_the_brokers_to_report() -> None:
    desk = Driver()
    desk.admit()
    assert desk.submit() == "approved"
    desk.acknowledge()
    assert not desk.order().unknown
    assert refused(desk, TERMS).startswith("no unknown order P1.1")


@pytest.mark.parametrize("side", [None, Side.BUY, Side.SELL])
def test_terms_read_as_they_were_written(side: Side | None) -> None:
    given = read(terms("foreign:X-1", OrdStatus.PARTIALLY_FILLED, 7, 1_000_100, side), "carol", "phone")
    assert given is not None
    assert (given.child_id, given.status, given.cum_quantity, given.price, given.side) == (
        "foreign:X-1",
        OrdStatus.PARTIALLY_FILLED,
        7,
        1_000_100,
        side,
    )
    assert (given.by, given.reason) == ("carol", "phone")
