"""The role ``gateway``: recovers from its journal, then keeps the gate and the session with the broker."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import time
from collections.abc import AsyncIterator, Coroutine, Mapping
from pathlib import Path
from typing import Any, Final

from service.fix.claim import claimed
from service.fix.config import FixConfig
from service.fix.dialect import load_dialect
from service.fix.messages import Report
from service.fix.session import FixSession
from service.gateway.clocks import ClockWatch
from service.gateway.copying import DropCopyLink
from service.gateway.core import Core
from service.gateway.countersign import Countersign
from service.gateway.cutting import Cutter
from service.gateway.doors import Control, Runners, admit_group
from service.gateway.figures import Figures
from service.gateway.inputs import RULES, Noted, Started
from service.gateway.intake import Intake
from service.gateway.journal import Journal, open_journal
from service.gateway.limits_file import parse_limits, read_limits
from service.gateway.numbers import SenderNumbers
from service.gateway.people import SIMULATOR, read_people
from service.gateway.record import KEPT, TOPICS, Gap, History, Mirror, find_gap
from service.gateway.settings import GatewaySettings, drop_copy_config, fix_config
from service.gateway.shell import Recovery, Shell
from service.gateway.triggers import FILE, KillFile, KillSignal
from service.model.reference import Instrument, load_reference
from service.model.time import SECOND
from service.settings import control_address, stream_address
from service.telemetry.clocks import ClockMetrics
from service.telemetry.figures import FiguresMetrics
from service.telemetry.gateway import GatewayMetrics
from service.telemetry.process import ask_for_realtime, tune_collector
from service.telemetry.transport import TransportMetrics
from service.transport.consumer import Reader, Start
from service.transport.producer import Producer
from service.transport.topics import PARENTS, REF, TransportError, ensure_topics

log = logging.getLogger(__name__)

_TICK: Final = 0.01
_KAFKA_AGAIN: Final = 1.0
"""Seconds between two attempts to find Kafka, each of which is patient itself."""


def restore(path: Path, record_kept: int = KEPT) -> tuple[Journal, Core, Recovery]:
    """Open a journal and fold it into a core.

    Raises:
        JournalError: If the journal cannot be used.
    """
    core = Core()
    fold = Recovery(core, record_kept)
    journal = open_journal(path, fold.take)
    return journal, core, fold


async def run(settings: GatewaySettings, stop: asyncio.Event) -> None:
    """Be the gateway until ``stop`` is set.

    Raises:
        LimitsFileError, ReferenceFileError, JournalError, FixConfigError: If it cannot start.
    """
    # The FIX engine's thread must not wait 5 ms for the interpreter behind a busy loop. Nor may it interrupt
    # one report to hand over the next, which waits for the loop anyway: an answer takes 0.2 ms to handle.
    sys.setswitchinterval(1e-3)
    ask_for_realtime(settings.realtime_priority)
    tune_collector()
    reference = load_reference(settings.reference)
    limits_text = read_limits(settings.limits)
    parse_limits(limits_text, str(settings.limits), reference)
    config = fix_config(settings)
    dialect = load_dialect(config.dialects, config.dialect)
    copied = drop_copy_config(settings)
    golden = copied is not None and load_dialect(copied.dialects, copied.dialect).drop_copy_golden
    started = Started(
        reference=settings.reference.read_text(),
        limits=limits_text,
        on_runner_loss=settings.on_runner_loss,
        max_command_age=int(settings.max_command_age * SECOND),
        order_status=dialect.order_status,
        mass_cancel=dialect.mass_cancel,
        parent_limits=True,
        rules=RULES,
        drop_copy=f"{copied.sender_comp_id}->{copied.target_comp_id}" if copied is not None else "",
        drop_copy_tolerance=int(settings.drop_copy_tolerance * SECOND),
        drop_copy_required=settings.drop_copy_required,
        drop_copy_golden=golden,
        cancel_on_disconnect=dialect.cancel_on_disconnect,
        cancel_on_disconnect_grace=int(dialect.cancel_on_disconnect_grace * SECOND),
    )
    journal, core, fold = restore(settings.run_dir / "journal" / "gateway.journal", settings.record_kept)
    if fold.seq:
        log.info("recovered %d inputs, %d live orders", fold.seq, len(core.state.ledger.live))
    gateway = _Gateway(settings, config, copied, journal, core, fold, reference.by_symbol)
    with claimed(config):
        await gateway.run(started, stop)


class _Gateway:
    """Everything that a running gateway consists of."""

    def __init__(
        self,
        settings: GatewaySettings,
        config: FixConfig,
        copied: FixConfig | None,
        journal: Journal,
        core: Core,
        fold: Recovery,
        instruments: Mapping[str, Instrument],
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._core = core
        self._history = fold.history
        sensor = TransportMetrics()
        self._transport_sensor = sensor
        self._producer = Producer(
            settings.kafka,
            client="gateway",
            prefix=settings.topic_prefix,
            linger=0.02,
            max_pending=settings.max_unrecorded,
            sensor=sensor,
        )
        self._sensor = GatewayMetrics(journal_large=int(settings.journal_large_mb * 2**20))
        self._fix = FixSession(
            config,
            instruments=instruments,
            on_report=self._report,
            on_session=self._session,
            on_alarm=self._alarm,
            on_numbering=lambda numbering: self._numbers.numbered(numbering),
        )
        self._runners = Runners(
            settings.stream or stream_address(settings.run_dir),
            timeout=int(settings.runner_timeout * SECOND),
        )
        self._control = Control(
            settings.control or control_address(settings.run_dir),
            self._fix.name,
            lambda: self._runners.names,
            lambda: self._record.pending,
            Countersign(
                lambda: read_people(settings.people, simulator=config.target_comp_id == SIMULATOR),
                allowed=lambda scope: self._kill_file.holds(scope),
            ),
        )
        self._record = Mirror(self._producer)
        self._shell = Shell(
            core, journal, self._fix, self._record, self._runners.tell, seq=fold.seq, sensor=self._sensor
        )
        self._runners.shell = self._control.shell = self._shell
        self._intake = Intake(
            self._shell, fold.began, int(settings.max_command_age * SECOND), ended=fold.ended
        )
        self._control.cutter = self._cutter = Cutter(self._fix)
        self._numbers = SenderNumbers(self._shell, self._fix, kept=not config.reset_on_logon)
        self._kill_file = KillFile(settings.run_dir / FILE)
        self._figures = Figures(self._shell, FiguresMetrics())
        simulated = config.target_comp_id == SIMULATOR
        self._clocks = ClockWatch(
            self._shell,
            self._fix.heard,
            blocks=settings.on_clock_trouble == "deny"
            or (settings.on_clock_trouble == "auto" and not simulated),
            max_error=int(settings.clock_max_error * SECOND),
            max_difference=int(settings.clock_max_difference * SECOND),
            sensor=ClockMetrics(),
        )
        self._drop_copy: DropCopyLink | None = None
        if copied is not None:
            self._drop_copy = DropCopyLink(copied, instruments, self._shell)

    def _report(self, report: Report) -> None:
        self._shell.report(report)

    def _alarm(self, code: str, detail: str) -> None:
        self._shell.feed(Noted(code=code, detail=detail))

    def _session(self, logged_on: bool, reason: str) -> None:
        self._shell.session(self._fix.name, logged_on, reason)

    async def run(self, started: Started, stop: asyncio.Event) -> None:
        """Start in an order in which orders can be cancelled before anything else works; stop in reverse.

        Neither Kafka nor a runner is needed for a kill (C26).
        """
        shell, state = self._shell, self._core.state
        self._journal.start(on_synced=shell.on_synced, on_failed=shell.on_journal_failed)
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self._journal.close)
            stack.push_async_callback(self._producer.stop)
            shell.feed(started)
            self._clocks.look(shell.now().utc)
            send_from = self._numbers.begin()
            if self._drop_copy is not None:
                self._drop_copy.reserve()
            await self._synced()
            self._runners.expect({order.runner for order in state.ledger.live.values() if order.runner})
            await self._control.server.start()
            stack.push_async_callback(self._control.server.stop)
            admit_group(
                self._settings.control or control_address(self._settings.run_dir),
                self._settings.control_group,
            )
            kill_signal = KillSignal(shell, asyncio.get_running_loop().call_soon_threadsafe)
            kill_signal.start()
            stack.callback(kill_signal.stop)
            # What the engine had taken and the journal had not is asked for again, unless numbers start anew.
            stack.callback(self._numbers.end)
            await self._fix.start(expect_from=self._numbers.expect_from, send_from=send_from)
            stack.push_async_callback(self._cutter.stop)
            stack.push_async_callback(self._fix.stop)
            if self._drop_copy is not None:
                await self._drop_copy.start()
                stack.push_async_callback(self._drop_copy.stop)
            await stack.enter_async_context(self._beside(self._keep_time()))
            connecting = asyncio.create_task(self._connect(stack))
            stopping = asyncio.create_task(stop.wait())
            try:
                await asyncio.wait({connecting, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if connecting.done():
                    connecting.result()
                await stopping
            finally:
                for task in (connecting, stopping):
                    task.cancel()
                await asyncio.gather(connecting, stopping, return_exceptions=True)
            log.info("stopping: %d orders stay at the broker", len(state.ledger.live))

    async def _connect(self, stack: contextlib.AsyncExitStack) -> None:
        """Find Kafka, then let runners in. It is waited for without end: a kill must not need it (C26)."""
        settings = self._settings
        while (gap := await self._find_kafka()) is None:
            await asyncio.sleep(_KAFKA_AGAIN)
        for topic in TOPICS:
            await self._producer.partitions(topic)
        self._fill(gap)
        await stack.enter_async_context(self._readers())
        await self._runners.server.start()
        admit_group(settings.stream or stream_address(settings.run_dir), settings.stream_group)
        stack.push_async_callback(self._runners.server.stop)
        ready = settings.run_dir / "ready" / "gateway"
        ready.parent.mkdir(parents=True, exist_ok=True)
        ready.touch()
        stack.callback(ready.unlink, missing_ok=True)
        log.info("ready")

    async def _find_kafka(self) -> Gap | None:
        """Get Kafka ready, and see what of the record it lacks; ``None`` if that has to be tried again."""
        settings = self._settings
        try:
            await ensure_topics(settings.kafka, settings.topic_prefix, settings.partitions)
            if not self._producer.started:
                await self._producer.start()
            await self._intake.look(settings.kafka, settings.topic_prefix)
            return await find_gap(
                self._history, settings.kafka, settings.topic_prefix, client="gateway-record"
            )
        except TransportError as error:
            log.error("%s; nothing is traded until then, kills and cancels work; it is tried again", error)
            return None

    def _fill(self, gap: Gap) -> None:
        """Kafka gets what earlier lives owe it, and then everything as it happens."""
        for topic in gap.lost:
            detail = f"topic={topic} forgotten={self._history.forgotten}"
            self._shell.feed(Noted(code="RECORD_GAP", detail=detail))
        self._record.open(gap.entries)
        self._history = History()

    @contextlib.asynccontextmanager
    async def _beside(self, work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
        """Run ``work``, which has no end of its own, beside what is inside; should it fail, trading stops."""

        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()) is not None:
                log.critical("a part of the gateway failed", exc_info=error)
                self._shell.stop_trading(f"internal error: {type(error).__name__}: {error}")

        task = asyncio.create_task(work)
        task.add_done_callback(ended)
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _synced(self) -> None:
        done = asyncio.Event()
        self._shell.when_synced(lambda _: done.set())
        await done.wait()

    @contextlib.asynccontextmanager
    async def _readers(self) -> AsyncIterator[None]:
        """Market facts and parents, as long as this lasts."""
        offsets = self._core.state.offsets
        reference = self._reader("gateway-ref", REF, "latest")  # the feed says everything again every 250 ms
        parents = self._reader(
            "gateway-parents", PARENTS, {(PARENTS, number): offset + 1 for number, offset in offsets.items()}
        )
        async with contextlib.AsyncExitStack() as stack:
            for reader in (reference, parents):
                await reader.start()
                stack.push_async_callback(reader.stop)
            await stack.enter_async_context(self._beside(self._read_reference(reference)))
            await stack.enter_async_context(self._beside(self._read_parents(parents)))
            yield

    def _reader(self, client: str, topic: str, start: Start) -> Reader:
        settings = self._settings
        return Reader(
            settings.kafka,
            (topic,),
            client=client,
            prefix=settings.topic_prefix,
            start=start,
            patience=0.1,
            dead=self._producer,
            sensor=self._transport_sensor,
        )

    async def _read_reference(self, reader: Reader) -> None:
        while True:
            for batch in await reader.batch():
                for message in batch.messages:
                    self._shell.reference(message)

    async def _read_parents(self, reader: Reader) -> None:
        while True:
            for batch in await reader.batch():
                for offset, message in zip(batch.offsets, batch.messages, strict=True):
                    self._intake.take(batch.partition, offset, message)

    async def _keep_time(self) -> None:
        failed_at = 0.0
        while True:
            await asyncio.sleep(_TICK)
            try:
                self._kill_file.look(self._shell)
                self._runners.check()
                self._clocks.look(time.time_ns())
                self._figures.look(time.time_ns())
                self._numbers.check()
                self._sensor.on_hours(self._fix.closed)
                if self._drop_copy is not None:
                    self._drop_copy.check()
                self._shell.tick()
            except Exception as error:
                if time.monotonic() - failed_at > 10.0:
                    failed_at = time.monotonic()
                    log.exception("the gateway's clock failed")
                    self._shell.stop_trading(f"internal error: {type(error).__name__}: {error}")
