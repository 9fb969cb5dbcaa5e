"""AUC and its interval, against numbers that are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.training.card import verdict
from policies.training.scores import BLOCK, Interval, Judged, Ranking, advantage, auc, explained


def test_auc_when_pairs_are_counted_by_hand_then_ties_are_half_and_stillness_is_left_out() -> None:
    score = np.array([0.9, 0.4, 0.4, 0.1, 0.99])
    move = np.array([1.0, 1.0, -1.0, -2.0, 0.0])
    assert auc(score, move) == (1 + 1 + 0.5 + 1) / 4


@given(
    st.lists(st.tuples(st.integers(-3, 3), st.integers(-1, 1), st.integers(0, 3)), min_size=1, max_size=30)
)
def test_auc_when_rows_have_whole_weights_then_it_is_that_of_repeated_rows(
    rows: list[tuple[int, int, int]],
) -> None:
    score, move, weight = (np.array(column, np.float64) for column in zip(*rows, strict=True))
    again = np.repeat(np.arange(len(rows)), weight.astype(int))
    weighted = Ranking(score, move).auc(weight)
    repeated = auc(score[again], move[again])
    assert weighted == pytest.approx(repeated, nan_ok=True)


def test_explained_when_the_score_is_right_or_silent_then_it_is_one_or_nothing() -> None:
    move = np.array([3.0, -1.0, 0.0])
    assert explained(np.sign(move), move) == 1.0
    assert explained(np.zeros(3), move) == 0.0


def noisy(seed: int, strength: float) -> Judged:
    rng = np.random.default_rng(seed)
    count = 6_000
    move = rng.normal(size=count)
    ours = strength * move + rng.normal(size=count)
    return Judged("AURA", np.arange(count) * (BLOCK // 200), move, ours, 0.3 * move + rng.normal(size=count))


def test_advantage_when_ours_is_better_then_the_interval_is_above_zero_and_holds_the_value() -> None:
    each, mean = advantage([noisy(1, 1.0), noisy(2, 1.0)], seed=5, draws=200)
    assert 0.0 < mean.low < mean.value < mean.high
    assert set(each) == {"AURA"}


def test_advantage_when_both_are_alike_then_the_interval_holds_zero() -> None:
    _, mean = advantage([noisy(3, 0.3)], seed=5, draws=200)
    assert mean.low < 0.0 < mean.high


def test_advantage_when_drawn_again_with_the_same_seed_then_it_is_the_same() -> None:
    assert advantage([noisy(1, 1.0)], seed=5, draws=50) == advantage([noisy(1, 1.0)], seed=5, draws=50)


@pytest.mark.parametrize(
    ("interval", "says"),
    [((0.1, 0.05, 0.2), ": above"), ((0.1, -0.05, 0.2), "NOT above"), ((-0.1, -0.2, -0.05), "BELOW")],
)
def test_verdict_when_the_interval_is_not_above_zero_then_the_card_says_so(
    interval: tuple[float, float, float], says: str
) -> None:
    assert says in verdict(Interval(*interval))
