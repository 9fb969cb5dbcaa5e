"""How good a score of direction is, and how sure one can be: AUC, and a block bootstrap over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from service.model.time import SECOND

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

BLOCK: Final = 300 * SECOND
"""Market time of one block: moves and features are correlated for far less."""

DRAWS: Final = 2000


class Ranking:
    """The area under the ROC curve of a score of up against down, for any weights of its rows.

    Rows where nothing moved take no part. Ties count one half (Hanley and McNeil 1982).
    """

    def __init__(self, score: Floats, move: Floats) -> None:
        _, group = np.unique(score, return_inverse=True)
        self._group = group.reshape(-1)
        self._groups = int(self._group.max()) + 1 if len(score) else 0
        self._up = (move > 0).astype(np.float64)
        self._down = (move < 0).astype(np.float64)

    def auc(self, weights: Floats | None = None) -> float:
        """0.5 is a coin. NaN where there is no up, or no down."""
        up, down = self._up, self._down
        if weights is not None:
            up, down = up * weights, down * weights
        ups = np.bincount(self._group, up, self._groups)
        downs = np.bincount(self._group, down, self._groups)
        whole = float(ups.sum() * downs.sum())
        if not whole:
            return float("nan")
        below = np.cumsum(downs) - downs
        return float((ups * (below + downs / 2)).sum()) / whole


def auc(score: Floats, move: Floats) -> float:
    """``Ranking(score, move).auc()``."""
    return Ranking(score, move).auc()


def explained(score: Floats, move: Floats) -> float:
    """Share of the direction's (-1, 0, 1) mean square that the score explains: R2 against no opinion."""
    direction = np.sign(move)
    whole = float(np.mean(direction**2))
    return 1.0 - float(np.mean((direction - score) ** 2)) / whole if whole else float("nan")


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its percentile bootstrap interval of 95 %."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:+.4f} [{self.low:+.4f}, {self.high:+.4f}]"


@dataclass(frozen=True, slots=True)
class Judged:
    """One instrument in one part of the data: what two scores said, and what happened."""

    symbol: str
    ts: Integers
    move: Floats
    ours: Floats
    theirs: Floats


def advantage(parts: Sequence[Judged], seed: int, draws: int = DRAWS) -> tuple[dict[str, Interval], Interval]:
    """AUC of ours less AUC of theirs, by symbol and as the mean over symbols.

    Blocks of ``BLOCK`` of market time are drawn with replacement within each symbol, the same for both scores
    (Kuensch 1989; non-overlapping blocks), so that what is common to both cancels out.
    """
    rng = np.random.default_rng(seed)
    drawn = np.empty((draws, len(parts)))
    points = np.empty(len(parts))
    for column, part in enumerate(parts):
        _, block = np.unique(part.ts // BLOCK, return_inverse=True)
        block = block.reshape(-1)
        blocks = int(block.max()) + 1
        ours, theirs = Ranking(part.ours, part.move), Ranking(part.theirs, part.move)
        points[column] = ours.auc() - theirs.auc()
        for n in range(draws):
            weights = np.bincount(rng.integers(0, blocks, blocks), minlength=blocks).astype(np.float64)[block]
            drawn[n, column] = ours.auc(weights) - theirs.auc(weights)
    each = {part.symbol: _interval(points[n], drawn[:, n]) for n, part in enumerate(parts)}
    return each, _interval(float(points.mean()), drawn.mean(axis=1))


def _interval(value: float, drawn: Floats) -> Interval:
    low, high = np.nanquantile(drawn, (0.025, 0.975))
    return Interval(float(value), float(low), float(high))
