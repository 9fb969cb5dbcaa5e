"""Parents: admission, changes, closing; the gateway's word is what runners work on."""

from typing import Any

import msgspec
import pytest

from service.gateway.inputs import RULES
from service.model.events import ChildCanceled, ParentAdmitted, ParentChanged, ParentClosed, ParentRefused
from service.model.orders import (
    AmendParent,
    CancelParent,
    NewParent,
    OrdStatus,
    OrdType,
    ParentStatus,
    PauseParent,
    ResumeParent,
    Side,
)
from service.model.parameters import CatchUp, Parameters
from service.model.time import SECOND
from tests.unit.gateway.driver import MARKET, PRICE, UTC, Driver, digest, parent


@pytest.fixture
def desk() -> Driver:
    return Driver()


def refusal(desk: Driver) -> str:
    return str(desk.events(ParentRefused)[-1].code)


def common(parent_id: str = "P1", command_id: str = "c1") -> dict[str, Any]:
    return {"command_id": command_id, "parent_id": parent_id, "symbol": "AURA", "by": "alice", "ts_utc": UTC}


# Admission


def test_a_parent_is_admitted_with_window_and_arrival(desk: Driver) -> None:
    desk.admit(parameters=Parameters(duration=60.0))
    (admitted,) = desk.events(ParentAdmitted)
    state = admitted.state
    assert (state.version, state.status) == (1, ParentStatus.WORKING)
    assert (state.window_start, state.window_end) == (MARKET, MARKET + 60 * SECOND)
    assert (state.arrival_price, state.arrival_volume) == (PRICE, 10_000)


def test_a_window_ends_with_the_session_at_the_latest(desk: Driver) -> None:
    desk.admit(parameters=Parameters(duration=86_400.0))
    assert desk.events(ParentAdmitted)[0].state.window_end == MARKET + 3600 * SECOND


INVALID: dict[str, tuple[dict[str, Any], str]] = {
    "id": ({"id": "a b"}, "INVALID_ID"),
    "empty id": ({"id": ""}, "INVALID_ID"),
    "long id": ({"id": "x" * 65}, "INVALID_ID"),
    "id of adopted orders": ({"id": "foreign:PHONE"}, "INVALID_ID"),
    "symbol": ({"symbol": "ZZZ"}, "UNKNOWN_INSTRUMENT"),
    "account": ({"account": "nobody"}, "UNKNOWN_ACCOUNT"),
    "trader": ({"trader": "nobody"}, "UNKNOWN_TRADER"),
    "policy": ({"policy": ""}, "INVALID_POLICY"),
    "no quantity": ({"quantity": 0}, "INVALID_QUANTITY"),
    "negative": ({"quantity": -5}, "INVALID_QUANTITY"),
    "absurd": ({"quantity": 10**12}, "INVALID_QUANTITY"),
    "limit off the tick": ({"parameters": Parameters(limit_price=PRICE + 1)}, "INVALID_PRICE"),
    "two ends": ({"parameters": Parameters(end_time=MARKET + SECOND, duration=1.0)}, "INVALID_PARAMETERS"),
    "participation": (
        {"parameters": Parameters(min_participation=0.3, max_participation=0.1)},
        "INVALID_PARAMETERS",
    ),
    "clips": ({"parameters": Parameters(min_clip=10, max_clip=5)}, "INVALID_PARAMETERS"),
    "window over": ({"parameters": Parameters(end_time=MARKET - 1)}, "INVALID_WINDOW"),
    "window backwards": (
        {"parameters": Parameters(start_time=MARKET + 10, end_time=MARKET + 5)},
        "INVALID_WINDOW",
    ),
}


@pytest.mark.parametrize(("changes", "code"), INVALID.values(), ids=INVALID)
def test_a_parent_that_is_not_in_order_is_refused_with_a_reason(
    desk: Driver, changes: dict[str, Any], code: str
) -> None:
    desk.admit(parent(**changes))
    assert refusal(desk) == code
    assert not desk.core.state.parents


def test_a_parent_that_is_named_like_an_adopted_order_is_told_why_it_is_refused(desk: Driver) -> None:
    desk.admit(id="foreign:PHONE")
    detail = desk.events(ParentRefused)[-1].detail
    assert detail == "foreign:_begins_the_ids_of_orders_that_nobody_here_sent"
    desk.admit(id="foreign-PHONE")
    assert list(desk.core.state.parents) == ["foreign-PHONE"]


def test_a_parent_named_so_in_a_journal_from_before_that_was_refused_is_folded_as_it_was() -> None:
    desk = Driver(rules=1)
    desk.admit(id="foreign:PHONE")
    assert desk.submit("foreign:PHONE.1") == "approved"
    assert digest(desk.replayed()) == digest(desk.core)
    desk._started = msgspec.structs.replace(desk._started, rules=RULES)
    desk.start()
    assert desk.replayed().state.open.keys() == {"foreign:PHONE"}


def test_an_instrument_without_limits_takes_no_parents() -> None:
    desk = Driver(limits="")
    desk.admit()
    assert refusal(desk) == "NO_LIMIT"


