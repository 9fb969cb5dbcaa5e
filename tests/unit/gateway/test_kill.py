"""Kills and the dead-man switch: stricter whatever goes wrong, and never in the way of a cancel."""

import pytest

from service.fix.messages import OrderMassCancelReport, OrderMassCancelRequest
from service.gateway import cancels
from service.gateway.inputs import KillInput, RunnerLost, Tick
from service.gateway.kill import normal_scope
from service.gateway.state import Send
from service.model.events import KillEngaged, KillReleased, ParentChanged, ParentRefused
from service.model.orders import OrdStatus, ParentStatus, ResumeParent
from service.model.records import AuditEntry
from service.model.time import SECOND
from tests.unit.gateway.driver import PRICE, UTC, Driver, digest, ms


@pytest.fixture
def desk() -> Driver:
    """Two parents, in two instruments, by two traders, two orders each."""
    driver = Driver()
    driver.admit(parent_id="P1")
    driver.refresh(symbol="BOLT")
    driver.admit(parent_id="P2", symbol="BOLT", trader="bob", policy="pov")
    for number in (1, 2):
        assert driver.submit(f"P1.{number}", model="m@1" if number == 1 else "") == "approved"
        assert driver.submit(f"P2.{number}", symbol="BOLT") == "approved"
    for child in ("P1.1", "P1.2", "P2.1", "P2.2"):
        driver.acknowledge(child)
    return driver


def cancelled(desk: Driver) -> set[str]:
    return {desk.core.state.ledger.find(r.cl_ord_id).child_id for r in desk.cancels_sent}  # type: ignore[union-attr]


SCOPES = {
    "all": {"P1.1", "P1.2", "P2.1", "P2.2"},
    "parent=P1": {"P1.1", "P1.2"},
    "symbol=BOLT": {"P2.1", "P2.2"},
    "venue=XSIM": {"P1.1", "P1.2", "P2.1", "P2.2"},
    "venue=XNAS": set(),
    "policy=pov": {"P2.1", "P2.2"},
    "trader=alice": {"P1.1", "P1.2"},
    "account=NW-1": {"P1.1", "P1.2", "P2.1", "P2.2"},
    "desk=EQUITIES": {"P1.1", "P1.2", "P2.1", "P2.2"},
    "client=NORTHWIND": {"P1.1", "P1.2", "P2.1", "P2.2"},
    "firm=SLIPSTREAM": {"P1.1", "P1.2", "P2.1", "P2.2"},
    "model=m@1": {"P1.1"},
    "nonsense": {"P1.1", "P1.2", "P2.1", "P2.2"},
    "symbol=": {"P1.1", "P1.2", "P2.1", "P2.2"},
    "colour=red": {"P1.1", "P1.2", "P2.1", "P2.2"},
}


@pytest.mark.parametrize(("scope", "children"), SCOPES.items(), ids=SCOPES)
def test_a_kill_cancels_at_once_what_its_scope_covers(desk: Driver, scope: str, children: set[str]) -> None:
    desk.kill(scope)
    assert cancelled(desk) == children
    (engaged,) = desk.events(KillEngaged)
    assert (engaged.scope, engaged.working) == (normal_scope(scope), len(children))
    (entry,) = desk.events(AuditEntry)
    assert (entry.who, entry.action, entry.reason) == ("bob", "kill", "test")


def test_a_kill_blocks_new_orders_in_its_scope_and_no_others(desk: Driver) -> None:
    desk.kill("symbol=AURA")
    assert desk.submit("P1.3") == "KILLED"
    assert desk.submit("P2.3", symbol="BOLT") == "approved"


def test_a_kill_of_a_model_blocks_its_children_and_no_others(desk: Driver) -> None:
    desk.kill("model=m@1")
    assert desk.submit("P1.3", model="m@1") == "KILLED"
    assert desk.submit("P1.4", model="m@2") == "approved"


def test_a_kill_of_a_venue_covers_what_prefers_it_and_what_is_traded_there(desk: Driver) -> None:
    assert desk.submit("P1.3", venue="XNAS") == "approved"
    desk.kill("venue=XNAS")
    assert cancelled(desk) == {"P1.3"}
    assert desk.submit("P1.4", venue="XNAS") == "KILLED"
    assert desk.submit("P1.5") == "approved"
    assert desk.core.state.parents["P1"].status is ParentStatus.WORKING
    desk.kill("venue=XSIM")
    assert len(cancelled(desk)) == 6
    assert desk.core.state.parents["P1"].status is ParentStatus.PAUSED


