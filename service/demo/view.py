"""What a person sees: the live view while a run goes on, and its result at the end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from service.demo.blotter import MOMENTS, Blotter, Parent
from service.demo.result import Result
from service.gateway.control import ExposureReply, StatusReply
from service.model.events import ParentSnapshot
from service.model.reference import Reference
from service.model.time import SECOND
from service.tca.cost import ParentCost, slippage_bps

_AMOUNTS: Final = ("long", "short", "gross", "net", "working", "notional", "realised", "open", "credit")
_RECENT = 8
_WIDE = 125
"""Columns of a terminal that shows every figure of the live view."""


def market_text(nanoseconds: int) -> str:
    """Market time of day, UTC."""
    if nanoseconds <= 0:
        return "--:--:--"
    return datetime.fromtimestamp(nanoseconds / SECOND, UTC).strftime("%H:%M:%S")


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f} %"


class LiveView:
    """The terminal view of a running blotter."""

    def __init__(self, blotter: Blotter, reference: Reference) -> None:
        self._blotter = blotter
        self._reference = reference
        self._recent: list[Text] = []

    def say(self, line: str) -> None:
        """Add a line to the recent events."""
        self._recent = [*self._recent[1 - _RECENT :], Text(line, overflow="ellipsis", no_wrap=True)]

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        yield Group(self._head(), self._parents(options.max_width), self._legs(), *self._recent)

    def _head(self) -> Text:
        blotter = self._blotter
        market = market_text(blotter.market_now(time.time_ns()))
        down = [name for name, up in blotter.sessions.items() if not up]
        head = f"market {market} UTC   fills {sum(len(p.fills) for p in blotter.parents.values()):,}"
        denials = ", ".join(f"{name} x{n}" for name, n in blotter.denials.most_common(4))
        head += f"   denials {denials or 'none'}"
        return Text(head + (f"   FIX down: {', '.join(down)}" if down else ""), style="bold")

    def _parents(self, width: int) -> Table:
        wide = width >= _WIDE
        table = Table(box=box.SIMPLE_HEAD, expand=wide, pad_edge=False, padding=(0, 1 if wide else 0))
        table.add_column("parent", overflow="fold")
        table.add_column("", no_wrap=True)
        if wide:
            table.add_column("policy", no_wrap=True)
            table.add_column("done", ratio=1, min_width=10)
        table.add_column("filled", justify="right", no_wrap=True)
        for name in ("schedule", "working", "average", *(("arrival",) if wide else ()), "bps", "state"):
            table.add_column(name, justify="right", no_wrap=True)
        for parent in self._blotter.parents.values():
            table.add_row(*self._row(parent, wide))
        return table

    def _row(self, parent: Parent, wide: bool) -> list[RenderableType]:
        order = parent.state.parent
        filled, money = parent.filled, parent.money
        unit = self._reference.by_symbol[order.symbol].price_exponent
        average = money / filled if filled else None
        bps = slippage_bps(order.side.sign, average, parent.state.arrival_price)
        style = "green" if filled >= parent.target else "yellow"
        working = sum(max(0, c.quantity - c.filled) for c in parent.working)
        bar = ProgressBar(total=max(1, order.quantity), completed=filled, complete_style=style)
        return [
            order.id,
            f"{order.side.name.lower()} {order.symbol}",
            *((order.policy, bar) if wide else ()),
            f"{filled:,}/{order.quantity:,}",
            f"{parent.target:,}",
            f"{len(parent.working)} ({working:,})" if wide else f"{working:,}",
            _number(None if average is None else average / 10**unit, 4),
            *((_number(parent.state.arrival_price / 10**unit, 4),) if wide else ()),
            _number(bps, 1),
            parent.state.status.value,
        ]

    def _legs(self) -> Text:
        legs = self._blotter.latencies.quantiles()
        shown = "   ".join(f"{leg} {q.p50:,.0f}/{q.p99:,.0f}" for leg, q in legs.items())
        return Text(f"us p50/p99: {shown}" if shown else "", style="dim", overflow="ellipsis", no_wrap=True)


def progress_line(blotter: Blotter) -> str:
    """One line for a log: market time, parents against their schedules, fills and denials."""
    parents = "  ".join(
        f"{p.state.parent.id} {100 * p.filled // max(1, p.state.parent.quantity)}%"
        f"/{100 * p.target // max(1, p.state.parent.quantity)}%"
        + (f" {p.state.status.value}" if p.state.status.value != "working" else "")
        for p in blotter.parents.values()
    )
    fills = sum(len(p.fills) for p in blotter.parents.values())
    working = sum(len(p.working) for p in blotter.parents.values())
    market = market_text(blotter.market_now(time.time_ns()))
    return f"{market}  {parents}  working {working}  fills {fills}  denials {blotter.denials.total()}"


def print_result(result: Result, console: Console) -> None:
    """The tables of a finished run."""
    for table in _parents_tables(result, console):
        console.print(table)
    for parent_id, why in result.refused.items():
        console.print(f"{parent_id} was refused: {why}", markup=False)
    console.print(_agreement(result), markup=False)
    denials = ", ".join(f"{name} x{n}" for name, n in sorted(result.denials.items()))
    console.print(f"denials    {denials or 'none'}", markup=False)
    if result.alarms:
        console.print(f"alarms     {', '.join(f'{name} x{n}' for name, n in sorted(result.alarms.items()))}")
    console.print(_latency_table(result))
    console.print(
        "seen       " + ", ".join(f"{m} {f'yes ({n})' if (n := result.seen[m]) else 'no'}" for m in MOMENTS)
    )
    for moment in MOMENTS:
        if moment in result.moments:
            console.print(
                f"           {result.moments[moment]}", markup=False, overflow="ellipsis", no_wrap=True
            )
    console.print(
        f"recording  {result.recording}{'' if result.complete else '  (not complete)'}",
        soft_wrap=True,
        markup=False,
        highlight=False,
    )


_ORDER: Final = ("parent", "symbol", "side", "policy", "quantity", "fill rate", "average", "arrival")
_COST: Final = ("IS bps", "VWAP bps", "TWAP bps", "children", "passive", "fees")
_LEFT: Final = frozenset({"parent", "symbol", "side", "policy", "state"})


def _parents_tables(result: Result, console: Console) -> list[Table]:
    """One table, or where the terminal is too narrow for its figures, a closer one, or two."""
    cells = [_cells(cost) for cost in result.parents]
    wide = (*_ORDER, *_COST, "state")
    unbounded = console.options.update(width=1000)
    for padding in (1, 0):
        table = _table(wide, cells, padding)
        if Measurement.get(console, unbounded, table).maximum <= console.width:
            return [table]
    return [_table((*_ORDER, "state"), cells, 0), _table(("parent", *_COST), cells, 0)]


def _table(columns: Sequence[str], cells: list[dict[str, str]], padding: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, padding))
    for name in columns:
        # A long id is broken rather than a figure.
        table.add_column(
            name,
            justify="left" if name in _LEFT else "right",
            no_wrap=name != "parent",
            overflow="fold" if name == "parent" else "ellipsis",
        )
    for row in cells:
        table.add_row(*(row[name] for name in columns))
    return table


def _cells(cost: ParentCost) -> dict[str, str]:
    return {
        "parent": cost.id,
        "symbol": cost.symbol,
        "side": cost.side,
        "policy": cost.policy,
        "quantity": f"{cost.quantity:,}",
        # Rounded down: only what is filled is 100 %.
        "fill rate": f"{100 * cost.filled // max(1, cost.quantity)} %",
        "average": _number(cost.average_price, 4),
        "arrival": _number(cost.arrival_price, 4),
        "IS bps": _bps(cost.shortfall_bps),
        "VWAP bps": _bps(cost.vwap_slippage_bps),
        "TWAP bps": _bps(cost.twap_slippage_bps),
        "children": f"{cost.children:,}",
        "passive": _percent(cost.passive_share),
        "fees": _number(cost.fees, 2),
        "state": cost.state,
    }


def _bps(value: float | None) -> str:
    return "-" if value is None else f"{value:+.2f}"


def _agreement(result: Result) -> str:
    def side(name: str, fills: int, quantity: object, money: object) -> str:
        return f"{name} {fills:,} fills, {quantity:,} lots, {money:,} in money"

    mine = side("ours      ", *result.ours)
    if result.broker is None or result.differences is None:
        return f"{mine}\nbroker     keeps its own log elsewhere: not compared"
    lines = [mine, side("broker    ", *result.broker)]
    if not result.differences:
        lines.append("divergence none: the same fills, and the same money")
    lines += [
        f"divergence only {d.only}: {' '.join(str(v) for v in d.execution)}" for d in result.differences[:20]
    ]
    if result.breaks is not None:
        lines.append(f"drop copy  breaks {result.breaks}")
    return "\n".join(lines)


def _latency_table(result: Result) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("latency, us", no_wrap=True)
    for name in ("n", "p50", "p99", "p99.9"):
        table.add_column(name, justify="right")
    for leg, q in result.latency.items():
        table.add_row(leg, f"{q.n:,}", *(_number(v, 0) for v in (q.p50, q.p99, q.p999)))
    return table


def status_lines(status: StatusReply) -> list[str]:
    """The gateway in a nutshell, for a terminal."""
    age = "never" if status.heartbeat_age < 0 else f"{status.heartbeat_age / 1e6:,.0f} ms ago"
    positions = ", ".join(f"{symbol} {lots:+,}" for symbol, lots in sorted(status.positions.items()) if lots)
    lines = [
        f"session    {status.session} {'logged on' if status.logged_on else 'DOWN'}",
        f"market     {market_text(status.market_time)} UTC, feed heard {age}",
        f"parents    {status.open_parents} open, {status.waiting_parents} waiting",
        f"runners    {', '.join(status.runners) or 'none'}",
        f"orders     {len(status.working)} work, {status.unknown} of unknown outcome",
        f"positions  {positions or 'flat'}",
        f"record     journal at {status.journal_seq:,}, {status.pending_records:,} wait for Kafka",
        f"versions   reference {status.reference_version}, limits {status.limits_version}",
    ]
    lines += [f"kill       {k.scope} by {k.by}: {k.reason} ({k.working} still work)" for k in status.kills]
    lines += [
        f"proposal   {p.proposal} by {p.by}: {p.action} {p.target}: {p.reason}" for p in status.proposals
    ]
    lines += [f"stopped    {scope} by itself: {why}" for scope, why in status.latched.items()]
    lines += [f"held       {terms} waits for two people" for terms in status.held]
    lines += [f"clock      {status.clock}: new orders are denied"] if status.clock else []
    lines += [f"HALTED     {status.halted}"] if status.halted else []
    lines += [
        f"           {c.child_id} {c.side.name.lower()} {c.leaves_quantity:,} of {c.quantity:,} {c.symbol}"
        for c in status.working
    ]
    return lines


def parent_lines(parents: Sequence[ParentSnapshot]) -> list[str]:
    """Parents, for a terminal: one line each, and one for each order that works for it."""
    lines = []
    for parent in parents:
        order = parent.parent
        done = 100 * parent.filled_quantity // max(1, order.quantity)
        window = f"{market_text(parent.window_start)}-{market_text(parent.window_end)}"
        lines.append(
            f"{order.id}  {order.side.name.lower()} {order.symbol} {order.policy}  "
            f"{parent.filled_quantity:,}/{order.quantity:,} {done} %  {window}  {parent.status.value}"
        )
        lines += [
            f"    {c.child_id} {c.leaves_quantity:,} of {c.quantity:,} at {c.price} "
            f"{'UNKNOWN' if c.unknown else c.pending or c.status.name.lower()}"
            for c in parent.children
        ]
    return lines or ["no parents"]


def exposure_lines(reply: ExposureReply) -> list[str]:
    """What every level holds and works, and under it what limits that uses, for a terminal."""
    unit = reply.currency
    lines = [f"{'level':10} {'name':14} " + " ".join(f"{name:>12}" for name in _AMOUNTS)]
    for row in reply.rows:
        amounts = " ".join(f"{getattr(row, name):>12,.0f}" for name in _AMOUNTS)
        lines.append(f"{row.level:10} {row.name:14} {amounts}")
        used = [f"{use.limit} {100 * use.share:.1f} % of {use.most:,.0f}" for use in row.limits if use.used]
        held = [f"{row.position:+,} lots"] if row.position else []
        if held or used:
            lines.append(f"{'':25} {', '.join((*held, *used))}")
    return (
        [f"in {unit}, limits {reply.limits_version}", *lines] if reply.rows else ["nothing is held or worked"]
    )
