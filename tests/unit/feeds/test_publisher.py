from dataclasses import dataclass, field

from service.feeds.publisher import CLOCK_KEY, HEARTBEAT_KEY, Publisher
from service.feeds.reference_facts import ReferenceTracker
from service.feeds.source import Source, open_source
from service.model.market import (
    BookSnapshot,
    Correlated,
    FeedHeartbeat,
    ReferenceSnapshot,
    Trade,
    TradingPhase,
    TradingStatus,
)
from service.model.message import Message
from service.model.reference import Reference, parse_reference
from service.model.time import MILLISECOND, MINUTE, SECOND, SessionClock
from service.settings import ROOT
from service.telemetry.feed import FeedSensor
from service.transport.topics import MD, REF
from tests.unit.feeds.support import REFERENCE

UTC = 9_000_000 * SECOND


@dataclass
class Sent:
    topic: str
    key: bytes | None
    message: Message
    partition: int | None


@dataclass
class Log:
    """Keeps what is sent."""

    pending: int = 0
    sent: list[Sent] = field(default_factory=list)

    def send(self, topic: str, key: bytes | None, message: Message, *, partition: int | None = None) -> None:
        self.sent.append(Sent(topic, key, message, partition))

    def take(self, kind: type[Message], topic: str) -> list[Sent]:
        found = [s for s in self.sent if isinstance(s.message, kind) and s.topic == topic]
        self.sent = [s for s in self.sent if s not in found]
        return found


class Bench:
    """A publisher whose wall clock a test moves."""

    def __init__(self, reference: Reference = REFERENCE) -> None:
        self.source: Source = open_source("synthetic", None, reference)
        self.start = self.source.session_start
        self.end = self.start + 60 * SECOND
        self.log = Log()
        self.utc = UTC
        self.trackers = {s: ReferenceTracker(s, "XSIM") for s in self.source.symbols}
        self.publisher = Publisher(
            self.source,
            (self.start, self.end),
            self.trackers,
            reference,
            self.log,
            3,
            utc=lambda: self.utc,
            sensor=FeedSensor(),
        )

    def run(self, speed: float) -> None:
        self.publisher.start(
            SessionClock(
                market_start=self.start, utc_start=self.utc, speed=speed, market_end=self.end, ts_utc=self.utc
            )
        )

    def touch(self, symbol: str, at: int, mid: int) -> None:
        self.publisher.event(
            BookSnapshot(
                symbol=symbol,
                venue="XSIM",
                ts_event=self.start + at,
                ts_utc=0,
                seq=1,
                bids=((mid - 100, 1),),
                asks=((mid + 100, 1),),
            )
        )

    def opens(self, symbol: str) -> None:
        self.publisher.event(
            TradingStatus(
                symbol=symbol,
                venue="XSIM",
                ts_event=self.start,
                ts_utc=0,
                seq=1,
                phase=TradingPhase.CONTINUOUS,
            )
        )

    def trade(self, symbol: str, at: int) -> Trade:
        return Trade(
            symbol=symbol, venue="XSIM", ts_event=self.start + at, ts_utc=0, seq=1, price=500_000, quantity=7
        )


def test_event_when_published_then_keyed_by_instrument_and_stamped() -> None:
    bench = Bench()
    bench.publisher.event(bench.trade("AURA", 5))
    (sent,) = bench.log.take(Trade, MD)
    assert (sent.key, sent.partition) == (b"AURA", None)
    assert sent.message.ts_utc == UTC
    assert bench.trackers["AURA"].changes == 1


def test_event_when_the_instrument_has_a_group_then_keyed_by_it() -> None:
    text = (ROOT / "deploy" / "reference.toml").read_text()
    text = text.replace('symbol = "AURA"', 'symbol = "AURA"\ngroup = "pair"')
    bench = Bench(parse_reference(text, "test"))
    bench.publisher.event(bench.trade("AURA", 5))
    assert bench.log.take(Trade, MD)[0].key == b"pair"


def test_heartbeat_when_sent_then_on_every_partition_and_with_a_key_on_the_compacted_topic() -> None:
    bench = Bench()
    bench.publisher.heartbeat()
    assert [(s.key, s.partition) for s in bench.log.take(FeedHeartbeat, MD)] == [(None, n) for n in range(3)]
    assert [s.key for s in bench.log.take(FeedHeartbeat, REF)] == [HEARTBEAT_KEY]


def test_heartbeat_when_kafka_is_long_away_then_none_is_piled_up() -> None:
    bench = Bench()
    bench.log.pending = 50_000
    bench.publisher.heartbeat()
    bench.publisher.reference_facts()
    assert not bench.log.sent


def test_watermark_when_waiting_to_start_then_just_before_it() -> None:
    bench = Bench()
    bench.publisher.expect(bench.start + SECOND)
    assert bench.publisher.watermark(UTC + 60 * SECOND) == bench.start - 1
    assert bench.publisher.market(UTC + 60 * SECOND) == bench.start


