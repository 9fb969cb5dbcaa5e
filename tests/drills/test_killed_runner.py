"""A runner is killed in the middle of a parent: the next one goes on from the record and the clock."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from policies.schedules.slices import LONGEST, SHORTEST, SLICES, lots
from service.model.events import ChildFilled, ChildSubmitted, ParentAdmitted, ParentClosed
from service.model.orders import NewParent, ParentOrder, ParentStatus, Side
from service.model.parameters import CatchUp, EndBehaviour, Parameters
from service.model.records import Decision
from service.model.reference import load_reference
from service.policy.progress import closing_at
from service.settings import ROOT
from service.transport.consumer import Reader
from service.transport.producer import Producer
from service.transport.topics import DECISIONS, ORDERS, PARENTS
from tests.drills.processes.broker_truth import Broker
from tests.drills.processes.floor import Floor

LOTS = 240
MARKET_SECONDS = 60.0


class Record:
    """What the topics say, as it comes."""

    def __init__(self, bootstrap: str) -> None:
        self.reader = Reader(bootstrap, (ORDERS, DECISIONS), client="test", start="earliest")
        self.messages: list[Any] = []

    def of(self, kind: type) -> list[Any]:
        return [message for message in self.messages if isinstance(message, kind)]

    async def until(self, condition: Callable[[], Any], what: str, seconds: float = 120.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
            for batch in await self.reader.batch():
                self.messages += batch.messages


def scheduled(start: int, end: int, market: int) -> int:
    """Lots that an even schedule wants done: a slice as a whole when it begins, the rest at the end."""
    if market >= closing_at(start, end):
        return LOTS
    length = end - start
    count = max(-(-length // min(max(length // SLICES, SHORTEST), LONGEST)), 1)
    return lots(LOTS, min((market - start) * count // length + 1, count) / count)


async def parent(floor: Floor) -> None:
    parameters = Parameters(
        duration=MARKET_SECONDS, catch_up=CatchUp.AT_ONCE, end_behaviour=EndBehaviour.COMPLETE
    )
    order = ParentOrder(
        id="P1",
        symbol="AURA",
        side=Side.BUY,
        quantity=LOTS,
        policy="twap",
        account="NW-1",
        trader="alice",
        ts_utc=time.time_ns(),
        parameters=parameters,
    )
    producer = Producer(floor.kafka.bootstrap, client="test")
    await producer.start()
    key = load_reference(ROOT / "deploy" / "reference.toml").by_symbol["AURA"].key
    producer.send(PARENTS, key, NewParent(command_id="new", parent=order, by="alice", ts_utc=order.ts_utc))
    assert await producer.flush(30.0)
    await producer.stop()


@pytest.mark.timeout(400)
async def test_the_next_runner_rebuilds_the_parent_and_its_schedule_goes_on_from_the_clock(
    tmp_path: Path,
) -> None:
    floor = Floor(tmp_path / "run", seed=5)
    try:
        await floor.start()
        await floor.settled()
        record = Record(floor.kafka.bootstrap)
        await record.reader.start()
        await parent(floor)
        await record.until(
            lambda: len(record.of(ChildSubmitted)) >= 3 and record.of(ChildFilled) and record.of(Decision),
            "three children, and a fill",
        )
        await floor.roles["runner"].kill()
        (first,) = {decision.runner_id for decision in record.of(Decision)}
        await floor.roles["runner"].start()
        await record.until(lambda: record.of(ParentClosed), "the parent is over")
        await record.reader.stop()
    finally:
        await floor.stop()
    state = record.of(ParentAdmitted)[0].state
    (closed,) = record.of(ParentClosed)
    assert (closed.state.status, closed.state.filled_quantity) == (ParentStatus.FILLED, LOTS)
    later = [decision for decision in record.of(Decision) if decision.runner_id != first]
    assert later, "the next runner decided nothing: this showed nothing"
    assert later[0].filled > 0, "the next runner does not know what was done before it"
    for decision in later:
        assert decision.target == scheduled(state.window_start, state.window_end, decision.ts_event)
    children = [submitted.child_id for submitted in record.of(ChildSubmitted)]
    assert len(children) == len(set(children))
    theirs = Broker(tmp_path / "run" / "broker")
    theirs.quantities["P1"] = LOTS
    theirs.read()
    assert not theirs.problems
    assert sum(fill.quantity for fill in theirs.fills.values()) == LOTS
