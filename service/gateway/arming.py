"""What has stopped itself trades again when a named person says so, and not before (C8, C22)."""

from __future__ import annotations

from service.gateway.inputs import ArmInput
from service.gateway.state import State
from service.model.time import Now
from service.risk import LEVELS, Level, LossStage


def arm(state: State, given: ArmInput, now: Now) -> None:
    """Open the latches of one ``LEVEL=NAME``; the throttle counts anew, and the loss from here."""
    opened = _open(state, given.scope) if given.by.strip() else []
    outcome = f"armed {','.join(opened)}" if opened else "nothing to arm"
    state.audit(given.by, "arm", given.scope, given.reason, outcome, now)


def latched(state: State) -> dict[str, str]:
    """What has stopped itself, by ``LEVEL=NAME``, and why."""
    found = {
        f"{level.value}={name}": f"loss {book.stage.name.lower()}"
        for (level, name), book in state.ledger.books.all.items()
        if book.stage >= LossStage.REDUCE_ONLY
    }
    for name in state.throttle.tripped:
        scope = f"{Level.STRATEGY.value}={name}"
        found[scope] = f"{found[scope]}, throttle" if scope in found else "throttle"
    return found


def _open(state: State, scope: str) -> list[str]:
    key, _, name = scope.partition("=")
    if key not in LEVELS:
        return []
    opened = []
    book = state.ledger.books.all.get((Level(key), name))
    if book is not None and book.stage >= LossStage.REDUCE_ONLY:
        book.stage = LossStage.NORMAL
        book.count_loss_from_here()
        opened.append("loss")
    if key == Level.STRATEGY and state.throttle.arm(name):
        opened.append("throttle")
    return opened
