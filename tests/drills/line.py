"""The FIX session between gateway and broker, as a model: what it promises and what it does not.

Promised: on one connection everything comes in order. What the broker sent and we have not taken is sent
again after a reconnect, marked PossDup, before the session counts as logged on. Not promised: that a request
of ours that was on its way when the line dropped ever arrives; it is never sent again.
"""

from __future__ import annotations

import random
from collections import deque
from typing import Any

from tests.drills.broker import SOH, BookOrder


def _answers(text: str) -> bool:
    return f"{SOH}150=I{SOH}" in text or f"{SOH}103=5{SOH}" in text


class Line:
    """Both directions.

    Attributes:
        to_broker: Requests on their way: what the gateway handed over, and its text.
        said: What the broker's desks wrote and its session has not numbered yet; here it may be reordered.
        late: What a desk sits on for now.
        store: Everything numbered, by MsgSeqNum - 1, with the order that it is about.
        taken: How much of it our engine has taken.
        lives: How often its numbers have begun at 1.
        past: By number of life, what our engine had taken of it when it ended.
    """

    def __init__(self, rng: random.Random) -> None:
        self.up = False
        self.synced = False
        self.to_broker: deque[tuple[Any, str]] = deque()
        self.said: list[tuple[str, BookOrder | None]] = []
        self.late: list[tuple[str, BookOrder | None]] = []
        self.store: list[tuple[str, BookOrder | None]] = []
        self.taken = 0
        self.lives = 1
        self.past: dict[int, list[tuple[str, BookOrder | None]]] = {}
        self._again = 0
        self._rng = rng

    def connect(self, expected: int) -> None:
        """The line is up; we say which MsgSeqNum we expect next."""
        self.up, self.synced = True, False
        # What was asked on the connection before is not answered behind what is asked on this one.
        self.store += [said for said in self.said if _answers(said[0])]
        self.said = [said for said in self.said if not _answers(said[0])]
        self.taken = min(expected - 1, len(self.store))
        self._again = len(self.store)

    def cut(self) -> list[tuple[Any, str]]:
        """The line drops. A part of what was on its way still arrives; the rest is gone."""
        self.up = self.synced = False
        arrives = self._rng.randint(0, len(self.to_broker))
        got = [self.to_broker.popleft() for _ in range(arrives)]
        self.to_broker.clear()
        return got

    def number(self, index: int) -> None:
        """The broker's session takes one of ``said``, not always the oldest, and numbers it."""
        self.store.append(self.said.pop(index))

    def gap(self) -> None:
        """A report went missing on the wire: it and what follows are asked for again."""
        self._again = len(self.store)

    @property
    def waiting(self) -> int:
        return len(self.store) - self.taken

    def take(self) -> tuple[str, BookOrder | None]:
        """The next report, with the session's own fields."""
        body, order = self.store[self.taken]
        self.taken += 1
        again = f"43=Y{SOH}" if self.taken <= self._again else ""
        return f"8=FIX.4.4{SOH}34={self.taken}{SOH}{again}{body}10=000{SOH}", order

    def renumber(self) -> list[tuple[str, BookOrder | None]]:
        """The broker comes back without its sequence numbers: returns what will now never be sent again."""
        lost = self.store[self.taken :]
        self.past[self.lives] = self.store[: self.taken]
        self.store, self.taken, self._again = [], 0, 0
        self.lives += 1
        return lost
