"""What one person proposed and another has yet to approve: part of the fold over the journal."""

from __future__ import annotations

from typing import Final, NamedTuple

from service.model.time import SECOND

RELEASE: Final = "release"
LIMITS: Final = "limits"
ARM: Final = "arm"
BOOK: Final = "book"
OVERRIDE: Final = "override"

LIFE: Final = 600 * SECOND
"""UTC after which a proposal is void."""

MOST_OPEN: Final = 16


class Proposal(NamedTuple):
    """One proposal.

    Attributes:
        action: ``release``, ``limits`` or ``arm``.
        target: Scope of the kill, version of the new limits, or ``LEVEL=NAME`` of what has stopped itself.
        text: Of the new limits.
        base: Version of the limits that it was made against.
        by: Who proposed it; ``station``: operating-system user, and process where users are not told apart.
    """

    id: str
    action: str
    target: str
    text: str
    base: str
    by: str
    station: str
    reason: str
    utc: int

    @property
    def expires(self) -> int:
        """UTC."""
        return self.utc + LIFE


class Proposals:
    """Open proposals by id; ids count up over the journal's whole life."""

    def __init__(self) -> None:
        self.open: dict[str, Proposal] = {}
        self._last = 0

    def next_id(self) -> str:
        """An id never used before."""
        self._last += 1
        return str(self._last)

    def take(self, action: str) -> list[Proposal]:
        """Remove every open proposal of an action."""
        taken = [proposal for proposal in self.open.values() if proposal.action == action]
        for proposal in taken:
            del self.open[proposal.id]
        return taken
