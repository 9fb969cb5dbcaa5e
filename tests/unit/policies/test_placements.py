"""What each placement offers in a scene."""

from typing import Any

import msgspec
import pytest

from policies.placements.crossing import Closing, Crossing, sweep
from policies.placements.offers import clip, join, resting_price, take
from policies.placements.passive import Passive, Pegged
from service.model.orders import Side, TimeInForce
from service.model.parameters import EndBehaviour
from service.policy.contract import Cancel, Replace, Submit
from tests.unit.policies.scene import child, market, view

IOC = TimeInForce.IOC


@pytest.mark.parametrize(
    ("side", "limit", "price"),
    [
        (Side.BUY, None, 9_900),
        (Side.BUY, 9_950, 9_900),
        (Side.BUY, 9_850, 9_800),
        (Side.SELL, None, 10_000),
        (Side.SELL, 10_150, 10_200),
        (Side.SELL, 9_000, 10_000),
    ],
)
def test_a_passive_child_rests_at_the_touch_or_at_the_limit(
    side: Side, limit: int | None, price: int
) -> None:
    assert resting_price(view(side=side, limit_price=limit)) == price


@pytest.mark.parametrize(
    ("wanted", "parameters", "size"),
    [
        (100, {}, 100),
        (10, {}, 0),
        (24, {}, 24),
        (100, {"max_clip": 40}, 40),
        (30, {"min_clip": 50}, 0),
        (100, {"min_clip": 50, "max_clip": 60}, 60),
        (0, {}, 0),
        (-5, {}, 0),
        (9_999, {}, 2_400),
    ],
)
def test_a_clip_is_within_its_bounds(wanted: int, parameters: dict[str, Any], size: int) -> None:
    assert clip(view(**parameters), wanted) == size


def test_the_last_clip_may_be_smaller_than_the_smallest() -> None:
    assert clip(view(filled=2_390, min_clip=50), 10) == 10


def test_the_gates_largest_clip_holds() -> None:
    assert clip(view(clip_cap=70), 500) == 70


def test_clips_vary_by_their_seed_and_number_and_stay_within_their_variance() -> None:
    sizes = {clip(view(next_child=n, clip_variance=0.5, seed=1), 200) for n in range(1, 50)}
    assert len(sizes) > 20
    assert 100 <= min(sizes) <= max(sizes) <= 200
    assert clip(view(next_child=7, clip_variance=0.5, seed=1), 200) == clip(
        view(next_child=7, clip_variance=0.5, seed=1), 200
    )


def test_what_is_due_is_offered_at_the_touch() -> None:
    assert Passive().place(view(due=100)) == [Submit(100, 9_900, reason="join")]
    assert Passive().place(view(due=100, side=Side.SELL)) == [Submit(100, 10_000, reason="join")]


def test_nothing_is_offered_when_nothing_is_due() -> None:
    assert Passive().place(view(due=100, filled=40, children=(child(leaves=60),))) == []


def test_discretion_offers_ahead_of_the_schedule() -> None:
    assert Passive().place(view(due=100, schedule_discretion=0.1)) == [Submit(340, 9_900, reason="join")]


def test_children_at_work_are_bounded() -> None:
    three = tuple(child(n) for n in (1, 2, 3))
    assert Passive().place(view(due=1_000, children=three)) == []
    assert len(Passive().place(view(due=1_000, children=three, max_open_children=4))) == 1


def test_a_part_of_a_child_is_shown_when_asked() -> None:
    (submit,) = join(view(display_quantity=20), 100, "join")
    assert isinstance(submit, Submit)
    assert submit.display_quantity == 20


def test_a_side_without_quotes_is_left_alone() -> None:
    empty = market(bids=())
    assert Passive().place(view(due=100, book=empty)) == []
    assert Closing(Crossing(Pegged())).place(view(1_199, due=100, book=market(asks=()))) == [
        Submit(100, 9_900, reason="join")
    ]


def test_a_child_outside_an_amended_limit_moves_to_it() -> None:
    assert Passive().place(view(children=(child(),), limit_price=9_800)) == [
        Replace("P1.1", 100, 9_800, "limit")
    ]
    unacknowledged = child(acknowledged=False)
    assert Passive().place(view(children=(unacknowledged,), limit_price=9_800)) == [Cancel("P1.1", "limit")]
    assert Passive().place(view(children=(child(pending="cancel"),), limit_price=9_800)) == []


MOVED = market(bids=((10_000, 300),), asks=((10_100, 200),))


