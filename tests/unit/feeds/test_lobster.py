from pathlib import Path

import pytest

from service.feeds.source import SourceError, open_source
from service.model.market import Aggressor, BookSnapshot, MarketEvent, Trade, TradingPhase
from tests.unit.feeds.support import (
    CLOSE_2012,
    LOBSTER_BOOKS,
    LOBSTER_MESSAGES,
    OPEN_2012,
    REFERENCE,
    books_of,
    lobster,
    statuses_of,
    trades_of,
    zipped,
)


def read(path: Path, **options: object) -> list[MarketEvent]:
    return list(open_source(str(path), None, REFERENCE, **options).events())


def changed(rows: tuple[str, ...], number: int, row: str) -> list[str]:
    """The rows with row ``number``, counted from 1, replaced."""
    return [row if n == number else old for n, old in enumerate(rows, 1)]


def test_events_when_the_file_is_right_then_numbered_and_nothing_mended(tmp_path: Path) -> None:
    source = open_source(str(lobster(tmp_path)), None, REFERENCE, trouble="strict")
    events = list(source.events())
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert {(event.symbol, event.venue, event.ts_utc) for event in events} == {("GOOG", "XNAS", 0)}
    assert not source.repairs


def test_execution_when_visible_then_trade_first_and_aggressor_opposite(tmp_path: Path) -> None:
    events = read(lobster(tmp_path))
    first, after = events[1], events[2]
    assert isinstance(first, Trade)
    assert (first.price, first.quantity, first.aggressor, first.hidden) == (
        5_794_000,
        4,
        Aggressor.SELL,
        False,
    )
    assert isinstance(after, BookSnapshot)
    assert after.ts_event == first.ts_event == OPEN_2012 + 15_105_074
    assert after.bids == ((5_794_000, 496), (5_787_000, 400))
    assert after.asks == ((5_802_300, 100), (5_804_300, 100))


def test_execution_when_hidden_then_half_a_tick_stays(tmp_path: Path) -> None:
    hidden = trades_of(read(lobster(tmp_path)))[1]
    assert (hidden.price, hidden.hidden, hidden.auction) == (5_795_050, True, False)


def test_execution_when_a_sell_order_rested_then_a_buyer_took(tmp_path: Path) -> None:
    taken = trades_of(read(lobster(tmp_path)))[2]
    assert (taken.aggressor, taken.ts_event) == (Aggressor.BUY, OPEN_2012 + 1_500_000_001)


def test_cross_when_type_6_then_auction_without_aggressor(tmp_path: Path) -> None:
    cross = trades_of(read(lobster(tmp_path)))[3]
    assert (cross.auction, cross.aggressor, cross.quantity) == (True, Aggressor.UNKNOWN, 500)


def test_status_when_session_and_halt_then_said(tmp_path: Path) -> None:
    statuses = statuses_of(read(lobster(tmp_path)))
    assert [(s.phase, s.ts_event) for s in statuses] == [
        (TradingPhase.CONTINUOUS, OPEN_2012),
        (TradingPhase.HALTED, OPEN_2012 + 2_000_000_000),
        (TradingPhase.CONTINUOUS, OPEN_2012 + 3_000_000_000),
        (TradingPhase.CLOSED, CLOSE_2012),
    ]


def test_levels_when_dummies_then_dropped(tmp_path: Path) -> None:
    books = ["5802300,100,5794000,500,9999999999,0,-9999999999,0"]
    book = books_of(read(lobster(tmp_path, ["34200.5,1,1,500,5794000,1"], books)))[0]
    assert (book.bids, book.asks) == (((5_794_000, 500),), ((5_802_300, 100),))


def test_levels_when_a_side_is_empty_then_no_levels(tmp_path: Path) -> None:
    books = ["9999999999,0,5794000,500,9999999999,0,-9999999999,0"]
    assert books_of(read(lobster(tmp_path, ["34200.5,1,1,500,5794000,1"], books)))[0].asks == ()


def test_time_when_finer_than_nanoseconds_then_cut(tmp_path: Path) -> None:
    messages = changed(LOBSTER_MESSAGES, 1, "34200.015105074004,4,15818974,4,5794000,1")
    assert read(lobster(tmp_path, messages), trouble="strict")[1].ts_event == OPEN_2012 + 15_105_074


@pytest.mark.parametrize(
    ("row", "message", "why"),
    [
        (2, "34200.1x,5,0,1,5795050,1", "not seconds after midnight"),
        (2, "34200.1,5,0,1,5795050", "expected 5"),
        (3, "34201.5,1,7,-100,5795000,1", "size -100 is not positive"),
        (3, "34201.5,9,7,100,5795000,1", "type 9"),
        (3, "34201.5,1,7,100,5795000,2", "direction 2"),
        (3, "34201.5,1,7,1_00,5795000,1", "not all integers"),
        (5, "34202,7,0,0,3,-1", "halt indicator 3"),
        (5, "34202,7,0,1,-1,-1", "size 1, direction -1"),
        (9, "57600.5,2,8,10,5802300,-1", "outside the session"),
    ],
)
def test_message_when_it_cannot_be_true_then_refused_by_row_or_left_out(
    tmp_path: Path, row: int, message: str, why: str
) -> None:
    path = lobster(tmp_path, changed(LOBSTER_MESSAGES, row, message))
    with pytest.raises(SourceError) as error:
        read(path, trouble="strict")
    assert f"message_2.csv row {row}" in str(error.value)
    assert str(path) in str(error.value)
    if not why.startswith("expected"):
        assert why in str(error.value)
    source = open_source(str(path), None, REFERENCE)
    assert len(books_of(source.events())) == len(LOBSTER_BOOKS) - 1
    assert source.repairs["bad_row"] == 1