def test_a_kill_never_stops_a_cancel(desk: Driver) -> None:
    desk.kill("parent=P1")
    desk.cancel("P2.1")
    assert "P2.1" in cancelled(desk)


def test_a_kill_takes_stale_data_and_used_up_rates_in_its_stride(desk: Driver) -> None:
    desk.wait(3600 * SECOND)
    for number in range(3, 203):
        desk.core.state.traffic.note("twap", "AURA", desk.utc)
        assert number
    desk.kill()
    assert len(cancelled(desk)) == 4


def test_parents_are_paused_by_a_kill_and_stay_so_after_its_release(desk: Driver) -> None:
    desk.kill("parent=P1")
    change = desk.events(ParentChanged)[-1]
    assert (change.change, change.by, change.state.status) == ("paused", "bob", ParentStatus.PAUSED)
    resume = ResumeParent(command_id="r", parent_id="P1", symbol="AURA", by="alice", ts_utc=UTC)
    desk.command(resume)
    assert desk.events(ParentRefused)[-1].code == "KILLED"
    desk.release("parent=P1")
    assert desk.events(KillReleased)
    assert desk.submit("P1.3") == "PARENT_PAUSED"
    desk.command(resume)
    assert desk.submit("P1.4") == "approved"


def test_a_new_parent_in_the_scope_of_a_kill_is_refused(desk: Driver) -> None:
    desk.kill("desk=EQUITIES")
    desk.admit(parent_id="P3")
    assert desk.events(ParentRefused)[-1].code == "KILLED"


def test_a_cancel_refused_during_a_kill_is_asked_again_until_nothing_works(desk: Driver) -> None:
    desk.kill("parent=P1")
    desk.refuse_cancel("P1.1", cxl_rej_reason=3)
    assert desk.order("P1.1").live
    for _ in range(5):
        desk.tick(after=6 * SECOND)
        desk.refuse_cancel("P1.1")
    desk.tick(after=6 * SECOND)
    assert (
        sum(1 for r in desk.cancels_sent if desk.core.state.ledger.find(r.cl_ord_id) is desk.order("P1.1"))
        >= 7
    )
    desk.canceled("P1.1")
    desk.canceled("P1.2")
    count = len(desk.cancels_sent)
    desk.tick(after=60 * SECOND)
    assert len(desk.cancels_sent) == count


def test_a_cancel_that_is_never_answered_is_asked_again(desk: Driver) -> None:
    desk.kill("parent=P1")
    desk.tick(after=ms(4_000))
    assert len(desk.cancels_sent) == 2
    desk.tick(after=ms(1_100))
    assert len(desk.cancels_sent) == 4
    assert len({r.cl_ord_id for r in desk.cancels_sent}) == 4


def test_a_kill_without_a_session_cancels_as_soon_as_there_is_one(desk: Driver) -> None:
    desk.log_off()
    desk.kill()
    assert not desk.cancels_sent
    desk.log_on()
    assert len(cancelled(desk)) == 4


def test_a_session_that_takes_no_orders_still_takes_the_cancels_of_a_kill(desk: Driver) -> None:
    from service.gateway.inputs import SessionInput

    desk.feed(SessionInput(session="S", logged_on=False, reachable=True, detail="fault"))
    assert desk.submit("P1.3") == "NOT_LOGGED_ON"
    desk.kill()
    assert len(cancelled(desk)) == 4


def test_an_order_that_a_disconnect_left_unknown_is_cancelled_too(desk: Driver) -> None:
    desk.log_off()
    desk.log_on()
    desk.kill()
    assert len(cancelled(desk)) == 4


