"""The file of the console's users, from the command line."""

from __future__ import annotations

import getpass
import secrets
import sys
from pathlib import Path
from typing import Final

import click

from service.console.accounts import Role, add_user, parse_accounts
from service.demo.operator import JSON, print_json

_FILE = click.option(
    "--file", type=click.Path(path_type=Path, dir_okay=False), required=True, help="File of users."
)


@click.group()
def users() -> None:
    """Keep the file of the console's users."""


@users.command()
@click.argument("name")
@click.option(
    "--role",
    "roles",
    type=click.Choice([role.value for role in Role]),
    multiple=True,
    required=True,
    help="Several times for several.",
)
@click.option("--trader", default="", help="Their name in the reference file, under which they trade.")
@click.option("--machine", is_flag=True, help="Make a bearer token, shown once, in place of a password.")
@_FILE
def add(name: str, roles: tuple[str, ...], trader: str, machine: bool, file: Path) -> None:
    """Add a user; the password is asked for, or is the first line of standard input."""
    chosen = tuple(Role(role) for role in roles)
    if machine:
        token = secrets.token_urlsafe(32)
        add_user(file, name, chosen, trader, token=token)
        click.echo(f"token of {name}, shown this once: {token}")
    else:
        add_user(file, name, chosen, trader, password=_new_password(name))
    click.echo(f"{name} is in {file}; give it to the console as --users {file}")


@users.command("list")
@JSON
@_FILE
def list_(as_json: bool, file: Path) -> None:
    """Show who is in a file, without passwords and tokens."""
    found = parse_accounts(file.read_text(), str(file))
    if as_json:
        users = [
            {"name": one.name, "machine": bool(one.token), "roles": list(one.roles), "trader": one.trader}
            for one in found.users
        ]
        print_json({"development": found.development, "users": users})
        return
    if found.development:
        click.echo("for development: every password in it is known")
    for user in found.users:
        kind = "machine" if user.token else "person"
        trader = f", trades as {user.trader}" if user.trader else ""
        click.echo(f"{user.name:20} {kind}: {', '.join(role.value for role in user.roles)}{trader}")


def _new_password(name: str) -> str:
    """From the terminal without echo or from the first line of standard input; never from argv."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass(f"password of {name}: ")
    if getpass.getpass("again: ") != password:
        raise click.ClickException("that is not the same; nothing was written")
    return password


GROUPS: Final = {"users": users}
