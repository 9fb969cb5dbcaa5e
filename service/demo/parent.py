"""Parents from the command line: hand one in, or change one that works. Imports of rooms are lazy."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

_KAFKA = click.option(
    "--kafka",
    default="127.0.0.1:9092",
    envvar="SLIPSTREAM_KAFKA",
    show_default=True,
    metavar="HOST:PORT",
    help="Kafka cluster.",
)
_PREFIX = click.option(
    "--topic-prefix", default="", envvar="SLIPSTREAM_TOPIC_PREFIX", help="Prefix of every topic's name."
)
_REFERENCE = click.option(
    "--reference",
    type=click.Path(path_type=Path),
    default=None,
    envvar="SLIPSTREAM_REFERENCE",
    help="Reference file.  [default: deploy/reference.toml]",
)
_BY = click.option(
    "--by", default=lambda: os.environ.get("USER", "unknown"), help="Who you are.  [default: $USER]"
)


@click.group()
def parent() -> None:
    """Hand in a parent order, or change one that works."""


def _send(
    command_of: Any, *, kafka: str, topic_prefix: str, reference: Path | None, wait: float, as_json: bool
) -> None:
    """Send what ``command_of(desk, reference)`` makes; the options of ``_of_cluster`` say where to."""
    import uvloop

    from service.console.desk import Cluster, Desk, answer_text
    from service.demo.operator import print_json
    from service.model.reference import load_reference
    from service.settings import ROOT

    # What is wrong with the cluster is said once, by us.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)

    async def work() -> Any:
        loaded = load_reference(reference or ROOT / "deploy" / "reference.toml")
        async with Desk(Cluster(kafka, topic_prefix), loaded) as desk:
            command = await command_of(desk, loaded)
            if not wait:
                await desk.send(command)
                return {"sent": command.command_id} if as_json else f"sent {command.command_id}"
            answer = await desk.ask(command, wait)
            said = answer_text(answer)
            return answer if as_json else said

    answer = uvloop.run(work())
    if as_json:
        print_json(answer)
    else:
        click.echo(answer)


_WAIT = click.option(
    "--wait", type=click.FloatRange(min=0), default=15.0, show_default=True,
    help="Seconds to wait for the gateway's answer; 0: do not wait.",
)  # fmt: skip


_JSON = click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")


def _of_cluster(command: Callable[..., None]) -> Callable[..., None]:
    return _WAIT(_JSON(_KAFKA(_PREFIX(_REFERENCE(command)))))


class _Parameters(click.Command):
    """A command that also takes every parameter of the catalogue; a policy refuses those it does not take."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        from service.console.parameters import parameter_options

        own = super().get_params(ctx)
        return [*own[:-1], *parameter_options(), own[-1]]


@parent.command("new", cls=_Parameters)
@click.option("--id", "parent_id", default=None, help="Unique; made up unless given.")
@click.option("--symbol", required=True)
@click.option("--side", required=True, type=click.Choice(["buy", "sell"]))
@click.option("--quantity", required=True, type=click.IntRange(min=1), help="Lots.")
@click.option("--policy", required=True, help="See `slipstream policies`.")
@click.option("--account", default="NW-1", show_default=True)
@click.option("--trader", default="alice", show_default=True)
@click.option("--objective", type=click.Choice(["arrival", "vwap", "twap", "participation"]), default=None)
@_of_cluster
def parent_new(
    wait: float,
    as_json: bool,
    kafka: str,
    topic_prefix: str,
    reference: Path | None,
    parent_id: str | None,
    **given: Any,
) -> None:
    """Hand in a parent order."""
    from service.console.desk import check_policy, new_id
    from service.console.parameters import split
    from service.demo.plan import planned_parent

    own, values = split(given)
    check_policy(own["policy"], values)
    planned = planned_parent(id=parent_id or new_id("P"), parameters=values, **own)

    async def command_of(_desk: Any, loaded: Any) -> Any:
        return planned.command(loaded, time.time_ns())

    _send(command_of, wait=wait, as_json=as_json, kafka=kafka, topic_prefix=topic_prefix, reference=reference)


def _change(action: str, parent_id: str, by: str, reason: str, fields: Any) -> Any:
    async def command_of(desk: Any, loaded: Any) -> Any:
        from service.console.desk import command

        state = await desk.find(parent_id)
        symbol = state.parent.symbol
        more = fields(loaded.by_symbol[symbol]) if callable(fields) else fields
        return command(action, parent_id, symbol, by, reason=reason, **more)

    return command_of


_REASON = click.option("--reason", default="", help="For the record.")


def _parent_change(action: str, help_: str) -> None:
    @parent.command(action, help=help_)
    @click.argument("parent_id")
    @_REASON
    @_BY
    @_of_cluster
    def change(parent_id: str, reason: str, by: str, **cluster: Any) -> None:
        _send(_change(action, parent_id, by, reason, {}), **cluster)


_parent_change("pause", "Stop working a parent; its children are cancelled, its schedule runs on.")
_parent_change("cancel", "End a parent: cancel its children, then close it.")


@parent.command("resume")
@click.argument("parent_id")
@click.option(
    "--catch-up", type=click.Choice(["skip", "spread", "at_once"]), default=None, help="Of what was missed."
)
@_REASON
@_BY
@_of_cluster
def parent_resume(parent_id: str, catch_up: str | None, reason: str, by: str, **cluster: Any) -> None:
    """Work a paused parent again."""
    from service.model.parameters import CatchUp

    fields = {} if catch_up is None else {"catch_up": CatchUp(catch_up)}
    _send(_change("resume", parent_id, by, reason, fields), **cluster)


@parent.command("amend", cls=_Parameters)
@click.argument("parent_id")
@click.option("--quantity", type=click.IntRange(min=1), default=None, help="New total, lots.")
@click.option("--policy", default=None, help="Works it from now on; see `slipstream policies`.")
@click.option("--unset", multiple=True, metavar="NAME", help="A parameter that the new policy does not take.")
@_REASON
@_BY
@_of_cluster
def parent_amend(
    parent_id: str,
    quantity: int | None,
    policy: str | None,
    unset: tuple[str, ...],
    reason: str,
    by: str,
    **given: Any,
) -> None:
    """Change quantity, parameters or policy of a parent in flight."""
    from service.console.desk import check_policy
    from service.console.parameters import parameters, split

    cluster, changes = split(given)
    if quantity is None and policy is None and not changes:
        raise click.UsageError("nothing to amend: give --quantity, --policy or a parameter")
    if policy is not None:
        check_policy(policy, changes)

    def fields(instrument: Any) -> dict[str, Any]:
        named = tuple(name.replace("-", "_") for name in unset)
        more = {"policy": policy, "unset": named} if policy is not None or unset else {}
        return {"quantity": quantity, "changes": parameters(changes, instrument), **more}

    _send(_change("amend", parent_id, by, reason, fields), **cluster)


GROUPS: Final = {"parent": parent}
