"""The one entry point: ``slipstream ...``. Imports of rooms are lazy, so that ``--help`` answers at once."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, Final

import click

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
    "kafka": ("service.demo.kafka_role", "KafkaSettings", "a local Apache Kafka"),
}
"""Name to module, settings class and what it is."""


@contextlib.contextmanager
def user_errors() -> Iterator[None]:
    """Turn an error that carries a message for a person into one line and exit status 1.

    Those are the errors that our own rooms define, and what the operating system refuses. Anything else is
    a defect and keeps its traceback. ``SLIPSTREAM_TRACEBACK=1`` shows it for all.
    """
    try:
        yield
    except Exception as error:
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        if isinstance(error, click.ClickException | click.exceptions.Exit | click.Abort):
            raise error from None
        ours = type(error).__module__.split(".")[0] in ("service", "policies")
        if not (ours or isinstance(error, OSError)) or os.environ.get("SLIPSTREAM_TRACEBACK"):
            raise
        raise click.ClickException(" ".join(str(error).split()) or repr(error)) from None


def run_async(work: Coroutine[Any, Any, Any]) -> Any:
    """Run on uvloop, user errors as one line."""
    import uvloop

    with user_errors():
        return uvloop.run(work)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="slipstream")
def main() -> None:
    """Slipstream: policies slice parent orders, a hard-coded gate judges every child, FIX carries it."""


class _Roles(click.Group):
    """The roles as subcommands, each imported when it is asked for."""

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
    with user_errors():
        module = importlib.import_module(module_name)
    model = getattr(module, class_name)

    def callback(**given: Any) -> None:
        settings = settings_from(model, given)
        _run_role(role, settings, module.run)

    return click.Command(
        role, callback=callback, params=list(options_of(model, role)), help=f"Run {help_}.", short_help=help_
    )


def _run_role(
    role: str, settings: Any, work: Callable[[Any, asyncio.Event], Coroutine[Any, Any, None]]
) -> None:
    from service.telemetry import logs
    from service.telemetry.metrics import serve

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
        address.write_text(f"{settings.metrics_host}:{port}\n")
        try:
            await work(settings, stop)
        finally:
            address.unlink(missing_ok=True)

    run_async(live())


def _address_file(run_dir: Path, role: str) -> Path:
    return run_dir / "ready" / f"{role}.metrics"


if __name__ == "__main__":
    main()
