"""Rows from the record: each fill once, what is open, who closed which alarm, and what a page lacks."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from service.console import blotter as rows_of
from service.console.blotter import ACKNOWLEDGE, CLOSE, Blotter
from service.model.events import (
    Alarm,
    ChildAccepted,
    ChildCanceled,
    ChildCancelRequested,
    ChildDenied,
    ChildFilled,
    ChildPartiallyFilled,
    ChildReplaced,
    ChildSubmitted,
    ChildUnknown,
    Liquidity,
    ParentAdmitted,
    ParentChanged,
    ParentClosed,
    ParentSnapshot,
    SessionChanged,
)
from service.model.market import BookSnapshot, Trade
from service.model.orders import OrdType, ParentOrder, ParentStatus, Side, TimeInForce
from service.model.parameters import Parameters
from service.model.records import AuditEntry, Decision
from service.model.reference import Reference

CHILD = {
    "child_id": "P1.1",
    "parent_id": "P1",
    "cl_ord_id": "C1",
    "symbol": "AURA",
    "ts_event": 5,
    "ts_utc": 6,
}
ORDER = ParentOrder(
    id="P1",
    symbol="AURA",
    side=Side.BUY,
    quantity=100,
    policy="vwap",
    account="NW-1",
    trader="alice",
    ts_utc=1,
    parameters=Parameters(duration=60.0),
)
STATE = ParentSnapshot(
    parent=ORDER, version=1, status=ParentStatus.WORKING, window_start=1, window_end=99, arrival_price=500_000
)


def submitted(**changes: Any) -> ChildSubmitted:
    fields: dict[str, Any] = {
        "side": Side.BUY,
        "ord_type": OrdType.LIMIT,
        "quantity": 40,
        "price": 500_000,
        "time_in_force": TimeInForce.DAY,
        "account": "NW-1",
        "policy": "vwap",
    }
    return ChildSubmitted(**{**CHILD, **fields, **changes})


def fill(
    exec_id: str, quantity: int, cum: int, *, last: bool = False, **changes: Any
) -> ChildPartiallyFilled:
    kind = ChildFilled if last else ChildPartiallyFilled
    fields: dict[str, Any] = {
        "exec_id": exec_id,
        "side": Side.BUY,
        "last_quantity": quantity,
        "last_price": 500_100,
        "cum_quantity": cum,
        "leaves_quantity": 40 - cum,
        "liquidity": Liquidity.ADDED,
    }
    return kind(**{**CHILD, **fields, **changes})  # type: ignore[return-value]


@pytest.fixture
def blotter(reference: Reference) -> Blotter:
    found = Blotter(reference)
    found.live = True
    found.apply(ParentAdmitted(command_id="c", state=STATE, ts_event=1, ts_utc=2))
    return found


def feed(blotter: Blotter, *messages: Any) -> None:
    for message in messages:
        blotter.apply(message)


def test_a_parent_when_admitted_has_its_desk_and_only_the_parameters_that_are_set(blotter: Blotter) -> None:
    row = blotter.parents["P1"]
    assert (row.desk, row.side, row.parameters) == ("EQUITIES", "buy", {"duration": 60.0})


def test_a_fill_when_told_twice_counts_once(blotter: Blotter) -> None:
    feed(blotter, submitted(), fill("E1", 10, 10), fill("E1", 10, 10))
    row, child = blotter.parents["P1"], blotter.children["P1.1"]
    assert (row.filled, row.money, row.passive, row.working) == (10, 10 * 500_100, 10, 30)
    assert (child.filled, child.status, len(blotter.fills)) == (10, "partially_filled", 1)


def test_a_fill_when_it_is_busted_counts_no_more(blotter: Blotter) -> None:
    feed(blotter, submitted(), fill("E1", 10, 10), fill("E2", 20, 30))
    state = msgspec.structs.replace(STATE, version=2, filled_quantity=20, filled_money=20 * 500_100)
    event = ParentChanged(
        command_id="", change="busted", by="broker", reason="", state=state, ts_event=1, ts_utc=2
    )
    feed(blotter, event)
    row = blotter.parents["P1"]
    assert (row.filled, row.money) == (20, 20 * 500_100)
    feed(blotter, fill("E3", 5, 25))
    assert row.filled == 25


def test_rows_when_there_are_too_many_are_forgotten_oldest_first_and_everywhere(
    blotter: Blotter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows_of, "_MOST_PARENTS", 2)
    monkeypatch.setattr(rows_of, "_MOST_CHILDREN", 3)
    monkeypatch.setattr(rows_of, "_MOST_EXECUTIONS", 4)
    for number in range(1, 9):
        child = {"child_id": f"P1.{number}"}
        feed(blotter, submitted(**child), fill(f"E{number}", 40, 40, last=True, **child))
    assert list(blotter.children) == list(blotter.children_of["P1"]) == ["P1.6", "P1.7", "P1.8"]
    assert len(blotter._executions) == 4
    feed(blotter, ParentClosed(reason="filled", state=STATE, ts_event=9, ts_utc=9))
    for name in ("P2", "P3"):
        order = msgspec.structs.replace(ORDER, id=name)
        state = msgspec.structs.replace(STATE, parent=order)
        feed(blotter, ParentAdmitted(command_id=name, state=state, ts_event=10, ts_utc=10))
    assert list(blotter.parents) == list(blotter.snapshots) == ["P2", "P3"]
    assert "P1" not in blotter.fills_of.keys() | blotter.curves.progress.keys() | blotter.decisions.keys()
    assert [row.id for kind, row in blotter.since(-1) if kind == "parent"] == ["P3", "P2"]


def test_what_works_when_orders_end_or_change_follows(blotter: Blotter) -> None:
    row = blotter.parents["P1"]
    feed(blotter, submitted(), submitted(child_id="P1.2", quantity=20))
    assert row.working == 60
    feed(blotter, ChildReplaced(**CHILD, quantity=50, price=1, cum_quantity=0, leaves_quantity=50))
    assert row.working == 70
    feed(blotter, ChildCanceled(**{**CHILD, "child_id": "P1.2"}, cum_quantity=0))
    assert row.working == 50
    feed(blotter, fill("E1", 50, 50, last=True))
    assert (row.working, row.children, row.filled) == (0, 2, 50)


def test_a_fill_when_it_comes_after_the_cancel_counts_and_the_order_stays_over(blotter: Blotter) -> None:
    feed(blotter, submitted(), ChildCanceled(**CHILD, cum_quantity=0), fill("E1", 10, 10))
    child = blotter.children["P1.1"]
    assert (child.status, child.ended, child.filled, blotter.parents["P1"].filled) == (
        "canceled",
        True,
        10,
        10,
    )
    assert blotter.parents["P1"].working == 0


def test_an_order_when_its_outcome_is_unknown_says_so_until_the_broker_answers(blotter: Blotter) -> None:
    feed(blotter, submitted(), ChildUnknown(**CHILD, reason="the session was lost"))
    assert blotter.children["P1.1"].unknown
    feed(blotter, ChildCancelRequested(**CHILD, orig_cl_ord_id="C1"))
    assert blotter.children["P1.1"].unknown
    feed(blotter, ChildAccepted(**CHILD, order_id="O1"))
    assert not blotter.children["P1.1"].unknown


def test_fills_when_the_record_no_longer_has_them_are_taken_from_the_gateways_count(blotter: Blotter) -> None:
    state = msgspec.structs.replace(STATE, version=2, filled_quantity=70, filled_money=700)
    feed(blotter, ParentAdmitted(command_id="", state=state, ts_event=3, ts_utc=4, restored=True))
    assert (blotter.parents["P1"].filled, blotter.parents["P1"].money) == (70, 700)


def test_a_parent_when_closed_has_its_market_volume_of_the_time(blotter: Blotter) -> None:
    trade = Trade(symbol="AURA", venue="XSIM", ts_event=2, ts_utc=2, seq=1, price=500_000, quantity=300)
    feed(blotter, trade, msgspec.structs.replace(trade, eligible=False, quantity=1_000))
    state = msgspec.structs.replace(STATE, version=2, status=ParentStatus.EXPIRED)
    feed(blotter, ParentClosed(state=state, reason="window over", ts_event=50, ts_utc=51))
    row = blotter.parents["P1"]
    assert (row.market_volume, row.market_money, row.ended) == (300, 300 * 500_000, 50)


def test_a_parent_when_it_began_before_the_console_has_no_market_volume(reference: Reference) -> None:
    blotter = Blotter(reference)
    blotter.apply(ParentAdmitted(command_id="c", state=STATE, ts_event=1, ts_utc=2))
    blotter.live = True
    trade = Trade(symbol="AURA", venue="XSIM", ts_event=2, ts_utc=2, seq=1, price=500_000, quantity=300)
    feed(blotter, trade, submitted())
    assert blotter.parents["P1"].market_volume is None


def test_a_page_gets_what_changed_since_and_nothing_else(blotter: Blotter) -> None:
    feed(blotter, submitted())
    rev = blotter.rev
    assert {kind for kind, _ in blotter.since(-1)} == {"parent", "child"}
    assert not list(blotter.since(rev))
    book = BookSnapshot(
        symbol="AURA", venue="XSIM", ts_event=3, ts_utc=3, seq=2, bids=((1, 2),), asks=((3, 4),)
    )
    feed(blotter, book, book)
    assert [(kind, row.symbol) for kind, row in blotter.since(rev)] == [("market", "AURA")]  # type: ignore[union-attr]


def test_a_decision_shows_with_what_it_saw(blotter: Blotter) -> None:
    decision = Decision(
        runner_id="r", input_seq=1, parent_id="P1", symbol="AURA", ts_event=9, ts_utc=9, action="hold",
        policy="vwap", target=30, filled=10, working=5, model="m@1", score=0.25, reason="imbalance",
    )  # fmt: skip
    feed(blotter, decision)
    assert (blotter.parents["P1"].target, blotter.parents["P1"].last_reason) == (30, "imbalance")
    assert blotter.decisions["P1"][0].score == 0.25
    assert blotter.curves.progress["P1"][-1] == (9, 0, 30)


# Alarms


def denial(utc: int) -> ChildDenied:
    return ChildDenied(
        child_id=f"P1.{utc}", parent_id="P1", symbol="AURA", command="submit", control="C4",
        code="MAX_ORDER_QUANTITY", detail="quantity=9", ts_event=utc, ts_utc=utc,
    )  # fmt: skip


def said(action: str, alarm_id: str, utc: int, who: str = "alice", comment: str = "") -> AuditEntry:
    return AuditEntry(
        who=f"console:{who}",
        action=action,
        target=f"X {alarm_id}",
        reason=comment,
        outcome="done",
        ts_utc=utc,
    )


def test_denials_of_one_kind_are_one_alarm_until_a_person_closes_it(blotter: Blotter) -> None:
    feed(blotter, denial(1), denial(2))
    (row,) = blotter.alarms.values()
    assert (row.times, blotter.parents["P1"].denied) == (2, 2)
    feed(blotter, said(CLOSE, row.id, 3, comment="clip too large"), denial(4))
    assert [(a.times, a.closed, a.comment) for a in blotter.alarms.values()] == [
        (2, "alice", "clip too large"),
        (1, "", ""),
    ]


def test_what_people_said_of_alarms_is_there_again_after_a_restart(
    blotter: Blotter, reference: Reference
) -> None:
    alarms = [denial(1), denial(2), Alarm(code="ILLEGAL", detail="d", symbol="AURA", ts_utc=2)]
    feed(blotter, *alarms)
    first, second = blotter.alarms.values()
    people = [said(CLOSE, first.id, 3, comment="known"), said(ACKNOWLEDGE, second.id, 3, who="carol")]
    feed(blotter, *people, denial(5))
    again = Blotter(reference)
    feed(again, *people, *alarms, denial(5))
    shown = [(a.id, a.code, a.times, a.acknowledged, a.closed, a.comment) for a in blotter.alarms.values()]
    assert shown == [
        (a.id, a.code, a.times, a.acknowledged, a.closed, a.comment) for a in again.alarms.values()
    ]


def test_an_acknowledgement_when_it_was_refused_says_nothing(blotter: Blotter) -> None:
    feed(blotter, denial(1))
    (row,) = blotter.alarms.values()
    feed(blotter, msgspec.structs.replace(said(CLOSE, row.id, 2), outcome="refused: no"))
    assert not row.closed


def test_a_session_when_it_goes_down_is_an_alarm_and_at_its_first_start_none(blotter: Blotter) -> None:
    def session(up: bool, utc: int) -> SessionChanged:
        return SessionChanged(session="A->B", logged_on=up, ts_utc=utc)

    feed(blotter, session(False, 1), session(True, 2))
    assert not blotter.alarms
    feed(blotter, session(False, 3))
    assert [row.code for row in blotter.alarms.values()] == ["SESSION_DOWN"]
