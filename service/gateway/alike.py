"""Look-alikes in a short window: same account, instrument, side, type, quantity and price (C14)."""

from __future__ import annotations

from collections import deque

from service.model.orders import SubmitChild

Key = tuple[str, str, int, str, int, int]


class Alike:
    """Counts by look over a sliding window of UTC."""

    def __init__(self) -> None:
        self._sent: deque[tuple[int, Key]] = deque()
        self._counts: dict[Key, int] = {}

    def note(self, account: str, command: SubmitChild, utc: int) -> None:
        """One new order goes out."""
        key = _key(account, command)
        self._sent.append((utc, key))
        self._counts[key] = self._counts.get(key, 0) + 1

    def count(self, account: str, command: SubmitChild, utc: int, window: int) -> int:
        """How many like this one are less than ``window`` old. A clock that jumps back only makes it more."""
        sent, counts = self._sent, self._counts
        while sent and sent[0][0] <= utc - window:
            _, key = sent.popleft()
            counts[key] -= 1
            if not counts[key]:
                del counts[key]
        return counts.get(_key(account, command), 0)


def _key(account: str, command: SubmitChild) -> Key:
    return account, command.symbol, command.side, command.ord_type, command.quantity, command.price
