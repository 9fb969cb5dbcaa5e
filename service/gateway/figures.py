"""What the gateway's metrics say once a second: levels, limits in force, parents (C34, C36)."""

from __future__ import annotations

from typing import Final

from service.gateway.exposures import rows
from service.gateway.shell import Shell
from service.gateway.state import Parent, State
from service.model.market import TradingPhase
from service.model.time import SECOND
from service.telemetry.figures import FiguresSensor, Labels

_EVERY: Final = SECOND
_BPS: Final = 10_000
_KINDS: Final = ("long", "short", "working", "notional")


class Figures:
    """Announces figures of a running gateway, beside the orders' way."""

    def __init__(self, shell: Shell, sensor: FiguresSensor) -> None:
        self._shell = shell
        self._sensor = sensor
        self._next = 0

    def look(self, utc: int) -> None:
        """Announce, if a second has gone by since the last time."""
        if utc < self._next and self._next - utc <= _EVERY:
            return
        self._next = utc + _EVERY
        shell, state, sensor = self._shell, self._shell.core.state, self._sensor
        heartbeat = shell.heartbeat
        sensor.on_heartbeat(utc - heartbeat.ts_utc if heartbeat is not None else None)
        sensor.on_journal(failed=bool(shell.journal.failed))
        found = rows(state)
        sensor.on_exposure(
            {(r.level, r.name, kind): float(getattr(r, kind)) for r in found for kind in _KINDS}
        )
        sensor.on_profit(
            {(r.level, r.name, kind): float(getattr(r, kind)) for r in found for kind in ("realised", "open")}
        )
        sensor.on_limits(
            {(use.control, use.limit, r.level, r.name): use.share for r in found for use in r.limits}
        )
        market = shell.now().market
        self._parents(state, market)
        self._market(state, market)

    def _market(self, state: State, market: int) -> None:
        """The facts that the gate has, by symbol and venue."""
        spread: dict[Labels, float] = {}
        volatility: dict[Labels, float] = {}
        touch: dict[Labels, float] = {}
        price: dict[Labels, float] = {}
        volume: dict[Labels, float] = {}
        silence: dict[Labels, float] = {}
        halted: dict[Labels, float] = {}
        for symbol, known in self._shell.latest.items():
            key = (symbol, known.venue)
            spread[key] = known.spread_bps
            volatility[key] = known.volatility_bps
            touch[(*key, "bid")] = float(known.bid_quantity)
            touch[(*key, "ask")] = float(known.ask_quantity)
            volume[key] = float(known.volume)
            halted[key] = float(known.phase is TradingPhase.HALTED)
            instrument = state.reference.by_symbol.get(symbol)
            if known.reference and instrument is not None:
                price[key] = known.reference / 10**instrument.price_exponent
            if known.phase is TradingPhase.CONTINUOUS:
                silence[key] = max(0, market - known.ts_event) / SECOND
        self._sensor.on_market(
            spread=spread,
            volatility=volatility,
            touch=touch,
            price=price,
            volume=volume,
            silence=silence,
            halted=halted,
        )

    def _parents(self, state: State, market: int) -> None:
        filled: dict[Labels, float] = {}
        elapsed: dict[Labels, float] = {}
        participation: dict[Labels, float] = {}
        slippage: dict[Labels, float] = {}
        for parent_id, parent in state.open.items():
            key = (parent_id,)
            lots = state.ledger.progress(parent_id).filled
            filled[key] = lots / parent.order.quantity
            elapsed[key] = _elapsed(parent, market)
            known = self._shell.latest.get(parent.order.symbol)
            traded = known.volume - parent.arrival_volume if known is not None else 0
            if traded > 0:
                participation[key] = lots / traded
            if lots and parent.arrival_price:
                average = state.ledger.progress(parent_id).money / lots
                worse = parent.order.side.sign * (average - parent.arrival_price)
                slippage[key] = worse / parent.arrival_price * _BPS
        self._sensor.on_parents(
            filled=filled, elapsed=elapsed, participation=participation, slippage=slippage
        )


def _elapsed(parent: Parent, market: int) -> float:
    span = parent.window_end - parent.window_start
    return min(1.0, max(0.0, (market - parent.window_start) / span)) if span > 0 else 1.0
