"""An order past a soft limit waits: two people let that one through, or one says no to it (C20, C21, C44)."""

from typing import Any

import pytest

from service.gateway.blocked import LIFE, MOST_WAITING, PACE
from service.gateway.countersign import version_of
from service.gateway.inputs import Approval, Dismissed, Intent, RunnerLost
from service.gateway.overrides import MOST_PROPOSED
from service.gateway.proposals import MOST_OPEN, OVERRIDE
from service.model.events import ChildDenied, ChildSubmitted
from service.model.orders import AmendParent, PauseParent
from service.model.records import AuditEntry
from service.model.time import SECOND
from tests.unit.gateway.driver import LIMITS, PRICE, Driver, child, digest

TERMS = f"P1.1 BUY 950 AURA at {PRICE} DAY"


@pytest.fixture
def desk() -> Driver:
    """One order of 950 lots waits: the soft limit is 900, the hard one 1,000."""
    desk = Driver()
    desk.admit(quantity=5_000)
    assert desk.submit(quantity=950) == "SOFT_ORDER_QUANTITY"
    return desk


def propose(desk: Driver, terms: str = TERMS, **changes: Any) -> str:
    return desk.propose(OVERRIDE, terms, **changes)


def approve(desk: Driver, terms: str = TERMS, **changes: Any) -> None:
    desk.approve(action=OVERRIDE, target=terms, **changes)


def release(desk: Driver, terms: str = TERMS) -> None:
    desk.refresh()
    propose(desk, terms)
    approve(desk, terms)


def dismiss(desk: Driver, child_id: str = "P1.1", *, by: str = "bob", reason: str = "too large") -> None:
    desk.feed(Dismissed(child_id=child_id, by=by, reason=reason))


def last(desk: Driver) -> AuditEntry:
    entry: AuditEntry = desk.events(AuditEntry)[-1]
    return entry


def waiting(desk: Driver) -> list[str]:
    return list(desk.core.state.blocked.waiting)


def test_an_order_past_a_soft_limit_waits_and_its_policy_is_told_no(desk: Driver) -> None:
    assert not desk.orders_sent
    (denial,) = desk.events(ChildDenied)
    assert (denial.control, denial.code) == ("C20", "SOFT_ORDER_QUANTITY")
    until = desk.utc + LIFE
    assert denial.detail == f"used=950 limit=900 blocks=SOFT_ORDER_QUANTITY held=yes until={until}"
    assert desk.alarms() == ["ORDER_BLOCKED"]
    assert desk.core.state.blocked.waiting["P1.1"].terms == TERMS
    assert desk.core.state.ledger.progress("P1").working == 0


def test_two_people_let_it_through_once_and_everything_is_on_record(desk: Driver) -> None:
    release(desk)
    assert [(o.approved.quantity, o.approved.price) for o in desk.orders_sent] == [(950, PRICE)]
    (submitted,) = desk.events(ChildSubmitted)
    assert (submitted.child_id, submitted.parent_id, submitted.quantity) == ("P1.1", "P1", 950)
    assert desk.core.state.ledger.progress("P1").working == 950
    assert (last(desk).who, last(desk).action, last(desk).target) == ("carol and dave", OVERRIDE, TERMS)
    assert last(desk).outcome == "approved lifted=SOFT_ORDER_QUANTITY"
    assert [e.action for e in desk.events(AuditEntry)] == [
        "propose override",
        "approve override",
        OVERRIDE,
    ]
    assert not waiting(desk)
    desk.wait(PACE)
    assert propose(desk) == ""
    assert "no such order waits" in last(desk).outcome
    assert digest(desk.replayed()) == digest(desk.core)


def test_a_released_order_is_a_child_like_any_other(desk: Driver) -> None:
    release(desk)
    desk.acknowledge()
    desk.fill(950)
    assert desk.core.state.ledger.progress("P1").filled == 950
    assert desk.core.state.snapshot(desk.core.state.parents["P1"]).filled_quantity == 950
    assert desk.submit("P1.1") == "DUPLICATE_CHILD"
    assert desk.submit("P1.2") == "approved"


