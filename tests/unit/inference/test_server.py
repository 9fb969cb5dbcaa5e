"""Answers within the budget, or none: fast models, slow ones, broken ones."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

import pytest

from service.inference.model import LOOK_EVERY, Model, Rows, load_model
from service.inference.server import ModelServer
from service.model.records import ModelAnswer
from service.policy.manifest import load_manifest
from service.telemetry.inference import InferenceMetrics, InferenceSensor
from service.telemetry.metrics import REGISTRY
from tests.unit.inference import onnx_models as made

ROW = (0.5, 4.0)
ROOMY = 10_000_000


class Heard(InferenceSensor):
    """Writes down what the server announces."""

    def __init__(self) -> None:
        self.missed: list[str] = []
        self.late = asyncio.Event()
        self.answered = 0
        self.drift: list[Mapping[str, float]] = []

    def on_missed(self, model: str, reason: str) -> None:
        self.missed.append(reason)

    def on_late(self, model: str, elapsed: int) -> None:
        self.late.set()

    def on_answered(self, model: str, rows: int, elapsed: int) -> None:
        self.answered += rows

    def on_drift(self, model: str, outside: Mapping[str, float]) -> None:
        self.drift.append(outside)


class Bench:
    """A server of one model, with what it delivered."""

    def __init__(self, model: Model) -> None:
        self.delivered: asyncio.Queue[ModelAnswer] = asyncio.Queue()
        self.heard = Heard()
        self.model = model
        self.server = ModelServer({"handmade": model}, self.delivered.put_nowait, self.heard)

    def ask(self, request: int, *rows: tuple[float, ...]) -> ModelAnswer | None:
        return self.server.ask(request, "handmade", rows or (ROW,))


Make = Callable[..., Bench]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Make]:
    benches: list[Bench] = []

    def make(data: bytes, budget_us: int = ROOMY) -> Bench:
        made_one = Bench(load_model(made.write(tmp_path, data, budget_us=budget_us)))
        benches.append(made_one)
        return made_one

    yield make
    for one in benches:
        await one.server.stop()


async def test_ask_when_the_model_is_fast_then_it_answers_at_once(bench: Make) -> None:
    b = bench(made.identity())
    answer = b.ask(7, ROW, (1.0, 2.0))
    assert answer is not None
    assert (answer.request, answer.missed) == (7, "")
    assert answer.rows == ((0.0, 0.5, 0.5), (-1.0, 1.0, 0.0))
    assert answer.elapsed > 0
    assert b.heard.answered == 2


async def test_ask_when_one_call_of_many_was_looked_at_then_the_drift_of_its_inputs_is_told(
    bench: Make,
) -> None:
    b = bench(made.identity())
    while not b.heard.drift:
        b.ask(1)
    b.heard.drift.clear()
    for _ in range(LOOK_EVERY):
        b.ask(1)
    assert [set(told) for told in b.heard.drift] == [set(made.NAMES)]


async def test_ask_when_the_model_is_slow_then_the_answer_is_delivered(bench: Make) -> None:
    b = bench(made.slow(20))
    assert b.ask(8) is None
    answer = await b.delivered.get()
    assert (answer.request, answer.missed, answer.rows) == (8, "", ((0.0, 0.5, 0.5),))


async def test_ask_when_the_budget_passes_then_it_is_missed_once_and_the_late_answer_is_dropped(
    bench: Make,
) -> None:
    b = bench(made.slow(400), budget_us=2_000)
    assert b.ask(9) is None
    answer = await b.delivered.get()
    assert (answer.request, answer.missed, answer.rows) == (9, "budget", ())
    await b.heard.late.wait()
    assert b.delivered.empty()
    assert b.heard.missed == ["budget"]


async def test_ask_when_the_model_is_still_busy_then_it_does_not_queue(bench: Make) -> None:
    b = bench(made.slow(400), budget_us=2_000)
    assert b.ask(1) is None
    busy = b.ask(2)
    assert busy is not None
    assert (busy.request, busy.missed) == (2, "budget")
    await b.heard.late.wait()
    assert b.ask(3) is None


async def test_ask_when_a_fast_model_overruns_then_its_answer_is_thrown_away(bench: Make) -> None:
    b = bench(made.identity())
    assert b.model.inline
    b.model.manifest = b.model.manifest.model_copy(update={"budget_us": 0})
    answer = b.ask(1)
    assert answer is not None
    assert (answer.missed, answer.rows) == ("budget", ())
    assert answer.elapsed > 0
    assert b.heard.missed == ["budget"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [(made.divides_by_zero(), "not_finite"), (made.constant(0.0, 9.0), "out_of_range")],
    ids=["not finite", "out of range"],
)
async def test_ask_when_the_output_is_unusable_then_it_is_missed_with_the_reason(
    bench: Make, data: bytes, reason: str
) -> None:
    b = bench(data)
    answer = b.ask(1)
    assert answer is not None
    assert (answer.missed, answer.rows) == (reason, ())
    assert b.heard.missed == [reason]


async def test_ask_when_a_row_is_too_short_then_it_is_an_error_and_the_next_call_works(bench: Make) -> None:
    b = bench(made.identity())
    bad, good = b.ask(1, (0.5,)), b.ask(2)
    assert bad is not None
    assert good is not None
    assert (bad.missed, good.missed) == ("error", "")


async def test_ask_when_nobody_serves_the_model_then_it_is_unavailable(bench: Make) -> None:
    answer = bench(made.identity()).server.ask(1, "other", (ROW,))
    assert answer is not None
    assert answer.missed == "unavailable"


async def test_labels_when_served_then_they_name_model_and_hash(bench: Make) -> None:
    b = bench(made.identity())
    (label,) = b.server.labels.values()
    assert label.startswith("handmade@")
    assert len(label) == len("handmade@") + 8


async def test_start_when_idle_then_models_are_run_and_nothing_is_delivered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.inference.server.KEEP_WARM", 0.001)
    runs: asyncio.Queue[int] = asyncio.Queue()

    class Counted(Model):
        def run(self, rows: Sequence[tuple[float, ...]]) -> Rows:
            runs.put_nowait(len(rows))
            return super().run(rows)

    folder = made.write(tmp_path, made.identity(), budget_us=ROOMY)
    model = Counted(load_manifest(folder), (folder / "model.onnx").read_bytes(), "here")
    model.warm_up()
    b = Bench(model)
    b.server.start()
    assert [await runs.get(), await runs.get()] == [1, 1]
    await b.server.stop()
    assert b.delivered.empty()
    assert b.heard.answered == 0


async def test_metrics_when_calls_succeed_and_fail_then_rows_and_reasons_are_counted(tmp_path: Path) -> None:
    model = load_model(made.write(tmp_path, made.identity(), name="measured", budget_us=ROOMY))
    server = ModelServer({"measured": model}, lambda answer: None, InferenceMetrics())
    server.ask(1, "measured", (ROW, ROW))
    server.ask(2, "measured", ((0.5,),))
    await server.stop()
    label = {"model": model.label}
    assert REGISTRY.get_sample_value("slipstream_model_loaded", label) == 1
    assert REGISTRY.get_sample_value("slipstream_model_rows_total", label) == 2
    assert REGISTRY.get_sample_value("slipstream_model_seconds_count", label) == 1
    missed = {**label, "reason": "error"}
    assert REGISTRY.get_sample_value("slipstream_model_missed_total", missed) == 1
