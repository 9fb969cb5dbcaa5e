"""Where we stand in the queue of a price level, estimated from what the feed shows.

A feed of levels does not say who leaves a queue. What trades, leaves from the front; what is cancelled,
leaves from somewhere, and that somewhere is the model. After hftbacktest's queue position models (Rigtorp's
estimate is its proportional one).
"""

from __future__ import annotations

from typing import Protocol


class QueueModel(Protocol):
    """Says how many of ``gone`` cancelled lots stood ahead of us."""

    def ahead_of_us(self, gone: int, ahead: int, behind: int) -> int:
        """Lots of ``gone`` that left ahead of us: 0 .. ``min(gone, ahead)``.

        Args:
            gone: Lots by which the level shrank without a trade, > 0.
            ahead: Lots ahead of us before, >= 0.
            behind: Displayed lots behind us before, >= 0.
        """
        ...


class ProportionalQueue:
    """Cancellations leave ahead and behind in proportion to ``ahead^power`` and ``behind^power``.

    With ``power`` 1 every lot of the level is equally likely to be cancelled. Above 1 the longer part loses
    more; 0 halves. Rounded down: never further ahead than the estimate says.
    """

    def __init__(self, power: float = 1.0) -> None:
        if power < 0:
            raise ValueError(f"queue power must not be negative, got {power}")
        self._power = power

    def ahead_of_us(self, gone: int, ahead: int, behind: int) -> int:
        """See ``QueueModel``."""
        if ahead <= 0:
            return 0
        if behind <= 0:
            return min(gone, ahead)
        if self._power == 1.0:
            return min(ahead, gone * ahead // (ahead + behind))
        # Scaled by the longer part, so that a large power cannot overflow.
        longest = max(ahead, behind)
        front, back = (ahead / longest) ** self._power, (behind / longest) ** self._power
        return min(ahead, int(gone * front / (front + back)))


class PatientQueue:
    """Cancellations happen behind us as long as anyone stands there: the pessimist's estimate."""

    def ahead_of_us(self, gone: int, ahead: int, behind: int) -> int:
        """See ``QueueModel``."""
        return min(ahead, max(0, gone - behind))