def test_a_second_parent_of_the_same_id_is_ignored_and_answered(desk: Driver) -> None:
    desk.admit(quantity=1000)
    desk.admit(quantity=9999)
    assert refusal(desk) == "DUPLICATE_PARENT"
    assert desk.core.state.parents["P1"].order.quantity == 1000


def test_an_old_command_on_a_topic_that_outlived_its_day_is_refused(desk: Driver) -> None:
    old = NewParent(command_id="c", parent=parent(), by="alice", ts_utc=UTC - 601 * SECOND)
    desk.command(old)
    assert refusal(desk) == "STALE_COMMAND"


def test_a_parent_waits_for_the_market_and_is_admitted_at_its_first_price() -> None:
    desk = Driver(begin=False)
    desk.start()
    desk.admit()
    assert not desk.events(ParentAdmitted)
    desk.clock()
    desk.refresh(reference=0)
    assert not desk.events(ParentAdmitted)
    desk.refresh(reference=PRICE + 500)
    assert desk.events(ParentAdmitted)[0].state.arrival_price == PRICE + 500
    assert not desk.core.state.waiting


def test_a_parent_that_waits_too_long_for_a_market_is_refused() -> None:
    desk = Driver(begin=False)
    desk.start()
    desk.admit()
    desk.admit()
    assert refusal(desk) == "DUPLICATE_PARENT"
    desk.tick(after=601 * SECOND)
    assert refusal(desk) == "NO_MARKET"
    assert not desk.core.state.waiting


def test_a_waiting_parent_can_be_cancelled() -> None:
    desk = Driver(begin=False)
    desk.start()
    desk.admit()
    desk.command(CancelParent(**common()))
    assert refusal(desk) == "CANCELED"
    assert not desk.core.state.waiting


def test_offsets_are_remembered_so_that_a_restart_reads_on(desk: Driver) -> None:
    desk.admit()
    desk.admit(parent_id="P2")
    assert desk.core.state.offsets == {0: 1}
    assert digest(desk.replayed())["offsets"] == {0: 1}


# Changes


def test_a_command_for_nobody_is_refused(desk: Driver) -> None:
    desk.command(PauseParent(**common("P9")))
    assert refusal(desk) == "UNKNOWN_PARENT"


def test_pause_cancels_children_and_resume_makes_a_new_version(desk: Driver) -> None:
    desk.admit()
    desk.submit()
    desk.acknowledge()
    desk.command(PauseParent(**common()))
    assert len(desk.cancels_sent) == 1
    assert desk.submit("P1.2") == "PARENT_PAUSED"
    desk.canceled()
    desk.command(ResumeParent(**common(command_id="c2"), catch_up=CatchUp.SPREAD))
    changes = [(c.change, c.state.version, c.state.status) for c in desk.events(ParentChanged)]
    assert changes == [("paused", 2, ParentStatus.PAUSED), ("resumed", 3, ParentStatus.WORKING)]
    assert desk.core.state.parents["P1"].order.parameters.catch_up is CatchUp.SPREAD
    assert desk.submit("P1.3", parent_version=1) == "PARENT_VERSION"
    assert desk.submit("P1.4") == "approved"


def test_pausing_twice_and_resuming_what_works_are_refused(desk: Driver) -> None:
    desk.admit()
    desk.command(ResumeParent(**common()))
    assert refusal(desk) == "NOT_PAUSED"
    desk.command(PauseParent(**common()))
    desk.command(PauseParent(**common()))
    assert refusal(desk) == "ALREADY_PAUSED"


def test_an_amendment_changes_what_it_names_and_nothing_else(desk: Driver) -> None:
    desk.admit(parameters=Parameters(urgency=5, duration=600.0))
    desk.command(AmendParent(**common(), changes=Parameters(limit_price=PRICE), quantity=2000))
    changed = desk.events(ParentChanged)[0]
    state = changed.state
    assert (changed.change, state.version, state.parent.quantity) == ("amended", 2, 2000)
    assert (state.parent.parameters.urgency, state.parent.parameters.limit_price) == (5, PRICE)
    assert state.window_end == MARKET + 600 * SECOND


def test_an_amended_window_counts_from_the_parents_own_start(desk: Driver) -> None:
    desk.admit(parameters=Parameters(duration=600.0))
    desk.wait(60 * SECOND)
    desk.command(AmendParent(**common(), changes=Parameters(duration=120.0)))
    state = desk.events(ParentChanged)[0].state
    assert (state.window_start, state.window_end) == (MARKET, MARKET + 120 * SECOND)


