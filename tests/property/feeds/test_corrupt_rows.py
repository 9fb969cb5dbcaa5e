"""Whatever is done to a row, it is read as it was, refused by name, or counted: never passed on silently."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from service.feeds.source import Source, SourceError, open_source
from service.model.market import MarketEvent
from tests.unit.feeds.support import (
    LEAN_QUOTES,
    LEAN_TRADES,
    LOBSTER_BOOKS,
    LOBSTER_MESSAGES,
    REFERENCE,
    lean,
    lines,
    lobster,
)

Break = Callable[[list[bytes]], list[bytes]]

# A condition of LEAN's is hexadecimal: one such digit in place of another is a row like any other.
_NOT_A_DIGIT = st.sampled_from([bytes([n]) for n in range(256) if n not in b"0123456789abcdefABCDEF"])


def _at(rows: list[bytes], row: int, change: Callable[[bytes], bytes]) -> list[bytes]:
    place = row % len(rows)
    return [change(line) if n == place else line for n, line in enumerate(rows)]


def _substitute(row: int, place: int, byte: bytes) -> Break:
    def change(line: bytes) -> bytes:
        at = place % (len(line) - 1)
        return line[:at] + byte + line[at + 1 :]

    return lambda rows: _at(rows, row, change)


def _cut(row: int, place: int) -> Break:
    """The row loses its columns from one on."""

    def change(line: bytes) -> bytes:
        columns = line.rstrip().split(b",")
        return b",".join(columns[: place % len(columns)]) + b"\n"

    return lambda rows: _at(rows, row, change)


def _more(row: int, column: bytes) -> Break:
    return lambda rows: _at(rows, row, lambda line: line.rstrip() + b"," + column + b"\n")


def _negate(row: int, place: int) -> Break:
    """A column other than the last, which says the side of an order: there a sign has a meaning."""

    def change(line: bytes) -> bytes:
        columns = line.rstrip().split(b",")
        at = place % (len(columns) - 1)
        columns[at] = b"-" + columns[at].lstrip(b"-0.")
        return b",".join(columns) + b"\n"

    return lambda rows: _at(rows, row, change)


def _lose(row: int) -> Break:
    return lambda rows: rows[: row % len(rows)] + rows[row % len(rows) + 1 :]


def _twice(row: int) -> Break:
    return lambda rows: rows[: row % len(rows) + 1] + rows[row % len(rows) :]


def _noise(row: int, noise: bytes) -> Break:
    return lambda rows: _at(rows, row, lambda line: noise.replace(b"\n", b"") + b"\n")


_PLACES = st.integers(0, 10_000)
_ROW_BREAKS = st.one_of(
    st.builds(_substitute, _PLACES, _PLACES, _NOT_A_DIGIT),
    st.builds(_cut, _PLACES, _PLACES),
    st.builds(_more, _PLACES, st.sampled_from([b"", b"0", b"7", b"x"])),
    st.builds(_noise, _PLACES, st.binary(max_size=30)),
)
_LOBSTER_BREAKS = st.one_of(
    _ROW_BREAKS,
    st.builds(_negate, _PLACES, _PLACES),
    st.builds(_lose, _PLACES),
    st.builds(_twice, _PLACES),
)


def _split(content: bytes) -> list[bytes]:
    return content.splitlines(keepends=True)


def _read(source: Source) -> list[MarketEvent] | SourceError:
    try:
        return list(source.events())
    except SourceError as error:
        return error


def _judge(spec: Path, right: list[MarketEvent], names: tuple[str, ...]) -> None:
    strict = open_source(str(spec), None, REFERENCE, trouble="strict")
    found = _read(strict)
    if isinstance(found, SourceError):
        assert any(name in str(found) for name in names)
        assert "row" in str(found)
    else:
        assert found == right
    mended = open_source(str(spec), None, REFERENCE)
    events = _read(mended)
    if not isinstance(events, SourceError):
        assert events == right or mended.repairs
        times = [event.ts_event for event in events]
        assert times == sorted(times)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))


@given(breaks=_LOBSTER_BREAKS, of_book=st.booleans())
@example(breaks=_substitute(0, 5, b","), of_book=False)
@example(breaks=_substitute(3, 2, b"\r"), of_book=True)
def test_lobster_when_a_row_is_corrupt_then_never_passed_on_in_silence(breaks: Break, of_book: bool) -> None:
    messages, books = lines(LOBSTER_MESSAGES), lines(LOBSTER_BOOKS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        right = list(open_source(str(lobster(folder)), None, REFERENCE).events())
        if of_book:
            books = b"".join(breaks(_split(books)))
        else:
            messages = b"".join(breaks(_split(messages)))
        _judge(lobster(folder, messages, books), right, ("message_2.csv", "orderbook_2.csv"))


@given(breaks=_ROW_BREAKS, of_trades=st.booleans())
def test_lean_when_a_row_is_corrupt_then_never_passed_on_in_silence(breaks: Break, of_trades: bool) -> None:
    quotes, trades = lines(LEAN_QUOTES), lines(LEAN_TRADES)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        right = list(open_source(str(lean(folder)), None, REFERENCE).events())
        if of_trades:
            trades = b"".join(breaks(_split(trades)))
        else:
            quotes = b"".join(breaks(_split(quotes)))
        _judge(lean(folder, quotes, trades), right, ("Quote_Tick.csv", "Trade_Tick.csv"))


@given(row=_PLACES, place=_PLACES, digit=st.sampled_from([b"%d" % n for n in range(10)]))
def test_lobster_book_when_a_digit_changes_then_out_of_step_with_its_message(
    row: int, place: int, digit: bytes
) -> None:
    # The first book stands against nothing, and the last level of a side may be one that came into sight.
    books = _split(lines(LOBSTER_BOOKS))
    at = 1 + row % (len(books) - 1)
    touch = b",".join(books[at].split(b",")[:4])
    spot = place % len(touch)
    books[at] = books[at][:spot] + digit + books[at][spot + 1 :]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        right = list(open_source(str(lobster(folder)), None, REFERENCE).events())
        _judge(lobster(folder, LOBSTER_MESSAGES, b"".join(books)), right, ("orderbook_2.csv",))
