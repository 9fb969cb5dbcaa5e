"""What takes two people: who they must be, how long a proposal holds, and what undoes it."""

import pytest

from service.gateway.arming import latched
from service.gateway.authority import may_not_propose
from service.gateway.countersign import version_of
from service.gateway.inputs import Proposed, ReleaseInput, Started, Unauthorised
from service.gateway.proposals import LIFE, MOST_OPEN
from service.model.events import KillReleased
from service.model.records import AuditEntry
from service.risk import ceilings
from tests.unit.gateway.driver import LIMITS, PRICE, REFERENCE, Driver, digest, ms

TIGHTER = LIMITS.replace("max_order_quantity = 1000\n", "max_order_quantity = 50\n")


@pytest.fixture
def desk() -> Driver:
    driver = Driver()
    driver.admit()
    driver.kill()
    return driver


def killed(desk: Driver) -> bool:
    return desk.core.state.killed


def last(desk: Driver) -> AuditEntry:
    entry: AuditEntry = desk.events(AuditEntry)[-1]
    return entry


def test_a_proposal_alone_lifts_nothing(desk: Driver) -> None:
    assert desk.propose() == "1"
    assert killed(desk)
    entry = last(desk)
    assert (entry.who, entry.action, entry.target, entry.reason) == (
        "carol",
        "propose release",
        "all",
        "test",
    )
    assert entry.outcome == "proposal=1 from=os:carol"


def test_a_second_person_lifts_the_kill_and_every_step_is_on_record(desk: Driver) -> None:
    desk.propose()
    desk.approve()
    assert not killed(desk)
    (released,) = desk.events(KillReleased)
    assert released.by == "carol and dave"
    steps = [(e.who, e.action, e.outcome) for e in desk.events(AuditEntry)][-3:]
    assert steps == [
        ("carol", "propose release", "proposal=1 from=os:carol"),
        ("dave", "approve release", "proposal=1 from=os:dave"),
        ("carol and dave", "release", "released"),
    ]
    assert digest(desk.replayed()) == digest(desk.core)


REFUSALS = {
    "the same person": ({"by": "carol"}, "carol proposed it: another person has to approve it"),
    "the same user with another secret": ({"station": "os:carol"}, "that is not two people"),
    "another proposal": ({"proposal": "7"}, "there is no such proposal"),
    "no proposal": ({"proposal": "nonsense"}, "there is no such proposal"),
    "another scope": ({"target": "parent=P1"}, "proposal 1 is about release all"),
    "another action": ({"action": "limits"}, "proposal 1 is about release all"),
}


@pytest.mark.parametrize(("changes", "why"), REFUSALS.values(), ids=REFUSALS)
def test_an_approval_that_is_not_a_second_persons_of_just_that_lifts_nothing(
    desk: Driver, changes: dict[str, str], why: str
) -> None:
    desk.propose()
    desk.approve(**changes)
    assert killed(desk)
    assert last(desk).outcome.startswith("refused: ")
    assert why in last(desk).outcome
    assert digest(desk.replayed()) == digest(desk.core)
    desk.approve()
    assert not killed(desk)


def test_a_proposal_is_approved_once(desk: Driver) -> None:
    desk.propose()
    desk.approve("1")
    desk.kill()
    desk.approve("1")
    assert killed(desk)


def test_a_proposal_expires(desk: Driver) -> None:
    desk.propose()
    desk.wait(LIFE)
    desk.approve("1")
    assert killed(desk)
    desk.tick(after=ms(300))
    assert not desk.core.state.proposals.open
    assert (last(desk).who, last(desk).outcome) == ("carol", "expired proposal=1")
    assert digest(desk.replayed()) == digest(desk.core)


def test_a_proposal_from_the_future_is_not_approved(desk: Driver) -> None:
    desk.propose()
    desk.wait(-1)
    desk.approve("1")
    assert killed(desk)


def test_a_new_kill_voids_what_was_proposed_before_it(desk: Driver) -> None:
    desk.propose()
    desk.kill("parent=P1")
    desk.approve("1")
    assert killed(desk)
    assert any(e.action == "void release" and e.target == "all" for e in desk.events(AuditEntry))


def test_a_release_of_what_is_not_in_force_is_not_taken(desk: Driver) -> None:
    assert not desk.propose(target="parent=P1")
    assert last(desk).outcome == "refused: no kill parent=P1 is in force; in force: all"


def test_what_nobody_knows_cannot_be_proposed(desk: Driver) -> None:
    assert not desk.propose("shut down")
    assert "nobody can propose" in last(desk).outcome


def test_proposals_are_bounded(desk: Driver) -> None:
    for _ in range(MOST_OPEN):
        assert desk.propose()
    assert not desk.propose()
    assert f"{MOST_OPEN} proposals are open" in last(desk).outcome


def test_a_proposal_survives_a_restart(desk: Driver) -> None:
    desk.propose()
    desk.start()
    assert digest(desk.replayed()) == digest(desk.core)
    desk.approve("1")
    assert not killed(desk)


def test_somebody_who_is_not_who_they_say_is_on_record(desk: Driver) -> None:
    given = Unauthorised(action="release", target="all", by="carol", station="os:mallory", why="wrong")
    desk.feed(given)
    assert killed(desk)
    assert (last(desk).who, last(desk).outcome) == ("carol", "refused: wrong from=os:mallory")


def test_a_journal_from_before_it_took_two_is_folded_as_it_was(desk: Driver) -> None:
    desk.feed(ReleaseInput(scope="all", by="carol", reason="then"))
    assert not killed(desk)


# Arming


