"""Answers the core's model requests within a latency budget, or says at once that there is no answer."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from service.inference.model import Model, ModelFailure, Rows
from service.model.records import ModelAnswer
from service.telemetry.inference import InferenceSensor

KEEP_WARM: Final = 1.0
"""Seconds without a call after which a model is run for its own sake."""

log = logging.getLogger(__name__)

Result = tuple[Rows, str, int]
"""Rows, reason why there are none, ns taken."""


class ModelServer:
    """Serves models by name, on the caller's event loop.

    A model that its warm-up measured well under its budget runs inline; a slower one in a thread of its own,
    one call at a time: a request that finds it busy has missed its budget, it does not queue.

    Args:
        models: By the name that policies use.
        deliver: Called on the loop with each answer that ``ask`` did not give itself.
    """

    def __init__(
        self,
        models: Mapping[str, Model],
        deliver: Callable[[ModelAnswer], None],
        sensor: InferenceSensor | None = None,
    ) -> None:
        self._sensor = sensor or InferenceSensor()
        self._deliver = deliver
        self._models = dict(models)
        self._workers = {name: _Worker(m, self._finish) for name, m in models.items() if not m.inline}
        self._used = dict.fromkeys(models, 0)
        self._warmer: asyncio.Task[None] | None = None
        self._loud: set[tuple[str, str]] = set()
        for model in models.values():
            self._sensor.on_loaded(model.label)
            log.info(
                "model %s on %s: %.1f us a call, %s",
                model.label,
                model.provider,
                model.typical / 1e3,
                "inline" if model.inline else "in a thread",
            )

    @property
    def labels(self) -> dict[str, str]:
        """``NAME@SHA8`` by name."""
        return {name: model.label for name, model in self._models.items()}

    def start(self) -> None:
        """Keep the models warm from now on. Call it on the loop."""
        if self._models and self._warmer is None:
            self._warmer = asyncio.create_task(self._keep_warm(), name="keep models warm")

    async def stop(self) -> None:
        """End the threads. A call under way is waited for; its answer goes nowhere."""
        if self._warmer is not None:
            self._warmer.cancel()
            await asyncio.gather(self._warmer, return_exceptions=True)
            self._warmer = None
        await asyncio.gather(*(worker.stop() for worker in self._workers.values()))

    def ask(self, request: int, name: str, rows: Sequence[tuple[float, ...]]) -> ModelAnswer | None:
        """Answer now if the model runs inline; else ``None``, and ``deliver`` gets it within the budget.

        Never raises for a model's fault.

        Args:
            request: Number that the answer carries.
            rows: Raw inputs in the manifest's order, one row per parent.
        """
        model = self._models.get(name)
        if model is None:
            self._missed(name, "unavailable", "not served")
            return ModelAnswer(request=request, rows=(), missed="unavailable")
        self._used[name] = time.perf_counter_ns()
        worker = self._workers.get(name)
        if worker is None:
            return self._finish(request, model, timed(model, rows))
        if worker.busy:
            return self._finish(request, model, ((), "budget", 0))
        worker.submit(request, rows, self._deliver, self._sensor)
        return None

    def _finish(self, request: int, model: Model, result: Result) -> ModelAnswer:
        rows, missed, elapsed = result
        if not missed and elapsed > model.manifest.budget_us * 1_000:
            rows, missed = (), "budget"
        if missed:
            self._missed(model.label, missed, f"{elapsed / 1e3:.0f} us")
        else:
            self._sensor.on_answered(model.label, len(rows), elapsed)
            if (drift := model.drift()) is not None:
                self._sensor.on_drift(model.label, drift)
        return ModelAnswer(request=request, rows=rows, missed=missed, elapsed=elapsed)

    def _missed(self, label: str, reason: str, detail: str) -> None:
        self._sensor.on_missed(label, reason)
        if (label, reason) not in self._loud:
            self._loud.add((label, reason))
            log.warning("model %s gave no answer: %s (%s); more are only counted", label, reason, detail)

    async def _keep_warm(self) -> None:
        while True:
            await asyncio.sleep(KEEP_WARM)
            now = time.perf_counter_ns()
            for name, model in self._models.items():
                if now - self._used[name] < KEEP_WARM * 1e9:
                    continue
                worker = self._workers.get(name)
                if worker is None:
                    touched(model)
                elif not worker.busy:
                    worker.touch()


class _Worker:
    """One thread that runs one model."""

    def __init__(self, model: Model, finish: Callable[[int, Model, Result], ModelAnswer]) -> None:
        self.model = model
        self.busy = False
        self._finish = finish
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"model-{model.manifest.name}")

    def submit(
        self,
        request: int,
        rows: Sequence[tuple[float, ...]],
        deliver: Callable[[ModelAnswer], None],
        sensor: InferenceSensor,
    ) -> None:
        """Run it; ``deliver`` hears once, at the latest when the budget is over."""
        loop = asyncio.get_running_loop()
        began = time.perf_counter_ns()
        waiting = True
        self.busy = True

        def too_late() -> None:
            nonlocal waiting
            waiting = False
            deliver(self._finish(request, self.model, ((), "budget", time.perf_counter_ns() - began)))

        def done(future: asyncio.Future[Result]) -> None:
            self.busy = False
            timer.cancel()
            if future.cancelled():
                return
            rows, missed, _ = future.result()
            elapsed = time.perf_counter_ns() - began
            if waiting:
                deliver(self._finish(request, self.model, (rows, missed, elapsed)))
            else:
                sensor.on_late(self.model.label, elapsed)

        timer = loop.call_later(self.model.manifest.budget_us / 1e6, too_late)
        loop.run_in_executor(self._pool, timed, self.model, rows).add_done_callback(done)

    def touch(self) -> None:
        """Run it for its own sake."""
        self.busy = True
        future = asyncio.get_running_loop().run_in_executor(self._pool, touched, self.model)
        future.add_done_callback(self._touched)

    async def stop(self) -> None:
        """End the thread once the call under way is over."""
        await asyncio.to_thread(self._pool.shutdown, wait=True, cancel_futures=True)

    def _touched(self, future: asyncio.Future[None]) -> None:
        self.busy = False
        if not future.cancelled():
            future.result()


def timed(model: Model, rows: Sequence[tuple[float, ...]]) -> Result:
    """Run a model, and say how it went and how long it took."""
    began = time.perf_counter_ns()
    try:
        answers = model.run(rows)
    except ModelFailure as failure:
        return (), failure.reason, time.perf_counter_ns() - began
    return answers, "", time.perf_counter_ns() - began


def touched(model: Model) -> None:
    """Run one row and forget the answer: what is wrong with it shows when it is asked in earnest."""
    timed(model, (tuple(i.centre for i in model.manifest.inputs),))
