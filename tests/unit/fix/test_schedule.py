"""Hours of a session: against a clock that is walked through, minute by minute."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.fix.schedule import DAYS, Schedule, parse_schedule
from service.model.time import SECOND

WEEKDAYS = DAYS[:5]


def at(text: str) -> int:
    return int(datetime.fromisoformat(f"{text}+00:00").timestamp()) * SECOND


def test_session_without_hours_when_asked_then_it_is_always_open() -> None:
    assert Schedule().open(0)
    assert Schedule().open(at("2026-11-21 13:00:00"))


@pytest.mark.parametrize(
    ("utc", "is_open"),
    [
        ("2026-11-20 06:59:59", False),  # a Friday
        ("2026-11-20 07:00:00", True),
        ("2026-11-20 20:59:59", True),
        ("2026-11-20 21:00:00", False),
        ("2026-11-21 12:00:00", False),
        ("2026-11-22 12:00:00", False),
        ("2026-11-23 12:00:00", True),
    ],
)
def test_hours_of_weekdays_when_asked_then_the_weekend_is_closed(utc: str, is_open: bool) -> None:
    assert parse_schedule("07:00:00", "21:00:00", WEEKDAYS).open(at(utc)) is is_open


@pytest.mark.parametrize(
    ("utc", "is_open"),
    [
        ("2026-11-22 21:59:59", False),  # a Sunday
        ("2026-11-22 22:00:00", True),
        ("2026-11-23 20:59:59", True),
        ("2026-11-23 21:00:00", False),
        ("2026-11-27 20:59:59", True),
        ("2026-11-27 22:00:00", False),
    ],
)
def test_hours_over_midnight_when_asked_then_the_day_is_the_one_they_began_on(
    utc: str, is_open: bool
) -> None:
    assert parse_schedule("22:00:00", "21:00:00", ("sun", *DAYS[:4])).open(at(utc)) is is_open


@given(
    start=st.integers(0, 86_399),
    end=st.integers(0, 86_399),
    days=st.frozensets(st.integers(0, 6)),
    minute=st.integers(0, 7 * 1440),
)
def test_opening_when_told_then_the_hours_begin_then_and_not_before(
    start: int, end: int, days: frozenset[int], minute: int
) -> None:
    schedule = Schedule(start, end, days)
    now = at("2026-11-16 00:00:00") + minute * 60 * SECOND
    opens = schedule.opens(now)
    assert now < opens <= now + 8 * 86_400 * SECOND
    assert schedule.open(opens)
    begins = datetime.fromtimestamp(opens // SECOND, UTC)
    assert (begins.hour * 3600 + begins.minute * 60 + begins.second) == start
    assert not days or begins.weekday() in days
    if not schedule.open(now):
        for step in range(now, opens, 3600 * SECOND):
            assert not schedule.open(step)


def test_reason_when_closed_then_it_says_when_hours_begin() -> None:
    schedule = parse_schedule("07:00:00", "21:00:00", WEEKDAYS)
    assert schedule.reason(at("2026-11-20 22:00:00")) == (
        "outside session hours; they begin Mon 23 Nov 07:00:00 UTC"
    )


def test_day_round_session_when_days_are_named_then_it_lasts_to_the_next_start() -> None:
    schedule = parse_schedule("17:00:00", "17:00:00", ("mon",))
    monday = datetime(2026, 11, 16, 17, tzinfo=UTC)
    seconds = [int((monday + timedelta(hours=h)).timestamp()) for h in (-1, 0, 23, 24)]
    assert [schedule.open(s * SECOND) for s in seconds] == [False, True, True, False]


@pytest.mark.parametrize(
    ("given_", "reason"),
    [
        (("07:00:00", "", ()), "go together"),
        (("07:00", "21:00:00", ()), "start_time '07:00' is not HH:MM:SS"),
        (("07:00:00", "24:00:00", ()), "end_time '24:00:00'"),
        (("7:00:00", "21:00:00", ()), "start_time '7:00:00'"),
        (("", "", ("monday",)), "days 'monday' is none of mon, tue"),
        (("", "", ("mon", "mon")), "stands there twice"),
    ],
)
def test_hours_when_they_cannot_be_then_the_error_names_the_field(
    given_: tuple[str, str, tuple[str, ...]], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_schedule(*given_)
