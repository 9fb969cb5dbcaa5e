"""An idempotent producer that never blocks its caller and loses nothing while the broker is away."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from functools import lru_cache
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2

from service.model.codec import encode
from service.model.message import Message
from service.telemetry.transport import TransportSensor
from service.transport.quiet import quieten
from service.transport.topics import TransportError

_BATCH_BYTES: Final = 256 * 1024
_MAX_RECORD: Final = _BATCH_BYTES - 1024

log = logging.getLogger(__name__)


@lru_cache(maxsize=65_536)
def partition_for(key: bytes, partitions: int) -> int:
    """Partition of ``key`` by Kafka's default partitioner (murmur2)."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)


class _Lane:
    """The records of one partition, in order, that the broker does not have yet."""

    __slots__ = ("due", "lingers", "partition", "queue", "task", "topic")

    def __init__(self, topic: str, partition: int) -> None:
        self.topic = topic
        self.partition = partition
        self.queue: deque[tuple[bytes | None, bytes, int]] = deque()
        self.due = asyncio.Event()
        self.lingers = False
        self.task: asyncio.Task[None] | None = None


class Producer:
    """Sends messages to Kafka in order per partition, exactly once per life of the producer.

    ``send`` only queues. A record leaves the queue when the broker has acknowledged it (acks=all), so an
    outage costs memory, not records.

    Args:
        bootstrap: HOST:PORT of the cluster.
        client: Client id, for Kafka's own logs.
        prefix: Put before every topic's name.
        linger: Seconds that a record waits for company. All partitions leave together, so that a record of
            many small messages costs the broker, and the processor that it shares with us, few requests.
        max_pending: Records held at most while the broker is away; more are dropped, counted and said loudly.
    """

    def __init__(
        self,
        bootstrap: str,
        *,
        client: str,
        prefix: str = "",
        linger: float = 0.0,
        max_pending: int = 1_000_000,
        sensor: TransportSensor | None = None,
    ) -> None:
        self._bootstrap = bootstrap
        self._client = client
        self._prefix = prefix
        self._linger = linger
        self._lingering: list[_Lane] = []
        self._max_pending = max_pending
        self._sensor = sensor or TransportSensor()
        self._producer: AIOKafkaProducer | None = None
        self._lanes: dict[tuple[str, int], _Lane] = {}
        self._counts: dict[str, int] = {}
        self._pending = 0
        self._dropped = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = False
        self._replacing = asyncio.Lock()

    @property
    def pending(self) -> int:
        """Records that the broker has not acknowledged yet."""
        return self._pending

    @property
    def started(self) -> bool:
        """Whether it is connected."""
        return self._producer is not None

    @property
    def dropped(self) -> int:
        """Records given up because ``max_pending`` was reached."""
        return self._dropped

    async def start(self, timeout: float = 60.0) -> None:
        """Connect, trying for ``timeout`` seconds.

        Raises:
            TransportError: If the cluster does not answer by then.
        """
        deadline = time.monotonic() + timeout
        while True:
            producer = self._new()
            try:
                await producer.start()
            except (KafkaError, OSError) as error:
                with contextlib.suppress(Exception):
                    await producer.stop()
                if time.monotonic() > deadline:
                    raise TransportError(
                        f"{self._client}: Kafka at {self._bootstrap} did not answer "
                        f"in {timeout:.0f} s ({error!r})"
                    ) from error
                await asyncio.sleep(0.25)
                continue
            self._producer = producer
            quieten()
            return

    def _new(self) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            client_id=self._client,
            enable_idempotence=True,
            acks="all",
            max_batch_size=_BATCH_BYTES,
            retry_backoff_ms=100,
            # With idempotence a batch is retried until it succeeds; this only bounds a request that hangs.
            request_timeout_ms=10_000,
        )

    async def partitions(self, topic: str) -> int:
        """Number of partitions of ``topic``, asked once; call it before ``send`` with a key."""
        if topic not in self._counts:
            producer = self._started()
            found: set[int] | None = None
            while not found:
                try:
                    found = await producer.partitions_for(self._prefix + topic)
                except (KafkaError, OSError):
                    await asyncio.sleep(0.25)
            self._counts[topic] = len(found)
        return self._counts[topic]

    def send(self, topic: str, key: bytes | None, message: Message, *, partition: int | None = None) -> None:
        """Queue one message. Its partition follows from ``key`` unless given; no key is partition 0."""
        self.send_encoded(topic, key, encode(message), partition=partition)

    def send_encoded(
        self, topic: str, key: bytes | None, value: bytes, *, partition: int | None = None
    ) -> None:
        """Queue one message that is already bytes.

        Raises:
            ValueError: If it is larger than a batch can be: a programming error, not an outage.
        """
        if len(value) > _MAX_RECORD:
            raise ValueError(f"{topic}: a message of {len(value)} bytes exceeds {_MAX_RECORD}")
        if self._pending >= self._max_pending:
            if self._dropped % 100_000 == 0:
                log.critical("%s: %d records wait for Kafka: dropping new ones", self._client, self._pending)
            self._dropped += 1
            self._sensor.on_dropped()
            return
        # Without a known count (first use) the key is resolved by the lane's task.
        if partition is None:
            count = self._counts.get(topic, 0)
            partition = 0 if key is None else partition_for(key, count) if count else -1
        lane = self._lanes.get((topic, partition))
        if lane is None:
            lane = self._open_lane(topic, partition)
        lane.queue.append((key, value, time.time_ns() // 1_000_000))
        self._pending += 1
        if self._pending == 1:
            self._idle.clear()
        self._queued(lane)

    def _queued(self, lane: _Lane) -> None:
        if not self._linger:
            lane.due.set()
        elif not lane.lingers:
            lane.lingers = True
            self._lingering.append(lane)
            if len(self._lingering) == 1:
                asyncio.get_running_loop().call_later(self._linger, self._release)

    def _release(self) -> None:
        """Let go of what lingers."""
        lanes, self._lingering = self._lingering, []
        for lane in lanes:
            lane.lingers = False
            lane.due.set()

    def _open_lane(self, topic: str, partition: int) -> _Lane:
        lane = _Lane(topic, partition)
        self._lanes[(topic, partition)] = lane
        run = self._pump(lane) if partition >= 0 else self._resolve(lane)
        lane.task = asyncio.create_task(run, name=f"{self._client} {topic}[{partition}]")
        return lane

    async def _resolve(self, lane: _Lane) -> None:
        """Move the keyed records of a topic whose partition count is not known yet to their lanes."""
        count = await self.partitions(lane.topic)
        # From here on ``send`` resolves keys itself; no await below, so order per key holds.
        del self._lanes[(lane.topic, -1)]
        for key, value, stamp in lane.queue:
            target_partition = 0 if key is None else partition_for(key, count)
            target = self._lanes.get((lane.topic, target_partition)) or self._open_lane(
                lane.topic, target_partition
            )
            target.queue.append((key, value, stamp))
            target.due.set()

    async def _pump(self, lane: _Lane) -> None:
        topic = self._prefix + lane.topic
        while True:
            await lane.due.wait()
            lane.due.clear()
            while lane.queue and not await self._deliver(lane, topic):
                pass

    async def _deliver(self, lane: _Lane, topic: str) -> bool:
        """Send one batch; returns whether it held all that there was."""
        producer = self._started()
        batch = producer.create_batch()
        count = 0
        for key, value, stamp in lane.queue:
            if batch.append(key=key, value=value, timestamp=stamp) is None:
                break
            count += 1
        whole = count == len(lane.queue)
        batch.close()
        try:
            await (await producer.send_batch(batch, topic, partition=lane.partition))
        except asyncio.CancelledError:
            raise
        except (KafkaError, OSError) as error:
            log.warning("%s: %s[%d]: %r; trying again", self._client, topic, lane.partition, error)
            await self._recover(producer, error)
            return False
        for _ in range(count):
            lane.queue.popleft()
        self._pending -= count
        self._sensor.on_produced(lane.topic, count)
        if self._pending == 0:
            self._idle.set()
        return whole

    async def _recover(self, failed: AIOKafkaProducer, error: BaseException) -> None:
        """Give a producer whose identity the broker no longer accepts a new one."""
        await asyncio.sleep(0.25)
        retriable = isinstance(error, OSError) or getattr(error, "retriable", False)
        if retriable:
            return
        # Every lane finds out; one of them replaces it.
        async with self._replacing:
            replaced = self._producer is not failed
            if replaced or self._stopping:
                return
            replacement = self._new()
            try:
                await replacement.start()
            except (KafkaError, OSError):
                with contextlib.suppress(Exception):
                    await replacement.stop()
                return
            self._producer = replacement
        with contextlib.suppress(Exception):
            await failed.stop()

    def _started(self) -> AIOKafkaProducer:
        if self._producer is None:
            raise TransportError(f"{self._client}: the producer is not started")
        return self._producer

    async def flush(self, timeout: float = 10.0) -> bool:
        """Wait until the broker has everything; False if it has not within ``timeout`` seconds."""
        self._release()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._idle.wait()
        return self._pending == 0

    async def stop(self, timeout: float = 10.0) -> None:
        """Flush within ``timeout``, then close; what the broker does not have then is counted in the log."""
        self._stopping = True
        if not await self.flush(timeout):
            log.error("%s: %d records never reached Kafka", self._client, self._pending)
        tasks = [lane.task for lane in self._lanes.values() if lane.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        producer = self._producer
        if producer is not None:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(5.0 if self._pending == 0 else 0.5):
                    await producer.stop()
