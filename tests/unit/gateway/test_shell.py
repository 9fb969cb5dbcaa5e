"""The shell with its real journal: what waits for the disk, what does not, and what happens when it fails."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from service.fix.messages import (
    ExecutionReport,
    FixSendError,
    NewOrderSingle,
    OrderCancelRequest,
    OrderStatusRequest,
)
from service.gateway.core import Core
from service.gateway.inputs import KillInput, Started
from service.gateway.journal import JournalError, open_journal, payloads
from service.gateway.shell import Recovery, Shell
from service.gateway.state import ORDERS
from service.model.codec import BY_TOPIC, to_runner
from service.model.events import Alarm, ChildDenied, ChildRejected, ChildSubmitted, ParentAdmitted
from service.model.market import FeedHeartbeat
from service.model.orders import (
    CancelChild,
    NewParent,
    OrdStatus,
    Stamps,
)
from service.model.time import SECOND, SessionClock
from service.telemetry.gateway import GatewaySensor
from tests.unit.gateway.driver import LIMITS, MARKET, PRICE, REFERENCE, UTC, child, digest, parent, snapshot


class Wire:
    """The FIX session's end: takes requests, or refuses them as a session that is down does."""

    def __init__(self, now: Callable[[], int]) -> None:
        self.requests: list[Any] = []
        self.logged_on = True
        self.fails: Exception | None = None
        self._now = now

    def send(self, request: Any) -> int:
        if self.fails is not None:
            raise self.fails
        if not self.logged_on:
            raise FixSendError("not logged on")
        self.requests.append(request)
        return self._now()

    def sent(self, kind: type) -> list[Any]:
        return [request for request in self.requests if type(request) is kind]


class Kafka:
    """Where the record goes: decoded again, so that nothing goes there that nobody could read."""

    pending = 0

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.by_topic: list[tuple[str, Any]] = []

    def send_encoded(self, topic: str, key: bytes | None, value: bytes) -> None:
        assert key is not None
        message = BY_TOPIC[topic](value)
        self.messages.append(message)
        self.by_topic.append((topic, message))


class Legs(GatewaySensor):
    def __init__(self) -> None:
        self.legs: list[str] = []

    def on_leg(self, leg: str, nanoseconds: int) -> None:
        assert nanoseconds >= 0
        self.legs.append(leg)


