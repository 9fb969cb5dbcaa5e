"""Rows of features and what the market did next, from raw files, by the code that computes them live."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from service.market.instrument import InstrumentMarket
from service.model.market import MarketEvent
from service.model.reference import Instrument
from service.model.time import SECOND
from service.settings import ROOT

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class Row(NamedTuple):
    """The features of one instrument after one event.

    Attributes:
        seq: ``seq`` of the event: with the symbol it names the row of the raw file, as ``FeatureRow.md_seq``.
        ts: Market time, ns.
        mid2: Twice the mid, price units.
    """

    seq: int
    ts: int
    mid2: int
    values: tuple[float, ...]


def marketdata() -> Path:
    """The folder of market data: SLIPSTREAM_MARKETDATA, or shared/marketdata beside the checkout."""
    return Path(os.environ.get("SLIPSTREAM_MARKETDATA") or ROOT.parent / "shared" / "marketdata")


def rows_at(
    events: Iterable[MarketEvent], instrument: Instrument, names: tuple[str, ...], seqs: Collection[int]
) -> dict[int, tuple[float, ...]]:
    """The rows after the events of an instrument that have these numbers, as a runner would have logged them.

    Args:
        events: One pass of a source from where the runner began to listen, or from at least a minute of
            market time before (``service.market.flow.SPAN``).
    """
    wanted = set(seqs)
    market = InstrumentMarket(instrument)
    found: dict[int, tuple[float, ...]] = {}
    for event in events:
        if event.symbol != instrument.symbol:
            continue
        market.apply(event)
        if event.seq in wanted:
            found[event.seq] = market.features(names)
            if len(found) == len(wanted):
                break
    return found


def sampled_rows(
    events: Iterable[MarketEvent], instrument: Instrument, names: tuple[str, ...], every: int
) -> Iterator[Row]:
    """One row at most per ``every`` ns: after the first event of each step of market time.

    Only where a policy would have asked: open for trading, not crossed, the longest window filled.
    """
    market = InstrumentMarket(instrument)
    due = 0
    for event in events:
        if event.symbol != instrument.symbol:
            continue
        market.apply(event)
        ts = market.ts_event
        if ts >= due and market.open_for_trading and market.bid <= market.ask and market.flow.warm:
            due = (ts // every + 1) * every
            yield Row(event.seq, ts, market.bid + market.ask, market.features(names))


@dataclass(frozen=True, slots=True)
class Session:
    """One instrument on one day, as arrays of the same length.

    Attributes:
        ts: Market time, ns.
        rows: (n, features), raw.
        moves: (n,) change of the mid over the horizon, ticks; NaN where the session ended before.
    """

    symbol: str
    date: str
    ts: Integers
    rows: Floats
    moves: Floats

    def between(self, start: int, end: int, horizon: int) -> Session:
        """The part whose rows and labels lie in ``start`` <= t and t + horizon <= ``end``, labels known."""
        keep = (self.ts >= start) & (self.ts + horizon <= end) & np.isfinite(self.moves)
        return Session(self.symbol, self.date, self.ts[keep], self.rows[keep], self.moves[keep])


class MidPath:
    """The mid of an instrument over a session, to look what it was at any time.

    A label is the mid after the last event at or before its time, crossed books left out.
    """

    def __init__(self) -> None:
        self._ts: list[int] = []
        self._mid2: list[int] = []

    def watch(self, events: Iterable[MarketEvent], instrument: Instrument) -> Iterator[MarketEvent]:
        """The same events, noting each change of the mid."""
        market = InstrumentMarket(instrument)
        last = 0
        for event in events:
            if event.symbol == instrument.symbol:
                market.apply(event)
                mid2 = market.bid + market.ask
                if market.bid and market.ask and market.bid <= market.ask and mid2 != last:
                    last = mid2
                    self._ts.append(market.ts_event)
                    self._mid2.append(mid2)
            yield event

    def at(self, times: Integers) -> Integers:
        """Twice the mid at each of these market times."""
        found = np.searchsorted(np.array(self._ts, np.int64), times, side="right") - 1
        mids: Integers = np.array(self._mid2, np.int64)[np.maximum(found, 0)]
        return mids


SAMPLE: Final = SECOND


def session_rows(
    events: Iterable[MarketEvent],
    instrument: Instrument,
    date: str,
    names: tuple[str, ...],
    horizon: int,
    session_end: int,
) -> Session:
    """Sampled rows of one session with the move that followed each.

    Args:
        horizon: ns of market time ahead.
        session_end: Market time past which nothing is known.
    """
    path = MidPath()
    rows = list(sampled_rows(path.watch(events, instrument), instrument, names, SAMPLE))
    ts = np.array([r.ts for r in rows], np.int64)
    mids = np.array([r.mid2 for r in rows], np.int64)
    later = path.at(ts + horizon)
    moves = (later - mids) / (2.0 * instrument.tick)
    moves[ts + horizon > session_end] = np.nan
    values = np.array([r.values for r in rows], np.float64).reshape(len(rows), len(names))
    return Session(instrument.symbol, date, ts, values, moves)
