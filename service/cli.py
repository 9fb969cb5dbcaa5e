"""The one entry point: ``slipstream ...``. Imports of rooms are lazy, so that ``--help`` answers at once."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import os
import select
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, Final

import click
from click.shell_completion import CompletionItem, get_completion_class

ROLES: Final[dict[str, tuple[str, str, str]]] = {
    "feed": ("service.feeds.role", "FeedSettings", "a source of market data onto md.v1 and ref.v1"),
    "runner": ("service.runner.role", "RunnerSettings", "policies decide and send intents to the gateway"),
    "gateway": (
        "service.gateway.role",
        "GatewaySettings",
        "the gate, the order ledger and FIX to the broker",
    ),
    "broker-sim": ("service.simulation.role", "BrokerSettings", "a broker that matches against the market"),
    "recorder": ("service.recorder.role", "RecorderSettings", "every topic to Parquet files"),
    "console": ("service.console.role", "ConsoleSettings", "the control API and the page for people"),
    "kafka": ("service.demo.kafka_role", "KafkaSettings", "a local Apache Kafka"),
}
"""Name to module, settings class and what it is."""


@contextlib.contextmanager
def user_errors() -> Iterator[None]:
    """Turn an error that carries a message for a person into one line and exit status 1.

    Those are the errors that our own rooms define, and what the operating system refuses. Anything else is
    a defect and keeps its traceback. ``SLIPSTREAM_TRACEBACK=1`` shows it for all. Nobody is told that nobody
    reads on (``slipstream ... | head``).
    """
    try:
        yield
    except Exception as error:
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        if isinstance(error, BrokenPipeError) and _nobody_reads():
            raise error from None
        if isinstance(error, click.ClickException | click.exceptions.Exit | click.Abort):
            raise error from None
        ours = type(error).__module__.split(".")[0] in ("service", "policies")
        if not (ours or isinstance(error, OSError)) or os.environ.get("SLIPSTREAM_TRACEBACK"):
            raise
        raise click.ClickException(" ".join(str(error).split()) or repr(error)) from None


def _nobody_reads() -> bool:
    """Whether the reader of standard output has gone."""
    poll = select.poll()
    poll.register(sys.stdout, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def run_async(work: Coroutine[Any, Any, Any]) -> Any:
    """Run on uvloop."""
    import uvloop

    return uvloop.run(work)


class _Main(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        with user_errors():
            return super().invoke(ctx)


@click.group(cls=_Main, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="slipstream")
def main() -> None:
    """Slipstream: policies slice parent orders, a hard-coded gate judges every child, FIX carries it."""


class _Roles(click.Group):
    """The roles as subcommands, each imported when it is asked for."""

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        found = [
            CompletionItem(name, help=help_)
            for name, (_, _, help_) in ROLES.items()
            if name.startswith(incomplete)
        ]
        return found + click.Command.shell_complete(self, ctx, incomplete)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(ROLES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        return _role_command(cmd_name) if cmd_name in ROLES else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Roles"):
            formatter.write_dl([(name, help_) for name, (_, _, help_) in ROLES.items()])


@main.group(cls=_Roles)
def run() -> None:
    """Run one role until SIGTERM or Ctrl-C.

    Options are its settings; SLIPSTREAM_<ROLE>_<OPTION> in the environment sets them too, and
    SLIPSTREAM_<OPTION> those that every role has.
    """


def _role_command(role: str) -> click.Command:
    from service.demo.options import options_of, settings_from

    module_name, class_name, help_ = ROLES[role]
    module = importlib.import_module(module_name)
    model = getattr(module, class_name)

    def callback(**given: Any) -> None:
        settings = settings_from(model, given)
        _run_role(role, settings, module.run)

    return click.Command(
        role,
        callback=callback,
        params=list(options_of(model, role)),
        help=f"The role {role}: {help_}.",
        short_help=help_,
    )


def _run_role(
    role: str, settings: Any, work: Callable[[Any, asyncio.Event], Coroutine[Any, Any, None]]
) -> None:
    from service.telemetry import logs
    from service.telemetry.metrics import serve
    from service.telemetry.process import watch_loop

    if role == "gateway":
        # Before the first thread, which would inherit what ends the process.
        from service.gateway.triggers import KillSignal

        KillSignal.block()
    logs.setup(role, settings.log_level)

    async def live() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        try:
            port = serve(settings.metrics_host, settings.metrics_port)
        except OSError as error:
            where = f"{settings.metrics_host}:{settings.metrics_port}"
            raise click.ClickException(
                f"metrics cannot be served on {where}: {error.strerror}; choose another --metrics-port"
            ) from error
        address = _address_file(settings.run_dir, role)
        address.parent.mkdir(parents=True, exist_ok=True)
        # What a killed life left: `health` must say no until we are ready ourselves.
        (address.parent / role).unlink(missing_ok=True)
        address.write_text(f"{settings.metrics_host}:{port}\n")
        watching = asyncio.create_task(watch_loop())
        try:
            await work(settings, stop)
        finally:
            watching.cancel()
            address.unlink(missing_ok=True)

    run_async(live())


def _address_file(run_dir: Path, role: str) -> Path:
    return run_dir / "ready" / f"{role}.metrics"


# What a person runs


def _run_folders(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from service.demo.folders import run_folders

    return run_folders(ctx, param, incomplete)


_RUN_DIR = click.option(
    "--run-dir",
    type=click.Path(path_type=Path),
    default=Path("runs/default"),
    envvar="SLIPSTREAM_RUN_DIR",
    show_default=True,
    help="Folder of the run.",
    shell_complete=_run_folders,
)
_RECORDED = click.argument("run_dir", type=click.Path(path_type=Path), shell_complete=_run_folders)


@main.command()
@click.option(
    "--source", default="synthetic", show_default=True, help="synthetic, a LOBSTER zip, a LEAN folder."
)
@click.option("--date", default=None, help="Session YYYYMMDD, where the source has several.")
@click.option(
    "--speed", type=click.FloatRange(min=0), default=None, help="Times real time; 0: as fast as can be."
)
@click.option(
    "--seed", type=int, default=1, show_default=True, help="Of the synthetic market and the broker."
)
@click.option("--start-at", default="", help="HH:MM[:SS] of the exchange's day at which to begin.")
@click.option("--duration", type=click.FloatRange(min=0), default=None, help="Seconds of market time.")
@click.option("--run-dir", type=click.Path(path_type=Path), default=None, help="New folder of the run.")
@click.option("--kafka", default=None, metavar="HOST:PORT", help="Use this cluster, not one of our own.")
@click.option("--topic-prefix", default=None, help="Of the topics there.  [default: one of the run's own]")
@click.option("--broker", default=None, metavar="HOST:PORT", help="Trade with this FIX 4.4 acceptor.")
@click.option("--sender-comp-id", default=None, help="Our CompID there.")
@click.option("--target-comp-id", default=None, help="The broker's CompID.")
@click.option(
    "--parents", type=click.Path(path_type=Path), default=None, help="TOML or JSON file of parents."
)
@click.option("--json", type=click.Path(path_type=Path), default=None, help="Write the result here, too.")
@click.option("--bound", type=click.FloatRange(min=1), default=None, help="Give up after so many seconds.")
def demo(**given: Any) -> None:
    """Run the whole service on a market and show what it did."""
    from rich.console import Console

    from service.demo.run import Options, run_demo
    from service.telemetry import logs

    logs.setup("demo", "WARNING")
    status = run_async(run_demo(Options(**given), Console(width=None if sys.stdout.isatty() else 150)))
    raise SystemExit(status)


@main.command()
@_RECORDED
@click.option("--check", is_flag=True, help="Compare every digest and every decision with the recorded ones.")
@click.option("--hashes/--no-hashes", default=True, show_default=True, help="Check the files' sha256 first.")
@click.option("--models", is_flag=True, help="Run the models again, too, and compare within a tolerance.")
def replay(run_dir: Path, check: bool, hashes: bool, models: bool) -> None:
    """Feed a run's recorded inputs through the same core again."""
    from service.recorder.recording import Recording
    from service.recorder.replay import check as check_run
    from service.recorder.replay import report as check_report

    agrees = True
    recording = Recording(run_dir / "recording", hashes=hashes)
    if not recording.manifest.complete:
        click.echo("note: the recording is not complete")
    for instance in check_run(run_dir, recording, models=models):
        agrees &= instance.agrees
        if check:
            click.echo("\n".join(check_report(instance)))
        else:
            click.echo(f"{instance.instance}: {instance.inputs} inputs, {instance.decisions} decisions")
    if check and not agrees:
        raise SystemExit(1)


