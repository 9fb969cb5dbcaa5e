"""Kills: what they cover, kept as a fold over the journal, so that they survive a restart (C23, C25, C27).

Whatever goes wrong here makes a kill wider, never narrower.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

ALL: Final = "all"
KEYS: Final = ("parent", "symbol", "policy", "model", "trader", "desk", "account", "client", "firm")


class Engaged(NamedTuple):
    """One kill in force."""

    scope: str
    by: str
    reason: str
    utc: int


def normal_scope(text: str) -> str:
    """``all`` or ``KEY=NAME``; whatever cannot be understood is ``all``."""
    key, equals, name = text.strip().partition("=")
    key, name = key.strip(), name.strip()
    return f"{key}={name}" if equals and key in KEYS and name else ALL


class Kills:
    """The kills in force."""

    def __init__(self) -> None:
        self.engaged: dict[str, Engaged] = {}

    def engage(self, scope: str, by: str, reason: str, utc: int) -> str:
        """Put a kill in force; returns its scope as understood."""
        scope = normal_scope(scope)
        self.engaged.setdefault(scope, Engaged(scope, by, reason, utc))
        return scope

    def release(self, scope: str) -> bool:
        """Lift the kill of exactly this scope; False if there is none."""
        return self.engaged.pop(scope.strip(), None) is not None

    def covering(self, scopes: AbstractSet[str], model: str = "") -> str:
        """Scope of a kill that covers what has these ``KEY=NAME`` scopes; empty if none does."""
        for scope in self.engaged:
            if scope == ALL or scope in scopes or (model and scope == f"model={model}"):
                return scope
        return ""
