"""Our book against the broker's drop copy: what one session tells and the other not, or otherwise (C35)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from service.gateway.breaks import BreakKind
from service.gateway.inputs import BreakExplained
from service.model.orders import OrdStatus, Side
from service.model.records import AuditEntry
from service.model.time import MILLISECOND, SECOND
from tests.unit.gateway.copied import TOLERANCE, Copied
from tests.unit.gateway.driver import PRICE, digest


@pytest.fixture
def gateway() -> Copied:
    return Copied()


@pytest.mark.parametrize("copy_first", [False, True])
def test_fill_when_both_sessions_tell_it_then_nothing_is_said(gateway: Copied, copy_first: bool) -> None:
    report = gateway.made(10, "X1")
    for first in (copy_first, not copy_first):
        if first:
            gateway.copy(report)
        else:
            gateway.feed(report)
    gateway.tick(after=2 * TOLERANCE)
    assert gateway.breaks == []
    assert gateway.alarms() == []
    book, order = gateway.core.state.drop_copy, gateway.order("P1.1")
    assert (len(book.ours), len(book.theirs), order.claimed, order.cum_quantity) == (0, 0, 0, 10)
    assert gateway.submit("P1.2") == "approved"


def test_fill_when_only_the_drop_copy_tells_it_then_a_break_stops_the_instrument(gateway: Copied) -> None:
    gateway.copy(gateway.made(10, "X1"))
    gateway.tick(after=TOLERANCE - MILLISECOND)
    assert gateway.breaks == []
    gateway.tick(after=MILLISECOND)
    assert gateway.breaks == [(BreakKind.DROP_COPY_ONLY, "X1")]
    (alarm,) = gateway.alarms_of("DROP_COPY_BREAK")
    assert alarm.symbol == "AURA"
    assert "trading=nothing drop_copy=F:AURA:side=1:status=1:quantity=10" in alarm.detail
    assert gateway.submit("P1.2") == "UNRECONCILED"
    assert gateway.denial() == ("C35", "UNRECONCILED")


def test_fill_when_only_the_trading_session_tells_it_then_a_break_stops_the_instrument(
    gateway: Copied,
) -> None:
    gateway.feed(gateway.made(10, "X1"))
    gateway.tick(after=TOLERANCE)
    assert gateway.breaks == [(BreakKind.TRADING_ONLY, "X1")]
    assert gateway.order("P1.1").cum_quantity == 10
    assert gateway.submit("P1.2") == "UNRECONCILED"
    assert "drop_copy=nothing" in gateway.alarms_of("DROP_COPY_BREAK")[0].detail


@pytest.mark.parametrize("late", ["copy", "trading"])
def test_break_when_the_missing_side_arrives_then_it_ends_by_itself(gateway: Copied, late: str) -> None:
    report = gateway.made(10, "X1")
    tell = {"copy": gateway.copy, "trading": gateway.feed}
    tell["trading" if late == "copy" else "copy"](report)
    gateway.tick(after=TOLERANCE)
    assert len(gateway.breaks) == 1
    tell[late](report)
    assert gateway.breaks == []
    assert gateway.submit("P1.2") == "approved"
    ended = [entry for entry in gateway.events(AuditEntry) if entry.action == "break"]
    assert [(entry.who, entry.target) for entry in ended] == [("gateway", "B1")]
    assert gateway.order("P1.1").claimed == 0


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"last_quantity": 12}, "quantity"),
        ({"last_price": PRICE + 100}, "price"),
        ({"side": Side.SELL}, "side"),
        ({"symbol": "BOLT"}, "symbol"),
        ({"ord_status": OrdStatus.FILLED}, "status"),
        ({"cum_quantity": 11}, "cum"),
    ],
)
@pytest.mark.parametrize("copy_first", [False, True])
def test_fill_when_the_two_tell_it_differently_then_the_break_names_what_differs(
    gateway: Copied, change: dict[str, Any], named: str, copy_first: bool
) -> None:
    report = gateway.made(10, "X1")
    if copy_first:
        gateway.copy(report, **change)
        gateway.feed(report)
    else:
        gateway.feed(report)
        gateway.copy(report, **change)
    assert gateway.breaks == [(BreakKind.DIFFERENT, "X1")]
    assert f"differs={named} " in gateway.alarms_of("DROP_COPY_BREAK")[0].detail
    assert gateway.submit("P1.2") == "UNRECONCILED"


def test_fill_when_it_is_doubled_on_the_trading_session_then_the_double_is_a_break(gateway: Copied) -> None:
    report = gateway.made(10, "X1")
    gateway.feed(report)
    gateway.copy(report)
    gateway.feed(gateway.made(10, "X2"))
    gateway.tick(after=TOLERANCE)
    assert gateway.breaks == [(BreakKind.TRADING_ONLY, "X2")]


def test_fill_when_it_is_told_again_on_both_sessions_then_it_is_no_news(gateway: Copied) -> None:
    report = gateway.made(10, "X1")
    for _ in range(2):
        gateway.feed(report)
        gateway.copy(report)
        gateway.copy(report, poss_dup=True)
    gateway.tick(after=TOLERANCE)
    assert gateway.breaks == []
    assert gateway.order("P1.1").cum_quantity == 10


def test_fill_when_the_drop_copy_tells_it_again_otherwise_then_that_is_a_break(gateway: Copied) -> None:
    report = gateway.made(10, "X1")
    gateway.feed(report)
    gateway.copy(report)
    gateway.copy(report, last_quantity=20)
    assert gateway.breaks == [(BreakKind.DIFFERENT, "X1")]


def test_fill_of_an_order_that_is_over_when_only_the_drop_copy_tells_it_then_its_lots_count_as_working(
    gateway: Copied,
) -> None:
    report = gateway.made(10, "X1")
    gateway.cancel("P1.1")
    gateway.canceled()
    exposure = gateway.core.state.ledger.exposure("AURA")
    assert exposure.working_buy == 0
    gateway.copy(report)
    assert (exposure.position, exposure.working_buy) == (0, 10)
    assert gateway.core.state.ledger.progress("P1").working == 10
    gateway.feed(report)
    assert (exposure.position, exposure.working_buy) == (10, 0)
    gateway.tick(after=TOLERANCE)
    assert gateway.breaks == []


def test_bust_when_only_one_session_tells_it_then_that_is_a_break(gateway: Copied) -> None:
    report = gateway.made(10, "X1")
    gateway.feed(report)
    gateway.copy(report)
    bust = msgspec.structs.replace(report, exec_type="H", exec_id="X2", exec_ref_id="X1", cum_quantity=0)
    gateway.feed(bust)
    gateway.tick(after=TOLERANCE)
    assert gateway.breaks == [(BreakKind.TRADING_ONLY, "X2")]
    gateway.copy(bust)
    assert gateway.breaks == []


def test_fill_when_it_is_told_after_its_bust_then_it_is_no_break(gateway: Copied) -> None:
    report = gateway.made(10, "X1")
    bust = msgspec.structs.replace(report, exec_type="H", exec_id="X2", exec_ref_id="X1", cum_quantity=0)
    for one in (bust, report):
        gateway.feed(one)
        gateway.copy(one)
    gateway.tick(after=TOLERANCE)
    assert gateway.breaks == []
    assert gateway.order("P1.1").cum_quantity == 0


@pytest.mark.parametrize("exec_type", ["G", "H"])
def test_difference_when_both_sessions_set_it_right_alike_then_it_is_over(
    gateway: Copied, exec_type: str
) -> None:
    report = gateway.made(10, "X1")
    gateway.feed(report)
    gateway.copy(report, last_quantity=12)
    right = msgspec.structs.replace(
        report, exec_type=exec_type, exec_id="X2", exec_ref_id="X1", last_quantity=11, cum_quantity=11
    )
    gateway.feed(right)
    assert gateway.breaks == [(BreakKind.DIFFERENT, "X1")]
    gateway.copy(right)
    assert gateway.breaks == []
    assert gateway.order("P1.1").claimed == 0


# A session that is down says nothing by its silence


def test_drop_copy_when_it_is_down_then_an_alarm_tells_and_trading_goes_on(gateway: Copied) -> None:
    gateway.copy_up(False)
    gateway.feed(gateway.made(10, "X1"))
    gateway.tick(after=3 * SECOND)
    gateway.tick(after=60 * SECOND)
    assert len(gateway.alarms_of("DROP_COPY_DOWN")) == 1
    assert gateway.breaks == []
    assert gateway.submit("P1.2") == "approved"


def test_drop_copy_when_it_comes_back_without_a_fill_then_that_is_a_break_after_the_tolerance(
    gateway: Copied,
) -> None:
    gateway.copy_up(False)
    gateway.feed(gateway.made(10, "X1"))
    gateway.tick(after=60 * SECOND)
    gateway.copy_up()
    gateway.tick(after=TOLERANCE - MILLISECOND)
    assert gateway.breaks == []
    gateway.tick(after=MILLISECOND)
    assert gateway.breaks == [(BreakKind.TRADING_ONLY, "X1")]


def test_trading_session_when_it_is_down_then_the_drop_copy_alone_is_no_break_until_it_is_back(
    gateway: Copied,
) -> None:
    gateway.log_off()
    report = gateway.made(10, "X1")
    gateway.copy(report)
    gateway.tick(after=60 * SECOND)
    assert gateway.breaks == []
    gateway.log_on()
    gateway.tick(after=TOLERANCE)
    assert gateway.breaks == [(BreakKind.DROP_COPY_ONLY, "X1")]


def test_drop_copy_when_it_is_required_and_down_then_nothing_new_is_sent() -> None:
    gateway = Copied(drop_copy_required=True)
    assert gateway.submit("P1.2") == "approved"
    gateway.copy_up(False)
    assert gateway.submit("P1.3") == "NOT_LOGGED_ON"
    gateway.copy_up()
    assert gateway.submit("P1.4") == "approved"


def test_drop_copy_when_it_was_never_there_then_that_is_an_alarm_too() -> None:
    gateway = Copied()
    gateway.start()
    gateway.tick(after=9 * SECOND)
    assert gateway.alarms_of("DROP_COPY_DOWN") == []
    gateway.tick(after=SECOND)
    assert len(gateway.alarms_of("DROP_COPY_DOWN")) == 1


def test_fill_when_there_is_no_drop_copy_then_nothing_waits() -> None:
    gateway = Copied(drop_copy="")
    gateway.feed(gateway.made(10, "X1"))
    gateway.tick(after=60 * SECOND)
    assert gateway.core.state.drop_copy.ours == {}
    assert gateway.alarms() == []


# What people say


def test_break_when_a_person_explains_it_then_it_is_over_and_nothing_is_booked(gateway: Copied) -> None:
    report = gateway.made(10, "X1")
    gateway.copy(report)
    gateway.tick(after=TOLERANCE)
    gateway.feed(BreakExplained(id="B1", by="os:carol", reason="theirs, busted by telephone"))
    assert gateway.breaks == []
    order = gateway.order("P1.1")
    assert (order.cum_quantity, order.claimed) == (0, 0)
    assert gateway.submit("P1.2") == "approved"
    gateway.copy(report)
    gateway.tick(after=TOLERANCE)
    assert gateway.breaks == []
    audit = next(entry for entry in gateway.events(AuditEntry) if entry.target == "B1")
    assert (audit.who, audit.reason) == ("os:carol", "theirs, busted by telephone")


def test_break_when_two_people_book_it_then_it_counts_once_even_if_it_is_told_later(gateway: Copied) -> None:
    report = gateway.made(10, "X1")
    gateway.copy(report)
    gateway.tick(after=TOLERANCE)
    gateway.feed(BreakExplained(id="B1", by="carol and dave", reason="confirmed", book=True))
    assert gateway.breaks == []
    assert gateway.core.state.ledger.exposure("AURA").position == 10
    gateway.feed(report)
    gateway.tick(after=TOLERANCE)
    assert gateway.core.state.ledger.exposure("AURA").position == 10
    assert gateway.breaks == []


def test_difference_when_two_people_book_it_then_ours_is_corrected_to_theirs(gateway: Copied) -> None:
    report = gateway.made(10, "X1")
    gateway.feed(report)
    gateway.copy(report, last_quantity=12, cum_quantity=12)
    gateway.feed(BreakExplained(id="B1", by="carol and dave", reason="confirmed", book=True))
    gateway.tick(after=TOLERANCE)
    assert gateway.breaks == []
    assert gateway.core.state.ledger.exposure("AURA").position == 12


def test_break_when_nothing_of_the_drop_copy_can_be_booked_then_it_stays(gateway: Copied) -> None:
    gateway.feed(gateway.made(10, "X1"))
    gateway.tick(after=TOLERANCE)
    gateway.feed(BreakExplained(id="B1", by="carol and dave", reason="?", book=True))
    gateway.feed(BreakExplained(id="B9", by="os:carol", reason="?"))
    assert gateway.breaks == [(BreakKind.TRADING_ONLY, "X1")]
    outcomes = [entry.outcome for entry in gateway.events(AuditEntry) if entry.action == "break"]
    assert [outcome[:8] for outcome in outcomes] == ["refused:", "refused:"]


def test_fill_when_the_drop_copy_is_golden_then_it_is_booked_after_the_tolerance() -> None:
    gateway = Copied(drop_copy_golden=True)
    report = gateway.made(10, "X1")
    gateway.copy(report)
    assert gateway.order("P1.1").cum_quantity == 0
    gateway.tick(after=TOLERANCE)
    assert gateway.order("P1.1").cum_quantity == 10
    assert gateway.breaks == []
    assert len(gateway.alarms_of("DROP_COPY_BREAK")) == 1
    gateway.feed(report)
    gateway.tick(after=TOLERANCE)
    assert gateway.order("P1.1").cum_quantity == 10
    assert gateway.breaks == []


# Orders that nobody here sent, and orders that are over


def test_order_when_only_the_drop_copy_knows_it_then_it_is_adopted_and_counted(gateway: Copied) -> None:
    report = gateway.made(
        30, "X9", cl_ord_id="THEIRS-1", order_id="B-77", cum_quantity=30, leaves_quantity=70
    )
    gateway.copy(report)
    order = gateway.order("foreign:THEIRS-1")
    assert (order.quantity, order.at_risk, order.cum_quantity) == (100, 100, 0)
    assert "FOREIGN_EXECUTION" in gateway.alarms()
    gateway.tick(after=TOLERANCE)
    assert gateway.breaks == [(BreakKind.DROP_COPY_ONLY, "X9")]
    canceled = msgspec.structs.replace(
        report, exec_type="4", exec_id="X10", ord_status=OrdStatus.CANCELED, leaves_quantity=0,
        last_quantity=None, last_price=None,
    )  # fmt: skip
    gateway.copy(canceled)
    assert (order.live, order.at_risk) == (False, 30)
    assert "foreign:THEIRS-1" in gateway.core.state.chasing


def test_order_when_it_is_over_by_the_drop_copy_alone_then_the_broker_is_asked(gateway: Copied) -> None:
    ended = gateway.made(
        10, "X1", exec_type="4", ord_status=OrdStatus.CANCELED, last_quantity=None, last_price=None,
        cum_quantity=0, leaves_quantity=0,
    )  # fmt: skip
    gateway.copy(ended)
    gateway.tick(after=TOLERANCE)
    assert gateway.breaks == [(BreakKind.STATUS, "")]
    assert gateway.order("P1.1").unknown
    assert len(gateway.questions_sent) == 1
    gateway.report("I", OrdStatus.CANCELED, exec_id="0", cum_quantity=0)
    gateway.tick()
    assert gateway.breaks == []
    assert gateway.submit("P1.2") == "approved"


def test_order_when_both_sessions_end_it_then_nothing_is_said(gateway: Copied) -> None:
    ended = gateway.made(
        10, "X1", exec_type="4", ord_status=OrdStatus.CANCELED, last_quantity=None, last_price=None,
        cum_quantity=0, leaves_quantity=0,
    )  # fmt: skip
    gateway.copy(ended)
    gateway.feed(ended)
    gateway.tick(after=TOLERANCE)
    assert gateway.alarms() == []
    assert gateway.core.state.drop_copy.ends == {}


# Recovery and memory


def test_journal_when_it_is_replayed_then_the_breaks_are_the_same(gateway: Copied) -> None:
    gateway.copy(gateway.made(10, "X1"))
    gateway.feed(gateway.made(20, "X2"))
    gateway.tick(after=TOLERANCE)
    gateway.copy(gateway.made(30, "X3"))
    gateway.feed(BreakExplained(id="B1", by="os:carol", reason="seen"))
    again = gateway.replayed()
    ours, theirs = gateway.core.state.drop_copy, again.state.drop_copy
    assert digest(again) == digest(gateway.core)
    assert [str(found) for found in theirs.open.values()] == [str(found) for found in ours.open.values()]
    assert (list(theirs.ours), list(theirs.theirs), theirs.agreed) == (
        list(ours.ours), list(ours.theirs), ours.agreed,
    )  # fmt: skip
    assert again.state.ledger.exposure("AURA").breaks == gateway.core.state.ledger.exposure("AURA").breaks


def test_gateway_when_it_starts_again_then_breaks_still_stop_their_instrument(gateway: Copied) -> None:
    gateway.feed(gateway.made(10, "X1"))
    gateway.tick(after=TOLERANCE)
    gateway.start()
    gateway.log_on()
    gateway.report("I", OrdStatus.PARTIALLY_FILLED, exec_id="0", cum_quantity=10, leaves_quantity=90)
    assert gateway.submit("P1.2") == "UNRECONCILED"
    assert gateway.breaks == [(BreakKind.TRADING_ONLY, "X1")]


def test_drop_copy_when_a_gateway_starts_again_then_the_last_report_is_known(gateway: Copied) -> None:
    gateway.copy(gateway.made(10, "X1", seq=41))
    assert gateway.replayed().state.drop_copy.report_seq == 41


def test_executions_when_they_agree_then_only_a_checksum_is_kept(gateway: Copied) -> None:
    for number in range(1, 51):
        report = gateway.made(1, f"X{number}")
        gateway.feed(report)
        gateway.copy(report)
    book = gateway.core.state.drop_copy
    assert (len(book.agreed), len(book.ours), len(book.theirs), len(book.open)) == (50, 0, 0, 0)
    assert all(isinstance(kept, int) for kept in book.agreed.values())


# Two people


def test_book_when_two_people_want_it_then_the_fill_is_in_the_book(gateway: Copied) -> None:
    gateway.copy(gateway.made(10, "X1"))
    gateway.tick(after=TOLERANCE)
    gateway.propose(action="book", target="B1")
    gateway.approve(action="book", target="B1")
    assert gateway.core.state.ledger.exposure("AURA").position == 10
    assert gateway.breaks == []
    assert gateway.submit("P1.2") == "approved"


def test_book_when_one_person_wants_it_twice_then_nothing_is_booked(gateway: Copied) -> None:
    gateway.copy(gateway.made(10, "X1"))
    gateway.tick(after=TOLERANCE)
    gateway.propose(action="book", target="B1", by="carol")
    gateway.approve(action="book", target="B1", by="carol")
    assert gateway.core.state.ledger.exposure("AURA").position == 0
    assert len(gateway.breaks) == 1


def test_book_when_nothing_can_be_booked_then_it_is_refused(gateway: Copied) -> None:
    gateway.feed(gateway.made(10, "X1"))
    gateway.tick(after=TOLERANCE)
    gateway.propose(action="book", target="B1")
    gateway.propose(action="book", target="B7")
    assert gateway.core.state.proposals.open == {}
    assert [entry.outcome[:8] for entry in gateway.events(AuditEntry)] == ["refused:", "refused:"]


def test_book_when_the_missing_report_came_meanwhile_then_the_approval_does_nothing(gateway: Copied) -> None:
    report = gateway.made(10, "X1")
    gateway.copy(report)
    gateway.tick(after=TOLERANCE)
    gateway.propose(action="book", target="B1")
    gateway.feed(report)
    gateway.approve(action="book", target="B1")
    assert gateway.core.state.ledger.exposure("AURA").position == 10
