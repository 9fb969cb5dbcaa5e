"""The role ``feed``: a source onto ``md.v1``; the gate's facts, the clock and heartbeats onto ``ref.v1``."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydantic import Field

from service.feeds.exchange_time import clock_time, session_midnight
from service.feeds.lag import LagReader
from service.feeds.pacing import Followed, Pace, Timed
from service.feeds.price_bands import PriceBands
from service.feeds.publisher import Publisher
from service.feeds.reference_facts import ReferenceTracker
from service.feeds.source import Source, SourceError, Trouble, open_source
from service.feeds.window import clip
from service.model.market import MarketEvent
from service.model.reference import load_reference
from service.model.time import MILLISECOND, SECOND, SessionClock
from service.settings import RoleSettings
from service.telemetry.feed import FeedMetrics, FeedSensor
from service.telemetry.process import tune_collector
from service.telemetry.transport import TransportMetrics
from service.transport.producer import Producer
from service.transport.topics import MD, REF, ensure_topics

_BATCH: Final = 256
_BEAT: Final = 0.25
_LONGEST_WAIT: Final = 0.05
_SHORTEST_WAIT: Final = 0.001

log = logging.getLogger(__name__)


class FeedSettings(RoleSettings):
    """Settings of the feed."""

    source: str = Field(
        "synthetic", description="synthetic, a LOBSTER zip, a LEAN folder, or a plug-in's own"
    )
    date: str | None = Field(None, description="session, YYYYMMDD, where the source has several")
    speed: float = Field(
        1.0, ge=0, description="times real time; 0 is as fast as the followed consumer groups take it"
    )
    seed: int = Field(1, description="of the synthetic market")
    start_at: str = Field(
        "", description="HH:MM[:SS] of the exchange's day at which to begin; the open if empty"
    )
    duration: float = Field(0.0, ge=0, description="seconds of market time to replay; 0 is to the close")
    extended_hours: bool = Field(False, description="LEAN: 04:00 to 20:00 in place of 09:30 to 16:00")
    trouble: Trouble = Field(
        "repair", description="strict stops at the first row that cannot be true; repair mends and counts it"
    )
    max_repairs: int = Field(1000, ge=0, description="rows mended at most before the source is given up")
    halt: str = Field(
        "",
        description="synthetic: HH:MM:SS+SECONDS or random+SECONDS, a trading halt of the first instrument",
    )
    start_when: Path | None = Field(None, description="begin only when this file is there")
    follow_groups: tuple[str, ...] = Field(("runner",), description="consumer groups that speed 0 waits for")
    max_lag: int = Field(5000, ge=1, description="records that a followed group may be behind")
    follow_patience: float = Field(
        10.0, gt=0, description="seconds to wait for a group that never commits before going on without it"
    )
    ref_interval_ms: int = Field(
        50, ge=1, le=250, description="shortest time between two reference snapshots of an instrument"
    )
    late_ms: int = Field(
        100, ge=1, description="an event published later than this after its time is counted"
    )
    max_pending: int = Field(
        200_000, ge=1000, description="records that may wait for Kafka before the replay is held"
    )
    jump_bps: float = Field(
        100.0, gt=0, description="move of the mid in one event that is not believed at once"
    )
    wide_bps: float = Field(250.0, gt=0, description="spread beyond which the mid is no reference price")


def replay_window(source: Source, start_at: str, duration: float) -> tuple[int, int]:
    """First and last instant of a replay, market time.

    Raises:
        SourceError: If it begins outside the session.
    """
    start = source.session_start
    if start_at:
        start = session_midnight(source.session_start) + clock_time(start_at, "start-at")
    if not source.session_start <= start < source.session_end:
        midnight = session_midnight(source.session_start)
        opens, closes = (
            time.strftime("%H:%M", time.gmtime((at - midnight) // SECOND))
            for at in (source.session_start, source.session_end)
        )
        raise SourceError(f"start-at {start_at} is outside the session of {source.name}, {opens} to {closes}")
    end = min(start + int(duration * SECOND), source.session_end) if duration else source.session_end
    return start, end


class Feed:
    """One replay: what is due goes out, and proof of life all the time.

    Args:
        first: Brings the first event; it may have to read through what lies before the window.
        settings: Of the role.
    """

    def __init__(
        self,
        source: Source,
        window: tuple[int, int],
        events: Iterator[MarketEvent],
        publisher: Publisher,
        settings: FeedSettings,
        *,
        sensor: FeedSensor,
    ) -> None:
        self._source = source
        self._window = window
        self._events = events
        self._publisher = publisher
        self._settings = settings
        self._sensor = sensor

    async def run(self, stop: asyncio.Event, ready: Path, lag: LagReader) -> None:
        """Publish until ``stop``; after the last event heartbeats go on, saying that it is done.

        Raises:
            SourceError: The source turned out to be unusable; heartbeats end with it.
        """
        first = await asyncio.to_thread(next, self._events, None)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._beat(stop))
                tasks.create_task(self._reference_facts(stop))
                ready.parent.mkdir(parents=True, exist_ok=True)
                ready.touch()
                if await self._may_start(stop):
                    await self._replay(first, self._pace(self._start_clock(), lag), stop)
                await stop.wait()
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None

    async def _may_start(self, stop: asyncio.Event) -> bool:
        """Wait for the file that starts the replay; False if it is to stop before."""
        path = self._settings.start_when
        if path is not None:
            log.info("waiting for %s", path)
            while not path.exists():
                if await _stopped(stop, 0.02):
                    return False
        return not stop.is_set()

    def _start_clock(self) -> SessionClock:
        utc = time.time_ns()
        start, end = self._window
        clock = SessionClock(
            market_start=start, utc_start=utc, speed=self._settings.speed, market_end=end, ts_utc=utc
        )
        self._publisher.start(clock)
        return clock

    def _pace(self, clock: SessionClock, lag: LagReader) -> Pace:
        if clock.speed > 0:
            return Timed(clock)
        return Followed(
            lag.lag,
            max_lag=self._settings.max_lag,
            patience=self._settings.follow_patience,
            seconds=time.monotonic,
            pending=lambda: self._publisher.pending,
        )

    async def _replay(self, first: MarketEvent | None, pace: Pace, stop: asyncio.Event) -> None:
        publisher, events = self._publisher, self._events
        start = self._window[0]
        late_after = self._settings.late_ms * MILLISECOND
        max_pending = self._settings.max_pending
        event = first
        if event is not None:
            publisher.expect(max(start, event.ts_event))
        while event is not None and not stop.is_set():
            if publisher.pending >= max_pending:
                # Market time runs on; what is due waits here, in order, and memory stays bounded.
                self._sensor.on_held()
                await _stopped(stop, _LONGEST_WAIT)
                continue
            room = min(_BATCH, await pace.allowance(publisher.published))
            utc = time.time_ns()
            horizon = pace.horizon(utc)
            sent = late = 0
            while event is not None and event.ts_event <= horizon and sent < room:
                publisher.event(event)
                sent += 1
                if pace.lateness(max(start, event.ts_event), utc) > late_after:
                    late += 1
                event = next(events, None)
            publisher.expect(None if event is None else event.ts_event)
            if sent:
                self._sensor.on_published(sent)
            if late:
                self._sensor.on_late(late)
            if event is None:
                break
            if sent == _BATCH:
                await asyncio.sleep(0)
            else:
                wait = pace.wait(event.ts_event, time.time_ns())
                await _stopped(stop, min(max(wait, _SHORTEST_WAIT), _LONGEST_WAIT))
        if event is None:
            publisher.reference_facts()
            publisher.heartbeat()
            log.info(
                "the source has ended: %d events published, %d rows mended %s",
                publisher.published,
                self._source.repairs.total(),
                dict(self._source.repairs) or "",
            )

    async def _beat(self, stop: asyncio.Event) -> None:
        due = time.monotonic()
        beats = 0
        while True:
            self._publisher.heartbeat()
            if beats % 4 == 0:
                self._publisher.clock()
            beats += 1
            due = max(due + _BEAT, time.monotonic())
            if await _stopped(stop, due - time.monotonic()):
                return

    async def _reference_facts(self, stop: asyncio.Event) -> None:
        interval = self._settings.ref_interval_ms / 1000
        while True:
            self._publisher.reference_facts()
            if await _stopped(stop, interval):
                return


async def _stopped(stop: asyncio.Event, seconds: float) -> bool:
    """Wait, but not past ``stop``; whether it is set."""
    if stop.is_set():
        return True
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
    return stop.is_set()


async def run(settings: FeedSettings, stop: asyncio.Event) -> None:
    """Publish the source until ``stop``.

    Raises:
        ReferenceFileError: The reference file cannot be used.
        SourceError: The source cannot be used; names file and row.
        TransportError: The cluster does not answer.
    """
    reference = load_reference(settings.reference)
    source = await asyncio.to_thread(
        open_source,
        settings.source,
        settings.date,
        reference,
        settings.seed,
        extended_hours=settings.extended_hours,
        trouble=settings.trouble,
        max_repairs=settings.max_repairs,
        halt=settings.halt,
    )
    window = replay_window(source, settings.start_at, settings.duration)
    sensor = FeedMetrics()
    await ensure_topics(settings.kafka, settings.topic_prefix, settings.partitions)
    producer = Producer(
        settings.kafka, client="feed", prefix=settings.topic_prefix, sensor=TransportMetrics()
    )
    groups = tuple(group for group in settings.follow_groups if group)
    ready = settings.run_dir / "ready" / "feed"
    lag: LagReader | None = None
    try:
        await producer.start()
        partitions = await producer.partitions(MD)
        await producer.partitions(REF)
        lag = LagReader(
            settings.kafka, groups, prefix=settings.topic_prefix, partitions=partitions, sensor=sensor
        )
        if settings.speed == 0:
            # Before the first event, so that what others left on the topic is not waited for.
            await lag.lag()
        trackers = {
            symbol: ReferenceTracker(
                symbol,
                reference.by_symbol[symbol].venue,
                jump_bps=settings.jump_bps,
                wide_bps=settings.wide_bps,
                bands=PriceBands.of(reference.by_symbol[symbol], source.session_start),
            )
            for symbol in source.symbols
        }
        publisher = Publisher(
            source, window, trackers, reference, producer, partitions, utc=time.time_ns, sensor=sensor
        )
        events = clip(source.events(), *window, lambda event: trackers[event.symbol].apply(event))
        log.info("%s: %s at %g times real time", source.name, ", ".join(source.symbols), settings.speed)
        tune_collector()
        feed = Feed(source, window, events, publisher, settings, sensor=sensor)
        await feed.run(stop, ready, lag)
    finally:
        ready.unlink(missing_ok=True)
        if lag is not None:
            await lag.stop()
        await producer.stop()
