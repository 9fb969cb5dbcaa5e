"""What the recorder announces."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from service.telemetry.metrics import LATENCY_BUCKETS, REGISTRY

_RECORDED = Counter(
    "slipstream_recorder_records", "Records committed to Parquet files.", ["topic"], registry=REGISTRY
)
_PENDING = Gauge(
    "slipstream_recorder_pending", "Records taken from Kafka that no file holds yet.", registry=REGISTRY
)
_FLUSH = Histogram(
    "slipstream_recorder_flush_seconds",
    "Time to write, sync and commit one flush.",
    buckets=LATENCY_BUCKETS,
    registry=REGISTRY,
)


class RecorderSensor:
    """Hears of the recorder's work; does nothing."""

    def on_pending(self, records: int) -> None: ...
    def on_flushed(self, topic: str, records: int) -> None: ...
    def on_committed(self, seconds: float) -> None: ...


class RecorderMetrics(RecorderSensor):
    """Counts in the registry."""

    def __init__(self) -> None:
        self._recorded: dict[str, Counter] = {}

    def on_pending(self, records: int) -> None:
        _PENDING.set(records)

    def on_flushed(self, topic: str, records: int) -> None:
        child = self._recorded.get(topic)
        if child is None:
            child = self._recorded[topic] = _RECORDED.labels(topic=topic)
        child.inc(records)

    def on_committed(self, seconds: float) -> None:
        _FLUSH.observe(seconds)
