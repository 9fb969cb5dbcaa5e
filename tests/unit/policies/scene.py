"""A parent and a market as a policy sees them, made by hand."""

from typing import Any

from service.market.instrument import InstrumentMarket
from service.model.market import BookSnapshot
from service.model.orders import Objective, Side, TimeInForce
from service.model.parameters import Parameters
from service.model.reference import Instrument
from service.model.time import SECOND, Now
from service.policy.contract import Child, ParentView, View

AURA = Instrument(symbol="AURA", venue="XSIM", currency="USD", tick=100)
OPEN = 1_340_285_400 * SECOND
"""2012-06-21, 09:30 in New York."""

UTC = 1_790_000_000 * SECOND


def market(
    bids: tuple[tuple[int, int], ...] = ((9_900, 300), (9_800, 500)),
    asks: tuple[tuple[int, int], ...] = ((10_000, 200), (10_100, 500)),
) -> InstrumentMarket:
    made = InstrumentMarket(AURA)
    made.apply(
        BookSnapshot(symbol="AURA", venue="XSIM", ts_event=OPEN, ts_utc=UTC, seq=1, bids=bids, asks=asks)
    )
    return made


def view(
    seconds: float = 0.0,
    *,
    side: Side = Side.BUY,
    quantity: int = 2_400,
    window: int = 1_200,
    start: int = OPEN,
    filled: int = 0,
    due: int = 0,
    volume: int = 0,
    children: tuple[Child, ...] = (),
    book: InstrumentMarket | None = None,
    clip_cap: int = 0,
    resumed_at: int = 0,
    behind_at_resume: int = 0,
    next_child: int = 1,
    id_: str = "P1",
    **parameters: Any,
) -> View:
    """A view ``seconds`` into the window."""
    passed = round(seconds * SECOND)
    return View(
        Now(start + passed, UTC + passed),
        AURA,
        book or market(),
        ParentView(
            id=id_,
            side=side,
            quantity=quantity,
            objective=Objective.ARRIVAL,
            parameters=Parameters(**parameters),
            start=start,
            end=start + window * SECOND,
            filled=filled,
            working=sum(c.leaves for c in children),
            due=due,
            market_volume=volume,
            arrival_price=9_950,
            children=children,
            resumed_at=resumed_at,
            behind_at_resume=behind_at_resume,
            clip_cap=clip_cap,
            next_child=next_child,
        ),
    )


def child(
    number: int = 1,
    *,
    side: Side = Side.BUY,
    price: int = 9_900,
    leaves: int = 100,
    acknowledged: bool = True,
    pending: str = "",
    time_in_force: TimeInForce = TimeInForce.DAY,
) -> Child:
    """A child that was sent at the start of the window."""
    return Child(
        child_id=f"P1.{number}",
        side=side,
        price=price,
        quantity=leaves,
        filled=0,
        leaves=leaves,
        acknowledged=acknowledged,
        pending=pending,
        since=OPEN,
        time_in_force=time_in_force,
        since_utc=UTC,
    )
