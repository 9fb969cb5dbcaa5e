"""The fold behind the live view and the report."""

from typing import Any

import pytest

from service.demo.blotter import DENIAL, PARTIAL_FILL, PASSIVE_FILL, RACE, Blotter
from service.model.events import (
    ChildCanceled,
    ChildCancelRejected,
    ChildCancelRequested,
    ChildDenied,
    ChildFill,
    ChildFilled,
    ChildPartiallyFilled,
    ChildRejected,
    ChildSubmitted,
    Liquidity,
    ParentAdmitted,
    ParentClosed,
    ParentRefused,
    ParentSnapshot,
    SessionChanged,
)
from service.model.orders import OrdStatus, OrdType, ParentOrder, ParentStatus, Side, Stamps, TimeInForce
from service.model.reference import load_reference
from service.settings import ROOT

COMMON: dict[str, Any] = {
    "child_id": "P.1", "parent_id": "P", "cl_ord_id": "c1", "symbol": "AURA", "ts_event": 5, "ts_utc": 9,
}  # fmt: skip


def state(status: ParentStatus = ParentStatus.WORKING, version: int = 1) -> ParentSnapshot:
    order = ParentOrder(
        id="P",
        symbol="AURA",
        side=Side.BUY,
        quantity=100,
        policy="twap",
        account="NW-1",
        trader="alice",
        ts_utc=0,
    )
    return ParentSnapshot(
        parent=order, version=version, status=status, window_start=0, window_end=9, arrival_price=1_000_000
    )


def submitted(quantity: int = 100) -> ChildSubmitted:
    return ChildSubmitted(
        **COMMON,
        side=Side.BUY,
        ord_type=OrdType.LIMIT,
        quantity=quantity,
        price=1_000_000,
        time_in_force=TimeInForce.DAY,
        account="NW-1",
        policy="twap",
        stamps=Stamps(tick=1_000, sent=51_000),
    )


def fill(
    quantity: int, leaves: int, exec_id: str = "e1", liquidity: Liquidity = Liquidity.REMOVED
) -> ChildFill:
    kind = ChildPartiallyFilled if leaves else ChildFilled
    return kind(
        **COMMON,
        exec_id=exec_id,
        side=Side.BUY,
        last_quantity=quantity,
        last_price=1_000_000,
        cum_quantity=quantity,
        leaves_quantity=leaves,
        liquidity=liquidity,
    )


@pytest.fixture
def blotter() -> Blotter:
    blotter = Blotter(load_reference(ROOT / "deploy" / "reference.toml"))
    line = blotter.apply(ParentAdmitted(command_id="n", state=state(), ts_event=3, ts_utc=3))
    assert line == "P: buy 100 AURA by twap, arrival 100.0000"
    blotter.apply(submitted())
    return blotter


def test_a_fill_counts_once_when_it_is_reported_twice(blotter: Blotter) -> None:
    blotter.apply(fill(30, 70))
    blotter.apply(fill(30, 70))
    assert blotter.parents["P"].filled == 30
    assert len(blotter.parents["P"].working) == 1


def test_partial_and_passive_fills_are_told_once_and_counted_always(blotter: Blotter) -> None:
    assert "passive" in (blotter.apply(fill(30, 70, "e1", Liquidity.ADDED)) or "")
    assert blotter.apply(fill(30, 40, "e2", Liquidity.ADDED)) is None
    blotter.apply(fill(40, 0, "e3"))
    assert blotter.seen == {PASSIVE_FILL: 2, PARTIAL_FILL: 2}
    assert blotter.parents["P"].working == []


def test_a_fill_after_our_cancel_request_is_a_race(blotter: Blotter) -> None:
    blotter.apply(ChildCancelRequested(**COMMON, orig_cl_ord_id="c1"))
    assert "won over our cancel" in (blotter.apply(fill(100, 0)) or "")
    assert blotter.seen[RACE] == 1


