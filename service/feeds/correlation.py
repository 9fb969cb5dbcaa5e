"""Which instruments of a feed move together, for the gate (C9).

The correlation of one-minute mid returns, exponentially weighted over the minutes that both instruments have:
a pure function of what ``service.feeds.reference_facts`` samples.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Final

from service.model.market import Correlated

_DECAY: Final = 0.94
"""Weight of the past in variances and covariances of one-minute returns (RiskMetrics, 1996)."""
_ENOUGH: Final = 20
"""Minutes in common before a correlation says anything."""
_FAINTEST: Final = 30
"""Per cent, either way; what is less is noise, with the weights above."""
_MOST: Final = 8


class Correlations:
    """Follows all pairs of a feed's instruments; work is quadratic in their number, once a minute."""

    def __init__(self) -> None:
        self._pairs: dict[tuple[str, str], _Pair] = {}

    def minute(self, returns: Mapping[str, float]) -> None:
        """Log returns over one minute, by symbol, of all instruments that have one; minutes in order."""
        for one, other in combinations(sorted(returns), 2):
            pair = self._pairs.get((one, other))
            if pair is None:
                pair = self._pairs[one, other] = _Pair()
            pair.add(returns[one], returns[other])

    def of(self, symbols: Iterable[str]) -> dict[str, tuple[Correlated, ...]]:
        """By symbol: those that it moves with most, or against, strongest first."""
        found: dict[str, list[Correlated]] = {symbol: [] for symbol in symbols}
        for (one, other), pair in self._pairs.items():
            percent = pair.percent
            if abs(percent) >= _FAINTEST:
                found[one].append(Correlated(symbol=other, percent=percent))
                found[other].append(Correlated(symbol=one, percent=percent))
        return {
            symbol: tuple(sorted(rows, key=lambda row: (-abs(row.percent), row.symbol))[:_MOST])
            for symbol, rows in found.items()
        }


class _Pair:
    """Two instruments over the minutes that both have."""

    __slots__ = ("_both", "_minutes", "_one", "_other")

    def __init__(self) -> None:
        self._both = self._one = self._other = 0.0
        self._minutes = 0

    def add(self, one: float, other: float) -> None:
        past = _DECAY if self._minutes else 0.0
        now = 1.0 - past
        self._both = past * self._both + now * one * other
        self._one = past * self._one + now * one * one
        self._other = past * self._other + now * other * other
        self._minutes += 1

    @property
    def percent(self) -> int:
        """0 while it says nothing."""
        scale = math.sqrt(self._one * self._other)
        if self._minutes < _ENOUGH or scale == 0.0:
            return 0
        return max(-100, min(100, round(100.0 * self._both / scale)))