REFUSED_AMENDMENTS: dict[str, tuple[dict[str, Any], str]] = {
    "seed": ({"changes": Parameters(seed=3)}, "NOT_AMENDABLE"),
    "no quantity": ({"quantity": 0}, "INVALID_QUANTITY"),
    "below what works": ({"quantity": 99}, "AMEND_BELOW_WORKING"),
    "two ends": ({"changes": Parameters(end_time=MARKET + SECOND, duration=1.0)}, "INVALID_PARAMETERS"),
    "off the tick": ({"changes": Parameters(limit_price=PRICE + 1)}, "INVALID_PRICE"),
    "an end that is past": ({"changes": Parameters(end_time=MARKET)}, "INVALID_WINDOW"),
    "a start after it started": ({"changes": Parameters(start_time=MARKET + 5)}, "INVALID_WINDOW"),
}


@pytest.mark.parametrize(("changes", "code"), REFUSED_AMENDMENTS.values(), ids=REFUSED_AMENDMENTS)
def test_a_refused_amendment_says_why_and_changes_nothing(
    desk: Driver, changes: dict[str, Any], code: str
) -> None:
    desk.admit()
    desk.submit()
    before = digest(desk.core)["parents"]
    desk.command(AmendParent(**common(), **changes))
    assert refusal(desk) == code
    assert digest(desk.core)["parents"] == before


@pytest.mark.parametrize(("side", "sign"), [(Side.BUY, 1), (Side.SELL, -1)])
def test_a_tighter_limit_price_cancels_the_children_past_it(desk: Driver, side: Side, sign: int) -> None:
    desk.admit(side=side)
    desk.submit("P1.1", price=PRICE + sign * 100)
    desk.submit("P1.2", price=PRICE - sign * 100)
    desk.command(AmendParent(**common(), changes=Parameters(limit_price=PRICE)))
    assert [c.orig_cl_ord_id for c in desk.cancels_sent] == [desk.order("P1.1").cl_ord_id]


def test_a_limit_price_cancels_a_working_market_order(desk: Driver) -> None:
    desk.admit()
    desk.submit(ord_type=OrdType.MARKET, price=0)
    desk.command(AmendParent(**common(), changes=Parameters(limit_price=PRICE)))
    assert len(desk.cancels_sent) == 1


# The end


def test_a_cancelled_parent_closes_when_nothing_of_it_lives(desk: Driver) -> None:
    desk.admit()
    desk.submit()
    desk.command(CancelParent(**common(), reason="enough"))
    assert desk.submit("P1.2") == "PARENT_CLOSED"
    assert not desk.events(ParentClosed)
    desk.fill(30)
    desk.canceled()
    (closed,) = desk.events(ParentClosed)
    assert (closed.state.status, closed.state.filled_quantity, closed.reason) == (
        ParentStatus.CANCELED,
        30,
        "enough",
    )
    desk.command(CancelParent(**common()))
    assert refusal(desk) == "PARENT_CLOSED"


def test_a_parent_without_children_cancels_at_once(desk: Driver) -> None:
    desk.admit()
    desk.command(CancelParent(**common()))
    assert desk.events(ParentClosed)[0].reason == "canceled by alice"


def test_a_full_parent_closes_as_filled_also_while_it_is_paused(desk: Driver) -> None:
    desk.admit(quantity=100)
    desk.submit()
    desk.command(PauseParent(**common()))
    desk.fill(100)
    assert desk.events(ParentClosed)[0].state.status is ParentStatus.FILLED


def test_at_the_end_of_its_window_leftovers_are_cancelled_and_it_expires(desk: Driver) -> None:
    desk.admit(parameters=Parameters(duration=10.0))
    desk.submit()
    desk.acknowledge()
    desk.tick(after=10 * SECOND - 1)
    assert not desk.cancels_sent
    desk.tick(after=1)
    assert len(desk.cancels_sent) == 1
    desk.canceled()
    assert desk.events(ChildCanceled)
    assert desk.events(ParentClosed)[0].state.status is ParentStatus.EXPIRED


def test_a_fill_that_races_the_end_of_the_window_still_counts(desk: Driver) -> None:
    desk.admit(quantity=100, parameters=Parameters(duration=10.0))
    desk.submit()
    desk.tick(after=10 * SECOND)
    desk.fill(100)
    assert desk.events(ParentClosed)[0].state.status is ParentStatus.FILLED


def test_a_parent_with_an_unknown_order_does_not_close(desk: Driver) -> None:
    desk.admit()
    desk.submit()
    desk.acknowledge()
    desk.log_off()
    desk.command(CancelParent(**common()))
    assert not desk.events(ParentClosed)
    desk.log_on()
    desk.report("I", OrdStatus.CANCELED)
    assert desk.events(ParentClosed)


def test_no_sequence_of_children_over_executes_a_parent(desk: Driver) -> None:
    """Knight Capital 2012: children for a parent that is done are refused by the gate itself."""
    desk.admit(quantity=250)
    assert desk.submit("P1.1") == "approved"
    assert desk.submit("P1.2") == "approved"
    assert desk.submit("P1.3") == "PARENT_QUANTITY"
    assert desk.submit("P1.4", quantity=50) == "approved"
    for child in ("P1.1", "P1.2"):
        desk.fill(100, child)
    desk.fill(50, "P1.4")
    assert desk.submit("P1.5", quantity=1) == "PARENT_CLOSED"
