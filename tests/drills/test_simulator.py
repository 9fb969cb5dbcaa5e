"""The fault simulator: a short run of it holds, and every broken rule is found within ten thousand events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from service.fix.messages import ExecutionReport
from service.gateway import cancels, dropcopy, ledger
from service.gateway.core import Core
from service.gateway.ledger import Ledger
from service.gateway.lifecycle import ReportKind, Request
from service.gateway.order import Execution, Order
from service.gateway.shell import Shell
from service.model.orders import OrdStatus
from tests.drills.episode import run

SOON = 10_000


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [1, 2])
def test_any_faults_and_kills_leave_our_book_the_brokers(seed: int) -> None:
    result = run(seed, 20_000)
    assert not result.failure, result.failure
    assert (result.events, result.divergence) == (20_000, 0)
    assert result.kills > 50
    assert result.orders > 200
    assert result.fills > 200


def test_the_same_seed_is_the_same_run() -> None:
    assert run(5, 2_000) == run(5, 2_000)


Break = Callable[[pytest.MonkeyPatch], None]


def _forget_partial_fills(patch: pytest.MonkeyPatch) -> None:
    apply = Ledger.apply

    def broken(self: Ledger, order: Order, report: ExecutionReport) -> Any:
        partial = report.exec_type == "F" and report.ord_status is OrdStatus.PARTIALLY_FILLED
        if partial and order.live:
            return ledger.Applied(order, ReportKind.TRADED, duplicate=True)
        return apply(self, order, report)

    patch.setattr(Ledger, "apply", broken)


def _release_when_the_cancel_is_sent(patch: pytest.MonkeyPatch) -> None:
    at_risk = Order.at_risk.fget
    assert at_risk is not None
    patch.setattr(Order, "at_risk", property(lambda order: 0 if order.canceling else at_risk(order)))
    ask = Ledger.ask_cancel

    def broken(self: Ledger, order: Order, cl_ord_id: str) -> None:
        ask(self, order, cl_ord_id)
        self._recount(order)

    patch.setattr(Ledger, "ask_cancel", broken)


def _count_a_fill_as_often_as_it_is_told(patch: pytest.MonkeyPatch) -> None:
    book = Ledger._book
    numbers = iter(range(1 << 60))

    def broken(self: Ledger, order: Order, exec_id: str, now: Execution) -> None:
        book(self, order, f"{exec_id}/{next(numbers)}", now)

    apply = Ledger.apply

    def forgetful(self: Ledger, order: Order, report: ExecutionReport) -> Any:
        order.seen.clear()
        return apply(self, order, report)

    patch.setattr(Ledger, "_book", broken)
    patch.setattr(Ledger, "apply", forgetful)


def _count_only_the_new_version_of_a_replace(patch: pytest.MonkeyPatch) -> None:
    def at_risk(order: Order) -> int:
        most = (order.replace_quantity or order.quantity) if order.live else 0
        return max(0, max(most, order.told_quantity) - order.cum_quantity)

    patch.setattr(Order, "at_risk", property(at_risk))


def _believe_that_a_cancel_ends_an_order_before_its_fills_are_here(patch: pytest.MonkeyPatch) -> None:
    def at_risk(order: Order) -> int:
        return max(0, max(order.quantity, order.replace_quantity) - order.cum_quantity) if order.live else 0

    patch.setattr(Order, "at_risk", property(at_risk))


def _take_silence_after_a_disconnect_for_a_no(patch: pytest.MonkeyPatch) -> None:
    lost_sight = cancels.lost_sight

    def broken(state: Any, order: Order, reason: str, now: Any) -> None:
        if reason == "the session was lost" and order.status is OrdStatus.PENDING_NEW:
            state.ledger.withdraw(order)
        else:
            lost_sight(state, order, reason, now)

    patch.setattr("service.gateway.core.lost_sight", broken)


def _ask_nobody_after_a_restart(patch: pytest.MonkeyPatch) -> None:
    def broken(self: Core, given: Any, now: Any) -> None:
        self.state.configure(given, now)

    patch.setattr(Core, "_started", broken)


def _send_before_the_disk_has_it(patch: pytest.MonkeyPatch) -> None:
    perform = Shell._perform

    def broken(self: Shell, effect: Any, position: int, gated: int) -> None:
        perform(self, effect, 0, gated)
        self.on_synced(0)

    patch.setattr(Shell, "_perform", broken)


def _refuse_a_cancel_while_a_replace_is_pending(patch: pytest.MonkeyPatch) -> None:
    send_cancel = cancels.send_cancel

    def broken(state: Any, order: Order, now: Any) -> None:
        if order.request is not Request.REPLACE:
            send_cancel(state, order, now)

    patch.setattr("service.gateway.orders.send_cancel", broken)


def _forget_busts(patch: pytest.MonkeyPatch) -> None:
    execute = Ledger._execute

    def broken(self: Ledger, order: Order, kind: ReportKind, report: ExecutionReport) -> Any:
        return (None, "") if kind is ReportKind.BUSTED else execute(self, order, kind, report)

    patch.setattr(Ledger, "_execute", broken)


def _decide_by_the_wall_clock(patch: pytest.MonkeyPatch) -> None:
    """State that no input holds: replay cannot give it again."""
    apply = Core.apply
    numbers = iter(range(1 << 60))

    def broken(self: Core, given: Any, now: Any, recorded: str = "") -> Any:
        self.state.report_seq += next(numbers) % 97 == 0
        return apply(self, given, now, recorded)

    patch.setattr(Core, "apply", broken)


def _take_an_altered_drop_copy_for_the_same(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(dropcopy, "difference", lambda ours, theirs: "")


def _miss_what_the_drop_copy_does_not_tell(patch: pytest.MonkeyPatch) -> None:
    heard = dropcopy.heard

    def broken(state: Any, applied: Any, report: ExecutionReport, now: Any) -> None:
        heard(state, applied, report, now)
        state.drop_copy.ours.clear()

    patch.setattr(dropcopy, "heard", broken)


def _call_a_late_half_a_break_for_good(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(dropcopy, "_second_half", lambda *_: None)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "broken",
    [
        _forget_partial_fills,
        _release_when_the_cancel_is_sent,
        _count_a_fill_as_often_as_it_is_told,
        _count_only_the_new_version_of_a_replace,
        _believe_that_a_cancel_ends_an_order_before_its_fills_are_here,
        _take_silence_after_a_disconnect_for_a_no,
        _ask_nobody_after_a_restart,
        _send_before_the_disk_has_it,
        _refuse_a_cancel_while_a_replace_is_pending,
        _forget_busts,
        _decide_by_the_wall_clock,
        _take_an_altered_drop_copy_for_the_same,
        _miss_what_the_drop_copy_does_not_tell,
        _call_a_late_half_a_break_for_good,
    ],
    ids=lambda broken: broken.__name__.strip("_"),
)
def test_a_broken_rule_is_found_soon(monkeypatch: pytest.MonkeyPatch, broken: Break) -> None:
    broken(monkeypatch)
    result = run(1, SOON)
    assert result.failure, "the simulator did not notice"
    assert result.divergence >= 1
