"""The line to the broker from the command line: what it does with our orders when that drops (C28)."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Final

import click

from service.demo.operator import JSON, RUN_DIR, print_json
from service.gateway import control_client
from service.gateway.control import LineReply


@click.group()
def line() -> None:
    """Show the line to the broker, or cut it to see what the broker does with our orders."""


@line.command()
@JSON
@RUN_DIR
def show(as_json: bool, run_dir: Path) -> None:
    """Show what was declared of the broker, and what it did when the line last dropped."""
    reply = asyncio.run(control_client.line(run_dir))
    if as_json:
        print_json(reply)
    else:
        click.echo("\n".join(_lines(reply)))


@line.command()
@click.option(
    "--seconds", type=click.FloatRange(min=0.1, max=600), default=5.0, show_default=True, help="How long."
)
@click.option("--reason", required=True, help="For the record.")
@click.option(
    "--wait", type=click.FloatRange(min=0), default=60.0, show_default=True, help="Seconds, for the verdict."
)
@JSON
@RUN_DIR
def drop(seconds: float, reason: str, wait: float, as_json: bool, run_dir: Path) -> None:
    """Cut the line without a Logout and connect again: a drill, with an order that works far from the market.

    Exits with 1 if the broker did not do what the session's dialect declares, or nothing showed it.
    """
    reply = asyncio.run(_drop(run_dir, seconds, reason, wait, quiet=as_json))
    if as_json:
        print_json(reply)
    else:
        click.echo("\n".join(_lines(reply)))
    if not reply.over and not reply.working:
        raise click.ClickException("no order was live when the line dropped: nothing is shown by this")
    if reply.untold:
        raise click.ClickException(f"of {reply.untold} orders the broker has not told what became of them")
    if reply.declared == "broker" and reply.working and reply.back - reply.lost >= reply.grace * 1e9:
        raise click.ClickException(
            "declared to be cancelled at a disconnect, and still work: change the dialect"
        )


async def _drop(run_dir: Path, seconds: float, reason: str, wait: float, *, quiet: bool) -> LineReply:
    before = await control_client.cut_line(run_dir, seconds, reason)
    if not quiet:
        click.echo(f"the line is cut for {seconds:g} s")
    deadline = time.monotonic() + seconds + wait
    while True:
        await asyncio.sleep(0.1)
        reply = await control_client.line(run_dir)
        told = reply.lost > before.lost and reply.back and not reply.untold
        if told or time.monotonic() > deadline:
            return reply


def _lines(reply: LineReply) -> list[str]:
    declared = {
        "broker": f"cancels our orders when the line drops and is not back within {reply.grace:g} s",
        "none": "leaves our orders where they are when the line drops",
    }[reply.declared]
    lines = [
        f"session    {reply.session} {'logged on' if reply.logged_on else 'DOWN'}",
        f"declared   the broker {declared}",
    ]
    if not reply.lost:
        return [*lines, "last drop  none since this gateway began"]
    down = f"{(reply.back - reply.lost) / 1e9:.1f} s" if reply.back else "not back yet"
    return [
        *lines,
        f"last drop  {down}: {reply.over} orders over, {reply.working} still worked, {reply.untold} not told",
    ]


GROUPS: Final = {"line": line}
