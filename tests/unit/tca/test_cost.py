"""Cost of a parent, against numbers worked out by hand."""

from decimal import Decimal

import pytest

from service.model.events import ChildFill, ChildFilled, Liquidity, ParentSnapshot
from service.model.market import BookSnapshot, Trade
from service.model.orders import ParentOrder, ParentStatus, Side
from service.model.reference import Instrument, Venue
from service.tca.cost import ParentCost, fee, parent_cost
from service.tca.tape import Tape

INSTRUMENT = Instrument(symbol="AURA", venue="XSIM", currency="USD", price_exponent=4, tick=100)
VENUE = Venue(name="XSIM", maker_fee_bps=Decimal("-0.2"), taker_fee_bps=Decimal("0.3"))


def fill(at: int, quantity: int, price: int, liquidity: Liquidity, side: Side = Side.BUY) -> ChildFill:
    return ChildFilled(
        child_id="P.1",
        parent_id="P",
        cl_ord_id="c",
        symbol="AURA",
        ts_event=at,
        ts_utc=at,
        exec_id=f"e{at}",
        side=side,
        last_quantity=quantity,
        last_price=price,
        cum_quantity=quantity,
        leaves_quantity=0,
        liquidity=liquidity,
    )


def snapshot(side: Side, quantity: int, status: ParentStatus) -> ParentSnapshot:
    parent = ParentOrder(
        id="P", symbol="AURA", side=side, quantity=quantity, policy="twap", account="A", trader="t", ts_utc=0
    )
    return ParentSnapshot(
        parent=parent, version=1, status=status, window_start=100, window_end=1_000, arrival_price=1_000_000
    )


def market() -> Tape:
    tape = Tape()
    for at, bid, ask in ((0, 999_900, 1_000_100), (300, 1_001_900, 1_002_100), (600, 1_003_900, 1_004_100)):
        tape.add_book(
            BookSnapshot(
                symbol="AURA", venue="XSIM", ts_event=at, ts_utc=0, seq=at, bids=((bid, 1),), asks=((ask, 1),)
            )
        )
    for at, price, quantity in ((50, 1, 1), (200, 1_000_000, 100), (400, 1_003_000, 200)):
        tape.add_trade(
            Trade(symbol="AURA", venue="XSIM", ts_event=at, ts_utc=0, seq=at, price=price, quantity=quantity)
        )
    return tape


def cost(side: Side, quantity: int, status: ParentStatus, fills: list[ChildFill]) -> ParentCost:
    return parent_cost(
        snapshot(side, quantity, status),
        began=90,
        ended=1_000,
        reason="",
        children=3,
        fills=fills,
        instrument=INSTRUMENT,
        venue=VENUE,
        tape=market(),
    )


def test_a_filled_buy_is_measured_up_to_its_last_fill() -> None:
    fills = [fill(200, 100, 1_000_000, Liquidity.ADDED), fill(500, 300, 1_002_000, Liquidity.REMOVED)]
    result = cost(Side.BUY, 400, ParentStatus.FILLED, fills)
    # average (100 x 100.00 + 300 x 100.20) / 400 = 100.15; arrival 100.00
    assert result.average_price == pytest.approx(100.15)
    assert result.shortfall_bps == pytest.approx(15.0)
    assert result.interval == (100, 500)
    # prints of 100..500: (100 x 100.00 + 200 x 100.30) / 300 = 100.20
    assert result.interval_vwap == pytest.approx(100.20)
    assert result.vwap_slippage_bps == pytest.approx((100.15 - 100.20) / 100.20 * 1e4)
    # mid 100.00 for 200 ns, 100.20 for 200 ns
    assert result.interval_twap == pytest.approx(100.10)
    assert result.twap_slippage_bps == pytest.approx((100.15 - 100.10) / 100.10 * 1e4)
    assert result.passive_share == 0.25
    assert result.fill_rate == 1.0
    # 10,000 at -0.2 bps and 30,060 at 0.3 bps
    assert result.fees == pytest.approx(-0.2 + 0.9018)
    assert result.total_shortfall_bps == pytest.approx(15.0 + (0.9018 - 0.2) / 40_000 * 1e4)


def test_a_sell_that_gets_less_than_arrival_pays_a_positive_cost() -> None:
    result = cost(
        Side.SELL, 100, ParentStatus.FILLED, [fill(200, 100, 999_000, Liquidity.REMOVED, Side.SELL)]
    )
    assert result.shortfall_bps == pytest.approx(10.0)
    assert result.side == "sell"


def test_what_was_not_filled_costs_the_move_of_the_mid_when_a_parent_expires() -> None:
    result = cost(Side.BUY, 400, ParentStatus.EXPIRED, [fill(200, 100, 1_000_000, Liquidity.UNKNOWN)])
    assert result.fill_rate == 0.25
    assert result.interval == (100, 1_000)
    assert result.shortfall_bps == 0.0
    # 300 of 400 lots missed a mid that went from 100.00 to 100.40, and 0.30 of fees
    assert result.total_shortfall_bps == pytest.approx(300 * 0.40 / 40_000 * 1e4 + 0.30 / 40_000 * 1e4)


def test_a_parent_without_fills_has_no_average_and_no_slippage() -> None:
    result = cost(Side.BUY, 400, ParentStatus.CANCELED, [])
    assert result.average_price is None
    assert result.shortfall_bps is None
    assert result.vwap_slippage_bps is None
    assert result.passive_share is None
    assert result.fees == 0.0
    assert result.total_shortfall_bps == pytest.approx(40.0)


def test_a_fill_is_charged_as_taking_when_it_is_not_known_to_add() -> None:
    assert fee(fill(1, 100, 1_000_000, Liquidity.UNKNOWN), INSTRUMENT, VENUE) == Decimal("0.3")
    assert fee(fill(1, 100, 1_000_000, Liquidity.ADDED), INSTRUMENT, VENUE) == Decimal("-0.2")
