"""The whole service on this machine with its console, until somebody stops it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from service.demo.processes import DemoError, Roles
from service.demo.run import BROKER, DROP_COPY, new_run_dir
from service.transport.kafka_probe import free_port
from service.transport.kafka_process import KafkaProcess

STOP_ORDER: Final = ("feed", "runner", "console", "gateway", "broker-sim", "recorder")
_WATCH_S: Final = 0.5


async def stage(source: list[str], run_dir: Path, kafka: str | None, port: int) -> None:
    """Start every role, say where the page is, and stop them in order on SIGINT or SIGTERM.

    Args:
        source: Options of the feed.
        run_dir: A new folder.
        kafka: HOST:PORT of a cluster, None for one of our own.

    Raises:
        DemoError: A role could not be started, or ended by itself.
        KafkaProcessError: The local Kafka could not be started.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    roles = Roles(run_dir)
    async with _cluster(run_dir, kafka) as bootstrap:
        common = ["--run-dir", str(run_dir), "--kafka", bootstrap]
        prefix = f"up-{run_dir.name}-" if kafka else ""
        common += ["--topic-prefix", prefix] if prefix else []
        broker = free_port()
        address = f"127.0.0.1:{broker}"
        click.echo("starting recorder, broker simulator, gateway, runner, console, feed")
        try:
            await roles.start(
                "broker-sim", [*common, *BROKER, "--port", str(broker), "--drop-copy", DROP_COPY]
            )
            await roles.start("recorder", common)
            session = ["--broker", address, "--drop-copy", address, "--drop-copy-sender-comp-id", DROP_COPY]
            await roles.start("gateway", [*common, *session])
            await roles.start("runner", common)
            await roles.start("console", [*common, "--port", str(port)])
            # The market begins when there is somebody who can trade on it.
            for role in ("broker-sim", "gateway", "runner", "console"):
                await _unless(stop, roles.ready(role, 120.0))
            await roles.start("feed", [*common, *source])
            await _unless(stop, roles.ready("feed", 120.0))
            if not stop.is_set():
                page = (run_dir / "ready" / "console.address").read_text().strip()
                click.echo(
                    f"the page is at http://{page}: log in as alice, password 'alice in development', "
                    "then press n\n"
                    f"from another terminal: slipstream status --run-dir {run_dir}\n"
                    "Ctrl-C stops everything"
                )
            while not stop.is_set():
                roles.check()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_WATCH_S):
                        await stop.wait()
        finally:
            click.echo("stopping")
            await roles.stop_all(STOP_ORDER)


@contextlib.asynccontextmanager
async def _cluster(run_dir: Path, kafka: str | None) -> AsyncIterator[str]:
    if kafka is not None:
        yield kafka
        return
    click.echo("starting Kafka")
    async with KafkaProcess(run_dir / "kafka") as own:
        yield own.bootstrap


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Wait for some work, or until everything is to stop."""
    task, stopped = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if task.done():
        await task
    else:
        task.cancel()


@click.command("up")
@click.option("--source", default="synthetic", show_default=True, help="As of `slipstream run feed`.")
@click.option("--date", default=None, help="Session YYYYMMDD, where the source has several.")
@click.option(
    "--speed", type=click.FloatRange(min=0), default=1.0, show_default=True, help="Times real time."
)
@click.option("--port", type=click.IntRange(0, 65_535), default=8070, show_default=True, help="Of the page.")
@click.option("--kafka", default=None, metavar="HOST:PORT", help="Use this cluster, not one of our own.")
@click.option("--run-dir", type=click.Path(path_type=Path), default=None, help="New folder of the run.")
def up(
    source: str, date: str | None, speed: float, port: int, kafka: str | None, run_dir: Path | None
) -> None:
    """Run the whole service with its console, until Ctrl-C."""
    import uvloop

    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    folder = new_run_dir(run_dir or Path("runs") / f"up-{stamp}")
    feed = ["--source", source, "--speed", f"{speed:g}", *(["--date", date] if date else [])]
    try:
        uvloop.run(stage(feed, folder, kafka, port))
    except DemoError as error:
        raise click.ClickException(str(error)) from error


COMMANDS: Final = {"up": up}
