"""What each policy or model that is still being introduced has sent and holds (C39): a fold, in lots."""

from __future__ import annotations

from service.gateway.books import DAY
from service.model.orders import Side
from service.risk import TrialFacts


class _Holding:
    __slots__ = ("buying", "lots", "selling")

    def __init__(self) -> None:
        self.lots = 0
        self.buying = 0
        self.selling = 0


class _Trial:
    __slots__ = ("day", "holdings", "orders")

    def __init__(self) -> None:
        self.day = 0
        self.orders = 0
        self.holdings: dict[str, _Holding] = {}


class Trials:
    """By ``policy=NAME`` and ``model=NAME@VERSION``. An order counts for those on trial when it was sent."""

    def __init__(self) -> None:
        self.all: dict[str, _Trial] = {}

    def note(self, keys: tuple[str, ...], market: int) -> None:
        """One new order or replace goes out. A market day that comes again does not count from none."""
        for key in keys:
            trial = self._trial(key)
            if market // DAY > trial.day:
                trial.day, trial.orders = market // DAY, 0
            trial.orders += 1

    def work(self, keys: tuple[str, ...], symbol: str, side: Side, lots: int) -> None:
        """So many more lots may be filled (fewer, if negative)."""
        for held in self._held(keys, symbol):
            if side is Side.BUY:
                held.buying += lots
            else:
                held.selling += lots

    def trade(self, keys: tuple[str, ...], symbol: str, side: Side, lots: int) -> None:
        """So many lots were filled (taken back, if negative)."""
        for held in self._held(keys, symbol):
            held.lots += side.sign * lots

    def facts(self, keys: tuple[str, ...], symbol: str, market: int) -> tuple[TrialFacts, ...]:
        """What the gate looks at for an order in this instrument."""
        found = []
        for key in keys:
            trial = self.all.get(key)
            held = trial.holdings.get(symbol) if trial is not None else None
            found.append(
                TrialFacts(
                    key=key,
                    orders=0 if trial is None or market // DAY > trial.day else trial.orders,
                    lots=held.lots if held is not None else 0,
                    buying=held.buying if held is not None else 0,
                    selling=held.selling if held is not None else 0,
                )
            )
        return tuple(found)

    def _trial(self, key: str) -> _Trial:
        trial = self.all.get(key)
        if trial is None:
            trial = self.all[key] = _Trial()
        return trial

    def _held(self, keys: tuple[str, ...], symbol: str) -> list[_Holding]:
        held = []
        for key in keys:
            holdings = self._trial(key).holdings
            if symbol not in holdings:
                holdings[symbol] = _Holding()
            held.append(holdings[symbol])
        return held
