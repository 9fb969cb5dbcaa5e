"""A kill that lets out what only makes a holding smaller: everything else is cancelled and blocked (C26)."""

import pytest

from service.gateway import reducing
from service.gateway.kill import is_reduce_only, normal_scope, understood
from service.model.events import KillEngaged, ParentAdmitted, ParentRefused
from service.model.orders import ParentStatus, ResumeParent, Side
from service.model.records import AuditEntry
from service.model.time import SECOND
from tests.unit.gateway.driver import LIMITS, PRICE, UTC, Driver, digest, ms

FORBIDDEN = LIMITS.replace("reduce_only_kill = true", "")
ALL = "reduce-only all"


def holding(limits: str = LIMITS) -> Driver:
    """300 AURA bought for P1, of which P2 sells; P1 goes on buying."""
    driver = Driver(limits=limits)
    driver.admit(parent_id="P1")
    assert driver.submit("P1.1", quantity=300) == "approved"
    driver.acknowledge("P1.1")
    driver.fill(300, "P1.1")
    driver.admit(parent_id="P2", side=Side.SELL)
    return driver


@pytest.fixture
def desk() -> Driver:
    driver = holding()
    assert driver.submit("P1.2", price=PRICE - 100) == "approved"
    assert driver.submit("P2.1", price=PRICE + 100) == "approved"
    for child in ("P1.2", "P2.1"):
        driver.acknowledge(child)
    return driver


def cancelled(desk: Driver) -> list[str]:
    return [desk.core.state.ledger.find(r.cl_ord_id).child_id for r in desk.cancels_sent]  # type: ignore[union-attr]


def status(desk: Driver, parent_id: str) -> ParentStatus:
    return desk.core.state.parents[parent_id].status


def test_it_cancels_what_could_add_and_leaves_what_reduces(desk: Driver) -> None:
    desk.kill(ALL)
    assert cancelled(desk) == ["P1.2"]
    assert (status(desk, "P1"), status(desk, "P2")) == (ParentStatus.PAUSED, ParentStatus.WORKING)
    (engaged,) = desk.events(KillEngaged)
    assert (engaged.scope, engaged.working) == (ALL, 1)


def test_new_orders_go_out_only_as_far_as_something_is_held(desk: Driver) -> None:
    desk.kill(ALL)
    assert desk.submit("P2.2", quantity=201, price=PRICE + 100) == "KILLED_REDUCE_ONLY"
    assert desk.submit("P2.3", quantity=200, price=PRICE + 100) == "approved"
    assert desk.submit("P2.4", quantity=1, price=PRICE + 100) == "KILLED_REDUCE_ONLY"
    assert desk.denial() == ("C26", "KILLED_REDUCE_ONLY")


@pytest.mark.parametrize(
    ("scope", "outcome"),
    [
        ("reduce-only symbol=AURA", "KILLED_REDUCE_ONLY"),
        ("reduce-only symbol=BOLT", "approved"),
        ("reduce-only desk=EQUITIES", "KILLED_REDUCE_ONLY"),
        ("reduce-only model=m@1", "KILLED_REDUCE_ONLY"),
        ("reduce-only model=m@2", "approved"),
        ("reduce-only venue=XSIM", "KILLED_REDUCE_ONLY"),
        ("reduce-only venue=XNAS", "approved"),
        ("reduce-only trader=bob", "approved"),
    ],
)
def test_it_covers_its_scope_and_no_other(scope: str, outcome: str) -> None:
    desk = holding()
    desk.kill(scope)
    assert desk.submit("P2.1", quantity=301, price=PRICE + 100, model="m@1") == outcome


def test_it_covers_orders_that_prefer_a_venue() -> None:
    desk = holding()
    desk.kill("reduce-only venue=XNAS")
    assert desk.submit("P2.1", quantity=301, price=PRICE + 100, venue="XNAS") == "KILLED_REDUCE_ONLY"


def test_of_too_many_orders_that_reduce_the_newest_go(desk: Driver) -> None:
    assert desk.submit("P2.2", quantity=250, price=PRICE + 200) == "approved"
    assert desk.submit("P2.3", quantity=150, price=PRICE + 200) == "approved"
    desk.kill(ALL)
    assert cancelled(desk) == ["P1.2", "P2.2"]
    desk.tick(ms(300))
    assert cancelled(desk) == ["P1.2", "P2.2"]


def test_what_others_sell_of_the_same_holding_is_counted_with_it(desk: Driver) -> None:
    """A kill of one parent: the other's sells are out of its reach, and use the holding up."""
    desk.admit(parent_id="P3", side=Side.SELL)
    assert desk.submit("P3.1", quantity=150, price=PRICE + 100) == "approved"
    assert desk.submit("P2.2", quantity=100, price=PRICE + 100) == "approved"
    desk.kill("reduce-only parent=P2")
    assert cancelled(desk) == ["P2.2"]


def test_when_the_holding_shrinks_otherwise_what_would_add_by_now_is_cancelled(desk: Driver) -> None:
    desk.kill("reduce-only parent=P2")
    assert cancelled(desk) == []
    desk.admit(parent_id="P3", side=Side.SELL)
    assert desk.submit("P3.1", quantity=250, price=PRICE + 100) == "approved"
    desk.tick(ms(300))
    assert cancelled(desk) == ["P2.1"]


