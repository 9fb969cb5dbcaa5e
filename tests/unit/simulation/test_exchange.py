"""Requests, their latencies, refusals and answers."""

from typing import Any

import pytest

from service.model.market import TradingPhase
from service.model.orders import OrdStatus
from service.model.time import MILLISECOND
from service.simulation.fees import VenueFees
from service.simulation.latency import ConstantLatency, LognormalLatency
from service.simulation.orders import (
    CxlRejReason,
    Kind,
    MassCancel,
    MassStatusQuery,
    OrdRejReason,
    Outcome,
    StatusQuery,
)
from service.simulation.rejects import RejectModel
from tests.unit.simulation.harness import BUY, REFERENCE, SELL, Harness, fills, kinds, limit, market

BIDS = [(100, 50), (99, 20)]
ASKS = [(101, 30), (102, 40)]


class TestLatency:
    def test_request_when_under_way_then_the_market_moves_first(self) -> None:
        h = Harness(BIDS, ASKS, entry=ConstantLatency(2))
        assert h.send(limit("a", BUY, 10, 101)) == []
        outcomes = h.book(BIDS, [(102, 40)])
        assert outcomes == []
        h.now += 1
        assert kinds(h.exchange.advance(h.now)) == [Kind.NEW]  # it rests: 101 had gone

    def test_answer_when_under_way_then_is_not_out_before_it_is_due(self) -> None:
        h = Harness(BIDS, ASKS, entry=ConstantLatency(5), response=ConstantLatency(7))
        h.exchange.receive(limit("a", BUY, 10, 100), 100)
        assert h.exchange.next_due == 105
        assert h.exchange.advance(111) == []
        assert h.exchange.next_due == 112
        outcome = h.exchange.advance(112)[0]
        assert outcome.ts_utc == 105
        assert h.exchange.next_due is None

    def test_cancel_when_a_fill_wins_the_race_then_is_rejected_as_too_late(self) -> None:
        h = Harness([(90, 5)], ASKS, entry=ConstantLatency(3))
        h.send(limit("a", BUY, 10, 100))
        h.now += 3
        h.exchange.advance(h.now)
        assert h.cancel("c", "a") == []
        h.sold(100, 10)
        h.now += 3
        outcome = h.exchange.advance(h.now)[0]
        assert (outcome.kind, outcome.reason) == (Kind.CANCEL_REJECTED, CxlRejReason.TOO_LATE)
        assert outcome.status is OrdStatus.FILLED

    def test_requests_of_one_client_when_the_second_is_faster_then_keep_their_order(self) -> None:
        class Falling:
            def __init__(self) -> None:
                self.delays = [100, 1]

            def draw(self) -> int:
                return self.delays.pop(0)

        h = Harness(BIDS, ASKS, entry=Falling())
        h.exchange.receive(limit("a", BUY, 10, 100), 10)
        h.exchange.receive(market("b", BUY, 1), 11)
        assert h.exchange.advance(109) == []
        assert [o.cl_ord_id for o in h.exchange.advance(110)] == ["a", "b", "b"]

    def test_drain_when_requests_and_answers_are_under_way_then_gives_them_all(self) -> None:
        h = Harness(BIDS, ASKS, entry=LognormalLatency(seed=3), response=LognormalLatency(seed=4))
        for n in range(20):
            h.exchange.receive(limit(f"{n}", BUY, 1, 100), n)
        assert [o.cl_ord_id for o in h.exchange.drain()] == [f"{n}" for n in range(20)]
        assert h.exchange.next_due is None

    def test_lognormal_latency_when_drawn_often_then_has_its_median_and_a_tail(self) -> None:
        latency = LognormalLatency(2 * MILLISECOND, 0.3, tail_probability=0.02, tail_factor=10, seed=5)
        draws = sorted(latency.draw() for _ in range(10_001))
        assert draws[5_000] == pytest.approx(2 * MILLISECOND, rel=0.03)
        assert 100 <= sum(draw > 10 * MILLISECOND for draw in draws) <= 300

    @pytest.mark.parametrize(
        "wrong", [{"median": -1}, {"sigma": -0.1}, {"tail_probability": 1.1}, {"tail_factor": 0.5}]
    )
    def test_lognormal_latency_when_is_out_of_range_then_says_so(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="latency"):
            LognormalLatency(**wrong)


