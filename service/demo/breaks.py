"""Breaks between the trading session and the drop copy, from the command line (C35)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from service.demo.operator import JSON, RUN_DIR, print_json
from service.gateway import control_client
from service.gateway.control import BreakView


@click.group(invoke_without_command=True)
@JSON
@RUN_DIR
@click.pass_context
def breaks(context: click.Context, as_json: bool, run_dir: Path) -> None:
    """Show where the trading session and the drop copy differ, or explain one such break."""
    if context.invoked_subcommand is None:
        reply = asyncio.run(control_client.breaks(run_dir))
        if as_json:
            print_json(reply)
            return
        click.echo(f"drop copy {reply.session or 'none'} {_state(reply.session, reply.up)}")
        _show(reply.breaks)


@breaks.command()
@click.argument("number", metavar="BREAK")
@click.option("--reason", required=True, help="What it was, for the record.")
@JSON
@RUN_DIR
def explain(number: str, reason: str, as_json: bool, run_dir: Path) -> None:
    """Say what a break is: it is over, its instrument trades again, and nothing is booked.

    To book what the drop copy tells takes two people: `slipstream book propose BREAK`.
    """
    reply = asyncio.run(control_client.explain_break(run_dir, number, reason))
    if as_json:
        print_json(reply)
    else:
        _show(reply.breaks)


def _state(session: str, up: bool) -> str:
    return "" if not session else "is up" if up else "is DOWN"


def _show(found: tuple[BreakView, ...]) -> None:
    if not found:
        click.echo("the trading session and the drop copy agree")
    for one in found:
        click.echo(f"{one.id}  {one.symbol}  {one.kind}  {one.child_id or one.cl_ord_id}  exec {one.exec_id}")
        click.echo(f"    differs: {one.differs or 'all'}")
        click.echo(f"    trading session: {one.ours or 'nothing'}")
        click.echo(f"    drop copy:       {one.theirs or 'nothing'}")
