"""Shows people the orders that a soft limit holds, and takes their no to one of them (C20, C21)."""

from __future__ import annotations

from collections.abc import Callable

from service.gateway import overrides
from service.gateway.control import BlockedReply, BlockedView, ControlReply, DismissRequest, Refused
from service.gateway.inputs import Dismissed
from service.gateway.proposals import OVERRIDE
from service.gateway.shell import Shell
from service.gateway.state import State


def blocked_reply(state: State) -> BlockedReply:
    """Every order that waits, oldest first."""
    proposed = {p.target: p.id for p in state.proposals.open.values() if p.action == OVERRIDE}
    return BlockedReply(
        blocked=tuple(
            BlockedView(
                order=held.command,
                terms=held.terms,
                blocks=held.blocks,
                detail=held.detail,
                ts_utc=held.utc,
                expires_utc=held.expires,
                proposal=proposed.get(held.terms, ""),
            )
            for held in state.blocked.waiting.values()
        )
    )


def dismiss_one(
    shell: Shell, request: DismissRequest, who: str, reply: Callable[[ControlReply], None]
) -> None:
    """Dismiss one order; ``reply`` gets what is left, once it is on disk.

    Args:
        who: Operating-system user at the other end; empty if the kernel does not know.
    """
    if not who:
        reply(Refused(reason="only a known user on the Unix socket may dismiss an order"))
        return
    given = Dismissed(child_id=request.child_id[:200], by=who, reason=request.reason[:500])
    why = overrides.may_not_dismiss(shell.core.state, given, shell.now())
    shell.feed(given)
    if why:
        reply(Refused(reason=why))
        return
    shell.when_synced(lambda _: reply(blocked_reply(shell.core.state)))
