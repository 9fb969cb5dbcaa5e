"""Messages sent in the last second of UTC, by session, instrument and level (C5, C11). Cancels count."""

from __future__ import annotations

from collections import deque

from service.model.time import SECOND
from service.risk import LEVELS, Level, TrafficFacts


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
        self._levels: dict[tuple[Level, str], _Window] = {}
        self._instruments: dict[str, _Window] = {}
        self._of: dict[tuple[str, ...], tuple[_Window, ...]] = {}

    def note(self, names: tuple[str, ...], symbol: str, utc: int) -> None:
        """One message goes out, sent for these names (in the order of ``LEVELS``)."""
        self._session.note(utc)
        self._instruments.setdefault(symbol, _Window()).note(utc)
        for window in self._windows(names):
            window.note(utc)

    def facts(
        self, names: tuple[str, ...], symbol: str, utc: int, *, alike: int = 0, minute: int = 0
    ) -> TrafficFacts:
        """What counts against the limits now; ``alike`` and ``minute`` are counted elsewhere and go along."""
        instrument = self._instruments.get(symbol)
        return TrafficFacts(
            session=self._session.count(utc),
            instrument=instrument.count(utc) if instrument is not None else 0,
            alike=alike,
            minute=minute,
            levels=tuple([window.count(utc) for window in self._windows(names)]),
        )

    def _windows(self, names: tuple[str, ...]) -> tuple[_Window, ...]:
        found = self._of.get(names)
        if found is None:
            keys = zip(LEVELS, names, strict=False)
            found = self._of[names] = tuple(self._levels.setdefault(key, _Window()) for key in keys)
        return found
