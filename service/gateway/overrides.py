"""What people do about an order that a soft limit holds: two release it, or one dismisses it (C20, C21, C44).

One order at a time, each with a reason, and each decided a moment after the last: nothing here takes a
list. A release is judged by the whole gate again, at that moment, with nothing lifted but the order's own
soft blocks.
"""

from __future__ import annotations

from typing import Final

from service.gateway import orders
from service.gateway.blocked import LIFE, PACE, Blocked
from service.gateway.inputs import Dismissed
from service.gateway.proposals import OVERRIDE
from service.gateway.state import State
from service.model.time import SECOND, Now

MOST_PROPOSED: Final = 8
"""Overrides that wait for a second person: they never keep the release of a kill from being proposed."""

_GONE = (
    "no such order waits, on exactly these terms; see `slipstream orders blocked`. What a hard limit has "
    "denied nobody can release"
)


def may_not_propose(state: State, target: str, reason: str) -> str:
    """Why the release of this order cannot be proposed; empty if it can.

    Args:
        target: Its exact terms.
    """
    named = state.blocked.waiting.get(target.partition(" ")[0])
    if named is None or named.terms != target:
        return _GONE
    if not reason.strip():
        return "it takes a reason"
    open_now = [p for p in state.proposals.open.values() if p.action == OVERRIDE]
    for proposal in open_now:
        if proposal.target == target:
            return f"proposal {proposal.id} is about it already"
    if len(open_now) >= MOST_PROPOSED:
        return f"{MOST_PROPOSED} releases are proposed already; decide on those first"
    return ""


def may_not_approve(state: State, target: str, by: str, reason: str, now: Now) -> str:
    """Why the release of this order cannot be approved; empty if it can."""
    if state.blocked.find(target, now.utc) is None:
        return _GONE
    if not reason.strip():
        return "it takes a reason"
    return _too_soon(state, by, now)


def _too_soon(state: State, by: str, now: Now) -> str:
    if state.blocked.too_soon(by, now.utc):
        return f"one at a time: {by} has decided on another less than {PACE // SECOND} s ago"
    return ""


def release(state: State, target: str, by: tuple[str, str], reason: str, now: Now, recorded: str) -> str:
    """Two people want this one order: it is judged again, once; returns the outcome."""
    blocked = state.blocked.waiting.pop(target.partition(" ")[0])
    state.blocked.decided[by[1]] = now.utc
    outcome = orders.release(state, blocked, now, recorded)
    lifted = ",".join(blocked.blocks)
    state.audit(" and ".join(by), OVERRIDE, target, reason, f"{outcome} lifted={lifted}", now)
    return outcome


def may_not_dismiss(state: State, given: Dismissed, now: Now) -> str:
    """Why this person cannot dismiss this order; empty if they can."""
    if given.child_id not in state.blocked.waiting:
        return f"no order {given.child_id[:80]} waits; one child id, as `slipstream orders blocked` shows it"
    if not given.reason.strip():
        return "it takes a reason"
    return _too_soon(state, given.by, now)


def dismiss(state: State, given: Dismissed, now: Now) -> None:
    """A person says no to one order; the policy is not heard again on the same for a while."""
    refused = may_not_dismiss(state, given, now)
    if refused:
        state.audit(given.by, "dismiss", given.child_id, given.reason, f"refused: {refused}", now)
        return
    blocked = _drop(state, given.child_id)
    state.blocked.decided[given.by] = now.utc
    state.blocked.dismissed[blocked.command.parent_id] = now.utc + LIFE
    state.audit(given.by, "dismiss", blocked.terms, given.reason, "dismissed", now)


def _drop(state: State, child_id: str) -> Blocked:
    """It waits no longer, and what was proposed about it is void."""
    blocked = state.blocked.waiting.pop(child_id)
    terms = blocked.terms
    for proposal in list(state.proposals.open.values()):
        if proposal.action == OVERRIDE and proposal.target == terms:
            del state.proposals.open[proposal.id]
    return blocked


def runner_lost(state: State, runner: str, now: Now) -> None:
    """Nobody would look after what this runner asked for (C29)."""
    for child_id, blocked in list(state.blocked.waiting.items()):
        if blocked.runner == runner:
            _lapse(state, child_id, f"runner {runner} lost", now)


def expire(state: State, now: Now) -> None:
    """Nothing waits for ever, nor for a parent that has changed since."""
    for child_id, blocked in list(state.blocked.waiting.items()):
        reason = _over(state, blocked, now)
        if reason:
            _lapse(state, child_id, reason, now)
    for parent_id, until in list(state.blocked.dismissed.items()):
        if now.utc >= until:
            del state.blocked.dismissed[parent_id]


def expire_due(state: State, now: Now) -> bool:
    """Whether ``expire`` would do something."""
    return any(_over(state, blocked, now) for blocked in state.blocked.waiting.values()) or any(
        now.utc >= until for until in state.blocked.dismissed.values()
    )


def _over(state: State, blocked: Blocked, now: Now) -> str:
    """Why it need not wait any longer; empty while it does."""
    parent = state.open.get(blocked.command.parent_id)
    if parent is None:
        return "its parent is over"
    if parent.version != blocked.command.parent_version:
        return "its parent has changed"
    return "expired" if now.utc >= blocked.expires else ""


def _lapse(state: State, child_id: str, reason: str, now: Now) -> None:
    blocked = _drop(state, child_id)
    state.audit("gateway", "blocked", blocked.terms, reason, "lapsed", now)
