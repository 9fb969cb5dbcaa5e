from pathlib import Path

import pytest

from service.feeds.source import SourceError, open_source
from service.model.market import MarketEvent, Trade, TradingPhase
from service.model.time import MILLISECOND
from tests.unit.feeds.support import (
    LEAN_QUOTES,
    LEAN_TRADES,
    REFERENCE,
    books_of,
    lean,
    statuses_of,
    trades_of,
    zipped,
)

# Midnight in New York on 7 October 2013, in summer time.
DAY = 1_381_118_400_000_000_000
DATE = "20131007"


def read(folder: Path, **options: object) -> list[MarketEvent]:
    return list(open_source(str(folder), DATE, REFERENCE, **options).events())


def test_book_when_the_session_opens_then_the_quote_from_before_stands(tmp_path: Path) -> None:
    first = books_of(read(lean(tmp_path)))[0]
    assert first.ts_event == DAY + 34_200_000 * MILLISECOND
    assert (first.bids, first.asks, first.venue) == (((490_000, 300),), ((490_100, 500),), "NBBO")


def test_quotes_when_of_one_millisecond_then_one_book(tmp_path: Path) -> None:
    # Row by row the bid of 490200 would cross the ask of 490100 that was standing.
    source = open_source(str(lean(tmp_path)), DATE, REFERENCE, trouble="strict")
    books = books_of(source.events())
    assert [(b.bids[0], b.asks[0]) for b in books[1:]] == [
        ((490_200, 200), (490_300, 100)),
        ((490_100, 700), (490_300, 100)),
    ]
    assert not source.repairs


def test_quotes_when_they_change_nothing_then_no_book(tmp_path: Path) -> None:
    quotes = [*LEAN_QUOTES[:5], "34201008,490100,700,0,0,Z,1,0", LEAN_QUOTES[5]]
    assert len(books_of(read(lean(tmp_path, quotes)))) == 3


def test_trades_when_of_the_millisecond_of_a_quote_then_before_it(tmp_path: Path) -> None:
    events = read(lean(tmp_path))
    at = DAY + 34_201_000 * MILLISECOND
    assert [type(e) is Trade for e in events if e.ts_event == at] == [True, False]
    assert [e.seq for e in events] == list(range(1, len(events) + 1))


def test_trades_when_conditions_say_so_then_auction_or_not_eligible(tmp_path: Path) -> None:
    trades = trades_of(read(lean(tmp_path)))
    assert [(t.flags, t.auction, t.eligible) for t in trades] == [
        ("40", True, True),
        ("1", False, True),
        ("20000020", False, True),
        ("200", False, False),
        ("20100000", False, False),
        ("1", False, False),
    ]
    assert trades[1].price == 490_150


def test_hours_when_regular_then_status_at_open_and_close(tmp_path: Path) -> None:
    events = read(lean(tmp_path))
    assert [(s.phase, s.ts_event) for s in statuses_of(events)] == [
        (TradingPhase.CONTINUOUS, DAY + 34_200_000 * MILLISECOND),
        (TradingPhase.CLOSED, DAY + 57_600_000 * MILLISECOND),
    ]
    assert events[-1].phase is TradingPhase.CLOSED


def test_hours_when_extended_then_prints_outside_too(tmp_path: Path) -> None:
    source = open_source(str(lean(tmp_path)), DATE, REFERENCE, extended_hours=True)
    trades = trades_of(source.events())
    assert [t.flags for t in (trades[0], trades[-1])] == ["2000", "80"]
    assert (trades[0].eligible, trades[-1].auction) == (False, True)
    assert source.session_end - source.session_start == 16 * 3_600_000 * MILLISECOND


def test_quotes_when_crossed_after_joining_then_refused_or_passed_on_and_counted(tmp_path: Path) -> None:
    folder = lean(tmp_path, [*LEAN_QUOTES[:5], "34201009,490400,100,0,0,Z,1,0", LEAN_QUOTES[5]])
    with pytest.raises(SourceError, match=r"row 6: bid 490400 above ask 490300.*crossed_quote"):
        read(folder, trouble="strict")
    source = open_source(str(folder), DATE, REFERENCE)
    last = books_of(source.events())[-1]
    assert last.bids[0][0] > last.asks[0][0]
    assert source.repairs == {"crossed_quote": 1}