@pytest.mark.parametrize(
    ("book", "why"),
    [
        ("5802300,100,5794000,496,5804300,100", "6 columns, not 4 x 2"),
        ("5802300,100,5794000,496,5804300,100,5787000,4.0", "not all integers"),
        ("5802300,100,5794000,0,5804300,100,5787000,400", "not positive"),
        ("5804300,100,5794000,496,5802300,100,5787000,400", "not in order of price"),
        ("5802300,100,-9999999999,0,5804300,100,5787000,400", "beyond an empty one"),
    ],
)
def test_book_when_it_cannot_be_true_then_refused_by_row_or_left_out(
    tmp_path: Path, book: str, why: str
) -> None:
    path = lobster(tmp_path, LOBSTER_MESSAGES, changed(LOBSTER_BOOKS, 2, book))
    with pytest.raises(SourceError, match=r"orderbook_2\.csv row 2") as error:
        read(path, trouble="strict")
    assert why in str(error.value)
    source = open_source(str(path), None, REFERENCE)
    assert len(books_of(source.events())) == len(LOBSTER_BOOKS) - 1
    assert source.repairs["bad_row"] == 1


def test_book_when_crossed_then_refused_or_the_one_before_stands(tmp_path: Path) -> None:
    crossed = "5802300,100,5803000,496,5804300,100,5787000,400"
    path = lobster(tmp_path, LOBSTER_MESSAGES, changed(LOBSTER_BOOKS, 1, crossed))
    with pytest.raises(SourceError, match=r"row 1: bid 5803000 is not below ask 5802300.*crossed_book"):
        read(path, trouble="strict")
    source = open_source(str(path), None, REFERENCE)
    events = list(source.events())
    assert source.repairs["crossed_book"] == 1
    assert all(book.bids[0][0] < book.asks[0][0] for book in books_of(events))
    assert trades_of(events)[0].quantity == 4


def test_time_when_running_backwards_then_refused_or_held(tmp_path: Path) -> None:
    path = lobster(tmp_path, changed(LOBSTER_MESSAGES, 3, "34200.1,1,7,100,5795000,1"))
    with pytest.raises(SourceError, match=r"row 3: time runs back by 13246707 ns.*time_backwards"):
        read(path, trouble="strict")
    source = open_source(str(path), None, REFERENCE)
    times = [event.ts_event for event in source.events()]
    assert times == sorted(times)
    assert source.repairs == {"time_backwards": 1}


def test_book_when_not_what_the_message_leaves_then_out_of_step(tmp_path: Path) -> None:
    path = lobster(tmp_path, changed(LOBSTER_MESSAGES, 4, "34201.500000001,4,8,61,5802300,-1"))
    with pytest.raises(SourceError, match=r"orderbook_2.csv row 4: 40 at 5802300 after 100.*out_of_step"):
        read(path, trouble="strict")
    source = open_source(str(path), None, REFERENCE)
    list(source.events())
    assert source.repairs == {"out_of_step": 1}


def test_halt_when_already_halted_then_refused_or_counted(tmp_path: Path) -> None:
    path = lobster(tmp_path, changed(LOBSTER_MESSAGES, 6, "34203,7,0,0,-1,-1"))
    with pytest.raises(SourceError, match=r"row 6: halted, and halted again"):
        read(path, trouble="strict")
    source = open_source(str(path), None, REFERENCE)
    list(source.events())
    assert source.repairs == {"double_halt": 1}


@pytest.mark.parametrize(("messages", "books"), [(8, 9), (9, 8)])
def test_files_when_one_is_cut_short_then_refused_always(tmp_path: Path, messages: int, books: int) -> None:
    path = lobster(tmp_path, LOBSTER_MESSAGES[:messages], LOBSTER_BOOKS[:books])
    with pytest.raises(SourceError, match=r"ends at row 8 but .* goes on: cut short"):
        read(path)


def test_files_when_without_rows_then_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no rows in it"):
        read(lobster(tmp_path, [], []))


def test_zip_when_cut_short_then_refused_at_opening(tmp_path: Path) -> None:
    whole = lobster(tmp_path).read_bytes()
    path = tmp_path / "LOBSTER_cut.zip"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match="not a whole zip file"):
        open_source(str(path), None, REFERENCE)


def test_zip_when_a_byte_is_wrong_then_refused_at_opening(tmp_path: Path) -> None:
    path = lobster(tmp_path)
    data = bytearray(path.read_bytes())
    data[120] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(SourceError, match=r"message_2.csv: damaged"):
        open_source(str(path), None, REFERENCE)


def test_zip_when_the_files_are_not_of_one_book_then_refused(tmp_path: Path) -> None:
    path = zipped(
        tmp_path / "x.zip",
        {
            "GOOG_2012-06-21_34200000_57600000_message_2.csv": b"",
            "GOOG_2012-06-21_34200000_57600000_orderbook_5.csv": b"",
        },
    )
    with pytest.raises(SourceError, match="differ in levels"):
        open_source(str(path), None, REFERENCE)


def test_zip_when_one_file_is_missing_then_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"GOOG_2012-06-21_34200000_57600000_message_2.csv": b""})
    with pytest.raises(SourceError, match="no orderbook file"):
        open_source(str(path), None, REFERENCE)


def test_date_when_another_is_asked_for_then_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds 2012-06-21, not 20120622"):
        open_source(str(lobster(tmp_path)), "20120622", REFERENCE)
