"""Our book against the broker's drop copy, continuously; a break stops the instrument (C35).

How to feed it: ``DropCopySession`` when that session comes up or goes down, ``DropCopy(report=...)`` for each
of its execution reports, in order. The trading session's own reports are compared as they are applied. A
``Tick`` finds what one side has not told for longer than ``Started.drop_copy_tolerance``; ``Core.due`` says
when. ``state.drop_copy.open`` are the breaks.

Nothing that only the drop copy tells is booked: its lots count as working until the trading session tells
them, too, or people say what they are. The ledger is a fold of the trading session, and a second source that
books by itself could count a fill twice. Where the broker declares the drop copy to be the golden source
(``drop_copy_golden``), it is booked after the tolerance.
"""

from __future__ import annotations

from typing import Final

import msgspec

from service.fix.messages import ExecutionReport
from service.gateway import reconcile
from service.gateway.breaks import REMEMBERED, Break, BreakKind, DropCopyBook, Told, Waiting, difference, told
from service.gateway.cancels import lost_sight
from service.gateway.inputs import BreakExplained, DropCopy, DropCopySession
from service.gateway.ledger import Applied
from service.gateway.lifecycle import EXEC_TYPES
from service.gateway.lifecycle import ReportKind as Kind
from service.gateway.order import Execution, Order
from service.gateway.state import State
from service.model.time import SECOND, Now

_PATIENCE: Final = 3 * SECOND
_FIRST_PATIENCE: Final = 10 * SECOND
"""UTC without the session before that is an alarm; the first logon of a life may take longer."""

_EXECUTIONS: Final = frozenset((Kind.TRADED, Kind.BUSTED, Kind.CORRECTED))
_ENDS: Final = frozenset((Kind.CANCELED, Kind.EXPIRED, Kind.DONE_FOR_DAY, Kind.REJECTED))


def session(state: State, given: DropCopySession, now: Now) -> None:
    """The drop copy session came up (and has sent what was missed) or went down."""
    book = state.drop_copy
    if book.up != given.up:
        book.up, book.since = given.up, now.utc
        book.was_up |= given.up
        if given.up and book.down_told:
            state.audit("gateway", "drop copy", given.session, "", "up again", now)
        book.down_told = False


def drop_copy(state: State, given: DropCopy, now: Now) -> None:
    """A report of the drop copy. It changes no order of ours; what nobody here sent is adopted."""
    report, book = given.report, state.drop_copy
    if report.seq:
        book.report_seq = report.seq
    kind = EXEC_TYPES.get(report.exec_type)
    if kind is None or report.mass_status_id:
        return  # an answer to somebody's question tells nothing that happened
    order = reconcile.find(state, report)
    if order is None:
        order = reconcile.adopt(state, report, now)
        if order is not None:
            reconcile.adopted(state, order, report, now)
    if kind in _EXECUTIONS and report.exec_id:
        _theirs(state, order, report, now)
    elif order is not None and kind in _ENDS and order.live:
        if order.parent_id and (order.child_id, "") not in book.by_key:
            book.ends[order.child_id] = (report, now.utc)
        elif not order.parent_id:
            state.ledger.apply(order, report)  # nobody here sent it: the drop copy may be all that tells
            if order.unknown:
                state.chasing[order.child_id] = order


def heard(state: State, applied: Applied, report: ExecutionReport, now: Now) -> None:
    """The trading session told of an execution, and the ledger has taken it in (or had)."""
    book = state.drop_copy
    if not book.enabled or applied.kind not in _EXECUTIONS or not report.exec_id:
        return
    if applied.illegal and applied.fill is None:
        return  # not in our book: if it happened, the drop copy tells it and it is missed
    key = (applied.order.child_id, report.exec_id)
    ours = told(report)
    known = book.by_key.get(key)
    if known is not None:
        _second_half(state, book.open[known], ours, None, now)
    elif key not in book.agreed and key not in book.ours:
        waiting = book.theirs.pop(key, None)
        if waiting is None:
            book.ours[key] = Waiting(report, applied.order, now.utc, 0)
            if len(book.ours) > REMEMBERED:
                _forget(state, now)
        else:
            _both(state, key, ours, waiting.report, waiting.order, waiting.claim, now)


def _theirs(state: State, order: Order | None, report: ExecutionReport, now: Now) -> None:
    book = state.drop_copy
    key = (order.child_id if order is not None else report.cl_ord_id or report.order_id, report.exec_id)
    theirs = told(report)
    known = book.by_key.get(key)
    if known is not None:
        _second_half(state, book.open[known], None, report, now)
    elif key in book.agreed:
        if book.agreed[key] != theirs.sum:
            _found(state, BreakKind.DIFFERENT, order, report, None, theirs, 0, now, differs="told_before")
    elif key in book.ours:
        _both(state, key, told(book.ours.pop(key).report), report, order, 0, now)
    elif _in_our_book(order, theirs, report.exec_id):
        book.agree(key, theirs.sum)
    elif key not in book.theirs:
        if order is None and report.poss_dup and reconcile.of_ours_long_ago(state, report.cl_ord_id):
            return  # sent again, of an order that is over and forgotten
        claim = _claim(state, order, theirs.quantity if theirs.kind == "F" else 0)
        book.theirs[key] = Waiting(report, order, now.utc, claim)


