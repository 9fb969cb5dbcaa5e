"""Supervision from the command line: what takes two people, and the file of them."""

from __future__ import annotations

import asyncio
import difflib
import getpass
import sys
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Final

import click

from service.demo.blocked import dismiss
from service.demo.operator import JSON, RUN_DIR, print_json
from service.demo.orders import STATUSES
from service.gateway import control_client
from service.gateway.explaining import terms
from service.gateway.people import May, add_person, parse_people, table
from service.gateway.proposals import ARM, BOOK, LIMITS, OVERRIDE, RELEASE
from service.model.orders import OrdStatus, Side

_AS = click.option("--as", "person", required=True, help="Your name in the file of people.")
_REASON = click.option("--reason", required=True, help="For the record.")
_OWN_REASON = click.option("--reason", default="", help="For the record.")


def _secret(person: str) -> str:
    """A secret, from the terminal without echo or from the first line of standard input; never from argv."""
    if sys.stdin.isatty():
        return getpass.getpass(f"secret of {person}: ")
    return sys.stdin.readline().rstrip("\r\n")


def _new_secret(person: str) -> str:
    secret = _secret(person)
    if sys.stdin.isatty() and getpass.getpass("again: ") != secret:
        raise click.ClickException("that is not the same; nothing was written")
    return secret


def _proposed(
    action: str,
    run_dir: Path,
    person: str,
    reason: str,
    as_json: bool = False,
    *,
    target: str = "",
    text: str = "",
) -> None:
    work = control_client.propose(run_dir, action, person, _secret(person), reason, target=target, text=text)
    reply = asyncio.run(work)
    if as_json:
        print_json(reply)
        return
    click.echo(
        f"proposal {reply.proposal}: {action} {reply.target}. Within {reply.seconds // 60} minutes another "
        f"person approves it: slipstream {action} approve {reply.proposal} --as NAME"
    )


def _approved(
    action: str, number: str, run_dir: Path, person: str, reason: str, as_json: bool = False, note: str = ""
) -> None:
    """Show what it is, and approve exactly that."""
    seen = asyncio.run(control_client.proposal(run_dir, number, action))
    if as_json:
        print_json(asyncio.run(control_client.approve(run_dir, seen, person, _secret(person), reason)))
        return
    click.echo(f"{seen.by} proposes: {seen.action} {seen.target}: {seen.reason}")
    if action == LIMITS:
        _show_difference(run_dir, number)
    reply = asyncio.run(control_client.approve(run_dir, seen, person, _secret(person), reason))
    click.echo(f"done: {reply.action} {reply.target}")
    if note:
        click.echo(note)


def _show_difference(run_dir: Path, number: str) -> None:
    old = asyncio.run(control_client.limits(run_dir))
    new = asyncio.run(control_client.limits(run_dir, number))
    for line in difflib.unified_diff(
        old.text.splitlines(), new.text.splitlines(), old.version, new.version, n=2, lineterm=""
    ):
        click.echo(line)


@click.group()
def release() -> None:
    """Lift a kill, two people together."""


@release.command("propose")
@click.option("--scope", default="all", show_default=True, help="Exactly the scope of the kill.")
@_AS
@_REASON
@JSON
@RUN_DIR
def release_propose(scope: str, person: str, reason: str, as_json: bool, run_dir: Path) -> None:
    """Propose to lift a kill; another person approves it."""
    _proposed(RELEASE, run_dir, person, reason, as_json, target=scope)


@release.command("approve")
@click.argument("proposal")
@_AS
@_OWN_REASON
@JSON
@RUN_DIR
def release_approve(proposal: str, person: str, reason: str, as_json: bool, run_dir: Path) -> None:
    """Lift a kill that another person proposed to lift."""
    note = "paused parents stay paused until resumed"
    _approved(RELEASE, proposal, run_dir, person, reason, as_json, note)


@click.group()
def arm() -> None:
    """Let what has stopped itself trade again, two people together."""


@arm.command("propose")
@click.argument("scope")
@_AS
@_REASON
@JSON
@RUN_DIR
def arm_propose(scope: str, person: str, reason: str, as_json: bool, run_dir: Path) -> None:
    """Propose to arm LEVEL=NAME, as the status shows it; another person approves it."""
    _proposed(ARM, run_dir, person, reason, as_json, target=scope)


@arm.command("approve")
@click.argument("proposal")
@_AS
@_OWN_REASON
@JSON
@RUN_DIR
def arm_approve(proposal: str, person: str, reason: str, as_json: bool, run_dir: Path) -> None:
    """Arm what another person proposed to arm; its throttle counts anew, and its loss from here."""
    _approved(ARM, proposal, run_dir, person, reason, as_json)


@click.group()
def book() -> None:
    """Book what only the drop copy, or the broker on the telephone, tells; two people together."""


@book.command("propose")
@click.argument("number", metavar="BREAK")
@_AS
@_REASON
@JSON
@RUN_DIR
def book_propose(number: str, person: str, reason: str, as_json: bool, run_dir: Path) -> None:
    """Propose to book a break, as `slipstream orders breaks` shows it; another person approves it."""
    _proposed(BOOK, run_dir, person, reason, as_json, target=number)