def test_two_people_arm_a_strategy_that_has_stopped_itself(desk: Driver) -> None:
    desk.release()
    desk.core.state.throttle.trip("twap", desk.utc)
    assert latched(desk.core.state) == {"strategy=twap": "throttle"}
    desk.propose("arm", "strategy=twap")
    desk.approve(action="arm", target="strategy=twap", by="carol")
    assert latched(desk.core.state)
    desk.approve(action="arm", target="strategy=twap")
    assert not latched(desk.core.state)
    entry = last(desk)
    assert (entry.who, entry.action, entry.outcome) == ("carol and dave", "arm", "armed throttle")


def test_what_has_not_stopped_itself_is_not_armed(desk: Driver) -> None:
    assert not desk.propose("arm", "strategy=twap")
    assert last(desk).outcome == "refused: strategy=twap has not stopped itself; it has: nothing"


# Limits


def change(desk: Driver, text: str = TIGHTER) -> str:
    return desk.propose("limits", version_of(text), text=text)


def approve(desk: Driver, text: str = TIGHTER, **changes: str) -> None:
    desk.approve(action="limits", target=version_of(text), **changes)


@pytest.fixture
def trading() -> Driver:
    driver = Driver()
    driver.admit()
    return driver


def test_limits_that_two_people_want_are_in_force_at_once(trading: Driver) -> None:
    before = trading.core.state.gate.limits.version
    change(trading)
    assert trading.submit() == "approved"
    approve(trading)
    assert trading.core.state.gate.limits.version == version_of(TIGHTER)
    assert trading.submit("P1.2") == "MAX_ORDER_QUANTITY"
    entry = last(trading) if trading.events(AuditEntry) else None
    assert entry is not None
    assert (entry.who, entry.action, entry.target) == ("carol and dave", "limits", version_of(TIGHTER))
    assert entry.outcome == f"in force, before {before}"
    assert digest(trading.replayed()) == digest(trading.core)


def test_one_person_changes_no_limit(trading: Driver) -> None:
    change(trading)
    approve(trading, by="carol")
    approve(trading, station="os:carol")
    assert trading.core.state.gate.limits.version == version_of(LIMITS)


def test_a_mistake_in_proposed_limits_is_told_with_its_line(trading: Driver) -> None:
    text = LIMITS.replace("max_order_quantity = 1000\n", "max_order_quantitty = 1000\n", 1)
    line = text[: text.index("quantitty")].count("\n") + 1
    assert not change(trading, text)
    assert f"proposed limits, line {line}: instruments AURA: max_order_quantitty" in last(trading).outcome


def test_no_two_people_exceed_a_ceiling(trading: Driver) -> None:
    text = LIMITS.replace(
        "max_order_quantity = 1000\n", f"max_order_quantity = {ceilings.MAX_ORDER_QUANTITY + 1}\n"
    )
    assert not change(trading, text)
    assert "above the ceiling" in last(trading).outcome


def test_the_limits_in_force_are_not_proposed_again_nor_under_another_version(trading: Driver) -> None:
    assert not change(trading, LIMITS)
    given = Proposed(action="limits", target="other", by="c", station="s", reason="", text=TIGHTER)
    assert may_not_propose(trading.core.state, given) == f"its version is {version_of(TIGHTER)}"


def test_a_change_made_meanwhile_is_not_undone_unseen(trading: Driver) -> None:
    other = LIMITS.replace("collar_bps = 150", "collar_bps = 20")
    change(trading, other)
    change(trading)
    approve(trading)
    trading.approve("1", "limits", version_of(other))
    assert "the limits have changed" in last(trading).outcome
    assert trading.core.state.gate.limits.version == version_of(TIGHTER)


def test_approved_limits_hold_over_a_restart_until_the_file_is_another(trading: Driver) -> None:
    change(trading)
    approve(trading)
    trading.start()
    assert trading.core.state.gate.limits.version == version_of(TIGHTER)
    other = LIMITS + "\n# revised\n"
    trading._started = _started(limits=other)
    trading.start()
    assert trading.core.state.gate.limits.version == version_of(other)
    trading.start()
    assert trading.core.state.gate.limits.version == version_of(other)
    assert digest(trading.replayed()) == digest(trading.core)


def test_approved_limits_that_fit_the_reference_file_no_longer_let_nothing_through(trading: Driver) -> None:
    change(trading)
    approve(trading)
    head, _, tail = REFERENCE.partition('[[instruments]]\nsymbol = "IBM"')
    trading._started = _started(reference=head + tail.partition("\n\n")[2])
    trading.start()
    trading.log_on()
    trading.refresh()
    assert "LIMITS_UNUSABLE" in trading.alarms()
    assert trading.submit("P1.9") == "NO_LIMIT"
    assert digest(trading.replayed()) == digest(trading.core)


def test_what_has_been_lost_already_is_held_against_tighter_limits_at_once(trading: Driver) -> None:
    trading.submit()
    trading.fill(100)
    lower = PRICE - 100_000
    trading.refresh(reference=lower, bid=lower - 100, ask=lower + 100)
    assert "LOSS_HALTED" not in trading.alarms()
    text = LIMITS.replace("max_daily_loss = 500_000", "max_daily_loss = 1_000")
    change(trading, text)
    approve(trading, text)
    assert "LOSS_HALTED" in trading.alarms()
    assert latched(trading.core.state) == {"strategy=twap": "loss halted", "trader=alice": "loss halted"}
    assert digest(trading.replayed()) == digest(trading.core)


def _started(reference: str = REFERENCE, limits: str = LIMITS) -> Started:
    return Started(
        reference=reference, limits=limits, on_runner_loss="cancel", max_command_age=600 * 1_000_000_000
    )
