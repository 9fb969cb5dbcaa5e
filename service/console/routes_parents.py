"""Parents: the ticket, its estimate, handing in, changing, taking over; one parent's page."""

from __future__ import annotations

import itertools
import time
from collections.abc import Collection
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from litestar import Controller, Request, get, post
from litestar.datastructures import State
from litestar.exceptions import NotFoundException, PermissionDeniedException
from litestar.params import FromPath, FromQuery, JSONBody

from service.console.accounts import Right, User
from service.console.desk import check_policy, command, new_id
from service.console.errors import Conflict, Refusal
from service.console.estimate import CostNow, Estimate, before_trading, taking_now
from service.console.hub import Hub
from service.console.parameters import OBJECTIVES, parameters, unit_for_people
from service.console.rows import ChildRow, DecisionRow, FillRow, ParentRow
from service.console.sessions import Session
from service.console.state import Console, fresh, needs
from service.model.events import ParentEvent, ParentRefused
from service.model.orders import NewParent, Objective, ParentOrder, Side
from service.model.parameters import CatchUp
from service.model.reference import Instrument
from service.model.time import MINUTE, SECOND
from service.policy.registry import describe, discover

Asking = Request[User, Session, Any]
Id = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
Words = Annotated[str, msgspec.Meta(max_length=500)]
Most = Annotated[int, msgspec.Meta(ge=0, le=20_000)]
T = TypeVar("T")