class TestRefusals:
    @pytest.mark.parametrize(
        ("order", "reason"),
        [
            (limit("a", BUY, 10, 100, symbol="NOPE"), OrdRejReason.UNKNOWN_SYMBOL),
            (limit("a", BUY, 0, 100), OrdRejReason.INCORRECT_QUANTITY),
            (limit("a", BUY, 10, 0), OrdRejReason.OTHER),
            (limit("a", BUY, 10, 102, symbol="TICKY"), OrdRejReason.OTHER),
            (limit("a", BUY, 1001, 100), OrdRejReason.EXCEEDS_LIMIT),
            (limit("a", BUY, 10, 105, symbol="TICKY"), OrdRejReason.BROKER_OPTION),
        ],
    )
    def test_order_when_it_cannot_be_taken_then_is_rejected_with_its_reason(
        self, order: Any, reason: OrdRejReason
    ) -> None:
        h = Harness(BIDS, ASKS, rejects=RejectModel(symbols=["TICKY"], max_quantity=1000))
        (outcome,) = h.send(order)
        assert (outcome.kind, outcome.status, outcome.reason) == (Kind.REJECTED, OrdStatus.REJECTED, reason)
        assert outcome.text
        assert h.exchange.working == 0

    def test_order_when_its_cl_ord_id_was_used_then_is_rejected_and_the_first_lives(self) -> None:
        h = Harness(BIDS, ASKS)
        h.send(limit("a", BUY, 10, 100))
        (outcome,) = h.send(limit("a", BUY, 10, 100))
        assert outcome.reason == OrdRejReason.DUPLICATE_ORDER
        assert h.exchange.working == 1

    def test_order_when_another_client_used_its_cl_ord_id_then_is_taken(self) -> None:
        h = Harness(BIDS, ASKS)
        h.send(limit("a", BUY, 10, 100))
        assert kinds(h.send(limit("a", BUY, 10, 100, owner="YOU"))) == [Kind.NEW]

    def test_order_when_there_is_no_book_yet_then_waits_unless_it_must_trade_at_once(self) -> None:
        h = Harness()
        assert h.send(market("m", BUY, 1))[0].reason == OrdRejReason.EXCHANGE_CLOSED
        assert kinds(h.send(limit("a", BUY, 10, 101))) == [Kind.NEW]
        assert fills(h.book(BIDS, ASKS)) == [("a", 10, 101)]

    def test_random_rejects_when_the_seed_is_the_same_then_are_the_same(self) -> None:
        def rejected(seed: int) -> list[bool]:
            model = RejectModel(order_rate=0.3, seed=seed)
            return [model.order(limit("a", BUY, 1, 100)) is not None for _ in range(200)]

        assert rejected(7) == rejected(7)
        assert rejected(7) != rejected(8)
        assert 30 <= sum(rejected(7)) <= 90

    def test_cancel_when_rejects_are_certain_then_is_rejected_and_the_order_lives(self) -> None:
        h = Harness(BIDS, ASKS, rejects=RejectModel(cancel_rate=1.0))
        h.send(limit("a", BUY, 10, 100))
        (outcome,) = h.cancel("c", "a")
        assert (outcome.kind, outcome.reason) == (Kind.CANCEL_REJECTED, CxlRejReason.BROKER_OPTION)
        assert h.exchange.working == 1

    def test_reject_model_when_a_rate_is_no_share_then_says_so(self) -> None:
        with pytest.raises(ValueError, match="reject rate"):
            RejectModel(order_rate=1.5)


