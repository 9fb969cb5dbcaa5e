"""The demo: every role as a real process, parents through it, and the result; nothing is left running."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import signal
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import orjson
from rich.console import Console
from rich.live import Live

from service.console.desk import Cluster, Desk
from service.demo.blotter import Blotter
from service.demo.checks import check_options
from service.demo.plan import Plan, PlannedAction, PlannedParent, default_plan, load_plan
from service.demo.processes import DemoError, Roles
from service.demo.result import RECORDING, REFERENCE, Result, ResultError, result_of, shortcomings, write_json
from service.demo.view import LiveView, print_result, progress_line
from service.gateway.control_client import ControlError, kill, until_nothing_works
from service.model.reference import load_reference
from service.model.time import SECOND
from service.settings import ROOT
from service.transport.consumer import Reader
from service.transport.kafka_probe import free_port
from service.transport.kafka_process import KafkaProcess
from service.transport.topics import DECISIONS, ORDERS, REF, RISK

STOP_ORDER: Final = ("feed", "runner", "gateway", "broker-sim", "recorder")
RUN_FILE: Final = "run.json"
LINE_SECONDS: Final = 5.0
# A broker an ocean away, so that cancels under way and fills pass each other in every run, not in most.
BROKER: Final = ("--entry-latency-ms", "40", "--response-latency-ms", "20")
DROP_COPY: Final = "SLIPDROP"
# After the session's end the gateway cancels what is left and waits for the broker's word.
GRACE_SECONDS: Final = 30.0
KILL_SECONDS: Final = 8.0
# What the kernel takes (sun_path, with its closing zero).
SOCKET_PATH_BYTES: Final = 107


@dataclass(frozen=True, slots=True)
class Options:
    """What the demo was asked for.

    Attributes:
        source: Of the feed; ``speed`` None takes 15 for the synthetic market, 60 for a day of data.
        duration: Seconds of market time; None takes 22 minutes of the synthetic market, or the whole day.
        kafka: HOST:PORT of a cluster, None for one of our own.
        topic_prefix: Of the topics there; None makes up one for this run.
        broker: HOST:PORT of a FIX acceptor, None for our simulator.
        parents: File of parents, None for our own.
        bound: Seconds of UTC after which the run is given up; None takes the session's length and a grace.
    """

    source: str = "synthetic"
    date: str | None = None
    speed: float | None = None
    seed: int = 1
    start_at: str = ""
    duration: float | None = None
    run_dir: Path | None = None
    kafka: str | None = None
    topic_prefix: str | None = None
    broker: str | None = None
    sender_comp_id: str | None = None
    target_comp_id: str | None = None
    parents: Path | None = None
    json: Path | None = None
    reference: Path = ROOT / "deploy" / "reference.toml"
    bound: float | None = None

    @property
    def synthetic(self) -> bool:
        """Whether the market is our own."""
        return self.source == "synthetic"

    def feed(self, start_when: Path) -> list[str]:
        """Options of the role ``feed``."""
        speed = self.speed if self.speed is not None else 15.0 if self.synthetic else 60.0
        duration = self.duration if self.duration is not None else 1320.0 if self.synthetic else 0.0
        options = ["--source", self.source, "--speed", f"{speed:g}", "--seed", str(self.seed)]
        options += ["--duration", f"{duration:g}", "--start-when", str(start_when)]
        options += ["--date", self.date] if self.date else []
        options += ["--start-at", self.start_at] if self.start_at else []
        return options


class Demo:
    """One run, from an empty folder to its result."""

    def __init__(self, options: Options, console: Console) -> None:
        self._options = options
        self._console = console
        self._reference = load_reference(options.reference)
        self._plan = load_plan(options.parents) if options.parents else None
        if self._plan is not None:
            self._plan.try_out(self._reference, f"parents file {options.parents}")
        check_options(options, self._reference, self._plan)
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        self._run_dir = new_run_dir(options.run_dir or Path("runs") / f"demo-{stamp}")
        self._blotter = Blotter(self._reference)
        self._roles = Roles(self._run_dir)
        self._interrupted = asyncio.Event()
        self._say: Callable[[str], None] = self._print

    async def run(self) -> list[str]:
        """Do it all; returns what did not go well, one line each.

        Raises:
            DemoError: A role could not be started.
            KafkaProcessError: The local Kafka could not be started.
            TransportError: The cluster does not answer.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._interrupted.set)
        self._write_run_file()
        troubles: list[str] = []
        try:
            async with self._kafka() as cluster:
                troubles += await self._work(cluster)
        finally:
            left = self._roles.pids
        troubles += [f"{role} (process {pid}) was left running" for role, pid in left.items()]
        return troubles + self._report()

    async def _work(self, cluster: Cluster) -> list[str]:
        troubles: list[str] = []
        try:
            await self._start_roles(cluster)
            troubles += await self._trade(cluster)
        except DemoError as error:
            troubles.append(str(error))
        finally:
            # Ctrl-C from here on changes nothing: everything is being stopped as fast as is safe.
            self._say("stopping")
            bad = await self._roles.stop_all(STOP_ORDER)
        troubles += [f"{role} ended with status {status}" for role, status in bad.items()]
        return troubles

    # Start

    def _write_run_file(self) -> None:
        shutil.copyfile(self._options.reference, self._run_dir / REFERENCE)
        options = {
            name: str(value) if isinstance(value, Path) else value
            for name in self._options.__slots__
            if (value := getattr(self._options, name)) is not None
        }
        (self._run_dir / RUN_FILE).write_bytes(orjson.dumps(options, option=orjson.OPT_INDENT_2))

    @contextlib.asynccontextmanager
    async def _kafka(self) -> AsyncIterator[Cluster]:
        if self._options.kafka:
            # On a cluster that others use, a run's topics are its own.
            made_up = f"demo-{time.time_ns() // 1_000_000}-"
            given = self._options.topic_prefix
            yield Cluster(self._options.kafka, prefix=made_up if given is None else given)
            return
        self._say("starting Kafka")
        async with KafkaProcess(self._run_dir / "kafka") as kafka:
            yield Cluster(kafka.bootstrap)

    async def _start_roles(self, cluster: Cluster) -> None:
        options, roles = self._options, self._roles
        common = ["--run-dir", str(self._run_dir), "--kafka", cluster.kafka]
        common += ["--reference", str(self._run_dir / REFERENCE)]
        common += ["--topic-prefix", cluster.prefix] if cluster.prefix else []
        broker = options.broker
        session: list[str] = []
        if broker is None:
            port = free_port()
            broker = f"127.0.0.1:{port}"
            simulator = [*BROKER, "--port", str(port), "--seed", str(options.seed), "--drop-copy", DROP_COPY]
            await roles.start("broker-sim", [*common, *simulator])
            session += ["--drop-copy", broker, "--drop-copy-sender-comp-id", DROP_COPY]
        else:
            session += ["--sender-comp-id", options.sender_comp_id] if options.sender_comp_id else []
            session += ["--target-comp-id", options.target_comp_id] if options.target_comp_id else []
        self._say("starting recorder, broker simulator, gateway, runner, feed")
        await roles.start("recorder", common)
        await roles.start("feed", [*common, *options.feed(self._start_file)])
        await roles.start("gateway", [*common, "--broker", broker, *session])
        await roles.start("runner", common)
        for role in ("recorder", "feed", *(() if options.broker else ("broker-sim",)), "gateway", "runner"):
            await self._unless_interrupted(roles.ready(role))

    @property
    def _start_file(self) -> Path:
        return self._run_dir / "ready" / "start"

    async def _unless_interrupted(self, work: object) -> None:
        task = asyncio.ensure_future(work)  # type: ignore[call-overload]
        waiting = asyncio.create_task(self._interrupted.wait())
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not task.done():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            raise DemoError("interrupted before trading began")
        await task

    # Trade

    async def _trade(self, cluster: Cluster) -> list[str]:
        reader = Reader(
            cluster.kafka,
            (REF, ORDERS, RISK, DECISIONS),
            client="demo",
            prefix=cluster.prefix,
            start="earliest",
        )
        try:
            await reader.start()
            async with Desk(cluster, self._reference) as desk, contextlib.AsyncExitStack() as stack:
                if self._console.is_terminal:
                    view = LiveView(self._blotter, self._reference)
                    stack.enter_context(
                        Live(view, console=self._console, refresh_per_second=4, transient=True)
                    )
                    stack.callback(setattr, self, "_say", self._print)
                    self._say = view.say
                return await self._until_done(reader, desk)
        finally:
            await reader.stop()

    async def _until_done(self, reader: Reader, desk: Desk) -> list[str]:
        plan = await self._begin(reader)
        steps = plan.steps()
        clock = self._blotter.clock
        assert clock is not None, "begun"
        deadline = time.monotonic() + self._bound()
        next_line = time.monotonic() + LINE_SECONDS
        done_at: float | None = None
        while not self._blotter.closed(plan.ids):
            if self._interrupted.is_set():
                return ["interrupted", *await self._kill(reader)]
            now = time.monotonic()
            if self._blotter.feed_done and clock.speed == 0 and done_at is None:
                done_at = now
            if now > deadline or (done_at is not None and now > done_at + GRACE_SECONDS):
                open_ = [i for i in plan.ids if not self._blotter.closed([i])]
                return [f"given up: {', '.join(open_)} not closed in time", *await self._kill(reader)]
            while steps and clock.market_start + int(steps[0].after * SECOND) <= self._market():
                self._take(steps.pop(0), desk)
            if now >= next_line and not self._console.is_terminal:
                self._say(progress_line(self._blotter))
                next_line = now + LINE_SECONDS
            await self._listen(reader)
        return []

    async def _begin(self, reader: Reader) -> Plan:
        """Wait for the FIX session, start the clock, and settle what is to be traded."""
        await self._listen_until(
            reader, lambda: any(self._blotter.sessions.values()), "no FIX session logged on"
        )
        self._start_file.touch()
        await self._listen_until(reader, lambda: self._blotter.clock is not None, "the feed told no clock")
        await self._listen_until(reader, lambda: bool(self._blotter.mids), "the feed gave no reference price")
        clock = self._blotter.clock
        assert clock is not None, "waited for"
        if self._plan is None:
            self._plan = default_plan(list(self._blotter.mids), clock, self._reference)
        return self._plan

    def _bound(self) -> float:
        clock = self._blotter.clock
        assert clock is not None, "begun"
        if self._options.bound is not None:
            return self._options.bound
        if clock.speed == 0:
            return 3600.0
        return (clock.market_end - clock.market_start) / SECOND / clock.speed + GRACE_SECONDS

    def _market(self) -> int:
        return self._blotter.market_now(time.time_ns())

    def _take(self, step: PlannedParent | PlannedAction, desk: Desk) -> None:
        # Not waiting for Kafka: it may be away for longer than a desk would wait, and the run goes on.
        if isinstance(step, PlannedParent):
            desk.put(step.command(self._reference, time.time_ns()))
        elif (parent := self._blotter.parents.get(step.parent)) is not None and not parent.ended:
            desk.put(step.command(parent.state.parent.symbol, self._reference))

    async def _listen(self, reader: Reader, timeout: float = 0.05) -> None:
        self._roles.check()
        for batch in await reader.batch(timeout):
            for message in batch.messages:
                line = self._blotter.apply(message)
                if line:
                    self._say(line)

    async def _listen_until(
        self, reader: Reader, condition: Callable[[], bool], otherwise: str, timeout: float = 60.0
    ) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            if self._interrupted.is_set():
                raise DemoError("interrupted before trading began")
            if time.monotonic() > deadline:
                raise DemoError(f"{otherwise} within {timeout:g} s; see {self._run_dir / 'logs'}")
            await self._listen(reader)

    async def _kill(self, reader: Reader) -> list[str]:
        """Cancel everything that works, and wait for the broker's word."""
        try:
            await kill(self._run_dir, reason="the demo ends")
            still = await until_nothing_works(self._run_dir, KILL_SECONDS)
        except ControlError as error:
            return [f"the kill was not confirmed: {error}"]
        # The record may lag behind the gateway's word.
        deadline = time.monotonic() + KILL_SECONDS
        while not self._blotter.kills and time.monotonic() < deadline:
            await self._listen(reader)
        return [f"{child.child_id} still works at the broker" for child in still]

    # Result

    def _report(self) -> list[str]:
        if not (self._run_dir / RECORDING / "manifest.json").exists():
            return [f"nothing was recorded; the logs are in {self._run_dir / 'logs'}"]
        result: Result = result_of(self._run_dir)
        if not result.parents and not result.refused:
            return [f"no parent was handed in; the logs are in {self._run_dir / 'logs'}"]
        print_result(result, self._console)
        run_dir = shlex.quote(str(self._run_dir))
        self._console.print(
            f"replay     slipstream replay {run_dir} --check", soft_wrap=True, highlight=False, markup=False
        )
        troubles = shortcomings(result, self._plan.ids if self._plan else [])
        if self._options.json is not None:
            try:
                write_json(result, self._reference, self._options.json)
            except ResultError as error:
                troubles.append(str(error))
        return troubles

    def _print(self, line: str) -> None:
        at = datetime.now(UTC).strftime("%H:%M:%S")
        self._console.print(f"{at}  {line}", soft_wrap=True, highlight=False, markup=False)


