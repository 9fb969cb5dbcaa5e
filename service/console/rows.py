"""Rows of the page: what a person sees of parents, children, fills, alarms and markets, as plain JSON.

Prices are price units, quantities lots, times nanoseconds: the page divides, with the exponents of the
reference file. ``rev`` rises with every change of anything, so that a page asks for what it lacks.
"""

from __future__ import annotations

from typing import Any

import msgspec

from service.model.events import ChildFill, ChildSubmitted
from service.model.records import Decision


class ParentRow(msgspec.Struct, kw_only=True):
    """One parent.

    Attributes:
        filled, money: Lots, and price units x lots.
        working: Lots that may still trade.
        target: Lots that the schedule wanted done at its newest decision.
        window_start, window_end, began, ended: Market time; 0 where it is not known or not over.
        market_volume, market_money: Eligible prints since it began, if the console has seen them all.
        last_action, last_reason: Of its newest decision.
        taken_over: Who works it by hand; empty while its policy does.
    """

    id: str
    symbol: str
    side: str
    policy: str
    trader: str
    account: str
    objective: str
    quantity: int
    status: str
    version: int
    window_start: int
    window_end: int
    arrival_price: int
    arrival_volume: int
    began: int
    began_utc: int
    parameters: dict[str, Any]
    desk: str = ""
    ended: int = 0
    reason: str = ""
    filled: int = 0
    money: int = 0
    passive: int = 0
    working: int = 0
    target: int = 0
    children: int = 0
    denied: int = 0
    market_volume: int | None = None
    market_money: int | None = None
    model: str = ""
    last_action: str = ""
    last_reason: str = ""
    taken_over: str = ""
    rev: int = 0


class ChildRow(msgspec.Struct, kw_only=True):
    """One child order. ``status`` is FIX's word in lower case, ``pending`` an unanswered request."""

    id: str
    parent: str
    symbol: str
    side: str
    quantity: int
    price: int
    ord_type: str
    time_in_force: str
    status: str = "pending_new"
    pending: str = ""
    unknown: bool = False
    filled: int = 0
    money: int = 0
    venue: str = ""
    model: str = ""
    reason: str = ""
    cl_ord_id: str = ""
    order_id: str = ""
    ts_event: int = 0
    ts_utc: int = 0
    ended: bool = False
    rev: int = 0


class FillRow(msgspec.Struct, kw_only=True):
    """One execution; ``liquidity`` is ``added``, ``removed`` or another word of FIX tag 851."""

    exec_id: str
    child: str
    parent: str
    symbol: str
    side: str
    quantity: int
    price: int
    liquidity: str
    venue: str
    ts_event: int
    ts_utc: int
    rev: int = 0


class AlarmRow(msgspec.Struct, kw_only=True):
    """Something a person must look at, until one person has closed it with a comment (C21).

    Attributes:
        kind: ``alarm``, ``denial``, ``kill``, ``session`` or ``alert`` (of Alertmanager).
        severity: Of an alert: ``critical``, ``warning`` or ``info``.
        times: How often the same came while it was open.
        resolved: UTC at which the alert's condition ended; 0 while it lasts.
    """

    id: str
    kind: str
    code: str
    detail: str
    symbol: str
    ts_utc: int
    times: int = 1
    acknowledged: str = ""
    closed: str = ""
    comment: str = ""
    severity: str = ""
    resolved: int = 0
    runbook: str = ""
    rev: int = 0


class MarketRow(msgspec.Struct, kw_only=True):
    """One instrument: the newest book and the reference facts that the gate has, too."""

    symbol: str
    venue: str = ""
    bids: tuple[tuple[int, int], ...] = ()
    asks: tuple[tuple[int, int], ...] = ()
    last: int = 0
    reference: int = 0
    volume: int = 0
    spread_bps: float = 0.0
    volatility_bps: float = 0.0
    phase: str = ""
    crossed: bool = False
    jumped: bool = False
    ts_event: int = 0
    rev: int = 0


class DecisionRow(msgspec.Struct, kw_only=True):
    """What a policy decided, with what it saw."""

    parent: str
    action: str
    child: str
    quantity: int
    price: int
    target: int
    filled: int
    working: int
    model: str
    score: float | None
    reason: str
    ts_event: int
    ts_utc: int


class Head(msgspec.Struct, kw_only=True):
    """The line above everything.

    Attributes:
        market_time: Nanoseconds; 0 while it is not known.
        feed_age: Seconds of UTC since the feed's last heartbeat; None before the first.
        gateway: ``up``, or why the gateway does not answer.
        kills: Scopes in force, with who and why.
        stale: Kafka has told nothing for so long that the page shows the past.
    """

    market_time: int = 0
    utc: int = 0
    feed_age: float | None = None
    gateway: str = "unknown"
    halted: str = ""
    sessions: dict[str, bool] = {}
    kills: list[dict[str, Any]] = []
    latched: dict[str, str] = {}
    proposals: list[dict[str, Any]] = []
    runners: list[str] = []
    working: int = 0
    unknown: int = 0
    limits_version: str = ""
    stale: bool = False
    open_alarms: int = 0


def child_row(event: ChildSubmitted) -> ChildRow:
    """Of a child that has just been sent, before its lots count as working."""
    return ChildRow(
        id=event.child_id,
        parent=event.parent_id,
        symbol=event.symbol,
        side=event.side.name.lower(),
        quantity=0,
        price=event.price,
        ord_type=event.ord_type.name.lower(),
        time_in_force=event.time_in_force.name.lower(),
        venue=event.venue,
        model=event.model,
        reason=event.reason,
        cl_ord_id=event.cl_ord_id,
        ts_event=event.ts_event,
        ts_utc=event.ts_utc,
    )


def fill_row(child: ChildRow, fill: ChildFill) -> FillRow:
    """Of one execution of a child."""
    return FillRow(
        exec_id=fill.exec_id,
        child=child.id,
        parent=child.parent,
        symbol=child.symbol,
        side=child.side,
        quantity=fill.last_quantity,
        price=fill.last_price,
        liquidity=fill.liquidity.name.lower(),
        venue=fill.venue,
        ts_event=fill.ts_event,
        ts_utc=fill.ts_utc,
    )


def decision_row(decision: Decision) -> DecisionRow:
    """Of one decision."""
    return DecisionRow(
        parent=decision.parent_id,
        action=decision.action,
        child=decision.child_id,
        quantity=decision.quantity,
        price=decision.price,
        target=decision.target,
        filled=decision.filled,
        working=decision.working,
        model=decision.model,
        score=decision.score,
        reason=decision.reason,
        ts_event=decision.ts_event,
        ts_utc=decision.ts_utc,
    )