class Gateway:
    """A shell on a journal of its own; ``utc`` moves only by hand."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.utc = UTC
        self.core = Core()
        fold = Recovery(self.core)
        self.journal = open_journal(path, fold.take)
        self.wire = Wire(lambda: self.utc)
        self.kafka = Kafka()
        self.told: list[Any] = []
        self.legs = Legs()
        self.shell = Shell(
            self.core,
            self.journal,
            self.wire,
            self.kafka,
            lambda payload: self.told.append(to_runner(payload)),
            seq=fold.seq,
            sensor=self.legs,
            utc=lambda: self.utc,
        )
        self.journal.start(on_synced=self.shell.on_synced, on_failed=self.shell.on_journal_failed)
        started = Started(
            reference=REFERENCE, limits=LIMITS, on_runner_loss="cancel", max_command_age=600 * SECOND
        )
        self.shell.feed(started)
        self.shell.session("S", True, "")
        self.market()

    def market(self) -> None:
        self.shell.reference(
            SessionClock(
                market_start=MARKET,
                utc_start=UTC,
                speed=1.0,
                market_end=MARKET + 3600 * SECOND,
                ts_utc=self.utc,
            )
        )
        self.shell.reference(snapshot(self.utc))
        self.shell.reference(FeedHeartbeat(feed="f", watermark=MARKET, ts_utc=self.utc, published=1))

    def admit(self) -> None:
        command = NewParent(command_id="c", parent=parent(), by="alice", ts_utc=self.utc)
        self.shell.parent(0, 0, command)

    def submit(self, number: int = 1, **changes: Any) -> None:
        fields: dict[str, Any] = {"child_id": f"P1.{number}", "stamps": Stamps(decided=self.utc)}
        self.shell.intent("r1", child(**{**fields, **changes}))

    def cancel(self, number: int = 1) -> None:
        command = CancelChild(child_id=f"P1.{number}", parent_id="P1")
        self.shell.intent("r1", command)

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.001)

    async def synced(self) -> None:
        done = asyncio.Event()
        self.shell.when_synced(lambda _: done.set())
        await asyncio.wait_for(done.wait(), 10)

    def events(self, kind: type) -> list[Any]:
        return [m for m in self.kafka.messages if type(m) is kind]


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    built = Gateway(tmp_path / "gateway.journal")
    yield built
    await built.journal.close()


async def test_an_order_is_on_disk_before_it_is_on_the_wire(gateway: Gateway) -> None:
    gateway.admit()
    gateway.submit()
    waiting_for = gateway.journal.end
    assert not gateway.wire.requests
    await gateway.until(lambda: gateway.wire.requests)
    assert gateway.journal.synced >= waiting_for
    (submitted,) = gateway.events(ChildSubmitted)
    assert submitted.stamps.journalled
    assert gateway.legs.legs == ["hop", "gate", "journal", "wire"]
    assert {type(m) for m in gateway.told} >= {ParentAdmitted, ChildSubmitted}


async def test_intents_of_one_turn_share_one_sync(gateway: Gateway) -> None:
    gateway.admit()
    positions: list[int] = []
    real = gateway.shell.on_synced
    gateway.journal._on_synced = lambda position: (positions.append(position), real(position))[1]
    for number in range(1, 6):
        gateway.submit(number)
    await gateway.until(lambda: len(gateway.wire.requests) == 5)
    assert len(positions) == 1


async def test_a_cancel_does_not_wait_for_the_disk(gateway: Gateway) -> None:
    gateway.admit()
    gateway.submit()
    await gateway.until(lambda: gateway.wire.requests)
    gateway.cancel()
    assert gateway.wire.sent(OrderCancelRequest)


async def test_a_kill_takes_back_what_still_waits_for_the_disk(gateway: Gateway) -> None:
    gateway.admit()
    gateway.submit()
    gateway.shell.feed(KillInput(scope="all", by="bob", reason="now"))
    await gateway.synced()
    await gateway.until(lambda: gateway.events(ChildRejected))
    assert not gateway.wire.requests
    assert not gateway.core.state.ledger.live


async def test_an_order_that_waited_too_long_for_the_disk_is_not_sent(gateway: Gateway) -> None:
    gateway.admit()
    gateway.submit()
    gateway.utc += SECOND + 1
    await gateway.until(lambda: gateway.events(ChildRejected))
    assert "the disk took 1000 ms" in gateway.events(ChildRejected)[0].reason
    assert not gateway.wire.requests


async def test_an_order_that_fix_does_not_take_is_over_and_said_so(gateway: Gateway) -> None:
    gateway.admit()
    gateway.submit()
    gateway.wire.logged_on = False
    await gateway.until(lambda: gateway.events(ChildRejected))
    assert gateway.events(ChildRejected)[0].reason == "not sent: not logged on"
    assert gateway.core.state.ledger.exposure("AURA").working_buy == 0


async def test_an_order_of_which_nobody_knows_whether_fix_took_it_counts_and_trading_stops(
    gateway: Gateway,
) -> None:
    gateway.admit()
    gateway.submit()
    gateway.wire.fails = RuntimeError("boom")
    await gateway.until(lambda: gateway.shell.halted)
    assert gateway.core.state.ledger.exposure("AURA").working_buy == 100
    assert gateway.core.state.killed


async def test_a_question_that_cannot_be_sent_changes_nothing(gateway: Gateway) -> None:
    gateway.admit()
    gateway.submit()
    await gateway.until(lambda: gateway.wire.requests)
    gateway.wire.logged_on = False
    gateway.shell.session("S", False, "gone")
    gateway.wire.logged_on = True
    gateway.wire.fails = FixSendError("busy")
    gateway.shell.session("S", True, "")
    assert gateway.core.state.ledger.orders["P1.1"].unknown
    gateway.wire.fails = None
    gateway.utc += 6 * SECOND
    gateway.shell.tick()
    assert gateway.wire.sent(OrderStatusRequest)


async def test_market_facts_are_journalled_only_when_something_depends_on_them(gateway: Gateway) -> None:
    before = gateway.shell.seq
    for _ in range(100):
        gateway.utc += 1000
        gateway.shell.reference(snapshot(gateway.utc))
    assert gateway.shell.seq == before
    gateway.admit()
    assert gateway.core.state.market["AURA"].ts_utc == gateway.utc


async def test_what_is_worked_or_held_is_valued_at_a_new_price_once_a_second(gateway: Gateway) -> None:
    gateway.admit()
    gateway.submit()
    before = gateway.shell.seq
    for quarter in range(1, 9):
        gateway.utc += SECOND // 4
        gateway.shell.reference(snapshot(gateway.utc, reference=PRICE - 100 * quarter))
    books = gateway.core.state.ledger.books.all
    assert gateway.shell.seq == before + 2
    assert {book.exposure for book in books.values()} == {100 * (PRICE - 800) * 10**14}


async def test_what_a_restart_finds_is_what_there_was(gateway: Gateway) -> None:
    gateway.admit()
    for number in range(1, 4):
        gateway.submit(number)
    gateway.submit(4, quantity=1001)
    await gateway.until(lambda: len(gateway.wire.requests) == 3)
    gateway.cancel(2)
    gateway.shell.report(
        ExecutionReport(
            cl_ord_id=gateway.core.state.ledger.orders["P1.1"].cl_ord_id,
            order_id="B",
            exec_id="E1",
            exec_type="F",
            ord_status=OrdStatus.PARTIALLY_FILLED,
            symbol="AURA",
            last_quantity=40,
            last_price=PRICE,
            cum_quantity=40,
            seq=7,
        )
    )
    await gateway.journal.close()
    again = Core()
    fold = Recovery(again)
    gateway.journal = open_journal(gateway.path, fold.take)
    assert fold.seq == gateway.shell.seq
    assert digest(again) == digest(gateway.core)
    assert again.state.report_seq == 7


async def test_the_record_has_the_order_in_which_the_journal_tells_it_again(gateway: Gateway) -> None:
    """A gateway that starts compares the two from the end, and sends what it takes for missing."""
    gateway.admit()
    for number in (1, 2, 3):
        gateway.submit(number, price=PRICE - 100 * number)
    await gateway.synced()
    await gateway.until(lambda: len(gateway.events(ChildSubmitted)) == 3)
    gateway.shell.feed(KillInput(scope="all", by="carol", reason="drill"))
    await gateway.synced()
    again = Recovery(Core())
    for payload in payloads(gateway.path):
        again.take(payload)
    told = [entry for entry in again.history.entries() if entry.topic == ORDERS]
    assert [BY_TOPIC[ORDERS](entry.value) for entry in told] == [
        message for topic, message in gateway.kafka.by_topic if topic == ORDERS
    ]
    assert {"ParentChanged", "ChildCancelRequested"} <= {type(m).__name__ for m in gateway.kafka.messages}


async def test_a_journal_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "gateway.journal"
    journal = open_journal(path, lambda _: None)
    journal.start(on_synced=lambda _: None, on_failed=pytest.fail)
    journal.append(b"\x93\x01\x02\x03", sync=True)
    await journal.close()
    with pytest.raises(JournalError, match="input 1 of the journal is of another version"):
        open_journal(path, Recovery(Core()).take)


async def test_a_journal_with_a_hole_is_refused(gateway: Gateway) -> None:
    gateway.shell.seq += 1
    gateway.admit()
    await gateway.journal.close()
    with pytest.raises(JournalError, match="a part of it is missing"):
        open_journal(gateway.path, Recovery(Core()).take)
    gateway.journal = open_journal(gateway.path, lambda _: None)


async def test_a_failed_journal_sends_nothing_new_cancels_everything_and_answers_who_waits(
    gateway: Gateway,
) -> None:
    gateway.admit()
    gateway.submit(1)
    await gateway.until(lambda: gateway.wire.requests)
    gateway.submit(2)
    answers: list[bool] = []
    gateway.shell.when_synced(answers.append)
    gateway.journal.failed = "journal: no space left"
    gateway.shell.on_journal_failed(gateway.journal.failed)
    assert len(gateway.wire.sent(OrderCancelRequest)) == 1
    assert answers == [False]
    assert gateway.core.state.killed
    gateway.submit(3)
    assert gateway.events(ChildDenied)[-1].code == "KILLED"
    assert len(gateway.wire.sent(NewOrderSingle)) == 1
    assert gateway.core.state.ledger.orders["P1.2"].status is OrdStatus.REJECTED


async def test_an_input_that_the_core_cannot_digest_stops_trading_and_is_survived_by_recovery(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.admit()
    gateway.submit(1)
    await gateway.until(lambda: gateway.wire.requests)

    def fails(*_: object) -> str:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr("service.gateway.orders._facts", fails)
        gateway.submit(2)
    assert "ZeroDivisionError" in gateway.shell.halted
    assert gateway.core.state.killed
    assert gateway.wire.sent(OrderCancelRequest)
    await gateway.journal.close()
    again = Core()
    gateway.journal = open_journal(gateway.path, Recovery(again).take)
    assert again.state.killed


async def test_alarms_reach_the_record(gateway: Gateway) -> None:
    gateway.shell.runner_lost("r9")
    assert [a.code for a in gateway.events(Alarm)] == ["RUNNER_LOST"]


async def test_market_time_follows_the_watermark_when_replayed_as_fast_as_possible(gateway: Gateway) -> None:
    clock = SessionClock(
        market_start=MARKET, utc_start=UTC, speed=0.0, market_end=MARKET + 60 * SECOND, ts_utc=UTC
    )
    gateway.shell.reference(clock)
    assert gateway.shell.now().market == MARKET
    gateway.shell.reference(
        FeedHeartbeat(feed="f", watermark=MARKET + SECOND, ts_utc=gateway.utc, published=2)
    )
    assert gateway.shell.now().market == MARKET + SECOND


async def test_an_input_that_no_journal_can_hold_stops_trading_and_still_cancels(gateway: Gateway) -> None:
    gateway.admit()
    gateway.submit()
    await gateway.until(lambda: gateway.wire.requests)
    gateway.shell.feed(KillInput(scope="parent=P1", by="x" * (16 << 20), reason="too much of it"))
    assert len(gateway.wire.sent(OrderCancelRequest)) == 1
    assert "KillInput cannot be put on record" in gateway.shell.halted
    assert gateway.core.state.killed
    await gateway.journal.close()
    again = Gateway(gateway.path)
    assert again.core.state.killed
    await again.journal.close()
    gateway.journal = open_journal(gateway.path.with_name("unused"), lambda _: None)
