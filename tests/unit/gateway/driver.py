"""Drives the gateway's real core: inputs in, effects and state out, both clocks in the test's hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from service.fix.messages import (
    ExecutionReport,
    NewOrderSingle,
    OrderCancelReject,
    OrderCancelReplaceRequest,
    OrderCancelRequest,
    OrderMassStatusRequest,
    OrderStatusRequest,
)
from service.gateway.core import Core
from service.gateway.inputs import (
    RULES,
    Approval,
    Frame,
    Input,
    Intent,
    KillInput,
    ParentInput,
    Proposed,
    Sent,
    SessionInput,
    Started,
    Tick,
    Unsent,
    decode_frame,
)
from service.gateway.order import Order
from service.gateway.state import Effect, Publish, Send
from service.model.codec import encode
from service.model.market import FeedHeartbeat, ReferenceSnapshot, TradingPhase
from service.model.orders import (
    CancelChild,
    NewParent,
    OrdStatus,
    OrdType,
    ParentOrder,
    ReplaceChild,
    Side,
    SubmitChild,
    TimeInForce,
)
from service.model.time import MILLISECOND, SECOND, Now, SessionClock

ROOT = Path(__file__).resolve().parents[3]
REFERENCE = (ROOT / "deploy" / "reference.toml").read_text()
LIMITS = (ROOT / "deploy" / "limits.toml").read_text()

MARKET = 1_340_285_400 * SECOND
UTC = 1_795_000_000 * SECOND
PRICE = 1_000_000
"""Of AURA, price units: 100 dollars."""


def snapshot(utc: int, **changes: Any) -> ReferenceSnapshot:
    """Orderly facts about AURA."""
    fields: dict[str, Any] = {
        "symbol": "AURA",
        "venue": "XSIM",
        "ts_event": MARKET,
        "ts_utc": utc,
        "bid": PRICE - 100,
        "ask": PRICE + 100,
        "bid_quantity": 500,
        "ask_quantity": 500,
        "last": PRICE,
        "reference": PRICE,
        "open": PRICE,
        "volume": 10_000,
        "spread_bps": 2.0,
        "volatility_bps": 3.0,
        "phase": TradingPhase.CONTINUOUS,
    }
    return ReferenceSnapshot(**{**fields, **changes})


def parent(parent_id: str = "P1", **changes: Any) -> ParentOrder:
    """A buy of 1,000 AURA."""
    fields: dict[str, Any] = {
        "id": parent_id,
        "symbol": "AURA",
        "side": Side.BUY,
        "quantity": 1000,
        "policy": "twap",
        "account": "NW-1",
        "trader": "alice",
        "ts_utc": UTC,
    }
    return ParentOrder(**{**fields, **changes})


def child(child_id: str = "P1.1", **changes: Any) -> SubmitChild:
    """A buy of 100 AURA, of a parent at its first version."""
    fields: dict[str, Any] = {
        "child_id": child_id,
        "parent_id": child_id.rpartition(".")[0],
        "parent_version": 1,
        "symbol": "AURA",
        "side": Side.BUY,
        "ord_type": OrdType.LIMIT,
        "quantity": 100,
        "price": PRICE,
        "time_in_force": TimeInForce.DAY,
        "policy": "twap",
    }
    return SubmitChild(**{**fields, **changes})


class Driver:
    """A core that has started, is logged on, and knows the market; every input goes on ``frames``.

    Requests for FIX are handed over at once (``sent``) unless ``hold`` is set.
    """

    def __init__(
        self,
        *,
        limits: str = LIMITS,
        on_runner_loss: str = "cancel",
        order_status: str = "single",
        mass_cancel: bool = False,
        rules: int = RULES,
        begin: bool = True,
    ) -> None:
        self.core = Core()
        self.utc = UTC
        self.market = MARKET
        self.hold = False
        self.seq = 0
        self.exec_ids = 0
        self.frames: list[Frame] = []
        self.requests: list[Any] = []
        self.published: list[Any] = []
        self.held: list[Send] = []
        self._started = Started(
            reference=REFERENCE,
            limits=limits,
            on_runner_loss=on_runner_loss,
            max_command_age=600 * SECOND,
            order_status=order_status,
            mass_cancel=mass_cancel,
            parent_limits=True,
            rules=rules,
        )
        if begin:
            self.start()
            self.log_on()
            self.clock()
            self.refresh()

    # Inputs

    def feed(self, given: Input, recorded: str = "") -> str:
        """Apply an input, and hand over to FIX what it says."""
        now = Now(self.market, self.utc)
        effects, outcome = self.core.apply(given, now, recorded)
        self.seq += 1
        ids = dict(self.core.state.ids.given)
        self.frames.append(
            Frame(seq=self.seq, market=now.market, utc=now.utc, body=given, outcome=outcome, ids=ids)
        )
        self._perform(effects)
        return outcome

    def _perform(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Publish):
                self.published.append(effect.message)
            elif self.hold and effect.synced:
                self.held.append(effect)
            else:
                self.hand_over(effect)

    def hand_over(self, effect: Send) -> None:
        """FIX takes a request."""
        self.requests.append(effect.request)
        if not effect.question:
            self.feed(Sent(cl_ord_id=effect.cl_ord_id, gated=self.utc, journalled=self.utc, sent=self.utc))

    def release_held(self) -> None:
        """The disk has caught up."""
        held, self.held = self.held, []
        for effect in held:
            reason = self.core.may_send(effect.cl_ord_id)
            if reason:
                self.feed(Unsent(cl_ord_id=effect.cl_ord_id, reason=reason))
            else:
                self.hand_over(effect)

    def start(self) -> None:
        self.feed(self._started)

    def log_on(self) -> None:
        self.feed(SessionInput(session="S", logged_on=True, reachable=True))

    def log_off(self) -> None:
        self.feed(SessionInput(session="S", logged_on=False, reachable=False))

    def clock(self, end: int = MARKET + 3600 * SECOND) -> None:
        self.feed(
            SessionClock(market_start=MARKET, utc_start=UTC, speed=1.0, market_end=end, ts_utc=self.utc)
        )

    def refresh(self, **changes: Any) -> None:
        """New facts and a heartbeat, as of now."""
        self.feed(snapshot(self.utc, **changes))
        self.feed(FeedHeartbeat(feed="f", watermark=self.market, ts_utc=self.utc, published=1))

    def wait(self, nanoseconds: int) -> None:
        """Time passes in both clocks."""
        self.utc += nanoseconds
        self.market += nanoseconds

    def tick(self, after: int = 0) -> None:
        self.wait(after)
        if self.core.due(Now(self.market, self.utc)):
            self.feed(Tick())

    def admit(self, order: ParentOrder | None = None, **changes: Any) -> ParentOrder:
        """A new parent, from ``parents.v1``."""
        order = order or parent(**changes)
        self.command(NewParent(command_id=f"new-{order.id}", parent=order, by="alice", ts_utc=self.utc))
        return order

    def command(self, command: Any, offset: int | None = None) -> None:
        """A record of ``parents.v1``."""
        at = self.core.state.offsets.get(0, -1) + 1 if offset is None else offset
        self.feed(ParentInput(partition=0, offset=at, command=command))

    def submit(self, child_id: str = "P1.1", *, runner: str = "r1", **changes: Any) -> str:
        """A runner's new child; returns the outcome."""
        known = self.core.state.parents.get(child_id.rpartition(".")[0])
        if known is not None:
            changes = {"parent_version": known.version, "side": known.order.side, **changes}
        return self.feed(Intent(runner=runner, command=child(child_id, **changes)))

    def cancel(self, child_id: str = "P1.1", *, runner: str = "r1") -> None:
        parent_id = child_id.rpartition(".")[0]
        self.feed(Intent(runner=runner, command=CancelChild(child_id=child_id, parent_id=parent_id)))

    def replace(self, child_id: str = "P1.1", *, quantity: int, price: int = PRICE, version: int = 0) -> str:
        parent_id = child_id.rpartition(".")[0]
        known = self.core.state.parents.get(parent_id)
        command = ReplaceChild(
            child_id=child_id,
            parent_id=parent_id,
            parent_version=version or (known.version if known else 1),
            quantity=quantity,
            price=price,
        )
        return self.feed(Intent(runner="r1", command=command))

    def kill(self, scope: str = "all") -> None:
        self.feed(KillInput(scope=scope, by="bob", reason="test"))

    def release(self, scope: str = "all") -> None:
        """Carol proposes it, and dave approves."""
        self.propose(target=scope)
        self.approve(target=scope)

    def propose(self, action: str = "release", target: str = "all", **changes: Any) -> str:
        """A proposal of carol's; returns its id, or nothing if it was not taken."""
        known = set(self.core.state.proposals.open)
        fields: dict[str, Any] = {"by": "carol", "station": "os:carol", "reason": "test"}
        self.feed(Proposed(**{"action": action, "target": target, **fields, **changes}))
        return "".join(set(self.core.state.proposals.open) - known)

    def approve(
        self, proposal: str = "", action: str = "release", target: str = "all", **changes: Any
    ) -> None:
        """Dave's approval, of the newest proposal unless another is named."""
        proposal = proposal or next(reversed(self.core.state.proposals.open), "")
        fields: dict[str, Any] = {"by": "dave", "station": "os:dave", "reason": "so be it"}
        given = {"proposal": proposal, "action": action, "target": target, **fields, **changes}
        self.feed(Approval(**given))

    # The broker

    def order(self, child_id: str = "P1.1") -> Order:
        return self.core.state.ledger.orders[child_id]

    def report(self, exec_type: str, status: OrdStatus, child_id: str = "P1.1", **changes: Any) -> None:
        """An execution report about a child, with an ExecID of its own unless given."""
        order = self.order(child_id)
        self.exec_ids += 1
        fields: dict[str, Any] = {
            "cl_ord_id": order.cl_ord_id,
            "order_id": f"B-{child_id}",
            "exec_id": f"E{self.exec_ids}",
            "exec_type": exec_type,
            "ord_status": status,
            "symbol": order.symbol,
            "side": order.side,
            "seq": self.exec_ids,
        }
        self.feed(ExecutionReport(**{**fields, **changes}))

    def acknowledge(self, child_id: str = "P1.1") -> None:
        self.report("0", OrdStatus.NEW, child_id, cum_quantity=0)

    def fill(self, quantity: int, child_id: str = "P1.1", **changes: Any) -> None:
        """A fill, with the sums that the broker would tell."""
        order = self.order(child_id)
        cum = order.cum_quantity + quantity
        status = OrdStatus.FILLED if cum >= order.quantity else OrdStatus.PARTIALLY_FILLED
        fields: dict[str, Any] = {
            "last_quantity": quantity,
            "last_price": order.price or PRICE,
            "cum_quantity": cum,
            "leaves_quantity": max(0, order.quantity - cum),
        }
        self.report("F", status, child_id, **{**fields, **changes})

    def canceled(self, child_id: str = "P1.1", **changes: Any) -> None:
        order = self.order(child_id)
        fields: dict[str, Any] = {
            "cl_ord_id": order.cancel_id or order.cl_ord_id,
            "orig_cl_ord_id": order.cl_ord_id,
            "cum_quantity": order.cum_quantity,
            "leaves_quantity": 0,
        }
        self.report("4", OrdStatus.CANCELED, child_id, **{**fields, **changes})

    def replaced(self, child_id: str = "P1.1", **changes: Any) -> None:
        order = self.order(child_id)
        fields: dict[str, Any] = {
            "cl_ord_id": order.replace_id,
            "orig_cl_ord_id": order.cl_ord_id,
            "cum_quantity": order.cum_quantity,
        }
        self.report("5", OrdStatus.REPLACED, child_id, **{**fields, **changes})

    def refuse_cancel(
        self, child_id: str = "P1.1", status: OrdStatus = OrdStatus.NEW, **changes: Any
    ) -> None:
        """An OrderCancelReject of the pending cancel, or else of the pending replace."""
        order = self.order(child_id)
        fields: dict[str, Any] = {
            "cl_ord_id": order.cancel_id or order.replace_id,
            "orig_cl_ord_id": order.cl_ord_id,
            "order_id": order.order_id,
            "ord_status": status,
            "cxl_rej_response_to": "1" if order.cancel_id else "2",
            "text": "no",
        }
        self.feed(OrderCancelReject(**{**fields, **changes}))

    # What came of it

    def events(self, kind: type) -> list[Any]:
        return [message for message in self.published if type(message) is kind]

    def sent(self, kind: type) -> list[Any]:
        return [request for request in self.requests if type(request) is kind]

    @property
    def orders_sent(self) -> list[NewOrderSingle]:
        return self.sent(NewOrderSingle)

    @property
    def cancels_sent(self) -> list[OrderCancelRequest]:
        return self.sent(OrderCancelRequest)

    @property
    def replaces_sent(self) -> list[OrderCancelReplaceRequest]:
        return self.sent(OrderCancelReplaceRequest)

    @property
    def mass_questions_sent(self) -> list[OrderMassStatusRequest]:
        return self.sent(OrderMassStatusRequest)

    @property
    def questions_sent(self) -> list[OrderStatusRequest]:
        return self.sent(OrderStatusRequest)

    def denial(self) -> tuple[str, str]:
        """Control and code of the newest denial."""
        denied = [m for m in self.published if type(m).__name__ == "ChildDenied"][-1]
        return denied.control, denied.code

    def alarms(self) -> list[str]:
        return [m.code for m in self.published if type(m).__name__ == "Alarm"]

    def replayed(self) -> Core:
        """A new core with every frame folded in, through the journal's own bytes."""
        core = Core()
        for frame in self.frames:
            again = decode_frame(encode(frame))
            core.apply(again.body, Now(again.market, again.utc), again.outcome, again.ids)
        return core


