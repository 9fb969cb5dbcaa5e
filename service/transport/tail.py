"""The newest records of a topic, backwards: what a writer that was cut short had got across."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Final, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from service.transport.quiet import quieten
from service.transport.topics import TransportError, topic_partitions

_FIRST: Final = 512
_LARGEST: Final = 32_768
_WAIT_MS: Final = 200


class Tail:
    """Reads one topic from its end towards its beginning.

    Args:
        topic: Full name, prefix included.

    Raises:
        TransportError: On entry and while reading, if the cluster does not answer or the topic is not there.
    """

    def __init__(self, bootstrap: str, topic: str, *, client: str) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._client = client
        self._consumer: AIOKafkaConsumer | None = None
        self.partitions = 0

    async def __aenter__(self) -> Self:
        self.partitions = (await topic_partitions(self._bootstrap, [self._topic]))[self._topic]
        if not self.partitions:
            raise TransportError(f"{self._client}: topic {self._topic} at {self._bootstrap} cannot be read")
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            client_id=self._client,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            retry_backoff_ms=100,
            max_partition_fetch_bytes=4 * 1024 * 1024,
        )
        try:
            await consumer.start()
        except (KafkaError, OSError) as error:
            with contextlib.suppress(Exception):
                await consumer.stop()
            raise self._failed(error) from error
        quieten()
        self._consumer = consumer
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._consumer is not None:
            with contextlib.suppress(Exception):
                await self._consumer.stop()

    async def newest_first(self, partition: int) -> AsyncIterator[list[bytes]]:
        """Values of one partition in growing chunks, the newest chunk first; in order within a chunk."""
        consumer = self._consumer
        assert consumer is not None, "use it as a context"
        tp = TopicPartition(self._topic, partition)
        size = _FIRST
        try:
            consumer.assign([tp])
            first = (await consumer.beginning_offsets([tp]))[tp]
            end = (await consumer.end_offsets([tp]))[tp]
            while end > first:
                start = max(first, end - size)
                yield await _between(consumer, tp, start, end)
                end, size = start, min(_LARGEST, 4 * size)
        except (KafkaError, OSError) as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> TransportError:
        return TransportError(f"{self._client}: {self._topic} at {self._bootstrap}: {error!r}")


async def _between(consumer: AIOKafkaConsumer, tp: TopicPartition, start: int, end: int) -> list[bytes]:
    """Values at offsets ``start`` to ``end``, the latter excluded; some may be gone by retention."""
    values: list[bytes] = []
    consumer.seek(tp, start)
    while await consumer.position(tp) < end:
        fetched = await consumer.getmany(tp, timeout_ms=_WAIT_MS, max_records=5000)
        records = fetched.get(tp, ())
        values += [record.value for record in records if record.offset < end and record.value is not None]
    return values
