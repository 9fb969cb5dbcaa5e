"""Exposure as people and metrics see it: by level and instrument, against the limits in force (C34, C36).

Read off the books and never written back: amounts are exact integers there and decimals of the currency here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, Final

from service.gateway.books import Book, Holding
from service.gateway.control import ExposureRow, LimitUse
from service.gateway.state import State
from service.risk import LEVELS, Level, value_unit
from service.risk.money import DIGITS

_CENT: Final = Decimal("0.01")
_WHOLE: Final = 10_000


def rows(state: State) -> tuple[ExposureRow, ...]:
    """Every name and instrument that holds, works or traded something today; the firm first."""
    books = state.ledger.books.all
    found = [
        _row(state, book)
        for level in reversed(LEVELS)
        for (at, _), book in sorted(books.items())
        if at is level and (book.traded or any(_anything(held) for held in book.holdings.values()))
    ]
    return (*found, *_instruments(state))


def _anything(held: Holding) -> bool:
    return bool(held.lots or held.buying or held.selling or held.realised)


def _row(state: State, book: Book) -> ExposureRow:
    limits = state.gate.limits.at(book.level, book.name)
    uses = [
        _use("C11", "max_exposure", book.exposure, limits.max_exposure),
        _use("C22", "max_daily_loss", max(0, book.loss), limits.max_daily_loss),
    ]
    if book.level is Level.CLIENT:
        uses.append(_use("C13", "max_credit", book.traded + book.working, limits.max_credit))
    return ExposureRow(
        level=book.level.value,
        name=book.name,
        working=_money(book.working),
        notional=_money(book.exposure),
        credit=_money(book.traded + book.working),
        limits=tuple(uses),
        **_held(book.holdings.values()),
    )


def _held(holdings: Iterable[Holding]) -> dict[str, Any]:
    all_of = list(holdings)
    long = sum(max(0, held.marked) for held in all_of)
    short = sum(max(0, -held.marked) for held in all_of)
    return {
        "long": _money(long),
        "short": _money(short),
        "gross": _money(long + short),
        "net": _money(long - short),
        "realised": _money(sum(held.realised for held in all_of)),
        "open": _money(sum(held.marked - held.cost for held in all_of)),
    }


def _instruments(state: State) -> Iterator[ExposureRow]:
    firms = [book for (level, _), book in state.ledger.books.all.items() if level is Level.FIRM]
    for symbol, exposure in sorted(state.ledger.exposures.items()):
        held = [book.holdings[symbol] for book in firms if symbol in book.holdings]
        instrument = state.reference.by_symbol.get(symbol)
        busy = exposure.position or exposure.working_buy or exposure.working_sell
        if instrument is None or not (busy or any(map(_anything, held))):
            continue
        limits = state.gate.limits.instruments.get(symbol)
        uses: tuple[LimitUse, ...] = ()
        if limits is not None:
            long = exposure.position + exposure.working_buy
            short = exposure.working_sell - exposure.position
            gross = abs(exposure.position) + exposure.working_buy + exposure.working_sell
            of_volume = instrument.reference_volume * limits.max_volume_bps // _WHOLE
            uses = (
                _lots("max_long", long, limits.max_long),
                _lots("max_short", short, limits.max_short),
                _lots("max_gross", gross, min(limits.max_gross, of_volume)),
            )
        known = state.market.get(symbol)
        mark = (known.reference if known is not None else 0) * value_unit(instrument)
        worst = max(exposure.position + exposure.working_buy, exposure.working_sell - exposure.position)
        yield ExposureRow(
            level=Level.INSTRUMENT.value,
            name=symbol,
            position=exposure.position,
            working=_money((exposure.working_buy + exposure.working_sell) * mark),
            notional=_money(worst * mark),
            credit=Decimal(0),
            limits=uses,
            **_held(held),
        )


def _money(value: int) -> Decimal:
    return Decimal(value).scaleb(-DIGITS).quantize(_CENT)


def _use(control: str, limit: str, used: int, most: Decimal) -> LimitUse:
    amount = _money(used)
    return LimitUse(control=control, limit=limit, used=amount, most=most, share=_share(amount, most))


def _lots(limit: str, used: int, most: int) -> LimitUse:
    used = max(0, used)
    return LimitUse(
        control="C12",
        limit=limit,
        used=Decimal(used),
        most=Decimal(most),
        share=_share(Decimal(used), Decimal(most)),
    )


def _share(used: Decimal, most: Decimal) -> float:
    """Of a limit; where none is set, anything at all is all of it."""
    if most <= 0:
        return 1.0 if used > 0 else 0.0
    return float(used / most)
