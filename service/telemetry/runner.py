"""What the runner announces."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import Counter, Gauge, Histogram

from service.telemetry.metrics import LATENCY_BUCKETS, LEG, REGISTRY

_EVENTS = Counter("slipstream_runner_events", "Market events applied.", registry=REGISTRY)
_CONFLATED = Counter(
    "slipstream_runner_conflated", "Market events that nothing was decided on, under load.", registry=REGISTRY
)
_LATE = Counter(
    "slipstream_runner_late",
    "Market events that were over a second old when a runner got them.",
    registry=REGISTRY,
)
_TURN = Histogram(
    "slipstream_runner_turn_seconds",
    "Time to work off one fetch.",
    buckets=LATENCY_BUCKETS,
    registry=REGISTRY,
)
_DECISIONS = Counter(
    "slipstream_runner_decisions", "Decisions, by policy and action.", ["policy", "action"], registry=REGISTRY
)
_DROPPED = Counter(
    "slipstream_runner_intents_dropped",
    "Intents of policies clamped or dropped.",
    ["reason"],
    registry=REGISTRY,
)
_FALLBACK = Counter(
    "slipstream_runner_fallbacks",
    "Times that a placement served because a model's answer was missing or unusable.",
    ["reason"],
    registry=REGISTRY,
)
_PARENTS = Gauge("slipstream_runner_parents", "Live parents known.", registry=REGISTRY)
_OWNED = Gauge("slipstream_runner_partitions", "Partitions of md.v1 owned.", registry=REGISTRY)
_STALE = Gauge("slipstream_runner_stale", "1 while the market data is stale.", registry=REGISTRY)
_SYNCED = Gauge("slipstream_runner_synced", "1 while the gateway is there and in step.", registry=REGISTRY)


class RunnerSensor:
    """Hears of the runner's work; does nothing. Times in ns."""

    def on_turn(self, events: int, conflated: int, late: int, elapsed: int) -> None: ...
    def on_feed(self, latency: int) -> None: ...
    def on_decided(self, latency: int) -> None: ...
    def on_decision(self, policy: str, action: str) -> None: ...
    def on_dropped(self, reasons: Sequence[str]) -> None: ...
    def on_missed(self, reasons: Sequence[str]) -> None: ...
    def on_state(self, *, parents: int, partitions: int, stale: bool, synced: bool) -> None: ...


class RunnerMetrics(RunnerSensor):
    """Counts in the registry."""

    def __init__(self) -> None:
        self._feed = LEG.labels(leg="feed_to_runner")
        self._decide = LEG.labels(leg="decide")
        self._decisions: dict[tuple[str, str], Counter] = {}

    def on_turn(self, events: int, conflated: int, late: int, elapsed: int) -> None:
        _EVENTS.inc(events)
        if conflated:
            _CONFLATED.inc(conflated)
        if late:
            _LATE.inc(late)
        _TURN.observe(elapsed / 1e9)

    def on_feed(self, latency: int) -> None:
        self._feed.observe(latency / 1e9)

    def on_decided(self, latency: int) -> None:
        self._decide.observe(latency / 1e9)

    def on_decision(self, policy: str, action: str) -> None:
        child = self._decisions.get((policy, action))
        if child is None:
            child = _DECISIONS.labels(policy=policy, action=action)
            self._decisions[policy, action] = child
        child.inc()

    def on_dropped(self, reasons: Sequence[str]) -> None:
        for reason in reasons:
            _DROPPED.labels(reason=reason).inc()

    def on_missed(self, reasons: Sequence[str]) -> None:
        for reason in reasons:
            _FALLBACK.labels(reason=reason).inc()

    def on_state(self, *, parents: int, partitions: int, stale: bool, synced: bool) -> None:
        _PARENTS.set(parents)
        _OWNED.set(partitions)
        _STALE.set(stale)
        _SYNCED.set(synced)
