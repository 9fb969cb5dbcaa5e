"""Whatever is lost, doubled, altered or late on either session: just that is found (C35)."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from service.fix.messages import ExecutionReport
from service.model.orders import OrdStatus
from service.model.time import MILLISECOND, SECOND
from tests.unit.gateway.copied import TOLERANCE, Copied
from tests.unit.gateway.driver import PRICE, digest

SENT = "sent"
LOST = "lost"
ALTERED = "altered"
DOUBLED = "doubled"

fates = st.sampled_from([SENT] * 6 + [LOST, ALTERED, DOUBLED])
fills = st.lists(
    st.tuples(st.integers(1, 5), fates, fates, st.integers(0, 3000), st.integers(0, 3000)),
    min_size=1,
    max_size=12,
)


def report(gateway: Copied, number: int, quantity: int, cum: int) -> ExecutionReport:
    order = gateway.order("P1.1")
    return ExecutionReport(
        cl_ord_id=order.cl_ord_id,
        order_id="B-P1.1",
        exec_id=f"X{number}",
        exec_type="F",
        ord_status=OrdStatus.PARTIALLY_FILLED,
        symbol=order.symbol,
        side=order.side,
        last_quantity=quantity,
        last_price=PRICE,
        cum_quantity=cum,
        leaves_quantity=100 - cum,
    )


def told(made: ExecutionReport, fate: str, session: str) -> list[ExecutionReport]:
    """What becomes of a report on one session."""
    if fate == LOST:
        return []
    if fate == ALTERED:
        return [msgspec.structs.replace(made, last_price=PRICE + (100 if session == "copy" else 200))]
    if fate == DOUBLED:
        return [made, msgspec.structs.replace(made, exec_id=f"{made.exec_id}-again-{session}")]
    return [made]


def differing(happened: Any) -> set[str]:
    """ExecIDs that the two sessions did not tell alike."""
    found = set()
    for number, (_, trading, copy, _, _) in enumerate(happened):
        lost = (trading, copy).count(LOST)
        if lost == 1 or (not lost and ALTERED in (trading, copy)):
            found.add(f"X{number}")
        if trading == DOUBLED:
            found.add(f"X{number}-again-trading")
        if copy == DOUBLED:
            found.add(f"X{number}-again-copy")
    return found


@settings(max_examples=150, deadline=None)
@given(happened=fills)
def test_executions_when_sessions_differ_then_exactly_those_are_breaks_and_replay_finds_them(
    happened: Any,
) -> None:
    gateway = Copied()
    sends, cum = [], 0
    for number, (quantity, trading, copy, trading_late, copy_late) in enumerate(happened):
        cum += quantity
        made = report(gateway, number, quantity, cum)
        sends += [(trading_late, "trading", one) for one in told(made, trading, "trading")]
        sends += [(copy_late, "copy", one) for one in told(made, copy, "copy")]
    now = 0
    for late, session, one in sorted(sends, key=lambda send: send[0]):
        gateway.tick(after=(late - now) * MILLISECOND)
        now = late
        if session == "copy":
            gateway.copy(one)
        else:
            gateway.feed(one)
    gateway.tick(after=TOLERANCE)
    assert {exec_id for _, exec_id in gateway.breaks} == differing(happened)
    assert bool(gateway.breaks) == (gateway.core.state.ledger.exposure("AURA").breaks > 0)
    again = gateway.replayed()
    assert digest(again) == digest(gateway.core)
    assert [str(one) for one in again.state.drop_copy.open.values()] == [
        str(one) for one in gateway.core.state.drop_copy.open.values()
    ]


@settings(max_examples=60, deadline=None)
@given(happened=fills)
def test_lots_when_only_the_drop_copy_tells_them_then_are_at_risk_and_booked_nowhere(happened: Any) -> None:
    gateway = Copied()
    gateway.cancel("P1.1")
    gateway.canceled()
    order, only_copy, booked, cum = gateway.order("P1.1"), 0, 0, 0
    for number, (quantity, trading, copy, _, _) in enumerate(happened):
        cum += quantity
        made = report(gateway, number, quantity, cum)
        if trading != LOST:
            gateway.feed(msgspec.structs.replace(made, cum_quantity=None))
            booked += quantity
        if copy != LOST:
            gateway.copy(msgspec.structs.replace(made, cum_quantity=None))
            only_copy += quantity if trading == LOST else 0
    assert (order.cum_quantity, order.claimed, order.at_risk) == (booked, only_copy, only_copy)
    exposure = gateway.core.state.ledger.exposure("AURA")
    assert (exposure.position, exposure.working_buy) == (booked, only_copy)
    gateway.tick(after=60 * SECOND)
    assert exposure.position == booked
