"""The broker simulator as a process of its own, on a real Kafka, killed and brought back."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from service.model.market import MarketMessage
from service.model.time import MILLISECOND
from service.transport.kafka_process import KafkaProcess
from service.transport.producer import Producer
from service.transport.topics import MD, ensure_topics
from tests.integration.simulation.clients import QuickfixClient, free_port, quickfix_client, until
from tests.integration.simulation.market import book, heartbeat, sold


class Role:
    """``slipstream run broker-sim`` as a subprocess, that can be killed and started again."""

    def __init__(self, run_dir: Path, kafka: str, prefix: str, client: str, *options: str) -> None:
        self.run_dir = run_dir
        self.port = free_port()
        self._command = [
            *(sys.executable, "-m", "service.cli", "run", "broker-sim"),
            *("--run-dir", str(run_dir), "--kafka", kafka, "--topic-prefix", prefix),
            *("--port", str(self.port), "--clients", client, "--partitions", "2", *options),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, ready: bool = True) -> None:
        mark = self.run_dir / "ready" / "broker-sim"
        mark.unlink(missing_ok=True)
        process = self._process = subprocess.Popen(self._command)
        if ready:
            until(lambda: mark.exists() or process.poll() is not None, timeout=60)
            assert process.poll() is None, "the role ended at once"

    def kill(self) -> None:
        """SIGKILL: nothing is tidied up."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(timeout=30)

    def end(self) -> None:
        """Leave no process behind, whatever happened."""
        if self._process is not None and self._process.poll() is None:
            self.kill()

    @property
    def fills(self) -> list[dict[str, Any]]:
        """The fill log."""
        return [
            json.loads(line) for line in (self.run_dir / "broker" / "fills.jsonl").read_text().splitlines()
        ]


@contextmanager
def role(run_dir: Path, kafka: str, prefix: str, client: str, *options: str) -> Iterator[Role]:
    """A role that does not outlive the test."""
    it = Role(run_dir, kafka, prefix, client, *options)
    try:
        yield it
    finally:
        it.end()


class Feed:
    """Publishes a market on md.v1."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer

    async def publish(self, *messages: MarketMessage) -> None:
        """Publish to the partition of AURA and wait until Kafka has it."""
        for message in messages:
            self._producer.send(MD, b"AURA", message)
        assert await self._producer.flush()

    async def stop(self) -> None:
        """Let go of Kafka."""
        await self._producer.stop()


async def feed(bootstrap: str, prefix: str) -> Feed:
    """A feed on topics of its own."""
    await ensure_topics(bootstrap, prefix, partitions=2)
    producer = Producer(bootstrap, client="test-feed", prefix=prefix)
    await producer.start()
    await producer.partitions(MD)
    return Feed(producer)


async def expect(client: QuickfixClient, **wanted: str) -> dict[str, str]:
    """``client.expect`` without blocking the loop."""
    return await asyncio.to_thread(lambda: client.expect(**wanted))


async def test_role_when_killed_then_orders_come_back_as_they_were(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    market = await feed(kafka.bootstrap, topic_prefix)
    try:
        # History: it sets the book; its print through our price must fill nothing later.
        await market.publish(book(quantity=30), sold(900_000, 1000))
        with role(tmp_path / "run", kafka.bootstrap, topic_prefix, "ROLE1") as broker:
            await asyncio.to_thread(broker.start)
            with quickfix_client(tmp_path / "client", broker.port, "ROLE1") as client:
                client.order("rests", "1", 10, "100.00")
                client.order("takes", "1", 5)
                taken = await expect(client, t150="F")
                assert (taken["11"], taken["31"]) == ("takes", "100.0100")
                assert [m["11"] for m in client.stash] == ["rests", "takes"]

                await asyncio.to_thread(broker.kill)
                await market.publish(sold(900_000, 1000))
                await asyncio.to_thread(broker.start)
                await asyncio.to_thread(lambda: client.logons.get(timeout=20))

                client.status("rests", "1")
                status = await expect(client, t150="I")
                assert (status["11"], status["39"], status["151"]) == ("rests", "0", "10")
                client.status("takes", "1")
                status = await expect(client, t150="I")
                assert (status["39"], status["14"], status["6"]) == ("2", "5", "100.01")
                client.status("never", "1")
                assert (await expect(client, t150="I"))["39"] == "8"

                await market.publish(book(quantity=30), sold(999_900, 4))
                again = await expect(client, t150="F")
                assert (again["11"], again["32"], again["31"], again["151"]) == (
                    "rests",
                    "4",
                    "100.0000",
                    "6",
                )
                ours = [taken["17"], again["17"]]
            assert await asyncio.to_thread(broker.stop) == 0
            assert [fill["exec_id"] for fill in broker.fills] == ours
            assert not (tmp_path / "run" / "ready" / "broker-sim").exists()
    finally:
        await market.stop()


async def test_role_when_kafka_is_away_then_fix_lives_and_matching_pauses(
    own_kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    market = await feed(own_kafka.bootstrap, topic_prefix)
    try:
        options = ("--stale-after", "1.0", "--entry-latency-ms", "0.5", "--response-latency-ms", "0.5")
        with role(tmp_path / "run", own_kafka.bootstrap, topic_prefix, "ROLE2", *options) as broker:
            await asyncio.to_thread(broker.start)
            await market.publish(book(), heartbeat())
            with quickfix_client(tmp_path / "client", broker.port, "ROLE2") as client:
                await _until_taken(client, market)
                await own_kafka.stop()

                refused = await _until_refused(client)
                assert refused["103"] == "2"
                client.order("rests", "1", 3, "100.01")
                assert (await expect(client, t150="0"))["11"] == "rests"

                await own_kafka.start()
                await market.publish(book(ask=1_000_000, bid=999_900), heartbeat())
                filled = await expect(client, t150="F", t11="rests")
                assert (filled["31"], filled["39"]) == ("100.0000", "2")
            assert await asyncio.to_thread(broker.stop) == 0
    finally:
        await market.stop()


async def _probe(client: QuickfixClient, n: int) -> dict[str, str]:
    """An order of one lot that must trade at once; its last answer."""
    client.order(f"probe{n}-{time.time_ns()}", "1", 1, "100.05", time_in_force="3")
    answer = await asyncio.to_thread(lambda: client.receive(15.0))
    assert answer is not None
    if answer["150"] == "0":
        answer = await asyncio.to_thread(lambda: client.receive(15.0))
        assert answer is not None
    return answer


async def _until_taken(client: QuickfixClient, market: Feed) -> None:
    for n in range(200):
        if (await _probe(client, n))["150"] == "F":
            return
        await market.publish(book(quantity=31 + n), heartbeat())
    raise AssertionError("the market never came")


async def _until_refused(client: QuickfixClient) -> dict[str, str]:
    deadline = time.time_ns() + 20_000 * MILLISECOND
    n = 0
    while time.time_ns() < deadline:
        n += 1
        answer = await _probe(client, n)
        if answer["150"] == "8":
            return answer
    raise AssertionError("matching never paused")
