"""Market time runs on by the session clock, and by the watermark when replayed as fast as possible."""

import math
from typing import Any

import pytest

from service.model.codec import DecodeError, encode, reference_message
from service.model.time import SECOND, SessionClock


def clock(speed: float) -> SessionClock:
    return SessionClock(market_start=1000, utc_start=0, speed=speed, market_end=10**18, ts_utc=0)


def test_market_time_runs_at_the_clocks_speed() -> None:
    assert clock(60.0).market(SECOND, 0) == 1000 + 60 * SECOND
    assert clock(1.0).market(SECOND, 0) == 1000 + SECOND


def test_market_time_is_the_watermark_when_as_fast_as_possible() -> None:
    assert clock(0.0).market(SECOND, 5000) == 5000
    assert clock(0.0).market(SECOND, 0) == 1000


@pytest.mark.parametrize(
    "changes",
    [
        {"speed": math.nan},
        {"speed": math.inf},
        {"speed": -1.0},
        {"speed": 1e300},
        {"market_start": -1},
        {"market_start": 2**64 - 1},
        {"utc_start": 2**63},
        {"market_end": 2**63},
    ],
)
def test_a_clock_that_tells_no_time_is_no_message(changes: dict[str, Any]) -> None:
    fields = {"market_start": 0, "utc_start": 0, "speed": 1.0, "market_end": 1, "ts_utc": 0}
    with pytest.raises(DecodeError):
        reference_message(encode(SessionClock(**{**fields, **changes})))


def test_market_time_is_a_time_that_can_be_written_down_when_the_clock_runs_away() -> None:
    assert clock(1e6).market(2**61, 0) == 2**62
    assert SessionClock(market_start=0, utc_start=2**62, speed=1e6, market_end=1, ts_utc=0).market(0, 0) == 0
    assert clock(0.0).market(0, 2**64 - 1) == 2**62
