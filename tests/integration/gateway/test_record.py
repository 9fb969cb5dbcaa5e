"""The record in Kafka after SIGKILLs of the gateway: exactly what its journal says, once and in order."""

import asyncio
from pathlib import Path

import pytest

from service.gateway.core import Core
from service.gateway.journal import payloads
from service.gateway.record import TOPICS
from service.gateway.shell import Recovery
from service.model.events import ChildAccepted, ChildCanceled, ChildSubmitted
from service.transport.kafka_process import KafkaProcess
from service.transport.tail import Tail
from tests.integration.gateway.stage import PRICE, Stage, stage


def accounted_for(folder: Path) -> dict[str, list[bytes]]:
    """Every record that follows from the journal, by topic."""
    fold = Recovery(Core())
    for payload in payloads(folder / "journal" / "gateway.journal"):
        fold.take(payload)
    assert not fold.history.forgotten
    entries = fold.history.entries()
    return {topic: [entry.value for entry in entries if entry.topic == topic] for topic in TOPICS}


async def recorded(on: Stage) -> dict[str, list[bytes]]:
    """Every record that Kafka has, by topic."""
    found: dict[str, list[bytes]] = {}
    for topic in TOPICS:
        async with Tail(on.kafka.bootstrap, on.prefix + topic, client="test") as tail:
            chunks = [chunk async for chunk in tail.newest_first(0)]
        found[topic] = [value for chunk in reversed(chunks) for value in chunk]
    return found


async def assert_no_gap(on: Stage) -> None:
    assert await on.gateway.stop() == 0
    ours, kafkas = accounted_for(on.folder), await recorded(on)
    for topic in TOPICS:
        assert kafkas[topic] == ours[topic], topic
    assert ours[TOPICS[0]]


@pytest.mark.timeout(240)
async def test_killed_in_the_middle_of_things_again_and_again_the_record_has_no_gap(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    """Records linger for company: a kill right after an event takes some with it."""
    async with stage(kafka, topic_prefix, tmp_path, gateway=("--on-runner-loss", "leave")) as on:
        await on.admit(quantity=1000)
        short = 0
        for life in range(4):
            first = 3 * life + 1
            for number in range(first, first + 3):
                on.runner.submit(f"P1.{number}", 10, PRICE - 100 * number)
            await on.runner.hears(ChildSubmitted, f"P1.{first + life % 3}")
            on.gateway.kill()
            await on.gateway.gone()
            ours, kafkas = accounted_for(tmp_path), await recorded(on)
            short += len(kafkas[TOPICS[0]]) < len(ours[TOPICS[0]])
            await on.restart_gateway()
            await on.settled()
        assert short, "no kill came before Kafka had everything: this test showed nothing"
        await assert_no_gap(on)


@pytest.mark.timeout(240)
async def test_killed_while_kafka_is_away_what_happened_meanwhile_is_on_record_afterwards(
    own_kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    async with stage(own_kafka, topic_prefix, tmp_path, gateway=("--on-runner-loss", "leave")) as on:
        await on.admit()
        for number in (1, 2, 3):
            on.runner.submit(f"P1.{number}", 100, PRICE - 100 * number)
        await on.runner.hears(ChildAccepted, "P1.3")
        while (await on.status()).pending_records:
            await asyncio.sleep(0.02)
        await own_kafka.stop()
        on.runner.cancel("P1.1")
        canceled = await on.runner.hears(ChildCanceled, "P1.1")
        assert (await on.status()).pending_records
        on.gateway.kill()
        await on.gateway.gone()
        # A second life that never sees Kafka, and is killed too.
        await on.start_gateway(ready=False)
        await on.logged_on()
        await on.settled()
        on.gateway.kill()
        await on.gateway.gone()
        await own_kafka.start()
        await on.restart_gateway()
        record = await on.recorded(lambda found: canceled in found)
        assert record.count(canceled) == 1
        await on.settled()
        await assert_no_gap(on)
