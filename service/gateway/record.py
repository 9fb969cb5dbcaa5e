"""The gateway's record in Kafka, without a gap: what the journal says and Kafka does not have is sent again.

The journal is ahead of Kafka: an input is written before anything that follows from it has left the producer.
A process that is killed takes with it what Kafka had not acknowledged. The next one has all of it from the
fold of the journal, looks up in Kafka how far the record goes, and sends the rest before anything new. What
is compared is content, so nothing is sent twice that is seen to be there; should a record of the dead process
arrive after that look, its double has the same bytes.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from service.gateway.state import AUDIT, ORDERS, RISK, Effect, Publish
from service.model.codec import BY_TOPIC, DecodeError, encode
from service.transport.producer import Producer, partition_for
from service.transport.tail import Tail

KEPT: Final = 100_000
"""Records of the fold that are kept for the comparison, unless set; a larger gap is told."""
_LOOKED_AT: Final = 4 * KEPT
"""Records of one partition that are searched for one of ours, at least."""
TOPICS: Final = (ORDERS, RISK, AUDIT)

log = logging.getLogger(__name__)


class Entry(NamedTuple):
    """One record as it goes to Kafka."""

    topic: str
    key: bytes
    value: bytes


class History:
    """The newest records that the journal accounts for, oldest first.

    Attributes:
        forgotten: Older ones that are not kept.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self.forgotten = 0
        self._effects: deque[Publish] = deque(maxlen=kept)

    def __len__(self) -> int:
        return len(self._effects)

    def add(self, effects: Iterable[Effect]) -> None:
        """Take what one input put on the record."""
        kept = self._effects
        for effect in effects:
            if type(effect) is Publish:
                if len(kept) == kept.maxlen:
                    self.forgotten += 1
                kept.append(effect)

    def entries(self) -> list[Entry]:
        """As they go to Kafka."""
        return [Entry(e.topic, e.key, encode(e.message)) for e in self._effects]


class Search:
    """Finds how far a record reaches, by looking at it backwards.

    Args:
        history: Values that should be on record, in order.
    """

    def __init__(self, topic: str, history: Sequence[bytes]) -> None:
        self._decode = BY_TOPIC[topic]
        self._history = history
        self._where: dict[bytes, list[int]] = {}
        for index, value in enumerate(history):
            self._where.setdefault(value, []).append(index)
        self._candidates: list[int] = []
        self._behind = 0
        self._done = not history

    @property
    def found(self) -> bool:
        """Whether any of the history is on record."""
        return bool(self._candidates)

    @property
    def reached(self) -> int:
        """How many of the history, from its beginning, are taken to be on record.

        Where content alone leaves it open, the shortest: rather twice on record than not at all.
        """
        return min(self._candidates) + 1 if self._candidates else 0

    def look(self, values: Sequence[bytes]) -> bool:
        """Look at a chunk of the record, older than the one before; True once there is no more to learn."""
        for value in reversed(values):
            if self._done:
                break
            self._take(value)
        return self._done

    def _take(self, value: bytes) -> None:
        where = self._where.get(value) or self._where.get(self._restated(value))
        if where is None:
            return  # somebody else's, or of a part of the journal that was lost with the machine's power
        if not self._candidates:
            self._candidates = where
        else:
            self._behind += 1
            back = set(where)
            narrowed = [index for index in self._candidates if index - self._behind in back]
            if not narrowed:
                self._done = True
                return
            self._candidates = narrowed
        self._done = len(self._candidates) == 1

    def _restated(self, value: bytes) -> bytes:
        """As this version of the service would write it: an older one did not know the newest fields."""
        try:
            return encode(self._decode(value))
        except DecodeError:
            return b""


class Mirror:
    """The record's way to Kafka; keeps what is written before Kafka is there."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self._early: list[Entry] | None = []

    @property
    def pending(self) -> int:
        """Records that Kafka has not acknowledged."""
        return self._producer.pending + len(self._early or ())

    def send_encoded(self, topic: str, key: bytes | None, value: bytes) -> None:
        """Put one record on its way, or keep it until ``open``."""
        if self._early is None:
            self._producer.send_encoded(topic, key, value)
        else:
            self._early.append(Entry(topic, key or b"", value))

    def open(self, missing: Sequence[Entry]) -> None:
        """Kafka is there: send what earlier lives owe it, then what was kept."""
        early, self._early = self._early, None
        for topic, key, value in (*missing, *(early or ())):
            self._producer.send_encoded(topic, key, value)


class Gap(NamedTuple):
    """What of the history Kafka does not have.

    Attributes:
        entries: To be sent, in order.
        lost: Topics of which more may be missing than is kept.
    """

    entries: list[Entry]
    lost: list[str]


async def find_gap(history: History, bootstrap: str, prefix: str, *, client: str) -> Gap:
    """Compare the history with what Kafka has.

    Raises:
        TransportError: If Kafka does not answer.
    """
    gap = Gap([], [])
    every = await asyncio.to_thread(history.entries)
    for topic in TOPICS:
        ours = [entry for entry in every if entry.topic == topic]
        if not ours:
            continue
        async with Tail(bootstrap, prefix + topic, client=client) as tail:
            lanes: dict[int, list[Entry]] = {}
            for entry in ours:
                lanes.setdefault(partition_for(entry.key, tail.partitions), []).append(entry)
            for partition, lane in lanes.items():
                search = Search(topic, [entry.value for entry in lane])
                await _look(search, tail, partition, max(_LOOKED_AT, 4 * len(lane)))
                gap.entries.extend(lane[search.reached :])
                if not search.found and history.forgotten:
                    gap.lost.append(topic)
    if gap.entries:
        log.warning("%d records never reached Kafka; they are sent now", len(gap.entries))
    return gap


async def _look(search: Search, tail: Tail, partition: int, most: int) -> None:
    looked = 0
    async for values in tail.newest_first(partition):
        looked += len(values)
        if search.look(values) or looked >= most:
            return
