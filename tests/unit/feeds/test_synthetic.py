import itertools
import math
from collections import Counter
from collections.abc import Iterator

import pytest

from service.feeds.source import SourceError, open_source
from service.model.market import Aggressor, BookSnapshot, MarketEvent, Trade, TradingPhase, TradingStatus
from service.model.reference import parse_reference
from service.model.time import MINUTE, SECOND
from service.settings import ROOT
from tests.unit.feeds.support import REFERENCE, statuses_of


def market(seed: int = 1, *, minutes: float = 20.0, **options: object) -> Iterator[MarketEvent]:
    source = open_source("synthetic", None, REFERENCE, seed, **options)
    end = source.session_start + int(minutes * MINUTE)
    return itertools.takewhile(lambda event: event.ts_event < end, source.events())


@pytest.fixture(scope="module")
def events() -> list[MarketEvent]:
    return list(market())


def test_market_when_the_seed_is_the_same_then_every_event_is() -> None:
    assert list(market(7, minutes=2)) == list(market(7, minutes=2))


def test_market_when_the_seed_or_date_differs_then_another_day() -> None:
    first = list(market(7, minutes=1))
    assert first != list(market(8, minutes=1))
    other = open_source("synthetic", "20260106", REFERENCE, 7)
    prices = [e.price for e in first if isinstance(e, Trade)]
    again = [e.price for e in itertools.islice(other.events(), len(first)) if isinstance(e, Trade)]
    assert prices != again


def test_market_when_read_then_in_order_and_numbered(events: list[MarketEvent]) -> None:
    assert all(a.ts_event <= b.ts_event for a, b in itertools.pairwise(events))
    for symbol in ("AURA", "BOLT"):
        seqs = [e.seq for e in events if e.symbol == symbol]
        assert seqs == list(range(1, len(seqs) + 1))


def test_book_when_read_then_ten_levels_in_order_on_the_tick_and_never_crossed(
    events: list[MarketEvent],
) -> None:
    for book in events:
        if not isinstance(book, BookSnapshot):
            continue
        bids, asks = [p for p, _ in book.bids], [p for p, _ in book.asks]
        assert len(bids) == len(asks) == 10
        assert bids == sorted(set(bids), reverse=True)
        assert asks == sorted(set(asks))
        assert bids[0] < asks[0]
        assert not any(p % 100 for p in bids + asks)
        assert min(q for _, q in book.bids + book.asks) > 0


def test_spread_when_averaged_then_aura_is_tight_and_bolt_wide(events: list[MarketEvent]) -> None:
    for symbol, low, high in (("AURA", 1.0, 1.6), ("BOLT", 3.0, 7.0)):
        books = [e for e in events if isinstance(e, BookSnapshot) and e.symbol == symbol]
        weighted = sum(
            (a.asks[0][0] - a.bids[0][0]) // 100 * (b.ts_event - a.ts_event)
            for a, b in itertools.pairwise(books)
        )
        assert low <= weighted / (books[-1].ts_event - books[0].ts_event) <= high


