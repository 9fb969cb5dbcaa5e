"""Parents: admission, amendment, pause, resume, cancel, and when one is over. Runners go by this."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from service.gateway import reducing
from service.gateway.cancels import insist_cancel
from service.gateway.inputs import ParentInput
from service.gateway.reconcile import FOREIGN
from service.gateway.state import Parent, State, parent_scopes
from service.model.events import ParentAdmitted, ParentChanged, ParentClosed, ParentRefused
from service.model.orders import (
    AmendParent,
    CancelParent,
    NewParent,
    ParentCommand,
    ParentOrder,
    ParentStatus,
    PauseParent,
    ResumeParent,
    Side,
)
from service.model.parameters import Parameters, catalogue
from service.model.stream import hand_of
from service.model.time import SECOND, Now, SessionClock

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_NAME: Final = re.compile(r"[!-~]{1,64}")
_MAX_QUANTITY: Final = 1_000_000_000


class Refusal(NamedTuple):
    """Why a command is not admitted; ``detail`` is key=value."""

    code: str
    detail: str


def command(state: State, given: ParentInput, now: Now) -> None:
    """Take a record of ``parents.v1``: admit, change, or refuse with a reason."""
    state.offsets[given.partition] = max(given.offset, state.offsets.get(given.partition, -1))
    asked = given.command
    if isinstance(asked, NewParent):
        _new(state, asked, now)
        return
    parent = state.parents.get(asked.parent_id)
    if parent is None:
        if isinstance(asked, CancelParent) and _cancel_waiting(state, asked, now):
            return
        _refuse(state, asked, Refusal("UNKNOWN_PARENT", f"parent={asked.parent_id}"), now)
        return
    if parent.status.closed or parent.status is ParentStatus.CANCELING:
        _refuse(state, asked, Refusal("PARENT_CLOSED", f"status={parent.status}"), now)
        return
    refusal = _CHANGES[type(asked)](state, parent, asked, now)
    if refusal is not None:
        _refuse(state, asked, refusal, now)
        return
    settle(state, parent.order.id, now)


def _refuse(state: State, asked: ParentCommand, refusal: Refusal, now: Now) -> None:
    parent_id = asked.parent.id if isinstance(asked, NewParent) else asked.parent_id
    event = ParentRefused(
        command_id=asked.command_id,
        parent_id=parent_id,
        code=refusal.code,
        detail=refusal.detail,
        ts_event=now.market,
        ts_utc=now.utc,
    )
    state.order_event(event, parent_id, runners=False)


# New parents


def _new(state: State, asked: NewParent, now: Now) -> None:
    order = asked.parent
    waiting = state.waiting.get(order.symbol, [])
    if order.id in state.parents or any(w.parent.id == order.id for w in waiting):
        _refuse(state, asked, Refusal("DUPLICATE_PARENT", "the_first_one_stands"), now)
        return
    refusal = _invalid(state, order) or _untimely(state, asked, now)
    if refusal is not None:
        _refuse(state, asked, refusal, now)
    elif not _admit(state, asked, now):
        state.waiting.setdefault(order.symbol, []).append(asked)


def _invalid(state: State, order: ParentOrder) -> Refusal | None:
    """What is wrong with the order by itself."""
    instrument = state.reference.by_symbol.get(order.symbol)
    if not _ID.fullmatch(order.id):
        return Refusal("INVALID_ID", "use_1_to_64_letters_digits_and_._:-")
    if order.id.startswith(FOREIGN) and state.rules >= 2:
        return Refusal("INVALID_ID", f"{FOREIGN}_begins_the_ids_of_orders_that_nobody_here_sent")
    if instrument is None:
        return Refusal("UNKNOWN_INSTRUMENT", f"symbol={order.symbol[:64]}")
    if order.account not in state.reference.by_account:
        return Refusal("UNKNOWN_ACCOUNT", f"account={order.account[:64]}")
    if order.trader not in state.reference.by_trader:
        return Refusal("UNKNOWN_TRADER", f"trader={order.trader[:64]}")
    if not _NAME.fullmatch(order.policy):
        return Refusal("INVALID_POLICY", "policy_is_1_to_64_printable_characters")
    if not 0 < order.quantity <= _MAX_QUANTITY:
        return Refusal("INVALID_QUANTITY", f"quantity={order.quantity} largest={_MAX_QUANTITY}")
    if order.symbol not in state.gate.limits.instruments:
        return Refusal("NO_LIMIT", f"symbol={order.symbol}")
    too_large = _too_large(state, order, order.quantity, 0)
    if too_large is not None:
        return too_large
    return _invalid_parameters(order.parameters, instrument.tick)


def _too_large(state: State, order: ParentOrder, quantity: int, price: int) -> Refusal | None:
    """Whether the whole of it is past what one parent may be (C3, C4), at this reference price."""
    if state.configured is None or not state.configured.parent_limits:
        return None
    verdict = state.gate.admissible(order.symbol, order.policy, quantity, price)
    return None if verdict is None else Refusal(verdict.code.value, verdict.detail)


def _invalid_parameters(given: Parameters, tick: int) -> Refusal | None:
    limit = given.limit_price
    if limit is not None and limit % tick:
        return Refusal("INVALID_PRICE", f"limit_price={limit} tick={tick}")
    if given.end_time is not None and given.duration is not None:
        return Refusal("INVALID_PARAMETERS", "end_time_and_duration_exclude_each_other")
    for low, high in (("min_participation", "max_participation"), ("min_clip", "max_clip")):
        least, most = getattr(given, low), getattr(given, high)
        if least is not None and most is not None and least > most:
            return Refusal("INVALID_PARAMETERS", f"{low}={least} {high}={most}")
    return None


def _untimely(state: State, asked: NewParent, now: Now) -> Refusal | None:
    """Whether a parent like this may be taken on now."""
    assert state.configured is not None
    age, longest = now.utc - asked.ts_utc, state.configured.max_command_age
    if age > longest:
        return Refusal("STALE_COMMAND", f"age_s={age // SECOND} limit_s={longest // SECOND}")
    scope = state.kills.covering(parent_scopes(asked.parent))
    if scope:
        return Refusal("KILLED", f"scope={scope}")
    return None


def _admit(state: State, asked: NewParent, now: Now) -> bool:
    """Admit a valid parent, or refuse it; False if the market is not known yet."""
    order, clock = asked.parent, state.clock
    arrival = state.market.get(order.symbol)
    if clock is None or arrival is None or arrival.reference <= 0:
        return False
    window = _window(order.parameters, clock, now.market)
    if isinstance(window, Refusal):
        _refuse(state, asked, window, now)
        return True
    too_large = _too_large(state, order, order.quantity, arrival.reference)
    if too_large is not None:
        _refuse(state, asked, too_large, now)
        return True
    parent = Parent(order, window, arrival, state.reference)
    scope = state.kills.covering(parent.scopes) or reducing.refusing(state, parent)
    if scope:
        _refuse(state, asked, Refusal("KILLED", f"scope={scope}"), now)
        return True
    if asked.paused:
        parent.status = ParentStatus.PAUSED
    state.parents[order.id] = state.open[order.id] = parent
    event = ParentAdmitted(
        command_id=asked.command_id, state=state.snapshot(parent), ts_event=now.market, ts_utc=now.utc
    )
    state.order_event(event, order.id)
    return True


def _window(given: Parameters, clock: SessionClock, market: int) -> tuple[int, int] | Refusal:
    """Start and end in market time: default now to the end of the session, and never beyond it."""
    start = given.start_time if given.start_time is not None else market
    end = clock.market_end
    if given.duration is not None:
        end = min(end, start + int(given.duration * SECOND))
    elif given.end_time is not None:
        end = min(end, given.end_time)
    if end <= start or end <= market:
        return Refusal("INVALID_WINDOW", f"start={start} end={end} now={market} session={clock.market_end}")
    return start, end


def market_known(state: State, symbol: str | None, now: Now) -> None:
    """A reference price or the session clock is there: admit what waited for it."""
    for name in [symbol] if symbol is not None else list(state.waiting):
        queue = state.waiting.get(name)
        if queue is None:
            continue
        kept = [asked for asked in queue if not _admit(state, asked, now)]
        if kept:
            state.waiting[name] = kept
        else:
            del state.waiting[name]


def _cancel_waiting(state: State, asked: CancelParent, now: Now) -> bool:
    for symbol, queue in list(state.waiting.items()):
        for waiting in queue:
            if waiting.parent.id == asked.parent_id:
                _drop_waiting(state, symbol, waiting)
                _refuse(state, waiting, Refusal("CANCELED", f"by={asked.by[:64]}"), now)
                return True
    return False


def _drop_waiting(state: State, symbol: str, asked: NewParent) -> None:
    queue = state.waiting[symbol]
    queue.remove(asked)
    if not queue:
        del state.waiting[symbol]


# Changes of a parent


def _change(state: State, parent: Parent, asked: ParentCommand, change: str, now: Now) -> None:
    reason = "" if isinstance(asked, NewParent) else asked.reason
    announce(state, parent, change, asked.by, reason, now, asked.command_id)


def announce(
    state: State, parent: Parent, change: str, by: str, reason: str, now: Now, command_id: str = ""
) -> None:
    """A new version of a parent, told to everybody."""
    parent.version += 1
    event = ParentChanged(
        command_id=command_id,
        change=change,
        by=by,
        reason=reason,
        state=state.snapshot(parent),
        ts_event=now.market,
        ts_utc=now.utc,
    )
    state.order_event(event, parent.order.id)


def _amend(state: State, parent: Parent, asked: ParentCommand, now: Now) -> Refusal | None:
    assert isinstance(asked, AmendParent)
    assert state.clock is not None
    order, changes, progress = parent.order, asked.changes, state.ledger.progress(parent.order.id)
    fixed = [n for n, p in catalogue().items() if not p.amendable and getattr(changes, n) is not None]
    if fixed:
        return Refusal("NOT_AMENDABLE", f"parameters={','.join(fixed)}")
    if changes.end_time is not None and changes.duration is not None:
        return Refusal("INVALID_PARAMETERS", "end_time_and_duration_exclude_each_other")
    switches = asked.policy is not None and asked.policy != order.policy
    if refusal := _cannot_switch(state, asked) if switches else _kept(asked):
        return refusal
    merged = msgspec.structs.replace(order.parameters, **dict.fromkeys(asked.unset)).merged(changes)
    refusal = _invalid_parameters(merged, state.reference.by_symbol[order.symbol].tick)
    if refusal is not None:
        return refusal
    quantity = order.quantity if asked.quantity is None else asked.quantity
    if not 0 < quantity <= _MAX_QUANTITY:
        return Refusal("INVALID_QUANTITY", f"quantity={quantity} largest={_MAX_QUANTITY}")
    if quantity > order.quantity:
        known = state.market.get(order.symbol)
        price = known.reference if known is not None else parent.arrival_price
        if (too_large := _too_large(state, order, quantity, price)) is not None:
            return too_large
    if quantity < progress.filled + progress.working:
        detail = f"quantity={quantity} filled={progress.filled} working={progress.working} pause_it_first=yes"
        return Refusal("AMEND_BELOW_WORKING", detail)
    policy = asked.policy if asked.policy is not None else order.policy
    if switches:
        known = state.market.get(order.symbol)
        price = known.reference if known is not None else parent.arrival_price
        to_be = msgspec.structs.replace(order, policy=policy)
        if (too_large := _too_large(state, to_be, quantity, price)) is not None:
            return too_large
    window = parent.window_start, parent.window_end
    if changes.start_time is not None or changes.end_time is not None or changes.duration is not None:
        if changes.start_time is not None and now.market >= parent.window_start:
            return Refusal("INVALID_WINDOW", f"start={parent.window_start} is_past=yes")
        anchored = msgspec.structs.replace(
            merged, start_time=merged.start_time if merged.start_time is not None else parent.window_start
        )
        resolved = _window(anchored, state.clock, now.market)
        if isinstance(resolved, Refusal):
            return resolved
        window = resolved
    parent.order = msgspec.structs.replace(order, parameters=merged, quantity=quantity)
    parent.window_start, parent.window_end = window
    if switches:
        parent.switch(policy)
    _change(state, parent, asked, "amended", now)
    if switches:
        # What the other policy sent counts, and is killed, under its name: it comes back first.
        cancel_children(state, parent, "policy switched", now)
    for child in list(progress.live.values()):
        prices = (child.price, child.replace_price) if child.replacing else (child.price,)
        if any(_past_limit(price, parent.limit_price, child.side) for price in prices):
            insist_cancel(state, child, "limit price amended", now)
    return None


_NEVER_UNSET: Final = frozenset(("limit_price", "start_time", "end_time", "duration"))


def _kept(asked: AmendParent) -> Refusal | None:
    if asked.unset:
        return Refusal("NOT_AMENDABLE", "unset_goes_with_another_policy")
    return None


def _cannot_switch(state: State, asked: AmendParent) -> Refusal | None:
    """Why this policy cannot take the parent over, whatever its size."""
    policy = asked.policy or ""
    if not _NAME.fullmatch(policy):
        return Refusal("INVALID_POLICY", "policy_is_1_to_64_printable_characters")
    kept = [name for name in asked.unset if name in _NEVER_UNSET or name not in catalogue()]
    if kept:
        return Refusal("NOT_AMENDABLE", f"unset={','.join(name[:64] for name in kept[:8])}")
    scope = state.kills.covering(frozenset((f"policy={policy}",)))
    if scope:
        return Refusal("KILLED", f"scope={scope}")
    return None


def _past_limit(price: int, limit: int, side: Side) -> bool:
    """A market order (price 0) may trade past any limit."""
    return bool(limit) and (price == 0 or (price - limit) * side.sign > 0)


def _pause(state: State, parent: Parent, asked: ParentCommand, now: Now) -> Refusal | None:
    assert isinstance(asked, PauseParent)
    hand = hand_of(asked.by) if asked.by_hand else ""
    if parent.status is ParentStatus.PAUSED and parent.hand == hand:
        return Refusal("TAKEN_OVER" if hand else "ALREADY_PAUSED", f"version={parent.version}")
    parent.hand, parent.status = hand, ParentStatus.PAUSED
    announce(state, parent, "taken over" if hand else "paused", asked.by, asked.reason, now, asked.command_id)
    cancel_children(state, parent, "taken over" if hand else "paused", now)
    return None


def pause(state: State, parent: Parent, by: str, reason: str, now: Now, command_id: str = "") -> None:
    """Stop working a parent and cancel its children; only a person resumes it."""
    if parent.status is ParentStatus.WORKING:
        parent.status = ParentStatus.PAUSED
        announce(state, parent, "paused", by, reason, now, command_id)
    cancel_children(state, parent, "paused", now)


def _resume(state: State, parent: Parent, asked: ParentCommand, now: Now) -> Refusal | None:
    assert isinstance(asked, ResumeParent)
    if parent.status is not ParentStatus.PAUSED:
        return Refusal("NOT_PAUSED", f"status={parent.status}")
    scope = state.kills.covering(parent.scopes) or reducing.refusing(state, parent)
    if scope:
        return Refusal("KILLED", f"scope={scope} release_it_first=yes")
    by_hand, parent.hand = parent.hand, ""
    parent.status = ParentStatus.WORKING
    if asked.catch_up is not None:
        merged = parent.order.parameters.merged(Parameters(catch_up=asked.catch_up))
        parent.order = msgspec.structs.replace(parent.order, parameters=merged)
    _change(state, parent, asked, "resumed", now)
    if by_hand:
        cancel_children(state, parent, "handed back", now)
    return None


def _cancel(state: State, parent: Parent, asked: ParentCommand, now: Now) -> Refusal | None:
    assert isinstance(asked, CancelParent)
    parent.status = ParentStatus.CANCELING
    parent.closing = asked.reason or f"canceled by {asked.by}"
    _change(state, parent, asked, "canceling", now)
    cancel_children(state, parent, "parent canceled", now)
    return None


_CHANGES: Final[dict[type, Callable[[State, Parent, ParentCommand, Now], Refusal | None]]] = {
    AmendParent: _amend,
    PauseParent: _pause,
    ResumeParent: _resume,
    CancelParent: _cancel,
}


# The end of a parent


def cancel_children(state: State, parent: Parent, reason: str, now: Now) -> None:
    """Cancel everything of this parent, until nothing works."""
    for child in list(state.ledger.progress(parent.order.id).live.values()):
        insist_cancel(state, child, reason, now)


def settle(state: State, parent_id: str, now: Now) -> None:
    """Close a parent that is over: full, cancelled, or past its window, and with nothing live."""
    parent = state.open.get(parent_id)
    if parent is None:
        return
    progress = state.ledger.progress(parent_id)
    full = progress.filled >= parent.order.quantity
    expired = now.market >= parent.window_end
    if not (full or expired or parent.status is ParentStatus.CANCELING):
        return
    if progress.live:
        if expired or full:
            cancel_children(state, parent, "end of window" if expired else "parent filled", now)
        return
    if full:
        parent.status, reason = ParentStatus.FILLED, "filled"
    elif parent.status is ParentStatus.CANCELING:
        parent.status, reason = ParentStatus.CANCELED, parent.closing
    else:
        parent.status, reason = ParentStatus.EXPIRED, "end of window"
    del state.open[parent_id]
    event = ParentClosed(state=state.snapshot(parent), reason=reason, ts_event=now.market, ts_utc=now.utc)
    state.order_event(event, parent_id)


def tick(state: State, now: Now) -> None:
    """Windows that have ended, and parents that waited too long for a market."""
    for parent_id in [p for p, parent in state.open.items() if now.market >= parent.window_end]:
        settle(state, parent_id, now)
    for symbol, queue in list(state.waiting.items()):
        for asked in list(queue):
            refusal = _untimely(state, asked, now)
            if refusal is not None:
                _drop_waiting(state, symbol, asked)
                code = "NO_MARKET" if refusal.code == "STALE_COMMAND" else refusal.code
                _refuse(state, asked, Refusal(code, refusal.detail), now)


def tick_due(state: State, now: Now) -> bool:
    """Whether ``tick`` would do something."""
    for parent_id, parent in state.open.items():
        if now.market >= parent.window_end:
            live = state.ledger.progress(parent_id).live
            if not live or any(not child.insist for child in live.values()):
                return True
    return any(
        _untimely(state, asked, now) is not None for queue in state.waiting.values() for asked in queue
    )
