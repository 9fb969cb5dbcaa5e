"""The record: what the journal accounts for is found in what Kafka has, and the rest is sent again, once."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.gateway.core import Core
from service.gateway.inputs import KillInput, Noted
from service.gateway.journal import open_journal
from service.gateway.record import Entry, History, Mirror, Search
from service.gateway.shell import Recovery
from service.gateway.state import AUDIT, ORDERS, RISK, Publish
from service.model.codec import encode
from service.model.events import Alarm, SessionChanged
from service.transport.producer import Producer
from tests.unit.gateway.test_shell import Gateway


def alarm(number: int, detail: str = "") -> Alarm:
    return Alarm(code="X", detail=detail, symbol="AURA", ts_utc=number)


def values(*numbers: int) -> list[bytes]:
    return [encode(alarm(number)) for number in numbers]


def missing(history: list[bytes], record: list[bytes], chunk: int = 3) -> list[bytes]:
    """What is to be sent again, the record looked at in chunks."""
    search = Search(RISK, history)
    end = len(record)
    while end and not search.look(record[max(0, end - chunk) : end]):
        end = max(0, end - chunk)
    return history[search.reached :]


def test_when_everything_is_on_record_then_nothing_is_sent() -> None:
    assert missing(values(1, 2, 3), values(1, 2, 3)) == []


def test_when_the_record_ends_early_then_the_rest_is_sent_in_order() -> None:
    assert missing(values(*range(10)), values(*range(6))) == values(6, 7, 8, 9)


def test_when_nothing_is_on_record_then_everything_is_sent() -> None:
    search = Search(RISK, values(1, 2))
    assert not search.look(values(7, 8))
    assert not search.found
    assert search.reached == 0


def test_when_there_is_no_history_then_there_is_nothing_to_look_for() -> None:
    assert Search(RISK, []).look(values(1))


def test_when_others_write_too_then_their_records_are_passed_over() -> None:
    assert missing(values(1, 2, 3), values(1, 100, 2, 101, 102, 103, 104)) == values(3)


def test_when_the_history_begins_late_then_what_is_older_does_not_matter() -> None:
    assert missing(values(5, 6, 7), values(1, 2, 3, 4, 5, 6)) == values(7)


def test_when_the_machine_lost_power_then_what_only_kafka_knows_is_passed_over() -> None:
    """The journal was cut back to its last sync; Kafka has events of inputs that it no longer holds."""
    assert missing(values(1, 2, 3), values(1, 2, 3, 50, 51)) == []


def test_when_an_older_version_wrote_the_record_then_it_is_known_by_its_meaning() -> None:
    value = encode(SessionChanged(session="S", logged_on=True, ts_utc=1))
    older = msgspec.msgpack.encode(msgspec.msgpack.decode(value)[:-1])  # it had no ``detail`` yet
    assert older != value
    search = Search(RISK, [value])
    assert search.look([older])
    assert search.reached == 1


def test_when_two_events_are_alike_then_what_stands_before_them_decides() -> None:
    same = encode(alarm(5))
    one, two, three = values(1, 2, 3)
    history = [one, same, two, same, three]
    assert missing(history, [one, same]) == [two, same, three]
    assert missing(history, [one, same, two, same]) == [three]


def test_when_nothing_decides_between_alike_events_then_rather_twice_than_not_at_all() -> None:
    same = encode(alarm(5))
    assert missing([same, same, same], [same]) == [same, same]


def test_when_a_record_cannot_be_read_then_it_is_somebody_elses() -> None:
    assert missing(values(1, 2), [*values(1), b"\xff\xff"]) == values(2)


@given(st.lists(st.integers(0, 6), max_size=30), st.data(), st.integers(1, 7))
def test_after_sending_what_is_missing_the_record_ends_with_the_whole_history(
    numbers: list[int], data: st.DataObject, chunk: int
) -> None:
    """Nothing is ever lost, whatever repeats; and where no two events are alike nothing is sent twice."""
    history = values(*numbers)
    cut = data.draw(st.integers(0, len(history)))
    before = values(*data.draw(st.lists(st.integers(100, 105), max_size=5)))
    record = before + history[:cut]
    sent = missing(history, record, chunk)
    assert len(sent) >= len(history) - cut
    assert sent == history[len(history) - len(sent) :]
    if len(set(history)) == len(history):
        assert record + sent == before + history


def publish(number: int) -> Publish:
    return Publish(RISK, b"AURA", alarm(number), False)


def test_of_a_long_history_the_newest_is_kept_and_the_rest_counted() -> None:
    history = History(kept=3)
    history.add([publish(number) for number in range(5)])
    assert history.forgotten == 2
    assert [entry.value for entry in history.entries()] == values(2, 3, 4)


class Wire(Producer):
    """A producer that only notes what it is given."""

    def __init__(self) -> None:
        super().__init__("127.0.0.1:1", client="test")
        self.sent: list[bytes] = []

    def send_encoded(
        self, topic: str, key: bytes | None, value: bytes, *, partition: int | None = None
    ) -> None:
        del topic, key, partition
        self.sent.append(value)


async def test_what_earlier_lives_owe_goes_first_then_what_waited_then_what_is_new() -> None:
    wire = Wire()
    mirror = Mirror(wire)
    mirror.send_encoded(RISK, b"k", b"waited")
    assert mirror.pending == 1
    assert wire.sent == []
    mirror.open([Entry(RISK, b"k", b"owed")])
    mirror.send_encoded(RISK, b"k", b"new")
    assert wire.sent == [b"owed", b"waited", b"new"]
    assert mirror.pending == 0


@pytest.fixture
async def gateway(tmp_path: Path) -> Gateway:
    return Gateway(tmp_path / "gateway.journal")


async def test_the_fold_of_the_journal_gives_byte_for_byte_what_was_published(gateway: Gateway) -> None:
    """Denials, submissions, a kill and an alarm; and an input that the core could not digest."""
    gateway.admit()
    gateway.submit(1)
    gateway.submit(2, quantity=999_999)
    await gateway.until(lambda: gateway.wire.requests)
    gateway.shell.runner_lost("r1")
    gateway.shell.feed(Noted(code="X", detail="seen by the shell"))
    gateway.shell.feed(KillInput(scope="all", by="bob", reason="now"))
    await gateway.synced()
    await gateway.journal.close()
    fold = Recovery(Core())
    gateway.journal = open_journal(gateway.path, fold.take)
    entries = fold.history.entries()
    for topic in (ORDERS, RISK, AUDIT):
        live = [encode(m) for t, m in gateway.kafka.by_topic if t == topic]
        assert [entry.value for entry in entries if entry.topic == topic] == live
        assert live


async def test_what_an_indigestible_input_had_put_on_record_is_in_the_fold_too(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.admit()
    real = type(gateway.core.state).alarm

    def fails(state: object, code: str, *arguments: object) -> None:
        real(state, code, *arguments)  # type: ignore[arg-type]
        raise ZeroDivisionError

    monkeypatch.setattr(type(gateway.core.state), "alarm", fails)
    gateway.shell.feed(Noted(code="X", detail="half done"))
    await gateway.synced()
    await gateway.journal.close()
    live = [encode(m) for t, m in gateway.kafka.by_topic if t == RISK]
    fold = Recovery(Core())
    gateway.journal = open_journal(gateway.path, fold.take)
    assert [entry.value for entry in fold.history.entries() if entry.topic == RISK] == live
    assert any(isinstance(m, Alarm) for _, m in gateway.kafka.by_topic)
    await asyncio.sleep(0)
