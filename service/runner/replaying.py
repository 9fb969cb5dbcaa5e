"""Recorded inputs through the same core again: what it decides now, and whether its digests agree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from service.model.codec import inline_input
from service.model.message import Message
from service.model.records import NumberedInput
from service.model.time import Now
from service.runner.core import Core
from service.runner.outputs import Outputs


class ReplayError(ValueError):
    """A recorded sequence cannot be fed to a core; the message names the input."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """One input, fed again.

    Attributes:
        recorded: As the runner recorded it.
        message: What it was.
        digest: The core's digest after it, now.
        outputs: What followed it, now.
    """

    recorded: NumberedInput
    message: Message
    digest: int
    outputs: Outputs

    @property
    def agrees(self) -> bool:
        """The state after it is the recorded one."""
        return self.digest == self.recorded.digest


def replay(core: Core, inputs: Iterable[tuple[NumberedInput, Message | None]]) -> Iterator[Replayed]:
    """Feed recorded inputs to a core at its beginning.

    Args:
        inputs: In order, from number 1: each with the market event that lies at its partition and offset,
            or ``None`` where its body is inline.

    Raises:
        ReplayError: If a number is missing, or a market event is not there.
        DecodeError: If an inline body is not one.
    """
    for recorded, event in inputs:
        if recorded.seq != core.seq + 1:
            raise ReplayError(f"input {core.seq + 1} is missing: the next one recorded is {recorded.seq}")
        if recorded.body:
            message: Message | None = inline_input(recorded.body)
        else:
            message = event
        if message is None:
            raise ReplayError(
                f"input {recorded.seq}: no market event at partition {recorded.partition}, "
                f"offset {recorded.offset}"
            )
        outputs = core.apply(message, Now(recorded.market, recorded.utc), conflated=recorded.conflated)
        yield Replayed(recorded, message, core.digest, outputs)
