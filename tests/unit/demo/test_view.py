"""What a person sees, in terminals of every width: no figure is ever cut."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from service.demo.blotter import MOMENTS, Blotter
from service.demo.result import Result
from service.demo.view import LiveView, print_result
from service.model.events import ParentAdmitted, ParentSnapshot
from service.model.orders import ParentOrder, ParentStatus, Side
from service.model.reference import load_reference
from service.settings import ROOT
from service.tca.agreement import Totals
from service.tca.cost import ParentCost

REFERENCE = load_reference(ROOT / "deploy" / "reference.toml")
FIGURES = (
    "1,234,567", "99 %", "1,179.5835", "1,180.9650", "+1021.20", "-1002.14", "+1000.39",
    "1,025", "90 %", "-1,010.71",
)  # fmt: skip


def cost(id_: str) -> ParentCost:
    return ParentCost(
        id=id_,
        symbol="AURA",
        side="sell",
        policy="timing",
        quantity=1_234_567,
        filled=1_234_566,
        average_price=1179.5835,
        arrival_price=1180.965,
        shortfall_bps=1021.2,
        vwap_slippage_bps=-1002.14,
        twap_slippage_bps=1000.39,
        children=1_025,
        passive_share=0.9,
        fees=-1010.71,
        state="expired",
        reason="",
        interval_vwap=None,
        interval_twap=None,
        total_shortfall_bps=None,
        interval=(0, 1),
    )


def result(id_: str) -> Result:
    return Result(
        parents=[cost(id_)],
        refused={},
        ours=Totals(0, 0, REFERENCE.by_symbol["AURA"].money(0)),
        broker=None,
        differences=None,
        breaks=None,
        denials={},
        alarms={},
        latency={},
        seen=dict.fromkeys(MOMENTS, 0),
        moments={},
        recording=Path("my [bold]recording"),
        complete=True,
        must_fill=frozenset(),
    )


def shown(width: int, what: object) -> str:
    console = Console(file=io.StringIO(), width=width)
    if isinstance(what, Result):
        print_result(what, console)
    else:
        console.print(what)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, text.splitlines())) <= width
    return str(text)


@pytest.mark.parametrize("width", [200, 140, 120, 100, 80])
@pytest.mark.parametrize("id_", ["P1", "P-0123456789ab"])
def test_every_figure_of_the_result_is_whole_at_every_width(width: int, id_: str) -> None:
    text = shown(width, result(id_))
    assert [figure for figure in (*FIGURES, id_, "expired") if figure not in text] == []
    assert "…" not in text
    assert "my [bold]recording" in text


@pytest.mark.parametrize("width", [200, 140, 120, 100, 80])
def test_every_figure_of_the_live_view_is_whole_at_every_width(width: int) -> None:
    blotter = Blotter(REFERENCE)
    order = ParentOrder(
        id="P-0123456789ab",
        symbol="AURA",
        side=Side.SELL,
        quantity=123_456,
        policy="timing",
        account="NW-1",
        trader="alice",
        ts_utc=0,
    )
    state = ParentSnapshot(
        parent=order,
        version=1,
        status=ParentStatus.WORKING,
        window_start=0,
        window_end=9,
        arrival_price=11_809_650,
    )
    blotter.apply(ParentAdmitted(command_id="n", state=state, ts_event=3, ts_utc=3))
    text = shown(width, LiveView(blotter, REFERENCE))
    assert [
        figure for figure in ("P-0123456789ab", "sell AURA", "0/123,456", "working") if figure not in text
    ] == []
    assert "…" not in text
