"""The two tables: complete where they must be, and telling the races that the field knows."""

import pytest

from service.fix.messages import ExecutionReport
from service.gateway.lifecycle import (
    ANSWERS,
    CLOSED,
    EXEC_TYPES,
    LIVE,
    REQUEST,
    STATUS,
    ReportKind,
    Request,
    kind_of,
)
from service.model.orders import OrdStatus

REFUSALS = {ReportKind.CANCEL_REFUSED, ReportKind.REPLACE_REFUSED}


def test_every_status_an_order_can_have_is_live_or_closed() -> None:
    assert not LIVE & CLOSED
    targets = set(STATUS.values())
    assert targets <= LIVE | CLOSED


def test_every_kind_of_report_but_refusals_means_something_to_a_live_order() -> None:
    """Refusals are the request's alone."""
    for status in LIVE - {OrdStatus.PARTIALLY_FILLED, OrdStatus.SUSPENDED, OrdStatus.STOPPED}:
        assert {kind for s, kind in STATUS if s is status} == set(ReportKind) - REFUSALS


def test_no_report_brings_a_closed_order_back_to_life() -> None:
    assert all(target in CLOSED for (status, _), target in STATUS.items() if status in CLOSED)


@pytest.mark.parametrize("status", sorted(LIVE | CLOSED - {OrdStatus.REJECTED}))
def test_a_fill_is_legal_in_every_status_but_rejected(status: OrdStatus) -> None:
    assert (status, ReportKind.TRADED) in STATUS


def test_a_fill_of_a_rejected_order_and_a_cancel_of_a_filled_one_are_illegal() -> None:
    assert (OrdStatus.REJECTED, ReportKind.TRADED) not in STATUS
    assert (OrdStatus.FILLED, ReportKind.CANCELED) not in STATUS
    assert (OrdStatus.PARTIALLY_FILLED, ReportKind.REJECTED) not in STATUS


@pytest.mark.parametrize("status", sorted(CLOSED))
def test_every_request_ends_with_its_order(status: OrdStatus) -> None:
    closing = {kind for (s, kind), target in STATUS.items() if s in LIVE and target is status}
    for kind in closing - {ReportKind.TRADED}:
        assert all(REQUEST[request, kind] is Request.NONE for request in Request)


def test_an_answer_takes_away_only_the_request_it_answers() -> None:
    assert REQUEST[Request.BOTH, ReportKind.REPLACED] is Request.CANCEL
    assert REQUEST[Request.BOTH, ReportKind.REPLACE_REFUSED] is Request.CANCEL
    assert REQUEST[Request.BOTH, ReportKind.CANCEL_REFUSED] is Request.REPLACE


def test_an_answer_that_nobody_asked_for_is_illegal() -> None:
    for request, kind in (
        (Request.NONE, ReportKind.REPLACED),
        (Request.CANCEL, ReportKind.REPLACED),
        (Request.NONE, ReportKind.CANCEL_REFUSED),
        (Request.REPLACE, ReportKind.CANCEL_REFUSED),
        (Request.CANCEL, ReportKind.REPLACE_REFUSED),
    ):
        assert (request, kind) not in REQUEST


def test_every_exec_type_of_fix_4_4_is_known_but_the_two_that_orders_never_have() -> None:
    fix44 = set("03456789ABCDEFGHI")
    assert fix44 - set(EXEC_TYPES) == {"B", "I"}


def test_an_answer_to_a_question_says_what_its_status_says() -> None:
    def kind(status: OrdStatus) -> ReportKind | None:
        return kind_of(
            ExecutionReport(order_id="", exec_id="", exec_type="I", ord_status=status, symbol="AURA")
        )

    assert kind(OrdStatus.PENDING_CANCEL) is ReportKind.FOUND_LIVE
    assert kind(OrdStatus.FILLED) is ReportKind.FOUND_FILLED
    assert kind(OrdStatus.CALCULATED) is None
    assert set(OrdStatus) - set(ANSWERS) == {OrdStatus.CALCULATED, OrdStatus.ACCEPTED_FOR_BIDDING}
