"""What model serving announces."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import Counter, Gauge, Histogram

from service.telemetry.metrics import LATENCY_BUCKETS, REGISTRY

_ANSWERED = Counter("slipstream_model_rows", "Rows answered within the budget.", ["model"], registry=REGISTRY)
_MISSED = Counter(
    "slipstream_model_missed", "Calls without a usable answer.", ["model", "reason"], registry=REGISTRY
)
_LATE = Counter(
    "slipstream_model_late", "Answers that came after the budget and were thrown away.", ["model"],
    registry=REGISTRY,
)  # fmt: skip
_SECONDS = Histogram(
    "slipstream_model_seconds", "One call of a model.", ["model"], buckets=LATENCY_BUCKETS, registry=REGISTRY
)
_OUTSIDE = Gauge(
    "slipstream_model_input_outside_ratio",
    "Share of late rows in which an input was outside of what the model was trained on.",
    ["model", "input"],
    registry=REGISTRY,
)
_LOADED = Gauge("slipstream_model_loaded", "1 while this model is served.", ["model"], registry=REGISTRY)


class InferenceSensor:
    """Hears of models; does nothing. ``model`` is its label, ``NAME@SHA8``; ``elapsed`` in ns."""

    def on_loaded(self, model: str) -> None: ...
    def on_answered(self, model: str, rows: int, elapsed: int) -> None: ...
    def on_missed(self, model: str, reason: str) -> None: ...
    def on_late(self, model: str, elapsed: int) -> None: ...
    def on_drift(self, model: str, outside: Mapping[str, float]) -> None: ...


class InferenceMetrics(InferenceSensor):
    """Counts calls in the registry."""

    def __init__(self) -> None:
        self._bound: dict[str, tuple[Counter, Histogram]] = {}

    def on_loaded(self, model: str) -> None:
        self._bound[model] = (_ANSWERED.labels(model=model), _SECONDS.labels(model=model))
        _LOADED.labels(model=model).set(1)

    def on_answered(self, model: str, rows: int, elapsed: int) -> None:
        answered, seconds = self._bound[model]
        answered.inc(rows)
        seconds.observe(elapsed / 1e9)

    def on_missed(self, model: str, reason: str) -> None:
        _MISSED.labels(model=model, reason=reason).inc()

    def on_late(self, model: str, elapsed: int) -> None:
        _LATE.labels(model=model).inc()
        _SECONDS.labels(model=model).observe(elapsed / 1e9)

    def on_drift(self, model: str, outside: Mapping[str, float]) -> None:
        for name, share in outside.items():
            _OUTSIDE.labels(model=model, input=name).set(share)
