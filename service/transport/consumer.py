"""Readers of topics: decoded batches, whatever the broker does; undecodable records go to ``dead.v1``."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from service.model.codec import BY_TOPIC, DecodeError, marked
from service.model.message import Message
from service.model.records import DeadLetter
from service.telemetry.transport import TransportSensor
from service.transport.producer import Producer
from service.transport.quiet import quieten
from service.transport.topics import DEAD, TransportError, topic_partitions

Start = Literal["earliest", "latest"] | Mapping[tuple[str, int], int]

log = logging.getLogger(__name__)


class Batch(NamedTuple):
    """Consecutive records of one partition, decoded; the three lists run in parallel.

    Attributes:
        topic: Name without prefix.
    """

    topic: str
    partition: int
    offsets: list[int]
    keys: list[bytes | None]
    messages: list[Any]


class _Base:
    def __init__(
        self,
        bootstrap: str,
        topics: Sequence[str],
        *,
        client: str,
        prefix: str,
        dead: Producer | None,
        sensor: TransportSensor | None,
        newest_of: type[Message] | None = None,
    ) -> None:
        self._replaced = marked(newest_of) if newest_of is not None else None
        self._bootstrap = bootstrap
        self._topics = tuple(topics)
        self._client = client
        self._prefix = prefix
        self._dead = dead
        self._sensor = sensor or TransportSensor()
        self._consumer: AIOKafkaConsumer | None = None
        self._decoders = {prefix + topic: (topic, BY_TOPIC[topic]) for topic in topics}
        self.dead_letters = 0

    async def _connect(self, make: Callable[[], AIOKafkaConsumer], timeout: float) -> AIOKafkaConsumer:
        deadline = time.monotonic() + timeout
        while True:
            consumer = make()
            try:
                await consumer.start()
            except (KafkaError, OSError) as error:
                with contextlib.suppress(Exception):
                    await consumer.stop()
                if time.monotonic() > deadline:
                    raise TransportError(
                        f"{self._client}: Kafka at {self._bootstrap} did not answer "
                        f"in {timeout:.0f} s ({error!r})"
                    ) from error
                await asyncio.sleep(0.25)
                continue
            quieten()
            return consumer

    def _started(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise TransportError(f"{self._client}: the reader is not started")
        return self._consumer

    async def batch(self, timeout: float = 0.1, max_records: int = 2000) -> list[Batch]:
        """Up to ``max_records`` decoded records; an empty list after ``timeout`` seconds without any.

        While the broker is away this waits and returns an empty list: an outage is not an error here.
        """
        consumer = self._started()
        try:
            fetched = await consumer.getmany(timeout_ms=int(timeout * 1000), max_records=max_records)
        except (KafkaError, OSError) as error:
            log.warning("%s: %r; trying again", self._client, error)
            await asyncio.sleep(timeout)
            return []
        return [self._decode(tp, records) for tp, records in fetched.items() if records]

    def _decode(self, tp: TopicPartition, records: Sequence[Any]) -> Batch:
        topic, decode = self._decoders[tp.topic]
        batch = Batch(topic, tp.partition, [], [], [])
        offsets, keys, messages = batch.offsets.append, batch.keys.append, batch.messages.append
        for record in records if self._replaced is None else self._newest(records, self._replaced):
            value = record.value
            if value is None:
                continue
            try:
                message = decode(value)
            except DecodeError as error:
                self._bury(topic, record, str(error))
                continue
            offsets(record.offset)
            keys(record.key)
            messages(message)
        self._sensor.on_consumed(topic, len(batch.messages))
        return batch

    @staticmethod
    def _newest(records: Sequence[Any], replaced: Callable[[bytes], bool]) -> list[Any]:
        """Without those that a later one of the same key replaces."""
        seen: set[bytes | None] = set()
        kept = []
        for record in reversed(records):
            if record.value is not None and replaced(record.value):
                if record.key in seen:
                    continue
                seen.add(record.key)
            kept.append(record)
        kept.reverse()
        return kept

    def _bury(self, topic: str, record: Any, reason: str) -> None:
        self.dead_letters += 1
        self._sensor.on_dead(topic)
        log.warning("%s: %s[%d]@%d: %s", self._client, topic, record.partition, record.offset, reason)
        if self._dead is not None and topic != DEAD:
            letter = DeadLetter(
                topic=topic,
                partition=record.partition,
                offset=record.offset,
                key=record.key or b"",
                value=record.value[:100_000],
                reason=reason,
                by=self._client,
                ts_utc=time.time_ns(),
            )
            self._dead.send(DEAD, record.key, letter)

    async def stop(self) -> None:
        """Close; bounded, also while the broker is away."""
        if self._consumer is not None:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(5.0):
                    await self._consumer.stop()

    async def end_offsets(self) -> dict[tuple[str, int], int]:
        """Offset after the last record of each assigned partition."""
        consumer = self._started()
        ends = await consumer.end_offsets(list(consumer.assignment()))
        return {(tp.topic.removeprefix(self._prefix), tp.partition): end for tp, end in ends.items()}

    async def positions(self) -> dict[tuple[str, int], int]:
        """Offset of the next record of each assigned partition."""
        consumer = self._started()
        return {
            (tp.topic.removeprefix(self._prefix), tp.partition): await consumer.position(tp)
            for tp in consumer.assignment()
        }


class Reader(_Base):
    """Reads every partition of some topics, outside any group.

    Args:
        start: ``earliest``, ``latest``, or the next offset by (topic, partition); partitions that are not
            named there are read from the earliest.
        patience: Seconds that the broker holds a fetch for want of records. A record that comes while its
            partition waits behind such a fetch of the others is late by as much; a short one costs requests.
        newest_of: A kind of message that replaces the one before it of the same key: of each batch only the
            last of a key is decoded and returned.
        dead: Where undecodable records go.
    """

    def __init__(
        self,
        bootstrap: str,
        topics: Sequence[str],
        *,
        client: str,
        prefix: str = "",
        start: Start = "latest",
        patience: float = 0.02,
        newest_of: type[Message] | None = None,
        dead: Producer | None = None,
        sensor: TransportSensor | None = None,
    ) -> None:
        super().__init__(
            bootstrap, topics, client=client, prefix=prefix, dead=dead, sensor=sensor, newest_of=newest_of
        )
        self._start = start
        self._patience = patience

    async def start(self, timeout: float = 60.0) -> None:
        """Connect and take position, trying for ``timeout`` seconds.

        Raises:
            TransportError: If the cluster does not answer, or a topic is not there by then.
        """
        consumer = await self._connect(self._make, timeout)
        self._consumer = consumer
        deadline = time.monotonic() + timeout
        while True:
            counts = await topic_partitions(self._bootstrap, [self._prefix + t for t in self._topics])
            missing = [name for name, count in counts.items() if not count]
            if not missing:
                break
            if time.monotonic() > deadline:
                raise TransportError(
                    f"{self._client}: topic {', '.join(missing)} is not there; create it first"
                )
            await asyncio.sleep(0.1)
        partitions = [TopicPartition(name, n) for name, count in counts.items() for n in range(count)]
        consumer.assign(partitions)
        if self._start == "latest":
            await consumer.seek_to_end(*partitions)
        elif self._start == "earliest":
            await consumer.seek_to_beginning(*partitions)
        else:
            for tp in partitions:
                offset = self._start.get((tp.topic.removeprefix(self._prefix), tp.partition))
                if offset is None:
                    await consumer.seek_to_beginning(tp)
                else:
                    consumer.seek(tp, offset)
        # Positions are fixed before we return, so that nothing published afterwards is missed.
        for tp in partitions:
            await consumer.position(tp)

    def _make(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            client_id=self._client,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=int(self._patience * 1000),
            retry_backoff_ms=100,
            max_partition_fetch_bytes=4 * 1024 * 1024,
        )


class GroupReader(_Base):
    """Reads its share of some topics as a member of a consumer group.

    Args:
        on_partitions: Called with the owned partitions of the first topic at every assignment, and with
            an empty tuple when they are taken back.
        start: Where to begin when the group has committed nothing.
    """

    def __init__(
        self,
        bootstrap: str,
        topics: Sequence[str],
        *,
        client: str,
        group: str,
        on_partitions: Callable[[tuple[int, ...]], None],
        prefix: str = "",
        start: Literal["earliest", "latest"] = "latest",
        dead: Producer | None = None,
        sensor: TransportSensor | None = None,
        session_timeout_ms: int = 6000,
    ) -> None:
        super().__init__(bootstrap, topics, client=client, prefix=prefix, dead=dead, sensor=sensor)
        self._group = prefix + group
        self._on_partitions = on_partitions
        self._reset = start
        self._session_timeout_ms = session_timeout_ms

    async def start(self, timeout: float = 60.0) -> None:
        """Connect and join the group.

        Raises:
            TransportError: If the cluster does not answer within ``timeout`` seconds.
        """

        def make() -> AIOKafkaConsumer:
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self._bootstrap,
                client_id=self._client,
                group_id=self._group,
                enable_auto_commit=False,
                auto_offset_reset=self._reset,
                fetch_max_wait_ms=20,
                retry_backoff_ms=100,
                session_timeout_ms=self._session_timeout_ms,
                heartbeat_interval_ms=1000,
                max_partition_fetch_bytes=4 * 1024 * 1024,
            )
            listener = _Listener(self._prefix + self._topics[0], self._on_partitions)
            consumer.subscribe([self._prefix + topic for topic in self._topics], listener=listener)
            return consumer

        self._consumer = await self._connect(make, timeout)

    async def commit(self) -> None:
        """Commit what ``batch`` has returned; a refusal during an outage or a rebalance is no error."""
        consumer = self._started()
        with contextlib.suppress(KafkaError, OSError):
            await consumer.commit()


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, topic: str, notify: Callable[[tuple[int, ...]], None]) -> None:
        self._topic = topic
        self._notify = notify

    def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        del revoked
        self._notify(())

    def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._notify(tuple(sorted(tp.partition for tp in assigned if tp.topic == self._topic)))
