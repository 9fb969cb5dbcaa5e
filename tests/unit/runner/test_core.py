"""What the core decides, and when it must not."""

import msgspec
import pytest

from service.model.events import (
    ChildAccepted,
    ChildCancelRejected,
    ChildRejected,
    ChildUnknown,
    KillEngaged,
    KillReleased,
    ParentClosed,
)
from service.model.market import ReferenceSnapshot, TradingPhase
from service.model.orders import (
    CancelChild,
    OrdStatus,
    ParentStatus,
    ReplaceChild,
    Side,
    SubmitChild,
    TimeInForce,
)
from service.model.parameters import CatchUp, EndBehaviour
from service.model.records import GatewayLink, Partitions, Stale
from service.model.stream import RunnerHeartbeat, StreamSynced
from service.model.time import SECOND
from tests.unit.runner.desk import OPEN, UTC, Desk, child_snapshot


def working(desk: Desk) -> SubmitChild:
    """Admit a parent, and let its first child be accepted."""
    desk.book()
    out = desk.admit()
    assert isinstance(out.commands[0], SubmitChild)
    desk.accept(out.commands[0])
    return out.commands[0]


def test_a_parent_is_worked_at_once_when_it_is_admitted_in_its_window() -> None:
    desk = Desk()
    desk.book()
    (command,) = desk.admit().commands
    assert isinstance(command, SubmitChild)
    assert (command.child_id, command.parent_version) == ("P1.1", 1)
    assert (command.side, command.price, command.quantity) == (Side.BUY, 9_900, 100)
    (decision,) = desk.decisions
    assert (decision.action, decision.child_id, decision.target) == ("submit", "P1.1", 100)
    assert decision.input_seq == desk.core.seq


@pytest.mark.parametrize(
    "what",
    ["stale", "link down", "not synced", "halted", "other partition", "paused", "killed", "before", "after"],
)
def test_nothing_is_offered_when_a_condition_for_working_is_missing(what: str) -> None:
    desk = Desk(owned=(1,) if what == "other partition" else (0, 1))
    desk.book()
    match what:
        case "stale":
            desk.feed(Stale(stale=True, age=2 * SECOND))
        case "link down":
            desk.feed(GatewayLink(up=False))
        case "not synced":
            desk.feed(GatewayLink(up=True))
        case "halted":
            desk.phase(TradingPhase.HALTED)
        case "killed":
            desk.feed(KillEngaged(scope="symbol=AURA", by="bob", reason="test", ts_utc=UTC))
    status = ParentStatus.PAUSED if what == "paused" else ParentStatus.WORKING
    start = {"before": OPEN + 3_600 * SECOND, "after": OPEN - 3_600 * SECOND}.get(what, OPEN)
    desk.admit(status=status, start=start)
    desk.timer(60)
    desk.book()
    assert desk.commands == []


def test_a_kill_of_the_parents_desk_stops_it_and_a_release_lets_it_go_on() -> None:
    desk = Desk()
    desk.feed(KillEngaged(scope="desk=EQUITIES", by="bob", reason="test", ts_utc=UTC))
    desk.book()
    desk.admit()
    assert desk.commands == []
    desk.feed(KillReleased(scope="desk=EQUITIES", by="bob", reason="over", ts_utc=UTC))
    desk.timer()
    assert len(desk.commands) == 1


def test_events_between_two_cadences_change_the_book_and_decide_nothing() -> None:
    desk = Desk()
    working(desk)
    for _ in range(10):
        desk.wait(0.01)
        assert not desk.book().touched
    desk.wait(0.2)
    assert desk.book().touched


def test_evaluations_keep_to_their_grid_however_late_the_events_come() -> None:
    desk = Desk()
    desk.book()
    desk.admit()
    parent = desk.core.parents["P1"]
    begin, cadence = parent.due_market, parent.policy.cadence if parent.policy else 0
    for late in (0.001, 0.003, 0.002):
        desk.wait((parent.due_market - desk.now.market) / SECOND + late)
        assert desk.book().touched
        assert (parent.due_market - begin) % cadence == 0
    missed = parent.due_market + 3 * cadence
    desk.wait((missed - desk.now.market) / SECOND)
    desk.book()
    assert parent.due_market == missed + cadence


