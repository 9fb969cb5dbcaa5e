"""A parent that is a mistake of the desk is refused before anything of it is worked (C3, C4)."""

import msgspec
import pytest

from service.gateway.countersign import version_of
from service.gateway.inputs import Started
from service.model.events import ParentAdmitted, ParentRefused
from service.model.orders import AmendParent
from tests.unit.gateway.driver import LIMITS, MARKET, UTC, Driver, digest

TIGHT = LIMITS.replace("max_parent_value = 25_000_000", "max_parent_value = 200_000", 1)


def refusal(desk: Driver) -> str:
    event = desk.events(ParentRefused)[-1]
    return f"{event.code} {event.detail}"


def amend(desk: Driver, quantity: int) -> None:
    desk.command(
        AmendParent(
            command_id="A", parent_id="P1", symbol="AURA", by="alice", ts_utc=desk.utc, quantity=quantity
        )
    )


def test_an_absurd_quantity_is_refused_with_the_limit_that_it_breaks() -> None:
    desk = Driver()
    desk.admit(quantity=999_999_999)
    assert refusal(desk) == ("MAX_PARENT_QUANTITY quantity=999999999 max_parent_quantity=100000 symbol=AURA")
    assert not desk.core.state.parents
    assert digest(desk.replayed()) == digest(desk.core)


def test_an_absurd_quantity_is_refused_at_once_though_the_market_is_not_known() -> None:
    desk = Driver(begin=False)
    desk.start()
    desk.admit(quantity=100_001)
    assert refusal(desk).startswith("MAX_PARENT_QUANTITY")
    assert not desk.core.state.waiting


def test_an_absurd_value_is_refused_once_the_market_is_known() -> None:
    desk = Driver(begin=False, limits=TIGHT)
    desk.start()
    desk.admit(quantity=2_001)
    assert desk.core.state.waiting
    desk.clock()
    desk.refresh()
    assert refusal(desk).startswith("MAX_PARENT_VALUE quantity=2001 value=2001000000")
    assert not desk.core.state.waiting
    desk.admit(parent_id="P2", quantity=2_000)
    assert [event.state.parent.id for event in desk.events(ParentAdmitted)] == ["P2"]


@pytest.mark.parametrize(
    ("quantity", "code"), [(100_001, "MAX_PARENT_QUANTITY"), (2_001, "MAX_PARENT_VALUE")]
)
def test_no_amendment_makes_a_parent_larger_than_may_be_admitted(quantity: int, code: str) -> None:
    desk = Driver(limits=TIGHT)
    desk.admit()
    amend(desk, quantity)
    assert refusal(desk).startswith(code)
    assert desk.core.state.parents["P1"].order.quantity == 1_000
    amend(desk, 2_000)
    assert desk.core.state.parents["P1"].order.quantity == 2_000


def test_a_parent_may_always_be_made_smaller() -> None:
    desk = Driver()
    desk.admit(quantity=50_000)
    desk.propose("limits", target=version_of(TIGHT), text=TIGHT)
    desk.approve(action="limits", target=version_of(TIGHT))
    desk.refresh(reference=10 * 1_000_000)
    amend(desk, 40_000)
    assert desk.core.state.parents["P1"].order.quantity == 40_000


def test_a_journal_from_before_parents_had_limits_is_folded_as_it_was() -> None:
    desk = Driver(begin=False)
    desk._started = _before(desk._started)
    desk.start()
    desk.log_on()
    desk.clock()
    desk.refresh()
    desk.admit(quantity=999_999)
    assert desk.submit() == "approved"
    assert (desk.market, desk.utc) == (MARKET, UTC)
    assert digest(desk.replayed()) == digest(desk.core)
    assert desk.replayed().state.ledger.live


def _before(started: Started) -> Started:
    return msgspec.structs.replace(started, parent_limits=False)
