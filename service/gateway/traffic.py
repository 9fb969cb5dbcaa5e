"""Messages sent in the last second of UTC, by session, instrument and level (C5, C11). Cancels count."""

from __future__ import annotations

from collections import deque
from typing import Final

from service.model.time import SECOND
from service.risk import LEVELS, Level, TrafficFacts

_Stamps = deque[int]
_NONE: Final[_Stamps] = deque(maxlen=0)


def _counts(windows: tuple[_Stamps, ...], utc: int) -> list[int]:
    """Stamps less than a second old. A clock that jumps back only makes the counts larger."""
    oldest, counts = utc - SECOND, []
    for stamps in windows:
        while stamps and stamps[0] <= oldest:
            stamps.popleft()
        counts.append(len(stamps))
    return counts


class Traffic:
    """Sliding windows of one second."""

    def __init__(self) -> None:
        self._session: _Stamps = deque()
        self._levels: dict[tuple[Level, str], _Stamps] = {}
        self._instruments: dict[str, _Stamps] = {}
        self._of: dict[tuple[str, ...], tuple[_Stamps, ...]] = {}

    def note(self, names: tuple[str, ...], symbol: str, utc: int) -> None:
        """One message goes out, sent for these names (in the order of ``LEVELS``)."""
        self._session.append(utc)
        self._instruments.setdefault(symbol, deque()).append(utc)
        for stamps in self._windows(names):
            stamps.append(utc)

    def facts(
        self, names: tuple[str, ...], symbol: str, utc: int, *, alike: int = 0, minute: int = 0
    ) -> TrafficFacts:
        """What counts against the limits now; ``alike`` and ``minute`` are counted elsewhere and go along."""
        session, instrument = _counts((self._session, self._instruments.get(symbol, _NONE)), utc)
        levels = tuple(_counts(self._windows(names), utc))
        return TrafficFacts(session=session, instrument=instrument, alike=alike, minute=minute, levels=levels)

    def _windows(self, names: tuple[str, ...]) -> tuple[_Stamps, ...]:
        found = self._of.get(names)
        if found is None:
            keys = zip(LEVELS, names, strict=False)
            found = self._of[names] = tuple(self._levels.setdefault(key, deque()) for key in keys)
        return found
