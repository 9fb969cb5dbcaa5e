"""The gateway's state, kill, what takes two people, orders, limits, and alarms that one person closes.

The console can stop things by itself. Whatever lifts or loosens travels with the proofs of two people.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, get, post
from litestar.datastructures import State
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery, JSONBody

from service.console.accounts import Right, User
from service.console.alerts import read_alerts
from service.console.blotter import ACKNOWLEDGE, CLOSE
from service.console.errors import Conflict, Refusal
from service.console.rows import AlarmRow, Head, MarketRow
from service.console.sessions import Session
from service.console.state import Console, fresh, needs
from service.gateway import control_client
from service.gateway.control import (
    Approve,
    ApproveReply,
    Challenge,
    ChallengeRequest,
    Credentials,
    ExposureRow,
    Propose,
    ProposeReply,
)
from service.gateway.people import May
from service.settings import control_address

Asking = Request[User, Session, Any]
Words = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
Scope = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class KillOrder(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What to stop.

    Attributes:
        typed: The scope, typed by the person: nobody kills by a slip of the mouse.
        reduce_only: Except what only makes holdings smaller, where the limits allow that (C26).
    """

    scope: Scope
    typed: str
    reason: Words
    reduce_only: bool = False


class Proof(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A person's own proof, made in their browser for exactly this request (``docs/kill.md``)."""

    person: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
    number: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    proof: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class Proposed(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What one person proposes."""

    action: May
    proof: Proof
    reason: Words
    target: Annotated[str, msgspec.Meta(max_length=200)] = ""
    text: Annotated[str, msgspec.Meta(max_length=262_144)] = ""


class Approved(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What another person approves: exactly what they saw."""

    action: May
    proof: Proof
    target: Annotated[str, msgspec.Meta(max_length=200)]
    reason: Annotated[str, msgspec.Meta(max_length=500)] = ""


class Comment(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Why an alarm is closed."""

    comment: Words


def _plain(struct: msgspec.Struct) -> dict[str, Any]:
    return {name: msgspec.to_builtins(value) for name, value in msgspec.structs.asdict(struct).items()}


def _order(order: msgspec.Struct) -> dict[str, Any]:
    plain = _plain(order)
    for name in ("side", "status", "ord_type", "time_in_force"):
        if name in plain:
            plain[name] = getattr(order, name).name.lower()
    return plain


class GatewayRoutes(Controller):
    """Straight to the gateway's control socket: works without Kafka and without a runner."""

    path = "/api/gateway"
    tags = ("gateway",)

    @get("/", guards=[needs(Right.SEE)], summary="State of everything in a nutshell")
    async def head(self, state: State) -> Head:
        console: Console = state.console
        return console.hub.head

    @get("/orders", guards=[needs(Right.SEE)], summary="Orders that work or are unknown, foreign ones too")
    async def orders(self, state: State) -> list[dict[str, Any]]:
        console: Console = state.console
        reply = await control_client.orders(console.hub.run_dir, console.wait)
        return [_order(order) for order in reply.orders]

    @get("/exposure", guards=[needs(Right.SEE)], summary="What is held, won and lost, and limits used")
    async def exposure(self, state: State) -> list[dict[str, Any]]:
        console: Console = state.console
        reply = await control_client.exposure(console.hub.run_dir, console.wait)
        return [_exposure(row) for row in reply.rows]

    @get("/held", guards=[needs(Right.SEE)], summary="Orders that a soft limit holds")
    async def held(self, state: State) -> list[dict[str, Any]]:
        console: Console = state.console
        reply = await control_client.blocked(console.hub.run_dir, console.wait)
        return [_plain(one) | {"order": _order(one.order)} for one in reply.blocked]

    @post(
        "/held/{child_id:str}/dismiss",
        guards=[needs(Right.COUNTERSIGN), fresh],
        status_code=200,
        summary="Say no to one order that a soft limit holds",
    )
    async def dismiss(
        self, request: Asking, child_id: FromPath[str], data: JSONBody[Comment], state: State
    ) -> dict[str, int]:
        console: Console = state.console
        why = f"{request.user.name} at the console: {data.comment}"
        with console.pressed(request, "dismiss held order", child_id, data.comment):
            reply = await control_client.dismiss(console.hub.run_dir, child_id, why, console.wait)
        return {"left": len(reply.blocked)}

    @get("/breaks", guards=[needs(Right.SEE)], summary="Where trading session and drop copy differ")
    async def breaks(self, state: State) -> list[dict[str, Any]]:
        console: Console = state.console
        reply = await control_client.breaks(console.hub.run_dir, console.wait)
        return [_plain(one) for one in reply.breaks]

    @post(
        "/breaks/{break_id:str}/explain",
        guards=[needs(Right.RECONCILE), fresh],
        status_code=200,
        summary="Say what a break is: it is over, and nothing is booked",
    )
    async def explain(
        self, request: Asking, break_id: FromPath[str], data: JSONBody[Comment], state: State
    ) -> dict[str, int]:
        console: Console = state.console
        why = f"{request.user.name} at the console: {data.comment}"
        with console.pressed(request, "explain break", break_id, data.comment):
            reply = await control_client.explain_break(console.hub.run_dir, break_id, why, console.wait)
        return {"left": len(reply.breaks)}

    @post("/reconcile", guards=[needs(Right.RECONCILE), fresh], status_code=200, summary="Ask the broker")
    async def reconcile(self, request: Asking, data: JSONBody[Comment], state: State) -> dict[str, int]:
        console: Console = state.console
        with console.pressed(request, "reconcile", "all", data.comment):
            why = f"{request.user.name}: {data.comment}"
            reply = await control_client.reconcile(console.hub.run_dir, why, console.wait)
        return {"orders": len(reply.orders)}

    @post("/kill", guards=[needs(Right.KILL), fresh], status_code=200, summary="Cancel all, send nothing new")
    async def kill(self, request: Asking, data: JSONBody[KillOrder], state: State) -> dict[str, Any]:
        if data.typed.strip() != data.scope:
            raise Refusal(f"type {data.scope} to confirm; you typed {data.typed!r}")
        console: Console = state.console
        what = "kill, reduce only" if data.reduce_only else "kill"
        with console.pressed(request, what, data.scope, data.reason):
            why = f"{request.user.name} at the console: {data.reason}"
            reply = await control_client.kill(
                console.hub.run_dir, data.scope, why, timeout=console.wait, reduce_only=data.reduce_only
            )
        return {"scope": reply.scope, "working": len(reply.working), "durable": reply.durable} | {
            "detail": reply.detail
        }

    @get("/limits", guards=[needs(Right.SEE)], summary="Limits in force, or those of a proposal")
    async def limits(self, state: State, proposal: FromQuery[str] = "") -> dict[str, str]:
        console: Console = state.console
        reply = await control_client.limits(console.hub.run_dir, proposal, console.wait)
        return {"version": reply.version, "text": reply.text}

    @get("/challenge", guards=[needs(Right.COUNTERSIGN)], summary="A number for one proof")
    async def challenge(self, state: State, person: FromQuery[str]) -> dict[str, Any]:
        console: Console = state.console
        address = control_address(console.hub.run_dir)
        reply = await control_client.ask(
            address, ChallengeRequest(person=person[:64]), Challenge, console.wait
        )
        return {"number": reply.number, "salt": reply.salt, "rounds": reply.rounds}

    @post("/proposals", guards=[needs(Right.COUNTERSIGN), fresh], status_code=201, summary="Propose")
    async def propose(self, request: Asking, data: JSONBody[Proposed], state: State) -> dict[str, Any]:
        console: Console = state.console
        given = Propose(
            action=data.action.value,
            who=_credentials(data.proof),
            reason=data.reason,
            target=data.target,
            text=data.text,
        )
        address = control_address(console.hub.run_dir)
        with console.pressed(request, f"propose {data.action.value}", data.target, data.reason):
            return _plain(await control_client.ask(address, given, ProposeReply, console.wait))

    @post(
        "/proposals/{proposal:str}/approve",
        guards=[needs(Right.COUNTERSIGN), fresh],
        status_code=200,
        summary="Approve what another person proposed",
    )
    async def approve(
        self, request: Asking, proposal: FromPath[str], data: JSONBody[Approved], state: State
    ) -> dict[str, Any]:
        console: Console = state.console
        given = Approve(
            proposal=proposal,
            action=data.action.value,
            target=data.target,
            who=_credentials(data.proof),
            reason=data.reason,
        )
        address = control_address(console.hub.run_dir)
        with console.pressed(request, f"approve {data.action.value}", data.target, data.reason):
            return _plain(await control_client.ask(address, given, ApproveReply, console.wait))


def _exposure(row: ExposureRow) -> dict[str, Any]:
    """Amounts as numbers for a page; the gate itself never sees one of them."""
    amounts = ("long", "short", "gross", "net", "working", "notional", "credit", "realised", "open")
    return {
        "level": row.level,
        "name": row.name,
        "position": row.position,
        **{name: float(getattr(row, name)) for name in amounts},
        "profit_loss": float(row.realised + row.open),
        "used": max((use.share for use in row.limits), default=0.0),
        "limits": [
            {
                "control": use.control,
                "limit": use.limit,
                "used": float(use.used),
                "most": float(use.most),
                "share": use.share,
            }
            for use in row.limits
        ],
    }


def _credentials(proof: Proof) -> Credentials:
    return Credentials(person=proof.person, number=proof.number, proof=proof.proof)


class AlarmRoutes(Controller):
    """Alarms are acknowledged and closed one at a time, each with a comment (C21)."""

    path = "/api/alarms"
    tags = ("alarms",)

    @get("/", guards=[needs(Right.SEE)], summary="Alarms, open and closed")
    async def all(self, state: State) -> list[AlarmRow]:
        console: Console = state.console
        return list(console.hub.blotter.alarms.values())

    @post(
        "/{alarm_id:str}/acknowledge",
        guards=[needs(Right.ACKNOWLEDGE), fresh],
        status_code=200,
        summary="I have seen it",
    )
    async def acknowledge(self, request: Asking, alarm_id: FromPath[str], state: State) -> AlarmRow:
        console: Console = state.console
        alarm = _alarm(console, alarm_id)
        if alarm.acknowledged:
            raise Conflict(f"{alarm.acknowledged} has acknowledged it already")
        console.say(request.user, ACKNOWLEDGE, f"{alarm.code} {alarm.id}", "")
        return alarm

    @post(
        "/{alarm_id:str}/close",
        guards=[needs(Right.ACKNOWLEDGE), fresh],
        status_code=200,
        summary="Close one, with a comment",
    )
    async def close(
        self, request: Asking, alarm_id: FromPath[str], data: JSONBody[Comment], state: State
    ) -> AlarmRow:
        console: Console = state.console
        alarm = _alarm(console, alarm_id)
        if alarm.closed:
            raise Conflict(f"{alarm.closed} has closed it already")
        console.say(request.user, CLOSE, f"{alarm.code} {alarm.id}", data.comment)
        return alarm

    @post("/alertmanager", guards=[needs(Right.ALERT)], status_code=200, summary="Alertmanager's webhook")
    async def alertmanager(self, data: JSONBody[dict[str, Any]], state: State) -> dict[str, int]:
        console: Console = state.console
        alerts = read_alerts(data)
        for row in alerts:
            known = console.hub.blotter.alarms.get(row.id)
            if known is None:
                console.hub.blotter.add_alarm(row)
            else:
                known.resolved, known.detail = row.resolved, row.detail
                console.hub.blotter.touch("alarm", known.id, known)
        return {"taken": len(alerts)}


def _alarm(console: Console, alarm_id: str) -> AlarmRow:
    alarm = console.hub.blotter.alarms.get(alarm_id)
    if alarm is None:
        raise NotFoundException(f"no alarm {alarm_id}")
    return alarm


class MarketRoutes(Controller):
    """The market as the page shows it, and what the reference file says."""

    path = "/api"
    tags = ("market",)

    @get("/markets", guards=[needs(Right.SEE)], summary="Newest book and facts of every instrument")
    async def markets(self, state: State) -> list[MarketRow]:
        console: Console = state.console
        return list(console.hub.blotter.markets.values())

    @get("/reference", guards=[needs(Right.SEE)], summary="Instruments, accounts and traders")
    async def reference(self, state: State) -> dict[str, Any]:
        console: Console = state.console
        reference = console.hub.reference
        return {
            "version": reference.version,
            "instruments": [
                {
                    "symbol": one.symbol,
                    "venue": one.venue,
                    "currency": one.currency,
                    "price_exponent": one.price_exponent,
                    "tick": one.tick,
                    "description": one.description,
                }
                for one in reference.instruments
            ],
            "accounts": [one.name for one in reference.accounts],
            "traders": [{"name": one.name, "desk": one.desk} for one in reference.traders],
        }
