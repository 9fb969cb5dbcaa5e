"""The drop copy: every execution report once more, on a session of its own, somewhat later."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from service.simulation.order_log import COPIED, OrderLog
from service.simulation.orders import Kind, Outcome


class DropCopy:
    """Copies that wait for their time, and for the session to be up. One stream: they stay in order.

    What an earlier life had not marked as copied is copied again, as a possible resend.

    Args:
        comp_id: TargetCompID (56) of the session.
        delay: Nanoseconds of UTC behind the report itself.
        omit: Share of fills that are left out, 0..1, so that a break can be practised.
        seed: The same seed leaves out the same fills.
    """

    def __init__(
        self, comp_id: str, order_log: OrderLog, *, delay: int = 0, omit: float = 0.0, seed: int = 1
    ) -> None:
        if delay < 0 or not 0 <= omit <= 1:
            raise ValueError(f"drop copy: delay {delay} must not be negative, omit {omit} must lie in 0..1")
        self.comp_id = comp_id
        self.up = False
        self._log: Final = order_log
        self._delay = delay
        self._omit = omit
        self._random = random.Random(seed)
        self._waiting = deque((0, outcome, True) for outcome in order_log.restored.uncopied)

    def __len__(self) -> int:
        """Copies that wait."""
        return len(self._waiting)

    @property
    def next_due(self) -> int | None:
        """UTC at which ``deliver`` has something to do; ``None`` while it has not."""
        return self._waiting[0][0] if self.up and self._waiting else None

    def add(self, outcomes: Sequence[Outcome], now: int) -> None:
        """These are being told to their clients."""
        due = now + self._delay
        for outcome in outcomes:
            if outcome.kind in COPIED:
                self._waiting.append((due, outcome, False))

    def deliver(self, now: int, send: Callable[[Outcome, bool], bool]) -> None:
        """Hand over what is due; ``send`` gets the outcome and whether it may have been copied before."""
        done = []
        while self.up and self._waiting and self._waiting[0][0] <= now:
            _, outcome, again = self._waiting[0]
            omitted = outcome.kind is Kind.TRADE and self._omit > 0 and self._random.random() < self._omit
            if not omitted and not send(outcome, again):
                break
            done.append(self._waiting.popleft()[1])
        self._log.copied(done)
