"""What the policy ``timing`` makes of a score, and which manifests it refuses."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from policies.model_timing import ACTIONS, TIMING, TimingModel
from service.market.instrument import InstrumentMarket
from service.model.market import BookSnapshot
from service.model.orders import Objective, Side, TimeInForce
from service.model.parameters import Parameters
from service.model.reference import Instrument
from service.model.time import SECOND, Now
from service.policy.contract import Cancel, Child, Intent, ParentView, PolicyError, Replace, Submit, View
from service.policy.manifest import BoundPolicy, Input, Manifest, Output, Training

AURA = Instrument(symbol="AURA", venue="XSIM", currency="USD", tick=100)
NOON = 43_200 * SECOND
BID, ASK = 9_900, 10_000


def manifest(**changes: Any) -> Manifest:
    plain = Manifest(
        format=1,
        name="timing",
        description="for a test",
        sha256="0" * 64,
        horizon=4.0,
        cadence_ms=250,
        budget_us=1_000,
        actions={"cross": 0.6, "follow": 0.2, "hold": 0.3, "edge": 0.5},
        inputs=(Input(name="imbalance", unit="-1..1"),),
        output=Output(name="score", columns=("score",), score=(1.0,), low=-1.0, high=1.0),
        training=Training(revision="by hand", split="none"),
    )
    return plain.model_copy(update=changes)


MODEL = TimingModel.of(manifest())


def moved_market(sigma_ticks: int = 1) -> InstrumentMarket:
    """A market that has moved so that a second's deviation is about ``sigma_ticks``."""
    market = InstrumentMarket(AURA)
    for seq in range(1, 50):
        shift = 100 * sigma_ticks * (seq % 2)
        market.apply(
            BookSnapshot(
                symbol="AURA", venue="XSIM", ts_event=NOON - (50 - seq) * SECOND, ts_utc=0, seq=seq,
                bids=((BID + shift, 300),), asks=((ASK + shift, 200),),
            )
        )  # fmt: skip
    market.apply(
        BookSnapshot(
            symbol="AURA", venue="XSIM", ts_event=NOON, ts_utc=0, seq=50,
            bids=((BID, 300),), asks=((ASK, 200),),
        )
    )  # fmt: skip
    return market


def resting(price: int = BID, leaves: int = 40, **changes: Any) -> Child:
    plain = Child(
        child_id="P1.1",
        side=Side.BUY,
        price=price,
        quantity=leaves,
        filled=0,
        leaves=leaves,
        acknowledged=True,
        pending="",
        since=NOON - SECOND,
        since_utc=NOON - SECOND,
    )
    return msgspec.structs.replace(plain, **changes)


def view(
    *children: Child,
    side: Side = Side.BUY,
    due: int = 100,
    filled: int = 60,
    market: InstrumentMarket | None = None,
    **parameters: Any,
) -> View:
    given = Parameters(min_clip=1, cross_when_behind=0.5).merged(Parameters(**parameters))
    parent = ParentView(
        id="P1",
        side=side,
        quantity=1_000,
        objective=Objective.ARRIVAL,
        parameters=TIMING.resolve(given),
        start=NOON - 600 * SECOND,
        end=NOON + 600 * SECOND,
        filled=filled,
        working=sum(c.leaves for c in children),
        due=due,
        market_volume=10_000,
        arrival_price=9_950,
        children=children,
        next_child=2,
    )
    return View(Now(NOON, NOON), AURA, market or moved_market(), parent)


def act(score: float, *children: Child, **changes: Any) -> list[Intent]:
    return MODEL.act(view(*children, **changes), (score, score))


def test_act_when_the_price_leaves_then_it_takes_what_is_due() -> None:
    assert act(0.7) == [Submit(40, ASK, time_in_force=TimeInForce.IOC, reason="model_cross")]


def test_act_when_a_sell_sees_the_price_fall_then_it_takes_too() -> None:
    assert act(-0.7, side=Side.SELL) == [Submit(40, BID, time_in_force=TimeInForce.IOC, reason="model_cross")]