def test_a_failure_at_one_order_does_not_spare_the_others(
    desk: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = cancels.send_cancel

    def fails_once(state, order, now):  # type: ignore[no-untyped-def]
        if order.child_id == "P1.1":
            raise ZeroDivisionError
        real(state, order, now)

    monkeypatch.setattr(cancels, "send_cancel", fails_once)
    desk.kill()
    assert cancelled(desk) == {"P1.2", "P2.1", "P2.2"}
    assert "CANCEL_FAILED" in desk.alarms()
    monkeypatch.undo()
    desk.tick(after=6 * SECOND)
    assert "P1.1" in cancelled(desk)


@pytest.mark.parametrize("step", ["insist_cancel", "parents.pause", "KillEngaged", "State.audit"])
def test_a_step_of_a_kill_that_fails_is_an_alarm_and_the_sweep_does_the_rest(
    desk: Driver, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        if step == "KillEngaged":
            patched.setattr(desk.core.state, "risk_event", _but_alarms(desk.core.state.risk_event))
        elif step == "State.audit":
            patched.setattr(desk.core.state, "audit", fails)
        else:
            patched.setattr(f"service.gateway.killing.{step}", fails)
        desk.kill()
    assert "KILL_STEP_FAILED" in desk.alarms()
    assert desk.submit("P1.3") == "KILLED"
    desk.tick(after=ms(250))
    assert cancelled(desk) == {"P1.1", "P1.2", "P2.1", "P2.2"}


def _but_alarms(real):  # type: ignore[no-untyped-def]
    def risk_event(event: object, *arguments: object, **more: object) -> None:
        if isinstance(event, KillEngaged):
            raise ZeroDivisionError
        real(event, *arguments, **more)

    return risk_event


def test_an_order_that_the_kill_missed_is_found_by_the_sweep(desk: Driver) -> None:
    desk.kill()
    desk.order("P2.2").insist = ""
    desk.core.state.chasing.pop("P2.2")
    desk.refuse_cancel("P2.2")
    before = len(desk.cancels_sent)
    desk.tick(after=ms(250))
    assert len(desk.cancels_sent) == before + 1
    assert digest(desk.replayed()) == digest(desk.core)


def test_a_kill_says_what_still_works_until_nothing_does(desk: Driver) -> None:
    desk.kill("parent=P1")
    desk.canceled("P1.1")
    desk.tick(after=ms(300))
    assert not [e for e in desk.events(AuditEntry) if e.action == "kill confirmed"]
    desk.log_off()
    desk.tick(after=10 * SECOND)
    (alarm,) = [m for m in desk.published if getattr(m, "code", "") == "KILL_INCOMPLETE"]
    assert alarm.detail == "scope=parent=P1 working=1 unknown=1 reachable=False"
    desk.log_on()
    desk.canceled("P1.2")
    desk.tick(after=ms(300))
    (entry,) = [e for e in desk.events(AuditEntry) if e.action == "kill confirmed"]
    assert (entry.target, entry.outcome) == ("parent=P1", "nothing works")
    desk.tick(after=60 * SECOND)
    assert desk.alarms().count("KILL_INCOMPLETE") == 1
    assert digest(desk.replayed()) == digest(desk.core)


def test_windows_that_cannot_be_ended_do_not_keep_a_kill_from_asking_again(
    desk: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.kill("parent=P1")

    def fails(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("service.gateway.parents.tick", fails)
    desk.wait(6 * SECOND)
    with pytest.raises(ZeroDivisionError):
        desk.feed(Tick())
    cancels_ = [effect for effect in desk.core.state.effects if isinstance(effect, Send)]
    assert len(cancels_) == 2


def test_a_kill_that_cannot_be_judged_covers_everything(desk: Driver) -> None:
    desk.core.state.parents.pop("P1")
    desk.kill("symbol=BOLT")
    assert cancelled(desk) == {"P1.1", "P1.2", "P2.1", "P2.2"}


def test_a_kill_survives_a_restart(desk: Driver) -> None:
    desk.kill("trader=alice")
    again = desk.replayed()
    assert set(again.state.kills.engaged) == {"trader=alice"}
    assert digest(again) == digest(desk.core)


def test_releasing_what_is_not_in_force_changes_nothing_and_is_audited(desk: Driver) -> None:
    desk.kill("parent=P1")
    desk.release("all")
    assert set(desk.core.state.kills.engaged) == {"parent=P1"}
    assert desk.events(AuditEntry)[-1].outcome.startswith("refused: there is no such proposal")
    assert not desk.events(KillReleased)


def test_a_second_kill_of_the_same_scope_keeps_the_first_ones_story(desk: Driver) -> None:
    desk.kill()
    desk.feed(KillInput(scope="all", by="zoe", reason="again"))
    assert desk.core.state.kills.engaged["all"].by == "bob"


# A broker that cancels many at once


def many() -> Driver:
    """A desk whose broker takes OrderMassCancelRequest: an order in AURA, and one in BOLT."""
    desk = Driver(mass_cancel=True)
    desk.admit(parent_id="P1")
    desk.refresh(symbol="BOLT")
    desk.admit(parent_id="P2", symbol="BOLT")
    desk.submit("P1.1")
    desk.submit("P2.1", symbol="BOLT")
    desk.acknowledge("P1.1")
    desk.acknowledge("P2.1")
    return desk


@pytest.mark.parametrize(
    ("scope", "asked", "children"),
    [
        ("all", [""], {"P1.1", "P2.1"}),
        ("symbol=AURA", ["AURA"], {"P1.1"}),
        ("symbol=NONE", [], set()),
        ("parent=P1", [], {"P1.1"}),
    ],
)
def test_a_kill_asks_for_all_at_once_where_it_can_and_for_each_all_the_same(
    scope: str, asked: list[str], children: set[str]
) -> None:
    desk = many()
    desk.kill(scope)
    requests = desk.sent(OrderMassCancelRequest)
    assert [r.instrument.symbol if r.instrument else "" for r in requests] == asked
    assert cancelled(desk) == children
    if asked:
        assert desk.requests.index(requests[0]) < desk.requests.index(desk.cancels_sent[0])
    assert digest(desk.replayed()) == digest(desk.core)


def test_orders_that_the_mass_cancel_took_and_cancels_that_came_too_late_are_no_trouble() -> None:
    desk = many()
    desk.kill()
    (request,) = desk.sent(OrderMassCancelRequest)
    desk.feed(OrderMassCancelReport(cl_ord_id=request.cl_ord_id, accepted=True, affected=2, seq=100))
    for child in ("P1.1", "P2.1"):
        single = desk.order(child).cancel_id
        desk.canceled(child, cl_ord_id=request.cl_ord_id)
        desk.refuse_cancel(child, OrdStatus.CANCELED, cl_ord_id=single, cxl_rej_reason=0)
    desk.tick(after=ms(300))
    assert not desk.core.state.ledger.live
    assert not desk.core.state.kills.unconfirmed
    assert not desk.alarms()
    assert digest(desk.replayed()) == digest(desk.core)


def test_a_mass_cancel_that_is_refused_is_an_alarm_and_the_single_cancels_go_on() -> None:
    desk = many()
    desk.kill()
    (request,) = desk.sent(OrderMassCancelRequest)
    desk.feed(OrderMassCancelReport(cl_ord_id=request.cl_ord_id, accepted=False, reason=99, seq=100))
    assert desk.alarms() == ["MASS_CANCEL_REJECTED"]
    desk.canceled("P1.1")
    desk.tick(after=6 * SECOND)
    assert len(desk.cancels_sent) == 3


def test_a_kill_without_a_session_asks_for_all_at_once_when_it_is_back() -> None:
    desk = many()
    desk.log_off()
    desk.kill()
    assert not desk.sent(OrderMassCancelRequest)
    desk.log_on()
    assert len(desk.sent(OrderMassCancelRequest)) == 1
    assert cancelled(desk) == {"P1.1", "P2.1"}
    desk.canceled("P1.1")
    desk.canceled("P2.1")
    desk.tick(after=ms(300))
    desk.log_off()
    desk.log_on()
    assert len(desk.sent(OrderMassCancelRequest)) == 1


# Dead man


@pytest.mark.parametrize(
    ("action", "cancels_", "status"),
    [
        ("leave", 0, ParentStatus.WORKING),
        ("cancel", 2, ParentStatus.WORKING),
        ("pause", 2, ParentStatus.PAUSED),
    ],
)
def test_a_lost_runner_has_its_own_orders_looked_after(
    action: str, cancels_: int, status: ParentStatus
) -> None:
    desk = Driver(on_runner_loss=action)
    desk.admit()
    desk.submit("P1.1", runner="r1")
    desk.submit("P1.2", runner="r1", price=PRICE - 100)
    desk.admit(parent_id="P2")
    desk.submit("P2.1", runner="r2")
    desk.feed(RunnerLost(runner="r1"))
    assert len(desk.cancels_sent) == cancels_
    assert desk.core.state.parents["P1"].status is status
    assert desk.core.state.parents["P2"].status is ParentStatus.WORKING
    assert "RUNNER_LOST" in desk.alarms()


def test_orders_of_a_lost_runner_are_cancelled_until_they_are_gone() -> None:
    desk = Driver()
    desk.admit()
    desk.submit()
    desk.acknowledge()
    desk.feed(RunnerLost(runner="r1"))
    desk.refuse_cancel(status=OrdStatus.PENDING_CANCEL)
    desk.tick(after=SECOND)
    assert len(desk.cancels_sent) == 2
