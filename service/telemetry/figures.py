"""What is announced once a second of names that come and go: levels, limits, parents.

A series is dropped when its name is gone, and there are never more than ``MOST`` of a metric.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Final

from prometheus_client import Gauge

from service.telemetry.metrics import REGISTRY

MOST: Final = 1_000
"""Series of one metric; those that come first are kept."""

Labels = tuple[str, ...]

_VALUE = Gauge(
    "slipstream_exposure_value",
    "Held and worked, in the limits' currency; notional: each holding at its worst.",
    ["level", "name", "kind"],
    registry=REGISTRY,
)
_PROFIT = Gauge(
    "slipstream_profit_loss",
    "Profit of the day, realised and open, in the limits' currency; negative for a loss.",
    ["level", "name", "kind"],
    registry=REGISTRY,
)
_USED = Gauge(
    "slipstream_limit_used_ratio",
    "Share of a limit in force that is used; 1 is all of it.",
    ["control", "limit", "level", "name"],
    registry=REGISTRY,
)
_FILLED = Gauge("slipstream_parent_filled_ratio", "Filled share of a parent.", ["parent"], registry=REGISTRY)
_ELAPSED = Gauge(
    "slipstream_parent_elapsed_ratio",
    "Share of a parent's window that is over.",
    ["parent"],
    registry=REGISTRY,
)
_PARTICIPATION = Gauge(
    "slipstream_parent_participation_ratio",
    "Filled lots of a parent to lots traded in the market since it was admitted.",
    ["parent"],
    registry=REGISTRY,
)
_SLIPPAGE = Gauge(
    "slipstream_parent_slippage_bps",
    "A parent's average price against its arrival price; positive is a cost.",
    ["parent"],
    registry=REGISTRY,
)
_DEVIATION = Gauge(
    "slipstream_parent_deviation_ratio",
    "Filled less what its schedule wants by now, as a share of a parent.",
    ["parent"],
    registry=REGISTRY,
)
_SPREAD = Gauge(
    "slipstream_market_spread_bps", "Time-weighted over a minute.", ["symbol", "venue"], registry=REGISTRY
)
_VOLATILITY = Gauge(
    "slipstream_market_volatility_bps",
    "Standard deviation of one-minute mid returns.",
    ["symbol", "venue"],
    registry=REGISTRY,
)
_TOUCH = Gauge(
    "slipstream_market_touch_lots", "Lots at the touch.", ["symbol", "venue", "side"], registry=REGISTRY
)
_PRICE = Gauge(
    "slipstream_market_price",
    "Trusted reference price, in the instrument's currency.",
    ["symbol", "venue"],
    registry=REGISTRY,
)
_TRADED = Gauge(
    "slipstream_market_volume_lots", "Lots traded this session.", ["symbol", "venue"], registry=REGISTRY
)
_SILENCE = Gauge(
    "slipstream_market_silence_seconds",
    "Market time since the newest event of an instrument, while it trades.",
    ["symbol", "venue"],
    registry=REGISTRY,
)
_HALTED = Gauge(
    "slipstream_market_halted", "1 while an instrument is halted.", ["symbol", "venue"], registry=REGISTRY
)
_HEARTBEAT = Gauge(
    "slipstream_heartbeat_age_seconds", "Age of the feed's newest heartbeat here.", registry=REGISTRY
)
_JOURNAL_FAILED = Gauge(
    "slipstream_gateway_journal_failed", "1 once the journal cannot be written.", registry=REGISTRY
)


class Series:
    """The children of one labelled gauge: those that were shown last, and no others."""

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge
        self._shown: dict[Labels, Gauge] = {}

    def show(self, values: Mapping[Labels, float]) -> None:
        """These are all there are now."""
        kept: dict[Labels, Gauge] = {}
        for labels, value in islice(values.items(), MOST):
            child = self._shown.pop(labels, None) or self._gauge.labels(*labels)
            child.set(value)
            kept[labels] = child
        for labels in self._shown:
            self._gauge.remove(*labels)
        self._shown = kept


class FiguresSensor:
    """Hears of figures; does nothing. Keys are the labels' values, in the order of the parameters' names."""

    def on_heartbeat(self, age: int | None) -> None: ...
    def on_journal(self, *, failed: bool) -> None: ...
    def on_exposure(self, level_name_kind: Mapping[Labels, float]) -> None: ...
    def on_profit(self, level_name_kind: Mapping[Labels, float]) -> None: ...
    def on_limits(self, control_limit_level_name: Mapping[Labels, float]) -> None: ...
    def on_parents(
        self,
        *,
        filled: Mapping[Labels, float],
        elapsed: Mapping[Labels, float],
        participation: Mapping[Labels, float],
        slippage: Mapping[Labels, float],
    ) -> None: ...
    def on_deviation(self, parent: Mapping[Labels, float]) -> None: ...
    def on_market(
        self,
        *,
        spread: Mapping[Labels, float],
        volatility: Mapping[Labels, float],
        touch: Mapping[Labels, float],
        price: Mapping[Labels, float],
        volume: Mapping[Labels, float],
        silence: Mapping[Labels, float],
        halted: Mapping[Labels, float],
    ) -> None: ...


class FiguresMetrics(FiguresSensor):
    """Keeps them in the registry."""

    def __init__(self) -> None:
        self._value, self._profit, self._used = Series(_VALUE), Series(_PROFIT), Series(_USED)
        self._filled, self._elapsed = Series(_FILLED), Series(_ELAPSED)
        self._participation, self._slippage = Series(_PARTICIPATION), Series(_SLIPPAGE)
        self._deviation = Series(_DEVIATION)
        self._market = {
            "spread": Series(_SPREAD),
            "volatility": Series(_VOLATILITY),
            "touch": Series(_TOUCH),
            "price": Series(_PRICE),
            "volume": Series(_TRADED),
            "silence": Series(_SILENCE),
            "halted": Series(_HALTED),
        }

    def on_heartbeat(self, age: int | None) -> None:
        _HEARTBEAT.set(float("nan") if age is None else age / 1e9)

    def on_journal(self, *, failed: bool) -> None:
        _JOURNAL_FAILED.set(failed)

    def on_exposure(self, level_name_kind: Mapping[Labels, float]) -> None:
        self._value.show(level_name_kind)

    def on_profit(self, level_name_kind: Mapping[Labels, float]) -> None:
        self._profit.show(level_name_kind)

    def on_limits(self, control_limit_level_name: Mapping[Labels, float]) -> None:
        self._used.show(control_limit_level_name)

    def on_parents(
        self,
        *,
        filled: Mapping[Labels, float],
        elapsed: Mapping[Labels, float],
        participation: Mapping[Labels, float],
        slippage: Mapping[Labels, float],
    ) -> None:
        self._filled.show(filled)
        self._elapsed.show(elapsed)
        self._participation.show(participation)
        self._slippage.show(slippage)

    def on_deviation(self, parent: Mapping[Labels, float]) -> None:
        self._deviation.show(parent)

    def on_market(self, **kinds: Mapping[Labels, float]) -> None:
        for kind, values in kinds.items():
            self._market[kind].show(values)
