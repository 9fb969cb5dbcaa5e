"""The local Kafka process: a real JVM, so one test walks through a whole life."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from service.transport import kafka_jars
from service.transport.kafka_probe import HOST, answers
from service.transport.kafka_process import KafkaProcess, KafkaProcessError


async def make_topic(bootstrap: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()


async def send(bootstrap: str, topic: str, *values: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        for value in values:
            await producer.send_and_wait(topic, value)
    finally:
        await producer.stop()


async def read(bootstrap: str, topic: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        values: list[bytes] = []
        async with asyncio.timeout(30):
            while len(values) < count:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    values += [record.value for record in records]
        return values
    finally:
        await consumer.stop()


async def test_session_kafka_when_asked_for_then_it_answers(kafka: KafkaProcess, topic_prefix: str) -> None:
    topic = topic_prefix + "t"
    await make_topic(kafka.bootstrap, topic)
    await send(kafka.bootstrap, topic, b"one", b"two")
    assert await read(kafka.bootstrap, topic, 2) == [b"one", b"two"]


async def test_broker_when_killed_and_restarted_then_port_and_acknowledged_records_stay(
    own_kafka: KafkaProcess,
) -> None:
    bootstrap = own_kafka.bootstrap
    await make_topic(bootstrap, "t")
    await send(bootstrap, "t", b"before the kill")
    first = own_kafka.pid

    own_kafka.kill()
    await own_kafka.wait_ready()
    assert own_kafka.pid != first
    assert own_kafka.restarts == 1
    assert await read(bootstrap, "t", 1) == [b"before the kill"]
    await send(bootstrap, "t", b"after the kill")

    await own_kafka.restart()
    assert own_kafka.bootstrap == bootstrap
    assert await read(bootstrap, "t", 2) == [b"before the kill", b"after the kill"]

    await own_kafka.stop()
    assert own_kafka.pid is None
    assert not await answers(HOST, int(bootstrap.rpartition(":")[2]))


def test_parent_when_killed_outright_then_the_broker_dies_with_it(tmp_path: Path) -> None:
    program = textwrap.dedent(
        """
        import asyncio, sys
        from pathlib import Path
        from service.transport.kafka_process import KafkaProcess

        async def main():
            kafka = KafkaProcess(Path(sys.argv[1], "späces, commas: x"))
            await kafka.start()
            print(kafka.pid, flush=True)
            await asyncio.sleep(600)

        asyncio.run(main())
        """
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        broker = psutil.Process(int(parent.stdout.readline()))
        assert "kafka.Kafka" in broker.cmdline()
        os.kill(parent.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs([broker], timeout=10)
    assert not alive


async def test_start_when_the_port_is_taken_then_the_error_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.transport.kafka_process.PORT_TIMEOUT_S", 0.1)
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(KafkaProcessError, match=f"Port {port} .* is taken"):
            await KafkaProcess(tmp_path, port=port).start()


async def test_start_when_the_jars_are_not_the_locked_ones_then_nothing_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "none").mkdir()
    monkeypatch.setenv("SLIPSTREAM_KAFKA_JARS", str(tmp_path / "none"))
    process = KafkaProcess(tmp_path / "data")
    with pytest.raises(kafka_jars.KafkaJarsError, match="make setup"):
        await process.start()
    assert process.pid is None


async def test_start_when_another_process_uses_the_directory_then_the_error_says_so(
    tmp_path: Path,
) -> None:
    holder = KafkaProcess(tmp_path)
    holder._take_directory()
    try:
        with pytest.raises(KafkaProcessError, match="Another process runs a Kafka"):
            await KafkaProcess(tmp_path).start()
    finally:
        holder._leave_directory()


async def test_start_when_the_jvm_dies_then_the_error_shows_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.transport.kafka_process._java", lambda: "/bin/false")
    with pytest.raises(KafkaProcessError, match="could not be formatted"):
        await KafkaProcess(tmp_path).start()


def test_bootstrap_when_never_started_then_it_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(KafkaProcessError, match="not started"):
        _ = KafkaProcess(tmp_path).bootstrap
