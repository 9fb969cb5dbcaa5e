"""The market of one instrument: what the runner, and nobody else, knows of its book, prints and session."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Final

import msgspec

from service.market.features import Compiled, compile_features
from service.market.flow import Flow
from service.model.market import BookSnapshot, MarketEvent, Trade, TradingPhase
from service.model.reference import Instrument

_encode: Final = msgspec.msgpack.Encoder().encode
_crc32: Final = zlib.crc32
_compiled: Final[dict[tuple[str, ...], Compiled]] = {}


class InstrumentMarket:
    """Book, prints, session and features of one instrument; implements ``service.policy.MarketView``.

    After event k it is a function of events 1..k alone. Nothing is refused: what should not be is counted and
    the newest book is taken as it is, since a policy must see the market that is there. An event older than
    the one before it is applied at the time of that one.

    Attributes:
        crossed, locked: Books with bid > ask and bid == ask.
        backwards: Events whose market time lay before that of the one before.
        gaps: Sequence numbers never seen (repeated ones are counted in ``repeated``).
        events: Events applied.
    """

    __slots__ = (
        "_digest", "_row", "_row_names", "ask", "ask_quantity", "backwards", "bid", "bid_quantity", "book",
        "crossed", "events", "flow", "gaps", "instrument", "last", "locked", "phase", "repeated",
        "seq", "ts_event", "volume",
    )  # fmt: skip

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.flow = Flow(instrument.tick)
        self.book: BookSnapshot | None = None
        self.bid = self.ask = self.bid_quantity = self.ask_quantity = 0
        self.last = self.volume = 0
        self.ts_event = self.seq = 0
        self.phase: TradingPhase | None = None
        self.crossed = self.locked = self.backwards = self.gaps = self.repeated = 0
        self.events = 0
        self._digest: tuple[object, ...] = ()
        self._row: tuple[float, ...] = ()
        self._row_names: tuple[str, ...] = ()

    @property
    def open_for_trading(self) -> bool:
        """Both sides are quoted and the last session state heard, if any, was continuous trading."""
        return self.bid > 0 and self.ask > 0 and (self.phase is None or self.phase is TradingPhase.CONTINUOUS)

    @property
    def ready(self) -> bool:
        """Features mean something: a two-sided book was seen."""
        return self.flow.ready

    def apply(self, event: MarketEvent) -> None:
        """Take one event of this instrument in."""
        ts = event.ts_event
        if ts < self.ts_event:
            self.backwards += 1
            ts = self.ts_event
        else:
            self.ts_event = ts
        self._number(event.seq)
        self.events += 1
        self._row_names = ()
        flow = self.flow
        if isinstance(event, BookSnapshot):
            bids, asks = event.bids, event.asks
            self.book = event
            if bids and asks:
                flow.on_touch(ts, bids, asks)
                self.bid, self.bid_quantity = bids[0]
                self.ask, self.ask_quantity = asks[0]
                if self.bid >= self.ask:
                    if self.bid == self.ask:
                        self.locked += 1
                    else:
                        self.crossed += 1
            else:
                self.bid, self.bid_quantity = bids[0] if bids else (0, 0)
                self.ask, self.ask_quantity = asks[0] if asks else (0, 0)
            self._digest = (ts, bids, asks, flow.mid2, flow.order_flow, flow.squares, flow.depth, flow.spread)
        elif isinstance(event, Trade):
            price, quantity = event.price, event.quantity
            if event.eligible:
                self.last = price
                self.volume += quantity
                if not event.auction:
                    flow.on_trade(ts, price, quantity, event.aggressor)
            self._digest = (
                ts,
                price,
                quantity,
                self.volume,
                flow.signed,
                flow.traded,
                flow.squares,
                flow.depth,
            )
        else:
            self.phase = event.phase
            self._digest = (ts, event.phase.value)

    def state_digest(self, previous: int) -> int:
        """CRC-32, chained to ``previous``, over the numbers that the last event touched."""
        return _crc32(_encode(self._digest), previous)

    def features(self, names: Sequence[str]) -> tuple[float, ...]:
        """The named features after the last event, in that order (``service.market.features``).

        All 0.0 while no two-sided book was seen (``ready``).

        Raises:
            FeatureError: If a name is not in the registry.
        """
        wanted = names if type(names) is tuple else tuple(names)
        if wanted == self._row_names:
            return self._row
        compiled = _compiled.get(wanted)
        if compiled is None:
            compiled = _compiled[wanted] = compile_features(wanted)
        self._row = compiled(self.flow)
        self._row_names = wanted
        return self._row

    def _number(self, seq: int) -> None:
        missing = seq - self.seq - 1
        if missing:
            if missing < 0:
                self.repeated += 1
                return
            if self.seq:
                self.gaps += missing
        self.seq = seq
