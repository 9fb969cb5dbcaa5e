"""Series of names that come and go: those that are there, and no others."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry, Gauge

from service.telemetry import figures
from service.telemetry.figures import Series
from service.telemetry.metrics import REGISTRY
from service.telemetry.process import watch_loop


def shown(gauge: Gauge) -> dict[str, float]:
    return {sample.labels["name"]: sample.value for metric in gauge.collect() for sample in metric.samples}


@pytest.fixture
def gauge() -> Gauge:
    return Gauge("g", "For a test.", ["name"], registry=CollectorRegistry())


def test_a_series_is_there_as_long_as_its_name_is(gauge: Gauge) -> None:
    series = Series(gauge)
    series.show({("a",): 1.0, ("b",): 2.0})
    assert shown(gauge) == {"a": 1.0, "b": 2.0}
    series.show({("b",): 3.0, ("c",): 4.0})
    assert shown(gauge) == {"b": 3.0, "c": 4.0}
    series.show({})
    assert shown(gauge) == {}


def test_there_are_never_more_than_so_many(gauge: Gauge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "MOST", 2)
    Series(gauge).show({(name,): 0.0 for name in "abc"})
    assert set(shown(gauge)) == {"a", "b"}


async def test_a_loop_that_is_held_up_is_seen_to_be_late() -> None:
    def late() -> float:
        count = REGISTRY.get_sample_value("slipstream_loop_lag_seconds_bucket", {"le": "+Inf"}) or 0.0
        soon = REGISTRY.get_sample_value("slipstream_loop_lag_seconds_bucket", {"le": "0.1"}) or 0.0
        return count - soon

    before = late()
    watching = asyncio.create_task(watch_loop())
    await asyncio.sleep(0)
    held = asyncio.get_running_loop().time() + 0.5
    while asyncio.get_running_loop().time() < held:
        pass
    async with asyncio.timeout(30):
        while late() == before:
            await asyncio.sleep(0.01)
    watching.cancel()
