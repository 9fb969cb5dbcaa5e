"""What every schedule promises, whatever the parent."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.rules import IS, POV, TWAP, VWAP
from policies.schedules.shortfall import left
from service.model.time import DAY, SECOND
from service.policy.contract import Schedule
from tests.unit.policies.scene import OPEN, view

CLOCKED = [TWAP.schedule, VWAP.schedule, IS.schedule]
ALL = [*CLOCKED, POV.schedule]

parents = st.fixed_dictionaries(
    {
        "quantity": st.integers(1, 5_000_000),
        "window": st.integers(1, 86_400),
        "start": st.integers(OPEN - DAY, OPEN + DAY),
        "seed": st.one_of(st.none(), st.integers(0, 2**63)),
        "id_": st.text(min_size=1, max_size=12),
        "tilt": st.one_of(st.none(), st.floats(-1, 1)),
        "interval_variance": st.one_of(st.none(), st.floats(0, 0.9)),
        "urgency": st.one_of(st.none(), st.integers(0, 10)),
        "target_participation": st.one_of(st.none(), st.floats(0.001, 0.5)),
    }
)
shares = st.lists(st.floats(-0.2, 1.3), min_size=2, max_size=40).map(sorted)


@pytest.mark.parametrize("schedule", ALL)
@given(parent=parents, passed=shares, cap=st.one_of(st.none(), st.floats(0.001, 1.0)), data=st.data())
def test_a_target_never_falls_and_stays_within_the_parent(
    schedule: Schedule, parent: dict[str, Any], passed: list[float], cap: float | None, data: st.DataObject
) -> None:
    volumes = sorted(data.draw(st.lists(st.integers(0, 10**9), min_size=len(passed), max_size=len(passed))))
    targets = [
        schedule.target(view(x * parent["window"], volume=v, max_participation=cap, **parent))
        for x, v in zip(passed, volumes, strict=True)
    ]
    assert targets == sorted(targets)
    assert targets[0] >= 0
    assert targets[-1] <= parent["quantity"]


@pytest.mark.parametrize("schedule", CLOCKED)
@given(parent=parents, after=st.integers(0, 100_000))
def test_a_schedule_by_the_clock_is_finished_at_the_end_of_the_window(
    schedule: Schedule, parent: dict[str, Any], after: int
) -> None:
    assert schedule.target(view(parent["window"] + after / SECOND, **parent)) == parent["quantity"]


@pytest.mark.parametrize("schedule", ALL)
@given(parent=parents, first=st.floats(0, 1), second=st.floats(0, 1), filled=st.integers(0, 100))
def test_a_target_hangs_on_nothing_that_was_asked_before(
    schedule: Schedule, parent: dict[str, Any], first: float, second: float, filled: int
) -> None:
    def ask(x: float, done: int) -> int:
        return schedule.target(view(x * parent["window"], volume=1_000, filled=done, **parent))

    alone = ask(second, 0)
    ask(first, 0)
    assert ask(second, filled) == alone


@given(kappa=st.floats(0, 700), x=st.floats(0, 1), y=st.floats(0, 1))
def test_what_is_left_falls_from_one_to_nothing_for_any_kappa(kappa: float, x: float, y: float) -> None:
    assert left(kappa, 0.0) == pytest.approx(1.0)
    assert left(kappa, 1.0) == pytest.approx(0.0, abs=1e-12)
    assert left(kappa, max(x, y)) <= left(kappa, min(x, y)) + 1e-12
