"""A halt of the market reaches the gate: from a source's status through the reference facts to a denial."""

from service.feeds.reference_facts import ReferenceTracker
from service.feeds.source import open_source
from service.feeds.window import clip
from service.model.market import ReferenceSnapshot
from service.model.time import MINUTE, SECOND
from tests.unit.feeds.support import REFERENCE
from tests.unit.gateway.driver import Driver


def test_nothing_is_sent_in_a_halt_and_trading_goes_on_after_it() -> None:
    """The synthetic market, halted from 09:31 for a minute; the same order every ten seconds."""
    source = open_source("synthetic", None, REFERENCE, halt="09:31:00+60")
    start = source.session_start
    tracker = ReferenceTracker("AURA", "XSIM")
    events = (e for e in clip(source.events(), start, start + 3 * MINUTE) if e.symbol == "AURA")
    event = next(events)
    desk = Driver()
    desk.admit(quantity=20_000)
    outcomes: dict[int, str] = {}
    for second in range(5, 175, 10):
        while event.ts_event <= start + second * SECOND:
            tracker.apply(event)
            event = next(events)
        desk.wait(10 * SECOND)
        facts: ReferenceSnapshot = tracker.snapshot(start + second * SECOND, desk.utc)
        desk.refresh(**{name: getattr(facts, name) for name in facts.__struct_fields__})
        outcomes[second] = desk.submit(f"P1.{second}", quantity=10, price=facts.bid)
        assert (facts.phase.value == "halted") is (60 <= second < 120)
    assert {outcomes[s] for s in outcomes if 60 <= s < 120} == {"TRADING_PHASE"}
    assert {outcomes[s] for s in outcomes if not 60 <= s < 120} == {"approved"}
