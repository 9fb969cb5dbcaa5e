"""What a desk does from a command line: parent commands onto ``parents.v1``, and the answer that came."""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self

import msgspec

from service.model.events import (
    ParentAdmitted,
    ParentChanged,
    ParentClosed,
    ParentEvent,
    ParentRefused,
    ParentSnapshot,
)
from service.model.orders import (
    AmendParent,
    CancelParent,
    NewParent,
    ParentCommand,
    PauseParent,
    ResumeParent,
)
from service.model.parameters import catalogue
from service.model.reference import Instrument, Reference
from service.model.time import SECOND
from service.policy.registry import discover
from service.settings import check_addresses
from service.transport.consumer import Reader
from service.transport.producer import Producer
from service.transport.topics import ORDERS, PARENTS, ensure_topics


class DeskError(ValueError):
    """A parent command could not be given, or was refused; the message says why."""


class Unanswered(DeskError):
    """A command is on its way, and nobody has answered: its outcome is unknown."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where the topics are."""

    kafka: str
    prefix: str = ""
    partitions: int = 4


def new_id(prefix: str) -> str:
    """A fresh identifier."""
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


def instrument(reference: Reference, symbol: str) -> Instrument:
    """The instrument of that symbol.

    Raises:
        DeskError: If the reference file has none.
    """
    found = reference.by_symbol.get(symbol)
    if found is None:
        raise DeskError(f"no instrument {symbol} in the reference file: {', '.join(reference.by_symbol)}")
    return found


def check_policy(name: str, parameters: Iterable[str] = ()) -> None:
    """Refuse a policy that is not installed here, or does not take such parameters, before anybody waits.

    Raises:
        DeskError: Naming those that are, or that it takes.
    """
    found = discover()
    if name not in found.policies:
        why = found.unavailable.get(name, f"installed are {', '.join(found.policies)}")
        raise DeskError(f"no policy {name}: {why}")
    if stray := [
        given
        for given in parameters
        if given.replace("-", "_") in catalogue().keys() - found.policies[name].takes
    ]:
        taken = ", ".join(sorted(found.policies[name].takes))
        raise DeskError(f"policy {name} takes no {', '.join(stray)}; it takes {taken}")


class Desk:
    """Sends parent commands and hears what the gateway makes of them.

    Use as an async context manager.

    Raises:
        DeskError: On entering, if the cluster's address is none.
        TransportError: On entering, if the cluster does not answer.
    """

    def __init__(self, cluster: Cluster, reference: Reference, *, timeout: float = 20.0) -> None:
        self._cluster = cluster
        self._reference = reference
        self._timeout = timeout
        self._producer = Producer(cluster.kafka, client="desk", prefix=cluster.prefix)

    async def __aenter__(self) -> Self:
        cluster = self._cluster
        try:
            check_addresses(cluster.kafka)
        except ValueError as error:
            raise DeskError(f"--kafka: {error}") from error
        await ensure_topics(cluster.kafka, cluster.prefix, cluster.partitions, self._timeout)
        await self._producer.start(self._timeout)
        await self._producer.partitions(PARENTS)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    def put(self, command: ParentCommand) -> None:
        """Hand over a command for ``parents.v1``, keyed by its instrument's group; Kafka has it when it can.

        Raises:
            DeskError: If the instrument is unknown.
        """
        symbol = command.parent.symbol if isinstance(command, NewParent) else command.symbol
        self._producer.send(PARENTS, instrument(self._reference, symbol).key, command)

    async def send(self, command: ParentCommand) -> None:
        """``put`` a command, and wait until Kafka has it.

        Raises:
            DeskError: If the instrument is unknown, or Kafka did not take it in time.
        """
        self.put(command)
        if not await self._producer.flush(self._timeout):
            raise DeskError(f"Kafka at {self._cluster.kafka} did not take the command in {self._timeout:g} s")

    async def ask(self, command: ParentCommand, timeout: float) -> ParentEvent:
        """Send a command and wait for the gateway's answer.

        Raises:
            DeskError: If no gateway answers within ``timeout`` seconds. The command stays on the topic.
        """
        reader = Reader(
            self._cluster.kafka, (ORDERS,), client="desk", prefix=self._cluster.prefix, start="latest"
        )
        try:
            await reader.start(self._timeout)
            await self.send(command)
            deadline = time.monotonic() + timeout
            while time.monotonic() < deadline:
                for batch in await reader.batch():
                    for message in batch.messages:
                        if getattr(message, "command_id", None) == command.command_id:
                            return message  # type: ignore[no-any-return]
        finally:
            await reader.stop()
        raise Unanswered(
            f"no answer within {timeout:g} s; the command waits on {PARENTS} until a gateway runs that has "
            "market data of its instrument (`slipstream status` asks the gateway of a run)"
        )

    async def find(self, parent_id: str) -> ParentSnapshot:
        """The newest recorded state of a parent.

        Raises:
            DeskError: If ``orders.v1`` knows none of that id.
        """
        found: ParentSnapshot | None = None
        for message in await history(self._cluster, self._timeout):
            match message:
                case ParentAdmitted(state=state) | ParentChanged(state=state) | ParentClosed(state=state):
                    found = state if state.parent.id == parent_id else found
        if found is None:
            raise DeskError(f"no parent {parent_id} was ever admitted here")
        return found


