"""Curves for the page: done and wanted per parent, mids per instrument; thinned, so that they stay small."""

from __future__ import annotations

from typing import Final

_MOST: Final = 2_000


class Curves:
    """Points in order of market time; when there are too many, every other one goes.

    Attributes:
        progress: ``(market time, filled, target)`` in lots, by parent.
        mids: ``(market time, twice the mid)`` in price units, by symbol.
    """

    def __init__(self) -> None:
        self.progress: dict[str, list[tuple[int, int, int]]] = {}
        self.mids: dict[str, list[tuple[int, int]]] = {}
        self._apart: dict[str, int] = {}

    def done(self, parent: str, at: int, filled: int, target: int) -> None:
        """A point of a parent's curve; the newest of two at one time stays."""
        points = self.progress.setdefault(parent, [])
        if points and at <= points[-1][0]:
            points[-1] = (points[-1][0], filled, target)
            return
        points.append((at, filled, target))
        if len(points) > _MOST:
            del points[1:-1:2]

    def mid(self, symbol: str, at: int, twice: int) -> None:
        """A mid; those closer together than what was thinned away are left out."""
        points = self.mids.setdefault(symbol, [])
        if points and at - points[-1][0] < self._apart.get(symbol, 50_000_000):
            return
        points.append((at, twice))
        if len(points) > _MOST:
            del points[1:-1:2]
            self._apart[symbol] = (points[-1][0] - points[0][0]) // _MOST
