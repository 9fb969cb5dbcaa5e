"""Kills: what they cover, kept as a fold over the journal, so that they survive a restart (C23, C25, C27).

Whatever goes wrong here makes a kill wider, never narrower.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

ALL: Final = "all"
KEYS: Final = (
    "parent",
    "symbol",
    "venue",
    "policy",
    "model",
    "trader",
    "desk",
    "account",
    "client",
    "firm",
)


class Engaged(NamedTuple):
    """One kill in force."""

    scope: str
    by: str
    reason: str
    utc: int


def normal_scope(text: str) -> str:
    """``all`` or ``KEY=NAME``; whatever cannot be understood is ``all``."""
    try:
        key, equals, name = text.strip().partition("=")
        key, name = key.strip(), name.strip()
    except Exception:  # noqa: BLE001 - whatever this is, somebody wants to stop
        return ALL
    return f"{key}={name}" if equals and key in KEYS and name else ALL


class Kills:
    """The kills in force.

    Attributes:
        unconfirmed: Scopes of which something may still work, with the UTC when that was last said.
    """

    def __init__(self) -> None:
        self.engaged: dict[str, Engaged] = {}
        self.unconfirmed: dict[str, int] = {}

    def engage(self, scope: str, by: str, reason: str, utc: int) -> str:
        """Put a kill in force; returns its scope as understood."""
        scope = normal_scope(scope)
        self.engaged.setdefault(scope, Engaged(scope, by, reason, utc))
        self.unconfirmed[scope] = utc
        return scope

    def release(self, scope: str) -> bool:
        """Lift the kill of exactly this scope; False if there is none."""
        scope = scope.strip()
        self.unconfirmed.pop(scope, None)
        return self.engaged.pop(scope, None) is not None

    def covering(self, scopes: AbstractSet[str], model: str = "", venue: str = "") -> str:
        """Scope of a kill that covers what has these ``KEY=NAME`` scopes; empty if none does.

        Args:
            model, venue: Of one order: the model that decided it, the venue that it prefers.
        """
        for scope in self.engaged:
            if scope == ALL or scope in scopes:
                return scope
            if (model and scope == f"model={model}") or (venue and scope == f"venue={venue}"):
                return scope
        return ""
