"""What needs two people: lifting a kill (C27), changing a limit (C43), arming what stopped itself (C8, C22).

One proposes, another approves. That both are who they say has been verified before an input gets here; that
they are two is decided here, from the inputs, so that a replay decides alike. Every step is audited.
"""

from __future__ import annotations

from typing import Final

from service.gateway import arming, dropcopy, explaining, killing, overrides, reports
from service.gateway.inputs import Approval, ArmInput, BreakExplained, Proposed, ReleaseInput, Unauthorised
from service.gateway.limits_file import LimitsFileError, parse_limits
from service.gateway.proposals import ARM, BOOK, LIMITS, MOST_OPEN, OVERRIDE, RELEASE, Proposal
from service.gateway.state import State
from service.model.time import Now

_UNKNOWN: Final = "there is no such proposal, or it has expired; ask for the status"


def propose(state: State, given: Proposed, now: Now) -> None:
    """Keep a proposal until it is approved, void or too old."""
    refused = may_not_propose(state, given)
    action = f"propose {given.action}"
    if refused:
        state.audit(given.by, action, given.target, given.reason, f"refused: {refused}", now)
        return
    proposal = Proposal(
        id=state.proposals.next_id(),
        action=given.action,
        target=given.target,
        text=given.text,
        base=state.gate.limits.version,
        by=given.by,
        station=given.station,
        reason=given.reason,
        utc=now.utc,
    )
    state.proposals.open[proposal.id] = proposal
    outcome = f"proposal={proposal.id} from={given.station}"
    state.audit(given.by, action, given.target, given.reason, outcome, now)


def may_not_propose(state: State, given: Proposed) -> str:
    """Why this cannot be proposed; empty if it can."""
    if len(state.proposals.open) >= MOST_OPEN:
        return f"{MOST_OPEN} proposals are open already; approve them or let them expire"
    if given.action == RELEASE:
        engaged = state.kills.engaged
        in_force = ", ".join(engaged) or "none"
        return "" if given.target in engaged else f"no kill {given.target} is in force; in force: {in_force}"
    if given.action == ARM:
        latched = arming.latched(state)
        off = ", ".join(latched) or "nothing"
        return "" if given.target in latched else f"{given.target} has not stopped itself; it has: {off}"
    if given.action == OVERRIDE:
        return overrides.may_not_propose(state, given.target, given.reason)
    if given.action == BOOK:
        return _may_not_book(state, given.target)
    if given.action == LIMITS:
        try:
            limits = parse_limits(given.text, "proposed limits", state.reference)
        except LimitsFileError as error:
            return str(error)
        if limits.version == state.gate.limits.version:
            return f"limits {limits.version} are in force already"
        return "" if limits.version == given.target else f"its version is {limits.version}"
    return f"nobody can propose {given.action}"


def _may_not_book(state: State, target: str) -> str:
    of_order = explaining.is_of_order(target)
    return explaining.may_not_book(state, target) if of_order else dropcopy.may_not_book(state, target)


def approve(state: State, given: Approval, now: Now, recorded: str = "") -> str:
    """Do what was proposed, if this is a second person and it still means what it meant.

    Args:
        recorded: What the journal says that the gate said of a released order, while recovering.

    Returns:
        What the gate said of a released order (C44); empty for everything else.
    """
    refused = may_not_approve(state, given, now)
    action = f"approve {given.action}"
    outcome = f"refused: {refused}" if refused else f"proposal={given.proposal} from={given.station}"
    state.audit(given.by, action, given.target, given.reason, outcome, now)
    if refused:
        return ""
    proposal = state.proposals.open.pop(given.proposal)
    if proposal.action == OVERRIDE:
        both_people = proposal.by, given.by
        return overrides.release(state, proposal.target, both_people, proposal.reason, now, recorded)
    _carry_out(state, proposal, f"{proposal.by} and {given.by}", now)
    return ""


def _carry_out(state: State, proposal: Proposal, both: str, now: Now) -> None:
    if proposal.action == RELEASE:
        killing.release(state, ReleaseInput(scope=proposal.target, by=both, reason=proposal.reason), now)
        return
    if proposal.action == ARM:
        arming.arm(state, ArmInput(scope=proposal.target, by=both, reason=proposal.reason), now)
        return
    if proposal.action == BOOK and explaining.is_of_order(proposal.target):
        told = explaining.read(proposal.target, both, proposal.reason)
        if told is not None:
            reports.explained(state, told, now)
        return
    if proposal.action == BOOK:
        report = dropcopy.explained(
            state, BreakExplained(id=proposal.target, by=both, reason=proposal.reason, book=True), now
        )
        if report is not None:
            reports.booked(state, report, now)
        return
    state.change_limits(proposal.text)
    outcome = f"in force, before {proposal.base}"
    state.audit(both, "limits", proposal.target, proposal.reason, outcome, now)


def may_not_approve(state: State, given: Approval, now: Now) -> str:
    """Why this approval does nothing; empty if it does what was proposed."""
    proposal = state.proposals.open.get(given.proposal)
    if proposal is None or not proposal.utc <= now.utc < proposal.expires:
        return _UNKNOWN
    if (given.action, given.target) != (proposal.action, proposal.target):
        return f"proposal {proposal.id} is about {proposal.action} {proposal.target}"
    if given.by == proposal.by:
        return f"{given.by} proposed it: another person has to approve it"
    if given.station == proposal.station:
        return f"it was proposed from {given.station}, too: that is not two people"
    if proposal.action == OVERRIDE:
        return overrides.may_not_approve(state, proposal.target, given.by, given.reason, now)
    if proposal.action == BOOK:
        return _may_not_book(state, proposal.target)
    if proposal.action == LIMITS:
        if proposal.base != state.gate.limits.version:
            return "the limits have changed since it was proposed; propose it again"
        try:
            parse_limits(proposal.text, "proposed limits", state.reference)
        except LimitsFileError as error:
            return str(error)
    return ""


def unauthorised(state: State, given: Unauthorised, now: Now) -> None:
    """Somebody was not who they said, or may not do this."""
    outcome = f"refused: {given.why} from={given.station}"
    state.audit(given.by, given.action, given.target, "", outcome, now)


def expire(state: State, now: Now) -> None:
    """Proposals do not wait for ever."""
    for proposal in [p for p in state.proposals.open.values() if now.utc >= p.expires]:
        del state.proposals.open[proposal.id]
        outcome = f"expired proposal={proposal.id}"
        state.audit(proposal.by, f"propose {proposal.action}", proposal.target, proposal.reason, outcome, now)
    overrides.expire(state, now)


def expire_due(state: State, now: Now) -> bool:
    """Whether ``expire`` would do something."""
    void = any(now.utc >= proposal.expires for proposal in state.proposals.open.values())
    return void or overrides.expire_due(state, now)
