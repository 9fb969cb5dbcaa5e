"""Disasters of others, each once: against the real gateway and the drills' broker with a book of its own."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from service.gateway import killing
from service.gateway.inputs import KillInput
from service.gateway.state import State
from service.model.codec import to_runner
from service.model.events import Alarm, ChildDenied
from service.model.orders import (
    CancelChild,
    NewParent,
    OrdType,
    ParentStatus,
    ReplaceChild,
    Side,
    SubmitChild,
    TimeInForce,
)
from service.model.time import MILLISECOND, SECOND
from tests.drills import invariants
from tests.drills.broker import SOH, BookOrder
from tests.drills.gateway import prepare
from tests.drills.world import World
from tests.unit.gateway.driver import PRICE, parent

ROOT = Path(__file__).resolve().parents[2]


class Desk(World):
    """A world in which nothing goes wrong by itself. P1 buys 1,000 AURA."""

    def __init__(self, path: Path) -> None:
        super().__init__("named", path)
        self.gateway.configure()
        self.told: list[Any] = []
        self.gateway._tell = self._hear  # type: ignore[method-assign]
        self.begin()
        self.connect()
        self.admit()

    def _hear(self, payload: bytes) -> None:
        self.told.append(to_runner(payload))

    def admit(self, **changes: Any) -> None:
        order = parent(**changes)
        self.topic.append(NewParent(command_id=order.id, parent=order, by="alice", ts_utc=self.utc))
        self.read_topic()

    def submit(self, number: int, quantity: int = 100, **changes: Any) -> None:
        known = self.gateway.core.state.parents["P1"]
        fields: dict[str, Any] = {
            "child_id": f"P1.{number}",
            "parent_id": "P1",
            "parent_version": known.version,
            "symbol": "AURA",
            "side": known.order.side,
            "ord_type": OrdType.LIMIT,
            "quantity": quantity,
            "price": PRICE,
            "time_in_force": TimeInForce.DAY,
            "policy": "twap",
        }
        self.gateway.shell.intent("r1", SubmitChild(**{**fields, **changes}))
        self.flow()

    def ask_cancel(self, number: int = 1) -> None:
        self.gateway.shell.intent("r1", CancelChild(child_id=f"P1.{number}", parent_id="P1"))

    def ask_replace(self, number: int, quantity: int) -> None:
        known = self.gateway.core.state.parents["P1"]
        command = ReplaceChild(
            child_id=f"P1.{number}",
            parent_id="P1",
            parent_version=known.version,
            quantity=quantity,
            price=PRICE,
        )
        self.gateway.shell.intent("r1", command)
        self.settle_turn()

    def kill(self) -> None:
        self.gateway.shell.feed(KillInput(scope="all", by="carol", reason="drill"))
        self.settle_turn()

    def flow(self, conceal: Callable[[str], bool] = lambda _: False) -> None:
        """Everything said arrives, but what is concealed; the books are compared on the way."""
        while True:
            self.settle_turn()
            while self.line.to_broker:
                self.arrive(self.line.to_broker.popleft()[1])
            self.absorb()
            while self.line.said:
                if conceal(self.line.said[0][0]):
                    self.line.said.pop(0)
                else:
                    self.line.number(0)
            while self.line.up and self.line.waiting:
                self.take()
                self.check()
            self.settle_turn()
            if not (self.line.to_broker or self.line.said):
                return

    def wait(self, nanoseconds: int) -> None:
        """Time goes by in small steps."""
        until = self.utc + nanoseconds
        while self.utc < until:
            self.utc += 100 * MILLISECOND
            self.refresh()
            self.gateway.shell.tick()
            self.flow()

    def book(self, number: int = 1) -> BookOrder:
        return self.by_child[f"P1.{number}"]

    def bought(self) -> int:
        """Lots that are done at the broker, or may be."""
        return sum(order.cum + order.leaves for order in self.broker.orders.values())

    def position(self) -> int:
        return self.gateway.core.state.ledger.exposure("AURA").position

    def agree(self) -> None:
        self.check_all()
        assert invariants.check_quiet(self) == []

    def denials(self) -> list[str]:
        return [message.code for message in self.told if type(message) is ChildDenied]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    prepare()
    desk = Desk(tmp_path / "drill.journal")
    yield desk
    desk.close()


def is_fill(text: str) -> bool:
    return f"{SOH}150=F{SOH}" in text


# Knight Capital, 2012


def test_knight_capital_a_dead_path_sends_children_for_a_parent_that_is_done(desk: Desk) -> None:
    for number in range(1, 11):
        desk.submit(number)
        desk.broker.fill(desk.book(number), 100, PRICE)
    desk.flow()
    assert desk.gateway.core.state.parents["P1"].status is ParentStatus.FILLED
    for number in range(11, 511):
        desk.submit(number)
    assert len(desk.broker.orders) == 10
    assert desk.bought() == desk.position() == 1000
    assert desk.denials() == ["PARENT_CLOSED"] * 500
    desk.agree()


def test_knight_capital_a_path_that_does_not_count_its_fills_is_counted_by_the_gate(desk: Desk) -> None:
    """Nobody closes the parent, because one lot of it is open: the cumulative check is the gate's own."""
    for number in range(1, 501):
        desk.submit(number, 99)
        if f"P1.{number}" in desk.by_child and number != 10:
            desk.broker.fill(desk.book(number), 99, PRICE)
    desk.flow()
    assert desk.bought() == 990
    assert desk.denials() == ["PARENT_QUANTITY"] * 490
    desk.agree()


