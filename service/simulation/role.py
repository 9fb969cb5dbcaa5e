"""The broker simulator as a process: FIX in, the replayed market in, answers and logs out."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Sequence
from typing import Literal

from aiokafka.errors import KafkaError
from pydantic import Field

from service.model.market import MarketMessage
from service.model.reference import load_reference
from service.model.time import MILLISECOND, SECOND
from service.settings import RoleSettings
from service.simulation.broker import Broker
from service.simulation.depth import Refill
from service.simulation.drop_copy import DropCopy
from service.simulation.exchange import Exchange
from service.simulation.fees import VenueFees
from service.simulation.fix_engine import AcceptorConfig, FixEngine, Inbound
from service.simulation.latency import LognormalLatency
from service.simulation.order_log import OrderLog
from service.simulation.queue import PatientQueue, ProportionalQueue, QueueModel
from service.simulation.rejects import RejectModel
from service.telemetry.broker import BrokerMetrics
from service.telemetry.process import tune_collector
from service.transport.consumer import Reader
from service.transport.topics import MD, TransportError, ensure_topics

log = logging.getLogger(__name__)


class BrokerSettings(RoleSettings):
    """Settings of the broker simulator; the models behind them are in docs/broker-simulator.md."""

    port: int = Field(9878, ge=1, le=65_535, description="port of the FIX acceptor, on every interface")
    comp_id: str = Field("BROKERSIM", min_length=1, description="the broker's CompID")
    clients: tuple[str, ...] = Field(
        ("SLIPSTREAM",), min_length=1, description="CompIDs of clients that may log on, one session each"
    )
    start: Literal["earliest", "latest"] = Field(
        "earliest",
        description="where to begin on md.v1; what lies there already sets the book and fills nothing",
    )
    entry_latency_ms: float = Field(2.0, ge=0, description="median delay of a request to the exchange")
    response_latency_ms: float = Field(2.0, ge=0, description="median delay of an answer")
    latency_sigma: float = Field(0.3, ge=0, le=3, description="spread of the lognormal delays; 0 is none")
    latency_tail: float = Field(0.01, ge=0, le=1, description="share of delays that are ten times as long")
    seed: int = Field(1, description="of delays and random rejects")
    queue: Literal["proportional", "patient"] = Field(
        "proportional",
        description="whence cancelled lots leave a queue: in proportion, or behind us first",
    )
    queue_power: float = Field(1.0, ge=0, le=10, description="exponent of the proportional queue")
    refill: Literal["reset", "growth"] = Field(
        "reset", description="a changed level that we depleted: all of it is new, or only what was added"
    )
    fees: bool = Field(True, description="report commission by the venue's maker and taker fees")
    reject_rate: float = Field(0.0, ge=0, le=1, description="share of new orders refused at random")
    reject_cancel_rate: float = Field(
        0.0, ge=0, le=1, description="share of cancels and replaces refused at random"
    )
    reject_symbols: tuple[str, ...] = Field((), description="instruments whose orders are refused")
    max_quantity: int = Field(0, ge=0, description="largest order in lots; 0 is no limit")
    cancel_on_disconnect: bool = Field(
        False, description="cancel a client's working orders when its session is lost"
    )
    cancel_on_disconnect_tag: int = Field(
        0, ge=0, description="tag of a client's Logon that asks for it with 1 or Y; 0: nobody can ask"
    )
    cancel_on_disconnect_grace: float = Field(
        0.0, ge=0, le=3_600, description="seconds that a lost client has to come back before that"
    )
    drop_copy: str = Field(
        "", description="CompID of a session that gets a copy of every execution report; empty: none"
    )
    drop_copy_delay_ms: float = Field(
        5.0, ge=0, le=60_000, description="how much later than the report its copy is sent"
    )
    drop_copy_omit_rate: float = Field(
        0.0, ge=0, le=1, description="share of fills left out of the drop copy, to practise a break"
    )
    stale_after: float = Field(
        5.0, ge=0.5, description="seconds without a record on md.v1 after which matching pauses"
    )


def make_exchange(settings: BrokerSettings, prefix: str) -> Exchange:
    """The exchange that the settings describe.

    Raises:
        ReferenceFileError: If the reference file cannot be used.
    """
    reference = load_reference(settings.reference)
    queue: QueueModel = (
        PatientQueue() if settings.queue == "patient" else ProportionalQueue(settings.queue_power)
    )

    def latency(median_ms: float, seed: int) -> LognormalLatency:
        return LognormalLatency(
            int(median_ms * MILLISECOND),
            settings.latency_sigma,
            tail_probability=settings.latency_tail,
            seed=seed,
        )

    return Exchange(
        reference,
        prefix=prefix,
        entry=latency(settings.entry_latency_ms, 2 * settings.seed),
        response=latency(settings.response_latency_ms, 2 * settings.seed + 1),
        queue=queue,
        refill=Refill(settings.refill),
        fees=VenueFees(reference.by_venue) if settings.fees else None,
        rejects=RejectModel(
            settings.reject_rate,
            settings.reject_cancel_rate,
            settings.reject_symbols,
            settings.max_quantity,
            settings.seed,
        ),
    )


def _reached(positions: dict[tuple[str, int], int], ends: dict[tuple[str, int], int]) -> bool:
    return all(positions[partition] >= end for partition, end in ends.items())


class Shell:
    """Drives a broker by messages of FIX, by the market, and by timers for what is under way."""

    def __init__(self, settings: BrokerSettings) -> None:
        self._settings = settings
        reference = load_reference(settings.reference)
        self._folder = settings.run_dir / "broker"
        # A life's own prefix keeps OrderIDs and ExecIDs unique for ever.
        self._exchange = make_exchange(settings, prefix=f"{time.time_ns() // MILLISECOND:x}-")
        self._exchange.pause()
        order_log = OrderLog(self._folder, reference)
        self._engine = FixEngine(
            AcceptorConfig(
                port=settings.port,
                comp_id=settings.comp_id,
                clients=tuple(filter(None, (*settings.clients, settings.drop_copy))),
                folder=self._folder,
                ask_tag=settings.cancel_on_disconnect_tag,
            ),
            self._on_inbound,
        )
        self._broker = Broker(
            self._exchange,
            reference,
            order_log,
            self._engine,
            cancel_on_disconnect=settings.cancel_on_disconnect,
            grace=int(settings.cancel_on_disconnect_grace * SECOND),
            drop_copy=DropCopy(
                settings.drop_copy,
                order_log,
                delay=int(settings.drop_copy_delay_ms * MILLISECOND),
                omit=settings.drop_copy_omit_rate,
                seed=settings.seed,
            )
            if settings.drop_copy
            else None,
            sensor=BrokerMetrics(),
        )
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0
        self._reader: Reader | None = None
        self._failure: Exception | None = None
        self._failed = asyncio.Event()

    async def start(self) -> None:
        """Listen for clients; nothing matches before the market is there.

        Raises:
            FixEngineError: If it cannot listen.
        """
        await self._engine.start()

    async def failure(self) -> None:
        """Wait until a step fails, and raise what it raised: a broker that lost an answer must not go on."""
        await self._failed.wait()
        assert self._failure is not None
        raise self._failure

    async def stop(self) -> None:
        """Answer what is under way, log clients out, close the logs."""
        if self._timer is not None:
            self._timer.cancel()
        if self._failure is None:
            self._broker.close()
        else:
            self._broker.abandon()
        await self._engine.stop()
        if self._reader is not None:
            await self._reader.stop()

    def _on_inbound(self, batch: list[Inbound]) -> None:
        if self._failure is None:
            self._guard(lambda: self._broker.on_inbound(batch))

    def _on_timer(self) -> None:
        self._timer = None
        self._guard(self._broker.pump)

    def _guard(self, step: Callable[[], None]) -> None:
        """Run one step of a callback, whose exceptions the loop would only log."""
        try:
            step()
            self._schedule()
        except Exception as error:
            log.critical("the broker simulator cannot go on", exc_info=True)
            self._failure = error
            self._failed.set()

    def _schedule(self) -> None:
        due = self._broker.next_due
        if due is None or (self._timer is not None and self._timer_due <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        delay = max(0, due - time.time_ns()) / SECOND
        self._timer = asyncio.get_running_loop().call_later(delay, self._on_timer)
        self._timer_due = due

    def resume(self) -> None:
        """The market is there: match."""
        self._exchange.resume()

    def on_market(self, messages: Sequence[MarketMessage]) -> None:
        """Apply market events of one partition."""
        if self._failure is None:
            self._guard(lambda: self._broker.on_market(messages))

    async def connect(self) -> None:
        """Find the market; tries until Kafka is there."""
        settings = self._settings
        while True:
            self._reader = reader = Reader(
                settings.kafka, [MD], client="broker-sim", prefix=settings.topic_prefix, start=settings.start
            )
            try:
                await ensure_topics(settings.kafka, settings.topic_prefix, settings.partitions, timeout=10.0)
                await reader.start(timeout=10.0)
                await self._read_history(reader)
            except (TransportError, KafkaError, OSError) as error:
                log.warning("no market yet, trying again: %s", error)
                await reader.stop()
            else:
                return

    async def _read_history(self, reader: Reader) -> None:
        """Apply what was published before we came: it sets books and phases and fills nothing."""
        ends = await reader.end_offsets()
        while not _reached(await reader.positions(), ends):
            for batch in await reader.batch(0.1, 2000):
                self.on_market(batch.messages)
        self.resume()

    async def follow(self) -> None:
        """Apply the market as it comes; pause matching while nothing comes."""
        assert self._reader is not None, "connect first"
        heard = time.monotonic()
        while True:
            batches = await self._reader.batch(0.1, 500)
            if batches:
                heard = time.monotonic()
                if not self._exchange.matching:
                    log.info("md.v1 is alive again: matching resumes")
                    self.resume()
                for batch in batches:
                    self.on_market(batch.messages)
            elif self._exchange.matching and time.monotonic() - heard > self._settings.stale_after:
                log.warning("nothing on md.v1 for %g s: matching pauses", self._settings.stale_after)
                self._exchange.pause()


async def _live(shell: Shell, settings: BrokerSettings) -> None:
    await shell.connect()
    ready = settings.run_dir / "ready" / "broker-sim"
    ready.parent.mkdir(parents=True, exist_ok=True)
    ready.touch()
    log.info(
        "broker simulator %s listens on port %d for %s",
        settings.comp_id,
        settings.port,
        ", ".join(settings.clients),
    )
    await shell.follow()


async def run(settings: BrokerSettings, stop: asyncio.Event) -> None:
    """Be a broker until ``stop``.

    Raises:
        ReferenceFileError: If the reference file cannot be used.
        OrderLogError: If the order log of an earlier life cannot be read.
        FixEngineError: If the acceptor cannot listen.
    """
    # FIX threads and the loop share the interpreter: short turns keep an acknowledgement from waiting.
    sys.setswitchinterval(1e-4)
    tune_collector()
    shell = Shell(settings)
    ready = settings.run_dir / "ready" / "broker-sim"
    await shell.start()
    work = asyncio.create_task(_live(shell, settings), name="broker-sim market")
    failing = asyncio.create_task(shell.failure(), name="broker-sim failure")
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({work, failing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in (work, failing):
            if task.done():
                task.result()
    finally:
        ready.unlink(missing_ok=True)
        for ended in (work, failing, stopping):
            ended.cancel()
        await asyncio.gather(work, failing, stopping, return_exceptions=True)
        await shell.stop()
        log.info("broker simulator stopped")
