"""Normalised market events (``md.v1``) and reference facts (``ref.v1``).

Prices are integers in the instrument's price unit, quantities integer lots, times integer nanoseconds.
"""

from __future__ import annotations

import enum

from service.model.message import Message
from service.model.time import SessionClock


class Aggressor(enum.IntEnum):
    """Which side took liquidity in a trade, where the source says so."""

    UNKNOWN = 0
    BUY = 1
    SELL = 2


class TradingPhase(enum.StrEnum):
    """Session state of an instrument."""

    CLOSED = "closed"
    PRE_OPEN = "pre_open"
    OPEN_AUCTION = "open_auction"
    CONTINUOUS = "continuous"
    CLOSE_AUCTION = "close_auction"
    HALTED = "halted"


class BookSnapshot(Message, frozen=True, kw_only=True, tag="book"):
    """The N best levels of one instrument on one venue after an event.

    Attributes:
        symbol: Instrument.
        venue: Venue, a MIC or ``NBBO`` for a consolidated quote.
        ts_event: Market time.
        ts_utc: When the feed published it.
        seq: The feed's sequence number for this instrument, rising by one per event of any kind.
        bids: ``(price, quantity)`` from the best down; price in price units, quantity in lots.
        asks: ``(price, quantity)`` from the best up.
    """

    symbol: str
    venue: str
    ts_event: int
    ts_utc: int
    seq: int
    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]


class Trade(Message, frozen=True, kw_only=True, tag="trade"):
    """One print.

    Attributes:
        price: Price units; not necessarily on the tick (hidden and midpoint prints are real).
        quantity: Lots.
        aggressor: Who took, if the source says.
        hidden: The resting order was not displayed.
        auction: Part of an opening or closing cross.
        eligible: Counts towards VWAP and market volume (derivatively priced, average-price and
            out-of-hours prints do not).
        flags: The source's own conditions, unchanged.
    """

    symbol: str
    venue: str
    ts_event: int
    ts_utc: int
    seq: int
    price: int
    quantity: int
    aggressor: Aggressor = Aggressor.UNKNOWN
    hidden: bool = False
    auction: bool = False
    eligible: bool = True
    flags: str = ""


class TradingStatus(Message, frozen=True, kw_only=True, tag="status"):
    """A change of an instrument's session state: open, halt, close; or of its price bands.

    Attributes:
        lower_band, upper_band: Limit down and limit up from here on, price units, where the source tells
            them; 0 says nothing about them.
    """

    symbol: str
    venue: str
    ts_event: int
    ts_utc: int
    seq: int
    phase: TradingPhase
    reason: str = ""
    lower_band: int = 0
    upper_band: int = 0


class FeedHeartbeat(Message, frozen=True, kw_only=True, tag="heartbeat"):
    """Sent every 250 ms of UTC on every partition of ``md.v1`` and on ``ref.v1``.

    Staleness is the age of the heartbeat, not of the last event: real books are quiet for 30 s.

    Attributes:
        feed: Name of the feed.
        watermark: Market time up to which everything has been published.
        published: Events published so far.
        repaired: Rows repaired so far (crossed book, time running backwards), by the feed's own count.
        done: The source has ended and nothing more will come.
    """

    feed: str
    watermark: int
    ts_utc: int
    published: int
    repaired: int = 0
    done: bool = False


class Correlated(Message, frozen=True, kw_only=True):
    """Another instrument whose price moves with this one's, or against it.

    Attributes:
        percent: Correlation of their one-minute mid returns, exponentially weighted, -100 to 100.
    """

    symbol: str
    percent: int


class ReferenceSnapshot(Message, frozen=True, kw_only=True, tag="reference"):
    """Conflated facts about one instrument for the gate, computed apart from the policies' book.

    Attributes:
        ts_event: Market time of the newest event in it.
        ts_utc: When the feed published it.
        bid, ask: Touch, price units; 0 if that side is empty.
        bid_quantity, ask_quantity: Lots at the touch.
        last: Last eligible trade price, price units; 0 before the first.
        reference: Trusted reference price for collars, price units: the mid of an orderly touch, else the
            last good one; 0 while there is none.
        open: First eligible trade or mid of the session, price units; 0 before it.
        volume: Eligible lots traded this session.
        spread_bps: Time-weighted over the last minute of market time.
        volatility_bps: Standard deviation of one-minute mid returns, exponentially weighted.
        phase: Session state.
        crossed: bid >= ask in the newest book (locked counts apart: ``locked``).
        jumped: The touch moved further in one event than the feed's reasonableness bound.
        lower_band, upper_band: Limit down and limit up, price units; 0 is not known.
        correlated: Instruments that it moves with most, the strongest first; what is not here is not known.
    """

    symbol: str
    venue: str
    ts_event: int
    ts_utc: int
    bid: int
    ask: int
    bid_quantity: int
    ask_quantity: int
    last: int
    reference: int
    open: int
    volume: int
    spread_bps: float
    volatility_bps: float
    phase: TradingPhase
    crossed: bool = False
    locked: bool = False
    jumped: bool = False
    lower_band: int = 0
    upper_band: int = 0
    correlated: tuple[Correlated, ...] = ()


MarketEvent = BookSnapshot | Trade | TradingStatus
MarketMessage = BookSnapshot | Trade | TradingStatus | FeedHeartbeat
ReferenceMessage = ReferenceSnapshot | SessionClock | FeedHeartbeat