def new_run_dir(given: Path) -> Path:
    """Make a run's folder, and refuse one that cannot be one.

    Raises:
        DemoError: It is not empty, its path is too long for sockets, or it cannot be made or written to.
    """
    run_dir = given.resolve()
    if len(os.fsencode(run_dir / "gateway.sock")) > SOCKET_PATH_BYTES:
        raise DemoError(f"{run_dir} is too long a path for the sockets in it; give another --run-dir")
    try:
        if run_dir.exists() and (not run_dir.is_dir() or any(run_dir.iterdir())):
            what = "not empty" if run_dir.is_dir() else "a file"
            raise DemoError(f"{run_dir} is {what}; give another --run-dir")
        run_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = error.strerror or error
        raise DemoError(f"the run folder {run_dir} cannot be made: {why}; give another --run-dir") from error
    if not os.access(run_dir, os.W_OK):
        raise DemoError(f"{run_dir} cannot be written to; give another --run-dir")
    return run_dir


async def run_demo(options: Options, console: Console) -> int:
    """Run the demo; returns the exit status: 0 if all went well.

    Raises:
        DemoError: It could not be started.
    """
    troubles = await Demo(options, console).run()
    for trouble in troubles:
        console.print(f"failed     {trouble}", style="red", soft_wrap=True, markup=False)
    return 1 if troubles else 0
