"""Whether a Kafka cluster answers, and its topics are as they should be."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from service.demo.doctor_findings import Finding, Setup
from service.transport import kafka_probe
from service.transport.kafka_process import PROPERTIES
from service.transport.quiet import quieten
from service.transport.topics import TOPICS, TopicSpec

_LISTENER: Final = re.compile(r"^listeners=PLAINTEXT://([^,\s]+)", re.MULTILINE)
_PATIENCE_S: Final = 10.0
_SETTINGS: Final = ("cleanup.policy", "retention.ms")


class Topic(NamedTuple):
    """A topic as it is."""

    partitions: int
    config: Mapping[str, str]


def own_address(setup: Setup) -> str:
    """Where the Kafka of this run folder listens, if it has one of its own; else empty."""
    try:
        text = (setup.run_dir / "kafka" / PROPERTIES).read_text()
    except OSError:
        return ""
    found = _LISTENER.search(text)
    return found.group(1) if found else ""


async def examine_kafka(setup: Setup) -> list[Finding]:
    """What there is to say of the cluster of these settings; none is made, and none is changed."""
    if not setup.kafka_meant and (own := own_address(setup)):
        setup = dataclasses.replace(setup, kafka=own)
    host, _, port = setup.kafka.split(",")[0].rpartition(":")
    reached = port.isdigit() and await kafka_probe.answers(host, int(port))
    if not reached and not setup.kafka_meant:
        return [
            Finding(
                "warn",
                "kafka",
                f"none at {setup.kafka}",
                "`slipstream up` and `slipstream demo` start their own; for another, give --kafka",
            )
        ]
    if not reached:
        return [
            Finding("wrong", "kafka", f"none answers at {setup.kafka}", "start it, or give another --kafka")
        ]
    quieten()
    try:
        async with asyncio.timeout(_PATIENCE_S):
            topics = await _topics(setup)
    except (KafkaError, OSError, TimeoutError) as error:
        return [
            Finding("wrong", "kafka", f"{setup.kafka} does not tell its topics: {error!r}", "see its log")
        ]
    return [Finding("ok", "kafka", f"answers at {setup.kafka}"), *judged(topics, setup)]


def judged(topics: Mapping[str, Topic], setup: Setup) -> Iterable[Finding]:
    """What is wrong with the topics, by their names without the prefix."""
    there = [spec for spec in TOPICS if spec.name in topics]
    missing = [setup.topic_prefix + spec.name for spec in TOPICS if spec.name not in topics]
    wrong = [complaint for spec in there for complaint in _complaints(spec, topics[spec.name])]
    counts = {spec.name: topics[spec.name].partitions for spec in there if spec.partitioned}
    if len(set(counts.values())) > 1:
        said = ", ".join(f"{name} {count}" for name, count in counts.items())
        wrong.append(f"as many partitions are needed of each: {said}")
    for complaint in wrong:
        yield Finding(
            "wrong", "topics", complaint, "mend it with Kafka's tools, or take another --topic-prefix"
        )
    if missing and there:
        yield Finding(
            "warn", "topics", f"missing: {', '.join(missing)}", "any role makes them when it starts"
        )
    elif not there:
        prefix = f" with the prefix {setup.topic_prefix}" if setup.topic_prefix else ""
        yield Finding("ok", "topics", f"none of ours{prefix} yet: the first role makes them")
    elif not wrong:
        yield Finding("ok", "topics", f"{len(there)}, {min(counts.values(), default=0)} partitions of md.v1")


def _complaints(spec: TopicSpec, found: Topic) -> Iterable[str]:
    if not spec.partitioned and found.partitions != spec.partitions:
        yield f"{spec.name} has {found.partitions} partitions: it is read in order, with {spec.partitions}"
    for name, wanted in spec.config().items():
        have = found.config.get(name, wanted)
        if name == "cleanup.policy":
            if spec.compact and "compact" not in have:
                yield f"{spec.name}: {name} is {have}: the newest of each key would be lost"
            elif not spec.compact and "compact" in have:
                yield f"{spec.name}: {name} is {have}: records would be taken out"
        elif 0 <= int(have) < int(wanted):
            yield f"{spec.name}: {name} is {have}, less than {wanted}"


async def _topics(setup: Setup) -> dict[str, Topic]:
    admin = AIOKafkaAdminClient(bootstrap_servers=setup.kafka, client_id="slipstream-doctor")
    try:
        await admin.start()
        existing = set(await admin.list_topics())
        names = {setup.topic_prefix + spec.name: spec.name for spec in TOPICS}
        ours = [name for name in names if name in existing]
        if not ours:
            return {}
        counts = {one["topic"]: len(one["partitions"]) for one in await admin.describe_topics(ours)}
        asked = [
            ConfigResource(ConfigResourceType.TOPIC, name, configs=dict.fromkeys(_SETTINGS, ""))
            for name in ours
        ]
        configs: dict[str, dict[str, str]] = {}
        for answer in await admin.describe_configs(asked):
            for _, _, _, name, entries in answer.resources:
                configs[name] = {entry[0]: entry[1] for entry in entries}
        return {names[name]: Topic(counts[name], configs.get(name, {})) for name in ours}
    finally:
        await admin.close()
