"""LastMkt (30), LastCapacity (29), LastLiquidityInd (851): from the simulator's text to the cost of a parent.

Every step is the real one: the broker simulator writes FIX, the session's parser reads it, the core folds it,
the record's codec and the recorder keep it, TCA counts from what was recorded.
"""

from pathlib import Path

import pytest

from service.fix.dialect import STRICT
from service.fix.messages import ExecutionReport
from service.fix.parse import Parser
from service.gateway.inputs import decode_frame
from service.model.codec import encode
from service.model.events import ChildFill, Liquidity
from service.model.orders import OrdStatus
from service.model.reference import parse_reference
from service.model.time import SECOND
from service.recorder.recording import Recording, RecordingWriter
from service.simulation.fix_text import answer
from service.simulation.orders import Kind, Outcome
from service.tca.cost import parent_cost
from service.tca.tape import Tape
from service.transport.topics import ORDERS
from tests.unit.gateway.driver import PRICE, REFERENCE, UTC, Driver

KNOWN = parse_reference(REFERENCE, "deploy/reference.toml")
AURA = KNOWN.by_symbol["AURA"]


def executed(cl_ord_id: str, number: int, quantity: int, cum: int, total: int, liquidity: int) -> str:
    """The broker simulator's report of one execution."""
    outcome = Outcome(
        number=number,
        owner="SLIPSTREAM",
        kind=Kind.TRADE,
        status=OrdStatus.FILLED if cum == total else OrdStatus.PARTIALLY_FILLED,
        cl_ord_id=cl_ord_id,
        order_id="B-1",
        exec_id=f"X-{number}",
        symbol="AURA",
        side="1",
        ord_type="2",
        time_in_force="0",
        quantity=total,
        price=PRICE,
        cum=cum,
        leaves=total - cum,
        money=PRICE * cum,
        last_quantity=quantity,
        last_price=PRICE,
        liquidity=liquidity,
        venue="XSIM",
        ts_utc=UTC,
    )
    return answer(outcome, AURA)


@pytest.fixture
def fills(tmp_path: Path) -> list[ChildFill]:
    """Two executions of one order, one of each kind, as a recording gives them back."""
    gateway = Driver()
    gateway.admit()
    gateway.submit()
    order = gateway.order()
    parse = Parser({"AURA": AURA}, STRICT, lambda seq: "")
    for number, (quantity, cum, liquidity) in enumerate(((40, 40, 1), (60, 100, 2))):
        report = parse(executed(order.cl_ord_id, number, quantity, cum, 100, liquidity))
        assert isinstance(report, ExecutionReport), report
        gateway.feed(report)
        frame = gateway.frames[-1]
        assert decode_frame(encode(frame)) == frame, "the journal keeps every field"
    events = [message for message in gateway.published if isinstance(message, ChildFill)]
    writer = RecordingWriter(tmp_path)
    writer.append(ORDERS, 0, range(len(events)), [b"AURA"] * len(events), events)
    writer.flush([ORDERS], {(ORDERS, 0): len(events)})
    writer.finish(complete=True)
    return [r.message for r in Recording(tmp_path).partition(ORDERS, 0) if isinstance(r.message, ChildFill)]


def test_executions_when_recorded_then_venue_capacity_and_liquidity_are_the_broker_s(
    fills: list[ChildFill],
) -> None:
    assert [(fill.venue, fill.last_capacity, fill.liquidity) for fill in fills] == [
        ("XSIM", "1", Liquidity.ADDED),
        ("XSIM", "1", Liquidity.REMOVED),
    ]


def test_passive_share_when_counted_from_the_record_then_it_is_what_added_liquidity(
    fills: list[ChildFill],
) -> None:
    gateway = Driver()
    order = gateway.admit()
    state = gateway.core.state
    cost = parent_cost(
        state.snapshot(state.parents[order.id]),
        began=UTC,
        ended=UTC + SECOND,
        reason="",
        children=1,
        fills=fills,
        instrument=AURA,
        venue=next(venue for venue in KNOWN.venues if venue.name == "XSIM"),
        tape=Tape(),
    )
    assert cost.passive_share == pytest.approx(0.4)
