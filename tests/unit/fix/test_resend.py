"""Who asks whom for what again, driven by a clock of the test's."""

from hypothesis import given
from hypothesis import strategies as st

from service.fix.resend import (
    ANSWER_DELAY,
    FORGOTTEN_AFTER,
    FREE_ANSWERS,
    LONGEST,
    MOST_TRIES,
    Answers,
    CatchUp,
    request_end,
)


def test_request_when_the_gap_is_long_then_its_length_is_bounded() -> None:
    assert request_end(10, 0) == 10 + LONGEST - 1
    assert request_end(10, 20) == 0
    assert request_end(10, 100_000) == 10 + LONGEST - 1
    assert request_end(10, 9) == 10 + LONGEST - 1, "a number that is behind says nothing"


def test_gap_when_its_end_is_known_then_it_is_asked_for_piece_by_piece_and_probed() -> None:
    catch_up = CatchUp()
    high, begin, asked, now = 6_000, 1, [], 0.0
    for _ in range(10):
        end = request_end(begin, high)
        catch_up.asked(begin, end, high, now)
        asked.append((begin, end))
        end = end or high
        assert catch_up.look(end, now) == "", "the last one of the piece is not there yet"
        if (due := catch_up.look(end + 1, now)) != "ask":
            break
        begin = end + 1
    assert asked == [(1, 2_500), (2_501, 5_000), (5_001, 0)]
    assert due == "probe", "something may have crossed our request"


def test_gap_when_its_end_is_unknown_then_a_probe_closes_it() -> None:
    catch_up = CatchUp()
    catch_up.asked(5, 5 + LONGEST - 1, 0, 0.0)
    assert catch_up.look(5 + LONGEST, 1.0) == "probe"
    assert catch_up.look(5 + LONGEST, 1.1) == ""
    catch_up.level()
    assert catch_up.look(5 + LONGEST, 99.0) == ""


def test_gap_when_a_probe_is_not_answered_then_the_next_piece_is_asked_for() -> None:
    catch_up = CatchUp()
    catch_up.asked(5, 5 + LONGEST - 1, 0, 0.0)
    assert catch_up.look(5 + LONGEST, 1.0) == "probe"
    assert catch_up.look(5 + LONGEST, 3.1) == "ask"


def test_gap_when_nothing_comes_then_requests_grow_rare_and_end() -> None:
    catch_up, now, asked = CatchUp(), 0.0, []
    catch_up.asked(7, 2_506, 0, now)
    while True:
        now += 0.1
        due = catch_up.look(7, now)
        if due == "give up":
            break
        if due == "ask":
            asked.append(now)
            catch_up.asked(7, 2_506, 0, now)
    assert len(asked) == MOST_TRIES - 1
    pauses = [b - a for a, b in zip([0.0, *asked], asked, strict=False)]
    assert pauses == sorted(pauses)
    assert pauses[0] >= 2.0
    assert pauses[-1] >= 30.0
    assert not catch_up.open


def test_gap_when_messages_trickle_in_then_it_is_not_given_up() -> None:
    catch_up, now, expected = CatchUp(), 0.0, 7
    catch_up.asked(7, 2_506, 0, now)
    for step in range(1_000):
        now += 0.5
        expected += step % 2
        assert catch_up.look(expected, now) == ""


def test_gap_when_connections_end_over_it_then_tries_add_up() -> None:
    catch_up = CatchUp()
    for number in range(1, 5):
        catch_up.asked(7, 20, 20, float(number))
        assert catch_up.tries == number
    catch_up.asked(8, 20, 20, 9.0)
    assert catch_up.tries == 1


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0.01, 5.0)), max_size=300))
def test_requests_when_the_counterparty_does_anything_then_they_are_never_a_storm(
    steps: list[tuple[int, float]],
) -> None:
    """However it sends, requests for one message are at most ``MOST_TRIES``, and seconds apart."""
    catch_up, now, expected = CatchUp(), 0.0, 1
    catch_up.asked(1, LONGEST, 0, now)
    asked = {1: [now]}
    for came, pause in steps:
        now, expected = now + pause, expected + came
        if catch_up.look(expected, now) == "ask":
            assert all(now - earlier >= 2.0 for earlier in asked.get(expected, []))
            asked.setdefault(expected, []).append(now)
            catch_up.asked(expected, expected + LONGEST - 1, 0, now)
    assert all(len(times) <= MOST_TRIES for times in asked.values())


def test_answers_when_asked_for_the_same_again_and_again_then_they_are_held_back() -> None:
    answers = Answers()
    delays = [answers.asked(5, n * 0.01) for n in range(10)]
    assert delays == [0.0] * FREE_ANSWERS + [ANSWER_DELAY] * (10 - FREE_ANSWERS)
    assert answers.asked(6, 0.2) == 0.0
    for n in range(FREE_ANSWERS):
        answers.asked(6, 0.3 + n)
    assert answers.times == FREE_ANSWERS + 1
    assert answers.asked(6, FORGOTTEN_AFTER + 10) == 0.0
