"""Legs from stamps, and nearest-rank quantiles."""

import pytest

from service.model.events import ChildAccepted, ChildSubmitted
from service.model.orders import OrdType, Side, Stamps, TimeInForce
from service.tca.latency import ACKNOWLEDGE, LEGS, Latencies, quantiles


def submitted(stamps: Stamps, cl_ord_id: str = "c1") -> ChildSubmitted:
    return ChildSubmitted(
        child_id="P.1",
        parent_id="P",
        cl_ord_id=cl_ord_id,
        symbol="AURA",
        ts_event=0,
        ts_utc=0,
        side=Side.BUY,
        ord_type=OrdType.LIMIT,
        quantity=1,
        price=1,
        time_in_force=TimeInForce.DAY,
        account="A",
        policy="twap",
        stamps=stamps,
    )


def accepted(utc: int) -> ChildAccepted:
    return ChildAccepted(
        child_id="P.1", parent_id="P", cl_ord_id="c1", symbol="AURA", ts_event=0, ts_utc=utc, order_id="o"
    )


def test_each_leg_lies_between_its_two_stamps() -> None:
    latencies = Latencies()
    latencies.on_submitted(
        submitted(
            Stamps(
                feed=1_000,
                tick=3_000,
                decided=6_000,
                received=10_000,
                gated=15_000,
                journalled=21_000,
                sent=28_000,
            )
        )
    )
    latencies.on_accepted(accepted(36_000))
    p50 = {leg: q.p50 for leg, q in latencies.quantiles().items()}
    assert p50 == {
        "feed_to_runner": 2.0,
        "decide": 3.0,
        "hop": 4.0,
        "gate": 5.0,
        "journal": 6.0,
        "wire": 7.0,
        "tick_to_wire": 25.0,
        ACKNOWLEDGE: 8.0,
    }
    assert set(p50) == {*LEGS, ACKNOWLEDGE}


def test_a_leg_is_left_out_when_one_of_its_points_was_not_passed() -> None:
    latencies = Latencies()
    latencies.on_submitted(submitted(Stamps(tick=1_000, decided=2_000)))
    latencies.on_accepted(accepted(9_000))
    assert set(latencies.quantiles()) == {"decide"}


def test_only_the_first_acknowledgement_of_an_order_counts() -> None:
    latencies = Latencies()
    latencies.on_submitted(submitted(Stamps(sent=1_000)))
    latencies.on_accepted(accepted(2_000))
    latencies.on_accepted(accepted(900_000))
    assert latencies.quantiles()[ACKNOWLEDGE].n == 1


def test_quantiles_are_nearest_rank() -> None:
    found = quantiles(n * 1_000 for n in range(1, 1_001))
    assert (found.n, found.p50, found.p99, found.p999) == (1_000, 500.0, 990.0, 999.0)
    assert quantiles([7_000]).p999 == 7.0
    with pytest.raises(ValueError, match="nothing"):
        quantiles([])
