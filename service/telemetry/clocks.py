"""What is announced of the clocks."""

from __future__ import annotations

from prometheus_client import Gauge

from service.telemetry.metrics import REGISTRY

_SYNCHRONISED = Gauge(
    "slipstream_clock_synchronised",
    "1 while the kernel says that its clock is disciplined.",
    registry=REGISTRY,
)
_OFFSET = Gauge(
    "slipstream_clock_offset_seconds", "What the kernel's clock has to make good.", registry=REGISTRY
)
_ESTIMATED = Gauge(
    "slipstream_clock_estimated_error_seconds", "Error that the kernel estimates.", registry=REGISTRY
)
_BOUND = Gauge("slipstream_clock_max_error_seconds", "Bound of that error.", registry=REGISTRY)
_BROKER = Gauge(
    "slipstream_clock_broker_difference_seconds",
    "Our clock less the broker's, by its SendingTime; the smallest of a minute, NaN if it is silent.",
    registry=REGISTRY,
)
_TROUBLE = Gauge("slipstream_clock_trouble", "1 while a clock is not to be trusted (C47).", registry=REGISTRY)


class ClockSensor:
    """Hears of the clocks; does nothing. Times in ns."""

    def on_kernel(self, *, synchronised: bool, offset: int, estimated_error: int, max_error: int) -> None: ...
    def on_broker(self, difference: int | None) -> None: ...
    def on_trouble(self, trouble: bool) -> None: ...


class ClockMetrics(ClockSensor):
    """Keeps them in the registry."""

    def on_kernel(self, *, synchronised: bool, offset: int, estimated_error: int, max_error: int) -> None:
        _SYNCHRONISED.set(synchronised)
        _OFFSET.set(offset / 1e9)
        _ESTIMATED.set(estimated_error / 1e9)
        _BOUND.set(max_error / 1e9)

    def on_broker(self, difference: int | None) -> None:
        _BROKER.set(float("nan") if difference is None else difference / 1e9)

    def on_trouble(self, trouble: bool) -> None:
        _TROUBLE.set(trouble)
