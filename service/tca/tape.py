"""The market that a parent is measured against: prints and mids of one instrument, for any interval."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right

from service.model.market import BookSnapshot, Trade


class Tape:
    """Eligible prints and mids of one instrument, added in order of market time.

    Prices come out in price units, as floats: they are averages. Sums inside are exact integers.
    """

    def __init__(self) -> None:
        self._print_times = array("q")
        self._volume: list[int] = [0]
        self._money: list[int] = [0]
        self._mid_times = array("q")
        self._twice_mid = array("q")
        self._area: list[int] = []

    def add_trade(self, trade: Trade) -> None:
        """Take a print; one that is not eligible counts for nothing."""
        if not trade.eligible:
            return
        self._print_times.append(trade.ts_event)
        self._volume.append(self._volume[-1] + trade.quantity)
        self._money.append(self._money[-1] + trade.quantity * trade.price)

    def add_book(self, book: BookSnapshot) -> None:
        """Take a book; one with an empty side, or crossed, leaves the mid as it was."""
        if not book.bids or not book.asks or book.bids[0][0] > book.asks[0][0]:
            return
        twice = book.bids[0][0] + book.asks[0][0]
        times, mids = self._mid_times, self._twice_mid
        if times:
            if mids[-1] == twice:
                return
            self._area.append(self._area[-1] + mids[-1] * (book.ts_event - times[-1]))
        else:
            self._area.append(0)
        times.append(book.ts_event)
        mids.append(twice)

    def volume(self, start: int, end: int) -> int:
        """Eligible lots printed at start <= market time <= end."""
        first, last = bisect_left(self._print_times, start), bisect_right(self._print_times, end)
        return self._volume[last] - self._volume[first] if last > first else 0

    def vwap(self, start: int, end: int) -> float | None:
        """Volume-weighted average of the prints of the interval, both ends included; None without any."""
        first, last = bisect_left(self._print_times, start), bisect_right(self._print_times, end)
        if last <= first or self._volume[last] == self._volume[first]:
            return None
        return (self._money[last] - self._money[first]) / (self._volume[last] - self._volume[first])

    def twap(self, start: int, end: int) -> float | None:
        """Time-weighted mid of the interval, from the first known mid on; None while there is none."""
        if not self._mid_times or end < self._mid_times[0]:
            return None
        start = max(start, self._mid_times[0])
        if end <= start:
            return self.mid(start)
        return (self._integral(end) - self._integral(start)) / (end - start) / 2

    def mid(self, at: int) -> float | None:
        """Newest mid at a market time; None before the first."""
        index = bisect_right(self._mid_times, at) - 1
        return self._twice_mid[index] / 2 if index >= 0 else None

    def _integral(self, at: int) -> int:
        index = bisect_right(self._mid_times, at) - 1
        return self._area[index] + self._twice_mid[index] * (at - self._mid_times[index])