@pytest.mark.parametrize(
    ("seconds", "book", "moves"),
    [
        (5, MOVED, True),
        (2, MOVED, False),
        (5, market(), False),
        # Through us: we stay.
        (5, market(bids=((9_800, 300),), asks=((9_900, 200),)), False),
        # One tick of a spread of ten is not worth the place in the queue.
        (5, market(bids=((10_000, 300),), asks=((11_000, 200),)), False),
        (5, market(bids=((10_200, 300),), asks=((11_000, 200),)), True),
    ],
)
def test_a_pegged_child_follows_the_touch_but_is_not_churned(seconds: int, book: Any, moves: bool) -> None:
    intents = Pegged().place(view(seconds, children=(child(),), book=book))
    assert intents == ([Replace("P1.1", 100, book.bid, "peg")] if moves else [])


def test_a_pegged_child_waits_for_the_wall_clock_too_when_a_replay_is_fast() -> None:
    at = view(5, children=(child(),), book=MOVED)

    fast = msgspec.structs.replace(at, now=at.now._replace(utc=child().since_utc + 83_000_000))
    assert Pegged().place(fast) == []


def test_it_takes_what_it_is_behind_by_and_no_more_than_is_displayed() -> None:
    # 5 % of 2,400 is 120: of 300 due, 180 must be taken now.
    assert Crossing(Pegged()).place(view(due=300)) == [
        Submit(180, 10_000, time_in_force=IOC, reason="behind")
    ]
    assert Crossing(Pegged()).place(view(due=600)) == [
        Submit(200, 10_000, time_in_force=IOC, reason="behind")
    ]
    assert Crossing(Pegged()).place(view(due=120)) == [Submit(120, 9_900, reason="join")]


@pytest.mark.parametrize(
    "parameters", [{"passive_only": True}, {"limit_price": 9_950}, {"cross_when_behind": 1.0}]
)
def test_it_rests_when_it_may_not_take(parameters: dict[str, Any]) -> None:
    assert Crossing(Pegged()).place(view(due=300, **parameters)) == [Submit(300, 9_900, reason="join")]


def test_what_is_on_its_way_is_not_taken_twice() -> None:
    taking = child(leaves=180, price=10_000, time_in_force=IOC, acknowledged=False)
    assert Crossing(Pegged()).place(view(due=300, children=(taking,))) == [Submit(120, 9_900, reason="join")]


def test_a_resting_child_is_called_back_when_it_holds_what_must_be_taken() -> None:
    resting = (child(1, leaves=1_200), child(2, leaves=1_200))
    assert Crossing(Pegged()).place(view(due=2_400, children=resting)) == [Cancel("P1.2", "behind")]
    on_its_way = (child(1, leaves=1_200), child(2, leaves=1_200, pending="cancel"))
    assert Crossing(Pegged()).place(view(due=2_400, children=on_its_way)) == []


PLACEMENT = Closing(Crossing(Pegged()))


def test_before_the_closing_part_the_end_behaviour_changes_nothing() -> None:
    early = view(1_139, due=100, end_behaviour=EndBehaviour.COMPLETE)
    assert PLACEMENT.place(early) == [Submit(100, 9_900, reason="join")]


def test_the_end_completes_through_the_book() -> None:
    late = view(1_141, due=2_400, filled=2_000, end_behaviour=EndBehaviour.COMPLETE)
    assert PLACEMENT.place(late) == [Submit(400, 10_100, time_in_force=IOC, reason="closing")]


def test_the_end_completes_softly_at_the_touch() -> None:
    late = view(1_141, due=2_400, filled=2_000, end_behaviour=EndBehaviour.COMPLETE_SOFTLY)
    assert PLACEMENT.place(late) == [Submit(200, 10_000, time_in_force=IOC, reason="closing")]


def test_the_end_calls_resting_children_back_first() -> None:
    resting = (child(1), child(2))
    late = view(1_141, due=2_400, children=resting, end_behaviour=EndBehaviour.COMPLETE)
    assert PLACEMENT.place(late) == [Cancel("P1.2", "closing"), Cancel("P1.1", "closing")]


@pytest.mark.parametrize("parameters", [{"end_behaviour": EndBehaviour.CANCEL}, {"passive_only": True}])
def test_the_end_takes_nothing_when_it_was_not_asked_to(parameters: dict[str, Any]) -> None:
    parameters = {"end_behaviour": EndBehaviour.COMPLETE, "cross_when_behind": 1.0, **parameters}
    late = view(1_199, due=2_400, filled=2_000, **parameters)
    assert PLACEMENT.place(late) == [Submit(400, 9_900, reason="join")]


def test_a_sweep_stops_at_the_limit() -> None:
    assert sweep(view(filled=2_000, limit_price=10_050)) == [
        Submit(400, 10_000, time_in_force=IOC, reason="closing")
    ]
    assert sweep(view(filled=2_000, limit_price=9_950)) == []


def test_a_sell_is_the_mirror_of_a_buy() -> None:
    assert take(view(side=Side.SELL), 100, "x") == [Submit(100, 9_900, time_in_force=IOC, reason="x")]
    assert sweep(view(side=Side.SELL, filled=1_900)) == [
        Submit(500, 9_800, time_in_force=IOC, reason="closing")
    ]