async def history(cluster: Cluster, timeout: float = 20.0) -> list[object]:
    """Every message of ``orders.v1`` up to now."""
    reader = Reader(cluster.kafka, (ORDERS,), client="desk", prefix=cluster.prefix, start="earliest")
    messages: list[object] = []
    try:
        await reader.start(timeout)
        async with asyncio.timeout(timeout):
            ends = await reader.end_offsets()
            while not _reached(await reader.positions(), ends):
                for batch in await reader.batch():
                    messages += batch.messages
    except TimeoutError:
        raise DeskError(f"{ORDERS} could not be read to its end within {timeout:g} s") from None
    finally:
        await reader.stop()
    return messages


def _reached(positions: dict[tuple[str, int], int], ends: dict[tuple[str, int], int]) -> bool:
    return all(positions[partition] >= end for partition, end in ends.items())


def answer_text(answer: ParentEvent) -> str:
    """What the gateway said, for a person.

    Raises:
        DeskError: If it refused.
    """
    if isinstance(answer, ParentRefused):
        raise DeskError(f"{answer.parent_id} refused: {answer.code} {_readable(answer.detail)}")
    state = answer.state
    return f"{state.parent.id} {state.status.value}, version {state.version}"


def _readable(detail: str) -> str:
    """The same, with its instants of market time as a person writes them."""

    def iso(match: re.Match[str]) -> str:
        at = datetime.fromtimestamp(int(match[2]) / SECOND, UTC)
        return f"{match[1]}={at.isoformat(timespec='seconds')}"

    return re.sub(r"\b(start|end|now|session)=(\d{18,19})\b", iso, detail)


COMMANDS: Final[dict[str, type[AmendParent | PauseParent | ResumeParent | CancelParent]]] = {
    "amend": AmendParent,
    "pause": PauseParent,
    "resume": ResumeParent,
    "cancel": CancelParent,
}


def command(action: str, parent_id: str, symbol: str, by: str, **fields: Any) -> ParentCommand:
    """An amend, pause, resume or cancel of a parent, with a fresh id and the present time.

    Raises:
        DeskError: If the action is unknown or takes no such field.
    """
    kind = COMMANDS.get(action)
    if kind is None:
        raise DeskError(f"no action {action}; there are {', '.join(COMMANDS)}")
    known = {f.name for f in msgspec.structs.fields(kind)}
    if stray := fields.keys() - known:
        raise DeskError(f"{action} takes no {', '.join(sorted(stray))}")
    return kind(
        command_id=new_id(action),
        parent_id=parent_id,
        symbol=symbol,
        by=by,
        ts_utc=time.time_ns(),
        **fields,
    )
