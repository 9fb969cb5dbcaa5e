"""ClOrdIDs: a life of the gateway and a number in it, unique for ever."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from service.model.time import MILLISECOND

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Identifiers:
    """Gives ClOrdIDs, and in a replay those that were given then.

    The numbers that an input gave stand in the journal beside it, by what they were for. So newer code, which
    may cancel or ask more or less often for the same old inputs, finds every request of the past under the
    id that it had on the wire. What it would ask for besides was never sent: no request has the id of that.

    Attributes:
        given: Numbers that the input at hand gave, by what they are for.
        lives: Newest number given, by the prefix of each life.
    """

    def __init__(self) -> None:
        self.given: dict[str, int] = {}
        self.lives: dict[str, int] = {}
        self._recorded: Mapping[str, int] | None = None
        self._life = 0
        self._number = 0
        self._never_sent = 0
        self._prefix = ""

    def begin_life(self, utc: int) -> None:
        """A gateway started: not one id of the lives before is given again, whatever their records lost."""
        self._life = max(self._life + 1, utc // MILLISECOND)
        self._prefix, self._number = f"{_base36(self._life)}-", 0

    def begin_input(self, recorded: Mapping[str, int] | None) -> None:
        """Another input is applied; ``recorded``: what it gave then, ``None`` if that is not on record."""
        self._recorded = recorded
        if self.given:
            self.given = {}

    def next(self, purpose: str) -> str:
        """A ClOrdID never used before.

        Args:
            purpose: What it is for: kind of request and whose, in words that do not change.
        """
        while purpose in self.given:
            purpose += "'"
        number = self._number + 1
        if self._recorded is not None:
            if purpose not in self._recorded:
                self._never_sent += 1
                return f"{self._prefix}+{self._never_sent}"
            number = self._recorded[purpose]
        self.given[purpose] = number
        self._number = self.lives[self._prefix] = max(number, self._number)
        return f"{self._prefix}{number}"


def _base36(number: int) -> str:
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return text or "0"