def test_a_fill_without_a_cancel_or_after_its_refusal_is_no_race(blotter: Blotter) -> None:
    blotter.apply(fill(10, 90, "e1"))
    blotter.apply(ChildCancelRequested(**COMMON, orig_cl_ord_id="c1"))
    blotter.apply(ChildCancelRejected(**COMMON, request="cancel", status=OrdStatus.NEW))
    blotter.apply(fill(90, 0, "e2"))
    assert blotter.seen[RACE] == 0


def test_a_cancelled_child_no_longer_works(blotter: Blotter) -> None:
    blotter.apply(ChildCanceled(**COMMON, cum_quantity=0))
    assert blotter.parents["P"].working == []
    assert blotter.parents["P"].filled == 0


def test_a_child_that_was_taken_back_before_it_was_sent_does_not_count_as_sent(blotter: Blotter) -> None:
    taken_back = {**COMMON, "child_id": "P.2", "cl_ord_id": "c2"}
    assert blotter.apply(ChildRejected(**taken_back, reason="not sent: behind")) is None
    assert blotter.parents["P"].sent == 1
    assert [child.quantity for child in blotter.parents["P"].working] == [100]


def test_denials_are_counted_by_control_and_code(blotter: Blotter) -> None:
    denied = ChildDenied(
        child_id="P.2",
        parent_id="P",
        symbol="AURA",
        command="submit",
        control="C4",
        code="MAX_ORDER_QUANTITY",
        detail="quantity=2000 limit=1000",
        ts_event=1,
        ts_utc=1,
    )
    assert blotter.apply(denied) == "P.2: denied, C4 MAX_ORDER_QUANTITY quantity=2000 limit=1000"
    assert blotter.apply(denied) is None
    assert blotter.denials == {"C4 MAX_ORDER_QUANTITY": 2}
    assert blotter.parents["P"].denied == {"C4 MAX_ORDER_QUANTITY": 2}
    assert blotter.moments[DENIAL].startswith("P.2")


def test_parents_are_closed_when_each_is_closed_or_refused(blotter: Blotter) -> None:
    assert not blotter.closed(["P"])
    closed = state(ParentStatus.FILLED, version=2)
    blotter.apply(ParentClosed(state=closed, reason="filled", ts_event=8, ts_utc=8))
    assert blotter.closed(["P"])
    assert not blotter.closed(["P", "Q"])
    blotter.apply(
        ParentRefused(
            command_id="n2", parent_id="Q", code="UNKNOWN_SYMBOL", detail="x=y", ts_event=1, ts_utc=1
        )
    )
    assert blotter.closed(["P", "Q"])
    assert blotter.parents["P"].state.status is ParentStatus.FILLED


def test_a_refused_amendment_does_not_refuse_its_parent(blotter: Blotter) -> None:
    refused = ParentRefused(command_id="a", parent_id="P", code="BAD", detail="x=y", ts_event=1, ts_utc=1)
    assert blotter.apply(refused) == "P: refused BAD x=y"
    assert blotter.refused == {}


def test_an_older_state_does_not_replace_a_newer_one(blotter: Blotter) -> None:
    blotter.apply(ParentClosed(state=state(ParentStatus.CANCELED, 5), reason="", ts_event=8, ts_utc=8))
    blotter.apply(ParentAdmitted(command_id="n", state=state(version=1), ts_event=3, ts_utc=3, restored=True))
    assert blotter.parents["P"].state.version == 5


def test_latency_comes_from_the_stamps_of_the_order(blotter: Blotter) -> None:
    assert blotter.latencies.quantiles()["tick_to_wire"].p50 == 50.0


def test_a_session_is_down_only_after_it_was_up(blotter: Blotter) -> None:
    def told(up: bool) -> str | None:
        return blotter.apply(SessionChanged(session="A->B", logged_on=up, ts_utc=1))

    assert [told(up) for up in (False, True, False)] == [
        "FIX session A->B is not logged on yet",
        "FIX session A->B logged on",
        "FIX session A->B is down",
    ]
