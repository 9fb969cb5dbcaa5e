"""What a kill does to the state: block, cancel, pause, and see to it until nothing works (C23, C25, C26).

Every step stands by itself: one that fails is an alarm, and the next is taken all the same. What a step
missed, the sweep finds: an order under a kill that nobody asks to be cancelled is cancelled then.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from service.fix.messages import OrderMassCancelReport, OrderMassCancelRequest
from service.gateway import parents, reducing
from service.gateway.cancels import insist_cancel
from service.gateway.inputs import KillInput, ReleaseInput
from service.gateway.kill import ALL, in_full, is_reduce_only
from service.gateway.order import Order
from service.gateway.proposals import RELEASE
from service.gateway.state import Parent, Send, State
from service.model.events import KillEngaged, KillReleased
from service.model.orders import ParentStatus
from service.model.time import MILLISECOND, SECOND, Now

SWEEP_EVERY: Final = 250 * MILLISECOND
_SAY_EVERY: Final = 10 * SECOND


def engage(state: State, given: KillInput, now: Now) -> None:
    """C23: block first, then cancel everything that works; whatever fails, the rest is still done."""
    by, reason = given.by, given.reason
    scope = state.kills.engage(state.kill_scope(given.scope), by, reason, now.utc)
    reduce_only = is_reduce_only(scope)
    if not reduce_only:
        _despite(state, now, "mass cancel", partial(_mass_cancel, state, scope, now))
    reached = covered(state, scope) if reduce_only else list(state.ledger.live.values())
    working = 0
    for order in reached:
        if reduce_only or state.kill_covering(order):
            working += 1
            _despite(state, now, "cancel", partial(insist_cancel, state, order, f"kill {scope}", now))
    event = KillEngaged(scope=scope, by=by, reason=reason, ts_utc=now.utc, working=working)
    _despite(state, now, "tell", partial(state.risk_event, event, scope, runners=True))
    outcome = f"working={working}" + (f" via={given.via}" if given.via else "")
    _despite(state, now, "audit", partial(state.audit, by, "kill", scope, reason, outcome, now))
    for proposal in state.proposals.take(RELEASE):
        # Whoever approved it now would lift a kill that its proposer had not seen.
        void = partial(
            state.audit, by, "void release", proposal.target, reason, f"proposal={proposal.id}", now
        )
        _despite(state, now, "audit", void)
    for parent in list(state.open.values()):
        if _stops(state, scope, parent):
            why = f"kill {scope}: {reason}"
            _despite(state, now, "pause", partial(parents.pause, state, parent, by, why, now))


def release(state: State, given: ReleaseInput, now: Now) -> None:
    """Lift a kill. Parents stay paused until a person resumes them."""
    released = state.kills.release(given.scope)
    outcome = "released" if released else "no such kill"
    state.audit(given.by, "release", given.scope, given.reason, outcome, now)
    if released:
        event = KillReleased(scope=given.scope.strip(), by=given.by, reason=given.reason, ts_utc=now.utc)
        state.risk_event(event, event.scope, runners=True)


def _mass_cancel(state: State, scope: str, now: Now) -> None:
    """One request for everything in the scope, ahead of the single cancels, which go out all the same."""
    assert state.configured is not None
    if not state.configured.mass_cancel or not state.reachable:
        return
    key, _, name = scope.partition("=")
    if scope != ALL and key != "symbol":
        return
    instrument = None if scope == ALL else state.reference.by_symbol.get(name)
    if scope != ALL and instrument is None:
        return
    cl_ord_id = state.ids.next(f"cancel {scope}")
    request = OrderMassCancelRequest(cl_ord_id=cl_ord_id, instrument=instrument, transact_time=now.utc)
    state.effects.append(Send(cl_ord_id, request, False, question=True))


def logged_on(state: State, now: Now) -> None:
    """The session is back: what a kill covers and may still work is cancelled before anything else."""
    for scope in state.kills.unconfirmed:
        if is_reduce_only(scope):
            continue
        _despite(state, now, "mass cancel", partial(_mass_cancel, state, scope, now))


def mass_cancel_answered(state: State, report: OrderMassCancelReport, now: Now) -> None:
    """Each order is reported by itself; that it was refused is an alarm, and the single cancels are out."""
    if not report.accepted:
        detail = f"cl_ord_id={report.cl_ord_id} reason={report.reason} {report.text}".rstrip()
        state.alarm("MASS_CANCEL_REJECTED", detail, "", now)


def covered(state: State, scope: str) -> list[Order]:
    """Live orders that the kill of this scope cancels; what cannot be judged is among them."""
    plain = in_full(scope)
    found = [order for order in state.ledger.live.values() if _covers_order(state, plain, order)]
    return found if plain == scope else reducing.adding(state, found)


def sweep(state: State, now: Now) -> None:
    """Cancel what a kill covers and nobody cancels; say what still works, and when nothing does."""
    for order in list(state.ledger.live.values()):
        if not order.insist and (scope := state.kill_covering(order)):
            _despite(state, now, "cancel", partial(insist_cancel, state, order, f"kill {scope}", now))
    for scope in state.kills.engaged:
        if is_reduce_only(scope):
            _despite(state, now, "reduce only", partial(_see_to, state, scope, now))
    for scope, said in list(state.kills.unconfirmed.items()):
        working = covered(state, scope)
        if not working:
            del state.kills.unconfirmed[scope]
            state.audit("gateway", "kill confirmed", scope, "", "nothing works", now)
        elif now.utc - said >= _SAY_EVERY:
            state.kills.unconfirmed[scope] = now.utc
            unknown = sum(order.unknown for order in working)
            detail = f"scope={scope} working={len(working)} unknown={unknown} reachable={state.reachable}"
            state.alarm("KILL_INCOMPLETE", detail, "", now)


def _see_to(state: State, scope: str, now: Now) -> None:
    """A holding has become smaller, or another order's: what would add by now is cancelled, too."""
    for order in covered(state, scope):
        if not order.insist:
            _despite(state, now, "cancel", partial(insist_cancel, state, order, f"kill {scope}", now))
    for parent in list(state.open.values()):
        if parent.status is ParentStatus.WORKING and _stops(state, scope, parent):
            why = f"kill {scope}: nothing left to reduce"
            _despite(state, now, "pause", partial(parents.pause, state, parent, "gateway", why, now))


