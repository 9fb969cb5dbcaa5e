"""What the broker does when the line drops is declared, and checked whenever it drops (C28)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from service.gateway.inputs import LineCut
from service.model.events import Alarm
from service.model.orders import OrdStatus
from service.model.records import AuditEntry
from service.model.time import MILLISECOND, SECOND
from tests.unit.gateway.driver import Driver, digest

GRACE = 2 * SECOND


class Line(Driver):
    """A driver with two resting children at a broker that is declared, or not, to cancel at a disconnect."""

    def __init__(self, *, declared: str = "broker") -> None:
        super().__init__(begin=False)
        self._started = msgspec.structs.replace(
            self._started, cancel_on_disconnect=declared, cancel_on_disconnect_grace=GRACE
        )
        self.start()
        self.log_on()
        self.clock()
        self.refresh()
        self.admit()
        for child_id in ("P1.1", "P1.2"):
            self.submit(child_id, quantity=100)
            self.acknowledge(child_id)

    def drop(self, nanoseconds: int) -> None:
        self.log_off()
        self.wait(nanoseconds)
        self.log_on()

    def told(self, child_id: str, status: OrdStatus, **changes: Any) -> None:
        """The broker's answer to our question."""
        self.report("I", status, child_id, **{"exec_id": "0", "cum_quantity": 0, **changes})

    @property
    def failed(self) -> list[Alarm]:
        return [a for a in self.events(Alarm) if a.code == "CANCEL_ON_DISCONNECT_FAILED"]

    @property
    def verdicts(self) -> list[str]:
        return [e.outcome for e in self.events(AuditEntry) if e.action == "disconnect"]


def test_orders_when_the_line_drops_then_are_unknown_whatever_is_declared() -> None:
    line = Line()
    line.drop(10 * SECOND)
    assert [line.order(child).unknown for child in ("P1.1", "P1.2")] == [True, True]
    assert line.submit("P1.3") == "UNRECONCILED"


def test_broker_when_it_cancels_as_declared_then_the_record_says_so() -> None:
    line = Line()
    line.drop(10 * SECOND)
    line.told("P1.1", OrdStatus.CANCELED)
    assert line.verdicts == []
    line.told("P1.2", OrdStatus.CANCELED)
    assert line.verdicts == ["down_ms=10000 over=2 working=0 declared=broker grace_ms=2000"]
    assert line.failed == []


def test_broker_when_its_cancels_come_before_the_session_counts_as_up_then_they_count() -> None:
    line = Line()
    line.log_off()
    line.wait(10 * SECOND)
    for child_id in ("P1.1", "P1.2"):
        line.report("4", OrdStatus.CANCELED, child_id, cum_quantity=0, leaves_quantity=0)
    assert line.verdicts == []
    line.log_on()
    assert line.verdicts == ["down_ms=10000 over=2 working=0 declared=broker grace_ms=2000"]


def test_order_when_it_works_after_the_grace_though_declared_otherwise_then_that_is_an_alarm() -> None:
    line = Line()
    line.drop(GRACE)
    line.told("P1.1", OrdStatus.CANCELED)
    line.told("P1.2", OrdStatus.NEW)
    (alarm,) = line.failed
    assert f"cl_ord_id={line.order('P1.2').cl_ord_id}" in alarm.detail
    assert line.verdicts == ["down_ms=2000 over=1 working=1 declared=broker grace_ms=2000"]
    line.told("P1.2", OrdStatus.NEW)
    assert len(line.failed) == 1


def test_order_when_the_line_is_back_within_the_grace_then_it_may_work() -> None:
    line = Line()
    line.drop(GRACE - MILLISECOND)
    line.told("P1.1", OrdStatus.NEW)
    line.told("P1.2", OrdStatus.NEW)
    assert line.failed == []
    assert line.verdicts == ["down_ms=1999 over=0 working=2 declared=broker grace_ms=2000"]


@pytest.mark.parametrize("status", [OrdStatus.NEW, OrdStatus.CANCELED])
def test_broker_when_nothing_is_declared_then_what_it_does_is_on_record_and_no_alarm(
    status: OrdStatus,
) -> None:
    line = Line(declared="none")
    line.drop(60 * SECOND)
    line.told("P1.1", status)
    line.told("P1.2", status)
    over = 2 if status is OrdStatus.CANCELED else 0
    assert line.failed == []
    assert line.verdicts == [f"down_ms=60000 over={over} working={2 - over} declared=none grace_ms=2000"]


def test_journal_when_it_is_from_before_anything_was_declared_then_its_fold_says_nothing_new() -> None:
    line = Line(declared="")
    line.drop(60 * SECOND)
    line.told("P1.1", OrdStatus.NEW)
    line.told("P1.2", OrdStatus.CANCELED)
    assert (line.verdicts, line.failed) == ([], [])


def test_order_when_a_person_cancelled_it_before_the_disconnect_then_it_says_nothing_about_the_broker() -> (
    None
):
    line = Line()
    line.cancel("P1.1")
    line.drop(10 * SECOND)
    line.told("P1.1", OrdStatus.NEW)
    line.told("P1.2", OrdStatus.CANCELED)
    assert line.failed == []
    assert line.verdicts == ["down_ms=10000 over=1 working=0 declared=broker grace_ms=2000"]


def test_order_when_the_broker_has_not_told_yet_then_nothing_is_concluded() -> None:
    line = Line()
    line.drop(10 * SECOND)
    line.told("P1.1", OrdStatus.CANCELED)
    line.tick(after=60 * SECOND)
    assert line.verdicts == []
    assert list(line.core.state.line.left) == ["P1.2"]


def test_cut_when_a_person_wants_it_then_it_is_on_record_who_and_why() -> None:
    line = Line()
    line.feed(LineCut(by="os:carol", reason="drill", seconds=5.0))
    entry = next(e for e in line.events(AuditEntry) if e.action == "cut line")
    assert (entry.who, entry.reason, entry.outcome) == ("os:carol", "drill", "for_seconds=5")


def test_journal_when_it_is_replayed_then_the_line_is_as_it_was() -> None:
    line = Line()
    line.drop(10 * SECOND)
    line.told("P1.1", OrdStatus.NEW)
    again = line.replayed()
    assert digest(again) == digest(line.core)
    assert vars(again.state.line) == vars(line.core.state.line)
