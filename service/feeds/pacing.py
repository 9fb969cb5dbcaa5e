"""How fast a source is replayed: at its own speed, at a multiple of it, or as fast as consumers take it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol

from service.model.time import SECOND, SessionClock

_FOREVER: Final = 1 << 62
_LOOK_AGAIN: Final = 0.01

log = logging.getLogger(__name__)


class Pace(Protocol):
    """Says what may be published now."""

    def horizon(self, utc: int) -> int:
        """Market time up to which events may be published at ``utc``."""
        ...

    async def allowance(self, published: int) -> int:
        """Events that may be published beyond the ``published`` ones before asking again; 0 for none now."""
        ...

    def wait(self, next_event: int, utc: int) -> float:
        """Seconds until it is worth asking again, given the market time of the next event."""
        ...

    def lateness(self, event: int, utc: int) -> int:
        """Nanoseconds of UTC by which an event goes out later than its time."""
        ...


class Timed:
    """Real time, or a multiple of it, by the session clock: it cannot drift, as nothing is added up."""

    def __init__(self, clock: SessionClock) -> None:
        self._clock = clock

    def horizon(self, utc: int) -> int:
        return self._clock.market(utc, 0)

    async def allowance(self, published: int) -> int:
        del published
        return _FOREVER

    def wait(self, next_event: int, utc: int) -> float:
        return max(0.0, (next_event - self.horizon(utc)) / self._clock.speed / SECOND)

    def lateness(self, event: int, utc: int) -> int:
        return int((self.horizon(utc) - event) / self._clock.speed)


Lag = Callable[[], Awaitable["Mapping[str, GroupLag] | None"]]


class GroupLag:
    """How far one consumer group is behind.

    Attributes:
        records: Records published and not committed.
        moved: It has committed something since the feed began.
    """

    __slots__ = ("moved", "records")

    def __init__(self, records: int, *, moved: bool) -> None:
        self.records = records
        self.moved = moved


class Followed:
    """As fast as the slowest of the named consumer groups takes it, at most ``max_lag`` records ahead of it.

    A group that commits nothing within ``patience`` seconds of being waited for is not there: the replay
    goes on without it, and follows it from its first commit on. One that has been followed is waited for.

    Args:
        lag: Reads the lag of each group; ``None`` while the cluster is away.
        pending: Records on their way to the topic, which count as not taken.
        seconds: A clock that only runs forward, seconds.
    """

    def __init__(
        self,
        lag: Lag,
        *,
        max_lag: int,
        patience: float,
        seconds: Callable[[], float],
        pending: Callable[[], int],
    ) -> None:
        self._lag = lag
        self._pending = pending
        self._max_lag = max_lag
        self._patience = patience
        self._seconds = seconds
        self._allowed = 0
        self._waiting_since: float | None = None
        self._absent: set[str] = set()

    def horizon(self, utc: int) -> int:
        del utc
        return _FOREVER

    async def allowance(self, published: int) -> int:
        left = self._allowed - published
        if left > 0:
            return left
        # Before the lag: what arrives while that is being read would be in neither of the two.
        pending, worst = self._pending(), 0
        groups = await self._lag()
        if groups is None:
            return 0
        for name, group in groups.items():
            if group.moved and name in self._absent:
                self._absent.discard(name)
                log.info("consumer group %s has begun to commit: following it", name)
            if name not in self._absent:
                worst = max(worst, group.records)
        worst += pending
        if worst < self._max_lag:
            self._waiting_since = None
            self._allowed = published + self._max_lag - worst
            return self._max_lag - worst
        self._give_up_on_absent(groups)
        return 0

    def _give_up_on_absent(self, groups: Mapping[str, GroupLag]) -> None:
        now = self._seconds()
        if self._waiting_since is None:
            self._waiting_since = now
        if now - self._waiting_since < self._patience:
            return
        for name, group in groups.items():
            if not group.moved and name not in self._absent:
                self._absent.add(name)
                log.warning(
                    "consumer group %s has committed nothing for %g s: going on without it",
                    name,
                    self._patience,
                )

    def wait(self, next_event: int, utc: int) -> float:
        del next_event, utc
        return _LOOK_AGAIN

    def lateness(self, event: int, utc: int) -> int:
        del event, utc
        return 0