# A lost fill that starts an endless liquidation


def test_a_lost_fill_does_not_start_an_endless_liquidation(desk: Desk) -> None:
    """A loop sells until it sees itself flat; the fill is never told, so it never does."""
    desk.admit(parent_id="P2", side=Side.SELL, quantity=100)
    for number in range(1, 101):
        desk.submit(
            number,
            child_id=f"P2.{number}",
            parent_id="P2",
            parent_version=desk.gateway.core.state.parents["P2"].version,
            side=Side.SELL,
        )
        for order in desk.broker.live:
            desk.broker.fill(order, 100, PRICE)
        desk.flow(conceal=is_fill)
        desk.gateway.shell.intent("r1", CancelChild(child_id=f"P2.{number}", parent_id="P2"))
        desk.flow(conceal=is_fill)
    assert len(desk.broker.orders) == 1
    assert set(desk.denials()) <= {"PARENT_QUANTITY", "UNRECONCILED"}
    assert len(desk.denials()) == 99
    order = desk.gateway.core.state.ledger.orders["P2.1"]
    assert (order.unknown, order.cum_quantity, order.at_risk) == (True, 0, 100)
    book = desk.by_child["P2.1"]
    desk.broker.tell_again(book, next(iter(book.deals)))
    desk.wait(6 * SECOND)
    assert desk.position() == -100
    desk.agree()


# An exception inside the kill path


