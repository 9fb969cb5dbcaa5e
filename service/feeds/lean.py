"""LEAN folders: consolidated trades and quotes of one instrument, a pair of zips a day.

Format: https://github.com/QuantConnect/Lean/tree/master/Data/equity. Rows carry milliseconds after midnight
in New York and prices x 10,000. A quote row updates one side; the last bid row and the last ask row
together are the NBBO.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Final, NamedTuple

import msgspec

from service.feeds import archive
from service.feeds.exchange_time import (
    EXTENDED_CLOSE,
    EXTENDED_OPEN,
    REGULAR_CLOSE,
    REGULAR_OPEN,
    midnight,
    parse_date,
)
from service.feeds.source import Source, SourceError, SourceOptions, known_instrument
from service.model.market import BookSnapshot, MarketEvent, Trade, TradingPhase, TradingStatus
from service.model.time import DAY, MILLISECOND

_FILE: Final = re.compile(r"(?P<date>\d{8})_(?P<kind>trade|quote)\.zip")

# Bits of a trade's condition.
OPENING_AUCTION: Final = 0x40
CLOSING_AUCTION: Final = 0x80
DERIVATIVELY_PRICED: Final = 0x200
EXTENDED_HOURS: Final = 0x2000
AVERAGE_PRICE: Final = 0x100000

_NOT_VOLUME: Final = DERIVATIVELY_PRICED | EXTENDED_HOURS | AVERAGE_PRICE
_AUCTION: Final = OPENING_AUCTION | CLOSING_AUCTION

_integers: Final = msgspec.json.Decoder(list[int]).decode
_DIGITS: Final = b"0123456789,"
_HEX: Final = b"0123456789abcdefABCDEF"

_Level = tuple[int, int]


class _BadRowError(ValueError):
    """A row that is not what the format says."""


class _Quote(NamedTuple):
    ms: int
    bid: _Level
    ask: _Level


class _Print(NamedTuple):
    ms: int
    price: int
    size: int
    condition: int
    flags: str
    suspicious: bool


class Lean(Source):
    """One instrument on one day of the consolidated tape."""

    accepts: ClassVar[str] = "a LEAN folder SYMBOL/ with DATE_trade.zip and DATE_quote.zip (and a date)"

    def __init__(self, folder: Path, date: str, files: dict[str, str], options: SourceOptions) -> None:
        symbol = folder.resolve().name.upper()
        self._folder = folder
        self._zips = {kind: folder / f"{date}_{kind}.zip" for kind in ("trade", "quote")}
        self._files = files
        self._midnight = midnight(parse_date(date))
        instrument = known_instrument(options.reference, symbol, str(folder))
        self._venue = instrument.venue
        self._scale = 10 ** (instrument.price_exponent - 4)
        self._extended = options.extended_hours
        hours = (EXTENDED_OPEN, EXTENDED_CLOSE) if self._extended else (REGULAR_OPEN, REGULAR_CLOSE)
        self._hours = (hours[0] // MILLISECOND, hours[1] // MILLISECOND)
        session = (self._midnight + hours[0], self._midnight + hours[1])
        super().__init__("lean", (symbol,), session, options)

    @classmethod
    def recognises(cls, spec: str) -> bool:
        """A folder that holds DATE_trade.zip or DATE_quote.zip files."""
        path = Path(spec)
        return path.is_dir() and any(_FILE.fullmatch(entry.name) for entry in path.iterdir())

    @classmethod
    def open(cls, spec: str, options: SourceOptions) -> Lean:
        """Find the day and check both zips."""
        folder = Path(spec)
        dates: dict[str, set[str]] = {}
        for entry in folder.iterdir():
            match = _FILE.fullmatch(entry.name)
            if match is not None:
                dates.setdefault(match["date"], set()).add(match["kind"])
        if options.date is not None:
            date = parse_date(options.date).strftime("%Y%m%d")
        elif len(dates) == 1:
            date = next(iter(dates))
        else:
            raise SourceError(f"{folder}: several days, give a date: {', '.join(sorted(dates))}")
        if date not in dates:
            raise SourceError(f"{folder}: nothing of {date}; there is {', '.join(sorted(dates))}")
        missing = {"trade", "quote"} - dates[date]
        if missing:
            raise SourceError(f"{folder}: {date}_{missing.pop()}.zip is missing")
        files: dict[str, str] = {}
        for kind in ("trade", "quote"):
            path = folder / f"{date}_{kind}.zip"
            names = [n for n in archive.members(path) if n.lower().endswith(".csv")]
            if len(names) != 1 or date not in names[0] or kind not in names[0].lower():
                raise SourceError(f"{path}: holds {names}, not the one {kind} file of {date}")
            archive.verify(path, names[0])
            files[kind] = names[0]
        return cls(folder, date, files, options)

    def _events(self) -> Iterator[MarketEvent]:
        opens, closes = self._hours
        symbol, venue = self.symbols[0], self._venue
        seq = 1
        hours = "extended hours" if self._extended else "session"
        yield self._status(self.session_start, seq, TradingPhase.CONTINUOUS, f"{hours} opens")
        shown: tuple[_Level, _Level] | None = None
        for event in self._merged():
            if event.ms >= closes:
                break
            if isinstance(event, _Quote):
                # Before the open a quote only becomes the book that the session opens with.
                if shown == event[1:]:
                    continue
                shown = event[1:]
                seq += 1
                yield BookSnapshot(
                    symbol=symbol,
                    venue=venue,
                    ts_event=self._midnight + max(event.ms, opens) * MILLISECOND,
                    ts_utc=0,
                    seq=seq,
                    bids=(event.bid,) if event.bid[0] else (),
                    asks=(event.ask,) if event.ask[0] else (),
                )
            elif event.ms >= opens:
                seq += 1
                yield Trade(
                    symbol=symbol,
                    venue=venue,
                    ts_event=self._midnight + event.ms * MILLISECOND,
                    ts_utc=0,
                    seq=seq,
                    price=event.price,
                    quantity=event.size,
                    auction=bool(event.condition & _AUCTION),
                    eligible=not (event.condition & _NOT_VOLUME or event.suspicious),
                    flags=event.flags,
                )
        yield self._status(self.session_end, seq + 1, TradingPhase.CLOSED, f"{hours} closes")

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

    def _merged(self) -> Iterator[_Quote | _Print]:
        """Prints and joined quotes by time; prints first within a millisecond, as what moved the quote.

        Of the quotes before the open only the newest comes, and none after the close.
        """
        prints = self._prints()
        printed = next(prints, None)
        opens, closes = self._hours
        opening: _Quote | None = None
        for quote in self._quotes():
            if quote.ms < opens:
                opening = quote
                continue
            if opening is not None:
                yield opening
                opening = None
            if quote.ms >= closes:
                break
            while printed is not None and printed.ms <= quote.ms:
                yield printed
                printed = next(prints, None)
            yield quote
        if opening is not None:
            yield opening
        while printed is not None:
            yield printed
            printed = next(prints, None)

    def _quotes(self) -> Iterator[_Quote]:
        """The NBBO after all rows of each millisecond."""
        name = self._files["quote"]
        where = f"{self._zips['quote']}: {name} row"
        scale = self._scale
        bid: _Level = (0, 0)
        ask: _Level = (0, 0)
        now = -1
        number = 0
        for number, line in enumerate(archive.rows(self._zips["quote"], name), 1):
            try:
                ms, bid_price, bid_size, ask_price, ask_size, _, suspicious = _fields(line, 5)
                _check_quote(bid_price, bid_size, ask_price, ask_size)
            except _BadRowError as error:
                self.repaired("bad_row", f"{where} {number}", f"{line!r}: {error}; left out")
                continue
            if ms != now:
                if ms > now:
                    if now >= 0:
                        yield self._joined(now, bid, ask, number - 1, where)
                    now = ms
                else:
                    self._back(f"{where} {number}", ms, now)
            if suspicious:
                self.repaired("suspicious_quote", f"{where} {number}", "marked suspicious; left out")
                continue
            if bid_price:
                bid = (bid_price * scale, bid_size)
            if ask_price:
                ask = (ask_price * scale, ask_size)
        if now < 0:
            raise SourceError(f"{where.removesuffix(' row')}: no quotes in it")
        yield self._joined(now, bid, ask, number, where)

    def _joined(self, ms: int, bid: _Level, ask: _Level, number: int, where: str) -> _Quote:
        """The book after one millisecond; crossed is judged here, as its rows cross each other in between.

        A crossed NBBO happens in truth. It is passed on, so that whoever judges the market sees it.
        """
        if bid[0] > ask[0] > 0 and self._hours[0] <= ms < self._hours[1]:
            self.repaired(
                "crossed_quote", f"{where} {number}", f"bid {bid[0]} above ask {ask[0]}; passed on as it is"
            )
        return _Quote(ms, bid, ask)

    def _prints(self) -> Iterator[_Print]:
        name = self._files["trade"]
        where = f"{self._zips['trade']}: {name} row"
        scale = self._scale
        now = 0
        opens, closes = self._hours
        number = 0
        for number, line in enumerate(archive.rows(self._zips["trade"], name), 1):
            try:
                ms, price, size, condition, suspicious = _fields(line, 3)
                if price <= 0 or size <= 0:
                    raise _BadRowError(f"price {price} or size {size} is not positive")
            except _BadRowError as error:
                self.repaired("bad_row", f"{where} {number}", f"{line!r}: {error}; left out")
                continue
            if ms < now:
                self._back(f"{where} {number}", ms, now)
                ms = now
            now = ms
            if opens <= ms < closes:
                yield _Print(ms, price * scale, size, condition, f"{condition:x}", bool(suspicious))
        if number == 0:
            raise SourceError(f"{where.removesuffix(' row')}: no trades in it")

    def _back(self, where: str, ms: int, now: int) -> None:
        self.repaired(
            "time_backwards", where, f"time runs back by {now - ms} ms; taken as the time of the row before"
        )


def _fields(line: bytes, integers: int) -> list[int]:
    """Milliseconds, prices and sizes (``integers`` of them), then condition and suspicious.

    Raises:
        _BadRowError: If a column is missing, too many, or not what it should be.
    """
    columns = line.rstrip(b"\r\n").rsplit(b",", 3)
    if len(columns) != 4:
        raise _BadRowError("columns are missing")
    numbers, exchange, condition, suspicious = columns
    if not numbers or numbers.translate(None, _DIGITS):
        raise _BadRowError("not all numbers are digits")
    try:
        row = _integers(b"[%b]" % numbers)
    except msgspec.DecodeError as error:
        raise _BadRowError(str(error)) from error
    if len(row) != integers:
        raise _BadRowError(f"{len(row) + 3} columns, not {integers + 3}")
    if row[0] * MILLISECOND >= DAY:
        raise _BadRowError(f"{row[0]} ms is past midnight")
    if not exchange.isalpha():
        raise _BadRowError(f"exchange {exchange!r} is not a name")
    if not condition or condition.strip(_HEX):
        raise _BadRowError(f"condition {condition!r} is not hexadecimal")
    if suspicious not in (b"0", b"1"):
        raise _BadRowError(f"suspicious is {suspicious!r}, neither 0 nor 1")
    row.append(int(condition, 16))
    row.append(suspicious == b"1")
    return row


def _check_quote(bid_price: int, bid_size: int, ask_price: int, ask_size: int) -> None:
    """A row has a price and a size for at least one side, and both or none for each.

    Raises:
        _BadRowError: If not.
    """
    if bool(bid_price) != bool(bid_size) or bool(ask_price) != bool(ask_size):
        raise _BadRowError("a price without a size, or a size without a price")
    if not bid_price and not ask_price:
        raise _BadRowError("neither a bid nor an ask")
