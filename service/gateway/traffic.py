"""Messages sent in the last second of UTC, by session, strategy and instrument (C5). Cancels count."""

from __future__ import annotations

from collections import deque

from service.model.time import SECOND
from service.risk.snapshots import TrafficFacts


class _Window:
    __slots__ = ("_stamps",)

    def __init__(self) -> None:
        self._stamps: deque[int] = deque()

    def note(self, utc: int) -> None:
        self._stamps.append(utc)

    def count(self, utc: int) -> int:
        """Stamps less than a second old. A clock that jumps back only makes the count larger."""
        stamps = self._stamps
        while stamps and stamps[0] <= utc - SECOND:
            stamps.popleft()
        return len(stamps)


class Traffic:
    """Sliding windows of one second."""

    def __init__(self) -> None:
        self._session = _Window()
        self._strategies: dict[str, _Window] = {}
        self._instruments: dict[str, _Window] = {}

    def note(self, policy: str, symbol: str, utc: int) -> None:
        """One message goes out."""
        self._session.note(utc)
        self._strategies.setdefault(policy, _Window()).note(utc)
        self._instruments.setdefault(symbol, _Window()).note(utc)

    def facts(self, policy: str, symbol: str, utc: int) -> TrafficFacts:
        """What counts against the limits now."""
        strategy, instrument = self._strategies.get(policy), self._instruments.get(symbol)
        return TrafficFacts(
            session=self._session.count(utc),
            strategy=strategy.count(utc) if strategy is not None else 0,
            instrument=instrument.count(utc) if instrument is not None else 0,
        )
