"""A part of a session, replayed as if the feed had been joined at its start."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from service.model.market import BookSnapshot, MarketEvent, TradingPhase, TradingStatus


def clip(
    events: Iterable[MarketEvent],
    start: int,
    end: int,
    on_earlier: Callable[[MarketEvent], None] | None = None,
) -> Iterator[MarketEvent]:
    """The events of ``start`` <= market time <= ``end``, in order, with the state of the market around them.

    They begin with the newest status and book of each instrument before ``start``, unchanged, as a late
    joiner must know them, and end with a ``CLOSED`` status of each instrument that is not closed by then.
    ``seq`` stays that of the whole session, so that it still names the source's event.

    Args:
        events: One pass of a source.
        start, end: Market time, ns.
        on_earlier: Called with each event before ``start``, for facts that span the session.
    """
    status: dict[str, TradingStatus] = {}
    book: dict[str, BookSnapshot] = {}
    venue: dict[str, tuple[str, int]] = {}
    joined = False
    for event in events:
        at = event.ts_event
        if at > end:
            break
        if at < start:
            if isinstance(event, BookSnapshot):
                book[event.symbol] = event
            elif isinstance(event, TradingStatus):
                status[event.symbol] = event
            if on_earlier is not None:
                on_earlier(event)
            venue[event.symbol] = (event.venue, event.seq)
            continue
        if not joined:
            joined = True
            yield from _state(status, book)
        if isinstance(event, TradingStatus):
            status[event.symbol] = event
        venue[event.symbol] = (event.venue, event.seq)
        yield event
    if not joined:
        yield from _state(status, book)
    for symbol, (where, seq) in venue.items():
        if symbol not in status or status[symbol].phase is not TradingPhase.CLOSED:
            yield TradingStatus(
                symbol=symbol,
                venue=where,
                ts_event=end,
                ts_utc=0,
                seq=seq + 1,
                phase=TradingPhase.CLOSED,
                reason="end of the replayed window",
            )


def _state(
    status: dict[str, TradingStatus], book: dict[str, BookSnapshot]
) -> Iterator[TradingStatus | BookSnapshot]:
    """Status and book of each instrument, older event first so that ``seq`` rises."""
    for symbol in sorted(status.keys() | book.keys()):
        known = [e for e in (status.get(symbol), book.get(symbol)) if e is not None]
        yield from sorted(known, key=lambda e: e.seq)
