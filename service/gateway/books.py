"""Exposure, credit and profit by level: strategy, trader, desk, client, firm (C11, C13, C22, C36).

A fold over the ledger's changes and the reference prices, in integers: lots, and units of value
(``service.risk.money``). A holding counts at its worst: as if every working order of one side were filled and
none of the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from service.model.orders import Side
from service.model.time import SECOND
from service.risk import LEVELS, Level, LevelFacts, LossStage

DAY: Final = 86_400 * SECOND
_AS_OFTEN: Final = SECOND


class Holding:
    """What one name holds and works in one instrument, lots; and what that is worth at the newest price.

    Attributes:
        cost: What the lots cost on average, negative if they are owed; at the start of the day, their worth.
        realised: Profit of the day that no price can change any more; ``marked - cost`` is the open part.
    """

    __slots__ = ("buying", "cost", "exposure", "lots", "marked", "realised", "selling", "working")

    def __init__(self) -> None:
        self.cost = 0
        self.realised = 0
        self.lots = 0
        self.buying = 0
        self.selling = 0
        self.exposure = 0
        self.working = 0
        self.marked = 0

    def trade(self, lots: int, value: int) -> None:
        """Signed ``lots`` were traded for ``value`` of the same sign; what closes does so at average cost."""
        before, held = self.cost, self.lots
        if held * lots >= 0:
            self.cost += value
        elif abs(lots) <= abs(held):
            self.cost -= self.cost * abs(lots) // abs(held)
        else:
            self.cost = value * (abs(lots) - abs(held)) // abs(lots)
        self.lots += lots
        self.realised += self.cost - before - value


_NOTHING: Final = Holding()


class Book:
    """One name at one level, in units of value.

    Attributes:
        exposure: Of all its holdings, each at its worst.
        working: Value of all that works.
        traded: Bought and sold today.
        cash: Sold less bought, ever; with ``marked``, the value of what is held, it is profit and loss.
        since: Profit and loss at the start of the day, or when a person armed it again.
        stage: How far today's loss has come; from reduce-only on it stays until a person arms it again.
    """

    __slots__ = (
        "cash",
        "exposure",
        "holdings",
        "level",
        "marked",
        "name",
        "since",
        "stage",
        "traded",
        "working",
    )

    def __init__(self, level: Level, name: str) -> None:
        self.level = level
        self.name = name
        self.holdings: dict[str, Holding] = {}
        self.exposure = 0
        self.working = 0
        self.traded = 0
        self.cash = 0
        self.marked = 0
        self.since = 0
        self.stage = LossStage.NORMAL

    @property
    def loss(self) -> int:
        """Realised and open loss of the day; negative for a profit."""
        return self.since - self.cash - self.marked

    def begin_day(self) -> None:
        """Count loss and turnover from here."""
        self.traded = 0
        self.count_loss_from_here()

    def count_loss_from_here(self) -> None:
        """What is held is worth what it costs now."""
        self.since = self.cash + self.marked
        for held in self.holdings.values():
            held.cost, held.realised = held.marked, 0


class Books:
    """All books.

    Attributes:
        today: Lots bought and sold since the day began, by symbol, those of nobody here included (C9).
        moved: Books whose profit and loss may have changed since somebody looked.
    """

    def __init__(self) -> None:
        self.all: dict[tuple[Level, str], Book] = {}
        self.moved: dict[Book, None] = {}
        self.today: dict[str, int] = {}
        self._units: dict[str, int] = {}
        self._marks: dict[str, int] = {}
        self._marked_at: dict[str, int] = {}
        self._day = 0
        self._of: dict[tuple[str, ...], tuple[Book, ...]] = {}
        self._holding: dict[str, dict[Book, Holding]] = {}
        self._held_by: dict[tuple[tuple[str, ...], str], list[tuple[Book, Holding]]] = {}

    def configure(self, units: Mapping[str, int]) -> None:
        """Units of value in a price unit x lot, by symbol."""
        self._units.update(units)

    def of(self, names: tuple[str, ...]) -> tuple[Book, ...]:
        """Books of these names, in the order of ``LEVELS``; none for an order that nobody here sent."""
        found = self._of.get(names)
        if found is None:
            found = tuple(self._book(level, name) for level, name in zip(LEVELS, names, strict=False))
            self._of[names] = found
        return found

    def _book(self, level: Level, name: str) -> Book:
        book = self.all.get((level, name))
        if book is None:
            book = self.all[level, name] = Book(level, name)
        return book

    def work(self, names: tuple[str, ...], symbol: str, side: Side, lots: int) -> None:
        """So many more lots may be filled (fewer, if negative)."""
        for book, held in self._held(names, symbol):
            if side is Side.BUY:
                held.buying += lots
            else:
                held.selling += lots
            self._revalue(book, held, self._marks.get(symbol, 0))

    def trade(self, names: tuple[str, ...], symbol: str, side: Side, lots: int, money: int) -> None:
        """So many lots were filled for price x lots ``money`` (taken back, if negative)."""
        value = money * self._units.get(symbol, 0)
        self.today[symbol] = self.today.get(symbol, 0) + lots
        for book, held in self._held(names, symbol):
            held.trade(side.sign * lots, side.sign * value)
            book.cash -= side.sign * value
            book.traded += value
            self._revalue(book, held, self._marks.get(symbol, 0))
            self.moved[book] = None

    def mark(self, symbol: str, price: int, market: int, utc: int) -> None:
        """The instrument's reference price is this now; 0 is none, and the last one stays."""
        day = market // DAY
        if day > self._day:
            self._day = day
            self.today.clear()
            for book in self.all.values():
                book.begin_day()
        self._marked_at[symbol] = utc
        mark = price * self._units.get(symbol, 0)
        if mark <= 0 or mark == self._marks.get(symbol):
            return
        self._marks[symbol] = mark
        for book, held in self._holding.get(symbol, {}).items():
            self._revalue(book, held, mark)
            self.moved[book] = None

    def mark_due(self, symbol: str, price: int, utc: int) -> bool:
        """Whether what is held of it should be valued again at this price, orders or not (C22, C36)."""
        holding = self._holding.get(symbol)
        if holding is None or utc - self._marked_at.get(symbol, 0) < _AS_OFTEN:
            return False
        changed = price > 0 and price * self._units.get(symbol, 0) != self._marks.get(symbol)
        return changed and any(held.lots or held.buying or held.selling for held in holding.values())

    def _held(self, names: tuple[str, ...], symbol: str) -> list[tuple[Book, Holding]]:
        found = self._held_by.get((names, symbol))
        if found is None:
            found = self._held_by[names, symbol] = []
            for book in self.of(names):
                holding = book.holdings.get(symbol)
                if holding is None:
                    holding = book.holdings[symbol] = Holding()
                    self._holding.setdefault(symbol, {})[book] = holding
                found.append((book, holding))
        return found

    def _revalue(self, book: Book, held: Holding, mark: int) -> None:
        long, short = held.lots + held.buying, held.selling - held.lots
        exposure = (long if long > short else short) * mark
        working = (held.buying + held.selling) * mark
        marked = held.lots * mark
        book.exposure += exposure - held.exposure
        book.working += working - held.working
        book.marked += marked - held.marked
        held.exposure, held.working, held.marked = exposure, working, marked

    def facts(self, names: tuple[str, ...], symbol: str) -> tuple[LevelFacts, ...]:
        """What the gate looks at, in the order of ``LEVELS``."""
        held_by = self._held_by.get((names, symbol))
        if held_by is None:  # nothing was ever sent for these names: asking makes no holding
            held_by = [(book, book.holdings.get(symbol, _NOTHING)) for book in self.of(names)]
        return tuple(
            [
                LevelFacts(
                    book.exposure,
                    book.traded + book.working,
                    book.stage,
                    held.lots,
                    held.buying,
                    held.selling,
                )
                for book, held in held_by
            ]
        )