def test_a_conflated_event_counts_and_decides_nothing() -> None:
    desk = Desk()
    working(desk)
    desk.wait(60)
    assert not desk.book(9_700, 9_800, conflated=True).touched
    market = desk.core.slots["AURA"].market
    assert (market.bid, desk.core.slots["AURA"].conflated) == (9_700, 1)


def test_child_numbers_go_on_from_the_snapshot_when_a_runner_takes_over() -> None:
    desk = Desk()
    desk.book()
    desk.feed(GatewayLink(up=True))
    desk.admit(restored=True, next_child=8, filled=50, children=(child_snapshot("P1.7"),))
    desk.feed(StreamSynced(parents=1, ts_utc=UTC))
    parent = desk.parent()
    assert (parent.filled, parent.working, parent.next_child) == (50, 100, 8)
    desk.timer(1)
    desk.wait(120)
    desk.book()
    assert [c.child_id for c in desk.commands if isinstance(c, SubmitChild)] == ["P1.8"]


def test_a_parent_that_began_before_this_runner_waits_for_the_sessions_volume() -> None:
    desk = Desk()
    desk.wait(300)
    desk.book()
    desk.feed(GatewayLink(up=True))
    desk.admit(restored=True, policy="pov", target_participation=0.1, arrival_volume=10_000)
    desk.feed(StreamSynced(parents=1, ts_utc=UTC))
    desk.timer(1)
    assert desk.commands == []
    assert desk.core.unanchored == {"AURA"}
    desk.feed(reference_fact(volume=14_000))
    desk.timer(1)
    parent = desk.parent()
    assert parent.behind_at_resume == 400
    assert desk.core.unanchored == set()


def test_a_share_of_volume_is_kept_when_the_instrument_changes_hands() -> None:
    desk = Desk(owned=(1,))
    desk.admit(policy="pov", target_participation=0.1, arrival_volume=10_000)
    desk.wait(300)
    # Another runner has filled 300 of 4,000 lots printed meanwhile.
    desk.change(desk.state(policy="pov", target_participation=0.1, arrival_volume=10_000, filled=300))
    desk.feed(Partitions(owned=(0, 1)))
    desk.seq["AURA"] = 500
    desk.book()
    desk.timer(1)
    assert desk.core.unanchored == {"AURA"}
    desk.feed(reference_fact(volume=14_000))
    desk.trade(9_950, 1_000)
    desk.timer(1)
    parent = desk.parent()
    assert (parent.behind_at_resume, parent.due) == (200, 300)


def test_the_count_of_volume_starts_again_when_events_were_missed() -> None:
    desk = Desk()
    desk.book()
    desk.admit(policy="pov", target_participation=0.1)
    desk.trade(9_950, 1_000)
    desk.timer(1)
    assert desk.parent().due == 100
    desk.feed(Partitions(owned=()))
    desk.feed(Partitions(owned=(0, 1)))
    desk.seq["AURA"] += 10
    desk.book()
    assert desk.core.unanchored == {"AURA"}
    desk.feed(reference_fact(volume=3_000))
    desk.timer(1)
    assert desk.parent().due == 300


def reference_fact(volume: int) -> ReferenceSnapshot:
    return ReferenceSnapshot(
        symbol="AURA",
        venue="XSIM",
        ts_event=OPEN,
        ts_utc=UTC,
        bid=9_900,
        ask=10_000,
        bid_quantity=1,
        ask_quantity=1,
        last=0,
        reference=9_950,
        open=9_950,
        volume=volume,
        spread_bps=1.0,
        volatility_bps=1.0,
        phase=TradingPhase.CONTINUOUS,
    )


