"""What goes out, to which topic, under which key: events, reference facts, clock and heartbeats."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from msgspec.structs import replace

from service.feeds.correlation import Correlations
from service.feeds.reference_facts import ReferenceTracker
from service.feeds.source import Source
from service.model.market import FeedHeartbeat, MarketEvent
from service.model.message import Message
from service.model.reference import Reference
from service.model.time import MILLISECOND, MINUTE, SessionClock
from service.telemetry.feed import FeedSensor
from service.transport.topics import MD, REF

# ``ref.v1`` is compacted, so every record there has a key; no instrument's name can begin with ``~``.
CLOCK_KEY: Final = b"~clock"
HEARTBEAT_KEY: Final = b"~heartbeat"

REF_AT_LEAST: Final = 250 * MILLISECOND
_CONGESTED: Final = 20_000


class Sender(Protocol):
    """The part of a producer that is used here."""

    @property
    def pending(self) -> int: ...

    def send(
        self, topic: str, key: bytes | None, message: Message, *, partition: int | None = None
    ) -> None: ...


class Publisher:
    """Publishes one source, and knows up to which market time it has.

    Args:
        window: Market time of the first and of the last instant that is replayed.
        partitions: Of ``md.v1``.
        utc: The wall clock, nanoseconds since the epoch.
    """

    def __init__(
        self,
        source: Source,
        window: tuple[int, int],
        trackers: Mapping[str, ReferenceTracker],
        reference: Reference,
        sender: Sender,
        partitions: int,
        *,
        utc: Callable[[], int],
        sensor: FeedSensor,
    ) -> None:
        self._source = source
        self._start, self._end = window
        self._trackers = trackers
        self._keys = {symbol: reference.by_symbol[symbol].key for symbol in source.symbols}
        self._sender = sender
        self._partitions = partitions
        self._utc = utc
        self._sensor = sensor
        self._clock: SessionClock | None = None
        self._next_event = self._start
        self._correlations = Correlations()
        self._minute = 0
        self._shown: dict[str, tuple[int, int]] = {}
        self._watermark = self._start - 1
        self.published = 0
        self.done = False

    @property
    def pending(self) -> int:
        """Records that Kafka does not have yet."""
        return self._sender.pending

    def start(self, clock: SessionClock) -> None:
        """Let market time run."""
        self._clock = clock
        self.clock()

    def expect(self, next_event: int | None) -> None:
        """Say what comes next: the market time of the next event, or ``None`` after the last."""
        if next_event is None:
            self.done = True
            self._sensor.on_done()
        else:
            self._next_event = next_event

    def event(self, event: MarketEvent) -> None:
        """Publish one event, stamped with the present, and take note of it for the reference facts."""
        self._trackers[event.symbol].apply(event)
        self._sender.send(MD, self._keys[event.symbol], replace(event, ts_utc=self._utc()))
        self.published += 1

    def watermark(self, utc: int) -> int:
        """Market time up to which everything has been published; it never falls."""
        if self.done:
            mark = self._end
        elif self._clock is None:
            mark = self._start - 1
        elif self._clock.speed == 0.0:
            mark = self._next_event - 1
        else:
            mark = min(self._next_event - 1, self._clock.market(utc, 0))
        self._watermark = max(self._watermark, mark)
        return self._watermark

    def market(self, utc: int) -> int:
        """Market time at ``utc``."""
        return self._start if self._clock is None else self._clock.market(utc, self.watermark(utc))

    def heartbeat(self) -> None:
        """One on every partition of ``md.v1``, behind what was published there, and one on ``ref.v1``.

        None is added to a long queue: it would say nothing but that Kafka was away.
        """
        utc = self._utc()
        self._sensor.on_heartbeat(self.watermark(utc), self._sender.pending, self._source.repairs)
        if self._sender.pending > _CONGESTED:
            return
        message = self._heartbeat(utc)
        for partition in range(self._partitions):
            self._sender.send(MD, None, message, partition=partition)
        self._sender.send(REF, HEARTBEAT_KEY, message)

    def _heartbeat(self, utc: int) -> FeedHeartbeat:
        return FeedHeartbeat(
            feed=self._source.name,
            watermark=self.watermark(utc),
            ts_utc=utc,
            published=self.published,
            repaired=self._source.repairs.total(),
            done=self.done,
        )

    def clock(self) -> None:
        """The session clock on ``ref.v1``, for those who come late."""
        if self._clock is not None:
            self._sender.send(REF, CLOCK_KEY, replace(self._clock, ts_utc=self._utc()))

    def reference_facts(self) -> None:
        """A snapshot of each instrument that has changed, or was not said for ``REF_AT_LEAST``.

        As fast as possible, market time is the watermark, so it comes along: a quarter of a second may be
        minutes of the market.
        """
        if self._sender.pending > _CONGESTED:
            return
        utc = self._utc()
        market = self.market(utc)
        if market // MINUTE > self._minute:
            self._minute = market // MINUTE
            self._correlate(market)
        for symbol, tracker in self._trackers.items():
            changes, said = self._shown.get(symbol, (0, 0))
            if tracker.changes != changes or utc - said >= REF_AT_LEAST:
                self._sender.send(REF, symbol.encode(), tracker.snapshot(market, utc))
                self._shown[symbol] = (tracker.changes, utc)
        if self._clock is not None and self._clock.speed == 0.0:
            self._sender.send(REF, HEARTBEAT_KEY, self._heartbeat(utc))

    def _correlate(self, market: int) -> None:
        """Take in the minutes that are over; as fast as possible, that may be several at once."""
        minutes: defaultdict[int, dict[str, float]] = defaultdict(dict)
        for symbol, tracker in self._trackers.items():
            for minute, change in tracker.returns(market):
                minutes[minute][symbol] = change
        for minute in sorted(minutes):
            self._correlations.minute(minutes[minute])
        for symbol, correlated in self._correlations.of(self._trackers).items():
            self._trackers[symbol].correlated = correlated
