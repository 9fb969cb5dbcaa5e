"""kill -9 of real processes: the short version of ``python -m tests.drills.processes``, and its evidence."""

import json
import os
from pathlib import Path

import pytest

from tests.drills.episode import new_seed
from tests.drills.processes.__main__ import play, report
from tests.drills.processes.broker_truth import Broker, Fill
from tests.drills.processes.drill import COUNTED, IN_FLIGHT, Drill, Plan
from tests.drills.processes.floor import DrillError
from tests.drills.processes.gaps import Gap, Seen, gap_of, read_trace, why_no_trap

ORDER = "8=FIX.4.4|9=200|35=D|34=5|49=SLIPSTREAM|56=BROKERSIM|11={}|526={}|583=P1|10=0|".replace("|", "\x01")


def require_strace() -> None:
    """Skip without a strace that works; fail where it must be there (CI)."""
    if reason := why_no_trap():
        if os.environ.get("SLIPSTREAM_REQUIRE_STRACE") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)


@pytest.mark.timeout(600)
async def test_killed_in_each_gap_with_children_in_flight_both_books_stay_one(tmp_path: Path) -> None:
    require_strace()
    seed = new_seed()
    drill = Drill(tmp_path / "run", Plan(seed, kills=6, each=1, outage=0.0, others={4: "runner"}))
    failure = await play(drill)
    told = report(drill, failure, 0.0)
    print(told)
    assert not failure, f"seed {seed}"
    assert told.splitlines()[-1].endswith("divergence=0")
    assert all(drill.tally.gaps[gap] for gap in COUNTED)
    assert drill.tally.kills["runner"] == 1
    assert drill.tally.least_in_flight >= IN_FLIGHT


class BrokerFiles:
    """The files of a broker, written line by line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "log").mkdir(parents=True)
        self.book = Broker(folder)
        self.book.quantities["P1"] = 10

    def order(self, cl_ord_id: str, child: str, order_id: str, quantity: int) -> None:
        log = self.folder / "log" / "FIX.4.4-BROKERSIM-SLIPSTREAM.messages.current.log"
        self.append(log, "20261121-10:00:00.000 : " + ORDER.format(cl_ord_id, child))
        self.answer(order_id, cl_ord_id, 0, quantity)

    def answer(self, order_id: str, cl_ord_id: str, cum: int, leaves: int) -> None:
        fields = {"order_id": order_id, "order_cl_ord_id": cl_ord_id, "cum": cum, "leaves": leaves}
        self.append(self.folder / "orders.jsonl", json.dumps({"type": "outcome", **fields}))

    def fill(self, exec_id: str, cl_ord_id: str, quantity: int) -> None:
        fields = {"cl_ord_id": cl_ord_id, "symbol": "AURA", "side": 1, "quantity": quantity, "price": 500}
        self.append(self.folder / "fills.jsonl", json.dumps({"exec_id": exec_id, **fields}))

    def append(self, path: Path, line: str) -> None:
        with path.open("a") as file:
            file.write(line + "\n")

    def problems(self) -> list[str]:
        self.book.read()
        return self.book.problems


@pytest.fixture
def broker(tmp_path: Path) -> BrokerFiles:
    files = BrokerFiles(tmp_path / "run" / "broker")
    files.order("A-1", "P1.1", "O1", 6)
    assert not files.problems()
    return files


def test_a_child_that_reaches_the_broker_twice_is_found(broker: BrokerFiles) -> None:
    broker.order("A-2", "P1.1", "O2", 1)
    assert broker.problems() == ["child P1.1 reached the broker twice, now as A-2"]


def test_a_cl_ord_id_that_reaches_the_broker_twice_is_found(broker: BrokerFiles) -> None:
    broker.order("A-1", "P1.2", "O2", 1)
    assert broker.problems() == ["ClOrdID A-1 reached the broker 2 times"]


def test_a_parent_that_may_be_executed_beyond_its_quantity_is_found(broker: BrokerFiles) -> None:
    broker.answer("O1", "A-1", 6, 0)
    broker.order("A-2", "P1.2", "O2", 4)
    assert not broker.problems()
    broker.order("A-3", "P1.3", "O3", 1)
    assert broker.problems() == ["parent P1 of 10 lots has 11 done and open"]


async def test_fills_that_differ_are_found(broker: BrokerFiles) -> None:
    drill = Drill(broker.folder.parent, Plan(1))
    broker.fill("E1", "A-1", 2)
    drill.ours.fills = {"E1": Fill("A-1", "AURA", 1, 2, 500)}
    drill.compare()
    assert not drill.tally.problems
    drill.ours.fills["E1"] = Fill("A-1", "AURA", 1, 3, 500)
    drill.compare()
    drill.ours.fills = {"E2": Fill("A-1", "AURA", 1, 2, 500)}
    drill.compare()
    assert len(drill.tally.problems) == 2
    with pytest.raises(DrillError, match="the books differ"):
        drill.fail_on_problems()


TRACE = """\
71 pwrite64(9, "..."..., 300, 1000) = 300
72 fdatasync(9 <unfinished ...>
71 pwrite64(9, "..."..., 200, 1300) = 200
72 <... fdatasync resumed>)            = 0
71 sendto(12, "9=180\\00135=D\\00134=7\\00149=S\\00111=A-1\\00138=5\\001"..., 200, 0, NULL, 0) = 200
71 sendto(12, "9=180\\00135=F\\00134=8\\00149=S\\00111=A-9\\00138=5\\001"..., 200, 0, NULL, 0) = 200
72 fdatasync(9)                        = ?
72 +++ killed by SIGKILL +++
"""


def test_a_trace_tells_what_was_synced_and_what_had_gone_out() -> None:
    """A sync covers what was written before it began, and only once it has returned."""
    assert read_trace(TRACE) == Seen(written=1500, synced=1300, sent=[("A-1", 1300)])


def test_a_kill_is_counted_where_the_order_was_that_had_come_least_far() -> None:
    seen = Seen(written=1500, synced=1300)
    at = {"A-1": 1300, "A-2": 1500, "A-3": 9000}

    def gap(waiting: str = "", unanswered: str = "", logged: str = "", seen: Seen | None = seen) -> Gap:
        return gap_of(waiting.split(), unanswered.split(), at, logged.split(), {"A-9"}, seen)

    assert gap() is Gap.NOTHING
    assert gap(unanswered="A-0") is Gap.BEFORE_ANSWER
    assert gap(waiting="A-9") is Gap.BEFORE_ANSWER
    assert gap(waiting="A-1", unanswered="A-0") is Gap.BEFORE_SEND
    assert gap(waiting="A-2") is Gap.BEFORE_SYNC
    assert gap(waiting="A-2 A-1") is Gap.BEFORE_SYNC
    assert gap(waiting="A-2", logged="A-2", seen=None) is Gap.BEFORE_SEND
    assert gap(waiting="A-2", seen=None) is Gap.UNSETTLED
    assert gap(waiting="A-3") is Gap.UNSETTLED
