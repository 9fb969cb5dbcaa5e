"""Orders that a person sends for a parent that they have taken over. The gate judges them like any other."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

import msgspec
from litestar import Controller, Request, post
from litestar.datastructures import State
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, JSONBody

from service.console.accounts import Right, User
from service.console.errors import Conflict, Refusal
from service.console.hub import Hub
from service.console.parameters import price_units
from service.console.routes_parents import instrument_of, mine
from service.console.rows import ParentRow
from service.console.sessions import Session
from service.console.state import Console, fresh, needs
from service.model.events import ChildDenied, ChildRejected
from service.model.orders import OrdType, Side, SubmitChild, TimeInForce
from service.model.records import Decision
from service.model.stream import hand_of

Asking = Request[User, Session, Any]
Words = Annotated[str, msgspec.Meta(max_length=500)]

_TIMES_IN_FORCE = {"day": TimeInForce.DAY, "ioc": TimeInForce.IOC}


class HandOrder(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One order by hand.

    Attributes:
        version: Of the parent, as the person saw it.
        quantity: Lots.
        price: Decimal, in the instrument's currency; None for a market order.
    """

    version: Annotated[int, msgspec.Meta(ge=0)]
    quantity: Annotated[int, msgspec.Meta(gt=0, le=1_000_000_000)]
    price: Annotated[str, msgspec.Meta(min_length=1, max_length=32)] | None = None
    time_in_force: Literal["day", "ioc"] = "day"
    reason: Words = ""


class HandCancel(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Why a child is taken back."""

    reason: Words = ""


class Child(msgspec.Struct, kw_only=True):
    """The child, and what was done about it."""

    child: str
    outcome: str


def _parent(hub: Hub, user: User, parent_id: str) -> ParentRow:
    row = hub.blotter.parents.get(parent_id)
    if row is None:
        raise NotFoundException(f"no parent {parent_id} was ever admitted here")
    mine(hub, user, row)
    return row


def _decided(
    hub: Hub, row: ParentRow, user: User, action: str, child: str, quantity: int, price: int
) -> None:
    """C24: who decided stands where a policy's decisions do."""
    utc = time.time_ns()
    decision = Decision(
        runner_id=hand_of(user.name),
        input_seq=0,
        parent_id=row.id,
        symbol=row.symbol,
        ts_event=hub.blotter.market_now(utc),
        ts_utc=utc,
        action=action,
        policy=f"manual/{user.name}",
        child_id=child,
        quantity=quantity,
        price=price,
        target=row.target,
        filled=row.filled,
        working=row.working,
        reason=f"by hand of {user.name}",
    )
    hub.decided(decision)


class HandRoutes(Controller):
    """Single children of a parent, one press each."""

    path = "/api/parents/{parent_id:str}/orders"
    tags = ("parents",)

    @post("/", guards=[needs(Right.TRADE), fresh], status_code=201, summary="Send one order by hand")
    async def submit(
        self, request: Asking, parent_id: FromPath[str], data: JSONBody[HandOrder], state: State
    ) -> Child:
        console: Console = state.console
        hub, user = console.hub, request.user
        row = _parent(hub, user, parent_id)
        if row.taken_over != user.name:
            who = f"{row.taken_over} has it" if row.taken_over else f"{row.policy} works it"
            raise Refusal(f"{who}: take {parent_id} over first")
        if data.version != row.version:
            raise Conflict(f"{parent_id} is at version {row.version} now, you saw {data.version}: look again")
        instrument = instrument_of(hub, row.symbol)
        price = 0 if data.price is None else price_units(data.price, instrument, "price")
        if price <= 0 and data.price is not None:
            raise Refusal(f"price {data.price!r}: a limit has a positive price")
        order = SubmitChild(
            child_id="",
            parent_id=row.id,
            parent_version=row.version,
            symbol=row.symbol,
            side=Side[row.side.upper()],
            ord_type=OrdType.MARKET if data.price is None else OrdType.LIMIT,
            quantity=data.quantity,
            price=price,
            time_in_force=_TIMES_IN_FORCE[data.time_in_force],
            policy=f"manual/{user.name}",
            reason="by_hand",
        )
        at = "market" if data.price is None else data.price
        with console.pressed(
            request, f"order by hand {row.side} {data.quantity} at {at}", row.id, data.reason
        ):
            answer = await hub.hands.submit(user.name, order, console.wait)
            if isinstance(answer, ChildDenied):
                raise Refusal(f"{answer.child_id}: {answer.control} {answer.code} {answer.detail}")
            if isinstance(answer, ChildRejected):
                raise Refusal(f"{answer.child_id}: {answer.reason}")
        _decided(hub, row, user, "submit", answer.child_id, data.quantity, price)
        return Child(child=answer.child_id, outcome="sent")

    @post(
        "/{child_id:str}/cancel",
        guards=[needs(Right.TRADE), fresh],
        status_code=200,
        summary="Ask for one child back",
    )
    async def cancel(
        self,
        request: Asking,
        parent_id: FromPath[str],
        child_id: FromPath[str],
        data: JSONBody[HandCancel],
        state: State,
    ) -> Child:
        console: Console = state.console
        hub, user = console.hub, request.user
        row = _parent(hub, user, parent_id)
        child = hub.blotter.children.get(child_id)
        if child is None or child.parent != parent_id:
            raise NotFoundException(f"{parent_id} has no child {child_id}")
        with console.pressed(request, "cancel child by hand", child_id, data.reason):
            await hub.hands.cancel(user.name, parent_id, child_id, console.wait)
        _decided(hub, row, user, "cancel", child_id, max(0, child.quantity - child.filled), child.price)
        return Child(child=child_id, outcome="asked")
