"""A person takes a parent over, another policy does, or it waits for others of its list: one gate for all."""

from typing import Any

import pytest

from service.gateway.inputs import RunnerLost
from service.model.events import ChildDenied, ParentAdmitted, ParentChanged, ParentClosed, ParentRefused
from service.model.orders import AmendParent, NewParent, ParentStatus, PauseParent, ResumeParent
from service.model.parameters import Parameters
from service.model.stream import hand_of, person_of
from tests.unit.gateway.driver import LIMITS, PRICE, UTC, Driver, digest, parent

ALICE = hand_of("alice")


@pytest.fixture
def desk() -> Driver:
    return Driver()


def common(by: str = "alice") -> dict[str, Any]:
    return {"command_id": "c1", "parent_id": "P1", "symbol": "AURA", "by": by, "ts_utc": UTC}


def refusal(desk: Driver) -> str:
    return str(desk.events(ParentRefused)[-1].code)


def take_over(desk: Driver, by: str = "alice") -> None:
    desk.command(PauseParent(**common(by), by_hand=True))


def changes(desk: Driver) -> list[tuple[str, str, str]]:
    return [(c.change, c.state.status.value, c.state.hand) for c in desk.events(ParentChanged)]


def test_names_of_hands_and_of_runners_are_told_apart() -> None:
    assert person_of(hand_of("alice")) == "alice"
    assert person_of("runner-1") == ""


def test_a_parent_when_taken_over_takes_orders_of_that_person_alone(desk: Driver) -> None:
    desk.admit()
    desk.submit()
    desk.acknowledge()
    take_over(desk)
    assert len(desk.cancels_sent) == 1
    desk.canceled()
    assert desk.submit("P1.2") == "PARENT_PAUSED"
    assert desk.submit("P1.3", runner=hand_of("bob")) == "PARENT_PAUSED"
    assert desk.submit("P1.4", runner=ALICE, policy="manual/alice") == "approved"
    assert desk.orders_sent[-1].approved.command.policy == "manual/alice"
    assert desk.order("P1.4").runner == ALICE
    assert digest(desk.replayed()) == digest(desk.core)


def test_a_person_passes_no_check_that_a_policy_does_not(desk: Driver) -> None:
    desk.admit(quantity=500)
    take_over(desk)
    assert desk.submit("P1.1", runner=ALICE, quantity=501) == "PARENT_QUANTITY"
    assert desk.submit("P1.2", runner=ALICE, price=2 * PRICE) == "PRICE_COLLAR"
    assert desk.submit("P1.3", runner=ALICE, parent_version=1) == "PARENT_VERSION"
    assert desk.submit("P1.3", runner=ALICE) == "DUPLICATE_CHILD"
    desk.kill()
    assert desk.submit("P1.5", runner=ALICE) == "KILLED"
    assert {denied.parent_id for denied in desk.events(ChildDenied)} == {"P1"}


def test_an_order_by_hand_when_taken_back_is_cancelled_like_any(desk: Driver) -> None:
    desk.admit()
    take_over(desk)
    desk.submit(runner=ALICE)
    desk.acknowledge()
    desk.cancel(runner=ALICE)
    assert len(desk.cancels_sent) == 1


def test_a_parent_when_handed_back_takes_the_orders_by_hand_off_the_market(desk: Driver) -> None:
    desk.admit()
    take_over(desk)
    desk.submit(runner=ALICE)
    desk.acknowledge()
    desk.command(ResumeParent(**common()))
    assert changes(desk) == [("taken over", "paused", ALICE), ("resumed", "working", "")]
    assert len(desk.cancels_sent) == 1
    desk.canceled()
    assert desk.submit("P1.2") == "approved"
    assert desk.submit("P1.3", runner=ALICE) == "approved"  # a runner among others, from here on


def test_a_parent_in_one_hand_goes_to_another_and_is_paused_like_any(desk: Driver) -> None:
    desk.admit()
    take_over(desk)
    take_over(desk)
    assert refusal(desk) == "TAKEN_OVER"
    desk.submit(runner=ALICE)
    take_over(desk, "bob")
    assert len(desk.cancels_sent) == 1
    assert desk.submit("P1.2", runner=ALICE) == "PARENT_PAUSED"
    desk.command(PauseParent(**common()))
    assert desk.submit("P1.3", runner=hand_of("bob")) == "PARENT_PAUSED"
    assert changes(desk)[-2:] == [("taken over", "paused", hand_of("bob")), ("paused", "paused", "")]


def test_a_paused_parent_can_be_taken_over(desk: Driver) -> None:
    desk.admit()
    desk.command(PauseParent(**common()))
    assert desk.submit("P1.1", runner=ALICE) == "PARENT_PAUSED"
    take_over(desk)
    assert desk.submit("P1.2", runner=ALICE) == "approved"


def test_an_amendment_leaves_a_parent_in_its_hand(desk: Driver) -> None:
    desk.admit()
    take_over(desk)
    desk.submit(runner=ALICE)
    desk.command(AmendParent(**common(), quantity=2_000))
    assert changes(desk)[-1] == ("amended", "paused", ALICE)
    assert not desk.cancels_sent