class Ticket(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A new parent, as a person writes it: decimal prices, ISO times, numbers or text for parameters."""

    symbol: str
    side: Literal["buy", "sell"]
    quantity: Annotated[int, msgspec.Meta(gt=0)]
    policy: str
    account: str
    id: Id | None = None
    objective: Objective | None = None
    parameters: dict[str, str | int | float | bool] = {}
    reason: Words = ""


class Change(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A change of a parent. ``version`` is the one that the person saw: moved on, nothing is done.

    Attributes:
        action: ``takeover`` stops the policy and lets this person alone send children; ``resume`` hands back.
        policy: Of an amendment: works the parent from now on.
        unset: Parameters, set now, that ``policy`` does not take: named, so that none is lost unseen.
    """

    action: Literal["amend", "pause", "resume", "cancel", "takeover"]
    version: Annotated[int, msgspec.Meta(ge=0)]
    reason: Words = ""
    quantity: Annotated[int, msgspec.Meta(gt=0)] | None = None
    changes: dict[str, str | int | float | bool] = {}
    policy: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None
    unset: list[Annotated[str, msgspec.Meta(max_length=64)]] = []
    catch_up: CatchUp | None = None


class Outcome(msgspec.Struct, kw_only=True):
    """What the gateway made of a command."""

    parent: str
    status: str
    version: int


class ParentPage(msgspec.Struct, kw_only=True):
    """Everything about one parent; of children, fills and decisions the newest, as many as were asked for."""

    parent: ParentRow
    children: list[ChildRow]
    fills: list[FillRow]
    decisions: list[DecisionRow]
    progress: list[tuple[int, int, int]]
    plan: list[tuple[int, int]]
    mids: list[tuple[int, int]]
    now: CostNow | None
    rest: Estimate | None


def instrument_of(hub: Hub, symbol: str) -> Instrument:
    found = hub.reference.by_symbol.get(symbol)
    if found is None:
        raise Refusal(f"no instrument {symbol} in the reference file")
    return found


def new_parent(hub: Hub, ticket: Ticket, user: User) -> NewParent:
    """The command that a ticket asks for.

    Raises:
        Refusal: Who asks trades under no name, or the instrument or account is unknown.
        DeskError: No such policy, or it takes no such parameter.
        ParameterError: A parameter cannot be used.
    """
    if not user.trader:
        raise Refusal(f"{user.name} has no trader's name in the file of users")
    if ticket.account not in hub.reference.by_account:
        raise Refusal(f"no account {ticket.account} in the reference file")
    instrument = instrument_of(hub, ticket.symbol)
    check_policy(ticket.policy, ticket.parameters)
    utc = time.time_ns()
    parent = ParentOrder(
        id=ticket.id or new_id("P"),
        symbol=ticket.symbol,
        side=Side[ticket.side.upper()],
        quantity=ticket.quantity,
        policy=ticket.policy,
        account=ticket.account,
        trader=user.trader,
        ts_utc=utc,
        objective=ticket.objective or OBJECTIVES.get(ticket.policy, Objective.ARRIVAL),
        parameters=parameters(ticket.parameters, instrument),
    )
    return NewParent(command_id=new_id("new"), parent=parent, by=user.name, ts_utc=utc)


def outcome(event: ParentEvent) -> Outcome:
    """What the gateway said.

    Raises:
        Refusal: It refused.
    """
    if isinstance(event, ParentRefused):
        raise Refusal(f"{event.parent_id}: {event.code} {event.detail}")
    state = event.state
    return Outcome(parent=state.parent.id, status=state.status.value, version=state.version)


def _estimate(hub: Hub, order: ParentOrder, window: int, quantity: int) -> Estimate:
    market, instrument = hub.blotter.markets.get(order.symbol), instrument_of(hub, order.symbol)
    reference = market.reference if market is not None else 0
    return before_trading(
        quantity,
        window,
        daily_volume=instrument.reference_volume,
        spread_bps=market.spread_bps if market is not None else 0.0,
        volatility_bps=market.volatility_bps if market is not None else 0.0,
        value=float(instrument.money(quantity * reference)) if reference else None,
        cap=order.parameters.max_participation,
        passive=1.0 if order.parameters.passive_only else 0.0,
    )


def _window(hub: Hub, order: ParentOrder) -> int:
    """Nanoseconds of market time that the parent would have, if it were admitted now."""
    now, given = hub.blotter.market_now(time.time_ns()), order.parameters
    start = max(given.start_time or now, now)
    if given.duration is not None:
        return int(given.duration * SECOND)
    end = given.end_time or (hub.blotter.clock.market_end if hub.blotter.clock is not None else 0)
    return max(0, end - start)


def _newest(rows: Collection[T], most: int) -> list[T]:
    """The newest, oldest of them first."""
    return list(itertools.islice(rows, max(0, len(rows) - most), None))


def amendment(hub: Hub, row: ParentRow, data: Change) -> dict[str, Any]:
    """Fields of the command that amends a parent so.

    Raises:
        Refusal: There is nothing to amend, or the new policy does not take a parameter that is set.
        DeskError: No such policy.
        ParameterError: A parameter cannot be used.
    """
    if data.quantity is None and not data.changes and data.policy is None:
        raise Refusal("nothing to amend: give a quantity, a parameter or a policy")
    if data.unset and data.policy is None:
        raise Refusal("parameters are unset by a change of policy alone")
    if data.policy is not None:
        check_policy(data.policy, data.changes)
        takes = discover().policies[data.policy].takes
        left = [name for name in row.parameters if name not in takes and name not in data.unset]
        if left:
            raise Refusal(f"{data.policy} takes no {', '.join(left)}: name what falls away in unset")
    return {
        "quantity": data.quantity,
        "changes": parameters(data.changes, instrument_of(hub, row.symbol)),
        "policy": data.policy,
        "unset": tuple(data.unset),
    }


def mine(hub: Hub, user: User, parent: ParentRow) -> None:
    """Refuse what is somebody else's.

    Raises:
        PermissionDeniedException: Neither one's own, nor of one's own desk with the right for it.
    """
    if parent.trader == user.trader:
        return
    own = hub.reference.by_trader.get(user.trader)
    if Right.TRADE_DESK in user.rights and own is not None and own.desk == parent.desk:
        return
    raise PermissionDeniedException(f"{parent.id} is {parent.trader}'s")


class ParentRoutes(Controller):
    """Everything goes over ``parents.v1`` to the gateway, which alone admits."""

    path = "/api/parents"
    tags = ("parents",)

    @get("/", guards=[needs(Right.SEE)], summary="All parents")
    async def all(self, state: State) -> list[ParentRow]:
        console: Console = state.console
        return list(console.hub.blotter.parents.values())

    @get("/policies", guards=[needs(Right.SEE)], summary="Policies with the parameters that each takes")
    async def policies(self) -> list[dict[str, Any]]:
        return [policy_ticket(name) for name in discover().policies]

    @post("/estimate", guards=[needs(Right.TRADE)], status_code=200, summary="Cost, risk and completion")
    async def estimate(self, request: Asking, data: JSONBody[Ticket], state: State) -> Estimate:
        console: Console = state.console
        order = new_parent(console.hub, data, request.user).parent
        return _estimate(console.hub, order, _window(console.hub, order), order.quantity)

    @post("/", guards=[needs(Right.TRADE), fresh], status_code=201, summary="Hand in a parent")
    async def create(self, request: Asking, data: JSONBody[Ticket], state: State) -> Outcome:
        console: Console = state.console
        given = new_parent(console.hub, data, request.user)
        what = f"{data.side} {data.quantity} {data.symbol} by {data.policy}"
        with console.pressed(request, f"new parent {what}", given.parent.id, data.reason):
            return outcome(await console.hub.command(given, console.wait))

    @get("/{parent_id:str}", guards=[needs(Right.SEE)], summary="One parent with all that belongs to it")
    async def one(
        self,
        parent_id: FromPath[str],
        state: State,
        children: FromQuery[Most] = 500,
        fills: FromQuery[Most] = 500,
        decisions: FromQuery[Most] = 500,
    ) -> ParentPage:
        console: Console = state.console
        hub = console.hub
        blotter = hub.blotter
        row, known = blotter.parents.get(parent_id), blotter.snapshots.get(parent_id)
        if row is None or known is None:
            raise NotFoundException(f"no parent {parent_id} was ever admitted here")
        instrument, market = instrument_of(hub, row.symbol), blotter.markets.get(row.symbol)
        minutes = max(0, row.window_end - row.window_start) / MINUTE
        policy = discover().policies.get(row.policy)
        left = max(0, row.quantity - row.filled)
        now, rest = None, None
        if market is not None and market.bids and market.asks and left and not row.ended:
            levels, sign = (market.asks, 1) if row.side == "buy" else (market.bids, -1)
            now = taking_now(left, sign, levels, (market.bids[0][0] + market.asks[0][0]) / 2)
            to_end = max(0, row.window_end - blotter.market_now(time.time_ns()))
            rest = _estimate(hub, known.parent, to_end, left)
        expected = int(instrument.reference_volume * minutes / 390)
        return ParentPage(
            parent=row,
            children=_newest(blotter.children_of.get(parent_id, {}).values(), children),
            fills=_newest(blotter.fills_of.get(parent_id, ()), fills),
            decisions=_newest(blotter.decisions.get(parent_id, ()), decisions),
            progress=blotter.curves.progress.get(parent_id, []),
            plan=console.plans.of(policy, known, instrument, expected) if policy is not None else [],
            mids=[p for p in blotter.curves.mids.get(row.symbol, []) if p[0] >= row.began],
            now=now,
            rest=rest,
        )

    @post(
        "/{parent_id:str}/change",
        guards=[needs(Right.TRADE), fresh],
        status_code=200,
        summary="Amend, switch the policy, pause, take over, resume or cancel",
    )
    async def change(
        self, request: Asking, parent_id: FromPath[str], data: JSONBody[Change], state: State
    ) -> Outcome:
        console: Console = state.console
        hub = console.hub
        row = hub.blotter.parents.get(parent_id)
        if row is None:
            raise NotFoundException(f"no parent {parent_id} was ever admitted here")
        mine(hub, request.user, row)
        # A cancel or a pause is never too late.
        if data.version != row.version and data.action in ("amend", "resume"):
            raise Conflict(f"{parent_id} is at version {row.version} now, you saw {data.version}: look again")
        fields: dict[str, Any] = {"reason": data.reason}
        if data.action == "amend":
            fields |= amendment(hub, row, data)
        elif data.quantity is not None or data.changes or data.policy or data.unset:
            raise Refusal(f"{data.action} changes neither quantity nor parameters nor policy")
        if data.action == "resume":
            if data.catch_up is None:
                raise Refusal("say what becomes of what was missed: catch_up is skip, spread or at_once")
            fields |= {"catch_up": data.catch_up}
        action = data.action
        if action == "takeover":
            action, fields = "pause", fields | {"by_hand": True}
        given = command(action, parent_id, row.symbol, request.user.name, **fields)
        with console.pressed(request, f"{data.action} parent", parent_id, data.reason):
            return outcome(await hub.command(given, console.wait))


def policy_ticket(name: str) -> dict[str, Any]:
    """A policy with what a ticket needs to offer its parameters."""
    about = describe(discover().policies[name])
    return {
        "name": about.name,
        "description": about.description,
        "model": about.model,
        "takes": [
            {
                "name": taken.declared.name,
                "kind": taken.declared.type.__name__ if not taken.declared.choices else "choice",
                "unit": unit_for_people(taken.declared.name),
                "help": taken.declared.help,
                "amendable": taken.declared.amendable,
                "low": taken.declared.low,
                "high": taken.declared.high,
                "choices": list(taken.declared.choices),
                "default": msgspec.to_builtins(taken.default),
            }
            for taken in about.takes
        ],
    }
