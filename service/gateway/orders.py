"""Children: from a runner's intent, through the gate, to a request for FIX."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from service.fix.messages import NewOrderSingle, OrderCancelReplaceRequest
from service.gateway.blocked import Blocked
from service.gateway.cancels import await_answer, insist_cancel, send_cancel
from service.gateway.inputs import Intent, Sent, Unsent
from service.gateway.lifecycle import ReportKind, Request
from service.gateway.order import Order
from service.gateway.parents import settle
from service.gateway.state import Parent, Send, State
from service.gateway.warnings import warn
from service.model.events import (
    ChildCancelRejected,
    ChildCancelRequested,
    ChildDenied,
    ChildRejected,
    ChildReplaceRequested,
    ChildSubmitted,
)
from service.model.orders import CancelChild, OrdStatus, ReplaceChild, Side, Stamps, SubmitChild
from service.model.time import Now
from service.risk import Approved, Code, Denied
from service.risk.snapshots import ChildFacts, CorrelatedFacts, ExposureFacts, Facts, HaltFacts

APPROVED: Final = "approved"
_SOFT: Final = frozenset(code.value for code in Code if code.control == "C20")


def intent(state: State, given: Intent, now: Now, recorded: str) -> str:
    """Judge or carry out a runner's intent.

    Args:
        recorded: What the journal says that the gate said, while recovering; else empty. It wins.

    Returns:
        ``approved``, the denial's code, or empty for a cancel.
    """
    command = given.command
    if isinstance(command, CancelChild):
        _cancel_intent(state, command, now)
        return ""
    parent = state.parents.get(command.parent_id)
    order = state.ledger.orders.get(command.child_id)
    verdict = state.gate.check(command, _facts(state, command, parent, order, given.runner, now), now)
    if isinstance(command, SubmitChild) and parent is not None:
        _use_number(parent, command.child_id)
    return _follow(state, given.runner, command, parent, order, verdict, recorded, now)


def release(state: State, blocked: Blocked, now: Now, recorded: str) -> str:
    """Judge an order again that two people want in spite of its soft blocks (C44).

    Its number is its own: nothing was sent under it, and it is used up with this. What it waited for is no
    part of its way, so its stamps begin here.

    Returns:
        As ``intent``.
    """
    command = msgspec.structs.replace(blocked.command, stamps=Stamps())
    parent = state.parents.get(command.parent_id)
    facts = _facts(state, command, parent, None, blocked.runner, now)
    if facts.parent is not None and command.child_id not in state.ledger.orders:
        number = int(command.child_id.rpartition(".")[2])
        facts = msgspec.structs.replace(
            facts,
            parent=msgspec.structs.replace(facts.parent, next_child=number),
            lifted=tuple(Code[code] for code in blocked.blocks),
        )
    verdict = state.gate.check(command, facts, now)
    return _follow(state, blocked.runner, command, parent, None, verdict, recorded, now, again=True)


def _follow(
    state: State,
    runner: str,
    command: SubmitChild | ReplaceChild,
    parent: Parent | None,
    order: Order | None,
    verdict: Approved | Denied,
    recorded: str,
    now: Now,
    *,
    again: bool = False,
) -> str:
    """Do what the gate has said; returns that."""
    outcome = recorded or (APPROVED if isinstance(verdict, Approved) else verdict.code.value)
    approved = outcome == APPROVED
    if outcome == Code.THROTTLE_TRIPPED and parent is not None:
        _trip(state, parent.order.policy, now)
    if approved and parent is not None:
        if isinstance(command, SubmitChild):
            _submit(state, runner, command, parent, verdict, now)
        elif order is not None:
            _replace(state, command, parent, order, verdict, now)
    if isinstance(verdict, Approved) and approved and verdict.uses:
        warn(state, verdict.uses, now)
    if outcome in _SOFT and isinstance(command, SubmitChild) and not again:
        verdict = _hold(state, runner, command, verdict, outcome, now)
    if isinstance(verdict, Denied) and not approved:
        _deny(state, command, parent, verdict, now)
    return outcome


def _hold(
    state: State, runner: str, command: SubmitChild, verdict: Approved | Denied, outcome: str, now: Now
) -> Denied:
    """C20: the order waits for people. Its policy is told no, and goes on without it."""
    if isinstance(verdict, Approved):
        verdict = Denied(Code[outcome], "")  # by the journal; the gate of today would let it through
    blocks = tuple(code.value for code in verdict.blocks) or (outcome,)
    held = Blocked(runner, command, blocks, verdict.detail, now.utc)
    why_not = state.blocked.keep(held)
    if not why_not:
        state.alarm("ORDER_BLOCKED", f"child={command.child_id} {verdict.detail}", command.symbol, now)
    word = f"held=no why={why_not}" if why_not else f"held=yes until={held.expires}"
    return Denied(verdict.code, f"{verdict.detail} {word}", verdict.blocks)


def _facts(
    state: State,
    command: SubmitChild | ReplaceChild,
    parent: Parent | None,
    order: Order | None,
    runner: str,
    now: Now,
) -> Facts:
    symbol = command.symbol if isinstance(command, SubmitChild) else order.symbol if order else ""
    exposure = state.ledger.exposure(symbol)
    venue = command.venue if isinstance(command, SubmitChild) else order.venue if order else ""
    names, scopes = (parent.levels, parent.scopes) if parent is not None else ((), frozenset[str]())
    policy = parent.order.policy if parent is not None else ""
    trials = state.gate.on_trial(policy, command.model)
    child, alike = None, 0
    if isinstance(command, SubmitChild) and parent is not None:
        alike = state.alike.count(parent.order.account, command, now.utc, state.gate.alike_window)
    if order is not None and order.parent_id == command.parent_id:
        child = ChildFacts(
            side=order.side,
            ord_type=order.ord_type,
            time_in_force=order.time_in_force,
            quantity=max(order.quantity, order.replace_quantity),
            filled=order.cum_quantity,
            working=order.live and order.status is not OrdStatus.PENDING_NEW and not order.unknown,
            pending=order.request is not Request.NONE or bool(order.insist),
        )
    return Facts(
        parent=state.parent_facts(parent, runner) if parent is not None else None,
        market=state.market_facts(symbol),
        exposure=ExposureFacts(
            position=exposure.position,
            working_buy=exposure.working_buy,
            working_sell=exposure.working_sell,
            own_bid=state.ledger.resting.best(symbol, Side.BUY),
            own_ask=state.ledger.resting.best(symbol, Side.SELL),
            traded=max(0, state.ledger.books.today.get(symbol, 0)),
        ),
        levels=state.ledger.books.facts(names, symbol),
        traffic=state.traffic.facts(
            names, symbol, now.utc, alike=alike, minute=state.throttle.count(policy, now.utc)
        ),
        halt=HaltFacts(
            kill=state.kills.covering(scopes, command.model, venue),
            logged_on=state.logged_on and state.drop_copy.lets_trade,
            unknown_orders=exposure.unknown + exposure.breaks,
            throttled=policy in state.throttle.tripped,
            clock=state.clock_trouble,
            reduce_only=state.kills.reducing(scopes, command.model, venue) if state.kills.engaged else "",
        ),
        child=child,
        trials=state.ledger.trials.facts(trials, symbol, now.market) if trials else (),
        correlated=_correlated(state, symbol),
    )


def _correlated(state: State, symbol: str) -> tuple[CorrelatedFacts, ...]:
    """What we hold and work in instruments that this one moves with, by its newest reference facts."""
    reference = state.market.get(symbol)
    if reference is None or not reference.correlated:
        return ()
    found = []
    for other in reference.correlated:
        held = state.ledger.exposures.get(other.symbol)
        if held is not None and (held.position or held.working_buy or held.working_sell):
            facts = state.market.get(other.symbol)
            found.append(
                CorrelatedFacts(
                    symbol=other.symbol,
                    percent=other.percent,
                    position=held.position,
                    working_buy=held.working_buy,
                    working_sell=held.working_sell,
                    price=facts.reference if facts is not None else 0,
                )
            )
    return tuple(found)


def _use_number(parent: Parent, child_id: str) -> None:
    """A child number is used once, denied or not."""
    prefix, _, number = child_id.rpartition(".")
    if prefix == parent.order.id and number.isascii() and number.isdigit() and len(number) <= 15:
        parent.next_child = max(parent.next_child, int(number) + 1)


def _trip(state: State, strategy: str, now: Now) -> None:
    """C8: nothing new of this strategy until a person arms it; what works may be cancelled, as always."""
    count = state.throttle.count(strategy, now.utc)
    state.throttle.trip(strategy, now.utc)
    state.alarm("THROTTLE_TRIPPED", f"strategy={strategy} sent_in_a_minute={count}", "", now)


def _deny(
    state: State, command: SubmitChild | ReplaceChild, parent: Parent | None, verdict: Denied, now: Now
) -> None:
    known = parent.order.symbol if parent is not None else ""
    symbol = command.symbol if isinstance(command, SubmitChild) else known
    event = ChildDenied(
        child_id=command.child_id,
        parent_id=command.parent_id,
        symbol=symbol,
        command="submit" if isinstance(command, SubmitChild) else "replace",
        control=verdict.control,
        code=verdict.code.value,
        detail=verdict.detail,
        ts_event=now.market,
        ts_utc=now.utc,
        stamps=_received(command.stamps, now),
    )
    state.risk_event(event, symbol, runners=True)


def _submit(
    state: State,
    runner: str,
    command: SubmitChild,
    parent: Parent,
    verdict: Approved | Denied,
    now: Now,
) -> None:
    trials = state.gate.on_trial(parent.order.policy, command.model)
    # A call with more than 15 names goes through a dictionary and takes five times as long.
    order = Order(
        command.child_id,
        parent.order.id,
        state.ids.next(command.child_id),
        command.symbol,
        command.side,
        command.ord_type,
        command.time_in_force,
        command.quantity,
        command.price,
        account=parent.order.account,
        policy=parent.order.policy,
        levels=parent.levels,
        trials=trials,
        display_quantity=command.display_quantity,
        venue=command.venue,
        model=command.model,
        reason=command.reason,
        runner=runner,
        stamps=_received(command.stamps, now),
    )
    state.ledger.add(order)
    state.ledger.trials.note(trials, now.market)
    state.throttle.note(order.policy, now.utc)
    state.alike.note(order.account, command, now.utc)
    state.traffic.note(order.levels, order.symbol, now.utc)
    if isinstance(verdict, Approved):
        request = NewOrderSingle(
            approved=verdict,
            cl_ord_id=order.cl_ord_id,
            account=order.account,
            instrument=state.reference.by_symbol[order.symbol],
            transact_time=now.utc,
            attribution=parent.attribution,
        )
        state.effects.append(Send(order.cl_ord_id, request, True))


def _replace(
    state: State,
    command: ReplaceChild,
    parent: Parent,
    order: Order,
    verdict: Approved | Denied,
    now: Now,
) -> None:
    cl_ord_id = state.ids.next(f"replace {order.child_id}")
    state.ledger.ask_replace(order, cl_ord_id, command.quantity, command.price)
    state.ledger.trials.note(state.gate.on_trial(order.policy, command.model), now.market)
    state.throttle.note(order.policy, now.utc)
    order.reason, order.stamps = command.reason, _received(command.stamps, now)
    state.traffic.note(order.levels, order.symbol, now.utc)
    if isinstance(verdict, Approved):
        request = OrderCancelReplaceRequest(
            approved=verdict,
            cl_ord_id=cl_ord_id,
            orig_cl_ord_id=order.cl_ord_id,
            order_id=order.order_id,
            account=order.account,
            instrument=state.reference.by_symbol[order.symbol],
            policy=order.policy,
            transact_time=now.utc,
            attribution=parent.attribution,
            display_quantity=order.display_quantity,
            venue=order.venue,
        )
        state.effects.append(Send(cl_ord_id, request, True))


def _cancel_intent(state: State, command: CancelChild, now: Now) -> None:
    """A cancel is never refused; one of an order that is over, or was never there, does nothing."""
    order = state.ledger.orders.get(command.child_id)
    if order is None or not order.live:
        return
    order.reason, order.stamps = command.reason, _received(command.stamps, now)
    if not order.sent:
        # Still on its way to the disk: it is taken back before it is sent, or cancelled right after.
        insist_cancel(state, order, command.reason or "cancel", now)
    elif not order.canceling:
        send_cancel(state, order, now)


def sent(state: State, given: Sent, now: Now) -> None:
    """A request is FIX's: tell everybody."""
    order = state.ledger.find(given.cl_ord_id)
    if order is None:
        return
    stamps = order.stamps
    stamps = Stamps(
        feed=stamps.feed,
        tick=stamps.tick,
        decided=stamps.decided,
        received=stamps.received,
        gated=given.gated,
        journalled=given.journalled,
        sent=given.sent,
    )
    base: dict[str, Any] = {
        "child_id": order.child_id,
        "parent_id": order.parent_id,
        "cl_ord_id": given.cl_ord_id,
        "symbol": order.symbol,
        "ts_event": now.market,
        "ts_utc": now.utc,
        "reason": order.reason,
        "stamps": stamps,
    }
    if given.cl_ord_id == order.cancel_id:
        state.order_event(ChildCancelRequested(orig_cl_ord_id=order.cl_ord_id, **base), order.parent_id)
    elif given.cl_ord_id == order.replace_id:
        event = ChildReplaceRequested(
            orig_cl_ord_id=order.cl_ord_id,
            quantity=order.replace_quantity,
            price=order.replace_price,
            **base,
        )
        state.order_event(event, order.parent_id)
        await_answer(state, order, given.cl_ord_id, now)
    elif given.cl_ord_id == order.cl_ord_id and not order.sent:
        order.sent, order.sent_utc = True, given.sent
        await_answer(state, order, given.cl_ord_id, now)
        event_new = ChildSubmitted(
            side=order.side,
            ord_type=order.ord_type,
            quantity=order.quantity,
            price=order.price,
            time_in_force=order.time_in_force,
            account=order.account,
            policy=order.policy,
            model=order.model,
            venue=order.venue,
            **base,
        )
        state.order_event(event_new, order.parent_id)
        if order.insist and order.live:
            insist_cancel(state, order, order.insist, now)


def unsent(state: State, given: Unsent, now: Now) -> None:
    """A request was never handed to FIX: a new order ends, a cancel or replace leaves the order as it was."""
    order = state.ledger.find(given.cl_ord_id)
    if order is None:
        return
    base: dict[str, Any] = {
        "child_id": order.child_id,
        "parent_id": order.parent_id,
        "cl_ord_id": given.cl_ord_id,
        "symbol": order.symbol,
        "ts_event": now.market,
        "ts_utc": now.utc,
        "reason": f"not sent: {given.reason}",
    }
    if given.cl_ord_id == order.cl_ord_id:
        if order.sent or not order.live:
            return
        state.ledger.withdraw(order)
        state.order_event(ChildRejected(**base), order.parent_id)
        settle(state, order.parent_id, now)
        return
    kind = state.ledger.refuse(order, given.cl_ord_id)
    if kind is not None:
        request = "cancel" if kind is ReportKind.CANCEL_REFUSED else "replace"
        state.order_event(ChildCancelRejected(request=request, status=order.status, **base), order.parent_id)


def _received(stamps: Stamps, now: Now) -> Stamps:
    return Stamps(feed=stamps.feed, tick=stamps.tick, decided=stamps.decided, received=now.utc)
