"""Every physical effect of the simulated market, with numbers worked out by hand."""

from service.model.events import Liquidity
from service.model.market import Aggressor, TradingPhase
from service.model.orders import OrdStatus, TimeInForce
from service.simulation.depth import Refill
from service.simulation.orders import Kind
from service.simulation.queue import PatientQueue
from tests.unit.simulation.harness import BUY, SELL, Harness, fills, kinds, limit, market

BIDS = [(100, 50), (99, 20)]
ASKS = [(101, 30), (102, 40)]


class TestTakingDepth:
    def test_marketable_limit_when_deeper_than_touch_then_walks_levels_within_limit_and_rests(self) -> None:
        h = Harness(BIDS, ASKS)
        outcomes = h.send(limit("a", BUY, 100, 102))
        assert fills(outcomes) == [("a", 30, 101), ("a", 40, 102)]
        assert outcomes[-1].leaves == 30
        assert outcomes[-1].status is OrdStatus.PARTIALLY_FILLED
        assert {o.liquidity for o in outcomes[1:]} == {Liquidity.REMOVED}

    def test_marketable_limit_when_second_level_is_beyond_limit_then_takes_first_only(self) -> None:
        h = Harness(BIDS, ASKS)
        assert fills(h.send(limit("a", SELL, 60, 100))) == [("a", 50, 100)]

    def test_market_order_when_beyond_displayed_depth_then_rest_is_canceled(self) -> None:
        h = Harness(BIDS, ASKS)
        outcomes = h.send(market("a", SELL, 75))
        assert fills(outcomes) == [("a", 50, 100), ("a", 20, 99)]
        assert outcomes[-1].kind is Kind.CANCELED
        assert (outcomes[-1].cum, outcomes[-1].leaves) == (70, 0)

    def test_market_order_when_book_is_one_level_then_rest_beyond_it_is_canceled(self) -> None:
        h = Harness([(100, 50)], [(101, 30)])
        outcomes = h.send(market("a", BUY, 31))
        assert kinds(outcomes) == [Kind.NEW, Kind.TRADE, Kind.CANCELED]
        assert outcomes[1].last_quantity == 30

    def test_immediate_or_cancel_when_partly_filled_then_rest_is_canceled(self) -> None:
        h = Harness(BIDS, ASKS)
        outcomes = h.send(limit("a", BUY, 31, 101, time_in_force=TimeInForce.IOC))
        assert kinds(outcomes) == [Kind.NEW, Kind.TRADE, Kind.CANCELED]
        assert outcomes[-1].cum == 30

    def test_fill_or_kill_when_one_lot_is_missing_then_nothing_is_filled(self) -> None:
        h = Harness(BIDS, ASKS)
        assert kinds(h.send(limit("a", BUY, 71, 102, time_in_force=TimeInForce.FOK))) == [
            Kind.NEW,
            Kind.CANCELED,
        ]
        assert fills(h.send(limit("b", BUY, 70, 102, time_in_force=TimeInForce.FOK))) == [
            ("b", 30, 101),
            ("b", 40, 102),
        ]


class TestDepletion:
    def test_level_when_taken_then_is_not_there_twice_while_the_feed_shows_it_unchanged(self) -> None:
        h = Harness(BIDS, ASKS)
        h.send(limit("a", BUY, 20, 101, time_in_force=TimeInForce.IOC))
        h.book([(100, 51)], ASKS)
        assert fills(h.send(market("b", BUY, 25))) == [("b", 10, 101), ("b", 15, 102)]

    def test_level_when_the_feed_shows_a_change_then_all_of_it_is_there_again(self) -> None:
        h = Harness(BIDS, ASKS)
        h.send(limit("a", BUY, 30, 101, time_in_force=TimeInForce.IOC))
        h.book(BIDS, [(101, 29), (102, 40)])
        assert fills(h.send(limit("b", BUY, 40, 101, time_in_force=TimeInForce.IOC))) == [("b", 29, 101)]

    def test_level_when_refill_is_growth_then_only_what_was_added_is_there(self) -> None:
        h = Harness(BIDS, ASKS, refill=Refill.GROWTH)
        h.send(limit("a", BUY, 25, 101, time_in_force=TimeInForce.IOC))
        h.book(BIDS, [(101, 37)])  # 5 were left, 7 came
        assert fills(h.send(limit("b", BUY, 40, 101, time_in_force=TimeInForce.IOC))) == [("b", 12, 101)]
        h.book(BIDS, [(101, 36)])  # nothing was left, one lot went
        assert fills(h.send(limit("c", BUY, 40, 101, time_in_force=TimeInForce.IOC))) == []

    def test_level_when_it_leaves_and_returns_then_is_new(self) -> None:
        h = Harness(BIDS, ASKS, refill=Refill.GROWTH)
        h.send(limit("a", BUY, 30, 101, time_in_force=TimeInForce.IOC))
        h.book(BIDS, [(102, 40)])
        # 101 is better than everything displayed: it is seen to be empty.
        h.book(BIDS, ASKS)
        assert fills(h.send(limit("b", BUY, 40, 101, time_in_force=TimeInForce.IOC))) == [("b", 30, 101)]

    def test_level_when_out_of_sight_then_stays_taken(self) -> None:
        h = Harness(BIDS, ASKS)
        h.send(limit("a", BUY, 70, 102, time_in_force=TimeInForce.IOC))
        h.book(BIDS, [(101, 31)])
        h.book(BIDS, [(101, 31), (102, 40)])
        assert fills(h.send(market("b", BUY, 100))) == [("b", 31, 101)]


