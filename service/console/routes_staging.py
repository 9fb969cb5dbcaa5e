"""Tickets that wait: staged for the desk, claimed by a trader, released alone or as a list.

A list is released all or none: every ticket of it is checked, then every parent is admitted paused, and only
when the gateway has taken them all is the first one worked on. If it refuses one, all are cancelled.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

import msgspec
from litestar import Controller, Request, get, post
from litestar.datastructures import State
from litestar.exceptions import NotFoundException, PermissionDeniedException
from litestar.params import FromPath, JSONBody

from service.console import staging
from service.console.accounts import Right, User
from service.console.desk import DeskError, command, new_id
from service.console.errors import Conflict, Refusal
from service.console.routes_parents import Outcome, Ticket, new_parent, outcome
from service.console.sessions import Session
from service.console.staging import Staged, StagedRow
from service.console.state import Console, fresh, needs
from service.model.orders import NewParent

Asking = Request[User, Session, Any]
Words = Annotated[str, msgspec.Meta(max_length=500)]
ListName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{0,32}$")]

_MOST_OF_A_LIST = 100


class Keep(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A ticket to be kept and not sent. ``list`` names those that are released together."""

    ticket: Ticket
    list: ListName = ""
    reason: Words = ""


class Act(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a person does with a staged ticket."""

    action: Literal["claim", "return", "discard"]
    reason: Words = ""


class Go(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Why now."""

    reason: Words = ""


def _row(console: Console, ticket_id: str, user: User) -> StagedRow:
    row = console.hub.blotter.staging.rows.get(ticket_id)
    if row is None:
        raise NotFoundException(f"no ticket {ticket_id} is staged")
    if row.desk != _desk(console, user):
        raise PermissionDeniedException(f"{ticket_id} is of desk {row.desk}")
    return row


def _desk(console: Console, user: User) -> str:
    trader = console.hub.reference.by_trader.get(user.trader)
    if trader is None:
        raise Refusal(f"{user.name} has no trader's name in the file of users")
    return trader.desk


def _say(console: Console, user: User, action: str, row: StagedRow, reason: str, detail: str = "") -> None:
    console.say(user, action, row.id, reason, detail=detail, after=row.utc)


class StagingRoutes(Controller):
    """Nothing here is with the gateway before it is released."""

    path = "/api/staging"
    tags = ("staging",)

    @get("/", guards=[needs(Right.SEE)], summary="Tickets that wait, and what became of those that did")
    async def all(self, state: State) -> list[StagedRow]:
        console: Console = state.console
        return list(console.hub.blotter.staging.rows.values())

    @post("/", guards=[needs(Right.TRADE), fresh], status_code=201, summary="Stage a ticket for the desk")
    async def stage(self, request: Asking, data: JSONBody[Keep], state: State) -> StagedRow:
        console: Console = state.console
        new_parent(console.hub, data.ticket, request.user)
        ticket: dict[str, Any] = msgspec.to_builtins(data.ticket)
        detail = Staged(list=data.list, desk=_desk(console, request.user), ticket=ticket)
        ticket_id = new_id("S")
        text = msgspec.json.encode(detail).decode()
        console.say(request.user, staging.STAGE, ticket_id, data.reason, detail=text)
        return console.hub.blotter.staging.rows[ticket_id]

    @post(
        "/{ticket_id:str}/act",
        guards=[needs(Right.TRADE), fresh],
        status_code=200,
        summary="Claim a ticket, give it back, or discard it",
    )
    async def act(
        self, request: Asking, ticket_id: FromPath[str], data: JSONBody[Act], state: State
    ) -> StagedRow:
        console: Console = state.console
        user = request.user
        row = _row(console, ticket_id, user)
        free = ("staged", "claimed")
        if row.status not in free or ticket_id in console.releasing:
            raise Conflict(f"{ticket_id} is {row.status}")
        if data.action == "claim":
            if row.claimed:
                raise Conflict(f"{row.claimed} has claimed {ticket_id}")
            _say(console, user, staging.CLAIM, row, data.reason)
            return row
        if user.name not in (row.claimed, row.by) and Right.TRADE_DESK not in user.rights:
            raise PermissionDeniedException(f"{ticket_id} is {row.claimed or row.by}'s")
        if data.action == "return" and not row.claimed:
            raise Conflict(f"nobody has claimed {ticket_id}")
        action = staging.RETURN if data.action == "return" else staging.DISCARD
        _say(console, user, action, row, data.reason)
        return row

    @post(
        "/{ticket_id:str}/release",
        guards=[needs(Right.TRADE), fresh],
        status_code=200,
        summary="Hand in a claimed ticket that is on no list",
    )
    async def release(
        self, request: Asking, ticket_id: FromPath[str], data: JSONBody[Go], state: State
    ) -> Outcome:
        console: Console = state.console
        row = _row(console, ticket_id, request.user)
        if row.list:
            raise Refusal(f"{ticket_id} is released with its list {row.list}")
        return (await _release(console, request, [row], data.reason, ticket_id))[0]

    @post(
        "/lists/{name:str}/release",
        guards=[needs(Right.TRADE), fresh],
        status_code=200,
        summary="Hand in a list: all of it or none",
    )
    async def release_list(
        self, request: Asking, name: FromPath[str], data: JSONBody[Go], state: State
    ) -> list[Outcome]:
        console: Console = state.console
        desk = _desk(console, request.user)
        rows = [
            row
            for row in console.hub.blotter.staging.rows.values()
            if row.list == name and row.desk == desk and not row.over
        ]
        if not rows or not name:
            raise NotFoundException(f"no ticket of a list {name} waits")
        if len(rows) > _MOST_OF_A_LIST:
            raise Refusal(f"{name} has {len(rows)} tickets; {_MOST_OF_A_LIST} are released together at most")
        return await _release(console, request, rows, data.reason, f"list {name}")


async def _release(
    console: Console, request: Asking, rows: list[StagedRow], reason: str, what: str
) -> list[Outcome]:
    """Hand these in, all or none.

    Raises:
        Conflict: One of them is not claimed by this person, or is being released.
        Refusal: One cannot be, or the gateway has refused one: none is worked on.
    """
    user = request.user
    for row in rows:
        if row.status != "claimed" or row.claimed != user.name or row.id in console.releasing:
            who = f" by {row.claimed}" if row.claimed else ""
            raise Conflict(f"{row.id} is {row.status}{who}: claim all of it first")
    with console.pressed(request, "release", what, reason):
        commands = [_command(console, user, row, paused=len(rows) > 1) for row in rows]
        console.releasing.update(row.id for row in rows)
        try:
            for row, given in zip(rows, commands, strict=True):
                _say(console, user, staging.RELEASE, row, reason, given.parent.id)
            return await _hand_in(console, user, commands)
        finally:
            console.releasing.difference_update(row.id for row in rows)


def _command(console: Console, user: User, row: StagedRow, *, paused: bool) -> NewParent:
    ticket = msgspec.convert(row.ticket, Ticket)
    ticket = msgspec.structs.replace(ticket, id=f"{row.id}-{row.tries + 1}")
    return msgspec.structs.replace(new_parent(console.hub, ticket, user), paused=paused)


async def _hand_in(console: Console, user: User, commands: list[NewParent]) -> list[Outcome]:
    hub = console.hub

    async def admit(given: NewParent) -> Outcome | str:
        try:
            return outcome(await hub.command(given, console.wait))
        except (Refusal, DeskError) as error:
            return error.detail if isinstance(error, Refusal) else f"{given.parent.id}: {error}"

    found = await asyncio.gather(*map(admit, commands))
    wrong = [answer for answer in found if isinstance(answer, str)]
    if wrong:
        # One that has not been answered may still wait for a market: it is taken back, too.
        back = [c.parent for c in commands]
        await asyncio.gather(*(_withdraw(console, user, p.id, p.symbol) for p in back))
        others = " and what was admitted with it is cancelled" if len(commands) > 1 else ""
        raise Refusal(f"nothing is worked on{others}: {'; '.join(wrong[:5])}")
    if len(commands) == 1:
        return [one for one in found if isinstance(one, Outcome)]
    begun = await asyncio.gather(*(_begin(console, user, c) for c in commands))
    held = [answer for answer in begun if isinstance(answer, str)]
    if held:
        raise Refusal(
            f"all were admitted, and {len(held)} of {len(begun)} stay paused: {'; '.join(held[:5])}; "
            "resume or cancel those"
        )
    return [one for one in begun if isinstance(one, Outcome)]


async def _begin(console: Console, user: User, given: NewParent) -> Outcome | str:
    parent = given.parent
    resume = command("resume", parent.id, parent.symbol, user.name, reason="its list is complete")
    try:
        return outcome(await console.hub.command(resume, console.wait))
    except (Refusal, DeskError) as error:
        return error.detail if isinstance(error, Refusal) else f"{parent.id}: {error}"


async def _withdraw(console: Console, user: User, parent_id: str, symbol: str) -> None:
    """Take a parent back, whether it was admitted, refused or is still waiting."""
    back = command("cancel", parent_id, symbol, user.name, reason="its list is not complete")
    try:
        await console.hub.command(back, console.wait)
    except DeskError:
        return  # no gateway answers; it reads this after what it is about, and takes it back