def digest(core: Core) -> dict[str, Any]:
    """Everything of a core's state that must survive a recovery."""
    state = core.state
    ledger = state.ledger
    return {
        "orders": {
            child_id: {name: getattr(order, name) for name in Order.__slots__}
            for child_id, order in ledger.orders.items()
        },
        "exposures": {
            symbol: (e.position, e.working_buy, e.working_sell, e.unknown)
            for symbol, e in ledger.exposures.items()
            if e.position or e.working_buy or e.working_sell or e.unknown
        },
        "books": {
            key: (
                *(book.exposure, book.working, book.traded, book.cash, book.marked, book.since, book.stage),
                {s: (h.lots, h.buying, h.selling) for s, h in book.holdings.items()},
            )
            for key, book in ledger.books.all.items()
            if book.holdings
        },
        "today": {symbol: lots for symbol, lots in ledger.books.today.items() if lots},
        "progress": {
            p: (g.filled, g.money, g.working, list(g.live))
            for p, g in ledger.parents.items()
            if g.filled or g.working or g.live
        },
        "parents": {p: state.snapshot(parent) for p, parent in state.parents.items()},
        "next_child": {p: parent.next_child for p, parent in state.parents.items()},
        "open": list(state.open),
        "waiting": state.waiting,
        "throttled": state.throttle.tripped,
        "kills": (state.kills.engaged, state.kills.unconfirmed),
        "proposals": (state.proposals.open, state.proposals._last),
        "trials": {
            key: (t.day, t.orders, {s: (h.lots, h.buying, h.selling) for s, h in t.holdings.items()})
            for key, t in ledger.trials.all.items()
        },
        "blocked": (state.blocked.waiting, state.blocked.dismissed, state.blocked.decided),
        "limits": (state.gate.limits, state.approved_limits),
        "chasing": list(state.chasing),
        "offsets": state.offsets,
        "report_seq": state.report_seq,
        "asking": (state.order_status, state.mass_id, list(state.mass_open)),
        "foreign": {order_id: order.child_id for order_id, order in state.foreign.items()},
        "ids": (state.ids.lives, state.ids._prefix, state.ids._number),
    }


def ms(milliseconds: int) -> int:
    return milliseconds * MILLISECOND