class TestQueue:
    def test_passive_order_when_prints_reach_it_then_queue_ahead_is_served_first(self) -> None:
        h = Harness(BIDS, ASKS)
        h.send(limit("a", BUY, 10, 100))
        assert fills(h.sold(100, 45)) == []
        assert fills(h.sold(100, 8)) == [("a", 3, 100)]  # 5 were ahead
        outcomes = h.sold(100, 20)
        assert fills(outcomes) == [("a", 7, 100)]
        assert outcomes[-1].liquidity == Liquidity.ADDED
        assert outcomes[-1].status is OrdStatus.FILLED

    def test_passive_order_when_level_shrinks_without_prints_then_moves_up_in_proportion(self) -> None:
        h = Harness(BIDS, ASKS)
        h.send(limit("a", BUY, 10, 100))  # 50 ahead
        h.book([(100, 100)], ASKS)  # 50 came behind
        h.book([(100, 60)], ASKS)  # 40 left: 20 of them ahead
        assert fills(h.sold(100, 30)) == []
        assert fills(h.sold(100, 1)) == [("a", 1, 100)]

    def test_passive_order_when_queue_model_is_patient_then_those_behind_leave_first(self) -> None:
        h = Harness(BIDS, ASKS, queue=PatientQueue())
        h.send(limit("a", BUY, 10, 100))
        h.book([(100, 100)], ASKS)
        h.book([(100, 60)], ASKS)
        assert fills(h.sold(100, 50)) == []
        assert fills(h.sold(100, 1)) == [("a", 1, 100)]

    def test_passive_order_when_print_explains_the_shrinking_then_is_not_moved_up_twice(self) -> None:
        h = Harness(BIDS, ASKS)
        h.send(limit("a", BUY, 10, 100))  # 50 ahead
        h.book([(100, 100)], ASKS)
        h.sold(100, 10)  # 40 ahead
        h.book([(100, 90)], ASKS)
        assert fills(h.sold(100, 40)) == []
        assert fills(h.sold(100, 1)) == [("a", 1, 100)]

    def test_passive_order_when_inside_the_spread_then_is_first(self) -> None:
        h = Harness([(100, 50)], [(105, 30)])
        h.send(limit("a", BUY, 10, 102))
        assert fills(h.sold(102, 4)) == [("a", 4, 102)]

    def test_passive_order_when_beyond_the_displayed_levels_then_all_that_comes_into_sight_is_ahead(
        self,
    ) -> None:
        h = Harness([(100, 50)], [(101, 30)])
        h.send(limit("a", BUY, 10, 98))
        assert fills(h.sold(98, 500)) == []  # what stood ahead is not known
        h.book([(98, 70)], [(99, 30)])
        assert fills(h.sold(98, 75)) == [("a", 5, 98)]

    def test_own_orders_when_at_one_price_then_are_served_by_time_and_share_one_print(self) -> None:
        h = Harness([(100, 5)], [(101, 30)])
        h.send(limit("a", BUY, 10, 100))
        h.send(limit("b", BUY, 10, 100))
        assert fills(h.sold(100, 18)) == [("a", 10, 100), ("b", 3, 100)]

    def test_own_orders_when_at_two_prices_then_the_better_is_served_first(self) -> None:
        h = Harness([(90, 5)], [(101, 30)])
        h.send(limit("a", BUY, 10, 99))
        h.send(limit("b", BUY, 10, 100))
        assert fills(h.sold(99, 15)) == [("b", 10, 100), ("a", 5, 99)]