@main.command()
@_RECORDED
@click.option("--json", "path", type=click.Path(path_type=Path), default=None, help="Write it here, too.")
def report(run_dir: Path, path: Path | None) -> None:
    """Show the result of a recorded run again."""
    from rich.console import Console

    from service.demo.result import reference_of, result_of, write_json
    from service.demo.view import print_result

    result = result_of(run_dir)
    print_result(result, Console(width=None if sys.stdout.isatty() else 150))
    if path is not None:
        write_json(result, reference_of(run_dir), path)


# Supervision: straight to the gateway's control socket, so that it works without Kafka and without a runner


class _Operator(click.Command):
    """A command that is imported when it is asked for."""

    def _found(self) -> click.Command:
        own = {"up": "staging", "doctor": "doctor"}.get(str(self.name), "operator")
        found: click.Command = importlib.import_module(f"service.demo.{own}").COMMANDS[self.name]
        return found

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return self._found().get_params(ctx)

    def invoke(self, ctx: click.Context) -> Any:
        return self._found().invoke(ctx)


for _name, _help in (
    ("up", "Run the whole service with its console, until Ctrl-C."),
    ("doctor", "Find what is wrong with a set-up and say how to mend it."),
    ("kill", "Cancel every order in the scope at once and send nothing new."),
    ("status", "Show the gateway of a run: session, kills, working orders, positions."),
    ("parents", "Show the parents of a run: how far each has come, and what works for it."),
    ("policies", "Describe the policies that are installed, with their parameters."),
    ("exposure", "Show what every level holds, works, wins and loses, and what limits that uses."),
):
    main.add_command(_Operator(_name, help=_help))


