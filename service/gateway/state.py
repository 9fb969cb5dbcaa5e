"""Everything that the gateway knows: the state that its inputs are folded into, and the effects they have."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Container, Mapping
from typing import Final, NamedTuple

import msgspec

from service.fix.messages import Attribution, Request
from service.gateway.alike import Alike
from service.gateway.blocked import BlockedOrders
from service.gateway.breaks import DropCopyBook
from service.gateway.identifiers import Identifiers
from service.gateway.inputs import Started
from service.gateway.kill import ALL, Kills, in_full, is_reduce_only, normal_scope
from service.gateway.ledger import Ledger
from service.gateway.limits_file import LimitsFileError, parse_limits
from service.gateway.line import Line
from service.gateway.order import Order, tellable
from service.gateway.proposals import Proposals
from service.gateway.throttle import Throttle
from service.gateway.traffic import Traffic
from service.model.events import Alarm, ChildReport, ParentEvent, ParentSnapshot, RiskEvent
from service.model.market import FeedHeartbeat, ReferenceSnapshot
from service.model.message import Message
from service.model.orders import NewParent, ParentOrder, ParentStatus
from service.model.records import AuditEntry
from service.model.reference import Reference, parse_reference
from service.model.time import Now, SessionClock
from service.risk import Gate, Limits, value_unit
from service.risk.snapshots import MarketFacts, ParentFacts

ORDERS: Final = "orders.v1"
RISK: Final = "risk.v1"
AUDIT: Final = "audit.v1"
_SCOPED: Final = re.compile(r"[!-~]{1,200}")
"""What any name of a parent, policy or model looks like."""


class Send(NamedTuple):
    """Hand a request to FIX.

    Attributes:
        synced: Only after everything up to this input is on disk; cancels and questions do not wait.
        question: An OrderStatusRequest: nothing changes if it is not sent, it is asked again.
    """

    cl_ord_id: str
    request: Request
    synced: bool
    question: bool = False


class Publish(NamedTuple):
    """Put a message on the record; ``runners``: and tell them."""

    topic: str
    key: bytes
    message: Message
    runners: bool


Effect = Send | Publish


class Parent:
    """A parent as admitted.

    Attributes:
        levels: Names that its orders count for, in the order of ``LEVELS``.
        scopes: Scopes of kills that cover it, ``KEY=NAME``.
        closing: Why it is being ended, once it is.
        hand: Who of the stream works it while a person has taken it over; else empty.
    """

    __slots__ = (
        "arrival_price",
        "arrival_volume",
        "attribution",
        "closing",
        "hand",
        "levels",
        "next_child",
        "order",
        "scopes",
        "status",
        "version",
        "window_end",
        "window_start",
    )

    def __init__(
        self, order: ParentOrder, window: tuple[int, int], arrival: ReferenceSnapshot, reference: Reference
    ) -> None:
        trader, account = reference.by_trader[order.trader], reference.by_account[order.account]
        firm = next(d.firm for d in reference.desks if d.name == trader.desk)
        self.order = order
        self.version = 1
        self.status = ParentStatus.WORKING
        self.window_start, self.window_end = window
        self.arrival_price, self.arrival_volume = arrival.reference, arrival.volume
        self.next_child = 1
        self.closing = ""
        self.hand = ""
        self.attribution = Attribution(trader=order.trader, desk=trader.desk, client=account.client)
        self.levels = (order.policy, order.trader, trader.desk, account.client, firm)
        self.scopes = parent_scopes(order) | {
            f"desk={trader.desk}",
            f"client={account.client}",
            f"firm={firm}",
            f"venue={reference.by_symbol[order.symbol].venue}",
        }

    def switch(self, policy: str) -> None:
        """Another policy works it from now on: its orders count, and kills reach it, under that name."""
        self.scopes = self.scopes - {f"policy={self.order.policy}"} | {f"policy={policy}"}
        self.levels = (policy, *self.levels[1:])
        self.order = msgspec.structs.replace(self.order, policy=policy)

    @property
    def limit_price(self) -> int:
        """Price units; 0 if there is none."""
        return self.order.parameters.limit_price or 0


def parent_scopes(order: ParentOrder) -> frozenset[str]:
    """Scopes that can be told from the order alone."""
    return frozenset(
        (
            f"parent={order.id}",
            f"symbol={order.symbol}",
            f"policy={order.policy}",
            f"trader={order.trader}",
            f"account={order.account}",
        )
    )


class State:
    """The fold. Its methods are the small steps that every kind of input shares.

    Attributes:
        warned: When a limit was last seen used to a step, by its name, level, whose it is, and step (C34).
        waiting: New parents by symbol, until there is a session clock and a reference price.
        logged_on, reachable: Orders can be sent; cancels and questions can be (also after a fault).
        clock_trouble: Why our clock is not to be trusted, where that denies new orders (C47); else empty.
        chasing: Orders that the gateway itself must do something about, by child id.
        awaited: Orders and replaces that were sent, with when and ClOrdID: asked about if no answer comes.
        offsets: Newest offset of ``parents.v1`` by partition.
        approved_limits: Text of limits that two people have put in place of the file's; empty if none.
        report_seq: MsgSeqNum of the newest report of the broker.
        numbering: What that number counts from; empty if that is not known.
        unused_from: No MsgSeqNum of ours from this one on has been used; 0 if nothing is known.
        rules: Newest rule that this life goes by (``RULES``).
        order_status: What the broker can be asked about orders: ``mass``, ``single`` or ``none``.
        mass_id: MassStatusReqID of the question about everything that is not answered in full; else empty.
        mass_open: Live orders, by child id, that its answers have not told of yet.
        foreign: Adopted orders by the broker's OrderID.
        drop_copy: The drop copy's account of the same executions, and the breaks (C35).
        line: The last disconnect, and what became of orders then (C28).
        ids: ClOrdIDs given.
        effects: What the input at hand has done so far.
    """

    def __init__(self) -> None:
        self.configured: Started | None = None
        self.ledger = Ledger()
        self.parents: dict[str, Parent] = {}
        self.open: dict[str, Parent] = {}
        self.waiting: dict[str, list[NewParent]] = {}
        self.kills = Kills()
        self.proposals = Proposals()
        self.blocked = BlockedOrders()
        self.approved_limits = ""
        self.traffic = Traffic()
        self.alike = Alike()
        self.throttle = Throttle()
        self.warned: dict[tuple[str, str, str, int], int] = {}
        self.market: dict[str, ReferenceSnapshot] = {}
        self.heartbeat: FeedHeartbeat | None = None
        self.clock: SessionClock | None = None
        self.logged_on = False
        self.reachable = False
        self.clock_trouble = ""
        self.chasing: dict[str, Order] = {}
        self.awaited: deque[tuple[int, str, Order]] = deque()
        self.offsets: dict[int, int] = {}
        self.report_seq = 0
        self.numbering = ""
        self.effects: list[Effect] = []
        self.unused_from = 0
        self.rules = 0
        self.order_status = "single"
        self.mass_id = ""
        self.mass_open: dict[str, None] = {}
        self.foreign: dict[str, Order] = {}
        self.drop_copy = DropCopyBook()
        self.line = Line()
        self.ids = Identifiers()

    def configure(self, started: Started, now: Now) -> None:
        """A life of the gateway begins, with these limits and instruments.

        Raises:
            ReferenceFileError, LimitsFileError: If the texts do not hold together.
        """
        self.reference = parse_reference(started.reference, "reference file in the journal")
        before, self.configured = self.configured, started
        if self.approved_limits and before is not None and before.limits == started.limits:
            # The file is as it was: what two people have put in its place since holds.
            self._keep_approved(now)
        else:
            self.approved_limits = ""
            self._use_limits(started.limits, "limits file in the journal")
        self.ledger.books.configure({i.symbol: value_unit(i) for i in self.reference.instruments})
        self.ids.begin_life(now.utc)
        self.logged_on = self.reachable = False
        self.clock_trouble = ""
        self.rules = self.ledger.rules = started.rules
        self.order_status, self.mass_id = started.order_status, ""
        self.line.configure(declared=started.cancel_on_disconnect, grace=started.cancel_on_disconnect_grace)
        self.drop_copy.configure(
            started.drop_copy,
            tolerance=started.drop_copy_tolerance,
            required=started.drop_copy_required,
            golden=started.drop_copy_golden,
            utc=now.utc,
        )

    def change_limits(self, text: str) -> None:
        """Limits that two people approved; they hold until the limits file is another one (C43).

        Raises:
            LimitsFileError: If the text does not hold together; the limits are as they were.
        """
        self._use_limits(text, "approved limits")
        self.approved_limits = text
        books = self.ledger.books
        books.moved.update(dict.fromkeys(books.all.values()))

    def _keep_approved(self, now: Now) -> None:
        try:
            self._use_limits(self.approved_limits, "approved limits")
        except LimitsFileError as error:
            # Another reference file: nothing is traded until somebody has looked.
            self.gate = Gate(Limits(version="none"), self.reference)
            self.alarm("LIMITS_UNUSABLE", str(error), "", now)

    def _use_limits(self, text: str, where: str) -> None:
        self.gate = Gate(parse_limits(text, where, self.reference), self.reference)

    def order_event(self, event: ChildReport | ParentEvent, key: str, *, runners: bool = True) -> None:
        """Put what happened to an order or parent on the record, and tell the runners.

        An adopted order has no parent, so its ``key`` is empty and no runner is told.
        """
        self.effects.append(Publish(ORDERS, key.encode(), event, runners and key != ""))

    def risk_event(self, event: RiskEvent, key: str, *, runners: bool = False) -> None:
        """Put a denial, a kill or an alarm on the record."""
        self.effects.append(Publish(RISK, key.encode(), event, runners))

    def alarm(self, code: str, detail: str, symbol: str, now: Now) -> None:
        """Something that a person must look at."""
        self.risk_event(Alarm(code=code, detail=detail, symbol=symbol, ts_utc=now.utc), symbol)

    def audit(self, who: str, action: str, target: str, reason: str, outcome: str, now: Now) -> None:
        """Who did what."""
        entry = AuditEntry(
            who=who, action=action, target=target, reason=reason, outcome=outcome, ts_utc=now.utc
        )
        self.effects.append(Publish(AUDIT, target.encode(), entry, False))

    def parent_facts(self, parent: Parent, runner: str = "") -> ParentFacts:
        """What the gate may know of a parent, for an order of this runner: paused for all but who has it."""
        order, progress = parent.order, self.ledger.progress(parent.order.id)
        status = parent.status
        if parent.hand and parent.hand == runner and status is ParentStatus.PAUSED:
            status = ParentStatus.WORKING
        # A call with more than 15 names goes through a dictionary and takes five times as long.
        return ParentFacts(
            order.id,
            order.symbol,
            order.side,
            order.quantity,
            limit_price=order.parameters.limit_price or 0,
            window_start=parent.window_start,
            window_end=parent.window_end,
            version=parent.version,
            status=status,
            policy=order.policy,
            account=order.account,
            arrival_price=parent.arrival_price,
            filled=progress.filled,
            working=progress.working,
            next_child=parent.next_child,
            levels=parent.levels,
        )

    def market_facts(self, symbol: str) -> MarketFacts:
        """What the gate may know of the market."""
        heartbeat = self.heartbeat
        return MarketFacts(
            reference=self.market.get(symbol), heartbeat_utc=heartbeat.ts_utc if heartbeat is not None else 0
        )

    def snapshot(self, parent: Parent) -> ParentSnapshot:
        """A parent as runners and people see it."""
        progress = self.ledger.progress(parent.order.id)
        return ParentSnapshot(
            parent=parent.order,
            version=parent.version,
            status=parent.status,
            window_start=parent.window_start,
            window_end=parent.window_end,
            arrival_price=parent.arrival_price,
            arrival_volume=parent.arrival_volume,
            next_child=parent.next_child,
            filled_quantity=progress.filled,
            filled_money=tellable(progress.money),
            children=tuple(order.snapshot() for order in progress.live.values()),
            hand=parent.hand,
        )

    def order_scopes(self, order: Order) -> frozenset[str]:
        """Scopes of kills that cover this order; of an adopted one no more is known than its instrument.

        Raises:
            KeyError: If its parent is not known.
        """
        if not order.parent_id:
            venue = self.reference.by_symbol[order.symbol].venue
            return frozenset((f"symbol={order.symbol}", f"venue={venue}"))
        return self.parents[order.parent_id].scopes

    def kill_covering(self, order: Order) -> str:
        """Scope of a kill that covers this order; what cannot be judged is covered by any (C23)."""
        try:
            return self.kills.covering(self.order_scopes(order), order.model, order.venue)
        except Exception:  # noqa: BLE001 - stricter, never weaker
            return next(iter(self.kills.engaged), "")

    def kill_scope(self, text: str) -> str:
        """A kill's scope as it is put in force: in full where the limits allow no other (C26)."""
        scope = normal_scope(text)
        if is_reduce_only(scope) and not self.gate.limits.reduce_only_kill:
            return in_full(scope)
        return scope

    def meant_scope(self, text: str) -> str:
        """A kill's scope as somebody means it: a name that nothing can have is a mistake, and so ``all``."""
        scope = self.kill_scope(text)
        key, _, name = in_full(scope).partition("=")
        if in_full(scope) == ALL or (_SCOPED.fullmatch(name) and name in self._names(key, name)):
            return scope
        return ALL

    def _names(self, key: str, name: str) -> Container[str]:
        """What can stand behind this key; of what is not in the reference file, that very name."""
        reference = self.reference
        known: Mapping[str, Container[str]] = {
            "symbol": reference.by_symbol,
            "venue": reference.by_venue,
            "trader": reference.by_trader,
            "account": reference.by_account,
            "desk": [desk.name for desk in reference.desks],
            "client": [client.name for client in reference.clients],
            "firm": [firm.name for firm in reference.firms],
        }
        return known.get(key, (name,))

    @property
    def killed(self) -> bool:
        """Whether a kill of everything is in force."""
        return ALL in self.kills.engaged
