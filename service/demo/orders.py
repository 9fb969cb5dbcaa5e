"""Orders at the broker from the command line: show them, compare them with its book, explain one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from service.demo.blocked import blocked
from service.demo.breaks import breaks
from service.demo.operator import JSON, RUN_DIR, print_json
from service.gateway import control_client
from service.model.events import ChildSnapshot
from service.model.orders import OrdStatus, Side

_REASON = click.option("--reason", required=True, help="For the record.")
STATUSES: Final = ("new", "partially_filled", "filled", "canceled", "rejected", "expired", "done_for_day")


@click.group()
def orders() -> None:
    """Orders at the broker, those included that nobody here sent."""


@orders.command()
@JSON
@RUN_DIR
def show(as_json: bool, run_dir: Path) -> None:
    """Show every order that works or is unknown."""
    reply = asyncio.run(control_client.orders(run_dir))
    if as_json:
        print_json(reply)
    else:
        _show(reply.orders)


@orders.command()
@_REASON
@JSON
@RUN_DIR
def reconcile(reason: str, as_json: bool, run_dir: Path) -> None:
    """Ask the broker about every order; its answers show in `orders show` and are on record."""
    reply = asyncio.run(control_client.reconcile(run_dir, reason))
    if as_json:
        print_json(reply)
    else:
        click.echo(f"the broker is asked; {len(reply.orders)} orders work or are unknown here")


@orders.command()
@click.argument("child")
@click.option("--status", type=click.Choice(STATUSES), required=True, help="OrdStatus, as the broker says.")
@click.option("--cum", type=click.IntRange(min=0), required=True, help="CumQty, as the broker says; lots.")
@click.option("--side", type=click.Choice(("buy", "sell")), help="Where the broker's reports left it out.")
@_REASON
@JSON
@RUN_DIR
def explain(
    child: str, status: str, cum: int, side: str | None, reason: str, as_json: bool, run_dir: Path
) -> None:
    """Put on record what the broker told you about an order that is unknown.

    Nothing is booked. Where the broker has executions that we have not, two people book them, with
    `slipstream book order`.
    """
    told = Side[side.upper()] if side else None
    work = control_client.explain(run_dir, child, OrdStatus[status.upper()], cum, 0, reason, told)
    reply = asyncio.run(work)
    if as_json:
        print_json(reply)
    else:
        _show(reply.orders)


orders.add_command(breaks)
orders.add_command(blocked)

GROUPS: Final = {"orders": orders}


def _show(found: Sequence[ChildSnapshot]) -> None:
    if not found:
        click.echo("no order works or is unknown")
    for order in found:
        marks = [mark for mark in (order.pending, "UNKNOWN" if order.unknown else "") if mark]
        state = " ".join([order.status.name.lower(), *marks])
        side = order.side.name if order.side_told else "SIDE NOT TOLD"
        click.echo(
            f"{order.child_id}  {order.cl_ord_id}  {side} {order.quantity} {order.symbol} at "
            f"{order.price}, {order.cum_quantity} filled: {state}"
        )