@book.command("order")
@click.argument("child")
@click.option("--status", type=click.Choice(STATUSES), required=True, help="OrdStatus, as the broker says.")
@click.option("--cum", type=click.IntRange(min=1), required=True, help="CumQty, as the broker says; lots.")
@click.option(
    "--price", type=click.IntRange(min=1), required=True, help="Price units, of what we have no execution of."
)
@click.option("--side", type=click.Choice(("buy", "sell")), help="Where the broker's reports left it out.")
@_AS
@_REASON
@JSON
@RUN_DIR
def book_order(
    child: str,
    status: str,
    cum: int,
    price: int,
    side: str | None,
    person: str,
    reason: str,
    as_json: bool,
    run_dir: Path,
) -> None:
    """Propose to book what the broker told of an unknown order; another person approves it."""
    told = Side[side.upper()] if side else None
    target = terms(child, OrdStatus[status.upper()], cum, price, told)
    _proposed(BOOK, run_dir, person, reason, as_json, target=target)


@book.command("approve")
@click.argument("proposal")
@_AS
@_OWN_REASON
@JSON
@RUN_DIR
def book_approve(proposal: str, person: str, reason: str, as_json: bool, run_dir: Path) -> None:
    """Book what another person proposed to book."""
    _approved(BOOK, proposal, run_dir, person, reason, as_json)


@click.group()
def limits() -> None:
    """Show the limits in force, or change them, two people together."""


@limits.command("show")
@click.argument("proposal", default="")
@JSON
@RUN_DIR
def limits_show(proposal: str, as_json: bool, run_dir: Path) -> None:
    """Print the limits in force, or what a proposal would change in them."""
    if as_json:
        reply = asyncio.run(control_client.limits(run_dir, proposal))
        limits = tomllib.loads(reply.text, parse_float=Decimal)
        print_json({"version": reply.version, "limits": limits})
    elif proposal:
        _show_difference(run_dir, proposal)
    else:
        click.echo(asyncio.run(control_client.limits(run_dir)).text, nl=False)


@limits.command("propose")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@_AS
@_REASON
@JSON
@RUN_DIR
def limits_propose(file: Path, person: str, reason: str, as_json: bool, run_dir: Path) -> None:
    """Propose the limits of a file; the gateway checks it, and another person approves it."""
    try:
        text = file.read_text()
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{file}: not text: {error}") from error
    _proposed(LIMITS, run_dir, person, reason, as_json, text=text)


@limits.command("approve")
@click.argument("proposal")
@_AS
@_OWN_REASON
@JSON
@RUN_DIR
def limits_approve(proposal: str, person: str, reason: str, as_json: bool, run_dir: Path) -> None:
    """Put limits in force that another person proposed."""
    note = "they hold until the gateway starts with another limits file: put them there, too"
    _approved(LIMITS, proposal, run_dir, person, reason, as_json, note)


@click.group()
def people() -> None:
    """Keep the file of the people who, two at a time, lift kills and change limits."""


_FILE = click.option(
    "--file", type=click.Path(path_type=Path, dir_okay=False), required=True, help="File of people."
)


@people.command("add")
@click.argument("name")
@click.option("--user", default=None, help="Operating-system user they act from.  [default: NAME]")
@click.option(
    "--may",
    type=click.Choice([one.value for one in May]),
    multiple=True,
    help="What they may propose and approve; several times.  [default: everything]",
)
@_FILE
def people_add(name: str, user: str | None, may: tuple[str, ...], file: Path) -> None:
    """Add a person; the secret is asked for, or is the first line of standard input."""
    allowed = tuple(May(one) for one in may) or tuple(May)
    add_person(file, name, name if user is None else user, allowed, _new_secret(name))
    click.echo(f"{name} is in {file}; give it to the gateway as --people {file}")


@people.command("list")
@JSON
@_FILE
def people_list(as_json: bool, file: Path) -> None:
    """Show who is in a file, without the secrets."""
    found = parse_people(file.read_text(), str(file))
    if as_json:
        print_json({"development": found.development, "people": table(found)})
        return
    if found.development:
        click.echo("for development: every secret in it is known")
    for row in table(found):
        click.echo(
            f"{row['name']:20} from user {row['user'] or 'anybody'}: {', '.join(row['may']) or 'nothing'}"
        )


@click.group()
def override() -> None:
    """Decide on one order that a soft limit holds; to release it takes two people."""


@override.command("propose")
@click.argument("child", metavar="BLOCKED")
@_AS
@_REASON
@JSON
@RUN_DIR
def override_propose(child: str, person: str, reason: str, as_json: bool, run_dir: Path) -> None:
    """Propose to release one order, as `slipstream orders blocked` shows it; another person approves it."""
    held = asyncio.run(control_client.blocked_order(run_dir, child))
    _proposed(OVERRIDE, run_dir, person, reason, as_json, target=held.terms)


@override.command("approve")
@click.argument("proposal")
@_AS
@_REASON
@JSON
@RUN_DIR
def override_approve(proposal: str, person: str, reason: str, as_json: bool, run_dir: Path) -> None:
    """Release the order that another person proposed to release; the gate judges it again."""
    _approved(OVERRIDE, proposal, run_dir, person, reason, as_json)


override.add_command(dismiss)

GROUPS: Final[dict[str, click.Group]] = {
    "release": release,
    "arm": arm,
    "book": book,
    "override": override,
    "limits": limits,
    "people": people,
}
