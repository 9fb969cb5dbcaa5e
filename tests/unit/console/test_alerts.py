"""Alertmanager's webhook becomes alarms; what is no notification is refused."""

from __future__ import annotations

from typing import Any

import pytest

from service.console.alerts import read_alerts
from service.console.errors import Refusal

ALERT: dict[str, Any] = {
    "status": "firing",
    "labels": {"alertname": "FeedStale", "severity": "critical", "role": "feed"},
    "annotations": {"summary": "the feed is silent", "runbook": "docs/runbooks/feed.md"},
    "startsAt": "2026-11-21T12:00:00.5Z",
    "endsAt": "0001-01-01T00:00:00Z",
}


def test_an_alert_becomes_a_row() -> None:
    (row,) = read_alerts({"alerts": [ALERT]})
    assert (row.kind, row.code, row.severity, row.detail) == (
        "alert",
        "FeedStale",
        "critical",
        "the feed is silent",
    )
    assert (row.ts_utc, row.resolved, row.runbook) == (1_795_262_400_500_000_000, 0, "docs/runbooks/feed.md")


def test_an_alert_when_told_again_or_over_has_the_same_id() -> None:
    over = {**ALERT, "status": "resolved", "endsAt": "2026-11-21T12:01:00Z"}
    first, last = read_alerts({"alerts": [ALERT, over]})
    assert first.id == last.id
    assert last.resolved == 1_795_262_460_000_000_000


@pytest.mark.parametrize(
    "document",
    [{}, {"alerts": None}, {"alerts": [{}]}, {"alerts": ["x"]}, {"alerts": [{**ALERT, "startsAt": "now"}]}],
)
def test_garbage_is_refused_by_name(document: dict[str, Any]) -> None:
    with pytest.raises(Refusal, match="webhook version 4"):
        read_alerts(document)