def test_a_resync_drops_what_never_reached_the_gateway_and_never_repeats_its_number() -> None:
    desk = Desk()
    desk.book()
    desk.admit()
    assert desk.parent().working == 100
    desk.feed(GatewayLink(up=False))
    desk.feed(GatewayLink(up=True))
    desk.admit(restored=True)
    desk.feed(StreamSynced(parents=1, ts_utc=UTC))
    assert desk.parent().working == 0
    desk.timer(1)
    assert [c.child_id for c in desk.commands] == ["P1.1", "P1.2"]


def test_a_parent_that_closed_while_the_gateway_was_away_is_forgotten() -> None:
    desk = Desk()
    desk.admit("P1")
    desk.admit("P2")
    desk.feed(GatewayLink(up=True))
    desk.admit("P2", restored=True)
    desk.feed(StreamSynced(parents=1, ts_utc=UTC))
    assert set(desk.core.parents) == {"P2"}


def test_a_fill_counts_at_once_and_a_fill_of_a_child_no_longer_live_counts_too() -> None:
    desk = Desk()
    child = working(desk)
    desk.fill(child.child_id, 30, cum=30, leaves=70)
    assert (desk.parent().filled, desk.parent().working) == (30, 70)
    desk.report(ChildCancelRejected, child.child_id, request="cancel", status=OrdStatus.FILLED)
    desk.fill(child.child_id, 70, cum=100, leaves=0)
    assert (desk.parent().filled, desk.parent().working) == (100, 0)
    desk.fill(child.child_id, 5, cum=105, leaves=0)
    assert desk.parent().filled == 105


def test_the_next_slice_follows_a_fill_without_waiting_for_the_cadence() -> None:
    desk = Desk()
    child = working(desk)
    desk.wait(0.001)
    desk.now = desk.now._replace(market=OPEN + 60 * SECOND)
    out = desk.fill(child.child_id, 100, cum=100, leaves=0)
    assert [c.child_id for c in out.commands] == ["P1.2"]


def test_a_pause_cancels_the_children_and_a_resume_spreads_what_was_missed() -> None:
    desk = Desk()
    child = working(desk)
    paused = desk.state(version=2, status=ParentStatus.PAUSED, children=(child_snapshot(child.child_id),))
    out = desk.change(msgspec.structs.replace(paused, next_child=2), "pause")
    assert [type(c) for c in out.commands] == [CancelChild]
    desk.canceled(child.child_id)
    desk.wait(600)
    desk.book()
    desk.change(desk.state(version=3, next_child=2), "resume")
    parent = desk.parent()
    # 13 of 24 slices have begun: 1,300 lots are missing, and return over the second half of the window.
    assert (parent.resumed_at, parent.behind_at_resume, parent.due) == (OPEN + 600 * SECOND, 1_300, 0)
    desk.wait(300)
    desk.book()
    assert parent.due == 1_900 - 650


@pytest.mark.parametrize(("how", "due"), [(CatchUp.SKIP, 0), (CatchUp.AT_ONCE, 1_300)])
def test_a_resume_catches_up_as_it_was_told(how: CatchUp, due: int) -> None:
    desk = Desk()
    desk.admit(status=ParentStatus.PAUSED)
    desk.wait(600)
    desk.book()
    desk.change(desk.state(version=2, catch_up=how), "resume")
    assert desk.parent().due == due


def test_a_halt_is_caught_up_with_like_a_pause() -> None:
    desk = Desk()
    desk.book()
    desk.phase(TradingPhase.HALTED)
    desk.admit()
    desk.timer(1)
    desk.wait(600)
    desk.phase(TradingPhase.CONTINUOUS)
    desk.timer(1)
    assert desk.parent().behind_at_resume == 1_300


def test_an_amended_limit_moves_the_child_that_lies_outside_it() -> None:
    desk = Desk()
    child = working(desk)
    snapshot = child_snapshot(child.child_id)
    out = desk.change(desk.state(version=2, children=(snapshot,), next_child=2, limit_price=9_850))
    (command,) = out.commands
    assert isinstance(command, ReplaceChild)
    assert (command.child_id, command.price, command.parent_version) == (child.child_id, 9_800, 2)


