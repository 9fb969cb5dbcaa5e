"""Asks the gateway over its control socket. What ``slipstream kill``, ``release`` and ``status`` call."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TypeVar

from service.gateway.control import (
    Approve,
    ApproveReply,
    BlockedReply,
    BlockedRequest,
    BlockedView,
    BreaksReply,
    BreaksRequest,
    ControlReply,
    ControlRequest,
    Credentials,
    CutRequest,
    DismissRequest,
    ExplainBreakRequest,
    ExplainRequest,
    ExposureReply,
    ExposureRequest,
    Kill,
    KillReply,
    LimitsReply,
    LimitsRequest,
    LineReply,
    LineRequest,
    OpenProposal,
    OrdersReply,
    OrdersRequest,
    ParentsReply,
    ParentsRequest,
    Propose,
    ProposeReply,
    ReconcileRequest,
    Refused,
    StatusReply,
    StatusRequest,
    decode_reply,
)
from service.gateway.kill import ALL
from service.model.events import ChildSnapshot
from service.model.orders import OrdStatus, Side
from service.settings import control_address
from service.transport.stream import StreamClient

T = TypeVar("T", bound=ControlReply)


class ControlError(RuntimeError):
    """The gateway did not do what it was asked; the message says why and what to do."""


class GatewayAway(ControlError):
    """No gateway answered: whether it will still do what it was asked is unknown."""


async def ask(address: str, request: ControlRequest, kind: type[T], timeout: float = 10.0) -> T:
    """Send one request to a gateway's control socket and wait for its reply.

    Raises:
        GatewayAway: If no gateway answers within ``timeout`` seconds.
        ControlError: If it refuses.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[ControlReply] = loop.create_future()

    def received(message: ControlReply) -> None:
        if not answer.done():
            answer.set_result(message)

    def connected() -> None:
        client.send(request)

    client = StreamClient(address, decode_reply, on_message=received, on_up=connected)
    await client.start()
    try:
        async with asyncio.timeout(timeout):
            reply = await answer
    except TimeoutError as error:
        raise GatewayAway(
            f"no gateway answered at {address} within {timeout:g} s; is it running, with this run folder?"
        ) from error
    finally:
        await client.stop()
    if isinstance(reply, Refused):
        raise ControlError(f"the gateway refused: {reply.reason}")
    if not isinstance(reply, kind):
        raise ControlError(f"the gateway answered {type(reply).__name__} to {type(request).__name__}")
    return reply


async def status(run_dir: Path, timeout: float = 10.0, *, brief: bool = False) -> StatusReply:
    """The gateway of this run folder in a nutshell; ``brief``: without its orders, of which it says how many.

    Raises:
        ControlError: If it does not answer.
    """
    return await ask(control_address(run_dir), StatusRequest(brief=brief), StatusReply, timeout)


async def parents(run_dir: Path, *, closed: bool = False, timeout: float = 10.0) -> ParentsReply:
    """Its parents.

    Raises:
        ControlError: If it does not answer.
    """
    return await ask(control_address(run_dir), ParentsRequest(closed=closed), ParentsReply, timeout)


async def orders(run_dir: Path, timeout: float = 10.0) -> OrdersReply:
    """Its live orders.

    Raises:
        ControlError: If it does not answer.
    """
    return await ask(control_address(run_dir), OrdersRequest(), OrdersReply, timeout)


async def reconcile(run_dir: Path, reason: str, timeout: float = 10.0) -> OrdersReply:
    """Have the broker asked about every live order; returns those.

    Raises:
        ControlError: If it does not answer.
    """
    return await ask(control_address(run_dir), ReconcileRequest(reason=reason), OrdersReply, timeout)


async def explain(
    run_dir: Path,
    child_id: str,
    status: OrdStatus,
    cum_quantity: int,
    price: int,
    reason: str,
    side: Side | None = None,
    timeout: float = 10.0,
) -> OrdersReply:
    """Say what the broker told about an order; returns it as it is then.

    Raises:
        ControlError: If it does not answer, or knows no such order.
    """
    request = ExplainRequest(
        child_id=child_id, status=status, cum_quantity=cum_quantity, price=price, reason=reason, side=side
    )
    return await ask(control_address(run_dir), request, OrdersReply, timeout)


async def line(run_dir: Path, timeout: float = 10.0) -> LineReply:
    """The line to the broker, and what it did with our orders when that last dropped.

    Raises:
        ControlError: If no gateway answers.
    """
    return await ask(control_address(run_dir), LineRequest(), LineReply, timeout)


async def cut_line(run_dir: Path, seconds: float, reason: str, timeout: float = 10.0) -> LineReply:
    """Cut the line to the broker for so long; returns once that is on record and begun.

    Raises:
        ControlError: If no gateway answers, or it refuses.
    """
    return await ask(control_address(run_dir), CutRequest(seconds=seconds, reason=reason), LineReply, timeout)


