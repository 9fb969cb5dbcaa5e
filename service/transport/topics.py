"""The topics: names, partitions, retention and compaction. Made at start, never by accident."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from service.transport.quiet import quieten

MD: Final = "md.v1"
REF: Final = "ref.v1"
PARENTS: Final = "parents.v1"
ORDERS: Final = "orders.v1"
RISK: Final = "risk.v1"
DECISIONS: Final = "decisions.v1"
SIGNALS: Final = "signals.v1"
INPUTS: Final = "inputs.v1"
AUDIT: Final = "audit.v1"
DEAD: Final = "dead.v1"

_HOUR: Final = 3_600_000
_DAY: Final = 24 * _HOUR
_YEAR: Final = 365 * _DAY

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """How one topic is made.

    Attributes:
        partitioned: As many partitions as ``md.v1`` (same key, same partition); else ``partitions``.
        retention_ms: How long a record is kept.
        compact: The newest record of each key is kept beyond retention.
    """

    name: str
    retention_ms: int
    partitioned: bool = False
    partitions: int = 1
    compact: bool = False

    def config(self) -> dict[str, str]:
        """Settings of the topic, in Kafka's words."""
        policy = "compact,delete" if self.compact else "delete"
        return {"cleanup.policy": policy, "retention.ms": str(self.retention_ms)}


TOPICS: Final[tuple[TopicSpec, ...]] = (
    TopicSpec(MD, 2 * _DAY, partitioned=True),
    TopicSpec(REF, 2 * _DAY, compact=True),
    TopicSpec(PARENTS, 30 * _DAY, partitioned=True),
    # Order records are kept for five years (C46); the recorder's files are the copy that is archived.
    TopicSpec(ORDERS, 5 * _YEAR),
    TopicSpec(RISK, 5 * _YEAR),
    TopicSpec(DECISIONS, 5 * _YEAR),
    TopicSpec(SIGNALS, 30 * _DAY),
    TopicSpec(INPUTS, 30 * _DAY),
    TopicSpec(AUDIT, 5 * _YEAR),
    TopicSpec(DEAD, 30 * _DAY),
)


class TransportError(RuntimeError):
    """Kafka, or the local stream, cannot be used; the message says what and what to do."""


async def ensure_topics(bootstrap: str, prefix: str = "", partitions: int = 4, timeout: float = 30.0) -> None:
    """Create the topics that are missing; leave those that exist as they are.

    Raises:
        TransportError: If the cluster does not answer within ``timeout`` seconds, or an existing ``md.v1``
            and ``parents.v1`` differ in their number of partitions.
    """
    quieten()
    deadline = asyncio.get_running_loop().time() + timeout
    while True:
        try:
            await _ensure(bootstrap, prefix, partitions)
            return
        except (KafkaError, OSError) as error:
            if asyncio.get_running_loop().time() > deadline:
                raise TransportError(
                    f"Kafka at {bootstrap} did not answer within {timeout:.0f} s ({error!r}); "
                    "is it running, and is the address right?"
                ) from error
            await asyncio.sleep(0.25)


async def topic_partitions(bootstrap: str, names: Sequence[str]) -> dict[str, int]:
    """Number of partitions of each topic; 0 for one that is not there (or while the cluster is away)."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, client_id="slipstream-topics")
    counts = dict.fromkeys(names, 0)
    try:
        await admin.start()
        for entry in await admin.describe_topics(list(names)):
            counts[entry["topic"]] = len(entry["partitions"])
    except (KafkaError, OSError) as error:
        log.debug("topics of %s: %r", bootstrap, error)
    finally:
        await admin.close()
    return counts


async def _ensure(bootstrap: str, prefix: str, partitions: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, client_id="slipstream-topics")
    try:
        await admin.start()
        existing = set(await admin.list_topics())
        missing = [
            NewTopic(
                prefix + spec.name,
                partitions if spec.partitioned else spec.partitions,
                1,
                topic_configs=spec.config(),
            )
            for spec in TOPICS
            if prefix + spec.name not in existing
        ]
        if missing:
            answer = await admin.create_topics(missing)
            for name, code, *_ in answer.topic_errors:
                if code and for_code(code) is not TopicAlreadyExistsError:
                    raise for_code(code)(f"topic {name} could not be created")
            log.info("created topics %s", ", ".join(topic.name for topic in missing))
        described = await admin.describe_topics([prefix + MD, prefix + PARENTS])
        counts = {entry["topic"]: len(entry["partitions"]) for entry in described}
        if len(set(counts.values())) > 1:
            raise TransportError(f"md.v1 and parents.v1 must have the same number of partitions: {counts}")
    finally:
        await admin.close()
