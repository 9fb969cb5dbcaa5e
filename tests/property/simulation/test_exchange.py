"""Whatever the market and the clients do: nothing is made of nothing, and a seed says it all."""

from collections import defaultdict
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from service.model.events import Liquidity
from service.model.market import Aggressor, TradingPhase
from service.model.orders import OrdStatus, Side, TimeInForce
from service.simulation.depth import DepletedDepth, Refill, displayed
from service.simulation.latency import LognormalLatency
from service.simulation.orders import Kind, Outcome
from service.simulation.queue import PatientQueue, ProportionalQueue
from service.simulation.rejects import RejectModel
from tests.unit.simulation.harness import Harness, Levels, limit, market

prices = st.integers(97, 103)
quantities = st.integers(1, 30)
sides = st.sampled_from([Side.BUY, Side.SELL])
times_in_force = st.sampled_from(list(TimeInForce))


@st.composite
def books(draw: st.DrawFn) -> tuple[Levels, Levels]:
    """Up to four levels a side, uncrossed, with gaps."""
    touch = draw(st.integers(99, 101))
    steps = st.lists(st.integers(1, 2), max_size=4)
    bids, asks = [], []
    price = touch + 1
    for step in draw(steps):
        price -= step
        bids.append((price, draw(quantities)))
    price = touch
    for step in draw(steps):
        price += step
        asks.append((price, draw(quantities)))
    return bids, asks


resting = st.one_of(
    st.tuples(st.just(Side.BUY), quantities, st.integers(97, 100), st.just(TimeInForce.DAY), st.just("ME")),
    st.tuples(st.just(Side.SELL), quantities, st.integers(101, 103), st.just(TimeInForce.DAY), st.just("ME")),
)
actions = st.one_of(
    st.tuples(st.just("limit"), resting),
    st.tuples(st.just("book"), books()),
    st.tuples(st.just("trade"), st.tuples(prices, quantities, st.sampled_from(list(Aggressor)))),
    st.tuples(
        st.just("limit"),
        st.tuples(
            sides, quantities, prices, st.sampled_from(list(TimeInForce)), st.sampled_from(["ME", "YOU"])
        ),
    ),
    st.tuples(st.just("market"), st.tuples(sides, quantities)),
    st.tuples(st.just("cancel"), st.integers(0, 5)),
    st.tuples(st.just("replace"), st.tuples(st.integers(0, 5), quantities, prices)),
    st.tuples(
        st.just("phase"),
        st.sampled_from([TradingPhase.HALTED, TradingPhase.CONTINUOUS, TradingPhase.CONTINUOUS]),
    ),
)


def play(script: list[tuple[str, Any]], h: Harness) -> list[list[Outcome]]:
    """Run a script; the outcomes of each step."""
    names: list[tuple[str, Side]] = []
    steps = []
    for n, (what, given_) in enumerate(script):
        match what:
            case "book":
                steps.append(h.book(*given_))
            case "trade":
                steps.append(h.trade(*given_))
            case "limit":
                side, quantity, price, time_in_force, owner = given_
                if owner == "ME":
                    names.append((f"o{n}", side))
                steps.append(
                    h.send(limit(f"o{n}", side, quantity, price, owner=owner, time_in_force=time_in_force))
                )
            case "market":
                steps.append(h.send(market(f"o{n}", *given_)))
            case "cancel":
                steps.append(h.cancel(f"o{n}", names[-1 - given_ % len(names)][0]) if names else [])
            case "replace":
                back, quantity, price = given_
                if not names:
                    steps.append([])
                    continue
                name, side = names[-1 - back % len(names)]
                steps.append(h.replace(f"o{n}", name, quantity, price, side=side))
            case "phase":
                steps.append(h.phase(given_))
    return steps


models = st.fixed_dictionaries(
    {
        "queue": st.sampled_from([ProportionalQueue(), ProportionalQueue(3.0), PatientQueue()]),
        "refill": st.sampled_from(list(Refill)),
    }
)
scripts = st.lists(actions, min_size=10, max_size=80)


