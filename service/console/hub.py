"""Keeps the rows: reads the record from Kafka, asks the gateway how it is, and wakes whoever watches.

Read-only, and a process of its own: nothing on an order's way waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from service.console.blotter import Blotter
from service.console.desk import Unanswered, instrument
from service.console.hands import Hands
from service.console.rows import Head
from service.gateway import control_client
from service.gateway.control import StatusReply
from service.gateway.control_client import ControlError
from service.model.events import ParentClosed, ParentEvent
from service.model.message import Message
from service.model.orders import NewParent, ParentCommand
from service.model.records import Decision
from service.model.reference import Reference
from service.model.stream import person_of
from service.settings import stream_address
from service.transport.consumer import Reader
from service.transport.producer import Producer
from service.transport.topics import AUDIT, DECISIONS, MD, ORDERS, PARENTS, REF, RISK

log = logging.getLogger(__name__)

_STALE: Final = 2.0
_POLL: Final = 0.5
_PAUSE_MARKET: Final = 0.1
_PAUSE_RECORD: Final = 0.1


class Hub:
    """The console's view of everything.

    Args:
        record: Started readers of audit and of orders, risk and decisions, from their beginning; each is read
            to its present end before the next is begun.
        market: Started reader of market data and reference facts, from now on.
        producer: Started; parent commands and audit go through it.
    """

    def __init__(
        self,
        reference: Reference,
        run_dir: Path,
        record: tuple[Reader, ...],
        market: Reader,
        producer: Producer,
        *,
        timeout: float = 20.0,
    ) -> None:
        self.reference = reference
        self.run_dir = run_dir
        self.blotter = Blotter(reference)
        self.head = Head()
        self.status: StatusReply | None = None
        self.hands = Hands(stream_address(run_dir))
        self._record = record
        self._market = market
        self._producer = producer
        self._timeout = timeout
        self._waiting: dict[str, asyncio.Future[ParentEvent]] = {}
        self._changed = asyncio.Event()
        self._caught_up = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop``."""
        async with asyncio.TaskGroup() as group:
            works = (self._read_record(), self._read(self._market), self._watch(), self.hands.beat())
            tasks = [group.create_task(work) for work in works]
            await stop.wait()
            for task in tasks:
                task.cancel()
        await self.hands.stop()

    async def caught_up(self) -> None:
        """Wait until what was on record before the console started has been read."""
        await self._caught_up.wait()

    async def changed(self, timeout: float) -> None:
        """Wait until something has changed, at most ``timeout`` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._changed.wait()

    async def command(self, command: ParentCommand, timeout: float) -> ParentEvent:
        """Put a parent command on the topic and wait for the gateway's answer.

        Raises:
            Unanswered: If Kafka does not take it, or no gateway answers within ``timeout`` seconds.
        """
        answer: asyncio.Future[ParentEvent] = asyncio.get_running_loop().create_future()
        self._waiting[command.command_id] = answer
        symbol = command.parent.symbol if isinstance(command, NewParent) else command.symbol
        try:
            self._producer.send(PARENTS, instrument(self.reference, symbol).key, command)
            async with asyncio.timeout(timeout):
                return await answer
        except TimeoutError:
            raise Unanswered(
                f"no answer within {timeout:g} s; the command waits until a gateway runs that has market "
                f"data of {symbol}"
            ) from None
        finally:
            del self._waiting[command.command_id]

    def decided(self, decision: Decision) -> None:
        """Put what a person has decided for a parent beside what policies decide."""
        self._producer.send(DECISIONS, decision.parent_id.encode(), decision)

    def record(self, message: Message) -> None:
        """Put a line on ``audit.v1``."""
        self._producer.send(AUDIT, None, message)

    async def _read_record(self) -> None:
        """Read what is there, what people said of alarms before the alarms, and then follow all of it."""
        for reader in self._record:
            ends = await reader.end_offsets()
            while not _reached(await reader.positions(), ends):
                await self._step(reader)
        self.blotter.live = True
        self._caught_up.set()
        log.info("read the record: %d parents", len(self.blotter.parents))
        async with asyncio.TaskGroup() as group:
            for reader in self._record:
                group.create_task(self._read(reader))

    async def _read(self, reader: Reader) -> None:
        # A few full batches rather than a great many small ones: each costs us, and Kafka, about the same.
        pause = _PAUSE_MARKET if reader is self._market else _PAUSE_RECORD
        while True:
            await self._step(reader)
            await asyncio.sleep(pause)

    async def _step(self, reader: Reader) -> None:
        for batch in await reader.batch(0.2):
            self._take(batch.messages)
            await asyncio.sleep(0)

    def _take(self, messages: Iterable[object]) -> None:
        before = self.blotter.rev
        for message in messages:
            event = self.blotter.apply(message)
            if event is None or isinstance(event, ParentClosed):
                continue
            answer = self._waiting.get(event.command_id)
            if answer is not None and not answer.done():
                answer.set_result(event)
        if self.blotter.rev != before:
            self.wake()

    def wake(self) -> None:
        """Tell whoever watches that something has changed."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def _watch(self) -> None:
        """Ask the gateway twice a second; the console goes on without it."""
        while True:
            try:
                self.status = await control_client.status(self.run_dir, timeout=2.0, brief=True)
                reason = "up"
            except (ControlError, OSError) as error:
                self.status, reason = None, str(error)
            self.head = self._head(reason)
            if self._caught_up.is_set():
                # Whoever had a parent in hand when the console stopped is vouched for again.
                parents = self.blotter.parents.values()
                await self.hands.connect({p.taken_over for p in parents if p.taken_over and not p.ended})
            self.wake()
            await asyncio.sleep(_POLL)

    def _head(self, gateway: str) -> Head:
        utc = time.time_ns()
        blotter, status = self.blotter, self.status
        beat = blotter.heartbeat
        age = None if beat is None else max(0.0, (utc - beat.ts_utc) / 1e9)
        head = Head(
            market_time=blotter.market_now(utc),
            utc=utc,
            feed_age=age,
            gateway=gateway,
            sessions=dict(blotter.sessions),
            stale=age is None or age > _STALE,
            open_alarms=sum(not alarm.closed for alarm in blotter.alarms.values()),
        )
        if status is not None:
            head.halted = status.halted
            head.sessions = {**head.sessions, status.session: status.logged_on}
            head.kills = [msgspec.structs.asdict(kill) for kill in status.kills]
            head.latched = status.latched
            head.proposals = [msgspec.structs.asdict(proposal) for proposal in status.proposals]
            head.runners = [name for name in status.runners if not person_of(name)]
            head.working, head.unknown = status.works, status.unknown
            head.limits_version = status.limits_version
        return head


def _reached(positions: dict[tuple[str, int], int], ends: dict[tuple[str, int], int]) -> bool:
    return all(positions[partition] >= end for partition, end in ends.items())


MARKET_TOPICS: Final = (MD, REF)
RECORD_TOPICS: Final = ((AUDIT,), (ORDERS, RISK, DECISIONS))
