"""LOBSTER zips: NASDAQ messages and the book of N levels after each, kept in step.

Format: https://lobsterdata.com/info/DataStructure.php. Row *i* of the orderbook file is the book after row
*i* of the message file. Prices are dollars x 10,000; times are seconds after midnight in New York.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Final, NamedTuple

import msgspec

from service.feeds import archive
from service.feeds.exchange_time import midnight, parse_date
from service.feeds.source import Source, SourceError, SourceOptions, known_instrument
from service.model.market import Aggressor, BookSnapshot, MarketEvent, Trade, TradingPhase, TradingStatus
from service.model.time import MILLISECOND, SECOND

_NAME: Final = re.compile(
    r"(?P<symbol>[A-Za-z.]+)_(?P<date>\d{4}-\d\d-\d\d)_(?P<start>\d+)_(?P<end>\d+)"
    r"_(?P<kind>message|orderbook)_(?P<levels>\d+)\.csv"
)

# Message types.
_NEW: Final = 1
_PARTIAL_CANCEL: Final = 2
_DELETE: Final = 3
_EXECUTION: Final = 4
_HIDDEN_EXECUTION: Final = 5
_CROSS: Final = 6
_HALT: Final = 7

_NO_ASK: Final = 9_999_999_999
_NO_BID: Final = -9_999_999_999

_integers: Final = msgspec.json.Decoder(list[int]).decode
_DIGITS: Final = b"0123456789,-\r\n"

_HALT_PHASES: Final = {
    -1: (TradingPhase.HALTED, "halt"),
    0: (TradingPhase.HALTED, "quoting resumed"),
    1: (TradingPhase.CONTINUOUS, "trading resumed"),
}


_Side = tuple[tuple[int, int], ...]


class _BadRowError(ValueError):
    """A row that is not what the format says."""


class _Message(NamedTuple):
    at: int
    type: int
    size: int
    price: int
    direction: int


class _Book(NamedTuple):
    """One row of the orderbook file, empty levels with their dummy prices included."""

    bids: _Side
    asks: _Side


class Lobster(Source):
    """One instrument on one day of NASDAQ, N levels."""

    accepts: ClassVar[str] = "a LOBSTER zip (SYMBOL_DATE_START_END_message_N.csv and ..._orderbook_N.csv)"

    def __init__(self, path: Path, found: dict[str, re.Match[str]], options: SourceOptions) -> None:
        message, book = found["message"], found["orderbook"]
        symbol = message["symbol"].upper()
        self._path = path
        self._message_name = message.string
        self._book_name = book.string
        self._levels = int(message["levels"])
        self._midnight = midnight(parse_date(message["date"]))
        instrument = known_instrument(options.reference, symbol, str(path))
        self._venue = instrument.venue
        self._scale = 10 ** (instrument.price_exponent - 4)
        session = tuple(self._midnight + int(message[k]) * MILLISECOND for k in ("start", "end"))
        super().__init__("lobster", (symbol,), (session[0], session[1]), options)

    @classmethod
    def recognises(cls, spec: str) -> bool:
        """A zip file that holds a message and an orderbook file, or says in its name that it does."""
        path = Path(spec)
        if not path.is_file():
            return False
        try:
            names = archive.members(path)
        except SourceError:
            # Damaged, but called LOBSTER: ``open`` says what is wrong with it.
            return "lobster" in path.name.lower()
        return any(_NAME.fullmatch(name) for name in names)

    @classmethod
    def open(cls, spec: str, options: SourceOptions) -> Lobster:
        """Check names, levels, date and checksums of both files."""
        path = Path(spec)
        found: dict[str, re.Match[str]] = {}
        for name in archive.members(path):
            match = _NAME.fullmatch(name)
            if match is None:
                continue
            if match["kind"] in found:
                raise SourceError(f"{path}: more than one {match['kind']} file; one day of one symbol a zip")
            found[match["kind"]] = match
        for kind in ("message", "orderbook"):
            if kind not in found:
                raise SourceError(f"{path}: no {kind} file in it")
        message, book = found["message"], found["orderbook"]
        for part in ("symbol", "date", "start", "end", "levels"):
            if message[part] != book[part]:
                raise SourceError(
                    f"{path}: {message.string} and {book.string} differ in {part}: not of one book"
                )
        if options.date is not None and parse_date(options.date) != parse_date(message["date"]):
            raise SourceError(f"{path}: holds {message['date']}, not {options.date}")
        if int(message["levels"]) < 1:
            raise SourceError(f"{path}: {message.string} says that it has no levels")
        for match in (message, book):
            archive.verify(path, match.string)
        return cls(path, found, options)

    def _status(self, at: int, seq: int, phase: TradingPhase, reason: str) -> TradingStatus:
        return TradingStatus(
            symbol=self.symbols[0],
            venue=self._venue,
            ts_event=at,
            ts_utc=0,
            seq=seq,
            phase=phase,
            reason=reason,
        )

    def _events(self) -> Iterator[MarketEvent]:
        symbol, venue, scale = self.symbols[0], self._venue, self._scale
        seq = 1
        yield self._status(self.session_start, seq, TradingPhase.CONTINUOUS, "session opens")
        plain = scale == 1
        halted = False
        last_at = self.session_start
        previous: _Book | None = None
        messages = archive.rows(self._path, self._message_name)
        books = archive.rows(self._path, self._book_name)
        number = 0
        for number, line in enumerate(messages, 1):
            book_line = next(books, None)
            if book_line is None:
                raise SourceError(
                    f"{self._path}: {self._book_name} ends at row {number - 1} but {self._message_name} "
                    "goes on: cut short; fetch it again"
                )
            try:
                message = self._message(line, number)
                book = self._book(book_line, previous, number)
            except _BadRowError as error:
                self.repaired("bad_row", str(error), "row left out")
                # The next message cannot be held against a book that was left out.
                previous = None
                continue
            at = message.at
            if at < last_at:
                self.repaired(
                    "time_backwards",
                    self._where(self._message_name, number),
                    f"time runs back by {last_at - at} ns; taken as the time of the row before",
                )
                at = last_at
            last_at = at
            if previous is not None:
                wrong = _out_of_step(message, previous, book)
                if wrong:
                    self.repaired("out_of_step", self._where(self._book_name, number), wrong)
            previous = book
            kind = message.type
            if kind in (_EXECUTION, _HIDDEN_EXECUTION, _CROSS):
                seq += 1
                yield Trade(
                    symbol=symbol,
                    venue=venue,
                    ts_event=at,
                    ts_utc=0,
                    seq=seq,
                    price=message.price * scale,
                    quantity=message.size,
                    aggressor=_aggressor(message),
                    hidden=kind == _HIDDEN_EXECUTION,
                    auction=kind == _CROSS,
                )
            elif kind == _HALT:
                if message.price == -1 and halted:
                    self.repaired(
                        "double_halt", self._where(self._message_name, number), "halted, and halted again"
                    )
                halted = message.price != 1
                seq += 1
                yield self._status(at, seq, *_HALT_PHASES[message.price])
            bids, asks = book
            if bids[0][0] >= asks[0][0]:
                self.repaired(
                    "crossed_book",
                    self._where(self._book_name, number),
                    f"bid {bids[0][0]} is not below ask {asks[0][0]}; the book before stands",
                )
                continue
            seq += 1
            yield BookSnapshot(
                symbol=symbol,
                venue=venue,
                ts_event=at,
                ts_utc=0,
                seq=seq,
                bids=bids if plain and bids[-1][1] else _displayed(bids, scale),
                asks=asks if plain and asks[-1][1] else _displayed(asks, scale),
            )
        if next(books, None) is not None:
            raise SourceError(
                f"{self._path}: {self._message_name} ends at row {number} but {self._book_name} "
                "goes on: cut short; fetch it again"
            )
        if number == 0:
            raise SourceError(f"{self._path}: {self._message_name}: no rows in it")
        yield self._status(max(self.session_end, last_at), seq + 1, TradingPhase.CLOSED, "session closes")

    def _where(self, name: str, number: int) -> str:
        return f"{self._path}: {name} row {number}"

    def _message(self, line: bytes, number: int) -> _Message:
        """One row of the message file: time, type, order id, size, price, direction.

        Raises:
            _BadRowError: Naming file and row.
        """
        text, _, rest = line.partition(b",")
        seconds, _, fraction = text.partition(b".")
        try:
            if not seconds.isdigit() or not (fraction.isdigit() or fraction == b""):
                raise ValueError(f"{text!r} is not seconds after midnight")
            if rest.translate(None, _DIGITS):
                raise ValueError("not all integers")
            type_, _, size, price, direction = _integers(b"[%b]" % rest)
        except ValueError as error:
            raise _BadRowError(f"{self._where(self._message_name, number)}: {line!r}: {error}") from error
        # Some files carry more digits than nanoseconds have, left over from floating point.
        at = self._midnight + int(seconds) * SECOND + int(fraction[:9].ljust(9, b"0"))
        wrong = ""
        if not _NEW <= type_ <= _HALT:
            wrong = f"type {type_} is none of 1 to 7"
        elif type_ == _HALT:
            if price not in _HALT_PHASES or size != 0 or direction != -1:
                wrong = (
                    f"halt indicator {price}, size {size}, direction {direction}: not one of -1, 0, 1; 0; -1"
                )
        elif size <= 0:
            wrong = f"size {size} is not positive"
        elif price <= 0:
            wrong = f"price {price} is not positive"
        elif direction not in (1, -1):
            wrong = f"direction {direction} is neither 1 nor -1"
        if not wrong and not self.session_start <= at <= self.session_end:
            wrong = f"time {text.decode()} is outside the session of the file's name"
        if wrong:
            raise _BadRowError(f"{self._where(self._message_name, number)}: {wrong}")
        return _Message(at, type_, size, price, direction)

    def _book(self, line: bytes, previous: _Book | None, number: int) -> _Book:
        """One row of the orderbook file: ask price, ask size, bid price, bid size per level.

        Raises:
            _BadRowError: Naming file and row.
        """
        try:
            if line.translate(None, _DIGITS):
                raise ValueError("not all integers")
            row = _integers(b"[%b]" % line)
        except ValueError as error:
            raise _BadRowError(f"{self._where(self._book_name, number)}: {line[:80]!r}: {error}") from error
        if len(row) != 4 * self._levels:
            raise _BadRowError(
                f"{self._where(self._book_name, number)}: {len(row)} columns, not 4 x {self._levels}"
            )
        asks = tuple(zip(row[0::4], row[1::4], strict=True))
        bids = tuple(zip(row[2::4], row[3::4], strict=True))
        # A message changes one side; the other was judged with the row before.
        wrong = "" if previous is not None and asks == previous.asks else _wrong_side(asks, _NO_ASK)
        if not wrong and (previous is None or bids != previous.bids):
            wrong = _wrong_side(bids, _NO_BID)
        if wrong:
            raise _BadRowError(f"{self._where(self._book_name, number)}: {wrong}")
        return _Book(bids, asks)


def _aggressor(message: _Message) -> Aggressor:
    """Who took: the opposite of the resting side, which is what ``direction`` says; a cross has none."""
    if message.type == _CROSS:
        return Aggressor.UNKNOWN
    return Aggressor.SELL if message.direction == 1 else Aggressor.BUY


def _displayed(side: _Side, scale: int) -> _Side:
    """A side without the dummies that fill up missing levels, in price units."""
    return tuple((price * scale, size) for price, size in side if size)


def _wrong_side(side: _Side, empty: int) -> str:
    """What is wrong with one side of a row: ``empty`` is the price of a level that is not there."""
    prices = [price for price, _ in side]
    sizes = [size for _, size in side]
    if empty in prices:
        count = prices.index(empty)
        if any(price != empty for price in prices[count:]) or any(sizes[count:]):
            return "a level beyond an empty one, or an empty one with a size"
        del prices[count:], sizes[count:]
    if not prices:
        return ""
    if min(sizes) <= 0 or min(prices) <= 0:
        return "a price or size that is not positive"
    if prices != sorted(set(prices), reverse=empty == _NO_BID):
        return "levels are not in order of price"
    return ""


def _out_of_step(message: _Message, before: _Book, after: _Book) -> str:
    """What of the change from one book to the next the message between them does not explain.

    Every one of the 300,000 rows of the public samples passes; a row lost or doubled in one of the two files,
    or a digit changed, does not.
    """
    kind = message.type
    if kind >= _HIDDEN_EXECUTION:
        return "" if before == after else "the book changed, but nothing displayed was added or taken"
    if message.direction == 1:
        mine, now, other = before.bids, after.bids, before.asks == after.asks
    else:
        mine, now, other = before.asks, after.asks, before.bids == after.bids
    if not other:
        return "the other side of the book changed"
    price = message.price
    had = has = 0
    left = set(mine)
    came = left.symmetric_difference(now)
    for level in came:
        if level[0] != price:
            # A level that appears pushes the last one out of sight, one that goes lets the next be seen.
            if level != mine[-1] and level != now[-1]:
                return f"level {level[0]} changed, where the message is at {price}"
        elif level in left:
            had = level[1]
        else:
            has = level[1]
    due = message.size if kind == _NEW else -message.size
    return "" if has - had == due else f"{has} at {price} after {had}, where the message is of {due}"
