"""Instruments, and approvals minted by the real gate: there is no other way to get one."""

from decimal import Decimal

from service.fix.messages import Attribution, NewOrderSingle, OrderCancelReplaceRequest
from service.model.market import ReferenceSnapshot, TradingPhase
from service.model.orders import (
    OrdType,
    ParentStatus,
    ReplaceChild,
    Side,
    SubmitChild,
    TimeInForce,
)
from service.model.reference import Account, Instrument, Reference, Venue
from service.model.time import Now
from service.risk.gate import Approved, Gate
from service.risk.limits import (
    DuplicateLimits,
    ExecutionPolicy,
    InstrumentLimits,
    Level,
    LevelLimits,
    Limits,
    LossStage,
    MarketDataLimits,
)
from service.risk.snapshots import (
    ChildFacts,
    ExposureFacts,
    Facts,
    HaltFacts,
    LevelFacts,
    MarketFacts,
    ParentFacts,
    TrafficFacts,
)

AURA = Instrument(symbol="AURA", venue="XSIM", currency="USD", reference_volume=1_000_000)
COIN = Instrument(
    symbol="COIN",
    venue="XSIM",
    currency="USDT",
    price_exponent=2,
    tick=1,
    lot=5,
    quantity_exponent=3,
    reference_volume=1_000_000,
)
INSTRUMENTS = {i.symbol: i for i in (AURA, COIN)}
ATTRIBUTION = Attribution(trader="alice", desk="EQUITIES", client="NORTHWIND")
TRANSACT = 1_795_255_200_123_456_789
"""2026-11-21 10:00:00.123456789 UTC."""

_NAMES = ("twap", "alice", "EQUITIES", "NORTHWIND", "SLIPSTREAM")
_NOW = Now(market=1_000, utc=1_000)


def _gate(currency: str, venue: str, model: str) -> Gate:
    account = Account(name="NW-1", client="NORTHWIND")
    reference = Reference.model_construct(
        instruments=(AURA, COIN), venues=(Venue.model_construct(name=venue),), accounts=(account,)
    )
    row = InstrumentLimits(
        max_order_quantity=1_000,
        max_order_value=Decimal(1_000_000),
        collar_bps=500,
        max_spread_bps=200,
        max_long=10_000,
        max_short=10_000,
        max_gross=10_000,
        messages_per_second=100,
        max_drift_bps=500,
        calm_spread_bps=100,
        calm_volatility_bps=100,
        max_volume_bps=2_500,
        max_participation_bps=5_000,
        first_lots=10_000,
        locate="not_required",
    )
    million = Decimal(1_000_000)
    row_of_all = LevelLimits(
        messages_per_second=100, max_exposure=million, max_daily_loss=million, max_credit=million
    )
    everything = frozenset({"*"})
    limits = Limits(
        currency=currency,
        restricted=frozenset(),
        strategies={
            "*": ExecutionPolicy(
                order_types=frozenset(OrdType),
                times_in_force=frozenset(TimeInForce),
                venues=everything,
                instruments=everything,
                accounts=everything,
                passive_only=False,
                max_order_value=Decimal(1_000_000),
                max_orders_per_minute=100,
            )
        },
        instruments={"AURA": row, "COIN": row},
        levels={(level, "*"): row_of_all for level in Level},
        duplicates=DuplicateLimits(max_alike=10, window=10**9),
        introductions={"policy=twap": "full", f"model={model}": "full"},
        market_data=MarketDataLimits(max_heartbeat_age=10**9, max_reference_age=10**9),
    )
    return Gate(limits, reference)