class TestPrints:
    def test_print_when_through_our_price_then_fills_at_our_price_up_to_its_quantity(self) -> None:
        h = Harness(BIDS, ASKS)
        h.send(limit("a", BUY, 10, 100))
        assert fills(h.sold(99, 6)) == [("a", 6, 100)]

    def test_print_when_a_buyer_took_then_leaves_our_bid_alone(self) -> None:
        h = Harness([(90, 5)], [(101, 30)])
        h.send(limit("a", BUY, 10, 100))
        assert fills(h.bought(100, 50)) == []

    def test_print_when_taker_is_not_told_then_the_quote_rule_says(self) -> None:
        h = Harness([(100, 5)], [(101, 5)])
        h.send(limit("bid", BUY, 10, 100))
        h.send(limit("ask", SELL, 10, 101))
        assert fills(h.trade(100, 6)) == [("bid", 1, 100)]
        assert fills(h.trade(101, 7)) == [("ask", 2, 101)]

    def test_print_when_hidden_at_our_price_then_the_displayed_queue_has_not_moved(self) -> None:
        h = Harness([(90, 5)], [(101, 30)])
        h.send(limit("a", BUY, 10, 100))
        assert fills(h.sold(100, 5, hidden=True)) == []
        assert fills(h.sold(99, 5, hidden=True)) == [("a", 5, 100)]

    def test_print_when_of_an_auction_or_not_eligible_then_fills_nothing(self) -> None:
        h = Harness([(90, 5)], [(101, 30)])
        h.send(limit("a", BUY, 10, 100))
        assert fills(h.sold(95, 5, auction=True)) == []
        assert fills(h.sold(95, 5, eligible=False)) == []


class TestQuotes:
    def test_quote_when_through_our_price_then_fills_at_our_price_up_to_what_it_shows(self) -> None:
        h = Harness(BIDS, ASKS)
        h.send(limit("a", BUY, 10, 100))
        outcomes = h.book([(98, 5)], [(99, 4), (100, 3), (101, 9)])
        assert fills(outcomes) == [("a", 7, 100)]
        assert outcomes[0].liquidity == Liquidity.ADDED

    def test_quote_when_it_filled_us_then_is_gone_for_the_next(self) -> None:
        h = Harness(BIDS, ASKS)
        h.send(limit("a", SELL, 3, 101))
        h.book([(102, 4)], [(103, 5)])
        assert fills(h.send(market("b", SELL, 5))) == [("b", 1, 102)]

    def test_quote_when_locked_with_others_ahead_of_us_then_fills_nothing(self) -> None:
        h = Harness(BIDS, ASKS)
        h.send(limit("a", BUY, 10, 100))
        assert h.book([(100, 50)], [(100, 30)]) == []

    def test_quote_when_it_comes_to_our_price_with_nobody_ahead_then_fills(self) -> None:
        h = Harness([(98, 5)], [(105, 5)])
        h.send(limit("a", BUY, 10, 100))
        assert fills(h.book([(98, 5)], [(100, 6)])) == [("a", 6, 100)]


class TestReplacing:
    def test_replace_when_quantity_falls_at_the_same_price_then_keeps_its_place(self) -> None:
        h = Harness([(100, 5)], ASKS)
        h.send(limit("a", BUY, 10, 100))
        h.book([(100, 25)], ASKS)
        assert kinds(h.replace("a2", "a", 8, 100)) == [Kind.REPLACED]
        assert fills(h.sold(100, 6)) == [("a2", 1, 100)]

    def test_replace_when_quantity_rises_then_goes_to_the_end(self) -> None:
        h = Harness([(100, 5)], ASKS)
        h.send(limit("a", BUY, 10, 100))
        h.book([(100, 25)], ASKS)
        h.replace("a2", "a", 11, 100)
        assert fills(h.sold(100, 25)) == []
        assert fills(h.sold(100, 1)) == [("a2", 1, 100)]

    def test_replace_when_new_price_is_marketable_then_takes_depth(self) -> None:
        h = Harness(BIDS, ASKS)
        h.send(limit("a", BUY, 40, 100))
        outcomes = h.replace("a2", "a", 40, 101)
        assert kinds(outcomes) == [Kind.REPLACED, Kind.TRADE]
        assert fills(outcomes) == [("a2", 30, 101)]

    def test_replace_when_quantity_equals_what_is_filled_then_the_order_is_filled(self) -> None:
        h = Harness([(100, 0)], ASKS)
        h.send(limit("a", BUY, 10, 100))
        h.sold(100, 4)
        outcome = h.replace("a2", "a", 4, 100)[0]
        assert (outcome.kind, outcome.status, outcome.leaves) == (Kind.REPLACED, OrdStatus.FILLED, 0)
        assert fills(h.sold(100, 4)) == []