def test_its_policy_goes_on_meanwhile_and_both_count(desk: Driver) -> None:
    for n in range(2, 10):
        assert desk.submit(f"P1.{n}", quantity=500, price=PRICE - 100 * n) == "approved"
    assert desk.submit("P1.10", quantity=600, price=PRICE - 2_000) == "approved"
    release(desk)
    assert "PARENT_QUANTITY lifted" in last(desk).outcome
    assert len(desk.orders_sent) == 9


@pytest.mark.parametrize(
    "changes",
    [
        {"by": "carol"},
        {"station": "os:carol"},
        {"reason": " "},
        {"target": TERMS.replace("950", "949")},
        {"target": "P1.1"},
        {"proposal": "99"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_is_not_a_second_persons_word_on_just_that_releases_nothing(
    desk: Driver, changes: dict[str, str]
) -> None:
    desk.refresh()
    propose(desk)
    desk.approve(**{"action": OVERRIDE, "target": TERMS, **changes})
    assert last(desk).outcome.startswith("refused: ")
    assert not desk.orders_sent
    assert waiting(desk) == ["P1.1"]


@pytest.mark.parametrize("terms", ["P1.1", "P1.2", "all", "*", TERMS.replace("BUY", "SELL"), ""])
def test_only_exactly_what_waits_can_be_proposed(desk: Driver, terms: str) -> None:
    assert propose(desk, terms) == ""
    assert "nobody can release" in last(desk).outcome


def test_a_proposal_takes_a_reason_and_there_is_one_of_an_order(desk: Driver) -> None:
    assert propose(desk, reason="  ") == ""
    assert last(desk).outcome == "refused: it takes a reason"
    assert propose(desk) == "1"
    assert propose(desk, by="erin", station="os:erin") == ""
    assert last(desk).outcome == "refused: proposal 1 is about it already"


HARD: dict[str, tuple[Any, str]] = {
    "a kill": (lambda desk: desk.kill("symbol=AURA"), "KILLED"),
    "a stale feed": (lambda desk: desk.wait(2 * SECOND), "STALE_FEED"),
    "no session": (lambda desk: desk.log_off(), "NOT_LOGGED_ON"),
    "a market that went away": (lambda desk: desk.refresh(reference=2 * PRICE), "PRICE_COLLAR"),
    "a wide market": (lambda desk: desk.refresh(bid=PRICE // 2), "WIDE_MARKET"),
    "another soft limit": (lambda desk: desk.refresh(reference=PRICE * 987 // 1000), "SOFT_COLLAR"),
}


@pytest.mark.parametrize(("trouble", "code"), HARD.values(), ids=HARD)
def test_the_whole_gate_judges_it_again_and_lifts_nothing_else(desk: Driver, trouble: Any, code: str) -> None:
    desk.refresh()
    propose(desk)
    trouble(desk)
    approve(desk)
    assert last(desk).outcome == f"{code} lifted=SOFT_ORDER_QUANTITY"
    assert not desk.orders_sent
    assert not waiting(desk)
    assert digest(desk.replayed()) == digest(desk.core)


def test_a_hard_limit_that_tightened_meanwhile_is_nobody_s_to_lift(desk: Driver) -> None:
    text = LIMITS.replace("max_order_quantity = 1000", "max_order_quantity = 940", 1)
    propose(desk)
    desk.propose("limits", target=version_of(text), text=text)
    desk.approve(action="limits", target=version_of(text))
    desk.refresh()
    approve(desk, proposal="1")
    assert last(desk).outcome == "MAX_ORDER_QUANTITY lifted=SOFT_ORDER_QUANTITY"


def test_what_a_hard_limit_denies_does_not_wait() -> None:
    desk = Driver()
    desk.admit(quantity=5_000)
    assert desk.submit(quantity=1_001) == "MAX_ORDER_QUANTITY"
    assert not waiting(desk)
    assert propose(desk, f"P1.1 BUY 1001 AURA at {PRICE} DAY") == ""


def test_a_replace_past_a_soft_limit_is_denied_and_does_not_wait() -> None:
    desk = Driver()
    desk.admit(quantity=5_000)
    desk.submit()
    desk.acknowledge()
    assert desk.replace(quantity=950) == "SOFT_ORDER_QUANTITY"
    assert not waiting(desk)
    assert "held" not in desk.events(ChildDenied)[-1].detail


def test_one_order_of_a_parent_waits_and_a_second_is_only_denied(desk: Driver) -> None:
    assert desk.submit("P1.2", quantity=960) == "SOFT_ORDER_QUANTITY"
    assert waiting(desk) == ["P1.1"]
    assert desk.events(ChildDenied)[-1].detail.endswith("held=no why=P1.1_waits")
    assert desk.alarms() == ["ORDER_BLOCKED"]
    desk.admit(parent_id="P2", quantity=5_000)
    desk.submit("P2.1", quantity=960)
    assert waiting(desk) == ["P1.1", "P2.1"]


def test_so_many_orders_wait_and_no_more() -> None:
    desk = Driver()
    for n in range(MOST_WAITING + 1):
        desk.admit(parent_id=f"Q{n}", quantity=5_000)
        assert desk.submit(f"Q{n}.1", quantity=950) == "SOFT_ORDER_QUANTITY"
    assert len(waiting(desk)) == MOST_WAITING
    assert desk.events(ChildDenied)[-1].detail.endswith(f"held=no why={MOST_WAITING}_wait")
    assert digest(desk.replayed()) == digest(desk.core)


def test_proposals_to_release_orders_leave_room_for_those_that_lift_a_kill() -> None:
    desk = Driver()
    for n in range(MOST_PROPOSED + 1):
        desk.admit(parent_id=f"Q{n}", quantity=5_000)
        desk.submit(f"Q{n}.1", quantity=950)
        propose(desk, f"Q{n}.1 BUY 950 AURA at {PRICE} DAY")
    assert len(desk.core.state.proposals.open) == MOST_PROPOSED < MOST_OPEN
    assert "are proposed already" in last(desk).outcome


# Saying no


def test_a_person_dismisses_one_order_with_a_reason_on_record(desk: Driver) -> None:
    propose(desk)
    dismiss(desk)
    assert not waiting(desk)
    assert not desk.core.state.proposals.open
    entry = last(desk)
    assert (entry.who, entry.action, entry.target) == ("bob", "dismiss", TERMS)
    assert (entry.reason, entry.outcome) == ("too large", "dismissed")
    assert digest(desk.replayed()) == digest(desk.core)


@pytest.mark.parametrize("child_id", ["all", "*", "P1.1,P1.2", "P1.1 P1.2", "P1", "", "P1.2"])
def test_nothing_but_one_order_s_id_dismisses(desk: Driver, child_id: str) -> None:
    dismiss(desk, child_id)
    assert waiting(desk) == ["P1.1"]
    assert last(desk).outcome.startswith("refused: no order ")


def test_a_dismissal_takes_a_reason(desk: Driver) -> None:
    dismiss(desk, reason=" ")
    assert waiting(desk) == ["P1.1"]
    assert last(desk).outcome == "refused: it takes a reason"


def test_what_was_dismissed_is_not_asked_again_for_a_while(desk: Driver) -> None:
    dismiss(desk)
    desk.refresh()
    desk.submit("P1.2", quantity=950)
    assert not waiting(desk)
    assert desk.events(ChildDenied)[-1].detail.endswith("held=no why=dismissed_before")
    desk.tick(LIFE)
    desk.refresh()
    desk.submit("P1.3", quantity=950)
    assert waiting(desk) == ["P1.3"]


def test_hundreds_of_warnings_are_not_dismissed_at_once_as_at_citi_in_2022() -> None:
    """The trader could wave 711 warnings through together: here each is one decision, a moment apart."""
    desk = Driver()
    for n in range(300):
        desk.admit(parent_id=f"Q{n}", quantity=5_000)
        desk.submit(f"Q{n}.1", quantity=950)
    held = waiting(desk)
    assert len(held) == MOST_WAITING
    assert not desk.orders_sent
    for everything in ("all", "*", ",".join(held), " ".join(held)):
        dismiss(desk, everything)
        propose(desk, everything)
    assert waiting(desk) == held
    desk.wait(PACE)
    for child_id in held:
        dismiss(desk, child_id)
    assert len(waiting(desk)) == MOST_WAITING - 1
    assert last(desk).outcome == "refused: one at a time: bob has decided on another less than 2 s ago"
    desk.refresh()
    for child_id in waiting(desk)[:4]:
        terms = desk.core.state.blocked.waiting[child_id].terms
        propose(desk, terms)
        approve(desk, terms)
    assert len(desk.orders_sent) == 1
    assert "one at a time: dave" in last(desk).outcome


# What does not wait for ever


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda desk: desk.wait(LIFE), "expired"),
        (
            lambda desk: desk.command(
                PauseParent(command_id="p", parent_id="P1", symbol="AURA", by="a", ts_utc=desk.utc)
            ),
            "its parent has changed",
        ),
        (
            lambda desk: desk.command(
                AmendParent(
                    command_id="a", parent_id="P1", symbol="AURA", by="a", ts_utc=desk.utc, quantity=4_000
                )
            ),
            "its parent has changed",
        ),
        (lambda desk: desk.wait(3600 * SECOND), "its parent is over"),
    ],
    ids=["time", "paused", "amended", "closed"],
)
def test_it_lapses_and_what_was_proposed_is_void(desk: Driver, change: Any, reason: str) -> None:
    propose(desk)
    change(desk)
    desk.tick(SECOND)
    desk.tick(SECOND)
    assert not waiting(desk)
    entry = next(e for e in desk.events(AuditEntry) if e.outcome == "lapsed")
    assert (entry.target, entry.reason) == (TERMS, reason)
    assert not desk.core.state.proposals.open
    assert digest(desk.replayed()) == digest(desk.core)


def test_a_parent_that_has_changed_denies_though_nothing_has_been_swept(desk: Driver) -> None:
    desk.refresh()
    propose(desk)
    desk.command(
        AmendParent(command_id="a", parent_id="P1", symbol="AURA", by="a", ts_utc=desk.utc, quantity=4_000)
    )
    approve(desk)
    assert last(desk).outcome == "PARENT_VERSION lifted=SOFT_ORDER_QUANTITY"


def test_an_approval_that_comes_too_late_releases_nothing(desk: Driver) -> None:
    propose(desk)
    desk.wait(LIFE)
    desk.refresh()
    approve(desk)
    assert "no such order waits" in last(desk).outcome
    assert not desk.orders_sent


@pytest.mark.parametrize("action", ["leave", "cancel", "pause"])
def test_nobody_would_look_after_what_a_lost_runner_asked_for(action: str) -> None:
    desk = Driver(on_runner_loss=action)
    desk.admit(quantity=5_000)
    desk.submit(quantity=950)
    desk.feed(RunnerLost(runner="r2"))
    assert waiting(desk) == ["P1.1"]
    desk.feed(RunnerLost(runner="r1"))
    assert not waiting(desk)


# Replay


def test_a_restart_keeps_what_waits_and_what_was_proposed(desk: Driver) -> None:
    propose(desk)
    desk.start()
    desk.log_on()
    desk.refresh()
    assert waiting(desk) == ["P1.1"]
    approve(desk)
    assert len(desk.orders_sent) == 1
    assert digest(desk.replayed()) == digest(desk.core)


def test_an_order_that_was_released_is_not_forgotten_by_a_gate_that_would_deny_it(desk: Driver) -> None:
    propose(desk)
    desk.wait(2 * SECOND)
    given = Approval(
        proposal="1", action=OVERRIDE, target=TERMS, by="dave", station="os:dave", reason="so be it"
    )
    assert desk.feed(given, recorded="approved") == "approved"
    assert desk.core.state.ledger.progress("P1").working == 950
    assert desk.submit("P1.1") == "DUPLICATE_CHILD"


def test_an_order_that_waited_waits_again_though_a_gate_of_today_would_let_it_through() -> None:
    desk = Driver()
    desk.admit(quantity=5_000)
    outcome = desk.feed(Intent(runner="r1", command=child()), recorded="SOFT_COLLAR")
    assert outcome == "SOFT_COLLAR"
    assert desk.core.state.blocked.waiting["P1.1"].blocks == ("SOFT_COLLAR",)
    assert not desk.orders_sent
