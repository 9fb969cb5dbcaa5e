"""Market time runs on by the session clock, and by the watermark when replayed as fast as possible."""

from service.model.time import SECOND, SessionClock


def clock(speed: float) -> SessionClock:
    return SessionClock(market_start=1000, utc_start=0, speed=speed, market_end=10**18, ts_utc=0)


def test_market_time_runs_at_the_clocks_speed() -> None:
    assert clock(60.0).market(SECOND, 0) == 1000 + 60 * SECOND
    assert clock(1.0).market(SECOND, 0) == 1000 + SECOND


def test_market_time_is_the_watermark_when_as_fast_as_possible() -> None:
    assert clock(0.0).market(SECOND, 5000) == 5000
    assert clock(0.0).market(SECOND, 0) == 1000