class _Supervision(click.Group):
    """A group whose commands are imported when they are asked for."""

    def _group(self) -> click.Group:
        own = self.name if self.name in ("line", "orders", "parent", "users") else "supervision"
        module = f"service.demo.{own}"
        found: click.Group = importlib.import_module(module).GROUPS[self.name]
        return found

    def list_commands(self, ctx: click.Context) -> list[str]:
        return self._group().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return self._group().get_command(ctx, cmd_name)


for _name, _help in (
    ("parent", "Hand in a parent order, or change one that works."),
    ("release", "Lift a kill, two people together."),
    ("orders", "Show orders, compare them with the broker's book, or explain one."),
    ("arm", "Let what has stopped itself trade again, two people together."),
    ("line", "Show the line to the broker, or cut it to see what becomes of orders."),
    ("book", "Book what only the drop copy tells, two people together."),
    ("override", "Release one order that a soft limit holds, two people together, or dismiss one."),
    ("limits", "Show the limits in force, or change them, two people together."),
    ("people", "Keep the file of the people who, two at a time, lift kills and change limits."),
    ("users", "Keep the file of the console's users."),
):
    main.add_command(_Supervision(_name, help=_help))


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes a shell complete commands, options, roles and run folders (docs/quickstart.md)."""
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(main, {}, "slipstream", "_SLIPSTREAM_COMPLETE").source())


@main.command()
@click.argument("role", type=click.Choice(list(ROLES)))
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@_RUN_DIR
def health(role: str, as_json: bool, run_dir: Path) -> None:
    """Exit with 0 if a role of this run is ready and its metrics endpoint answers."""
    import urllib.request

    if not (run_dir / "ready" / role).exists():
        raise click.ClickException(f"{role} is not ready: no {run_dir / 'ready' / role}")
    address = _address_file(run_dir, role).read_text().strip()
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=2.0) as answer:
        answer.read()
    metrics = f"http://{address}/metrics"
    if as_json:
        click.echo(json.dumps({"role": role, "ready": True, "metrics": metrics}))
    else:
        click.echo(f"{role} is ready, metrics at {metrics}")


if __name__ == "__main__":
    main()