def _facts(symbol: str, side: Side, price: int, child: ChildFacts | None = None) -> Facts:
    around = price or 1_000_000
    return Facts(
        parent=ParentFacts(
            id="P1",
            symbol=symbol,
            side=side,
            quantity=10_000,
            limit_price=0,
            window_start=0,
            window_end=10**6,
            version=1,
            status=ParentStatus.WORKING,
            policy="twap",
            account="NW-1",
            arrival_price=around,
            filled=0,
            working=0,
            next_child=1,
            levels=_NAMES,
        ),
        market=MarketFacts(
            reference=ReferenceSnapshot(
                symbol=symbol,
                venue="XSIM",
                ts_event=1_000,
                ts_utc=1_000,
                bid=around,
                ask=around + 100,
                bid_quantity=100,
                ask_quantity=100,
                last=around,
                reference=around,
                open=around,
                volume=0,
                spread_bps=1.0,
                volatility_bps=1.0,
                phase=TradingPhase.CONTINUOUS,
            ),
            heartbeat_utc=1_000,
        ),
        exposure=ExposureFacts(position=0, working_buy=0, working_sell=0, own_bid=0, own_ask=0),
        levels=(LevelFacts(0, 0, LossStage.NORMAL, 0, 0, 0),) * len(_NAMES),
        traffic=TrafficFacts(session=0, instrument=0, alike=0, minute=0, levels=(0, 0, 0, 0, 0)),
        halt=HaltFacts(kill="", logged_on=True, unknown_orders=0, throttled=False),
        child=child,
    )


def approved_submit(
    instrument: Instrument = AURA,
    *,
    side: Side = Side.BUY,
    quantity: int = 100,
    price: int = 1_872_500,
    ord_type: OrdType = OrdType.LIMIT,
    time_in_force: TimeInForce = TimeInForce.DAY,
    display_quantity: int = 0,
    venue: str = "",
    policy: str = "twap",
    model: str = "",
    number: int = 1,
) -> Approved:
    """The gate's approval of one child order."""
    command = SubmitChild(
        child_id=f"P1.{number}",
        parent_id="P1",
        parent_version=1,
        symbol=instrument.symbol,
        side=side,
        ord_type=ord_type,
        quantity=quantity,
        price=price,
        time_in_force=time_in_force,
        policy=policy,
        display_quantity=display_quantity,
        venue=venue,
        model=model,
    )
    return _minted(command, _facts(instrument.symbol, side, price))


def approved_replace(
    instrument: Instrument = AURA,
    *,
    side: Side = Side.BUY,
    quantity: int = 80,
    price: int = 1_872_600,
    model: str = "",
) -> Approved:
    """The gate's approval of one replace of a working limit order."""
    child = ChildFacts(
        side=side,
        ord_type=OrdType.LIMIT,
        time_in_force=TimeInForce.DAY,
        quantity=100,
        filled=0,
        working=True,
        pending=False,
    )
    command = ReplaceChild(
        child_id="P1.1", parent_id="P1", parent_version=1, quantity=quantity, price=price, model=model
    )
    return _minted(command, _facts(instrument.symbol, side, price, child))


def _minted(command: SubmitChild | ReplaceChild, facts: Facts) -> Approved:
    assert facts.parent is not None
    venue = command.venue if isinstance(command, SubmitChild) else ""
    verdict = _gate(INSTRUMENTS[facts.parent.symbol].currency, venue, command.model).check(
        command, facts, _NOW
    )
    assert isinstance(verdict, Approved), verdict
    return verdict


def new_order(
    cl_ord_id: str = "O-1", approved: Approved | None = None, instrument: Instrument = AURA
) -> NewOrderSingle:
    """A NewOrderSingle of ``approved``, by default a limit order for 100 AURA at 187.25."""
    return NewOrderSingle(
        approved=approved or approved_submit(instrument),
        cl_ord_id=cl_ord_id,
        account="NW-1",
        instrument=instrument,
        transact_time=TRANSACT,
        attribution=ATTRIBUTION,
    )


def replace_order(
    cl_ord_id: str = "O-2",
    orig_cl_ord_id: str = "O-1",
    order_id: str = "B-1",
    approved: Approved | None = None,
    display_quantity: int = 0,
) -> OrderCancelReplaceRequest:
    """A replace, by default to 80 AURA at 187.26."""
    return OrderCancelReplaceRequest(
        approved=approved or approved_replace(),
        cl_ord_id=cl_ord_id,
        orig_cl_ord_id=orig_cl_ord_id,
        order_id=order_id,
        account="NW-1",
        instrument=AURA,
        policy="twap",
        transact_time=TRANSACT,
        attribution=ATTRIBUTION,
        display_quantity=display_quantity,
    )
