"""Kills: what they cover, kept as a fold over the journal, so that they survive a restart (C23, C25-C27).

Whatever goes wrong here makes a kill wider, never narrower.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

ALL: Final = "all"
REDUCE_ONLY: Final = "reduce-only"
"""Before a scope: what only makes a holding smaller is let out (C26)."""

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
    """``all`` or ``KEY=NAME``, or one of them after ``reduce-only``; what cannot be understood is ``all``."""
    try:
        first, _, rest = text.strip().partition(" ")
        if first == REDUCE_ONLY:
            plain = _plain(rest)
            return f"{REDUCE_ONLY} {plain}" if plain else ALL
        return _plain(text) or ALL
    except Exception:  # noqa: BLE001 - whatever this is, somebody wants to stop
        return ALL


def _plain(text: str) -> str:
    """A scope as written everywhere; empty if it cannot be understood."""
    key, equals, name = (part.strip() for part in text.partition("="))
    if not equals and key == ALL:
        return ALL
    return f"{key}={name}" if equals and key in KEYS and name else ""


def understood(text: str) -> bool:
    """Whether ``normal_scope`` knows what this means, and does not take it for ``all``."""
    return normal_scope(text) != ALL or _plain(text) == ALL


def difference(asked: str, scope: str) -> str:
    """In what the kill of ``scope`` that is in force is not what somebody asked for; empty if it is."""
    if not understood(asked):
        return f"{asked.strip()[:64]!r} is not understood: killed everything"
    if normal_scope(asked) == scope:
        return ""
    if in_full(normal_scope(asked)) == scope:
        return "the limits allow no reduce-only kill: nothing is let out"
    return f"{asked.strip()[:64]!r} names nothing that is known here, or failed: killed everything"


def is_reduce_only(scope: str) -> bool:
    """Whether this scope, as ``normal_scope`` returns it, lets out what only reduces."""
    return scope.startswith(f"{REDUCE_ONLY} ")


def in_full(scope: str) -> str:
    """The same scope with nothing let out."""
    return scope.removeprefix(f"{REDUCE_ONLY} ")


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
        """Scope of a full kill that covers what has these ``KEY=NAME`` scopes; empty if none does.

        Args:
            model, venue: Of one order: the model that decided it, the venue that it prefers.
        """
        for scope in self.engaged:
            if scope == ALL or scope in scopes:
                return scope
            if (model and scope == f"model={model}") or (venue and scope == f"venue={venue}"):
                return scope
        return ""

    def reducing(self, scopes: AbstractSet[str], model: str = "", venue: str = "") -> str:
        """The same of a kill that lets out what only reduces."""
        for scope in self.engaged:
            if is_reduce_only(scope):
                plain = in_full(scope)
                if plain == ALL or plain in scopes or plain in (f"model={model}", f"venue={venue}"):
                    return scope
        return ""
