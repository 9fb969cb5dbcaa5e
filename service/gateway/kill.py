"""Kills: what they cover, kept as a fold over the journal, so that they survive a restart (C23, C25, C27).

Whatever goes wrong here makes a kill wider, never narrower.
"""

from __future__ import annotations

from typing import Final, NamedTuple

ALL: Final = "all"
KEYS: Final = ("parent", "symbol", "policy", "trader", "account", "model")


class Target(NamedTuple):
    """What a kill can be about: of an order, or of a parent."""

    parent: str
    symbol: str
    policy: str
    trader: str
    account: str
    model: str = ""


class Engaged(NamedTuple):
    """One kill in force."""

    scope: str
    by: str
    reason: str
    utc: int


def normal_scope(text: str) -> str:
    """``all`` or ``KEY=NAME``; whatever cannot be understood is ``all``."""
    scope = text.strip()
    key, equals, name = scope.partition("=")
    return scope if equals and key in KEYS and name and name == name.strip() else ALL


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

    def covering(self, target: Target) -> str:
        """Scope of a kill that covers this target; empty if none does."""
        for scope in self.engaged:
            try:
                covered = scope == ALL or _covers(scope, target)
            except Exception:  # noqa: BLE001 - a kill that cannot be judged covers everything
                covered = True
            if covered:
                return scope
        return ""


def _covers(scope: str, target: Target) -> bool:
    key, _, name = scope.partition("=")
    return bool(getattr(target, key) == name)
