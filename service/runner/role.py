"""The role ``runner``: policies decide on the market data that this process owns, and tell the gateway."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field

from service.inference.registry import FOLDERS, Served, serve_models
from service.inference.server import ModelServer
from service.model import codec
from service.model.market import ReferenceSnapshot
from service.model.records import GatewayLink
from service.model.reference import load_reference
from service.model.stream import RunnerHeartbeat, RunnerHello
from service.model.time import MILLISECOND, SessionClock
from service.policy.registry import discover
from service.runner.shell import Shell
from service.runner.start import ServedModel, Start, build_core, code_digest, write_start
from service.settings import HotRoleSettings, stream_address
from service.telemetry.figures import FiguresMetrics
from service.telemetry.inference import InferenceMetrics
from service.telemetry.process import ask_for_realtime, tune_collector
from service.telemetry.runner import RunnerMetrics
from service.telemetry.transport import TransportMetrics
from service.transport.consumer import GroupReader, Reader
from service.transport.producer import Producer
from service.transport.stream import StreamClient
from service.transport.topics import DECISIONS, INPUTS, MD, REF, SIGNALS, ensure_topics

COMMIT_EVERY: Final = 0.25
COMMIT_RECORDS: Final = 1000
"""Offsets are committed after so many seconds, or records, whichever is first."""

FLUSH_EVERY: Final = 0.05

log = logging.getLogger(__name__)


class RunnerSettings(HotRoleSettings):
    """Settings of the runner."""

    runner_id: str = Field("", max_length=64, description="name on the record; runner-PID if empty")
    group: str = Field("runner", min_length=1, description="consumer group that shares the instruments out")
    gateway: str = Field("", description="unix:/path or tcp:HOST:PORT of the gateway; RUN_DIR's if empty")
    models: Path | None = Field(None, description="folder of model folders, looked in before our own")
    provider: Literal["cpu", "cuda"] = Field("cpu", description="what models run on: cpu or cuda")
    stale_after_ms: int = Field(1000, ge=300, description="age of the feed's heartbeat that stops deciding")
    conflate_above: int = Field(
        500, ge=1, description="market events in one fetch beyond which only the newest books are decided on"
    )
    fetch_records: int = Field(2000, ge=1, le=20_000, description="market events in one fetch at most")
    timer_ms: int = Field(100, ge=10, le=1000, description="time between two ticks of the core's clock")
    heartbeat_ms: int = Field(250, ge=50, le=1000, description="time between two proofs of life")
    cadence_floor_ms: int = Field(
        0, ge=0, description="smallest market time between two evaluations, whatever the policy says"
    )


class Runner:
    """One life of a runner: connections, and the shell between them."""

    def __init__(self, settings: RunnerSettings, partitions: int, producer: Producer, served: Served) -> None:
        self._settings = settings
        self._producer = producer
        self._runner_id = settings.runner_id or f"runner-{os.getpid()}"
        self._failure: BaseException | None = None
        self._failed = asyncio.Event()
        self._joined = asyncio.Event()
        self._stopping = False
        self._taken = 0
        self._much_taken = asyncio.Event()
        self.start = Start(
            runner_id=self._runner_id,
            instance=f"{self._runner_id}-{time.time_ns()}",
            reference=settings.reference.read_text(encoding="utf-8"),
            partitions=partitions,
            cadence_floor=settings.cadence_floor_ms * MILLISECOND,
            policies=discover().sources,
            code=code_digest(),
            models={
                name: ServedModel(label=model.label, manifest=model.manifest.model_dump_json())
                for name, model in served.models.items()
            },
        )
        self._models = ModelServer(served.models, self._guard(self._answer), InferenceMetrics())
        self._gateway = StreamClient(
            settings.gateway or stream_address(settings.run_dir),
            codec.to_runner,
            on_message=self._guard(lambda message: self.shell.inline(message)),
            on_up=self._guard(self._up),
            on_down=self._guard(self._down),
        )
        self.shell = Shell(
            build_core(self.start),
            instance=self.start.instance,
            revision=self.start.revision,
            record=producer,
            send=self._gateway.send,
            ask=self._models.ask,
            stale_after=settings.stale_after_ms * MILLISECOND,
            conflate_above=settings.conflate_above,
            sensor=RunnerMetrics(),
            figures=FiguresMetrics(),
        )

    async def run(self, stop: asyncio.Event, md: GroupReader, ref: Reader, ready: Path) -> None:
        """Work until ``stop``."""
        self._models.start()
        await self._gateway.start()
        tasks = [
            asyncio.create_task(self._watched(work), name=name)
            for name, work in (
                ("market data", self._market_data(md)),
                ("reference facts", self._reference_facts(ref)),
                ("timer", self._every(self._settings.timer_ms / 1000, self.shell.tick)),
                ("heartbeat", self._every(self._settings.heartbeat_ms / 1000, self._beat)),
                ("inputs", self._every(FLUSH_EVERY, self.shell.flush)),
                ("commit", self._commit(md)),
                ("ready", self._announce(ready)),
            )
        ]
        halts = [asyncio.create_task(stop.wait()), asyncio.create_task(self._failed.wait())]
        try:
            await asyncio.wait(halts, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._stopping = True
            for task in (*tasks, *halts):
                task.cancel()
            await asyncio.gather(*tasks, *halts, return_exceptions=True)
            await self._gateway.stop()
            await self._models.stop()
            self.shell.flush()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2.0):
                    await md.commit()
        if self._failure is not None:
            raise self._failure

    def assigned(self, owned: tuple[int, ...]) -> None:
        """The group has shared the partitions out."""
        log.info("partitions %s", ", ".join(map(str, owned)) or "none")
        self._guard(self.shell.partitions)(owned)
        if owned:
            self._joined.set()

    def _guard(self, work: Callable[..., None]) -> Callable[..., None]:
        """A failure in a callback of the loop ends the role, loudly, and not just a connection."""

        def guarded(*arguments: Any) -> None:
            try:
                work(*arguments)
            except Exception as error:  # noqa: BLE001 - kept, and raised by ``run``
                self._fail(error)

        return guarded

    def _fail(self, error: BaseException) -> None:
        if self._failure is None:
            log.critical("the runner's core failed", exc_info=error)
            self._failure = error
        self._failed.set()

    async def _watched(self, work: Any) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - kept, and raised by ``run``
            self._fail(error)

    async def _announce(self, ready: Path) -> None:
        await self._joined.wait()
        ready.parent.mkdir(parents=True, exist_ok=True)
        ready.touch()
        log.info("ready: instance %s, revision %s", self.start.instance, self.start.revision)

    async def _market_data(self, md: GroupReader) -> None:
        market = self.shell.market
        most = self._settings.fetch_records
        while True:
            batches = await md.batch(max_records=most)
            if batches:
                self._taken += market(batches)
                if self._taken >= COMMIT_RECORDS:
                    self._much_taken.set()
                # A full fetch comes back at once: let the stream and the timers have their turn.
                await asyncio.sleep(0)

    async def _reference_facts(self, ref: Reader) -> None:
        while True:
            for batch in await ref.batch():
                for message in batch.messages:
                    if isinstance(message, SessionClock):
                        self.shell.session(message)
                    elif isinstance(message, ReferenceSnapshot):
                        self.shell.reference_fact(message)

    async def _commit(self, md: GroupReader) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(COMMIT_EVERY):
                    await self._much_taken.wait()
            self._much_taken.clear()
            if self._taken:
                self._taken = 0
                await md.commit()

    async def _every(self, seconds: float, work: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            work()
            due = max(due + seconds, loop.time())
            await asyncio.sleep(due - loop.time())

    def _beat(self) -> None:
        self._gateway.send(RunnerHeartbeat(runner_id=self._runner_id, ts_utc=time.time_ns()))

    def _up(self) -> None:
        log.info("the gateway is there")
        self._gateway.send(RunnerHello(runner_id=self._runner_id, ts_utc=time.time_ns()))
        self.shell.inline(GatewayLink(up=True))

    def _down(self) -> None:
        if not self._stopping:
            log.warning("the gateway is gone; nothing is decided until it is back")
        self.shell.inline(GatewayLink(up=False))

    def _answer(self, answer: Any) -> None:
        self.shell.answer(answer)


async def run(settings: RunnerSettings, stop: asyncio.Event) -> None:
    """Decide until ``stop``.

    Raises:
        ReferenceFileError: The reference file cannot be used.
        TransportError: The cluster does not answer.
    """
    ask_for_realtime(settings.realtime_priority)
    load_reference(settings.reference)
    found = discover()
    for name, reason in found.unavailable.items():
        log.error("policy %s is unavailable: %s", name, reason)
    folders = (settings.models, *FOLDERS) if settings.models is not None else FOLDERS
    served = await asyncio.to_thread(serve_models, found.policies, folders, settings.provider)
    tune_collector()

    metrics = TransportMetrics()
    await ensure_topics(settings.kafka, settings.topic_prefix, settings.partitions)
    producer = Producer(
        settings.kafka,
        client="runner",
        prefix=settings.topic_prefix,
        linger=0.02,
        max_pending=settings.max_unrecorded,
        sensor=metrics,
    )
    await producer.start()
    ready = settings.run_dir / "ready" / "runner"
    md: GroupReader | None = None
    ref: Reader | None = None
    try:
        for topic in (DECISIONS, SIGNALS, INPUTS):
            await producer.partitions(topic)
        runner = Runner(settings, await producer.partitions(MD), producer, served)
        path = write_start(runner.start, settings.run_dir)
        log.info("policies %s; start document %s", ", ".join(runner.start.policies), path)
        ref = Reader(
            settings.kafka,
            [REF],
            client="runner-ref",
            prefix=settings.topic_prefix,
            start="latest",
            patience=0.1,
            dead=producer,
            sensor=metrics,
        )
        md = GroupReader(
            settings.kafka,
            [MD],
            client="runner-md",
            group=settings.group,
            on_partitions=runner.assigned,
            prefix=settings.topic_prefix,
            dead=producer,
            sensor=metrics,
        )
        await ref.start()
        await md.start()
        await runner.run(stop, md, ref, ready)
    finally:
        with contextlib.suppress(FileNotFoundError):
            ready.unlink()
        for reader in (md, ref):
            if reader is not None:
                await reader.stop()
        await producer.stop()
