"""Whatever people do about held orders, in any order: none goes out by one person, twice or late."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from service.gateway.blocked import LIFE, PACE
from service.gateway.inputs import Dismissed, RunnerLost
from service.gateway.proposals import OVERRIDE
from service.model.events import ChildSubmitted
from service.model.orders import PauseParent, ResumeParent
from service.model.records import AuditEntry
from tests.unit.gateway.driver import PRICE, Driver, digest

PARENTS = st.sampled_from(["P1", "P2", "P3"])
PEOPLE = st.sampled_from(["carol", "dave", "erin"])
STATIONS = st.sampled_from(["os:a", "os:b"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), PARENTS, st.sampled_from([100, 901, 950, 1_001])),
        st.tuples(st.just("propose"), st.integers(0, 2), PEOPLE, STATIONS),
        st.tuples(st.just("approve"), st.integers(0, 3), PEOPLE, STATIONS),
        st.tuples(st.just("dismiss"), st.integers(0, 2), PEOPLE),
        st.tuples(st.just("wait"), st.sampled_from([1, PACE, LIFE // 2, LIFE - 1, LIFE])),
        st.tuples(st.just("kill"), PARENTS),
        st.tuples(st.just("pause"), PARENTS),
        st.tuples(st.just("lost")),
        st.tuples(st.just("restart")),
    ),
    min_size=4,
    max_size=25,
)


class Floor:
    """The gateway, and what happened to every held order, told by what people were seen to do."""

    def __init__(self) -> None:
        self.desk = Driver()
        self.numbers: dict[str, int] = {}
        self.held: dict[str, int] = {}
        self.released: set[str] = set()
        for parent_id in ("P1", "P2", "P3"):
            self.desk.admit(parent_id=parent_id, quantity=20_000)

    def take(self, step: tuple[Any, ...]) -> None:
        match step:
            case ("submit", parent_id, quantity):
                self.submit(parent_id, quantity)
            case ("propose", choice, by, station):
                if not self.desk.core.state.blocked.waiting:
                    self.submit(f"P{choice + 1}", 950)
                self.desk.propose(OVERRIDE, self.terms(choice), by=by, station=station)
            case ("approve", choice, by, station):
                self.approve(choice, by, station)
            case ("dismiss", choice, by):
                child_id = self.terms(choice).partition(" ")[0]
                self.desk.feed(Dismissed(child_id=child_id, by=by, reason="no"))
            case ("wait", nanoseconds):
                self.desk.wait(nanoseconds)
                self.desk.tick()
                self.desk.refresh()
            case ("kill", parent_id):
                self.desk.kill(f"parent={parent_id}")
            case ("pause", parent_id):
                self.pause(parent_id)
            case ("lost",):
                self.desk.feed(RunnerLost(runner="r1"))
            case _:
                self.desk.start()
                self.desk.log_on()

    def submit(self, parent_id: str, quantity: int) -> None:
        number = self.numbers[parent_id] = self.numbers.get(parent_id, 0) + 1
        child_id = f"{parent_id}.{number}"
        price = PRICE - 100 * (number % 100)
        outcome = self.desk.submit(child_id, quantity=quantity, price=price)
        if outcome.startswith("SOFT_"):
            self.held[child_id] = self.desk.utc
        assert outcome != "approved" or quantity == 100

    def terms(self, choice: int) -> str:
        waiting = list(self.desk.core.state.blocked.waiting.values())
        return waiting[choice % len(waiting)].terms if waiting else "P1.1 BUY 950 AURA at 1 DAY"

    def approve(self, choice: int, by: str, station: str) -> None:
        still = [p for p in self.desk.core.state.proposals.open.values() if p.action == OVERRIDE]
        if not still:
            self.take(("propose", choice, "dave" if by == "carol" else "carol", "os:c"))
            still = [p for p in self.desk.core.state.proposals.open.values() if p.action == OVERRIDE]
        if not still:
            return
        seen = still[choice % len(still)]
        before = len(self.desk.events(ChildSubmitted))
        self.desk.approve(seen.id, OVERRIDE, seen.target, by=by, station=station)
        for event in self.desk.events(ChildSubmitted)[before:]:
            assert by != seen.by
            assert station != seen.station
            assert seen.target.startswith(f"{event.child_id} BUY {event.quantity} AURA at {event.price} ")
            assert self.desk.utc < self.held[event.child_id] + LIFE
            assert event.child_id not in self.released
            self.released.add(event.child_id)

    def pause(self, parent_id: str) -> None:
        for kind in (PauseParent, ResumeParent):
            self.desk.command(
                kind(command_id="c", parent_id=parent_id, symbol="AURA", by="a", ts_utc=self.desk.utc)
            )


@settings(max_examples=150, deadline=None)
@given(steps=STEPS)
def test_a_held_order_goes_out_once_by_two_people_in_time_or_not_at_all(steps: list[Any]) -> None:
    floor = Floor()
    for step in steps:
        floor.take(step)
        large = {e.child_id for e in floor.desk.events(ChildSubmitted) if e.quantity > 900}
        assert large == floor.released
        waiting = floor.desk.core.state.blocked.waiting
        assert len({blocked.command.parent_id for blocked in waiting.values()}) == len(waiting)
        assert not floor.released & set(waiting)
    overridden = [e for e in floor.desk.events(AuditEntry) if e.action == OVERRIDE]
    assert len([e for e in overridden if e.outcome.startswith("approved")]) == len(floor.released)
    assert digest(floor.desk.replayed()) == digest(floor.desk.core)