def test_day_when_counted_then_twenty_to_sixty_events_a_second_and_volume_u_shaped() -> None:
    source = open_source("synthetic", None, REFERENCE)
    span = (source.session_end - source.session_start) // 13
    volume = [0] * 14
    counts: Counter[str] = Counter()
    for event in source.events():
        counts[event.symbol] += 1
        if isinstance(event, Trade):
            volume[(event.ts_event - source.session_start) // span] += event.quantity
    seconds = (source.session_end - source.session_start) / SECOND
    assert all(20 <= count / seconds <= 60 for count in counts.values())
    assert min(volume[0], volume[12]) > 1.5 * volume[6]


def test_trades_when_visible_then_at_the_touch_or_walking_the_book(events: list[MarketEvent]) -> None:
    book: dict[str, BookSnapshot] = {}
    walked = hidden = 0
    taken: dict[str, list[Trade]] = {"AURA": [], "BOLT": []}
    for event in events:
        if isinstance(event, BookSnapshot):
            run = taken[event.symbol]
            if run:
                before = book[event.symbol]
                side = before.asks if run[0].aggressor is Aggressor.BUY else before.bids
                assert [t.price for t in run] == [p for p, _ in side[: len(run)]]
                assert all(t.quantity <= q for t, (_, q) in zip(run, side, strict=False))
                walked += len(run) > 1
                run.clear()
            book[event.symbol] = event
        elif isinstance(event, Trade):
            if event.hidden:
                hidden += 1
                now = book[event.symbol]
                assert now.bids[0][0] < event.price < now.asks[0][0]
            else:
                taken[event.symbol].append(event)
    assert walked > 10
    assert hidden > 10


def correlation(xs: list[float], ys: list[float]) -> float:
    mx, my = sum(xs) / len(xs), sum(ys) / len(ys)
    cov = sum((x - mx) * (y - my) for x, y in zip(xs, ys, strict=True))
    return cov / math.sqrt(sum((x - mx) ** 2 for x in xs) * sum((y - my) ** 2 for y in ys))


@pytest.mark.parametrize("symbol", ["AURA", "BOLT"])
def test_imbalance_when_held_against_the_next_second_then_it_predicts(
    events: list[MarketEvent], symbol: str
) -> None:
    books = [e for e in events if isinstance(e, BookSnapshot) and e.symbol == symbol]
    imbalance, move, ahead = [], [], 0
    for number, book in enumerate(books):
        while ahead < len(books) - 1 and books[ahead + 1].ts_event <= book.ts_event + SECOND:
            ahead += 1
        if number % 10:
            continue
        (bid, bids), (ask, asks) = book.bids[0], book.asks[0]
        imbalance.append((bids - asks) / (bids + asks))
        move.append(books[ahead].bids[0][0] + books[ahead].asks[0][0] - bid - ask)
    assert correlation(imbalance, move) > 0.1


@pytest.mark.parametrize("symbol", ["AURA", "BOLT"])
def test_market_orders_when_in_sequence_then_their_signs_persist(
    events: list[MarketEvent], symbol: str
) -> None:
    signs: dict[int, float] = {}
    for event in events:
        if isinstance(event, Trade) and event.symbol == symbol:
            signs[event.ts_event] = 1.0 if event.aggressor is Aggressor.BUY else -1.0
    run = list(signs.values())
    assert 0.4 < correlation(run[:-1], run[1:]) < 0.85


def test_halt_when_asked_for_then_nothing_of_that_instrument_in_between() -> None:
    events = list(market(minutes=4, halt="09:31:00+60"))
    start = events[0].ts_event
    statuses = [(s.symbol, s.phase, s.ts_event - start) for s in statuses_of(events)]
    assert statuses[2:] == [
        ("AURA", TradingPhase.HALTED, 60 * SECOND),
        ("AURA", TradingPhase.CONTINUOUS, 120 * SECOND),
    ]
    during = Counter(e.symbol for e in events if 60 * SECOND < e.ts_event - start < 120 * SECOND)
    assert during["AURA"] == 0
    assert during["BOLT"] > 100


def test_halt_when_random_then_the_seed_says_when() -> None:
    """So long that it begins in the first minutes."""

    def begin(seed: int) -> int:
        source = open_source("synthetic", None, REFERENCE, seed, halt="random+23000")
        halts = (
            s for s in source.events() if isinstance(s, TradingStatus) and s.phase is TradingPhase.HALTED
        )
        return next(halts).ts_event - source.session_start

    assert 0 < begin(1) == begin(1) < 400 * SECOND
    assert begin(1) != begin(2)


@pytest.mark.parametrize(
    "halt",
    ["random", "random+0", "random+23400", "09:31:00", "09:31:00+0", "noon+5", "08:00:00+60", "15:59:30+60"],
)
def test_halt_when_not_understood_or_outside_the_session_then_refused(halt: str) -> None:
    with pytest.raises(SourceError, match="halt"):
        open_source("synthetic", None, REFERENCE, halt=halt)


def test_source_when_no_instrument_trades_there_then_refused() -> None:
    text = (ROOT / "deploy" / "reference.toml").read_text()
    without = parse_reference(text.replace('venue = "XSIM"', 'venue = "XNAS"'), "test")
    with pytest.raises(SourceError, match="trades on XSIM"):
        open_source("synthetic", None, without)


def test_source_when_an_instrument_is_added_then_it_trades() -> None:
    text = (ROOT / "deploy" / "reference.toml").read_text()
    more = '\n[[instruments]]\nsymbol = "CASK"\nvenue = "XSIM"\ncurrency = "USD"\n'
    source = open_source("synthetic", None, parse_reference(text + more, "test"))
    seen = Counter(event.symbol for event in itertools.islice(source.events(), 3000))
    assert seen["CASK"] > 300
