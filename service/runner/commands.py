"""From intents to commands: what a policy wishes, guarded, numbered, and put on the record."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from service.model.orders import CancelChild, ReplaceChild, Stamps, SubmitChild
from service.model.records import Decision
from service.model.time import MILLISECOND, SECOND, Now
from service.policy.contract import Cancel, Replace, Submit
from service.runner.guard import guarded
from service.runner.outputs import Outputs
from service.runner.parents import Parent
from service.runner.slots import Slot

FIRST_HOLD: Final = 250 * MILLISECOND
LONGEST_HOLD: Final = 4 * SECOND
"""UTC that a parent offers nothing after a denial or a reject: doubling from the first to the longest."""

REST: Final = 50 * MILLISECOND
"""UTC that a parent offers nothing after it took and got nothing: the book that it sees is not to be had."""


@dataclass(slots=True)
class Turn:
    """One input under way.

    Attributes:
        seq: Its number.
        feed: ``ts_utc`` of the market event that is being followed; 0 if it is none.
    """

    runner_id: str
    seq: int
    now: Now
    feed: int = 0
    out: Outputs = field(default_factory=Outputs)

    @property
    def stamps(self) -> Stamps:
        return Stamps(feed=self.feed, tick=self.now.utc)


@dataclass(frozen=True, slots=True)
class Basis:
    """The model behind a decision, ``NAME@VERSION``, and what it said; empty where none was asked."""

    model: str = ""
    score: float | None = None


NO_MODEL: Final = Basis()


def carry_out(
    parent: Parent, slot: Slot, intents: object, turn: Turn, basis: Basis = NO_MODEL, *, offering: bool = True
) -> bool:
    """Turn the usable intents into commands and decisions; whether there was any.

    Args:
        offering: Whether submits and replaces may go out now; cancels always may.
    """
    usable, reasons = guarded(intents, parent, slot.instrument, slot.market, offering=offering)
    turn.out.dropped.extend(reasons)
    for intent in usable:
        if isinstance(intent, Submit):
            _submit(parent, intent, turn, basis)
        elif isinstance(intent, Cancel):
            cancel(parent, intent.child_id, intent.reason, turn, basis)
        else:
            _replace(parent, intent, turn, basis)
    return bool(usable)


def _submit(parent: Parent, intent: Submit, turn: Turn, basis: Basis) -> None:
    order = parent.snapshot.parent
    command = SubmitChild(
        child_id=f"{order.id}.{parent.next_child}",
        parent_id=order.id,
        parent_version=parent.snapshot.version,
        symbol=order.symbol,
        side=order.side,
        ord_type=intent.ord_type,
        quantity=intent.quantity,
        price=intent.price,
        time_in_force=intent.time_in_force,
        policy=order.policy,
        display_quantity=intent.display_quantity,
        venue=intent.venue,
        model=basis.model,
        reason=intent.reason,
        stamps=turn.stamps,
    )
    decide(
        parent,
        turn,
        "submit",
        basis,
        intent.reason,
        command.child_id,
        quantity=intent.quantity,
        price=intent.price,
    )
    turn.out.commands.append(command)
    parent.sent(command, turn.now)


def _replace(parent: Parent, intent: Replace, turn: Turn, basis: Basis) -> None:
    decide(
        parent,
        turn,
        "replace",
        basis,
        intent.reason,
        intent.child_id,
        quantity=intent.quantity,
        price=intent.price,
    )
    turn.out.commands.append(
        ReplaceChild(
            child_id=intent.child_id,
            parent_id=parent.id,
            parent_version=parent.snapshot.version,
            quantity=intent.quantity,
            price=intent.price,
            model=basis.model,
            reason=intent.reason,
            stamps=turn.stamps,
        )
    )
    parent.children[intent.child_id].request("replace", turn.now.utc, intent.quantity, intent.price)


def cancel(parent: Parent, child_id: str, reason: str, turn: Turn, basis: Basis = NO_MODEL) -> None:
    """Take one live child back."""
    child = parent.children[child_id]
    decide(parent, turn, "cancel", basis, reason, child_id, quantity=child.leaves, price=child.price)
    child.request("cancel", turn.now.utc)
    turn.out.commands.append(
        CancelChild(child_id=child_id, parent_id=parent.id, reason=reason, stamps=turn.stamps)
    )


def cancel_all(parent: Parent, reason: str, turn: Turn) -> None:
    """Take every live child back that is not on its way back already."""
    for child in list(parent.children.values()):
        if "cancel" not in (child.pending, child.requested):
            cancel(parent, child.child_id, reason, turn)


def stop(parent: Parent, reason: str, turn: Turn) -> None:
    """Work this parent no more until it is amended: its children come back, and a person is told."""
    if parent.broken == reason:
        return
    parent.broken = reason
    parent.asked = 0
    turn.out.touched.append(parent)
    decide(parent, turn, "alarm", NO_MODEL, reason[:200])
    cancel_all(parent, "policy_stopped", turn)


def hold(parent: Parent, now: Now) -> None:
    """Offer nothing for a while: twice as long after each denial or reject in a row."""
    parent.denials += 1
    parent.hold_utc = now.utc + min(FIRST_HOLD << min(parent.denials - 1, 20), LONGEST_HOLD)


def rest(parent: Parent, now: Now) -> None:
    """Offer nothing for a moment."""
    parent.hold_utc = max(parent.hold_utc, now.utc + REST)


def decide(
    parent: Parent,
    turn: Turn,
    action: str,
    basis: Basis,
    reason: str = "",
    child_id: str = "",
    *,
    quantity: int = 0,
    price: int = 0,
) -> None:
    """Put one decision on the record."""
    turn.out.decisions.append(
        Decision(
            runner_id=turn.runner_id,
            input_seq=turn.seq,
            parent_id=parent.id,
            symbol=parent.symbol,
            ts_event=turn.now.market,
            ts_utc=turn.now.utc,
            action=action,
            policy=parent.snapshot.parent.policy,
            child_id=child_id,
            quantity=quantity,
            price=price,
            target=parent.due,
            filled=parent.filled,
            working=parent.working,
            model=basis.model,
            score=basis.score,
            reason=reason,
        )
    )
