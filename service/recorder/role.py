"""The role ``recorder``: every topic from its beginning to Parquet, whatever the broker does meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from aiokafka.errors import KafkaError
from pydantic import Field

from service.model.codec import BY_TOPIC
from service.model.reference import load_reference
from service.recorder.recording import RecordingError, RecordingWriter
from service.settings import RoleSettings
from service.telemetry.recorder import RecorderMetrics, RecorderSensor
from service.telemetry.transport import TransportMetrics
from service.transport.consumer import Reader
from service.transport.producer import Producer
from service.transport.topics import ensure_topics

TOPICS: Final = tuple(BY_TOPIC)

log = logging.getLogger(__name__)


class RecorderSettings(RoleSettings):
    """Settings of the recorder."""

    recording: Path | None = Field(
        None, description="folder of the Parquet files; RUN_DIR/recording unless given"
    )
    flush_records: int = Field(
        10_000, ge=1, description="records of one topic after which its files are written"
    )
    flush_seconds: float = Field(10.0, gt=0, description="seconds after which pending records are written")
    drain_seconds: float = Field(
        30.0, ge=0, description="how long to read on to the end of every topic when told to stop"
    )


class Recorder:
    """Moves records from a reader into a recording.

    Args:
        writer: Where to.
        reader: Started, positioned at ``writer.next_offsets()``.
        dead: What the reader's undecodable records go to.
    """

    def __init__(
        self,
        writer: RecordingWriter,
        reader: Reader,
        dead: Producer,
        *,
        flush_records: int,
        flush_seconds: float,
        sensor: RecorderSensor | None = None,
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._dead = dead
        self._flush_records = flush_records
        self._flush_seconds = flush_seconds
        self._sensor = sensor or RecorderSensor()
        self._since: dict[str, float] = {}
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="writer")

    async def step(self, timeout: float = 0.2) -> int:
        """Take what there is within ``timeout`` seconds, and write what is due; returns records taken."""
        taken = 0
        now = time.monotonic()
        for batch in await self._reader.batch(timeout):
            self._writer.append(batch.topic, batch.partition, batch.offsets, batch.keys, batch.messages)
            taken += len(batch.messages)
            self._since.setdefault(batch.topic, now)
        due = [
            topic
            for topic, since in self._since.items()
            if now - since >= self._flush_seconds or self._writer.pending(topic) >= self._flush_records
        ]
        if due:
            await self._flush(due)
        self._sensor.on_pending(sum(map(self._writer.pending, TOPICS)))
        return taken

    async def _flush(self, topics: Iterable[str]) -> None:
        positions = await self._reader.positions()
        began = time.perf_counter()
        for topic in topics:
            pending = self._writer.pending(topic)
            # Writing is processor time and disk time: on a thread, the reader keeps its connections alive.
            # Always the same thread, or the memory that each one's allocator holds on to adds up.
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._thread, self._writer.flush, (topic,), positions)
            self._since.pop(topic, None)
            self._sensor.on_flushed(topic, pending)
        self._sensor.on_committed(time.perf_counter() - began)

    async def drain(self, seconds: float) -> bool:
        """Read every topic to its present end, at most for ``seconds``; False if that was not reached."""
        deadline = time.monotonic() + seconds
        complete = False
        while not complete and time.monotonic() < deadline:
            # What could not be decoded was put on dead.v1, which is a topic like any other.
            await self._dead.flush(deadline - time.monotonic())
            try:
                async with asyncio.timeout(5.0):
                    ends = await self._reader.end_offsets()
            except (KafkaError, OSError, TimeoutError):
                await asyncio.sleep(0.2)
                continue
            buried = self._reader.dead_letters
            while not (reached := _reached(await self._reader.positions(), ends)):
                if time.monotonic() > deadline:
                    break
                await self.step()
            complete = reached and self._reader.dead_letters == buried and self._dead.pending == 0
        await self._flush(TOPICS)
        self._writer.finish(complete=complete)
        self._thread.shutdown()
        return complete


def _reached(positions: dict[tuple[str, int], int], ends: dict[tuple[str, int], int]) -> bool:
    return all(positions[partition] >= end for partition, end in ends.items())


async def run(settings: RecorderSettings, stop: asyncio.Event) -> None:
    """Record until ``stop``, then read every topic to its end and close the recording.

    Raises:
        ReferenceFileError: The reference file cannot be used.
        TransportError: The cluster does not answer.
        RecordingError: The folder holds a recording of another cluster, or none of ours.
    """
    reference = load_reference(settings.reference)
    folder = settings.recording or settings.run_dir / "recording"
    writer = RecordingWriter(folder, reference.version)
    metrics = TransportMetrics()
    await ensure_topics(settings.kafka, settings.topic_prefix, settings.partitions)
    dead = Producer(settings.kafka, client="recorder", prefix=settings.topic_prefix, sensor=metrics)
    reader = Reader(
        settings.kafka,
        TOPICS,
        client="recorder",
        prefix=settings.topic_prefix,
        start=writer.next_offsets(),
        dead=dead,
        sensor=metrics,
    )
    ready = settings.run_dir / "ready" / "recorder"
    try:
        await dead.start()
        await reader.start()
        await _check_same_cluster(reader, writer, folder)
        recorder = Recorder(
            writer,
            reader,
            dead,
            flush_records=settings.flush_records,
            flush_seconds=settings.flush_seconds,
            sensor=RecorderMetrics(),
        )
        ready.parent.mkdir(parents=True, exist_ok=True)
        ready.touch()
        log.info("recording %d topics to %s", len(TOPICS), folder)
        while not stop.is_set():
            await recorder.step()
        if await recorder.drain(settings.drain_seconds):
            log.info("the recording is complete")
        else:
            log.error(
                "the recording is not complete: the end of some topics was not reached within %g s; "
                "start the recorder on this run again to complete it",
                settings.drain_seconds,
            )
    finally:
        with contextlib.suppress(FileNotFoundError):
            ready.unlink()
        await reader.stop()
        await dead.stop()


async def _check_same_cluster(reader: Reader, writer: RecordingWriter, folder: Path) -> None:
    offsets = writer.next_offsets()
    ends = await reader.end_offsets()
    for partition, offset in offsets.items():
        if offset > ends.get(partition, 0):
            topic, number = partition
            raise RecordingError(
                f"{folder}: holds {topic}[{number}] up to offset {offset}, but the topic ends at "
                f"{ends.get(partition, 0)}: this is another cluster's recording; use another run folder"
            )
