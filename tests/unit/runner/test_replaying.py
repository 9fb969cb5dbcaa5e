"""Recorded inputs give the recorded decisions again, and the first thing that differs is named."""

import random
from typing import Any

import msgspec
import pytest

from service.model.codec import decision, encode
from service.model.market import BookSnapshot
from service.model.message import Message
from service.model.orders import Side
from service.model.records import NumberedInput
from service.runner.replaying import Replayed, ReplayError, replay
from tests.unit.runner.desk import Desk, make_core

Inputs = list[tuple[NumberedInput, Message | None]]


@pytest.fixture(scope="module")
def session() -> Desk:
    """Four parents on four policies, twenty minutes of a market, a broker that obliges."""
    chance = random.Random(7)
    desk = Desk()
    for n, policy in enumerate(("twap", "vwap", "pov", "is")):
        side = Side.BUY if n % 2 else Side.SELL
        desk.admit(f"P{n}", policy=policy, side=side, clip_variance=0.3, seed=n)
    bid = 9_900
    for _ in range(2_000):
        desk.wait(chance.random())
        bid += chance.choice((-100, 0, 0, 0, 100))
        width = chance.choice((100, 200))
        out = (
            desk.trade(bid, chance.randrange(1, 400))
            if chance.random() < 0.3
            else desk.book(bid, bid + width, bid_lots=chance.randrange(1, 500))
        )
        desk.comply(out, fill=chance.random() < 0.5)
        if chance.random() < 0.2:
            desk.comply(desk.timer(0.05))
    return desk


def recorded(session: Desk) -> Inputs:
    """As a recording gives it: the market event from its topic, everything else from the input's body."""
    return [(number, None if number.body else message) for number, message in session.inputs]


def test_replay_gives_the_recorded_digests_and_decisions(session: Desk) -> None:
    again = list(replay(make_core(), recorded(session)))
    assert [r.digest for r in again] == session.digests
    assert all(r.agrees for r in again)
    decisions = [d for r in again for d in r.outputs.decisions]
    assert len(decisions) > 200
    assert [encode(d) for d in decisions] == [encode(d) for d in session.decisions]
    assert decision(encode(decisions[0])) == session.decisions[0]


def changed(session: Desk, at: int, message: BookSnapshot) -> list[Replayed]:
    inputs = recorded(session)
    inputs[at] = (inputs[at][0], message)
    return list(replay(make_core(), inputs))


def test_one_price_changed_by_one_tick_is_found_at_its_input(session: Desk) -> None:
    books = [n for n, (_, m) in enumerate(session.inputs) if isinstance(m, BookSnapshot)]
    for at in (books[0], books[len(books) // 2], books[-1]):
        message = session.inputs[at][1]
        assert isinstance(message, BookSnapshot)
        (price, quantity), *rest = message.asks
        other = msgspec.structs.replace(message, asks=((price + 100, quantity), *rest))
        first = next(r for r in changed(session, at, other) if not r.agrees)
        assert first.recorded.seq == at + 1


def test_a_change_deep_in_the_book_is_found_too(session: Desk) -> None:
    at = next(n for n, (_, m) in enumerate(session.inputs) if isinstance(m, BookSnapshot) and n > 900)
    message: Any = session.inputs[at][1]
    top, (price, quantity) = message.bids
    other = msgspec.structs.replace(message, bids=(top, (price - 100, quantity)))
    assert next(r for r in changed(session, at, other) if not r.agrees).recorded.seq == at + 1


def test_a_changed_time_is_found_at_its_input(session: Desk) -> None:
    inputs = recorded(session)
    at = next(n for n, (number, _) in enumerate(inputs) if number.body and n > 500)
    inputs[at] = (msgspec.structs.replace(inputs[at][0], market=inputs[at][0].market + 1), inputs[at][1])
    assert next(r for r in replay(make_core(), inputs) if not r.agrees).recorded.seq == at + 1


def test_a_missing_input_is_named(session: Desk) -> None:
    inputs = recorded(session)
    del inputs[41]
    with pytest.raises(ReplayError, match="input 42 is missing: the next one recorded is 43"):
        list(replay(make_core(), inputs))


def test_a_missing_market_event_is_named(session: Desk) -> None:
    at = next(n for n, (number, _) in enumerate(session.inputs) if not number.body)
    inputs = recorded(session)
    inputs[at] = (inputs[at][0], None)
    with pytest.raises(ReplayError, match=f"input {at + 1}: no market event at partition 0, offset {at}"):
        list(replay(make_core(), inputs))