async def breaks(run_dir: Path, timeout: float = 10.0) -> BreaksReply:
    """Where the trading session and the drop copy differ.

    Raises:
        ControlError: If no gateway answers.
    """
    return await ask(control_address(run_dir), BreaksRequest(), BreaksReply, timeout)


async def explain_break(run_dir: Path, number: str, reason: str, timeout: float = 10.0) -> BreaksReply:
    """Say what a break is, booking nothing; returns the others once that is on disk.

    Raises:
        ControlError: If no gateway answers, or there is no such break.
    """
    request = ExplainBreakRequest(id=number, reason=reason)
    return await ask(control_address(run_dir), request, BreaksReply, timeout)


async def blocked(run_dir: Path, timeout: float = 10.0) -> BlockedReply:
    """Orders that a soft limit holds.

    Raises:
        ControlError: If no gateway answers.
    """
    return await ask(control_address(run_dir), BlockedRequest(), BlockedReply, timeout)


async def blocked_order(run_dir: Path, child_id: str, timeout: float = 10.0) -> BlockedView:
    """One order that a soft limit holds.

    Raises:
        ControlError: If no gateway answers, or no such order waits.
    """
    for found in (await blocked(run_dir, timeout)).blocked:
        if found.order.child_id == child_id:
            return found
    raise ControlError(f"no order {child_id} waits; see `slipstream orders blocked`")


async def dismiss(run_dir: Path, child_id: str, reason: str, timeout: float = 10.0) -> BlockedReply:
    """Say no to one order that a soft limit holds; returns the others once that is on disk.

    Raises:
        ControlError: If no gateway answers, or it refuses.
    """
    request = DismissRequest(child_id=child_id, reason=reason)
    return await ask(control_address(run_dir), request, BlockedReply, timeout)


async def kill(
    run_dir: Path,
    scope: str = ALL,
    reason: str = "",
    timeout: float = 10.0,
    *,
    reduce_only: bool = False,
) -> KillReply:
    """Engage a kill; returns once it is in force, its cancels sent, and it is on disk.

    Raises:
        ControlError: If no gateway answers.
    """
    request = Kill(scope=scope, reason=reason, reduce_only=reduce_only)
    return await ask(control_address(run_dir), request, KillReply, timeout)


async def exposure(run_dir: Path, timeout: float = 10.0) -> ExposureReply:
    """What is held, worked, won and lost at every level, and how much of the limits that uses (C36).

    Raises:
        ControlError: If no gateway answers.
    """
    return await ask(control_address(run_dir), ExposureRequest(), ExposureReply, timeout)


async def propose(
    run_dir: Path,
    action: str,
    person: str,
    secret: str,
    reason: str,
    *,
    target: str = "",
    text: str = "",
    timeout: float = 10.0,
) -> ProposeReply:
    """Propose to lift a kill (``release``, its scope) or to put other ``limits`` in force (their text).

    Raises:
        ControlError: If no gateway answers, or it refuses.
    """
    who = Credentials(person=person, secret=secret)
    request = Propose(action=action, who=who, reason=reason, target=target, text=text)
    return await ask(control_address(run_dir), request, ProposeReply, timeout)


async def approve(
    run_dir: Path, seen: OpenProposal, person: str, secret: str, reason: str = "", timeout: float = 10.0
) -> ApproveReply:
    """Approve a proposal that somebody else made; returns once it is done.

    Raises:
        ControlError: If no gateway answers, or it refuses.
    """
    request = Approve(
        proposal=seen.proposal,
        action=seen.action,
        target=seen.target,
        who=Credentials(person=person, secret=secret),
        reason=reason,
    )
    return await ask(control_address(run_dir), request, ApproveReply, timeout)


async def proposal(run_dir: Path, number: str, action: str, timeout: float = 10.0) -> OpenProposal:
    """The open proposal of this number and action.

    Raises:
        ControlError: If no gateway answers, or there is none.
    """
    for found in (await status(run_dir, timeout)).proposals:
        if (found.proposal, found.action) == (number, action):
            return found
    raise ControlError(
        f"there is no open proposal {number} ({action}); it may have expired: propose it again"
    )


async def limits(run_dir: Path, number: str = "", timeout: float = 10.0) -> LimitsReply:
    """Text of the limits in force, or of those that a proposal would put in force.

    Raises:
        ControlError: If no gateway answers, or there is no such proposal.
    """
    return await ask(control_address(run_dir), LimitsRequest(proposal=number), LimitsReply, timeout)


async def until_nothing_works(run_dir: Path, timeout: float = 30.0) -> tuple[ChildSnapshot, ...]:
    """Wait after a kill of everything until no order works; returns what still does after ``timeout``.

    Raises:
        ControlError: If the gateway stops answering.
    """
    deadline = time.monotonic() + timeout
    while True:
        working = (await status(run_dir)).working
        if not working or time.monotonic() > deadline:
            return working
        await asyncio.sleep(0.1)