def test_quotes_when_locked_then_legal(tmp_path: Path) -> None:
    folder = lean(tmp_path, [*LEAN_QUOTES[:5], "34201009,490300,100,0,0,Z,1,0", LEAN_QUOTES[5]])
    last = books_of(read(folder, trouble="strict"))[-1]
    assert last.bids[0][0] == last.asks[0][0]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("34201000,490200,200,0,P,1,0", "7 columns, not 8"),
        ("34201000,490200,0,0,0,P,1,0", "a price without a size"),
        ("34201000,0,0,0,0,P,1,0", "neither a bid nor an ask"),
        ("34201000,490200,2e2,0,0,P,1,0", "not all numbers are digits"),
        ("34201000,490200,-200,0,0,P,1,0", "not all numbers are digits"),
        ("34201000,490200,200,0,0,P,zz,0", "not hexadecimal"),
        ("34201000,490200,200,0,0,P,1,2", "neither 0 nor 1"),
        ("34201000,490200,200,0,0,?,1,0", "is not a name"),
        ("94201000,490200,200,0,0,P,1,0", "past midnight"),
        ("490", "columns are missing"),
    ],
)
def test_quote_when_it_cannot_be_true_then_refused_by_row_or_left_out(
    tmp_path: Path, row: str, why: str
) -> None:
    folder = lean(tmp_path, [*LEAN_QUOTES[:2], row, *LEAN_QUOTES[4:]])
    with pytest.raises(SourceError, match=r"Quote_Tick\.csv row 3") as error:
        read(folder, trouble="strict")
    assert why in str(error.value)
    source = open_source(str(folder), DATE, REFERENCE)
    assert len(books_of(source.events())) == 2
    assert source.repairs == {"bad_row": 1}


def test_trade_when_it_cannot_be_true_then_refused_by_row_or_left_out(tmp_path: Path) -> None:
    folder = lean(tmp_path, LEAN_QUOTES, [*LEAN_TRADES[:3], "34201001,0,100,D,1,0", *LEAN_TRADES[3:]])
    with pytest.raises(SourceError, match=r"Trade_Tick.csv row 4.*price 0"):
        read(folder, trouble="strict")
    source = open_source(str(folder), DATE, REFERENCE)
    assert len(trades_of(source.events())) == 6
    assert source.repairs == {"bad_row": 1}


@pytest.mark.parametrize("kind", ["quote", "trade"])
def test_time_when_running_backwards_then_refused_or_held(tmp_path: Path, kind: str) -> None:
    quotes, trades = list(LEAN_QUOTES), list(LEAN_TRADES)
    if kind == "quote":
        quotes.insert(5, "34201006,490000,700,0,0,Z,1,0")
    else:
        trades.insert(3, "34200999,490200,100,Q,1,0")
    folder = lean(tmp_path, quotes, trades)
    with pytest.raises(SourceError, match=r"time runs back by 1 ms.*time_backwards"):
        read(folder, trouble="strict")
    source = open_source(str(folder), DATE, REFERENCE)
    times = [event.ts_event for event in source.events()]
    assert times == sorted(times)
    assert source.repairs == {"time_backwards": 1}


def test_quote_when_suspicious_then_left_out_and_counted(tmp_path: Path) -> None:
    source = open_source(
        str(lean(tmp_path, [*LEAN_QUOTES[:5], "34201009,480000,100,0,0,Z,1,1"])), DATE, REFERENCE
    )
    assert books_of(source.events())[-1].bids[0][0] == 490_100
    assert source.repairs == {"suspicious_quote": 1}


def test_date_when_there_are_several_then_asked_for(tmp_path: Path) -> None:
    lean(tmp_path)
    folder = lean(tmp_path, date="20131008")
    with pytest.raises(SourceError, match="several days, give a date: 20131007, 20131008"):
        open_source(str(folder), None, REFERENCE)
    with pytest.raises(SourceError, match="nothing of 20131009"):
        open_source(str(folder), "20131009", REFERENCE)


def test_date_when_there_is_one_then_taken(tmp_path: Path) -> None:
    assert open_source(str(lean(tmp_path)), None, REFERENCE).session_start == DAY + 34_200_000 * MILLISECOND


def test_folder_when_a_zip_is_missing_then_refused(tmp_path: Path) -> None:
    folder = lean(tmp_path)
    (folder / f"{DATE}_trade.zip").unlink()
    with pytest.raises(SourceError, match=r"20131007_trade\.zip is missing"):
        open_source(str(folder), DATE, REFERENCE)


def test_zip_when_it_holds_another_day_then_refused(tmp_path: Path) -> None:
    folder = lean(tmp_path)
    zipped(folder / f"{DATE}_trade.zip", {"20131008_aig_Trade_Tick.csv": b""})
    with pytest.raises(SourceError, match="not the one trade file of 20131007"):
        open_source(str(folder), DATE, REFERENCE)


def test_zip_when_cut_short_then_refused_at_opening(tmp_path: Path) -> None:
    folder = lean(tmp_path)
    path = folder / f"{DATE}_quote.zip"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(SourceError, match="not a whole zip file"):
        open_source(str(folder), DATE, REFERENCE)


@pytest.mark.parametrize(("quotes", "trades"), [((), LEAN_TRADES), (LEAN_QUOTES, ())])
def test_files_when_without_rows_then_refused(
    tmp_path: Path, quotes: tuple[str, ...], trades: tuple[str, ...]
) -> None:
    with pytest.raises(SourceError, match=r"no (quotes|trades) in it"):
        read(lean(tmp_path, quotes, trades))
