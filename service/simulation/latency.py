"""How long a message takes to the exchange, and an answer back."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Iterator
from typing import Final, Generic, Protocol, TypeVar

from service.model.time import MILLISECOND

T = TypeVar("T")

FOR_EVER: Final = 1 << 63
"""Later than any time in nanoseconds since the epoch."""


class Latency(Protocol):
    """Draws one delay after the other, in nanoseconds of UTC, never negative."""

    def draw(self) -> int: ...


class ConstantLatency:
    """The same delay every time."""

    def __init__(self, delay: int) -> None:
        if delay < 0:
            raise ValueError(f"latency must not be negative, got {delay} ns")
        self._delay = delay

    def draw(self) -> int:
        """Nanoseconds."""
        return self._delay


class LognormalLatency:
    """Lognormal body with a heavier tail: now and then a delay is ``tail_factor`` times as long.

    Args:
        median: Nanoseconds.
        sigma: Standard deviation of the logarithm; 0 is constant but for the tail.
        tail_probability: Share of draws in the tail.
        tail_factor: How much longer those are.
        seed: The same seed gives the same sequence.
    """

    def __init__(
        self,
        median: int = 2 * MILLISECOND,
        sigma: float = 0.3,
        tail_probability: float = 0.01,
        tail_factor: float = 10.0,
        seed: int = 1,
    ) -> None:
        if median < 0 or sigma < 0 or not 0 <= tail_probability <= 1 or tail_factor < 1:
            raise ValueError(
                f"latency: median {median} and sigma {sigma} must not be negative, the tail's probability "
                f"{tail_probability} must lie in 0..1 and its factor {tail_factor} at 1 or above"
            )
        self._median = median
        self._sigma = sigma
        self._tail_probability = tail_probability
        self._tail_factor = tail_factor
        self._random = random.Random(seed)

    def draw(self) -> int:
        """Nanoseconds."""
        delay = self._median * math.exp(self._random.gauss(0.0, self._sigma))
        if self._random.random() < self._tail_probability:
            delay *= self._tail_factor
        return int(delay)


class Mailbox(Generic[T]):
    """Messages under way. Those of one client never overtake each other: a session is a stream."""

    __slots__ = ("_heap", "_last", "_latency", "_put")

    def __init__(self, latency: Latency) -> None:
        self._latency = latency
        self._heap: list[tuple[int, int, T]] = []
        self._last: dict[str, int] = {}
        self._put = 0

    @property
    def next_due(self) -> int | None:
        """When the next message arrives; ``None`` if none is under way."""
        return self._heap[0][0] if self._heap else None

    def put(self, client: str, message: T, t: int) -> None:
        """Send a message at UTC ``t``."""
        due = max(t + self._latency.draw(), self._last.get(client, 0))
        self._last[client] = due
        self._put += 1
        heapq.heappush(self._heap, (due, self._put, message))

    def take(self, t: int) -> Iterator[tuple[int, T]]:
        """``(arrival, message)`` of what has arrived by UTC ``t``, in order."""
        while self._heap and self._heap[0][0] <= t:
            due, _, message = heapq.heappop(self._heap)
            yield due, message
