"""The recorder as a role against a real Kafka: complete, resumable, and indifferent to a broker that dies."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from service.demo.processes import Roles
from service.model.codec import encode
from service.model.market import Trade
from service.model.records import AuditEntry, DeadLetter
from service.recorder.recording import Recording, RecordingError
from service.recorder.role import RecorderSettings, run
from service.transport.kafka_process import KafkaProcess
from service.transport.producer import Producer
from service.transport.topics import AUDIT, DEAD, MD, ensure_topics


def trade(n: int) -> Trade:
    return Trade(symbol=f"S{n % 7}", venue="XSIM", ts_event=n, ts_utc=n, seq=n, price=n, quantity=1)


@contextlib.asynccontextmanager
async def recorder(settings: RecorderSettings) -> AsyncIterator[asyncio.Task[None]]:
    stop = asyncio.Event()
    task = asyncio.create_task(run(settings, stop))
    ready = settings.run_dir / "ready" / "recorder"
    try:
        await until(lambda: ready.exists() or task.done())
        yield task
    finally:
        stop.set()
        await task


async def until(condition: Callable[[], bool | Awaitable[bool]], timeout: float = 60.0) -> None:
    async with asyncio.timeout(timeout):
        while True:
            answer = condition()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.02)


def recorded(folder: Path) -> list[bytes]:
    return sorted(encode(message) for message in Recording(folder).messages(MD))


async def test_everything_is_recorded_once_when_the_recorder_is_told_to_stop_and_started_again(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    settings = RecorderSettings(
        run_dir=tmp_path, kafka=kafka.bootstrap, topic_prefix=topic_prefix, flush_records=50
    )
    await ensure_topics(kafka.bootstrap, topic_prefix)
    producer = Producer(kafka.bootstrap, client="test", prefix=topic_prefix)
    await producer.start()
    for n in range(300):
        producer.send(MD, b"S%d" % (n % 7), trade(n))
    async with recorder(settings):
        producer.send_encoded(MD, b"S1", b"not a message", partition=0)
        for n in range(300, 500):
            producer.send(MD, b"S%d" % (n % 7), trade(n))
        entry = AuditEntry(who="w", action="a", target="t", reason="r", outcome="o", ts_utc=1)
        producer.send(AUDIT, None, entry)
        assert await producer.flush()
    assert recorded(tmp_path / "recording") == sorted(encode(trade(n)) for n in range(500))
    recording = Recording(tmp_path / "recording")
    assert recording.manifest.complete
    assert list(recording.messages(AUDIT)) == [entry]
    (letter,) = recording.messages(DEAD, DeadLetter)
    assert letter.value == b"not a message"

    for n in range(500, 600):
        producer.send(MD, b"S%d" % (n % 7), trade(n))
    await producer.stop()
    async with recorder(settings):
        pass
    assert recorded(tmp_path / "recording") == sorted(encode(trade(n)) for n in range(600))
    assert len(list(Recording(tmp_path / "recording").messages(DEAD))) == 1
    order = [r.offset for r in Recording(tmp_path / "recording").partition(MD, 2)]
    assert order == sorted(set(order))


async def test_the_recording_is_complete_when_kafka_was_killed_while_it_ran(
    own_kafka: KafkaProcess, tmp_path: Path
) -> None:
    settings = RecorderSettings(run_dir=tmp_path, kafka=own_kafka.bootstrap, flush_seconds=0.2)
    await ensure_topics(own_kafka.bootstrap)
    producer = Producer(own_kafka.bootstrap, client="test")
    await producer.start()
    async with recorder(settings):
        for n in range(200):
            producer.send(MD, b"S%d" % (n % 7), trade(n))
        await producer.flush()
        own_kafka.kill()
        for n in range(200, 400):
            producer.send(MD, b"S%d" % (n % 7), trade(n))
        await own_kafka.wait_ready(60.0)
        assert await producer.flush(60.0)
        await producer.stop()
    assert recorded(tmp_path / "recording") == sorted(encode(trade(n)) for n in range(400))
    assert Recording(tmp_path / "recording").manifest.complete


async def test_nothing_is_lost_or_doubled_when_the_recorder_is_killed_again_and_again(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    await ensure_topics(kafka.bootstrap, topic_prefix)
    producer = Producer(kafka.bootstrap, client="test", prefix=topic_prefix)
    await producer.start()
    roles = Roles(tmp_path)
    options = ["--run-dir", str(tmp_path), "--kafka", kafka.bootstrap, "--topic-prefix", topic_prefix]
    options += ["--flush-seconds", "0.05", "--flush-records", "20"]
    manifest = tmp_path / "recording" / "manifest.json"
    sent = 0
    for _ in range(3):
        await roles.start("recorder", options)
        await roles.ready("recorder")
        before = manifest.stat().st_mtime_ns if manifest.exists() else 0
        for _ in range(200):
            producer.send(MD, b"S%d" % (sent % 7), trade(sent))
            sent += 1
        await producer.flush()
        # In the middle of its work: something new is committed, and more is on its way.
        await until(lambda before=before: manifest.exists() and manifest.stat().st_mtime_ns > before)
        os.kill(roles.pids["recorder"], signal.SIGKILL)
        await roles.stop("recorder")
    await producer.stop()
    await roles.start("recorder", options)
    await roles.ready("recorder")
    assert await roles.stop("recorder", 60.0) == 0
    assert recorded(tmp_path / "recording") == sorted(encode(trade(n)) for n in range(sent))
    recording = Recording(tmp_path / "recording")
    assert recording.manifest.complete
    for partition in recording.partitions(MD):
        offsets = [record.offset for record in recording.partition(MD, partition)]
        assert offsets == list(range(len(offsets)))
    on_disk = {p.relative_to(recording.folder).as_posix() for p in recording.folder.glob("*/*/*")}
    assert on_disk == set(recording.manifest.files)


async def test_a_recording_of_another_cluster_is_refused_when_continued(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    settings = RecorderSettings(run_dir=tmp_path, kafka=kafka.bootstrap, topic_prefix=topic_prefix)
    await ensure_topics(kafka.bootstrap, topic_prefix)
    producer = Producer(kafka.bootstrap, client="test", prefix=topic_prefix)
    await producer.start()
    producer.send(MD, b"S", trade(1))
    await producer.stop()
    async with recorder(settings):
        pass
    other = settings.model_copy(update={"topic_prefix": topic_prefix + "other."})
    with pytest.raises(RecordingError, match="another cluster"):
        await run(other, asyncio.Event())
