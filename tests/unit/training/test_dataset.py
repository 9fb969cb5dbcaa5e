"""Rows and labels: what is sampled, what followed, and that parts do not look into each other."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np

from policies.training.dataset import MidPath, Session, rows_at, sampled_rows, session_rows
from service.market.flow import SPAN
from service.market.instrument import InstrumentMarket
from service.model.market import BookSnapshot, MarketEvent, TradingPhase, TradingStatus
from service.model.reference import Instrument
from service.model.time import SECOND

AURA = Instrument(symbol="AURA", venue="XSIM", currency="USD", tick=100)
NAMES = ("imbalance", "move_ticks_5s")
START = 1_000 * SECOND


def book(seq: int, at: float, mid: int = 9_950, lots: int = 30, symbol: str = "AURA") -> BookSnapshot:
    return BookSnapshot(
        symbol=symbol, venue="XSIM", ts_event=START + round(at * SECOND), ts_utc=0, seq=seq,
        bids=((mid - 50, lots),), asks=((mid + 50, 20),),
    )  # fmt: skip


def tape(seconds: int) -> Iterable[MarketEvent]:
    """A book every half second; the mid rises by a tick every ten."""
    for n in range(seconds * 2):
        yield book(n + 1, n / 2, mid=9_950 + 100 * (n // 20), lots=10 + n % 7)


def test_sampled_rows_when_books_come_twice_a_second_then_one_a_second_is_taken_once_warm() -> None:
    rows = list(sampled_rows(tape(90), AURA, NAMES, SECOND))
    assert rows[0].ts >= START + SPAN
    assert {row.ts % SECOND for row in rows[1:]} == {0}
    assert {b.ts - a.ts for a, b in itertools.pairwise(rows[1:])} == {SECOND}


def test_sampled_rows_when_trading_is_halted_then_none_is_taken() -> None:
    halt = TradingStatus(
        symbol="AURA", venue="XSIM", ts_event=START, ts_utc=0, seq=0, phase=TradingPhase.HALTED
    )
    assert list(sampled_rows([halt, *tape(90)], AURA, NAMES, SECOND)) == []


def test_rows_at_when_numbers_are_given_then_rows_are_those_after_these_events() -> None:
    market = InstrumentMarket(AURA)
    want = {}
    for event in tape(90):
        market.apply(event)
        if event.seq in (3, 150):
            want[event.seq] = market.features(NAMES)
    assert rows_at(tape(90), AURA, NAMES, {3, 150}) == want


def test_rows_at_when_other_instruments_trade_too_then_they_do_not_count() -> None:
    def both() -> Iterable[MarketEvent]:
        for event in tape(90):
            yield book(event.seq, (event.ts_event - START) / SECOND, mid=50_000, symbol="BOLT")
            yield event

    assert rows_at(both(), AURA, NAMES, {150}) == rows_at(tape(90), AURA, NAMES, {150})


def test_mid_path_when_asked_between_changes_then_the_last_one_stands() -> None:
    path = MidPath()
    for _ in path.watch([book(1, 0.0), book(2, 2.0, mid=10_050)], AURA):
        pass
    times = np.array([START, START + SECOND, START + 2 * SECOND, START + 9 * SECOND])
    assert path.at(times).tolist() == [19_900, 19_900, 20_100, 20_100]


def test_session_rows_when_the_mid_rises_within_the_horizon_then_the_move_is_in_ticks() -> None:
    end = START + 90 * SECOND
    session = session_rows(tape(100), AURA, "", NAMES, 5 * SECOND, end)
    for ts, move in zip(session.ts, session.moves, strict=True):
        now, later = (ts - START) // (10 * SECOND), (ts + 5 * SECOND - START) // (10 * SECOND)
        if ts + 5 * SECOND > end:
            assert np.isnan(move)
        else:
            assert move == later - now


def test_between_when_a_part_ends_then_no_label_looks_past_it() -> None:
    ts = np.arange(0, 100 * SECOND, SECOND)
    whole = Session("AURA", "", ts, np.zeros((100, 2)), np.ones(100))
    part = whole.between(20 * SECOND, 50 * SECOND, 5 * SECOND)
    assert (int(part.ts[0]), int(part.ts[-1])) == (20 * SECOND, 45 * SECOND)
    assert len(part.rows) == len(part.moves) == len(part.ts)
