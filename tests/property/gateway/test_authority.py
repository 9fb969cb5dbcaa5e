"""Whatever people do in whatever order: nothing that takes two happens by one, late, or unseen."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from service.gateway.countersign import version_of
from service.gateway.proposals import LIFE
from tests.unit.gateway.driver import LIMITS, Driver, digest

PEOPLE = st.sampled_from(["carol", "dave", "erin"])
STATIONS = st.sampled_from(["os:a", "os:b"])
SCOPES = st.sampled_from(["all", "parent=P1", "symbol=AURA"])
TEXTS = {version_of(text): text for text in (LIMITS, LIMITS + "# one\n", LIMITS + "# two\n")}
TARGETS = st.one_of(
    st.tuples(st.just("release"), SCOPES), st.tuples(st.just("limits"), st.sampled_from(sorted(TEXTS)))
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("kill"), SCOPES),
        st.tuples(st.just("propose"), TARGETS, PEOPLE, STATIONS),
        st.tuples(st.just("approve"), st.integers(0, 3), st.one_of(st.none(), TARGETS), PEOPLE, STATIONS),
        st.tuples(st.just("wait"), st.sampled_from([1, LIFE // 2, LIFE - 1, LIFE])),
        st.tuples(st.just("restart")),
    ),
    max_size=25,
)


def in_force(desk: Driver) -> tuple[set[str], str]:
    state = desk.core.state
    return set(state.kills.engaged), state.gate.limits.version


def meant(desk: Driver, step: tuple[Any, ...]) -> tuple[str, str, str]:
    """Number of an open proposal, or of one that is not there, and what its approver takes it for."""
    _, choice, seen, _, _ = step
    still = list(desk.core.state.proposals.open.values())
    if not still:
        return "1", "release", "all"
    proposal = still[choice % len(still)]
    return (proposal.id, *(seen or (proposal.action, proposal.target)))


def take(desk: Driver, step: tuple[Any, ...]) -> None:
    match step:
        case ("kill", scope):
            desk.kill(scope)
        case ("propose", (action, target), by, station):
            text = TEXTS[target] if action == "limits" else ""
            desk.propose(action, target, by=by, station=station, text=text)
        case ("approve", _, _, by, station):
            desk.approve(*meant(desk, step), by=by, station=station)
        case ("wait", nanoseconds):
            desk.wait(nanoseconds)
        case _:
            desk.start()


@settings(max_examples=200, deadline=None)
@given(steps=STEPS)
def test_a_kill_is_lifted_and_a_limit_changed_by_two_people_in_time_and_knowingly(
    steps: list[tuple[Any, ...]],
) -> None:
    desk = Driver()
    desk.kill()
    for step in steps:
        kills, version = in_force(desk)
        proposals = dict(desk.core.state.proposals.open)
        number, action, target = meant(desk, step) if step[0] == "approve" else ("", "", "")
        take(desk, step)
        if step[0] == "kill":
            assert not [p for p in desk.core.state.proposals.open.values() if p.action == "release"]
        kills_now, version_now = in_force(desk)
        assert kills <= kills_now or step[0] == "approve"
        if kills <= kills_now and version == version_now:
            continue
        by, station = step[-2:]
        proposal = proposals[number]
        assert (proposal.action, proposal.target) == (action, target)
        assert proposal.by != by
        assert proposal.station != station
        assert 0 <= desk.utc - proposal.utc < LIFE
        assert kills - kills_now == ({target} if action == "release" else set())
        assert version_now == (target if action == "limits" else version)
        assert number not in desk.core.state.proposals.open
    assert digest(desk.replayed()) == digest(desk.core)