def _forget(state: State, now: Now) -> None:
    """The drop copy is away for longer than memory goes: what it tells then is looked up in the ledger."""
    ours = state.drop_copy.ours
    detail = f"not_compared={len(ours)} session={state.drop_copy.session}"
    for key in list(ours)[: len(ours) // 2]:
        del ours[key]
    state.alarm("DROP_COPY_FORGOTTEN", detail, "", now)


def _in_our_book(order: Order | None, theirs: Told, exec_id: str) -> bool:
    """It was booked before there was a drop copy to compare with."""
    if order is None or theirs.kind != "F":
        return False
    return order.executions.get(exec_id) == Execution(theirs.quantity, theirs.price)


def _both(
    state: State,
    key: tuple[str, str],
    ours: Told,
    report: ExecutionReport,
    order: Order | None,
    claim: int,
    now: Now,
) -> None:
    """Both sessions have told of it now."""
    theirs = told(report)
    differs = difference(ours, theirs)
    if not differs:
        _release(state, order, claim)
        state.drop_copy.agree(key, theirs.sum)
        _set_right(state, (key[0], theirs.refers), now)
        return
    more = max(0, theirs.quantity - ours.quantity) if theirs.kind == "F" else 0
    _release(state, order, claim)
    claim = _claim(state, order, more)
    _found(state, BreakKind.DIFFERENT, order, report, ours, theirs, claim, now, differs=differs)


def _set_right(state: State, key: tuple[str, str], now: Now) -> None:
    """Both sessions have busted or corrected this execution alike: how they differed before is history."""
    known = state.drop_copy.by_key.get(key, "")
    if known and key[1] and state.drop_copy.open[known].kind is BreakKind.DIFFERENT:
        _end(state, state.drop_copy.open[known], "set right on both sessions", now)


def _second_half(
    state: State, found: Break, ours: Told | None, report: ExecutionReport | None, now: Now
) -> None:
    """A session tells of an execution that is a break already: perhaps just what was missing."""
    theirs = told(report) if report is not None else found.theirs
    ours = ours or found.ours
    if (ours, theirs) == (found.ours, found.theirs) or ours is None or theirs is None:
        return
    if found.ours is not None and found.theirs is not None:
        return  # told again, and otherwise: which of them is right a person has to say
    _end(state, found, "the missing report has come", now)
    report = report or found.report
    assert report is not None
    _both(state, found.key, ours, report, found.order, 0, now)


def _claim(state: State, order: Order | None, lots: int) -> int:
    """Lots that somebody says were executed and our book has not: they count as working (C7)."""
    if order is None or not lots:
        return 0
    state.ledger.claim(order, lots)
    return lots


def _release(state: State, order: Order | None, lots: int) -> None:
    if order is not None and lots:
        state.ledger.claim(order, -lots)


def _found(
    state: State,
    kind: BreakKind,
    order: Order | None,
    report: ExecutionReport,
    ours: Told | None,
    theirs: Told | None,
    claim: int,
    now: Now,
    differs: str = "",
) -> Break:
    """A break: alarm, freeze, list."""
    book = state.drop_copy
    symbol = order.symbol if order is not None else report.symbol
    found = Break(
        id=book.next_id(),
        kind=kind,
        symbol=symbol,
        child_id=order.child_id if order is not None else "",
        cl_ord_id=report.cl_ord_id,
        order_id=report.order_id,
        exec_id=report.exec_id if kind is not BreakKind.STATUS else "",
        utc=now.utc,
        differs=differs,
        ours=ours,
        theirs=theirs,
        report=report if theirs is not None else None,
        order=order,
        claim=claim,
    )
    book.open[found.id] = found
    book.by_key[found.key] = found.id
    state.ledger.exposure(symbol).breaks += 1
    state.alarm("DROP_COPY_BREAK", str(found), symbol, now)
    return found


def _end(state: State, found: Break, outcome: str, now: Now, by: str = "gateway", reason: str = "") -> None:
    book = state.drop_copy
    del book.open[found.id]
    del book.by_key[found.key]
    state.ledger.exposure(found.symbol).breaks -= 1
    _release(state, found.order, found.claim)
    state.audit(by, "break", found.id, reason, f"{outcome}; {found}", now)


def explained(state: State, given: BreakExplained, now: Now) -> ExecutionReport | None:
    """A person says what a break is. Returns the drop copy's report if it is to be booked."""
    found = state.drop_copy.open.get(given.id)
    if found is None:
        state.audit(given.by, "break", given.id, given.reason, "refused: there is no such open break", now)
        return None
    if not given.book:
        _end(state, found, "explained, nothing booked", now, given.by, given.reason)
        right = found.theirs or found.ours
        if right is not None and found.exec_id:
            state.drop_copy.agree(found.key, right.sum)
        return None
    report = bookable(found)
    if report is None:
        outcome = "refused: the drop copy tells no execution of a known order that could be booked"
        state.audit(given.by, "break", given.id, given.reason, outcome, now)
        return None
    _end(state, found, "explained, booked", now, given.by, given.reason)
    assert found.theirs is not None
    state.drop_copy.agree(found.key, found.theirs.sum)
    return report


def may_not_book(state: State, number: str) -> str:
    """Why two people cannot book what the drop copy tells in this break; empty if they can."""
    found = state.drop_copy.open.get(number)
    if found is None:
        return f"there is no open break {number}; open: {', '.join(state.drop_copy.open) or 'none'}"
    if bookable(found) is None:
        return f"break {number}: the drop copy tells no execution of a known order that we do not have"
    return ""


def bookable(found: Break) -> ExecutionReport | None:
    """The report that books what the drop copy tells: its own, or a correction of what we have."""
    if found.report is None or found.order is None or found.kind is BreakKind.STATUS:
        return None
    if found.kind is BreakKind.DROP_COPY_ONLY:
        return found.report
    if found.theirs is None or found.theirs.kind != "F":
        return None
    changes = {"exec_type": "G", "exec_id": f"{found.exec_id}-{found.id}", "exec_ref_id": found.exec_id}
    return msgspec.structs.replace(found.report, **changes)


def sweep(state: State, now: Now) -> list[ExecutionReport]:
    """Find what has been missing for too long. Returns what the drop copy alone tells and is to be booked."""
    book = state.drop_copy
    if not book.enabled:
        return []
    if _down_due(book, now):
        book.down_told = True
        trading = "go_on" if book.lets_trade else "denied"
        state.alarm("DROP_COPY_DOWN", f"session={book.session} new_orders={trading}", "", now)
    golden = []
    while (half := _overdue(book.ours, book.up, book.since, book.tolerance, now)) is not None:
        waiting = book.ours.pop(half)
        _found(
            state, BreakKind.TRADING_ONLY, waiting.order, waiting.report, told(waiting.report), None, 0, now
        )
    while (
        half := _overdue(book.theirs, state.reachable, book.trading_since, book.tolerance, now)
    ) is not None:
        waiting = book.theirs.pop(half)
        theirs = told(waiting.report)
        found = _found(
            state, BreakKind.DROP_COPY_ONLY, waiting.order, waiting.report, None, theirs, waiting.claim, now
        )
        if book.golden and found.order is not None:
            _end(state, found, "booked: the drop copy is the golden source", now)
            book.agree(found.key, theirs.sum)
            golden.append(waiting.report)
    _ends(state, now)
    return golden


def _ends(state: State, now: Now) -> None:
    """Orders that are over by the drop copy and work here: the broker is asked."""
    book = state.drop_copy
    for child_id, (report, utc) in list(book.ends.items()):
        order = state.ledger.orders.get(child_id)
        if order is not None and order.live:
            if not state.reachable or now.utc - max(utc, book.trading_since) < book.tolerance:
                continue
            found = _found(state, BreakKind.STATUS, order, report, None, told(report), 0, now, "status")
            lost_sight(state, order, f"over by the drop copy, {found.id}", now)
        del book.ends[child_id]
    for found in [f for f in book.open.values() if f.kind is BreakKind.STATUS]:
        if found.order is not None and not found.order.live:
            _end(state, found, "it is over here, too", now)


def due(state: State, now: Now) -> bool:
    """Whether ``sweep`` would do something."""
    book = state.drop_copy
    if not book.enabled:
        return False
    return (
        _down_due(book, now)
        or _overdue(book.ours, book.up, book.since, book.tolerance, now) is not None
        or _overdue(book.theirs, state.reachable, book.trading_since, book.tolerance, now) is not None
        or any(_end_due(state, child_id, utc, now) for child_id, (_, utc) in book.ends.items())
        or any(
            f.kind is BreakKind.STATUS and f.order is not None and not f.order.live
            for f in book.open.values()
        )
    )


def _end_due(state: State, child_id: str, utc: int, now: Now) -> bool:
    order = state.ledger.orders.get(child_id)
    if order is None or not order.live:
        return True
    book = state.drop_copy
    return state.reachable and now.utc - max(utc, book.trading_since) >= book.tolerance


def _down_due(book: DropCopyBook, now: Now) -> bool:
    patience = _PATIENCE if book.was_up else _FIRST_PATIENCE
    return not book.up and not book.down_told and now.utc - book.since >= patience


def _overdue(
    waiting: dict[tuple[str, str], Waiting], other_up: bool, since: int, tolerance: int, now: Now
) -> tuple[str, str] | None:
    """The oldest that the other session, up for long enough, should have told by now.

    While the other session is down its silence says nothing; that it is down is an alarm of its own.
    """
    if not waiting or not other_up:
        return None
    key = next(iter(waiting))
    return key if now.utc - max(waiting[key].utc, since) >= tolerance else None
