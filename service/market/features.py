"""The features that a model may read: a registry of names, each with its unit and its meaning.

A feature is computed from the totals of ``service.market.flow`` when it is asked for, by +, -, *, / and
square root alone: IEEE 754 rounds these correctly, so that a row is the same to the last bit on every
machine, live, in replay and in training. None has a unit of money or of lots: they are ratios, ticks and
standard deviations, so that a model learnt on one instrument means something on another.

Windows end now and begin at the boundary of the grid of market time (``flow.GRID``) at or before their length
ago. Every value is finite; where one is not defined (no print in the window), it is 0.0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import sqrt
from typing import Final

from service.market.flow import GRID, SPAN, Flow, Totals

WINDOWS: Final = (1, 5, 30)
"""Seconds of market time."""

_ALL: Final = SPAN // GRID
_PER_SECOND: Final = 1_000_000_000 // GRID


class FeatureError(ValueError):
    """A feature is not in the registry; the message names it and what there is."""


class Sight:
    """What features share, worked out once per row.

    Attributes:
        depth: Mean lots on one side of the touch over the last ``SPAN``, sampled on the grid; at least 1.
        spread: Mean spread over the last ``SPAN``, price units; at least a tick.
        sigma: Standard deviation of the mid's change in one second over the last ``SPAN``, price units; at
            least a tick over the square root of ``SPAN`` in seconds, which one change of one tick gives.
        seconds: Length of market time that ``sigma`` and ``depth`` are taken over, at least one step.
    """

    __slots__ = ("depth", "flow", "long", "seconds", "sigma", "spread", "then")

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        at = flow.at
        self.then: tuple[Totals, ...] = tuple(at(w * _PER_SECOND) for w in WINDOWS)
        long = self.long = at(_ALL)
        steps = flow.steps - long.steps
        if steps:
            depth = (flow.depth - long.depth) / (2 * steps)
            spread = (flow.spread - long.spread) / steps
            squares = flow.squares - long.squares
        else:
            depth = (flow.bid_quantity + flow.ask_quantity) / 2
            spread = float(flow.ask - flow.bid)
            steps = 1
            squares = 0
        seconds = self.seconds = steps / _PER_SECOND
        tick = flow.tick
        self.depth = max(1.0, depth)
        self.spread = spread if spread > tick else float(tick)
        least = tick * tick / seconds
        variance = squares / 4 / seconds
        self.sigma = sqrt(max(least, variance))


Compute = Callable[[Sight], float]
Compiled = Callable[[Flow], tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Feature:
    """One entry of the registry.

    Attributes:
        odd: It changes its sign when bid and ask, buyers and sellers are exchanged.
        mirror: Name of the feature that it is exchanged with in the mirrored market.
    """

    name: str
    unit: str
    meaning: str
    odd: bool
    mirror: str
    compute: Compute


REGISTRY: Final[dict[str, Feature]] = {}


def _declare(
    name: str, unit: str, meaning: str, compute: Compute, *, odd: bool = False, mirror: str = ""
) -> None:
    REGISTRY[name] = Feature(name, unit, meaning, odd, mirror or name, compute)


def compile_features(names: Iterable[str]) -> Compiled:
    """A function from a flow to the row of these features, in this order.

    Raises:
        FeatureError: If a name is not in the registry.
    """
    wanted = tuple(names)
    unknown = [name for name in wanted if name not in REGISTRY]
    if unknown:
        raise FeatureError(f"no feature {', '.join(unknown)}; there are {', '.join(REGISTRY)}")
    computes = tuple(REGISTRY[name].compute for name in wanted)
    nothing = (0.0,) * len(wanted)

    def row(flow: Flow) -> tuple[float, ...]:
        if not flow.ready:
            return nothing
        sight = Sight(flow)
        return tuple([compute(sight) for compute in computes])

    return row


def _ratio(up: float, down: float) -> float:
    """(up - down) / (up + down), 0.0 where both are nothing: -1 .. 1."""
    whole = up + down
    return (up - down) / whole if whole else 0.0


def _imbalance(levels: int) -> Compute:
    def compute(s: Sight) -> float:
        bid = sum([quantity for _, quantity in s.flow.bids[:levels]])
        ask = sum([quantity for _, quantity in s.flow.asks[:levels]])
        return _ratio(bid, ask)

    return compute


def _microprice(s: Sight) -> float:
    f = s.flow
    whole = f.bid_quantity + f.ask_quantity
    if not whole:
        return 0.0
    return (f.ask - f.bid) * (f.bid_quantity - f.ask_quantity) / (2 * whole * f.tick)


def _order_flow(i: int) -> Compute:
    def compute(s: Sight) -> float:
        return (s.flow.order_flow - s.then[i].order_flow) / s.depth

    return compute


def _trade_imbalance(i: int) -> Compute:
    def compute(s: Sight) -> float:
        traded = s.flow.traded - s.then[i].traded
        return (s.flow.signed - s.then[i].signed) / traded if traded else 0.0

    return compute


def _trade_pressure(i: int) -> Compute:
    def compute(s: Sight) -> float:
        return (s.flow.signed - s.then[i].signed) / s.depth

    return compute


def _move_ticks(i: int) -> Compute:
    def compute(s: Sight) -> float:
        return (s.flow.mid2 - s.then[i].mid2) / (2 * s.flow.tick)

    return compute


def _move_sigma(i: int) -> Compute:
    root = sqrt(WINDOWS[i])

    def compute(s: Sight) -> float:
        return (s.flow.mid2 - s.then[i].mid2) / (2 * root * s.sigma)

    return compute


def _book_rate(i: int) -> Compute:
    def compute(s: Sight) -> float:
        return _ratio(
            (s.flow.books - s.then[i].books) / WINDOWS[i], (s.flow.books - s.long.books) / s.seconds
        )

    return compute


def _trade_rate(i: int) -> Compute:
    def compute(s: Sight) -> float:
        return _ratio(
            (s.flow.trades - s.then[i].trades) / WINDOWS[i], (s.flow.trades - s.long.trades) / s.seconds
        )

    return compute


def _since(ns: int) -> float:
    """Seconds t as t / (1 + t): 0 .. 1. What is older than ``SPAN`` is as old as that."""
    seconds = (min(SPAN, ns)) / 1e9
    return seconds / (1.0 + seconds)


def _last_trade_sign(s: Sight) -> float:
    f = s.flow
    return float(f.last_sign) if f.ts - f.last_trade < SPAN else 0.0


def _last_trade_place(s: Sight) -> float:
    f = s.flow
    spread = f.ask - f.bid
    if spread <= 0 or not f.last_price or f.ts - f.last_trade >= SPAN:
        return 0.0
    place = (2 * f.last_price - f.mid2) / spread
    return 3.0 if place > 3.0 else max(place, -3.0)


_declare("spread_ticks", "ticks", "best ask less best bid", lambda s: (s.flow.ask - s.flow.bid) / s.flow.tick)
_declare(
    "spread_ratio",
    "ratio",
    "spread against its mean of the last 60 s: (now - mean) / (now + mean)",
    lambda s: _ratio(max(s.flow.ask - s.flow.bid, 0), s.spread),
)
_declare(
    "sigma_ticks",
    "ticks",
    "standard deviation of the mid's change in one second, over 60 s",
    lambda s: s.sigma / s.flow.tick,
)
_declare(
    "sigma_spread", "ratio", "sigma against the mean spread of the last 60 s", lambda s: s.sigma / s.spread
)
_declare(
    "sigma_bps",
    "bps",
    "sigma in basis points of the mid",
    lambda s: 20_000.0 * s.sigma / s.flow.mid2 if s.flow.mid2 else 0.0,
)
for _levels in (1, 3, 5):
    _declare(
        "imbalance" if _levels == 1 else f"imbalance_{_levels}",
        "-1..1",
        f"(bid - ask) / (bid + ask) of the lots on the best {_levels} level(s), as many as there are",
        _imbalance(_levels),
        odd=True,
    )
_declare(
    "microprice_ticks",
    "ticks",
    "microprice (mid weighted by the lots opposite) less mid",
    _microprice,
    odd=True,
)
_declare(
    "bid_depth_ratio",
    "ratio",
    "lots at the best bid against the mean lots of a side, 60 s: (now - mean) / (now + mean)",
    lambda s: _ratio(s.flow.bid_quantity, s.depth),
    mirror="ask_depth_ratio",
)
_declare(
    "ask_depth_ratio",
    "ratio",
    "lots at the best ask against the mean lots of a side, 60 s: (now - mean) / (now + mean)",
    lambda s: _ratio(s.flow.ask_quantity, s.depth),
    mirror="bid_depth_ratio",
)
for _i, _w in enumerate(WINDOWS):
    _declare(
        f"order_flow_{_w}s",
        "mean depths",
        f"order-flow imbalance at the touch (Cont, Kukanov, Stoikov 2014) over {_w} s, "
        "against the mean lots of a side",
        _order_flow(_i),
        odd=True,
    )
    _declare(
        f"trade_imbalance_{_w}s",
        "-1..1",
        f"lots bought less lots sold by takers, over lots printed, in {_w} s",
        _trade_imbalance(_i),
        odd=True,
    )
    _declare(
        f"trade_pressure_{_w}s",
        "mean depths",
        f"lots bought less lots sold by takers in {_w} s, against the mean lots of a side",
        _trade_pressure(_i),
        odd=True,
    )
    _declare(f"move_ticks_{_w}s", "ticks", f"change of the mid over {_w} s", _move_ticks(_i), odd=True)
    _declare(
        f"move_sigma_{_w}s",
        "deviations",
        f"change of the mid over {_w} s, in standard deviations of that span",
        _move_sigma(_i),
        odd=True,
    )
    _declare(
        f"book_rate_{_w}s",
        "ratio",
        f"books a second over {_w} s against 60 s: (now - mean) / (now + mean)",
        _book_rate(_i),
    )
    _declare(
        f"trade_rate_{_w}s",
        "ratio",
        f"prints a second over {_w} s against 60 s: (now - mean) / (now + mean)",
        _trade_rate(_i),
    )
_declare(
    "since_trade",
    "0..1",
    "seconds t since the last print, as t / (1 + t)",
    lambda s: _since(s.flow.ts - s.flow.last_trade),
)
_declare(
    "since_move",
    "0..1",
    "seconds t since the mid last changed, as t / (1 + t)",
    lambda s: _since(s.flow.ts - s.flow.moved),
)
_declare(
    "last_trade_sign",
    "-1, 0, 1",
    "the last print's taker bought or sold; 0 if not known, or over 60 s ago",
    _last_trade_sign,
    odd=True,
)
_declare(
    "last_trade_place",
    "half spreads",
    "last print's price less mid, -3 .. 3; 0 if it was over 60 s ago",
    _last_trade_place,
    odd=True,
)