def test_act_when_the_expected_move_is_too_small_then_it_does_not_take() -> None:
    still = InstrumentMarket(AURA)
    wide = BookSnapshot(
        symbol="AURA", venue="XSIM", ts_event=NOON, ts_utc=0, seq=1, bids=((9_000, 9),), asks=((ASK, 9),)
    )
    still.apply(wide)
    still.apply(msgspec.structs.replace(wide, seq=2, ts_event=NOON + 60 * SECOND))
    assert act(0.7, market=still) == [Submit(40, 9_000, reason="join")]


def test_act_when_what_is_due_rests_already_then_it_is_called_back_before_taking() -> None:
    assert act(0.7, resting()) == [Cancel("P1.1", "model_cross")]
    assert act(0.7, resting(pending="cancel")) == []


def test_act_when_passive_only_then_it_never_takes() -> None:
    assert act(0.9, passive_only=True) == [Submit(40, BID, reason="join")]


def test_act_when_the_limit_forbids_the_far_touch_then_it_rests() -> None:
    assert act(0.9, limit_price=BID) == [Submit(40, BID, reason="join")]


def test_act_when_the_score_says_follow_then_a_child_left_behind_is_moved_at_once() -> None:
    left = resting(BID - 100)
    assert act(0.3, left) == [Replace("P1.1", 40, BID, "peg")]
    assert act(0.1, left) == []


def test_act_when_the_score_is_weak_then_what_is_due_rests_at_the_touch() -> None:
    assert act(0.0) == [Submit(40, BID, reason="join")]


def test_act_when_the_price_comes_then_nothing_is_offered_and_nothing_moved() -> None:
    assert act(-0.4) == []
    assert act(-0.4, resting(BID - 100, leaves=10)) == []


@pytest.mark.parametrize("score", [-0.9, 0.0, 0.3])
def test_act_when_the_parent_is_behind_then_it_takes_whatever_the_score(score: float) -> None:
    (taken,) = act(score, due=700, cross_when_behind=0.1)
    assert isinstance(taken, Submit)
    assert (taken.price, taken.time_in_force, taken.reason) == (ASK, TimeInForce.IOC, "behind")


def test_observe_when_nothing_is_due_and_nothing_rests_then_the_model_is_not_asked() -> None:
    assert MODEL.observe(view(due=60)) is None
    assert MODEL.observe(view()) == (0.2,)
    assert MODEL.observe(view(resting(), due=60)) == (0.2,)


def test_observe_when_a_side_is_empty_then_the_model_is_not_asked() -> None:
    market = moved_market()
    market.apply(
        BookSnapshot(symbol="AURA", venue="XSIM", ts_event=NOON, ts_utc=0, seq=51, bids=(), asks=((ASK, 1),))
    )
    assert MODEL.observe(view(market=market)) is None


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"actions": {"cross": 0.6}}, r"\[actions\] sets cross; policy timing needs cross, follow, hold, edge"),
    ({"actions": {}}, "sets nothing"),
    ({"actions": dict.fromkeys(ACTIONS, 0.1) | {"follow": 0.2}}, "0 <= follow <= cross"),
    ({"signals": ("volume",)}, "not volume"),
    ({"inputs": (Input(name="own.urgency", unit="0-10"),)}, "not own.urgency"),
]


@pytest.mark.parametrize(("changes", "says"), REFUSED)
def test_bound_when_the_policy_cannot_serve_the_manifest_then_it_says_why(
    changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(PolicyError, match=says):
        MODEL.bound(manifest(**changes))


def test_bound_when_another_manifest_comes_then_its_inputs_and_thresholds_are_taken() -> None:
    assert isinstance(MODEL, BoundPolicy)
    other = MODEL.bound(manifest(inputs=(Input(name="spread_ticks", unit="ticks"),), horizon=9.0))
    assert (other.inputs, other.horizon) == (("spread_ticks",), 9.0)
