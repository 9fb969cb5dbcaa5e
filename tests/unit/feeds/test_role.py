import pytest

from service.feeds.role import FeedSettings, replay_window
from service.feeds.source import SourceError, open_source
from service.model.time import HOUR, MINUTE, SECOND
from tests.unit.feeds.support import REFERENCE

SOURCE = open_source("synthetic", None, REFERENCE)
OPEN, CLOSE = SOURCE.session_start, SOURCE.session_end


def test_window_when_nothing_is_said_then_the_session() -> None:
    assert replay_window(SOURCE, "", 0.0) == (OPEN, CLOSE)


def test_window_when_start_and_duration_then_that_part() -> None:
    assert replay_window(SOURCE, "10:00", 90.0) == (OPEN + HOUR // 2, OPEN + HOUR // 2 + 90 * SECOND)


def test_window_when_it_would_pass_the_close_then_ends_there() -> None:
    assert replay_window(SOURCE, "15:59", 3600.0) == (CLOSE - MINUTE, CLOSE)


@pytest.mark.parametrize("start_at", ["09:29:59", "16:00", "23:00"])
def test_window_when_it_begins_outside_the_session_then_refused(start_at: str) -> None:
    with pytest.raises(SourceError, match=r"outside the session of synthetic, 09:30 to 16:00"):
        replay_window(SOURCE, start_at, 0.0)


def test_settings_when_an_unknown_key_then_refused() -> None:
    with pytest.raises(ValueError, match="no_such"):
        FeedSettings.model_validate({"no_such": 1})
