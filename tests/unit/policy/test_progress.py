"""The closing part of a window, and what a pause leaves behind."""

import pytest

from service.model.parameters import CatchUp, EndBehaviour
from service.model.time import SECOND
from service.policy.progress import caught_up, closing_at, completing, due
from tests.unit.policies.scene import OPEN, view


@pytest.mark.parametrize(("window", "closing"), [(1_200, 60), (100, 5), (30, 2), (4, 1), (0, 0)])
def test_the_closing_part_is_a_twentieth_but_never_too_short(window: int, closing: int) -> None:
    assert closing_at(0, window * SECOND) == (window - closing) * SECOND


@pytest.mark.parametrize("how", [None, EndBehaviour.CANCEL])
def test_nothing_is_completed_when_it_was_not_asked(how: EndBehaviour | None) -> None:
    assert completing(view(1_199, end_behaviour=how)) is None


def test_everything_is_due_in_the_closing_part() -> None:
    assert due(100, view(1_139, end_behaviour=EndBehaviour.COMPLETE)) == 100
    assert due(100, view(1_141, end_behaviour=EndBehaviour.COMPLETE)) == 2_400


@pytest.mark.parametrize(
    ("how", "at_once", "half_way", "at_the_end"),
    [
        (CatchUp.AT_ONCE, 1_000, 1_400, 2_400),
        (CatchUp.SKIP, 600, 1_000, 2_000),
        (CatchUp.SPREAD, 600, 1_200, 2_400),
        (None, 600, 1_200, 2_400),
    ],
)
def test_what_was_missed_returns_as_told(
    how: CatchUp | None, at_once: int, half_way: int, at_the_end: int
) -> None:
    parent = view(resumed_at=OPEN + 600 * SECOND, behind_at_resume=400, catch_up=how).parent
    assert caught_up(1_000, parent, OPEN + 600 * SECOND) == at_once
    assert caught_up(1_400, parent, OPEN + 900 * SECOND) == half_way
    assert caught_up(2_400, parent, OPEN + 1_200 * SECOND) == at_the_end


def test_a_parent_that_was_never_paused_follows_its_schedule() -> None:
    assert due(700, view(300)) == 700
    assert due(-5, view(300)) == 0
    assert due(9_999, view(300)) == 2_400
