"""Orders that a soft limit holds, from the command line: show them, or say no to one (C20, C21).

Each command is about one order, by its child id, and takes a reason of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import click

from service.demo.operator import JSON, RUN_DIR, print_json
from service.gateway import control_client
from service.gateway.control import BlockedView
from service.model.time import SECOND


@click.command()
@JSON
@RUN_DIR
def blocked(as_json: bool, run_dir: Path) -> None:
    """Show every order that a soft limit holds, and for how long it still waits."""
    reply = asyncio.run(control_client.blocked(run_dir))
    if as_json:
        print_json(reply)
    else:
        _show(reply.blocked)


@click.command()
@click.argument("child", metavar="BLOCKED")
@click.option("--reason", required=True, help="For the record.")
@JSON
@RUN_DIR
def dismiss(child: str, reason: str, as_json: bool, run_dir: Path) -> None:
    """Say no to one order that a soft limit holds."""
    reply = asyncio.run(control_client.dismiss(run_dir, child, reason))
    if as_json:
        print_json(reply)
    else:
        click.echo(f"{child} is dismissed")
        _show(reply.blocked)


def _show(found: Sequence[BlockedView]) -> None:
    if not found:
        click.echo("no order waits")
    for one in found:
        left = max(0, one.expires_utc - time.time_ns()) // SECOND
        model = f" with {one.order.model}" if one.order.model else ""
        proposed = f", proposal {one.proposal}" if one.proposal else ""
        click.echo(
            f"{one.terms}  ({one.order.policy}{model}): {one.detail}, waits another {left} s{proposed}"
        )