@given(scripts, models)
def test_orders_when_anything_happens_then_quantities_add_up(script: Any, models: dict[str, Any]) -> None:
    h = Harness(**models)
    play(script, h)
    last: dict[str, Outcome] = {}
    filled: dict[str, int] = defaultdict(int)
    money: dict[str, int] = defaultdict(int)
    for outcome in h.outcomes:
        if outcome.order_id == "NONE":
            continue
        before = last.get(outcome.order_id)
        if outcome.kind is Kind.TRADE:
            assert before is not None
            assert before.leaves, "a closed order does not trade"
            filled[outcome.order_id] += outcome.last_quantity
            money[outcome.order_id] += outcome.last_quantity * outcome.last_price
            sign = 1 if outcome.side == "1" else -1
            assert outcome.ord_type == "1" or (outcome.price - outcome.last_price) * sign >= 0
        canceled = outcome.quantity - outcome.cum - outcome.leaves
        assert outcome.cum == filled[outcome.order_id]
        assert outcome.money == money[outcome.order_id]
        assert 0 <= outcome.cum <= outcome.quantity
        assert canceled == 0 or outcome.status is OrdStatus.CANCELED
        assert (outcome.leaves == 0) == (outcome.status in (OrdStatus.FILLED, OrdStatus.CANCELED))
        if before is not None and before.leaves == 0:
            assert outcome.kind is Kind.CANCEL_REJECTED
        last[outcome.order_id] = outcome
    assert sum(1 for outcome in last.values() if outcome.leaves) == h.exchange.working


@given(scripts, models)
def test_fills_when_anything_happens_then_are_bounded_by_what_was_displayed_and_traded(
    script: Any, models: dict[str, Any]
) -> None:
    h = Harness(**models)
    shown: dict[Side, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}
    taken: dict[tuple[Side, int], int] = defaultdict(int)
    seen: dict[tuple[Side, int], int] = {}
    for (what, given_), outcomes in zip(script, play(script, h), strict=True):
        trades = [o for o in outcomes if o.kind is Kind.TRADE]
        if what == "book":
            bids, asks = given_
            shown = {Side.BUY: dict(bids), Side.SELL: dict(asks)}
            for side, levels in ((Side.BUY, bids), (Side.SELL, asks)):
                for price in range(90, 111):
                    # Out of sight is no change; gone in one book and back in a later one is.
                    now, level = displayed(tuple(levels), price, side), (side, price)
                    if now != -1:
                        if now != seen.get(level, now):
                            taken[level] = 0
                        seen[level] = now
            # A resting order was filled by quotes at its price or better: within all that they show.
            for side in (Side.BUY, Side.SELL):
                got = sum(o.last_quantity for o in trades if o.side == str(int(side)))
                assert got <= sum(shown[side.opposite].values())
        elif what == "trade":
            price, quantity, taker = given_
            for side in (Side.BUY, Side.SELL):
                ours = [o for o in trades if o.side == str(int(side))]
                assert sum(o.last_quantity for o in ours) <= quantity
                assert all((o.last_price - price) * side.sign >= 0 for o in ours)
                assert not ours or taker != side.value
            assert all(o.liquidity == Liquidity.ADDED for o in trades)
        else:
            for o in trades:
                assert o.liquidity == Liquidity.REMOVED
                level = (Side(int(o.side)).opposite, o.last_price)
                taken[level] += o.last_quantity
                assert taken[level] <= shown[level[0]][o.last_price]


@given(scripts, st.integers(0, 3))
def test_outcomes_when_the_seed_is_the_same_then_are_the_same(script: Any, seed: int) -> None:
    def run() -> list[Outcome]:
        h = Harness(
            entry=LognormalLatency(5, 0.5, seed=seed),
            response=LognormalLatency(3, 0.5, seed=seed + 1),
            rejects=RejectModel(0.1, 0.1, seed=seed),
        )
        play(script, h)
        return [*h.outcomes, *h.exchange.drain()]

    assert run() == run()


@given(scripts, models)
def test_restoring_when_cut_anywhere_then_gives_the_same_orders(script: Any, models: dict[str, Any]) -> None:
    h = Harness(**models)
    play(script, h)
    again = Harness(**models)
    again.exchange.restore(h.outcomes)
    assert again.exchange.working == h.exchange.working
    h.exchange.disconnected("ME", h.now)
    again.exchange.disconnected("ME", h.now)

    def ends(harness: Harness) -> list[tuple[Any, ...]]:
        outcomes = harness.exchange.advance(h.now)
        return sorted((o.order_id, o.cl_ord_id, o.quantity, o.price, o.cum, o.money) for o in outcomes)

    assert ends(again) == ends(h)


@given(st.lists(st.tuples(books(), st.lists(st.tuples(sides, prices, quantities), max_size=4)), max_size=20))
def test_depth_when_levels_come_and_go_then_never_gives_more_than_is_displayed(script: Any) -> None:
    for refill in Refill:
        depth = DepletedDepth(refill)
        for (bids, asks), takes in script:
            levels = {Side.BUY: tuple(bids), Side.SELL: tuple(asks)}
            depth.on_book(levels[Side.BUY], levels[Side.SELL])
            for side, price, quantity in takes:
                shown = displayed(levels[side], price, side)
                if shown <= 0:
                    continue
                available = depth.available(side, price, shown)
                assert 0 <= available <= shown
                took = min(quantity, available)
                if took:
                    depth.take(side, price, shown, took)
                assert depth.available(side, price, shown) == available - took