def sweep_due(state: State, now: Now) -> bool:
    """Whether ``sweep`` would do something."""
    if not state.kills.engaged:
        return False
    if any(not order.insist and state.kill_covering(order) for order in state.ledger.live.values()):
        return True
    for scope in filter(is_reduce_only, state.kills.engaged):
        if any(not order.insist for order in covered(state, scope)):
            return True
        working = (p for p in state.open.values() if p.status is ParentStatus.WORKING)
        if any(_stops(state, scope, parent) for parent in working):
            return True
    return any(
        now.utc - said >= _SAY_EVERY or not covered(state, scope)
        for scope, said in state.kills.unconfirmed.items()
    )


def _stops(state: State, scope: str, parent: Parent) -> bool:
    """Whether a kill pauses a parent: if it lets out what reduces, only one with nothing to reduce."""
    try:
        plain = in_full(scope)
        covers = plain == ALL or plain in parent.scopes
        return covers and (plain == scope or not reducing.has_something(state, parent))
    except Exception:  # noqa: BLE001 - stricter, never weaker
        return True


def _covers_order(state: State, scope: str, order: Order) -> bool:
    try:
        scopes = state.order_scopes(order)
        return scope == ALL or scope in scopes or scope in (f"model={order.model}", f"venue={order.venue}")
    except Exception:  # noqa: BLE001 - stricter, never weaker
        return True


def _despite(state: State, now: Now, step: str, work: Callable[[], object]) -> None:
    """One step of a kill: should it fail, that is an alarm, and the kill goes on."""
    try:
        work()
    except Exception as error:  # noqa: BLE001 - a kill does not end half-way
        state.alarm("KILL_STEP_FAILED", f"step={step} error={type(error).__name__}", "", now)
