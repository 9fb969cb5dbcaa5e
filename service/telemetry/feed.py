"""What the feed announces."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import Counter, Gauge

from service.telemetry.metrics import REGISTRY

_PUBLISHED = Counter("slipstream_feed_events", "Market events published.", registry=REGISTRY)
_LATE = Counter("slipstream_feed_late", "Events published later than their time allows.", registry=REGISTRY)
_HELD = Counter(
    "slipstream_feed_held", "Times that the replay waited for Kafka to take what it has.", registry=REGISTRY
)
_REPAIRED = Gauge(
    "slipstream_feed_repaired", "Rows of the source mended so far.", ["kind"], registry=REGISTRY
)
_WATERMARK = Gauge(
    "slipstream_feed_watermark_seconds",
    "Market time, seconds since the epoch, up to which everything has been published.",
    registry=REGISTRY,
)
_PENDING = Gauge("slipstream_feed_pending", "Records that Kafka has not acknowledged.", registry=REGISTRY)
_LAG = Gauge(
    "slipstream_feed_followed_lag",
    "Records a followed consumer group is behind.",
    ["group"],
    registry=REGISTRY,
)
_DONE = Gauge("slipstream_feed_done", "1 once the source has ended.", registry=REGISTRY)


class FeedSensor:
    """Hears of the feed's work; does nothing."""

    def on_published(self, events: int) -> None: ...
    def on_late(self, events: int) -> None: ...
    def on_held(self) -> None: ...
    def on_heartbeat(self, watermark: int, pending: int, repairs: Mapping[str, int]) -> None: ...
    def on_lag(self, group: str, records: int) -> None: ...
    def on_done(self) -> None: ...


class FeedMetrics(FeedSensor):
    """Counts in the registry."""

    def on_published(self, events: int) -> None:
        _PUBLISHED.inc(events)

    def on_late(self, events: int) -> None:
        _LATE.inc(events)

    def on_held(self) -> None:
        _HELD.inc()

    def on_heartbeat(self, watermark: int, pending: int, repairs: Mapping[str, int]) -> None:
        _WATERMARK.set(watermark / 1e9)
        _PENDING.set(pending)
        for kind, count in repairs.items():
            _REPAIRED.labels(kind=kind).set(count)

    def on_lag(self, group: str, records: int) -> None:
        _LAG.labels(group=group).set(records)

    def on_done(self) -> None:
        _DONE.set(1)