@pytest.mark.parametrize("step", ["risk_event", "audit", "order_event", "alarm"])
def test_an_exception_inside_the_kill_path_leaves_nothing_working(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    desk.may_stop = True
    for number in range(1, 6):
        desk.submit(number)

    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("the drill's")

    with monkeypatch.context() as patch:
        patch.setattr(State, step, fails)
        desk.kill()
    desk.wait(2 * SECOND)
    for order in desk.broker.live:
        while order.asks:
            desk.broker.decide(order, True)
    desk.wait(2 * SECOND)
    assert desk.broker.live == []
    desk.submit(6)
    assert len(desk.broker.orders) == 5
    assert invariants.check_quiet(desk) == []


def test_a_kill_that_fails_at_every_order_asks_again_until_nothing_works(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.may_stop = True
    for number in range(1, 6):
        desk.submit(number)

    def fails(*_: Any) -> None:
        raise RuntimeError("the drill's")

    with monkeypatch.context() as patch:
        patch.setattr(killing, "insist_cancel", fails)
        desk.kill()
    assert desk.gateway.core.state.killed
    desk.submit(6)
    assert len(desk.broker.orders) == 5
    desk.wait(2 * SECOND)
    assert all(order.asks for order in desk.broker.live)
    for order in desk.broker.live:
        desk.broker.decide(order, True)
    desk.flow()
    assert desk.broker.live == []
    assert invariants.check_quiet(desk) == []


# A cancel-replace collision that leaves two live orders


@pytest.mark.parametrize("strict", [True, False], ids=["by the newest id only", "by any id"])
def test_a_cancel_replace_collision_leaves_one_order_and_then_none(desk: Desk, strict: bool) -> None:
    desk.broker._strict_orig = strict
    desk.submit(1)
    desk.broker.accept(desk.book())
    desk.flow()
    desk.ask_replace(1, 150)
    desk.ask_cancel()
    assert desk.gateway.core.state.ledger.orders["P1.1"].at_risk == 150
    desk.arrive(desk.line.to_broker.popleft()[1])
    desk.broker.decide(desk.book(), True)
    desk.flow()
    assert len(desk.broker.live) == 1
    assert desk.bought() == 150
    if strict:
        desk.wait(6 * SECOND)
        assert not desk.book().asks
        desk.ask_cancel()
        desk.flow()
    desk.broker.decide(desk.book(), True)
    desk.flow()
    desk.wait(6 * SECOND)
    assert desk.broker.live == []
    desk.agree()


# A resend that replays fills


@pytest.mark.parametrize("killed", [False, True], ids=["line", "gateway"])
def test_a_resend_of_the_whole_day_counts_every_fill_once(desk: Desk, killed: bool) -> None:
    for number in range(1, 6):
        desk.submit(number)
        desk.broker.accept(desk.book(number))
        desk.broker.fill(desk.book(number), 40, PRICE)
        desk.broker.fill(desk.book(number), 60, PRICE + 7)
    desk.flow()
    taken = desk.line.waiting, desk.position()
    assert taken == (0, 500)
    if killed:
        desk.die(power=True)
        desk.begin()
    else:
        desk.disconnect()
    desk.expected = 1
    desk.connect()
    assert desk.line.waiting == len(desk.line.store) > 10
    desk.flow()
    assert desk.gateway.wire.logged_on
    assert desk.position() == 500
    desk.agree()


def test_fills_stated_again_under_new_numbers_count_once(desk: Desk) -> None:
    desk.submit(1)
    desk.broker.fill(desk.book(), 40, PRICE)
    for _ in range(50):
        desk.broker.tell_again(desk.book(), "X1")
    desk.flow()
    assert desk.position() == 40
    desk.agree()


# A fill after the cancel was acknowledged


@pytest.mark.parametrize("told", [True, False], ids=["CumQty tells of it", "nothing tells of it"])
def test_a_fill_after_the_cancel_was_acknowledged_counts(desk: Desk, told: bool) -> None:
    desk.submit(1)
    desk.broker.accept(desk.book())
    desk.ask_cancel()
    desk.flow()
    book = desk.book()
    if told:
        desk.broker.fill(book, 30, PRICE)
        desk.absorb()
        fill = desk.line.said.pop()
        desk.broker.decide(book, True)
        desk.flow()
        order = desk.gateway.core.state.ledger.orders["P1.1"]
        assert (order.unknown, order.at_risk) == (True, 30)
        desk.line.said.append(fill)
    else:
        desk.broker.decide(book, True)
        desk.flow()
        desk.broker.fill(book, 30, PRICE)
    desk.flow()
    desk.wait(6 * SECOND)
    assert desk.position() == 30
    assert desk.gateway.core.state.ledger.progress("P1").filled == 30
    desk.agree()


# A kill must not block cancels; a venue refuses cancels


def test_a_kill_does_not_block_a_cancel(desk: Desk) -> None:
    for number in range(1, 4):
        desk.submit(number)
        desk.broker.accept(desk.book(number))
    desk.flow()
    desk.disconnect()
    desk.kill()
    desk.connect()
    desk.flow()
    assert sorted(order.child for order in desk.broker.live if order.asks) == ["P1.1", "P1.2", "P1.3"]
    for order in desk.broker.live:
        desk.broker.decide(order, False)
    desk.flow()
    before = len(desk.ids)
    desk.ask_cancel(2)
    desk.flow()
    assert len(desk.ids) > before
    assert desk.book(2).asks


def test_cancels_refused_by_a_venue_are_repeated_and_the_order_goes_on_counting(desk: Desk) -> None:
    desk.submit(1)
    desk.broker.accept(desk.book())
    desk.flow()
    desk.kill()
    refused = 0
    for _ in range(300):
        desk.wait(100 * MILLISECOND)
        if desk.book().asks:
            desk.broker.decide(desk.book(), False)
            refused += 1
            desk.flow()
            assert desk.gateway.core.state.ledger.exposure("AURA").working_buy == 100
    assert refused >= 8, "it is asked again, ever more slowly, and without end"
    desk.wait(6 * SECOND)
    desk.broker.decide(desk.book(), True)
    desk.flow()
    assert desk.broker.live == []
    desk.agree()


def test_alarms_tell_of_what_a_person_must_see(desk: Desk) -> None:
    """A lost fill is not only survived but said."""
    desk.submit(1)
    desk.broker.fill(desk.book(), 40, PRICE)
    desk.flow(conceal=is_fill)
    published: list[Any] = []
    desk.gateway.shell._publish = lambda effect: published.append(effect.message)  # type: ignore[method-assign]
    desk.broker.end(desk.book(), "4")
    desk.flow()
    assert [message.code for message in published if type(message) is Alarm] == ["FILL_MISSING"]


# What is a test elsewhere: the name must be there

ELSEWHERE = {
    "a model that returns NaN": (
        "tests/unit/inference/test_model.py::test_run_when_a_number_is_unusable_then_the_call_fails_with_the_reason",
        "tests/unit/runner/test_models.py::test_the_placement_serves_when_the_answer_is_of_no_use",
    ),
    "a model that returns a constant": (
        "tests/unit/inference/test_model.py::test_run_when_the_model_is_constant_then_every_row_is_the_same",
        "tests/unit/policies/test_model_timing.py::test_act_when_the_score_is_weak_then_what_is_due_rests_at_the_touch",
        "tests/unit/policies/test_model_timing.py::test_act_when_the_parent_is_behind_then_it_takes_whatever_the_score",
    ),
    "Citi 2022: hundreds of warnings dismissed at once": (
        "tests/unit/gateway/test_overrides.py::test_hundreds_of_warnings_are_not_dismissed_at_once_as_at_citi_in_2022",
        "tests/unit/cli/test_blocked.py::test_no_command_takes_several_or_goes_without_a_reason",
    ),
    "an exception at one order of a kill": (
        "tests/unit/gateway/test_kill.py::test_a_failure_at_one_order_does_not_spare_the_others",
    ),
    "a kill while Kafka is gone": (
        "tests/integration/gateway/test_gateway_role.py::test_without_kafka_nothing_new_goes_out_a_kill_works_and_the_record_is_complete_afterwards",
    ),
    "health checks that would stop every healthy process at once": (
        "tests/integration/gateway/test_health.py::test_health_checks_when_kafka_and_the_broker_are_gone_then_no_healthy_process_is_called_ill",
    ),
    "a cancel path behind a dead database": (
        "tests/integration/gateway/test_gateway_role.py::test_without_kafka_nothing_new_goes_out_a_kill_works_and_the_record_is_complete_afterwards",
        "tests/integration/gateway/test_gateway_role.py::test_a_gateway_that_finds_no_kafka_stays_and_can_be_told_to_kill",
        "tests/unit/gateway/test_shell.py::test_a_cancel_does_not_wait_for_the_disk",
        "tests/unit/gateway/test_shell.py::test_a_failed_journal_sends_nothing_new_cancels_everything_and_answers_who_waits",
    ),
    "resend storm": (
        "tests/integration/fix/test_resend_storm.py::test_resend_storm_when_they_ask_without_end_then_answers_are_rare_and_a_person_is_told",
        "tests/integration/fix/test_resend_storm.py::test_resend_storm_when_they_never_send_what_we_miss_then_we_ask_rarely_and_give_up",
        "tests/integration/fix/test_resend_storm.py::test_resend_when_every_connection_ends_over_it_then_connections_grow_rare",
    ),
}


@pytest.mark.parametrize("drill", ELSEWHERE)
def test_a_drill_that_is_elsewhere_is_there(drill: str) -> None:
    for test in ELSEWHERE[drill]:
        path, _, name = test.partition("::")
        tree = ast.parse((ROOT / path).read_text())
        names = {
            node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        assert name in names, test