class TestSelfTrade:
    def test_order_when_it_would_meet_our_own_then_stops_before_it_and_the_rest_is_canceled(self) -> None:
        h = Harness(BIDS, [(101, 30), (102, 40), (103, 9)])
        h.send(limit("ask", SELL, 5, 102))
        h.book(BIDS, [(101, 30), (102, 50), (103, 9)])  # 40 ahead of it, 10 behind
        outcomes = h.send(limit("bid", BUY, 60, 103))
        assert fills(outcomes) == [("bid", 30, 101), ("bid", 30, 102)]
        outcomes = h.send(limit("more", BUY, 60, 103))
        assert fills(outcomes) == [("more", 10, 102)]
        assert outcomes[-1].kind is Kind.CANCELED
        assert "self-trade" in outcomes[-1].text

    def test_market_order_when_our_own_is_the_best_quote_then_is_canceled(self) -> None:
        h = Harness([(99, 20)], ASKS)
        h.send(limit("bid", BUY, 5, 100))
        outcomes = h.send(market("ask", SELL, 5))
        assert kinds(outcomes) == [Kind.NEW, Kind.CANCELED]

    def test_order_when_it_crosses_another_clients_then_neither_sees_the_other(self) -> None:
        h = Harness(BIDS, [(105, 5)])
        h.send(limit("ask", SELL, 5, 103, owner="YOU"))
        assert kinds(h.send(limit("bid", BUY, 5, 104))) == [Kind.NEW]


class TestPhases:
    def test_order_when_halted_then_waits_and_enters_at_the_first_book_after_the_halt(self) -> None:
        h = Harness(BIDS, ASKS)
        h.phase(TradingPhase.HALTED)
        assert kinds(h.send(limit("a", BUY, 10, 101))) == [Kind.NEW]
        assert h.book(BIDS, ASKS) == []
        assert h.phase(TradingPhase.CONTINUOUS) == []
        assert fills(h.book(BIDS, ASKS)) == [("a", 10, 101)]

    def test_resting_order_when_halted_then_prints_and_quotes_fill_nothing(self) -> None:
        h = Harness([(90, 5)], ASKS)
        h.send(limit("a", BUY, 10, 100))
        h.phase(TradingPhase.HALTED)
        assert h.sold(95, 100) == []
        assert h.book([(90, 5)], [(95, 100)]) == []

    def test_order_when_it_must_trade_at_once_in_a_halt_then_is_rejected(self) -> None:
        h = Harness(BIDS, ASKS)
        h.phase(TradingPhase.HALTED)
        assert kinds(h.send(market("a", BUY, 1))) == [Kind.REJECTED]

    def test_cancel_when_halted_then_is_done(self) -> None:
        h = Harness(BIDS, ASKS)
        h.phase(TradingPhase.HALTED)
        h.send(limit("a", BUY, 10, 101))
        assert kinds(h.cancel("c", "a")) == [Kind.CANCELED]
        h.phase(TradingPhase.CONTINUOUS)
        assert h.book(BIDS, ASKS) == []

    def test_day_order_when_the_session_closes_then_expires_and_good_till_cancel_stays(self) -> None:
        h = Harness(BIDS, ASKS)
        h.send(limit("day", BUY, 10, 100))
        h.send(limit("gtc", BUY, 10, 100, time_in_force=TimeInForce.GTC))
        outcomes = h.phase(TradingPhase.CLOSED)
        assert [(o.kind, o.cl_ord_id, o.leaves) for o in outcomes] == [(Kind.EXPIRED, "day", 0)]
        assert kinds(h.send(limit("late", BUY, 10, 100))) == [Kind.REJECTED]
        assert h.exchange.working == 1

    def test_queue_when_market_was_out_of_sight_then_is_never_further_back(self) -> None:
        h = Harness(BIDS, ASKS)
        h.send(limit("a", BUY, 10, 100))
        h.exchange.pause()
        h.sold(100, 40)
        h.book([(100, 20)], ASKS)
        h.exchange.resume()
        h.book([(100, 30)], ASKS)
        assert fills(h.sold(100, 30)) == []
        assert fills(h.sold(100, 1)) == [("a", 1, 100)]


def test_event_when_of_another_venue_or_instrument_then_is_ignored_and_counted() -> None:
    h = Harness(BIDS, ASKS)
    h.book([(200, 1)], [(201, 1)], venue="ELSEWHERE")
    h.book([(200, 1)], [(201, 1)], symbol="NOBODY")
    assert h.exchange.ignored == 2
    assert fills(h.send(market("a", BUY, 1))) == [("a", 1, 101)]


def test_print_when_taker_bought_at_our_ask_then_fills_it() -> None:
    h = Harness(BIDS, [(101, 3)])
    h.send(limit("a", SELL, 2, 101))
    assert fills(h.trade(101, 4, Aggressor.BUY)) == [("a", 1, 101)]