@pytest.mark.parametrize("action", ["cancel", "pause"])
def test_a_hand_that_is_lost_leaves_no_orders_behind(action: str) -> None:
    desk = Driver(on_runner_loss=action)
    desk.admit()
    take_over(desk)
    desk.submit(runner=ALICE)
    desk.acknowledge()
    desk.feed(RunnerLost(runner=ALICE))
    assert len(desk.cancels_sent) == 1
    assert desk.core.state.parents["P1"].hand == ALICE


# Switching the policy


def switch(desk: Driver, policy: str = "vwap", **fields: Any) -> None:
    desk.command(AmendParent(**common(), policy=policy, **fields))


def test_a_switch_takes_the_old_policys_children_back_and_counts_under_the_new_name(desk: Driver) -> None:
    desk.admit(parameters=Parameters(urgency=3, limit_price=PRICE))
    desk.submit()
    desk.acknowledge()
    switch(desk, changes=Parameters(target_participation=0.1), unset=("urgency",))
    state = desk.events(ParentChanged)[0].state
    given = state.parent.parameters
    assert (state.version, state.parent.policy) == (2, "vwap")
    assert (given.urgency, given.limit_price, given.target_participation) == (None, PRICE, 0.1)
    assert len(desk.cancels_sent) == 1
    assert desk.order("P1.1").policy == "twap"
    desk.canceled()
    desk.submit("P1.2")
    assert desk.order("P1.2").levels[0] == "vwap"
    desk.kill("policy=twap")
    assert not desk.cancels_sent[1:]
    desk.kill("policy=vwap")
    assert len(desk.cancels_sent) == 2
    assert digest(desk.replayed()) == digest(desk.core)


def test_a_switch_to_the_same_policy_cancels_nothing(desk: Driver) -> None:
    desk.admit()
    desk.submit()
    switch(desk, "twap", quantity=2_000)
    assert not desk.cancels_sent
    assert desk.core.state.parents["P1"].order.quantity == 2_000


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"policy": "no blanks"}, "INVALID_POLICY"),
        ({"policy": "vwap", "unset": ("limit_price",)}, "NOT_AMENDABLE"),
        ({"policy": "vwap", "unset": ("duration",)}, "NOT_AMENDABLE"),
        ({"policy": "vwap", "unset": ("no_such",)}, "NOT_AMENDABLE"),
        ({"unset": ("urgency",)}, "NOT_AMENDABLE"),
        ({"policy": "vwap", "quantity": 100_001}, "MAX_PARENT_QUANTITY"),
    ],
)
def test_a_switch_when_it_cannot_be_is_refused_and_changes_nothing(
    desk: Driver, fields: dict[str, Any], code: str
) -> None:
    desk.admit(parameters=Parameters(urgency=3, limit_price=PRICE))
    desk.submit()
    before = digest(desk.core)["parents"]
    desk.command(AmendParent(**common(), **fields))
    assert refusal(desk) == code
    assert digest(desk.core)["parents"] == before
    assert not desk.cancels_sent


def test_a_switch_to_a_policy_without_permission_or_under_a_kill_is_refused() -> None:
    named = LIMITS.replace(
        'name = "*"\nmessages_per_second = 250', 'name = "twap"\nmessages_per_second = 250', 1
    )
    desk = Driver(limits=named)
    desk.admit()
    switch(desk, "vwap")
    assert refusal(desk) == "NOT_PERMITTED"
    desk = Driver()
    desk.admit()
    desk.kill("policy=vwap")
    switch(desk, "vwap")
    assert refusal(desk) == "KILLED"


def test_a_parent_of_a_switched_policy_is_still_new_to_it(desk: Driver) -> None:
    desk.admit()
    switch(desk, "somebodys")
    assert desk.submit(quantity=600) == "STAGE_ORDER_VALUE"  # C39: it begins on trial


# Admitted, and not yet worked on


def test_a_parent_admitted_paused_is_worked_on_once_it_is_resumed(desk: Driver) -> None:
    asked = NewParent(command_id="n", parent=parent(), by="alice", ts_utc=UTC, paused=True)
    desk.command(asked)
    assert desk.events(ParentAdmitted)[0].state.status is ParentStatus.PAUSED
    assert desk.submit() == "PARENT_PAUSED"
    desk.command(ResumeParent(**common()))
    assert desk.submit("P1.2") == "approved"
    assert digest(desk.replayed()) == digest(desk.core)


def test_a_parent_taken_over_still_ends_with_its_window() -> None:
    desk = Driver()
    desk.admit(parameters=Parameters(duration=10.0))
    take_over(desk)
    desk.submit(runner=ALICE)
    desk.acknowledge()
    desk.tick(after=10_000_000_000)
    desk.canceled()
    assert desk.events(ParentClosed)[0].state.status is ParentStatus.EXPIRED
