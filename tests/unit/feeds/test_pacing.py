import pytest

from service.feeds.pacing import Followed, GroupLag, Timed
from service.model.time import SECOND, SessionClock

MARKET = 1_000 * SECOND
UTC = 5_000 * SECOND


def timed(speed: float) -> Timed:
    return Timed(
        SessionClock(
            market_start=MARKET, utc_start=UTC, speed=speed, market_end=MARKET + 60 * SECOND, ts_utc=UTC
        )
    )


@pytest.mark.parametrize("speed", [1.0, 0.5, 60.0])
def test_horizon_when_time_passes_then_so_many_times_faster(speed: float) -> None:
    assert timed(speed).horizon(UTC + 2 * SECOND) == MARKET + int(2 * speed * SECOND)


def test_wait_when_the_next_event_is_ahead_then_its_time_over_the_speed() -> None:
    pace = timed(60.0)
    assert pace.wait(MARKET + 120 * SECOND, UTC + SECOND) == pytest.approx(1.0)
    assert pace.wait(MARKET, UTC + SECOND) == 0.0


def test_lateness_when_the_event_was_due_before_then_in_real_time() -> None:
    assert timed(60.0).lateness(MARKET + 60 * SECOND, UTC + 3 * SECOND) == 2 * SECOND


async def test_allowance_when_timed_then_unbounded() -> None:
    assert await timed(1.0).allowance(10**9) > 10**9


class Consumers:
    """Groups whose lag a test sets, and a clock that it moves."""

    def __init__(self) -> None:
        self.groups: dict[str, GroupLag] | None = {}
        self.now = 0.0
        self.waiting = 0
        self.asked = 0

    async def lag(self) -> dict[str, GroupLag] | None:
        self.asked += 1
        return self.groups

    def follow(self) -> Followed:
        return Followed(
            self.lag, max_lag=100, patience=10.0, seconds=lambda: self.now, pending=lambda: self.waiting
        )


@pytest.fixture
def consumers() -> Consumers:
    return Consumers()


async def test_allowance_when_a_group_is_behind_then_what_is_left_of_its_lag(consumers: Consumers) -> None:
    consumers.groups = {"runner": GroupLag(30, moved=True), "other": GroupLag(10, moved=True)}
    assert await consumers.follow().allowance(1000) == 70


async def test_allowance_when_records_arrive_while_the_lag_is_read_then_they_count_all_the_same() -> None:
    waiting = [20]

    async def lag() -> dict[str, GroupLag]:
        waiting[0] = 0  # acknowledged after the ends of the topic were read
        return {"runner": GroupLag(30, moved=True)}

    pace = Followed(lag, max_lag=100, patience=10.0, seconds=lambda: 0.0, pending=lambda: waiting[0])
    assert await pace.allowance(0) == 50


async def test_allowance_when_not_used_up_then_nobody_is_asked(consumers: Consumers) -> None:
    pace = consumers.follow()
    assert await pace.allowance(0) == 100
    assert await pace.allowance(60) == 40
    assert consumers.asked == 1
    assert await pace.allowance(100) == 100
    assert consumers.asked == 2


async def test_allowance_when_records_are_on_their_way_then_they_count(consumers: Consumers) -> None:
    consumers.waiting = 80
    assert await consumers.follow().allowance(0) == 20


async def test_allowance_when_the_lag_is_reached_then_none_until_it_shrinks(consumers: Consumers) -> None:
    pace = consumers.follow()
    consumers.groups = {"runner": GroupLag(100, moved=True)}
    assert await pace.allowance(0) == 0
    consumers.now += 3600.0
    assert await pace.allowance(0) == 0
    consumers.groups = {"runner": GroupLag(20, moved=True)}
    assert await pace.allowance(0) == 80


async def test_allowance_when_a_group_never_commits_then_left_behind_after_patience_and_said(
    consumers: Consumers, caplog: pytest.LogCaptureFixture
) -> None:
    pace = consumers.follow()
    consumers.groups = {"runner": GroupLag(100, moved=False)}
    assert await pace.allowance(0) == 0
    consumers.now += 9.9
    assert await pace.allowance(0) == 0
    consumers.now += 0.2
    await pace.allowance(0)
    assert "runner has committed nothing for 10 s" in caplog.text
    assert await pace.allowance(0) == 100


async def test_allowance_when_an_absent_group_begins_to_commit_then_followed(consumers: Consumers) -> None:
    pace = consumers.follow()
    consumers.groups = {"runner": GroupLag(100, moved=False)}
    await pace.allowance(0)
    consumers.now += 11.0
    await pace.allowance(0)
    assert await pace.allowance(0) == 100
    consumers.groups = {"runner": GroupLag(500, moved=True)}
    assert await pace.allowance(100) == 0


async def test_allowance_when_the_cluster_is_away_then_none(consumers: Consumers) -> None:
    consumers.groups = None
    assert await consumers.follow().allowance(0) == 0
