"""The adapters on real files, held against the reference figures that were published with them."""

import itertools
import math
import statistics
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from service.feeds.source import open_source
from service.model.market import Aggressor, BookSnapshot, Trade, TradingPhase, TradingStatus
from service.model.reference import load_reference
from service.model.time import MINUTE, SECOND
from service.settings import ROOT
from tests.marketdata import require_marketdata

REFERENCE = load_reference(ROOT / "deploy" / "reference.toml")
GOOG = "lobster/LOBSTER_SampleFile_GOOG_2012-06-21_10.zip"
AMZN = "lobster/LOBSTER_SampleFile_AMZN_2012-06-21_5.zip"
DAYS = ("20131007", "20131008", "20131009", "20131010")


@dataclass
class Day:
    """What is measured of one session in one pass."""

    path: Path
    minutes: float = 0.0
    books: int = 0
    levels: int = 0
    touches: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    statuses: list[TradingStatus] = field(default_factory=list)
    repairs: dict[str, int] = field(default_factory=dict)
    crossed: int = 0
    ordered: bool = True

    def spread(self) -> float:
        """Ticks, weighted by time."""
        return self._weighted(lambda t: (t[2] - t[1]) / 100)

    def depth(self) -> float:
        """Shares a side at the touch, weighted by time."""
        return self._weighted(lambda t: (t[3] + t[4]) / 2)

    def _weighted(self, value: object) -> float:
        pairs = list(itertools.pairwise(self.touches))
        total = sum(b[0] - a[0] for a, b in pairs)
        return sum(value(a) * (b[0] - a[0]) for a, b in pairs) / total

    def minute_sd(self) -> float:
        """Standard deviation of one-minute mid returns, bps."""
        mids, due = [], self.touches[0][0] + SECOND
        for a, b in itertools.pairwise(self.touches):
            while b[0] > due:
                mids.append(a[1] + a[2])
                due += MINUTE
        return statistics.pstdev(1e4 * math.log(y / x) for x, y in itertools.pairwise(mids))

    def sign_autocorrelation(self, lag: int) -> float:
        """Of market orders: visible executions of one instant and side are one order."""
        visible = [t for t in self.trades if not t.hidden]
        orders = [key for key, _ in itertools.groupby((t.ts_event, t.aggressor) for t in visible)]
        signs = [1.0 if aggressor is Aggressor.BUY else -1.0 for _, aggressor in orders]
        mean = statistics.fmean(signs)
        pairs = zip(signs, signs[lag:], strict=False)
        return sum((x - mean) * (y - mean) for x, y in pairs) / sum((x - mean) ** 2 for x in signs)

    def trades_a_minute(self) -> float:
        return len(self.trades) / self.minutes


def read(relative: str, date: str | None = None, trouble: str = "repair") -> Day:
    path = require_marketdata(relative)
    source = open_source(str(path), date, REFERENCE, trouble=trouble)
    day = Day(path, (source.session_end - source.session_start) / MINUTE)
    last = (0, 0)
    for event in source.events():
        day.ordered &= event.ts_event >= last[0] and event.seq == last[1] + 1
        last = (event.ts_event, event.seq)
        if isinstance(event, BookSnapshot):
            day.books += 1
            day.levels = max(day.levels, len(event.bids), len(event.asks))
            if event.bids and event.asks:
                (bid, bids), (ask, asks) = event.bids[0], event.asks[0]
                day.crossed += bid > ask
                day.touches.append((event.ts_event, bid, ask, bids, asks))
        elif isinstance(event, Trade):
            day.trades.append(event)
        else:
            day.statuses.append(event)
    day.repairs = dict(source.repairs)
    return day


@pytest.fixture(scope="module")
def goog() -> Day:
    return read(GOOG, trouble="strict")


@pytest.fixture(scope="module")
def amzn() -> Day:
    return read(AMZN, trouble="strict")


def test_lobster_when_read_whole_then_every_row_a_book_and_nothing_mended(goog: Day, amzn: Day) -> None:
    assert (goog.books, goog.levels, goog.repairs) == (147_916, 10, {})
    assert (amzn.books, amzn.levels, amzn.repairs) == (155_935, 5, {})
    for day in (goog, amzn):
        assert day.ordered
        assert day.crossed == 0
        assert [s.phase for s in day.statuses] == [TradingPhase.CONTINUOUS, TradingPhase.CLOSED]


