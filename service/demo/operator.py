"""The gateway from the command line, for whoever watches it: how it is, its parents, what is exposed; a kill.

Straight to the gateway's control socket: neither Kafka nor a runner is needed. ``--json`` prints the
same by name: lower-case names of enumerations, integers as they are (lots, price units, nanoseconds), amounts
of money as text.
"""

from __future__ import annotations

import asyncio
import enum
import time
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import click
import msgspec
import orjson

from service.demo.folders import run_folders
from service.demo.view import exposure_lines, parent_lines, status_lines
from service.gateway import control_client
from service.gateway.kill import REDUCE_ONLY
from service.model.events import ChildSnapshot

RUN_DIR: Final = click.option(
    "--run-dir",
    type=click.Path(path_type=Path),
    default=Path("runs/default"),
    envvar="SLIPSTREAM_RUN_DIR",
    show_default=True,
    help="Folder of the run.",
    shell_complete=run_folders,
)
JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")


def plain(value: Any) -> Any:
    """A message of ours as JSON has it: by name, and for people."""
    if isinstance(value, msgspec.Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, enum.Enum):
        return value.name.lower()
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, str | int | float | None):
        return value
    return [plain(one) for one in value]


def print_json(value: Any) -> None:
    """One document on standard output."""
    click.echo(orjson.dumps(plain(value), option=orjson.OPT_INDENT_2).decode())


def _print(lines: Iterable[str]) -> None:
    click.echo("\n".join(lines))


@click.command()
@JSON
@RUN_DIR
def status(as_json: bool, run_dir: Path) -> None:
    """Show the gateway of a run: session, kills, working orders, positions."""
    reply = asyncio.run(control_client.status(run_dir))
    if as_json:
        print_json(reply)
    else:
        _print(status_lines(reply))


@click.command()
@click.option("--closed", is_flag=True, help="Those that are over, too.")
@JSON
@RUN_DIR
def parents(closed: bool, as_json: bool, run_dir: Path) -> None:
    """Show the parents of a run: how far each has come, and what works for it."""
    reply = asyncio.run(control_client.parents(run_dir, closed=closed))
    if as_json:
        print_json(reply)
    else:
        _print(parent_lines(reply.parents))


@click.command()
@JSON
@RUN_DIR
def exposure(as_json: bool, run_dir: Path) -> None:
    """Show what firm, clients, desks, traders, strategies and instruments hold, work, win and lose."""
    reply = asyncio.run(control_client.exposure(run_dir))
    if as_json:
        print_json(reply)
    else:
        _print(exposure_lines(reply))


@click.command()
@click.option(
    "--scope", default="all", show_default=True, help="all, or KEY=NAME: parent, symbol, policy, ..."
)
@click.option("--reduce-only", is_flag=True, help="Let out what only makes holdings smaller.")
@click.option("--reason", required=True, help="For the record.")
@click.option(
    "--wait", type=click.FloatRange(min=0), default=10.0, show_default=True, help="Seconds, for the cancels."
)
@JSON
@RUN_DIR
def kill(scope: str, reduce_only: bool, reason: str, wait: float, as_json: bool, run_dir: Path) -> None:
    """Cancel every order in the scope at once and send nothing new."""
    asyncio.run(_kill(run_dir, scope, reduce_only, reason, wait, as_json))


async def _kill(
    run_dir: Path, scope: str, reduce_only: bool, reason: str, wait: float, as_json: bool
) -> None:
    """Kill, and say what still works until nothing does.

    Raises:
        ControlError: If no gateway answers.
        click.ClickException: Naming what still works after ``wait`` seconds.
    """
    reduce_only = reduce_only and not scope.strip().startswith(REDUCE_ONLY)
    reply = await control_client.kill(run_dir, scope, reason, reduce_only=reduce_only)
    if not as_json:
        if reply.detail:
            click.echo(reply.detail)
        click.echo(f"kill {reply.scope} is in force; {len(reply.working)} orders are being cancelled")
    left = await _wait_for(run_dir, reply.working, wait, quiet=as_json)
    if as_json:
        print_json(
            {
                "scope": reply.scope,
                "durable": reply.durable,
                "detail": reply.detail,
                "asked": [child.child_id for child in reply.working],
                "working": left,
            }
        )
    if left and wait:
        names = ", ".join(
            f"{child.child_id} ({'unknown' if child.unknown else child.pending or child.status.name.lower()})"
            for child in left
        )
        raise click.ClickException(f"after {wait:g} s these still work: {names}")
    if not as_json:
        nothing = "nothing that could add works" if reply.scope.startswith(REDUCE_ONLY) else ""
        done = nothing or "nothing in its scope works"
        click.echo("not waiting for the broker's word" if left else done)


async def _wait_for(
    run_dir: Path, cancelled: tuple[ChildSnapshot, ...], wait: float, *, quiet: bool
) -> list[ChildSnapshot]:
    """Those of the cancelled orders that still work when ``wait`` seconds are over."""
    left = {child.child_id: child for child in cancelled}
    deadline, said = time.monotonic() + wait, time.monotonic()
    while left and time.monotonic() < deadline:
        found = await control_client.status(run_dir)
        left = {child.child_id: child for child in found.working if child.child_id in left}
        if left and not quiet and time.monotonic() - said >= 1.0:
            said = time.monotonic()
            session = "" if found.logged_on else ", and the session is down"
            click.echo(f"{len(left)} still work{session}")
        await asyncio.sleep(0.1 if left else 0)
    return list(left.values())


@click.command()
@JSON
def policies(as_json: bool) -> None:
    """Describe the policies that are installed, with their parameters."""
    from service.console.parameters import unit_for_people
    from service.policy.registry import describe, discover

    found = discover()
    described = [describe(policy) for policy in found.policies.values()]
    if as_json:
        documents = [
            {
                "name": about.name,
                "description": about.description,
                "model": about.model,
                "takes": [
                    {
                        "name": taken.declared.name,
                        "help": taken.declared.help,
                        "unit": unit_for_people(taken.declared.name),
                        "default": taken.default,
                        "amendable": taken.declared.amendable,
                    }
                    for taken in about.takes
                ],
            }
            for about in described
        ]
        print_json({"policies": documents, "unavailable": found.unavailable})
        return
    for about in described:
        click.echo(f"{about.name}: {about.description}{f' (model {about.model})' if about.model else ''}")
        for taken in about.takes:
            declared = taken.declared
            default = "" if taken.default is None else f", default {taken.default}"
            fixed = "" if declared.amendable else ", not amendable"
            option = "--" + declared.name.replace("_", "-")
            click.echo(f"  {option:24} {declared.help} [{unit_for_people(declared.name)}{default}{fixed}]")
    for name, reason in found.unavailable.items():
        click.echo(f"{name}: unavailable, {reason}")


COMMANDS: Final[dict[str, click.Command]] = {
    "kill": kill,
    "status": status,
    "parents": parents,
    "exposure": exposure,
    "policies": policies,
}