def test_a_parent_is_paused_once_it_has_nothing_left_to_reduce(desk: Driver) -> None:
    desk.kill(ALL)
    desk.canceled("P1.2")
    assert desk.submit("P2.2", quantity=200, price=PRICE + 100) == "approved"
    desk.acknowledge("P2.2")
    desk.fill(100, "P2.1")
    desk.tick(ms(300))
    assert status(desk, "P2") is ParentStatus.WORKING
    desk.fill(200, "P2.2")
    desk.tick(ms(300))
    assert status(desk, "P2") is ParentStatus.PAUSED
    resume = ResumeParent(command_id="r", parent_id="P2", symbol="AURA", by="alice", ts_utc=UTC)
    desk.command(resume)
    assert desk.events(ParentRefused)[-1].detail == f"scope={ALL} release_it_first=yes"


def test_new_parents_are_taken_on_if_they_have_something_to_reduce(desk: Driver) -> None:
    desk.kill(ALL)
    desk.admit(parent_id="P3", side=Side.BUY)
    assert desk.events(ParentRefused)[-1].code == "KILLED"
    desk.admit(parent_id="P4", side=Side.SELL, policy="pov")
    assert desk.events(ParentRefused)[-1].parent_id == "P4"
    desk.admit(parent_id="P5", side=Side.SELL)
    assert desk.events(ParentAdmitted)[-1].state.parent.id == "P5"


def test_it_is_confirmed_when_nothing_that_could_add_works(desk: Driver) -> None:
    desk.kill(ALL)
    desk.tick(ms(300))
    assert ALL in desk.core.state.kills.unconfirmed
    desk.canceled("P1.2")
    desk.tick(ms(300))
    assert ALL not in desk.core.state.kills.unconfirmed
    assert desk.events(AuditEntry)[-1].action == "kill confirmed"


def test_orders_that_wait_for_the_disk_and_could_add_are_taken_back(desk: Driver) -> None:
    desk.hold = True
    assert desk.submit("P1.3", price=PRICE - 100) == "approved"
    assert desk.submit("P2.2", price=PRICE + 100) == "approved"
    sent = len(desk.orders_sent)
    desk.kill(ALL)
    desk.release_held()
    assert [r.approved.command.child_id for r in desk.orders_sent[sent:]] == ["P2.2"]


def test_where_the_limits_do_not_allow_it_it_is_a_full_kill() -> None:
    desk = holding(FORBIDDEN)
    desk.kill(ALL)
    assert set(desk.core.state.kills.engaged) == {"all"}
    assert desk.submit("P2.1", price=PRICE + 100) == "KILLED"


def test_limits_that_stop_allowing_it_block_what_reduces_too(desk: Driver) -> None:
    desk.kill(ALL)
    desk.core.state.change_limits(FORBIDDEN)
    assert desk.submit("P2.2", price=PRICE + 100) == "KILLED"


def test_a_full_kill_beside_it_wins_and_each_is_released_by_itself(desk: Driver) -> None:
    desk.kill(ALL)
    desk.kill("all")
    assert cancelled(desk) == ["P1.2", "P2.1"]
    assert set(desk.core.state.kills.engaged) == {ALL, "all"}
    desk.release("all")
    assert set(desk.core.state.kills.engaged) == {ALL}
    desk.release(ALL)
    assert not desk.core.state.kills.engaged


def test_it_survives_a_restart(desk: Driver) -> None:
    desk.kill(ALL)
    desk.tick(ms(300))
    again = desk.replayed()
    assert set(again.state.kills.engaged) == {ALL}
    assert digest(again) == digest(desk.core)


def test_a_session_that_comes_back_is_asked_for_no_mass_cancel() -> None:
    driver = Driver(mass_cancel=True)
    driver.admit(parent_id="P1")
    assert driver.submit() == "approved"
    driver.log_off()
    driver.kill(ALL)
    driver.log_on()
    driver.tick(SECOND)
    assert {type(request).__name__ for request in driver.requests} == {
        "NewOrderSingle", "OrderStatusRequest", "OrderCancelRequest",
    }  # fmt: skip


def test_what_cannot_be_judged_is_cancelled(desk: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(reducing, "_adding", fails)
    desk.kill(ALL)
    assert cancelled(desk) == ["P1.2", "P2.1"]


@pytest.mark.parametrize(
    ("text", "scope", "known"),
    [
        ("reduce-only symbol=AURA", "reduce-only symbol=AURA", True),
        (" reduce-only   desk = EQUITIES ", "reduce-only desk=EQUITIES", True),
        ("reduce-only all", ALL, True),
        ("reduce-only", "all", False),
        ("reduce-only colour=red", "all", False),
        ("reduce-only reduce-only all", "all", False),
        ("REDUCE-ONLY all", "all", False),
        (" all ", "all", True),
        ("symbol=AURA", "symbol=AURA", True),
        ("nonsense", "all", False),
        ("all=", "all", False),
    ],
)
def test_a_scope_is_understood_or_means_everything(text: str, scope: str, known: bool) -> None:
    assert (normal_scope(text), understood(text)) == (scope, known)
    assert is_reduce_only(normal_scope(text)) is scope.startswith("reduce-only")
