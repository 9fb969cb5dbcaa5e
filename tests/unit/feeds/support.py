"""Small LOBSTER and LEAN files, right in every row, for tests to break."""

import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from service.model.market import BookSnapshot, MarketEvent, Trade, TradingStatus
from service.model.reference import load_reference
from service.settings import ROOT

REFERENCE = load_reference(ROOT / "deploy" / "reference.toml")

# 09:30 and 16:00 in New York on 21 June 2012, in summer time.
OPEN_2012 = 1_340_285_400_000_000_000
CLOSE_2012 = 1_340_308_800_000_000_000

LOBSTER_MESSAGES = (
    "34200.015105074,4,15818974,4,5794000,1",
    "34200.113246707,5,0,1,5795050,1",
    "34201.5,1,7,100,5795000,1",
    "34201.500000001,4,8,60,5802300,-1",
    "34202,7,0,0,-1,-1",
    "34203,7,0,0,1,-1",
    "34203.25,6,-1,500,5800000,-1",
    "34204,3,7,100,5795000,1",
    "34205,2,8,10,5802300,-1",
)
_TOUCH = "5802300,100,5794000,496,5804300,100,5787000,400"
LOBSTER_BOOKS = (
    _TOUCH,
    _TOUCH,
    "5802300,100,5795000,100,5804300,100,5794000,496",
    "5802300,40,5795000,100,5804300,100,5794000,496",
    "5802300,40,5795000,100,5804300,100,5794000,496",
    "5802300,40,5795000,100,5804300,100,5794000,496",
    "5802300,40,5795000,100,5804300,100,5794000,496",
    "5802300,40,5794000,496,5804300,100,5787000,400",
    "5802300,30,5794000,496,5804300,100,5787000,400",
)

LEAN_QUOTES = (
    "34199000,490000,300,0,0,P,1,0",
    "34199000,0,0,490100,500,Q,1,0",
    "34201000,490200,200,0,0,P,1,0",
    "34201000,0,0,490300,100,Q,1,0",
    "34201007,490100,700,0,0,Z,1,0",
    "57600001,0,0,490400,100,Q,1,0",
)
LEAN_TRADES = (
    "30000000,489000,100,Q,2000,0",
    "34200500,490100,1200,N,40,0",
    "34201000,490150,100,D,1,0",
    "34201002,490200,100,Q,20000020,0",
    "34201003,480000,100,D,200,0",
    "34201004,480000,100,D,20100000,0",
    "34201005,490200,100,Q,1,1",
    "57607744,490300,90000,N,80,0",
)


def lines(rows: Iterable[str]) -> bytes:
    return "".join(f"{row}\n" for row in rows).encode()


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def lobster(
    folder: Path,
    messages: Sequence[str] | bytes = LOBSTER_MESSAGES,
    books: Sequence[str] | bytes = LOBSTER_BOOKS,
    *,
    symbol: str = "GOOG",
    levels: int = 2,
) -> Path:
    """A LOBSTER zip of these rows, or of these bytes."""
    stem = f"{symbol}_2012-06-21_34200000_57600000"
    files = {
        f"{stem}_message_{levels}.csv": messages if isinstance(messages, bytes) else lines(messages),
        f"{stem}_orderbook_{levels}.csv": books if isinstance(books, bytes) else lines(books),
        "LOBSTER_SampleFiles_ReadMe.txt": b"read me",
    }
    return zipped(folder / "sample.zip", files)


def lean(
    folder: Path,
    quotes: Sequence[str] | bytes = LEAN_QUOTES,
    trades: Sequence[str] | bytes = LEAN_TRADES,
    *,
    symbol: str = "aig",
    date: str = "20131007",
) -> Path:
    """A LEAN folder with one day of these rows."""
    home = folder / symbol
    home.mkdir(exist_ok=True)
    for kind, rows in (("quote", quotes), ("trade", trades)):
        content = rows if isinstance(rows, bytes) else lines(rows)
        zipped(home / f"{date}_{kind}.zip", {f"{date}_{symbol}_{kind.title()}_Tick.csv": content})
    return home


def books_of(events: Iterable[MarketEvent]) -> list[BookSnapshot]:
    return [event for event in events if isinstance(event, BookSnapshot)]


def trades_of(events: Iterable[MarketEvent]) -> list[Trade]:
    return [event for event in events if isinstance(event, Trade)]


def statuses_of(events: Iterable[MarketEvent]) -> list[TradingStatus]:
    return [event for event in events if isinstance(event, TradingStatus)]
