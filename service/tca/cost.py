"""Cost of one parent against its benchmarks (A. Perold, The Implementation Shortfall, JPM 14(3), 1988).

A positive number of basis points is a cost, for a buy and for a sell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from service.model.events import ChildFill, Liquidity, ParentSnapshot
from service.model.orders import ParentStatus
from service.model.reference import Instrument, Venue
from service.tca.tape import Tape

BPS: Final = 10_000


@dataclass(frozen=True, slots=True)
class ParentCost:
    """What became of one parent.

    Attributes:
        quantity, filled: Lots.
        average_price, arrival_price, interval_vwap, interval_twap: Currency; None without fills, or
            without a print or quote in the interval.
        shortfall_bps: Average price against arrival price, on the filled quantity.
        total_shortfall_bps: Perold's: execution on what was filled, the move of the mid on what was not
            (opportunity), and fees, over the whole quantity at the arrival price.
        vwap_slippage_bps, twap_slippage_bps: Average price against the market's in the same interval.
        children: Orders sent.
        passive_share: Part of the filled quantity that added liquidity (FIX tag 851 = 1).
        fees: Currency; a rebate is negative.
        interval: Market time from the begin of its work to its last fill if it was filled, else its end.
    """

    id: str
    symbol: str
    side: str
    policy: str
    quantity: int
    filled: int
    average_price: float | None
    arrival_price: float
    shortfall_bps: float | None
    vwap_slippage_bps: float | None
    twap_slippage_bps: float | None
    children: int
    passive_share: float | None
    fees: float
    state: str
    reason: str
    interval_vwap: float | None
    interval_twap: float | None
    total_shortfall_bps: float | None
    interval: tuple[int, int]

    @property
    def fill_rate(self) -> float:
        """Filled part of the quantity."""
        return self.filled / self.quantity if self.quantity else 0.0


def parent_cost(
    state: ParentSnapshot,
    *,
    began: int,
    ended: int,
    reason: str,
    children: int,
    fills: Sequence[ChildFill],
    instrument: Instrument,
    venue: Venue,
    tape: Tape,
) -> ParentCost:
    """Measure one parent.

    Args:
        state: Its newest state.
        began: Market time of its admission.
        ended: Market time of its close, or now.
        reason: Why it closed, or why it has not.
        children: Orders sent for it.
        fills: Its executions, each once.
        venue: Whose fees apply.
        tape: Market of its instrument.
    """
    parent = state.parent
    filled = sum(fill.last_quantity for fill in fills)
    money = sum(fill.last_quantity * fill.last_price for fill in fills)
    average = money / filled if filled else None
    start = max(state.window_start, began)
    last_fill = max((fill.ts_event for fill in fills), default=ended)
    end = max(start, last_fill if state.status is ParentStatus.FILLED else ended)
    vwap, twap = tape.vwap(start, end), tape.twap(start, end)
    added = sum(fill.last_quantity for fill in fills if fill.liquidity is Liquidity.ADDED)
    fees = sum((fee(fill, instrument, venue) for fill in fills), Decimal(0))
    sign = parent.side.sign

    def price(units: float | None) -> float | None:
        return None if units is None else units / 10**instrument.price_exponent

    return ParentCost(
        id=parent.id,
        symbol=parent.symbol,
        side=parent.side.name.lower(),
        policy=parent.policy,
        quantity=parent.quantity,
        filled=filled,
        average_price=price(average),
        arrival_price=state.arrival_price / 10**instrument.price_exponent,
        shortfall_bps=slippage_bps(sign, average, state.arrival_price),
        vwap_slippage_bps=slippage_bps(sign, average, vwap),
        twap_slippage_bps=slippage_bps(sign, average, twap),
        children=children,
        passive_share=added / filled if filled else None,
        fees=float(fees),
        state=state.status.value,
        reason=reason,
        interval_vwap=price(vwap),
        interval_twap=price(twap),
        total_shortfall_bps=_total_bps(state, money, filled, tape.mid(end), float(fees), instrument),
        interval=(start, end),
    )


def slippage_bps(sign: int, average: float | None, benchmark: float | None) -> float | None:
    """``average`` against ``benchmark`` in basis points, a cost positive; None where either is missing."""
    if average is None or not benchmark:
        return None
    return sign * (average - benchmark) / benchmark * BPS


def fee(fill: ChildFill, instrument: Instrument, venue: Venue) -> Decimal:
    """What the venue charges for a fill, in currency; what is not known to add is charged as taking."""
    rate = venue.maker_fee_bps if fill.liquidity is Liquidity.ADDED else venue.taker_fee_bps
    return instrument.money(fill.last_quantity * fill.last_price) * rate / BPS


def _total_bps(
    state: ParentSnapshot, money: int, filled: int, final: float | None, fees: float, instrument: Instrument
) -> float | None:
    arrival, quantity = state.arrival_price, state.parent.quantity
    unfilled = quantity - filled
    if not arrival or not quantity or (unfilled and final is None):
        return None
    execution = money - filled * arrival
    opportunity = unfilled * ((final or 0.0) - arrival) if unfilled else 0.0
    paper = quantity * arrival
    in_currency = float(instrument.money(paper))
    return (state.parent.side.sign * (execution + opportunity) / paper + fees / in_currency) * BPS
