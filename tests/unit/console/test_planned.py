"""The curve that a parent's schedule plans."""

import msgspec

from service.console.planned import Plans, planned
from service.model.reference import Reference
from service.policy.registry import discover
from tests.unit.runner.desk import OPEN, Desk

SECONDS = 1_000_000_000


def test_a_plan_of_even_time_is_a_line_from_nothing_to_all_of_it(reference: Reference) -> None:
    state = Desk(ready=False).state(quantity=2_400, seconds=1_200)
    points = planned(discover().policies["twap"], state, reference.by_symbol["AURA"], 10_000)
    times, lots = zip(*points, strict=True)
    assert (times[0], times[-1]) == (OPEN, OPEN + 1_200 * SECONDS)
    assert lots[-1] == 2_400
    assert list(lots) == sorted(lots)
    middle = lots[len(lots) // 2]
    assert 1_100 <= middle <= 1_300


def test_a_plan_that_follows_volume_is_bounded_by_what_is_expected(reference: Reference) -> None:
    state = Desk(ready=False).state(policy="pov", quantity=100_000, target_participation=0.1)
    points = planned(discover().policies["pov"], state, reference.by_symbol["AURA"], 10_000)
    assert 900 <= points[-1][1] <= 1_100


def test_a_window_that_is_none_and_a_schedule_that_raises_give_no_plan(reference: Reference) -> None:
    instrument, policy = reference.by_symbol["AURA"], discover().policies["twap"]
    state = Desk(ready=False).state()
    assert planned(policy, msgspec.structs.replace(state, window_end=OPEN), instrument, 1) == []
    stray = Desk(ready=False).state(target_participation=0.1)  # a parameter that twap does not take
    assert planned(policy, stray, instrument, 1) == []


def test_a_plan_is_made_once_for_each_version_of_its_parent(reference: Reference) -> None:
    instrument, policy = reference.by_symbol["AURA"], discover().policies["twap"]
    state = Desk(ready=False).state(quantity=2_400, seconds=1_200)
    plans = Plans()
    first = plans.of(policy, state, instrument, 10_000)
    assert plans.of(policy, state, instrument, 10_000) is first
    amended = msgspec.structs.replace(state, version=state.version + 1)
    assert plans.of(policy, amended, instrument, 10_000) is not first
