"""(c) The gate's check of one order, against the same comparisons written out in one plain function."""

from __future__ import annotations

import time
from decimal import Decimal

from benchmarks.bare_chain import REALTIME
from benchmarks.load import MID, TICK, facts
from benchmarks.machine import Quantiles
from benchmarks.result import Figure
from service.model.orders import OrdType, ParentStatus, Side, SubmitChild, TimeInForce
from service.model.reference import load_reference
from service.model.time import SECOND, Now
from service.risk.gate import Approved, Gate
from service.risk.limits import (
    DuplicateLimits,
    ExecutionPolicy,
    InstrumentLimits,
    Level,
    LevelLimits,
    Limits,
    LossStage,
    MarketDataLimits,
)
from service.risk.snapshots import (
    ExposureFacts,
    Facts,
    HaltFacts,
    LevelFacts,
    MarketFacts,
    ParentFacts,
    TrafficFacts,
)
from service.settings import ROOT
from service.telemetry.process import ask_for_realtime

ROUNDS = 50_000
AIM_US = 10.0
NAMES = ("twap", "alice", "EQUITIES", "NORTHWIND", "SLIPSTREAM")


def order() -> SubmitChild:
    """An order that passes every check, so that every check is paid for."""
    return SubmitChild(
        child_id="P.7",
        parent_id="P",
        parent_version=1,
        symbol="AURA",
        side=Side.BUY,
        ord_type=OrdType.LIMIT,
        quantity=100,
        price=MID - TICK,
        time_in_force=TimeInForce.DAY,
        policy="twap",
    )


def world(now: int) -> Facts:
    """What the gateway would hand the gate."""
    return Facts(
        parent=ParentFacts(
            id="P",
            symbol="AURA",
            side=Side.BUY,
            quantity=10_000,
            limit_price=MID + 50 * TICK,
            window_start=0,
            window_end=now + 1000 * SECOND,
            version=1,
            status=ParentStatus.WORKING,
            policy="twap",
            account="NW-1",
            arrival_price=MID,
            filled=100,
            working=200,
            next_child=7,
            levels=NAMES,
        ),
        market=MarketFacts(reference=facts("AURA", now), heartbeat_utc=now),
        exposure=ExposureFacts(position=100, working_buy=200, working_sell=0, own_bid=0, own_ask=0),
        levels=(LevelFacts(0, 0, LossStage.NORMAL, 100, 200, 0),) * len(NAMES),
        traffic=TrafficFacts(session=3, instrument=1, alike=1, minute=1, levels=(2, 2, 2, 2, 2)),
        halt=HaltFacts(kill="", logged_on=True, unknown_orders=0, throttled=False),
    )


def plain(c: SubmitChild, f: Facts, market: int, utc: int) -> bool:
    """The same questions, asked inline with constants for limits."""
    p, r, e, t, h = f.parent, f.market.reference, f.exposure, f.traffic, f.halt
    if p is None or r is None:
        return False
    total = p.filled + p.working + c.quantity
    return not (
        h.kill
        or not h.logged_on
        or h.unknown_orders
        or p.id != c.parent_id
        or p.status is not ParentStatus.WORKING
        or c.parent_version != p.version
        or int(c.child_id.rpartition(".")[2]) < p.next_child
        or c.symbol != p.symbol
        or c.side is not p.side
        or not p.window_start <= market < p.window_end
        or not 0 < c.quantity <= 1000
        or total > p.quantity
        or c.price % 100
        or (c.price - p.limit_price) * c.side.sign > 0
        or utc - f.market.heartbeat_utc > SECOND
        or utc - r.ts_utc > SECOND
        or r.jumped
        or r.crossed
        or (r.ask - r.bid) * 10_000 > 100 * r.reference
        or abs(c.price - r.reference) * 10_000 > 500 * r.reference
        or c.price * c.quantity > 10**12
        or e.position + e.working_buy + c.quantity > 100_000
        or t.session > 100
        or max(t.levels) > 100
        or t.instrument > 100
    )


def _idle(us: float) -> Quantiles:
    """An empty loop that takes about as long as a check: what the machine's own interrupts cost."""
    clock = time.perf_counter_ns
    begin = clock()
    for _ in range(1_000_000):
        pass
    rounds = range(max(int(us * 1e9 / (clock() - begin)), 1))
    taken: list[float] = []
    for _ in range(ROUNDS):
        a = clock()
        for _ in rounds:
            pass
        taken.append((clock() - a) / 1000)
    return Quantiles.of(taken)


def run() -> list[Figure]:
    """Time both, interleaved, with the priority that the gateway has where the kernel grants one."""
    ask_for_realtime(REALTIME)
    million = Decimal(1_000_000)
    rates = {
        (level, "*"): LevelLimits(
            messages_per_second=100, max_exposure=million, max_daily_loss=million, max_credit=million
        )
        for level in Level
    }
    limits = Limits(
        version="bench",
        currency="USD",
        restricted=frozenset(),
        strategies={
            "*": ExecutionPolicy(
                order_types=frozenset(OrdType),
                times_in_force=frozenset(TimeInForce),
                venues=frozenset({"*"}),
                instruments=frozenset({"*"}),
                accounts=frozenset({"*"}),
                passive_only=False,
                max_order_value=Decimal(10_000_000),
                max_orders_per_minute=100,
            )
        },
        instruments={
            "AURA": InstrumentLimits(
                max_order_quantity=1000,
                max_order_value=Decimal(10_000_000),
                collar_bps=500,
                max_spread_bps=100,
                max_long=100_000,
                max_short=100_000,
                max_gross=200_000,
                messages_per_second=100,
                max_drift_bps=500,
                calm_spread_bps=100,
                calm_volatility_bps=100,
                max_volume_bps=2_500,
                max_participation_bps=2_500,
                first_lots=1_000,
                locate="not_required",
            )
        },
        levels=rates,
        duplicates=DuplicateLimits(max_alike=10, window=SECOND),
        introductions={"policy=twap": "full"},
        market_data=MarketDataLimits(max_heartbeat_age=SECOND, max_reference_age=SECOND),
    )
    gate = Gate(limits, load_reference(ROOT / "deploy" / "reference.toml"))
    now = time.time_ns()
    moment, command, known = Now(now, now), order(), world(now)
    verdict = gate.check(command, known, moment)
    if not isinstance(verdict, Approved) or not plain(command, known, now, now):
        raise RuntimeError(f"the benchmark's order must pass every check, got {verdict}")
    ours: list[float] = []
    bare: list[float] = []
    clock = time.perf_counter_ns
    for _ in range(ROUNDS):
        a = clock()
        gate.check(command, known, moment)
        b = clock()
        plain(command, known, now, now)
        c = clock()
        ours.append((b - a) / 1000)
        bare.append((c - b) / 1000)
    mine, theirs = Quantiles.of(ours), Quantiles.of(bare)
    idle = _idle(mine.p50)
    print(
        f"  nothing at all, for as long ({idle.p50:.1f} us): p99 {idle.p99:.1f} p99.9 {idle.p999:.1f} us; "
        "beyond that is the gate's"
    )
    return [
        Figure(
            f"gate: one check, {name}",
            getattr(mine, name),
            getattr(theirs, name),
            getattr(mine, name) / getattr(theirs, name),
            "us",
            f"ours < {AIM_US:.0f} us",
            getattr(mine, name) < AIM_US,
        )
        for name in ("p50", "p99", "p999")
    ]
