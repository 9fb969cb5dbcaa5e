"""What the gateway's metrics say once a second: levels, limits in force, parents."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from service.fix.messages import ExecutionReport
from service.gateway.figures import Figures
from service.model.market import TradingPhase
from service.model.orders import OrdStatus
from service.model.time import SECOND
from service.telemetry.figures import FiguresSensor, Labels
from tests.unit.gateway.driver import LIMITS, PRICE, snapshot
from tests.unit.gateway.test_shell import Gateway


class Told(FiguresSensor):
    def __init__(self) -> None:
        self.times = 0
        self.age: int | None = None
        self.failed = False
        self.exposure: Mapping[Labels, float] = {}
        self.profit: Mapping[Labels, float] = {}
        self.limits: Mapping[Labels, float] = {}
        self.parents: dict[str, Mapping[Labels, float]] = {}
        self.market: dict[str, Mapping[Labels, float]] = {}

    def on_heartbeat(self, age: int | None) -> None:
        self.times += 1
        self.age = age

    def on_journal(self, *, failed: bool) -> None:
        self.failed = failed

    def on_exposure(self, level_name_kind: Mapping[Labels, float]) -> None:
        self.exposure = level_name_kind

    def on_profit(self, level_name_kind: Mapping[Labels, float]) -> None:
        self.profit = level_name_kind

    def on_limits(self, control_limit_level_name: Mapping[Labels, float]) -> None:
        self.limits = control_limit_level_name

    def on_parents(self, **kinds: Mapping[Labels, float]) -> None:
        self.parents = kinds

    def on_market(self, **kinds: Mapping[Labels, float]) -> None:
        self.market = kinds


class Watched:
    """A gateway with 100 of P1's 1,000 lots bought one tick above the arrival price, and its figures."""

    def __init__(self, folder: Path) -> None:
        self.gateway = Gateway(folder / "gateway.journal")
        self.told = Told()
        self.figures = Figures(self.gateway.shell, self.told)

    async def trade(self) -> None:
        self.gateway.admit()
        self.gateway.submit(price=PRICE + 100)
        await self.gateway.until(lambda: self.gateway.wire.requests)
        order = self.gateway.core.state.ledger.orders["P1.1"]
        fields: dict[str, Any] = {"symbol": "AURA", "side": order.side, "order_quantity": 100}
        self.gateway.shell.report(
            ExecutionReport(
                cl_ord_id=order.cl_ord_id, order_id="B", exec_id="E", exec_type="F",
                ord_status=OrdStatus.FILLED, last_quantity=100, last_price=PRICE + 100,
                cum_quantity=100, leaves_quantity=0, **fields,
            )
        )  # fmt: skip


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    built = Watched(tmp_path)
    await built.trade()
    yield built
    await built.gateway.journal.close()


async def test_levels_and_limits_are_told_as_they_are_in_force(watched: Watched) -> None:
    watched.figures.look(watched.gateway.utc)
    told = watched.told
    assert told.exposure["firm", "SLIPSTREAM", "long"] == 10_000.0
    assert told.profit["firm", "SLIPSTREAM", "open"] == -1.0
    assert told.limits["C11", "max_exposure", "firm", "SLIPSTREAM"] == 0.00005
    watched.gateway.core.state.change_limits(LIMITS.replace("max_long = 60_000", "max_long = 200"))
    watched.figures.look(watched.gateway.utc + SECOND)
    assert told.limits["C12", "max_long", "instrument", "AURA"] == 0.5


async def test_a_parents_progress_is_told_until_it_is_over(watched: Watched) -> None:
    gateway, told = watched.gateway, watched.told
    gateway.utc += 900 * SECOND
    gateway.shell.reference(snapshot(gateway.utc, volume=10_400, reference=PRICE))
    watched.figures.look(gateway.utc)
    assert told.parents == {
        "filled": {("P1",): 0.1},
        "elapsed": {("P1",): 0.25},
        "participation": {("P1",): 0.25},
        "slippage": {("P1",): 1.0},
    }
    gateway.core.state.open.clear()
    watched.figures.look(gateway.utc + SECOND)
    assert told.parents == {"filled": {}, "elapsed": {}, "participation": {}, "slippage": {}}


async def test_the_market_is_told_as_the_gate_sees_it(watched: Watched) -> None:
    gateway, told = watched.gateway, watched.told
    facts = snapshot(gateway.utc, bid_quantity=300, ask_quantity=100, spread_bps=2.5, volatility_bps=7.5)
    gateway.shell.reference(facts)
    watched.figures.look(gateway.utc)
    key = ("AURA", facts.venue)
    now = gateway.shell.now().market
    assert told.market == {
        "spread": {key: 2.5},
        "volatility": {key: 7.5},
        "touch": {(*key, "bid"): 300.0, (*key, "ask"): 100.0},
        "price": {key: PRICE / 10_000},
        "volume": {key: float(facts.volume)},
        "silence": {key: (now - facts.ts_event) / SECOND},
        "halted": {key: 0.0},
    }
    gateway.shell.reference(snapshot(gateway.utc + SECOND, phase=TradingPhase.HALTED))
    watched.figures.look(gateway.utc + 2 * SECOND)
    assert (told.market["halted"], told.market["silence"]) == ({key: 1.0}, {})


async def test_the_age_of_the_heartbeat_and_the_journals_state_are_told(watched: Watched) -> None:
    watched.figures.look(watched.gateway.utc + 3 * SECOND)
    assert (watched.told.age, watched.told.failed) == (3 * SECOND, False)
    watched.gateway.journal.failed = "no space left on device"
    watched.figures.look(watched.gateway.utc + 4 * SECOND)
    assert watched.told.failed


async def test_it_is_told_once_a_second_and_after_a_step_back_of_the_clock(watched: Watched) -> None:
    utc = watched.gateway.utc
    for at in (utc, utc + SECOND - 1, utc + SECOND, utc - 3600 * SECOND):
        watched.figures.look(at)
    assert watched.told.times == 3
