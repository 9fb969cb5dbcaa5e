"""Messages asked for again, by us and by the counterparty, without a storm. Pure: the caller has the clock.

Two engines that ask each other for the same messages without end have taken venues down for hours. So one
request of ours is open at a time and of bounded length, it is repeated ever more slowly and in the end not at
all; and a counterparty that repeats itself is answered at a bounded rate.
"""

from __future__ import annotations

from typing import Final

LONGEST: Final = 2_500
"""Messages that one ResendRequest of ours asks for at most."""
MOST_TRIES: Final = 6
"""Requests for the same message without one that comes; after that a person has to look."""
_FIRST_DELAY: Final = 2.0
_LONGEST_DELAY: Final = 60.0
"""Seconds before a request is repeated; doubled each time."""

FREE_ANSWERS: Final = 3
"""Requests of theirs for the same message that are answered at once: line and logons are not perfect."""
ANSWER_DELAY: Final = 0.2
"""Seconds that each further answer is held back."""
FORGOTTEN_AFTER: Final = 60.0
"""Seconds without such a request after which the next one is a new story."""
MOST_ANSWERS: Final = 50
"""Requests for the same message after which we trust nothing that we sent to have been read."""


def request_end(begin: int, high: int) -> int:
    """EndSeqNo (16) of a request from ``begin``; ``high`` is the last that is known to be missing, or 0.

    A gap that is known to be short is asked for to its end and beyond (0): a request of theirs that crossed
    ours has a number too, which the engine neither counts nor asks for.
    """
    end = begin + LONGEST - 1
    return 0 if begin <= high <= end else end


class CatchUp:
    """What we miss and have asked for.

    Attributes:
        open: A request is not answered in full, as far as we know.
        tries: Requests so far for the message that we wait for.
    """

    def __init__(self) -> None:
        self.open = False
        self.tries = 0
        self._begin = 0
        self._end = 0
        self._high = 0
        self._expected = 0
        self._due = 0.0
        self._probed = False

    @property
    def begin(self) -> int:
        """MsgSeqNum of the first message that we miss, as of the last request."""
        return self._begin

    @property
    def delay(self) -> float:
        """Seconds until the request is repeated."""
        return float(min(_FIRST_DELAY * 2 ** (max(self.tries, 1) - 1), _LONGEST_DELAY))

    def asked(self, begin: int, end: int, high: int, now: float) -> None:
        """A ResendRequest went out, the engine's or one that ``look`` wanted.

        Args:
            end: Its EndSeqNo, 0 for all there is.
            high: Last message that is known to be missing; 0 if that is not known.
            now: Seconds of any clock that does not go back.
        """
        self.tries = self.tries + 1 if begin == self._begin else 1
        self.open, self._begin, self._end, self._expected = True, begin, end or high, begin
        self._high = max(high, self._high)
        self._due = now + self.delay
        self._probed = False

    def look(self, expected: int, now: float) -> str:
        """What is due now that ``expected`` is the next MsgSeqNum that we wait for.

        Returns:
            ``ask`` from ``expected``, ``probe`` whether there is more to come, ``give up``, or nothing.
        """
        if not self.open:
            return ""
        if self._end < expected <= self._high:
            return "ask"
        if expected > self._end and not self._probed:
            self._probed, self._expected, self._due = True, expected, now + _FIRST_DELAY
            return "probe"
        if expected > self._expected:
            self._expected, self._due = expected, max(self._due, now + _FIRST_DELAY)
        elif now >= self._due:
            self.open = self.tries < MOST_TRIES or expected > self._begin
            return "ask" if self.open else "give up"
        return ""

    def level(self) -> None:
        """Nothing is missing."""
        self.open, self.tries, self._begin, self._high = False, 0, 0, 0


class Answers:
    """What the counterparty asks us to send again.

    Attributes:
        times: Requests for the same message so far.
    """

    def __init__(self) -> None:
        self._begin = 0
        self._last = 0.0
        self.times = 0

    def asked(self, begin: int, now: float) -> float:
        """Seconds to hold the answer back to a request from ``begin``."""
        again = begin == self._begin and now - self._last < FORGOTTEN_AFTER
        self.times = self.times + 1 if again else 1
        self._begin, self._last = begin, now
        return ANSWER_DELAY if self.times > FREE_ANSWERS else 0.0