def test_watermark_when_the_market_is_quiet_then_runs_with_time_up_to_the_next_event() -> None:
    bench = Bench()
    bench.run(1.0)
    bench.publisher.expect(bench.start + 30 * SECOND)
    assert bench.publisher.watermark(UTC + 10 * SECOND) == bench.start + 10 * SECOND
    assert bench.publisher.watermark(UTC + 31 * SECOND) == bench.start + 30 * SECOND - 1


def test_watermark_when_as_fast_as_possible_then_just_before_the_next_event() -> None:
    bench = Bench()
    bench.run(0.0)
    bench.publisher.expect(bench.start + 30 * SECOND)
    assert bench.publisher.watermark(UTC) == bench.start + 30 * SECOND - 1
    assert bench.publisher.market(UTC) == bench.start + 30 * SECOND - 1


def test_watermark_when_the_next_event_is_older_then_it_does_not_fall() -> None:
    bench = Bench()
    bench.run(0.0)
    bench.publisher.expect(bench.start + 30 * SECOND)
    bench.publisher.watermark(UTC)
    bench.publisher.expect(bench.start + 10 * SECOND)
    assert bench.publisher.watermark(UTC) == bench.start + 30 * SECOND - 1


def test_heartbeat_when_the_source_has_ended_then_done_and_all_of_it_published() -> None:
    bench = Bench()
    bench.run(0.0)
    bench.publisher.expect(None)
    bench.publisher.heartbeat()
    message = bench.log.take(FeedHeartbeat, REF)[0].message
    assert (message.done, message.watermark) == (True, bench.end)


def test_clock_when_started_then_on_ref_under_its_key() -> None:
    bench = Bench()
    bench.publisher.clock()
    assert not bench.log.sent
    bench.run(60.0)
    bench.utc += SECOND
    bench.publisher.clock()
    first, again = bench.log.take(SessionClock, REF)
    assert (first.key, again.key) == (CLOCK_KEY, CLOCK_KEY)
    assert again.message.ts_utc == first.message.ts_utc + SECOND
    assert again.message.utc_start == first.message.utc_start


def test_reference_facts_when_nothing_changed_then_only_every_quarter_second() -> None:
    bench = Bench()
    bench.run(1.0)
    bench.publisher.event(bench.trade("AURA", 5))
    bench.publisher.reference_facts()
    assert [s.key for s in bench.log.take(ReferenceSnapshot, REF)] == [b"AURA", b"BOLT"]
    bench.utc += 50 * MILLISECOND
    bench.publisher.event(bench.trade("BOLT", 6))
    bench.publisher.reference_facts()
    assert [s.key for s in bench.log.take(ReferenceSnapshot, REF)] == [b"BOLT"]
    bench.utc += 200 * MILLISECOND
    bench.publisher.reference_facts()
    assert [s.key for s in bench.log.take(ReferenceSnapshot, REF)] == [b"AURA"]


def test_reference_facts_when_as_fast_as_possible_then_the_watermark_comes_along() -> None:
    bench = Bench()
    bench.run(0.0)
    bench.publisher.expect(bench.start + 30 * SECOND)
    bench.publisher.reference_facts()
    (beat,) = bench.log.take(FeedHeartbeat, REF)
    assert beat.message.watermark == bench.start + 30 * SECOND - 1
    assert not bench.log.take(FeedHeartbeat, MD)


def test_reference_when_two_instruments_move_together_then_each_tells_the_other() -> None:
    """By the minute, up and down as one; returns are there from the second minute on."""
    bench = Bench()
    bench.end = bench.start + 60 * MINUTE
    bench.run(1.0)
    bench.opens("AURA")
    bench.opens("BOLT")
    told: dict[int, dict[bytes | None, tuple[Correlated, ...]]] = {}
    for minute in range(23):
        step = 100 * (minute * minute % 7)
        bench.touch("AURA", minute * MINUTE + SECOND, 500_000 + step)
        bench.touch("BOLT", minute * MINUTE + SECOND, 1_800_000 + 4 * step)
        bench.publisher.expect(bench.start + (minute + 1) * MINUTE + SECOND)
        bench.utc = UTC + (minute + 1) * MINUTE
        bench.publisher.reference_facts()
        facts = bench.log.take(ReferenceSnapshot, REF)
        told[minute] = {
            s.key: s.message.correlated for s in facts if isinstance(s.message, ReferenceSnapshot)
        }
    assert told[19] == {b"AURA": (), b"BOLT": ()}
    assert told[20] == {
        b"AURA": (Correlated(symbol="BOLT", percent=100),),
        b"BOLT": (Correlated(symbol="AURA", percent=100),),
    }