def test_lobster_when_measured_then_the_published_spread_and_depth(goog: Day, amzn: Day) -> None:
    assert goog.spread() == pytest.approx(27.3, abs=0.1)
    assert amzn.spread() == pytest.approx(12.9, abs=0.1)
    assert goog.depth() == pytest.approx(157, abs=1)
    assert amzn.depth() == pytest.approx(179, abs=1)


def test_lobster_when_counted_then_the_published_trades_and_half_ticks(goog: Day, amzn: Day) -> None:
    assert goog.trades_a_minute() == pytest.approx(30, abs=0.5)
    assert amzn.trades_a_minute() == pytest.approx(29, abs=0.5)
    assert sum(t.hidden and t.price % 100 == 50 for t in goog.trades) == 50
    assert sum(t.hidden and t.price % 100 == 50 for t in amzn.trades) == 63


def test_lobster_when_signs_are_correlated_then_the_published_figures(goog: Day, amzn: Day) -> None:
    found = [goog.sign_autocorrelation(lag) for lag in (1, 2, 5, 10)]
    assert found == pytest.approx([0.634, 0.455, 0.189, 0.050], abs=0.005)
    found = [amzn.sign_autocorrelation(lag) for lag in (1, 2, 5, 10)]
    assert found == pytest.approx([0.621, 0.443, 0.218, 0.079], abs=0.005)


def test_lobster_when_minutes_are_compared_then_the_published_volatility(goog: Day, amzn: Day) -> None:
    assert goog.minute_sd() == pytest.approx(5.2, abs=0.5)
    assert amzn.minute_sd() == pytest.approx(7.4, abs=0.5)


def test_lobster_when_executed_then_at_the_touch_that_stood(goog: Day) -> None:
    source = open_source(str(goog.path), None, REFERENCE)
    book: BookSnapshot | None = None
    for event in source.events():
        if isinstance(event, BookSnapshot):
            book = event
        elif isinstance(event, Trade) and not event.hidden and book is not None:
            side = book.asks if event.aggressor is Aggressor.BUY else book.bids
            assert event.price == side[0][0]
            assert event.quantity <= side[0][1]


@pytest.mark.parametrize(
    ("symbol", "spread", "depth", "trades", "minute_sd"),
    [
        ("bac", (0.95, 1.05), (63_000, 94_000), (218, 324), (4.7, 6.9)),
        ("ibm", (3.7, 6.0), (270, 320), (48, 86), (3.5, 5.3)),
    ],
)
def test_lean_when_every_day_is_measured_then_within_the_published_figures(
    symbol: str,
    spread: tuple[float, float],
    depth: tuple[float, float],
    trades: tuple[float, float],
    minute_sd: tuple[float, float],
) -> None:
    for date in DAYS:
        day = read(f"lean/{symbol}", date)
        assert day.ordered
        assert spread[0] <= day.spread() <= spread[1]
        assert depth[0] <= day.depth() <= depth[1]
        assert trades[0] <= day.trades_a_minute() <= trades[1]
        assert minute_sd[0] <= day.minute_sd() <= minute_sd[1]
        assert set(day.repairs) <= {"crossed_quote"}


def test_lean_when_aig_is_joined_by_the_millisecond_then_crossed_as_often_as_published() -> None:
    day = read("lean/aig", "20131007")
    assert day.repairs == {"crossed_quote": 27}
    assert day.crossed <= 27
    assert day.spread() == pytest.approx(1.0, abs=0.1)
    assert 1_050 <= day.depth() <= 1_750
    assert day.trades_a_minute() == pytest.approx(65, abs=1)


def test_lean_when_the_closing_print_comes_after_the_close_then_only_in_extended_hours() -> None:
    path = require_marketdata("lean/aig")
    whole = open_source(str(path), "20131007", REFERENCE, extended_hours=True)
    prints = [e for e in whole.events() if isinstance(e, Trade)]
    closing = [t for t in prints if int(t.flags, 16) & 0x80]
    assert [(t.quantity, t.auction, t.eligible) for t in closing] == [(253_146, True, True)]
    assert 253_146 / sum(t.quantity for t in prints if t.eligible) == pytest.approx(0.048, abs=0.002)
    assert not any(t.eligible for t in prints if int(t.flags, 16) & 0x2000)
