"""A strategy that sends too much in a minute is off until a named person arms it (C8)."""

from __future__ import annotations

from collections import deque
from typing import Final

from service.model.time import SECOND

MINUTE: Final = 60 * SECOND


class Throttle:
    """Of every strategy: new orders and replaces of the last minute of UTC, and whether it has tripped.

    Attributes:
        tripped: Strategies that are off, and since when (UTC).
    """

    def __init__(self) -> None:
        self.tripped: dict[str, int] = {}
        self._sent: dict[str, deque[int]] = {}

    def note(self, strategy: str, utc: int) -> None:
        """One new order or replace goes out."""
        self._sent.setdefault(strategy, deque()).append(utc)

    def count(self, strategy: str, utc: int) -> int:
        """How many went out in the last minute. A clock that jumps back only makes it more."""
        sent = self._sent.get(strategy)
        if sent is None:
            return 0
        while sent and sent[0] <= utc - MINUTE:
            sent.popleft()
        return len(sent)

    def trip(self, strategy: str, utc: int) -> None:
        """It is off from now on."""
        self.tripped.setdefault(strategy, utc)

    def arm(self, strategy: str) -> bool:
        """A person lets it go on, counting from none; False if it was not off."""
        if self.tripped.pop(strategy, None) is None:
            return False
        self._sent.pop(strategy, None)
        return True
