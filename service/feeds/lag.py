"""How far consumer groups are behind on ``md.v1``, read from their committed offsets."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from service.feeds.pacing import GroupLag
from service.telemetry.feed import FeedSensor
from service.transport.topics import MD

_PATIENCE: Final = 5.0

log = logging.getLogger(__name__)


class LagReader:
    """Reads ends and committed offsets; ``None`` while the cluster does not answer.

    Args:
        groups: Names without the topics' prefix.
    """

    def __init__(
        self,
        bootstrap: str,
        groups: tuple[str, ...],
        *,
        prefix: str,
        partitions: int,
        sensor: FeedSensor,
    ) -> None:
        self._bootstrap = bootstrap
        self._groups = groups
        self._prefix = prefix
        self._sensor = sensor
        self._partitions = [TopicPartition(prefix + MD, n) for n in range(partitions)]
        self._admin: AIOKafkaAdminClient | None = None
        self._consumer: AIOKafkaConsumer | None = None
        self._ends_at_start: dict[TopicPartition, int] = {}
        self._committed_at_start: dict[str, int] = {}

    async def lag(self) -> Mapping[str, GroupLag] | None:
        """The lag of each group; the first answer is what ``moved`` is measured against."""
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._read()
        except (KafkaError, OSError) as error:
            log.debug("lag of %s: %r", ", ".join(self._groups), error)
            await self.stop()
            return None

    async def _read(self) -> Mapping[str, GroupLag]:
        if self._admin is None or self._consumer is None:
            self._admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap, client_id="feed-lag")
            await self._admin.start()
            self._consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap, client_id="feed-lag")
            await self._consumer.start()
        ends: dict[TopicPartition, int] = await self._consumer.end_offsets(self._partitions)
        if not self._ends_at_start:
            self._ends_at_start = ends
        found: dict[str, GroupLag] = {}
        for group in self._groups:
            answer = await self._admin.list_consumer_group_offsets(
                self._prefix + group, partitions=self._partitions
            )
            committed = {tp: int(answer[tp].offset) for tp in self._partitions if tp in answer}
            total = sum(committed.values())
            first = self._committed_at_start.setdefault(group, total)
            # What lay there before the feed began is not its to wait for.
            behind = sum(
                end - max(committed.get(tp, -1), self._ends_at_start[tp]) for tp, end in ends.items()
            )
            self._sensor.on_lag(group, max(0, behind))
            found[group] = GroupLag(max(0, behind), moved=total > first)
        return found

    async def stop(self) -> None:
        """Close both connections; they open again when needed."""
        admin, consumer = self._admin, self._consumer
        self._admin = self._consumer = None
        with contextlib.suppress(Exception):
            if admin is not None:
                await admin.close()
        with contextlib.suppress(Exception):
            if consumer is not None:
                await consumer.stop()