class TestChanges:
    def test_cancel_when_order_is_unknown_then_says_unknown(self) -> None:
        (outcome,) = Harness(BIDS, ASKS).cancel("c", "nothing")
        assert (outcome.reason, outcome.status) == (CxlRejReason.UNKNOWN_ORDER, OrdStatus.REJECTED)
        assert outcome.response_to == 1

    def test_cancel_when_order_is_another_clients_then_says_unknown(self) -> None:
        h = Harness(BIDS, ASKS)
        h.send(limit("a", BUY, 10, 100, owner="YOU"))
        assert h.cancel("c", "a")[0].reason == CxlRejReason.UNKNOWN_ORDER

    def test_cancel_when_it_names_a_replaced_cl_ord_id_then_cancels_the_chain(self) -> None:
        h = Harness(BIDS, ASKS)
        h.send(limit("a", BUY, 10, 100))
        h.replace("a2", "a", 10, 99)
        (outcome,) = h.cancel("c", "a")
        assert (outcome.kind, outcome.orig_cl_ord_id, outcome.order_cl_ord_id) == (Kind.CANCELED, "a", "a2")

    def test_cancel_when_its_cl_ord_id_was_used_then_is_rejected_as_duplicate(self) -> None:
        h = Harness(BIDS, ASKS)
        h.send(limit("a", BUY, 10, 100))
        assert h.cancel("a", "a")[0].reason == CxlRejReason.DUPLICATE_CL_ORD_ID

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"quantity": 3, "price": 100}, CxlRejReason.TOO_LATE),
            ({"quantity": 0, "price": 100}, CxlRejReason.OTHER),
            ({"quantity": 10, "price": 0}, CxlRejReason.OTHER),
            ({"quantity": 10, "price": 100, "fault": "no"}, CxlRejReason.OTHER),
            ({"quantity": 10, "price": 100, "side": SELL}, CxlRejReason.OTHER),
            ({"quantity": 2000, "price": 100}, CxlRejReason.BROKER_OPTION),
        ],
    )
    def test_replace_when_it_cannot_be_done_then_is_rejected_and_the_order_stays(
        self, change: dict[str, Any], reason: CxlRejReason
    ) -> None:
        h = Harness([(90, 5)], ASKS, rejects=RejectModel(max_quantity=1000))
        h.send(limit("a", BUY, 10, 100))
        h.sold(100, 4)
        (outcome,) = h.replace("a2", "a", **change)
        assert (outcome.kind, outcome.reason, outcome.response_to) == (Kind.CANCEL_REJECTED, reason, 2)
        assert (outcome.quantity, outcome.price, outcome.leaves) == (10, 100, 6)

    def test_replace_when_the_order_waits_for_the_market_then_waits_on_with_the_new_terms(self) -> None:
        h = Harness(BIDS, ASKS)
        h.phase(TradingPhase.HALTED)
        h.send(limit("a", BUY, 10, 99))
        h.replace("a2", "a", 12, 101)
        h.phase(TradingPhase.CONTINUOUS)
        assert fills(h.book(BIDS, ASKS)) == [("a2", 12, 101)]

    @pytest.mark.parametrize("price", [98, 101], ids=["that would rest", "that crosses"])
    def test_replace_when_all_that_it_leaves_is_filled_then_closes_the_order_at_any_price(
        self, price: int
    ) -> None:
        h = Harness([(90, 5)], ASKS)
        h.send(limit("a", BUY, 10, 100))
        h.send(limit("b", SELL, 10, 101))
        h.sold(100, 4)
        (outcome,) = h.replace("a2", "a", 4, price)
        assert (outcome.kind, outcome.status, outcome.cum) == (Kind.REPLACED, OrdStatus.FILLED, 4)
        assert h.exchange.working == 1
        assert h.sold(98, 50) == []
        assert h.cancel("c", "a2")[0].reason == CxlRejReason.TOO_LATE


