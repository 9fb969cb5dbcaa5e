"""What the desk says to a person."""

import pytest

from service.console.desk import DeskError, answer_text
from service.model.events import ParentRefused


def test_a_refused_window_is_told_in_times_that_a_person_can_read() -> None:
    detail = "start=1767625738968481510 end=978307200000000000 version=3"
    refused = ParentRefused(
        command_id="c",
        parent_id="P",
        code="INVALID_WINDOW",
        detail=detail,
        ts_event=1,
        ts_utc=1,
    )
    message = (
        r"P refused: INVALID_WINDOW start=2026-01-05T15:08:58\+00:00 end=2001-01-01T00:00:00.* version=3"
    )
    with pytest.raises(DeskError, match=message):
        answer_text(refused)
