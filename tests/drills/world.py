"""One seeded episode: a desk, the real gateway, a line and a broker, and everything that can go wrong."""

from __future__ import annotations

import random
from collections import Counter, deque
from pathlib import Path
from typing import Any

from service.fix.messages import ExecutionReport, OrderCancelRequest
from service.model.market import FeedHeartbeat
from service.model.time import SECOND, SessionClock
from tests.drills import invariants
from tests.drills.broker import SOH, BookOrder, Broker
from tests.drills.copied import EXECUTIONS, CopyLine
from tests.drills.copied import SESSION as COPY
from tests.drills.gateway import SESSION, Gateway
from tests.drills.invariants import Violation
from tests.drills.line import Line
from tests.unit.gateway.driver import MARKET, UTC, snapshot

SYMBOLS = ("AURA", "BOLT", "GOOG", "AMZN")
FULL = "the disk is full"
MAX_STUCK = 40
"""Steps for which a slow disk does nothing."""


class World:
    """Everything of one episode.

    Args:
        seed: Of this episode alone: the same seed is the same episode, to the last effect.
        path: Where the journal lies.

    Attributes:
        copy: The drop copy session.
        omitted: Executions that the broker never told: order, ExecID.
        lied: Executions of which a report said something else.
        concealed: Reports that were no executions and never told.
        active, moved: Children and parents to be looked at after this step.
        sent, ids: Children and ClOrdIDs that were handed to FIX, over all lives.
        canceled: OrigClOrdIDs of the cancels that this step sent.
        topic, read: The parents' topic, and how far this life has read it.
        may_stop: Trading may stop by itself.
        divergence: Orders that differ from the broker's book after all was told.
    """

    def __init__(self, seed: str, path: Path) -> None:
        self.rng = rng = random.Random(seed)
        self.utc, self.market_offset = UTC, MARKET - UTC
        self.log: deque[tuple[Any, ...]] = deque(maxlen=80)
        self.events = 0
        self.kills = 0
        self.places: Counter[str] = Counter()
        self.divergence = 0
        self.may_stop = False
        self.broker = Broker(
            strict_orig=rng.random() < 0.5,
            echo=rng.random() < 0.5,
            mass_cancels=rng.random() < 0.7,
            reopens=rng.random() < 0.3,
            chain_refs=rng.random() < 0.5,
            unknown_as_i=rng.random() < 0.5,
        )
        self.line = Line(rng)
        self.gateway = Gateway(path, rng, lambda: self.utc, self._carry)
        self.copy = CopyLine(enabled=rng.random() < 0.6)
        self.gateway.configure(
            order_status=rng.choice(("single", "mass")),
            mass_cancel=rng.choice((True, False)),
            drop_copy=COPY if self.copy.enabled else "",
        )
        self.by_child: dict[str, BookOrder] = {}
        self.by_parent: dict[str, list[BookOrder]] = {}
        self.active: set[str] = set()
        self.moved: set[str] = set()
        self.omitted: list[tuple[BookOrder, str]] = []
        self.lied: list[tuple[BookOrder, str]] = []
        self.sent: set[str] = set()
        self.ids: set[str] = set()
        self.canceled: set[str] = set()
        self.concealed = 0
        self.topic: list[Any] = []
        self.read = 0
        self.expected = 1
        self.disk_stuck = 0

    # Ends of the gateway

    def _carry(self, request: Any, raw: str) -> None:
        """What is handed to FIX: no ClOrdID and no child ever twice."""
        if type(request) is OrderCancelRequest:
            self.canceled.add(request.orig_cl_ord_id)
        if not hasattr(request, "transact_time"):
            self.line.to_broker.append((request, raw))
            return
        if request.cl_ord_id in self.ids:
            raise Violation(f"ClOrdID {request.cl_ord_id} was sent twice")
        self.ids.add(request.cl_ord_id)
        approved = getattr(request, "approved", None)
        if approved is not None:
            child = approved.command.child_id
            if not hasattr(request, "orig_cl_ord_id"):
                if child in self.sent:
                    raise Violation(f"child {child} was sent twice")
                self.sent.add(child)
                if self.gateway.journal.failed:
                    raise Violation(f"{child} was sent though the journal has failed")
            self.active.add(child)
        self.line.to_broker.append((request, raw))

    def flying(self) -> dict[str, int]:
        """Lots that new orders and replaces on the wire ask for, by child: the larger one."""
        found: dict[str, int] = {}
        for request, _ in self.line.to_broker:
            approved = getattr(request, "approved", None)
            if approved is not None:
                child = approved.command.child_id
                found[child] = max(approved.quantity, found.get(child, 0))
        return found

    def parent_quantity(self, parent_id: str) -> int:
        parent = self.gateway.core.state.parents.get(parent_id)
        if parent is None:
            raise Violation(f"{parent_id} has orders at the broker and is not known to the gateway")
        return parent.order.quantity

    # Lives of the gateway

    def begin(self) -> None:
        """A life of the gateway: recover, hear of the market, take parents from where it left off."""
        gateway = self.gateway
        self.expected = self.line.taken + 1
        gateway.start()
        state = gateway.core.state
        held = int(state.numbering) if state.numbering.isdecimal() else 1
        for life, store in self.line.past.items():
            # Taken before the numbers began anew, and not on record: nobody can ask for that again.
            if life >= held:
                known = state.report_seq if life == held else 0
                self.never_told(store[known:])
                self.copy.forgotten([text for text, _ in store[known:]])
                del store[known:]
        self.copy.begin(gateway.copy_numbers.expect_from)
        self.expected = min(self.expected, gateway.numbers.expect_from or self.expected)
        gateway.shell.reference(
            SessionClock(
                market_start=MARKET, utc_start=UTC, speed=1.0, market_end=MARKET + 36_000 * SECOND,
                ts_utc=self.utc,
            )
        )  # fmt: skip
        self.refresh()
        self.disk_stuck = 0
        if state.ledger.live and self.rng.random() < 0.3:
            gateway.shell.runner_lost("r1")
        self.settle_turn()
        self.read = state.offsets.get(0, -1) + 1
        self.active.update(self.by_child)
        self.moved.update(self.by_parent)

    def read_topic(self) -> None:
        """Parents' commands that were not read yet."""
        while self.read < len(self.topic):
            self.read += 1
            self.moved.update(self.by_parent)
            self.gateway.shell.parent(0, self.read - 1, self.topic[self.read - 1])

    def never_told(self, reports: list[tuple[str, BookOrder | None]]) -> None:
        """The session will not tell these any more; what they were about is kept in mind."""
        for text, order in reports:
            fields = dict(item.split("=", 1) for item in text.split(SOH) if item)
            if order is not None and fields.get("150") in ("F", "G", "H"):
                order.lies += 1
                self.lied.append((order, order.root(fields.get("19") or fields["17"])))
            else:
                self.concealed += 1

    def connect(self) -> None:
        """The line comes up; the session is logged on once what was missed has been taken."""
        self.line.connect(self.expected)
        self.gateway.store.numbering = str(self.line.lives)
        self.gateway.numbers.numbered(self.gateway.store.numbering)
        self.log_on()

    def log_on(self) -> None:
        """Logged on, if nothing that was missed is still to come."""
        line, gateway = self.line, self.gateway
        if line.up and not line.synced and not line.waiting:
            line.synced = True
            gateway.wire.logged_on = True
            gateway.shell.session(SESSION, True, gateway.wire.fault)

    def disconnect(self) -> None:
        """The line drops while the gateway lives."""
        was = self.gateway.wire.logged_on
        self.drop_line()
        self.gateway.wire.logged_on = False
        self.gateway.wire.unanswered.clear()
        self.expected = self.line.taken + 1
        if was:
            self.gateway.shell.session(SESSION, False, "the line dropped")

    def take(self) -> None:
        """Our engine takes the next report."""
        text, order = self.line.take()
        self.expected = self.line.taken + 1
        if order is not None:
            self.active.add(order.child)
        report = self.gateway.parse(text)
        assert report is not None
        self.note("report", text.replace("\x01", "|"))
        self.gateway.wire.unanswered.discard(report.cl_ord_id)
        self.gateway.shell.report(report)
        if type(report) is ExecutionReport and report.exec_type in EXECUTIONS:
            self._told(report)
        self.log_on()

    def _told(self, report: ExecutionReport) -> None:
        """An execution of an order of ours that was told is in the book from now on."""
        ours = self.gateway.core.state.ledger.find(report.cl_ord_id)
        if ours is None or ours.side is not report.side:
            return
        self.copy.heard(self.copy.trading, report, self.broker.orders.get(report.order_id))
        if report.exec_type == "F" and report.exec_id not in ours.executions:
            raise Violation(f"{ours.child_id}: execution {report.exec_id} was told and is not counted")

    def touch(self, order_id: str) -> None:
        """Something was told of this order."""
        order = self.broker.orders.get(order_id)
        if order is not None:
            self.active.add(order.child)

    def refresh(self) -> None:
        """The feed is alive and the market as it was."""
        shell = self.gateway.shell
        for symbol in SYMBOLS:
            shell.reference(snapshot(self.utc, symbol=symbol))
        shell.reference(
            FeedHeartbeat(feed="f", watermark=self.utc + self.market_offset, ts_utc=self.utc, published=1)
        )

    def settle_turn(self) -> None:
        """The loop's turn ends; the disk does its work unless it is stuck."""
        journal = self.gateway.journal
        journal.turn()
        if self.disk_stuck:
            self.disk_stuck -= 1
        else:
            journal.disk()
            journal.turn()

    def die(self, *, power: bool) -> None:
        """The gateway, or its whole machine, is gone."""
        self.kills += 1
        self.note("POWER CUT" if power else "KILL")
        self.gateway.die(power=power)
        if power:
            # The FIX store was never synced: it may come back older than it was, never newer.
            self.line.taken = max(0, self.line.taken - self.rng.randint(0, 5))
        self.drop_line()

    def drop_line(self) -> None:
        for _, raw in self.line.cut():
            self.arrive(raw)

    def arrive(self, raw: str) -> None:
        """A request reaches the broker."""
        self.broker.receive(raw)
        self.absorb()

    def absorb(self) -> None:
        """What the broker's book changed is looked at; what it said waits to be numbered."""
        broker = self.broker
        for child in broker.new_orders:
            if child in self.by_child:
                raise Violation(f"child {child} reached the broker twice")
        if broker.new_orders:
            for order in reversed(broker.orders.values()):
                if order.child in self.by_child:
                    break
                self.by_child[order.child] = order
                self.by_parent.setdefault(order.parent, []).append(order)
            broker.new_orders.clear()
        self.active |= broker.touched
        self.moved.update(child.rpartition(".")[0] for child in broker.touched)
        broker.touched.clear()
        self.line.said += broker.out
        broker.out.clear()
        if self.copy.enabled:
            self.copy.said += broker.copies
        broker.copies.clear()

    def note(self, *words: Any) -> None:
        self.log.append((self.events, *words))

    # Checks

    def check(self) -> None:
        """After every step: every order that may have moved."""
        if not self.gateway.alive:
            return
        halted = self.gateway.shell.halted
        if halted and halted != FULL and not self.may_stop:
            raise Violation(f"trading stopped by itself: {halted}")
        ledger = self.gateway.core.state.ledger
        quiet, flying = [], self.flying()
        for child in self.active:
            invariants.check_order(self, child, flying.get(child, 0))
            book, ours = self.by_child.get(child), ledger.orders.get(child)
            over = child not in flying if book is None else not book.open
            if over and ours is not None and not ours.live:
                quiet.append(child)
        self.active.difference_update(quiet)
        self.moved.update(child.rpartition(".")[0] for child in flying)
        for parent_id in self.moved:
            if parent_id in self.by_parent:
                invariants.check_parent(self, parent_id, flying)
        self.moved.clear()

    def check_all(self) -> None:
        """Every order there ever was, the running sums, and the journal."""
        self.active.update(self.by_child)
        self.moved.update(self.by_parent)
        self.check()
        gateway = self.gateway
        invariants.check_sums(gateway.core)
        if not gateway.journal.failed:
            gateway.journal.turn()
            gateway.journal.disk()
            gateway.journal.turn()
            invariants.check_replay(gateway.core, gateway.refold())

    def close(self) -> None:
        """Let go of the journal."""
        if self.gateway.alive:
            self.gateway.die(power=False)