class TestQueries:
    def test_status_when_order_is_known_then_tells_its_state_by_any_of_its_names(self) -> None:
        h = Harness(BIDS, ASKS)
        h.send(limit("a", BUY, 40, 101))
        h.replace("a2", "a", 35, 101)
        (outcome,) = h.send(StatusQuery(owner="ME", cl_ord_id="a", symbol="S", side="1", request_id="r"))
        assert (outcome.kind, outcome.status, outcome.cum, outcome.leaves) == (
            Kind.STATUS,
            OrdStatus.PARTIALLY_FILLED,
            30,
            5,
        )
        assert (outcome.cl_ord_id, outcome.exec_id, outcome.request_id) == ("a", "0", "r")

    def test_status_when_order_is_unknown_then_says_so(self) -> None:
        h = Harness(BIDS, ASKS)
        (outcome,) = h.send(StatusQuery(owner="ME", cl_ord_id="a", symbol="S", side="1"))
        assert (outcome.status, outcome.reason) == (OrdStatus.REJECTED, OrdRejReason.UNKNOWN_ORDER)

    def test_mass_status_when_orders_work_then_numbers_them(self) -> None:
        h = Harness(BIDS, ASKS)
        for name in "abc":
            h.send(limit(name, BUY, 10, 100))
        h.cancel("x", "b")
        outcomes = h.send(MassStatusQuery(owner="ME", request_id="r"))
        assert [(o.cl_ord_id, o.total, o.last) for o in outcomes] == [("a", 2, False), ("c", 2, True)]

    def test_mass_status_when_nothing_works_then_says_so(self) -> None:
        (outcome,) = Harness(BIDS, ASKS).send(MassStatusQuery(owner="ME", request_id="r", symbol="S"))
        assert (outcome.total, outcome.status) == (0, OrdStatus.REJECTED)

    def test_mass_cancel_when_orders_work_then_ends_those_of_the_client_alone(self) -> None:
        h = Harness(BIDS, ASKS)
        h.send(limit("a", BUY, 10, 100))
        h.send(limit("b", SELL, 10, 102))
        h.send(limit("a", BUY, 10, 100, owner="YOU"))
        outcomes = h.send(MassCancel(owner="ME", cl_ord_id="m"))
        assert [(o.kind, o.cl_ord_id) for o in outcomes] == [
            (Kind.MASS_CANCELED, "m"),
            (Kind.CANCELED, "a"),
            (Kind.CANCELED, "b"),
        ]
        assert outcomes[0].total == 2
        assert h.exchange.working == 1

    def test_disconnect_when_orders_work_then_they_are_canceled_unsolicited(self) -> None:
        h = Harness(BIDS, ASKS)
        h.send(limit("a", BUY, 10, 100))
        h.exchange.disconnected("ME", h.now)
        (outcome,) = h.exchange.advance(h.now)
        assert (outcome.kind, outcome.cl_ord_id, outcome.orig_cl_ord_id) == (Kind.CANCELED, "a", "")


class TestRestoring:
    def life(self) -> tuple[Harness, list[Outcome]]:
        h = Harness([(100, 5)], ASKS, prefix="1-")
        h.send(limit("a", BUY, 10, 100))
        h.send(limit("b", SELL, 40, 103))
        h.send(limit("c", BUY, 5, 99))
        h.sold(100, 9)
        h.replace("b2", "b", 30, 104, side=SELL)
        h.cancel("c2", "c")
        return h, h.outcomes

    def test_restore_when_orders_worked_then_they_work_with_the_same_state(self) -> None:
        _, outcomes = self.life()
        again = Harness(prefix="2-")
        again.exchange.restore(outcomes)
        states = again.send(MassStatusQuery(owner="ME", request_id="r"))
        assert [(o.cl_ord_id, o.cum, o.leaves, o.price) for o in states] == [
            ("a", 4, 6, 100),
            ("b2", 0, 30, 104),
        ]
        assert [o.order_id for o in states] == ["1-O1", "1-O2"]

    def test_restore_when_closed_then_is_still_found_and_its_names_stay_used(self) -> None:
        _, outcomes = self.life()
        again = Harness(prefix="2-")
        again.exchange.restore(outcomes)
        (outcome,) = again.send(StatusQuery(owner="ME", cl_ord_id="c", symbol="S", side="1"))
        assert outcome.status is OrdStatus.CANCELED
        assert again.send(limit("c2", BUY, 1, 100))[0].reason == OrdRejReason.DUPLICATE_ORDER

    def test_restore_when_the_market_comes_then_the_displayed_queue_is_ahead(self) -> None:
        _, earlier = self.life()
        again = Harness(prefix="2-")
        again.exchange.restore(earlier)
        again.book([(100, 8)], ASKS)
        assert fills(again.sold(100, 8)) == []
        outcomes = again.sold(100, 6)
        assert fills(outcomes) == [("a", 6, 100)]
        assert outcomes[0].exec_id.startswith("2-E")
        assert outcomes[0].number == len(earlier) + 1


def test_fees_when_taking_and_making_then_are_the_venues() -> None:
    h = Harness([(9_000, 1)], [(10_000, 30)], fees=VenueFees(REFERENCE.by_venue))
    taken = h.send(limit("a", BUY, 10, 10_000))[-1]
    assert taken.commission == "0.3"  # 10 x 100.00 USD x 3 bps
    h.send(limit("b", BUY, 10, 9_500))
    made = h.sold(9_500, 10)[0]
    assert made.commission == "-0.095"  # 10 x 95.00 USD x -1 bps
