from service.feeds.window import clip
from service.model.market import BookSnapshot, MarketEvent, Trade, TradingPhase, TradingStatus


def status(at: int, seq: int, phase: TradingPhase, symbol: str = "AURA") -> TradingStatus:
    return TradingStatus(symbol=symbol, venue="XSIM", ts_event=at, ts_utc=0, seq=seq, phase=phase)


def book(at: int, seq: int, symbol: str = "AURA") -> BookSnapshot:
    return BookSnapshot(
        symbol=symbol, venue="XSIM", ts_event=at, ts_utc=0, seq=seq, bids=((100, 1),), asks=((200, 1),)
    )


def trade(at: int, seq: int) -> Trade:
    return Trade(symbol="AURA", venue="XSIM", ts_event=at, ts_utc=0, seq=seq, price=100, quantity=1)


SESSION: list[MarketEvent] = [
    status(0, 1, TradingPhase.CONTINUOUS),
    book(1, 2),
    book(5, 3),
    trade(6, 4),
    book(10, 5),
    trade(20, 6),
    book(30, 7),
    status(40, 8, TradingPhase.CLOSED),
]


def test_clip_when_the_whole_session_then_unchanged() -> None:
    assert list(clip(SESSION, 0, 40)) == SESSION


def test_clip_when_joined_late_then_newest_status_and_book_first_and_earlier_events_told() -> None:
    earlier: list[MarketEvent] = []
    events = list(clip(SESSION, 10, 40, earlier.append))
    assert events == [SESSION[0], SESSION[2], *SESSION[4:]]
    assert earlier == SESSION[:4]


def test_clip_when_it_ends_early_then_closed_at_its_end() -> None:
    events = list(clip(SESSION, 10, 20))
    assert events[:-1] == [SESSION[0], SESSION[2], SESSION[4], SESSION[5]]
    closed = events[-1]
    assert isinstance(closed, TradingStatus)
    assert (closed.phase, closed.ts_event, closed.seq) == (TradingPhase.CLOSED, 20, 7)


def test_clip_when_nothing_happens_in_it_then_the_state_alone() -> None:
    events = list(clip(SESSION, 32, 36))
    assert [type(e) for e in events] == [TradingStatus, BookSnapshot, TradingStatus]
    assert events[-1].seq == 8


def test_clip_when_several_instruments_then_the_state_of_each() -> None:
    session = [
        status(0, 1, TradingPhase.CONTINUOUS),
        status(0, 1, TradingPhase.HALTED, "BOLT"),
        book(1, 2, "BOLT"),
        book(2, 2),
        book(9, 3),
    ]
    events = list(clip(session, 5, 8))
    assert [(e.symbol, e.seq) for e in events] == [
        ("AURA", 1), ("AURA", 2), ("BOLT", 1), ("BOLT", 2), ("AURA", 3), ("BOLT", 3),
    ]  # fmt: skip
