"""Alertmanager's webhook, version 4, as alarms on the page."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from service.console.errors import Refusal
from service.console.rows import AlarmRow
from service.model.time import MICROSECOND


def read_alerts(document: dict[str, Any]) -> list[AlarmRow]:
    """Rows of a notification; one that comes again, or ends, has the same id.

    Raises:
        Refusal: If it is no notification of Alertmanager.
    """
    try:
        return [_row(alert) for alert in document["alerts"]]
    except (KeyError, TypeError, ValueError) as error:
        raise Refusal(f"this is no notification of Alertmanager (webhook version 4): {error!r}") from None


def _row(alert: dict[str, Any]) -> AlarmRow:
    labels: dict[str, str] = alert["labels"]
    annotations: dict[str, str] = alert.get("annotations", {})
    began = _nanoseconds(alert["startsAt"])
    named = " ".join(f"{name}={value}" for name, value in sorted(labels.items()))
    about = " ".join(filter(None, (annotations.get("summary", ""), annotations.get("description", ""))))
    return AlarmRow(
        id=hashlib.sha256(f"{named} {began}".encode()).hexdigest()[:16],
        kind="alert",
        code=str(labels["alertname"]),
        detail=about or named,
        symbol=labels.get("symbol", ""),
        severity=labels.get("severity", ""),
        ts_utc=began,
        resolved=_nanoseconds(alert["endsAt"]) if alert.get("status") == "resolved" else 0,
        runbook=annotations.get("runbook", "") or annotations.get("runbook_url", ""),
    )


def _nanoseconds(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * MICROSECOND