def test_the_clip_shrinks_to_the_limit_when_the_gate_denies_its_size() -> None:
    desk = Desk()
    desk.book()
    (child,) = desk.admit(quantity=24_000).commands
    desk.deny(child, "MAX_ORDER_QUANTITY", "quantity=1000 limit=300")
    assert (desk.parent().clip_cap, desk.parent().working) == (300, 0)
    desk.timer(1)
    assert desk.commands[-1].quantity == 300


def test_the_clip_shrinks_to_what_the_value_limit_buys() -> None:
    desk = Desk()
    desk.book()
    (child,) = desk.admit(quantity=24_000).commands
    desk.deny(child, "MAX_ORDER_VALUE", f"value={1_000 * 9_900} limit={250 * 9_900 + 5}")
    assert desk.parent().clip_cap == 250


def test_other_denials_hold_the_parent_twice_as_long_each_time() -> None:
    desk = Desk()
    desk.book()
    desk.admit()
    holds = []
    for _ in range(7):
        desk.deny(desk.commands[-1], "STALE_REFERENCE", "age_ns=1")
        holds.append((desk.parent().hold_utc - desk.now.utc) // 1_000_000)
        sent = len(desk.commands)
        desk.wait(holds[-1] / 1000 - 0.01)
        desk.book()
        assert len(desk.commands) == sent
        desk.timer(0.02)
        desk.timer(1)
        assert len(desk.commands) == sent + 1
    assert holds == [250, 500, 1_000, 2_000, 4_000, 4_000, 4_000]


def test_an_acceptance_ends_the_row_of_denials() -> None:
    desk = Desk()
    desk.book()
    desk.admit()
    desk.deny(desk.commands[-1], "STALE_REFERENCE")
    desk.timer(1)
    desk.accept(desk.commands[-1])
    assert desk.parent().denials == 0


def test_a_denied_replace_gives_the_child_back_as_it_was() -> None:
    desk = Desk()
    child = working(desk)
    desk.wait(30)
    out = desk.book(10_000, 10_100)
    assert isinstance(out.commands[0], ReplaceChild)
    desk.deny(child, "PRICE_COLLAR", "price=10000", command="replace")
    kept = desk.parent().children[child.child_id]
    assert (kept.price, kept.requested, kept.leaves) == (9_900, "", 100)


def test_a_rejected_child_is_gone_and_holds_the_parent() -> None:
    desk = Desk()
    child = working(desk)
    desk.report(ChildRejected, child.child_id, reason="no")
    assert desk.parent().working == 0
    assert desk.parent().hold_utc > desk.now.utc


def test_an_unknown_outcome_keeps_the_quantity_and_asks_for_nothing() -> None:
    desk = Desk()
    child = working(desk)
    desk.report(ChildUnknown, child.child_id, reason="time-out")
    desk.wait(30)
    assert not any(isinstance(c, ReplaceChild) for c in desk.book(10_000, 10_100).commands)
    assert desk.parent().working == 100
    desk.report(ChildAccepted, child.child_id, order_id="B1")
    desk.wait(1)
    assert any(isinstance(c, ReplaceChild) for c in desk.book(10_100, 10_200).commands)


def test_taking_that_gets_nothing_rests_before_it_tries_again() -> None:
    desk = Desk()
    desk.book()
    desk.admit(catch_up=CatchUp.AT_ONCE, max_open_children=10)
    desk.wait(400)
    desk.book()
    taken = next(c for c in desk.commands if c.time_in_force is TimeInForce.IOC)
    desk.accept(taken)
    assert desk.canceled(taken.child_id).commands == []
    assert desk.timer(0.04).commands == []
    assert any(c.time_in_force is TimeInForce.IOC for c in desk.timer(0.3).commands)


@pytest.mark.parametrize(
    ("how", "price"), [(EndBehaviour.COMPLETE, 10_100), (EndBehaviour.COMPLETE_SOFTLY, 10_000)]
)
def test_the_rest_is_taken_at_the_end_of_the_window(how: EndBehaviour, price: int) -> None:
    desk = Desk()
    desk.book()
    desk.admit(filled=2_000, end_behaviour=how)
    desk.comply(desk.last)
    desk.now = desk.now._replace(market=OPEN + 1_199 * SECOND)
    desk.comply(desk.book())
    last = desk.commands[-1]
    assert (last.time_in_force, last.price) == (TimeInForce.IOC, price)
    assert last.quantity == (400 if how is EndBehaviour.COMPLETE else 200)


def test_a_closed_parent_is_forgotten() -> None:
    desk = Desk()
    working(desk)
    desk.feed(
        ParentClosed(
            state=desk.state(status=ParentStatus.FILLED, filled=2_400),
            reason="filled",
            ts_event=OPEN,
            ts_utc=UTC,
        )
    )
    assert desk.core.parents == {}
    desk.timer(60)
    assert len(desk.commands) == 1


def test_a_parent_whose_policy_is_not_here_is_left_alone_with_an_alarm() -> None:
    desk = Desk()
    desk.book()
    out = desk.admit(policy="nosuch")
    assert [(d.action, d.reason) for d in out.decisions] == [("alarm", "policy nosuch is not available here")]
    desk.timer(60)
    assert desk.commands == []


def test_a_parameter_that_the_policy_does_not_take_is_an_alarm_and_an_amendment_mends_it() -> None:
    desk = Desk()
    desk.book()
    out = desk.admit(urgency=3)
    assert [d.action for d in out.decisions] == ["alarm"]
    assert "urgency" in out.decisions[0].reason
    assert desk.change(desk.state(version=2)).commands


def test_events_seen_before_are_dropped_and_counted() -> None:
    desk = Desk()
    desk.book()
    volume = desk.core.slots["AURA"].market.volume
    desk.trade(9_950, 100)
    desk.seq["AURA"] = 0
    desk.now = desk.now._replace(utc=UTC - 1)
    desk.book(1, 2)
    desk.trade(1, 100)
    assert desk.core.repeated == 2
    assert desk.core.slots["AURA"].market.volume == volume + 100


def test_a_partition_that_comes_back_with_a_gap_starts_a_fresh_market() -> None:
    desk = Desk()
    desk.book()
    desk.trade(9_950, 100)
    before = desk.core.slots["AURA"].market
    desk.feed(Partitions(owned=(1,)))
    desk.feed(Partitions(owned=(0, 1)))
    desk.book()
    assert desk.core.slots["AURA"].market is before
    desk.feed(Partitions(owned=(1,)))
    desk.feed(Partitions(owned=(0, 1)))
    desk.seq["AURA"] += 5
    desk.book()
    assert desk.core.slots["AURA"].market is not before
    assert desk.core.slots["AURA"].volume == 100


def test_a_message_that_is_no_input_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="RunnerHeartbeat is no input"):
        Desk().feed(RunnerHeartbeat(runner_id="R1", ts_utc=UTC))


def test_two_parents_on_two_instruments_are_worked_side_by_side() -> None:
    desk = Desk()
    desk.book()
    desk.book(symbol="BOLT")
    desk.admit("P1")
    desk.admit("P2", symbol="BOLT", policy="is", side=Side.SELL)
    assert [(c.child_id, c.symbol, c.side) for c in desk.commands] == [
        ("P1.1", "AURA", Side.BUY),
        ("P2.1", "BOLT", Side.SELL),
    ]


def test_news_that_crossed_on_the_way_costs_a_moment_and_no_more() -> None:
    desk = Desk()
    child = working(desk)
    desk.wait(30)
    assert desk.book(10_000, 10_100).commands
    for _ in range(5):
        desk.deny(child, "REQUEST_PENDING", "child=P1.1", command="replace")
        assert desk.parent().hold_utc - desk.now.utc == 50_000_000
    assert desk.parent().denials == 0
