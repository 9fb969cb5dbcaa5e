"""A seeded market to look at and to test against, for machines without data.

Each instrument is a book of limit orders driven by order flow. Behind it stands a fair value that nobody
sees, a random walk; orders lean towards it, so that the imbalance of the book carries a real, short-lived
signal about the next move. Market orders come in runs of one sign and in bursts, some walk the book; volume
is U-shaped over the day, and now and then it is quiet. Every event is a function of seed, date and symbol.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import ClassVar, Final

from service.feeds.exchange_time import REGULAR_CLOSE, REGULAR_OPEN, clock_time, midnight, parse_date
from service.feeds.source import Source, SourceError, SourceOptions
from service.model.market import Aggressor, BookSnapshot, MarketEvent, Trade, TradingPhase, TradingStatus
from service.model.reference import Instrument
from service.model.time import SECOND

VENUE: Final = "XSIM"
DEFAULT_DATE: Final = "2026-01-05"
LEVELS: Final = 10

_DEPTH: Final = 14
_STEP: Final = SECOND // 4
_DAY_LENGTH: Final = REGULAR_CLOSE - REGULAR_OPEN
_BUY: Final = 1
_SELL: Final = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Character:
    """How one synthetic instrument behaves.

    Attributes:
        price: Where its fair value starts, ticks.
        spread: Ticks between the touches that it settles at.
        gap: Ticks between levels, at most.
        rate: Events a second, on average over the day.
        depth: Lots that a level settles at.
        clip: Lots of a usual order.
        market: Share of events that are market orders.
        wander: Standard deviation of the fair value over a minute, ticks.
        knowledge: Ticks that the fair value moves with each market order.
    """

    price: int
    spread: int
    gap: int
    rate: float
    depth: int
    clip: int
    market: float
    wander: float
    knowledge: float


CHARACTERS: Final = {
    "AURA": Character(
        price=5_000, spread=1, gap=1, rate=30.0, depth=650, clip=100, market=0.022, wander=1.3, knowledge=0.07
    ),
    "BOLT": Character(
        price=18_000, spread=6, gap=3, rate=22.0, depth=240, clip=20, market=0.022, wander=5.5, knowledge=0.25
    ),
}
_OTHER: Final = Character(
    price=10_000, spread=2, gap=2, rate=25.0, depth=600, clip=50, market=0.022, wander=3.0, knowledge=0.15
)


class Synthetic(Source):
    """Every instrument of the reference file whose venue is ``XSIM``."""

    accepts: ClassVar[str] = "the word synthetic"

    def __init__(self, instruments: tuple[Instrument, ...], options: SourceOptions) -> None:
        self._date = parse_date(options.date or DEFAULT_DATE)
        self._midnight = midnight(self._date)
        self._instruments = instruments
        self._seed = options.seed
        session = (self._midnight + REGULAR_OPEN, self._midnight + REGULAR_CLOSE)
        day = f"{options.seed}/{self._date.isoformat()}"
        self._halt = _parse_halt(options.halt, self._midnight, session, day) if options.halt else None
        super().__init__("synthetic", tuple(i.symbol for i in instruments), session, options)

    @classmethod
    def recognises(cls, spec: str) -> bool:
        """The word itself."""
        return spec == "synthetic"

    @classmethod
    def open(cls, spec: str, options: SourceOptions) -> Synthetic:
        """Take the instruments of the synthetic venue."""
        instruments = tuple(i for i in options.reference.instruments if i.venue == VENUE)
        if not instruments:
            raise SourceError(f"{spec}: no instrument of the reference file trades on {VENUE}; add one")
        return cls(instruments, options)

    def _events(self) -> Iterator[MarketEvent]:
        flows = []
        for number, instrument in enumerate(self._instruments):
            seed = f"{self._seed}/{self._date.isoformat()}/{instrument.symbol}"
            halt = self._halt if number == 0 else None
            flow = _Flow(instrument, seed, (self.session_start, self.session_end), halt)
            flows.append(flow.events())
        return heapq.merge(*flows, key=attrgetter("ts_event"))


def _parse_halt(text: str, day: int, session: tuple[int, int], seed: str) -> tuple[int, int]:
    """Begin and end of a halt, market time, from ``HH:MM:SS+SECONDS`` or ``random+SECONDS``."""
    begin, plus, length = text.partition("+")
    if not plus or not length.isdigit() or int(length) == 0:
        raise SourceError(f"halt {text!r} is neither HH:MM:SS+SECONDS nor random+SECONDS")
    pause = int(length) * SECOND
    if begin == "random":
        room = max((session[1] - session[0] - pause) // SECOND, 2)
        at = session[0] + random.Random(f"{seed}/halt").randrange(1, room) * SECOND
    else:
        at = day + clock_time(begin, "halt")
    until = at + pause
    if not session[0] < at < until < session[1]:
        raise SourceError(f"halt {text!r} is not within the session")
    return at, until


class _Flow:
    """The order flow of one instrument.

    Each side is a list of [price in ticks, lots] from the best away, kept ``_DEPTH`` levels deep.
    """

    def __init__(
        self, instrument: Instrument, seed: str, session: tuple[int, int], halt: tuple[int, int] | None
    ) -> None:
        self._symbol = instrument.symbol
        self._venue = instrument.venue
        self._tick = instrument.tick
        self._character = CHARACTERS.get(instrument.symbol, _OTHER)
        self._random = random.Random(seed)
        self._start, self._end = session
        self._halt = halt
        self._seq = 0
        self._fair = float(self._character.price)
        self._mood = 0.0
        self._lean = 0.0
        self._sign = _BUY
        self._excite = 0.0
        self._quiet_until = 0
        self._bids: list[tuple[int, int]] = []
        self._asks: list[tuple[int, int]] = []
        best = self._character.price - self._character.spread // 2
        self._extend(self._bids, best, _BUY)
        self._extend(self._asks, best + self._character.spread, _SELL)

    def events(self) -> Iterator[MarketEvent]:
        draw = self._random.random
        character = self._character
        at = self._start
        yield self._status(at, TradingPhase.CONTINUOUS, "session opens")
        yield self._book(at)
        next_step = at
        rate = character.rate
        market_share = character.market
        while True:
            at += int(-math.log(1.0 - draw()) / (rate + self._excite) * SECOND) + 1_000
            if self._halt is not None and at >= self._halt[0]:
                begin, at = self._halt
                self._halt = None
                yield self._status(begin, TradingPhase.HALTED, "made up")
                yield self._status(at, TradingPhase.CONTINUOUS, "halt lifted")
                yield self._book(at)
                next_step = at
                continue
            if at >= self._end:
                break
            while next_step <= at:
                rate = self._advance(next_step)
                next_step += _STEP
            u = draw()
            if u < market_share:
                yield from self._market_order(at)
            else:
                self._limit_order()
                yield self._book(at)
        yield self._status(self._end, TradingPhase.CLOSED, "session closes")

    def _advance(self, at: int) -> float:
        """One quarter of a second: fair value, mood, bursts and quiet spells. Returns the rate of events."""
        random_ = self._random
        character = self._character
        self._fair += random_.gauss(0.0, character.wander / math.sqrt(240.0))
        self._mood += -0.03 * self._mood + random_.gauss(0.0, 0.12)
        self._excite *= 0.8
        if at > self._quiet_until + 30 * SECOND and random_.random() < 1 / 700:
            self._quiet_until = at + int(random_.uniform(4.0, 16.0) * SECOND)
        if at < self._quiet_until:
            self._excite = 0.0
            return 0.05 * character.rate
        x = 2.0 * (at - self._start) / _DAY_LENGTH - 1.0
        return character.rate * (0.55 + 1.35 * x * x)

    def _think(self) -> None:
        """How far, in -1 .. 1, orders lean towards buying: fair value against the mid, and mood."""
        mid = 0.5 * (self._bids[0][0] + self._asks[0][0])
        self._lean = math.tanh(0.7 * (self._fair - mid) / self._character.spread + 0.8 * self._mood)

    def _market_order(self, at: int) -> Iterator[MarketEvent]:
        draw = self._random.random
        character = self._character
        self._think()
        if draw() > 0.6:
            self._sign = _BUY if draw() < 0.5 * (1.0 + 0.9 * self._lean) else _SELL
        sign = self._sign
        self._excite = min(self._excite + 0.4 * character.rate, 5.0 * character.rate)
        # Whoever takes may know something: what everybody thinks of the value moves a little with it.
        self._fair += sign * character.knowledge
        side = self._asks if sign == _BUY else self._bids
        aggressor = Aggressor.BUY if sign == _BUY else Aggressor.SELL
        size = self._size()
        touch = side[0][1]
        u = draw()
        if u < 0.07:
            # Sweeps the touch and walks into what lies behind.
            size = max(size, touch + int(draw() * character.depth))
        elif u < 0.2:
            size = max(size, touch)
        else:
            size = min(size, touch)
        if draw() < 0.04:
            yield self._hidden(at, aggressor, size)
        while size > 0:
            price, resting = side[0]
            taken = min(size, resting)
            size -= taken
            yield self._trade(at, price * self._tick, taken, aggressor, hidden=False)
            if taken < resting:
                side[0] = (price, resting - taken)
            else:
                del side[0]
                if len(side) < LEVELS:
                    self._extend(side, side[-1][0] + sign * self._gap(), -sign)
        yield self._book(at)

    def _hidden(self, at: int, aggressor: Aggressor, size: int) -> Trade:
        """An execution against an order that nobody saw, at the mid: half a tick when the spread is odd."""
        middle = (self._bids[0][0] + self._asks[0][0]) * self._tick // 2
        return self._trade(at, middle, max(1, size // 2), aggressor, hidden=True)

    def _limit_order(self) -> None:
        """Add to or take from one level, or quote inside the spread."""
        draw = self._random.random
        character = self._character
        bids, asks = self._bids, self._asks
        spread = asks[0][0] - bids[0][0]
        if spread > 1:
            excess = spread - character.spread
            if draw() < (0.35 if excess > 0 else 0.008):
                self._quote_inside(spread, excess)
                return
        self._think()
        lean = self._lean
        if draw() < 0.5:
            side, sign, own = bids, _BUY, lean
        else:
            side, sign, own = asks, _SELL, -lean
        # Depth behind the touch fades; four in ten orders are at the touch.
        level = min(int(-2.0 * math.log(1.0 - draw())), LEVELS - 1)
        price, resting = side[level]
        due = character.depth * (1.0 + 0.9 * own if level < 3 else 1.0)
        full = resting / due
        if draw() < full / (1.0 + full):
            left = resting - min(resting, self._size())
            if left > 0 or level > 0 or len(side) > 1:
                if left > 0:
                    side[level] = (price, left)
                else:
                    del side[level]
                    if len(side) < LEVELS:
                        self._extend(side, side[-1][0] - sign * self._gap(), sign)
        elif level > 0 and sign * (side[level - 1][0] - price) > character.gap:
            # What cancels have emptied fills up again.
            side.insert(level, (side[level - 1][0] - sign * self._gap(), self._size()))
            del side[_DEPTH:]
        else:
            side[level] = (price, resting + self._size())

    def _quote_inside(self, spread: int, excess: int) -> None:
        """A new best bid or ask; the side that orders lean towards steps forward."""
        draw = self._random.random
        self._think()
        # After a move the spread closes behind it; resilience alone would pull the price back.
        buy = draw() < 0.5 * (1.0 + self._lean)
        step = 1 if excess <= 1 else 1 + int(draw() * min(excess, spread - 1))
        side, price = (self._bids, self._bids[0][0] + step) if buy else (self._asks, self._asks[0][0] - step)
        side.insert(0, (price, self._size() + self._size()))
        del side[_DEPTH:]

    def _size(self) -> int:
        """Lots of an order: mostly one clip, seldom many, seldom odd."""
        u = self._random.random()
        clip = self._character.clip
        if u < 0.55:
            return clip
        if u < 0.75:
            return 2 * clip
        if u < 0.9:
            return 1 + int(self._random.random() * clip)
        return clip * (3 + int(8.0 * (u - 0.9) / 0.1))

    def _gap(self) -> int:
        gap = self._character.gap
        return 1 if gap == 1 else 1 + int(self._random.random() * gap)

    def _extend(self, side: list[tuple[int, int]], price: int, sign: int) -> None:
        """Fill a side up with levels, from ``price`` away from the touch."""
        depth = self._character.depth
        while len(side) < _DEPTH:
            side.append((price, max(1, int(depth * (0.6 + 0.8 * self._random.random())))))
            price -= sign * self._gap()

    def _status(self, at: int, phase: TradingPhase, reason: str) -> TradingStatus:
        self._seq += 1
        return TradingStatus(
            symbol=self._symbol,
            venue=self._venue,
            ts_event=at,
            ts_utc=0,
            seq=self._seq,
            phase=phase,
            reason=reason,
        )

    def _trade(self, at: int, price: int, size: int, aggressor: Aggressor, *, hidden: bool) -> Trade:
        self._seq += 1
        return Trade(
            symbol=self._symbol,
            venue=self._venue,
            ts_event=at,
            ts_utc=0,
            seq=self._seq,
            price=price,
            quantity=size,
            aggressor=aggressor,
            hidden=hidden,
        )

    def _book(self, at: int) -> BookSnapshot:
        self._seq += 1
        tick = self._tick
        return BookSnapshot(
            symbol=self._symbol,
            venue=self._venue,
            ts_event=at,
            ts_utc=0,
            seq=self._seq,
            bids=tuple([(price * tick, size) for price, size in self._bids[:LEVELS]]),
            asks=tuple([(price * tick, size) for price, size in self._asks[:LEVELS]]),
        )
