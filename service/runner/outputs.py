"""What leaves the core after one input."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from service.model.codec import encode
from service.model.orders import ChildCommand
from service.model.records import Decision, FeatureRow, SignalValue

if TYPE_CHECKING:
    from service.runner.parents import Parent


class ModelRequest(msgspec.Struct, frozen=True):
    """Rows that the core wants a model's answer to; the shell runs them, batched, within the model's budget.

    Attributes:
        number: Comes back in the ``ModelAnswer``; 1, 2, 3 ... per runner instance.
        rows: One row of features per parent.
    """

    number: int
    model: str
    rows: tuple[tuple[float, ...], ...]


@dataclass(slots=True)
class Outputs:
    """Commands, records and model requests that followed one input.

    Attributes:
        commands: For the gateway, in order; ``stamps.decided`` is the shell's to fill in.
        dropped: Reason of each intent that was clamped or dropped, for the sensor.
        missed: Reason of each model answer that was missing or unusable, for the sensor.
        touched: Parents whose numbers belong in the digest.
    """

    commands: list[ChildCommand] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    signals: list[FeatureRow | SignalValue] = field(default_factory=list)
    requests: list[ModelRequest] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    touched: list[Parent] = field(default_factory=list)

    def fold(self, digest: int) -> int:
        """Chain everything decided, and the numbers it hangs on, to ``digest``."""
        for parent in self.touched:
            digest = parent.fold(digest)
        for message in (*self.commands, *self.decisions, *self.signals):
            digest = zlib.crc32(encode(message), digest)
        return digest


NOTHING: Final = Outputs()
"""The outputs of an input that nothing followed. Shared: never change it."""
