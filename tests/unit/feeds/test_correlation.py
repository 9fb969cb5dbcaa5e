"""Which instruments move together, by their one-minute returns."""

import math
import random

import pytest

from service.feeds.correlation import Correlations
from service.model.market import Correlated

SYMBOLS = ("A", "B", "C")


def following(minutes: int, mix: float, seed: int = 1) -> Correlations:
    """A and B share ``mix`` of their moves, C goes by itself."""
    draw, made = random.Random(seed).gauss, Correlations()
    for _ in range(minutes):
        common = draw(0, 1)
        own = math.sqrt(1 - mix * mix)
        made.minute({"B": mix * common + own * draw(0, 1), "A": common, "C": draw(0, 1)})
    return made


def test_nothing_is_said_before_twenty_minutes_in_common() -> None:
    assert following(19, 1.0).of(SYMBOLS) == {"A": (), "B": (), "C": ()}
    assert following(20, 1.0).of(SYMBOLS)["A"] == (Correlated(symbol="B", percent=100),)


def test_a_minute_that_one_of_them_lacks_counts_for_nothing() -> None:
    made = following(19, 1.0)
    made.minute({"A": 1.0})
    made.minute({"B": -1.0, "C": 1.0})
    assert made.of(SYMBOLS)["A"] == ()


def test_what_moves_against_it_is_told_with_its_sign_and_what_hardly_does_not_at_all() -> None:
    made = following(400, -0.9)
    assert made.of(SYMBOLS)["C"] == ()
    (found,) = made.of(SYMBOLS)["B"]
    assert (found.symbol, -100 <= found.percent <= -80) == ("A", True)


def test_it_is_the_exponentially_weighted_correlation() -> None:
    rows = [(random.Random(n).gauss(0, 1), random.Random(n + 1000).gauss(0, 1)) for n in range(30)]
    rows = [(a, a + b) for a, b in rows]
    made = Correlations()
    for a, b in rows:
        made.minute({"A": a, "B": b})
    weights = [0.94 ** (29 - n) * (1.0 if n == 0 else 0.06) for n in range(30)]
    both = sum(w * a * b for w, (a, b) in zip(weights, rows, strict=True))
    squares = [sum(w * row[i] ** 2 for w, row in zip(weights, rows, strict=True)) for i in (0, 1)]
    expected = both / math.sqrt(squares[0] * squares[1])
    assert made.of(("A", "B"))["A"][0].percent == round(100 * expected)


def test_what_does_not_move_has_no_correlation() -> None:
    made = Correlations()
    for n in range(40):
        made.minute({"A": 0.0, "B": float(n % 3)})
    assert made.of(("A", "B")) == {"A": (), "B": ()}


def test_the_strongest_eight_are_told_in_order() -> None:
    draw, made = random.Random(5).gauss, Correlations()
    for _ in range(200):
        common = draw(0, 1)
        made.minute({"A": common, **{f"N{n}": common + (0.1 + 0.1 * n) * draw(0, 1) for n in range(10)}})
    told = made.of(("A", *(f"N{n}" for n in range(10))))["A"]
    strengths = [row.percent for row in told]
    assert len(told) == 8
    assert strengths == sorted(strengths, reverse=True)
    assert told[0].symbol == "N0"


@pytest.mark.parametrize("seed", range(5))
def test_of_two_that_share_everything_neither_is_past_a_hundred(seed: int) -> None:
    assert following(300, 1.0, seed).of(SYMBOLS)["A"][0].percent == 100
