"""What Kafka readers and writers announce."""

from __future__ import annotations

from prometheus_client import Counter

from service.telemetry.metrics import REGISTRY

_PRODUCED = Counter(
    "slipstream_records_produced", "Records acknowledged by Kafka.", ["topic"], registry=REGISTRY
)
_CONSUMED = Counter(
    "slipstream_records_consumed", "Records decoded from Kafka.", ["topic"], registry=REGISTRY
)
_DEAD = Counter("slipstream_records_dead", "Records that could not be decoded.", ["topic"], registry=REGISTRY)
_DROPPED = Counter("slipstream_records_dropped", "Records given up during an outage.", registry=REGISTRY)


class TransportSensor:
    """Hears of records; does nothing."""

    def on_produced(self, topic: str, count: int) -> None: ...
    def on_consumed(self, topic: str, count: int) -> None: ...
    def on_dead(self, topic: str) -> None: ...
    def on_dropped(self) -> None: ...


class TransportMetrics(TransportSensor):
    """Counts records in the registry."""

    def __init__(self) -> None:
        self._produced: dict[str, Counter] = {}
        self._consumed: dict[str, Counter] = {}

    def on_produced(self, topic: str, count: int) -> None:
        child = self._produced.get(topic)
        if child is None:
            child = self._produced[topic] = _PRODUCED.labels(topic=topic)
        child.inc(count)

    def on_consumed(self, topic: str, count: int) -> None:
        child = self._consumed.get(topic)
        if child is None:
            child = self._consumed[topic] = _CONSUMED.labels(topic=topic)
        child.inc(count)

    def on_dead(self, topic: str) -> None:
        _DEAD.labels(topic=topic).inc()

    def on_dropped(self) -> None:
        _DROPPED.inc()
