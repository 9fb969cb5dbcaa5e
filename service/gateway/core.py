"""The gateway's core: a pure fold of numbered inputs. No I/O, no clock, no chance.

``apply(input, now)`` changes the state and returns what is to be done about it. The shell (``service.gateway.
role``) journals every input and carries out the effects; recovery applies the journal's inputs again and
throws the effects away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from service.fix.messages import (
    BusinessReject,
    ExecutionReport,
    Malformed,
    OrderCancelReject,
    OrderMassCancelReport,
    SessionReject,
)
from service.gateway import (
    arming,
    authority,
    disconnects,
    dropcopy,
    killing,
    losses,
    orders,
    overrides,
    parents,
    reconcile,
    reports,
)
from service.gateway.cancels import (
    answer_overdue,
    ask_overdue,
    chase,
    chase_due,
    insist_cancel,
    lost_sight,
)
from service.gateway.inputs import (
    Approval,
    ArmInput,
    BreakExplained,
    ClockInput,
    Dismissed,
    DropCopy,
    DropCopySession,
    ExplainInput,
    Input,
    Intent,
    KillInput,
    LineCut,
    Noted,
    Numbered,
    ParentInput,
    Proposed,
    ReconcileInput,
    ReleaseInput,
    Reserved,
    RunnerLost,
    Sent,
    SessionInput,
    Started,
    Tick,
    Unauthorised,
    Unsent,
)
from service.gateway.state import Effect, State
from service.model.events import SessionChanged
from service.model.market import FeedHeartbeat, ReferenceSnapshot
from service.model.time import Now, SessionClock

LEAVE: Final = "leave"
PAUSE: Final = "pause"
CANCEL: Final = "cancel"


class Core:
    """Holds the state and dispatches inputs to what changes it."""

    def __init__(self) -> None:
        self.state = State()
        self._swept = 0
        self._handlers: Final[dict[type, Callable[[Any, Now], None]]] = {
            Started: self._started,
            ParentInput: lambda given, now: parents.command(self.state, given, now),
            ReferenceSnapshot: self._reference,
            SessionClock: self._clock,
            FeedHeartbeat: lambda given, _: setattr(self.state, "heartbeat", given),
            ExecutionReport: self._execution_report,
            OrderCancelReject: self._cancel_reject,
            OrderMassCancelReport: self._mass_cancel_report,
            BusinessReject: self._reject,
            SessionReject: self._reject,
            Malformed: self._malformed,
            Sent: lambda given, now: orders.sent(self.state, given, now),
            Unsent: lambda given, now: orders.unsent(self.state, given, now),
            SessionInput: self._session,
            RunnerLost: self._runner_lost,
            KillInput: lambda given, now: killing.engage(self.state, given, now),
            ReleaseInput: lambda given, now: killing.release(self.state, given, now),
            ReconcileInput: lambda given, now: reconcile.on_demand(self.state, given, now),
            ExplainInput: lambda given, now: reports.explained(self.state, given, now),
            DropCopy: lambda given, now: dropcopy.drop_copy(self.state, given, now),
            DropCopySession: lambda given, now: dropcopy.session(self.state, given, now),
            BreakExplained: self._break_explained,
            LineCut: lambda given, now: disconnects.cut(self.state, given, now),
            Reserved: lambda given, _: self._reserved(given),
            Numbered: lambda given, _: self._numbered(given),
            Noted: lambda given, now: self.state.alarm(given.code, given.detail, given.symbol, now),
            ClockInput: self._clock_trouble,
            ArmInput: lambda given, now: arming.arm(self.state, given, now),
            Proposed: lambda given, now: authority.propose(self.state, given, now),
            Dismissed: lambda given, now: overrides.dismiss(self.state, given, now),
            Unauthorised: lambda given, now: authority.unauthorised(self.state, given, now),
            Tick: lambda _, now: self._tick(now),
        }

    def apply(
        self, given: Input, now: Now, recorded: str = "", ids: Mapping[str, int] | None = None
    ) -> tuple[list[Effect], str]:
        """Fold one input in.

        Args:
            recorded, ids: The outcome and the numbers of ClOrdIDs that the journal holds, while recovering.

        Returns:
            What is to be done, in order, and the outcome of an intent (``approved``, a denial's code).
        """
        state = self.state
        effects: list[Effect] = []
        state.effects = effects
        state.ids.begin_input(ids)
        if type(given) is Intent:
            if given.heartbeat is not None:
                state.heartbeat = given.heartbeat
            if given.reference is not None:
                self._reference(given.reference, now)
            outcome = orders.intent(state, given, now, recorded)
        elif type(given) is Approval:
            outcome = authority.approve(state, given, now, recorded)
        else:
            self._handlers[type(given)](given, now)
            outcome = ""
        losses.watch(state, now)
        return effects, outcome

    def due(self, now: Now) -> bool:
        """Whether a ``Tick`` now would do something."""
        state = self.state
        if parents.tick_due(state, now) or chase_due(state, now) or dropcopy.due(state, now):
            return True
        if answer_overdue(state, now):
            return True
        if now.utc - self._swept < killing.SWEEP_EVERY:
            return False
        self._swept = now.utc
        return killing.sweep_due(self.state, now) or authority.expire_due(self.state, now)

    def may_send(self, cl_ord_id: str) -> str:
        """Why a request that waited for the disk must not go out any more; empty if it may."""
        order = self.state.ledger.find(cl_ord_id)
        if order is None or not order.live:
            return "the order is over"
        if cl_ord_id != order.chain[0] and (order.stale or cl_ord_id != order.replace_id):
            # The broker is asked what it has, and its answer is final: nothing may follow the question.
            return "the line dropped meanwhile"
        return order.insist or self.state.kill_covering(order)

    # What the gateway is told about itself

    def _started(self, given: Started, now: Now) -> None:
        state = self.state
        state.configure(given, now)
        for order in list(state.ledger.live.values()):
            order.sent = True  # or it was not: only the broker knows
            order.stale = True
            lost_sight(state, order, "the gateway was restarted", now)

    def _numbered(self, given: Numbered) -> None:
        held = self.state.drop_copy if given.drop_copy else self.state
        if held.numbering:
            held.report_seq = 0
        held.numbering = given.numbering

    def _reserved(self, given: Reserved) -> None:
        if given.drop_copy:
            self.state.drop_copy.unused_from = given.unused_from
        else:
            self.state.unused_from = given.unused_from

    def _clock_trouble(self, given: ClockInput, now: Now) -> None:
        """C47: said once for each trouble; where it blocks, the gate denies until it is over."""
        self.state.clock_trouble = given.trouble if given.blocks else ""
        if given.trouble:
            blocks = "yes" if given.blocks else "no"
            detail = f"trouble={given.trouble} blocks={blocks} {given.detail}".rstrip()
            self.state.alarm("CLOCK_TROUBLE", detail, "", now)

    def _session(self, given: SessionInput, now: Now) -> None:
        state = self.state
        was = state.reachable
        state.logged_on, state.reachable = given.logged_on, given.reachable
        event = SessionChanged(
            session=given.session, logged_on=given.logged_on, ts_utc=now.utc, detail=given.detail
        )
        state.risk_event(event, given.session)
        if was and not given.reachable:
            disconnects.lost(state, now)
            for order in list(state.ledger.live.values()):
                if order.sent:
                    order.stale = True
                    lost_sight(state, order, "the session was lost", now)
        elif given.reachable and not was:
            state.drop_copy.trading_since = now.utc
            disconnects.back(state, now)
        if given.logged_on and not was:
            killing.logged_on(state, now)
            reconcile.logged_on(state, now)

    def _runner_lost(self, given: RunnerLost, now: Now) -> None:
        """C29: nobody looks after this runner's orders any more."""
        state = self.state
        assert state.configured is not None
        action = state.configured.on_runner_loss
        mine = [order for order in state.ledger.live.values() if order.runner == given.runner]
        state.alarm("RUNNER_LOST", f"runner={given.runner} orders={len(mine)} action={action}", "", now)
        overrides.runner_lost(state, given.runner, now)
        if action == LEAVE:
            return
        for parent_id in dict.fromkeys(order.parent_id for order in mine):
            parent = state.open.get(parent_id)
            if parent is not None and action == PAUSE:
                parents.pause(state, parent, "gateway", f"runner {given.runner} lost", now)
        for order in mine:
            insist_cancel(state, order, f"runner {given.runner} lost", now)

    def _tick(self, now: Now) -> None:
        try:
            parents.tick(self.state, now)
        finally:
            ask_overdue(self.state, now)
            chase(self.state, now)
            killing.sweep(self.state, now)
        authority.expire(self.state, now)
        for report in dropcopy.sweep(self.state, now):
            reports.booked(self.state, report, now)

    def _break_explained(self, given: BreakExplained, now: Now) -> None:
        report = dropcopy.explained(self.state, given, now)
        if report is not None:
            reports.booked(self.state, report, now)

    # The market

    def _reference(self, given: ReferenceSnapshot, now: Now) -> None:
        self.state.market[given.symbol] = given
        self.state.ledger.books.mark(given.symbol, given.reference, now.market, now.utc)
        parents.market_known(self.state, given.symbol, now)

    def _clock(self, given: SessionClock, now: Now) -> None:
        self.state.clock = given
        parents.market_known(self.state, None, now)

    # The broker

    def _execution_report(self, given: ExecutionReport, now: Now) -> None:
        self._heard(given.seq)
        reports.execution_report(self.state, given, now)

    def _cancel_reject(self, given: OrderCancelReject, now: Now) -> None:
        self._heard(given.seq)
        reports.cancel_reject(self.state, given, now)

    def _mass_cancel_report(self, given: OrderMassCancelReport, now: Now) -> None:
        self._heard(given.seq)
        killing.mass_cancel_answered(self.state, given, now)

    def _reject(self, given: BusinessReject | SessionReject, now: Now) -> None:
        self._heard(given.seq)
        reports.reject(self.state, given, now)

    def _malformed(self, given: Malformed, now: Now) -> None:
        self._heard(given.seq)
        reports.malformed(self.state, given, now)

    def _heard(self, seq: int) -> None:
        if seq:
            self.state.report_seq = seq
