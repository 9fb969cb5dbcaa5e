"""The ledger: every order, its executions, and the exposure they make, in integers.

An order counts when it is committed to be sent and is released only by the broker's word. Reports come
twice, late and out of order: each execution counts once, by ExecID, and no report is believed further than
its own quantities.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from service.fix.messages import ExecutionReport
from service.gateway.books import Books
from service.gateway.lifecycle import CLOSED, FILLED, PARTIALLY_FILLED, REQUEST, STATUS, Request, kind_of
from service.gateway.lifecycle import ReportKind as Kind
from service.gateway.order import Execution, Order
from service.gateway.resting import Resting
from service.gateway.trials import Trials
from service.model.orders import OrdStatus, Side

_UNKNOWN_ORDER: Final = 5
"""OrdRejReason (103): the broker does not know the order that it was asked about."""

_UNDECIDED: Final = frozenset((OrdStatus.PENDING_CANCEL, OrdStatus.PENDING_REPLACE))

_OVER: Final = frozenset((Kind.CANCELED, Kind.EXPIRED, Kind.DONE_FOR_DAY))

_BUSTED: Final = Execution(0, 0)

KEPT: Final = 20_000
"""Orders that are over and still remembered; a report of an older one is an alarm."""


def is_answer(report: ExecutionReport) -> bool:
    """Whether a report answers an OrderStatusRequest, and so tells how things are and not what happened."""
    return report.exec_type == "I" or report.ord_rej_reason == _UNKNOWN_ORDER


class Exposure:
    """Of one instrument: lots of position (signed) and working by side; numbers of unknown orders, breaks."""

    __slots__ = ("breaks", "position", "unknown", "working_buy", "working_sell")

    def __init__(self) -> None:
        self.position = 0
        self.working_buy = 0
        self.working_sell = 0
        self.unknown = 0
        self.breaks = 0


class Progress:
    """Lots of one parent: filled, working, and price x lots of what was filled."""

    __slots__ = ("filled", "live", "money", "working")

    def __init__(self) -> None:
        self.filled = 0
        self.money = 0
        self.working = 0
        self.live: dict[str, Order] = {}


class Applied(NamedTuple):
    """What a report did to the ledger.

    Attributes:
        kind: What it said; ``None`` if it cannot be read.
        fill: The execution that counted, if one did.
        duplicate: It said nothing new.
        illegal: Why it does not fit what we knew; empty if it does.
        closed: It ended the order.
        was: Request that was pending before it.
        lost: What it told about a request that a disconnect left open: ``cancel``, ``replace`` or ``cancel
            and replace`` came to nothing, ``replaced`` happened; empty if there was none.
    """

    order: Order
    kind: Kind | None
    fill: Execution | None = None
    duplicate: bool = False
    illegal: str = ""
    closed: bool = False
    was: Request = Request.NONE
    lost: str = ""


class Ledger:
    """All orders of this journal. Every change goes through a method here, which recounts the exposure."""

    def __init__(self) -> None:
        self.orders: dict[str, Order] = {}
        self.live: dict[str, Order] = {}
        self.exposures: dict[str, Exposure] = {}
        self.parents: dict[str, Progress] = {}
        self.books = Books()
        self.trials = Trials()
        self.resting = Resting()
        self._by_cl_ord_id: dict[str, Order] = {}
        self._by_order_id: dict[str, Order] = {}
        self._over: deque[Order] = deque()
        self.rules = 0
        """``State.rules``."""

    def find(self, cl_ord_id: str) -> Order | None:
        """The order whose chain this ClOrdID belongs to, its cancels and replaces included."""
        return self._by_cl_ord_id.get(cl_ord_id)

    def going_by(self, order_id: str) -> Order | None:
        """The order that the broker's reports last gave this OrderID (37) to."""
        return self._by_order_id.get(order_id)

    def exposure(self, symbol: str) -> Exposure:
        """Exposure in one instrument."""
        found = self.exposures.get(symbol)
        if found is None:
            found = self.exposures[symbol] = Exposure()
        return found

    def progress(self, parent_id: str) -> Progress:
        """How far one parent has come."""
        found = self.parents.get(parent_id)
        if found is None:
            found = self.parents[parent_id] = Progress()
        return found

    def add(self, order: Order) -> None:
        """Count an order from now on (C7)."""
        self.orders[order.child_id] = order
        self._name(order, order.cl_ord_id)
        self._recount(order)
        self._forget_oldest()

    def _name(self, order: Order, cl_ord_id: str) -> None:
        order.chain.append(cl_ord_id)
        self._by_cl_ord_id[cl_ord_id] = order

    def _forget_oldest(self) -> None:
        """Memory stays flat: of orders that are over, only the newest are kept."""
        over = self._over
        while len(over) > KEPT:
            order = over.popleft()
            if order.live or order.at_risk or order.unknown:
                over.append(order)
                return
            self.orders.pop(order.child_id, None)
            for cl_ord_id in order.chain:
                self._by_cl_ord_id.pop(cl_ord_id, None)
            self._forget_order_id(order)

    def _forget_order_id(self, order: Order) -> None:
        if self._by_order_id.get(order.order_id) is order:
            del self._by_order_id[order.order_id]

    def ask_cancel(self, order: Order, cl_ord_id: str) -> None:
        """A cancel request goes out."""
        self._name(order, cl_ord_id)
        order.cancel_id = cl_ord_id
        order.request = Request.BOTH if order.replacing else Request.CANCEL

    def ask_replace(self, order: Order, cl_ord_id: str, quantity: int, price: int) -> None:
        """A replace request goes out; the larger version counts from now on."""
        self._name(order, cl_ord_id)
        order.replace_id, order.replace_quantity, order.replace_price = cl_ord_id, quantity, price
        order.request = Request.REPLACE
        self._recount(order)

    def refuse(self, order: Order, cl_ord_id: str) -> Kind | None:
        """A pending request came to nothing: refused, or never sent. ``None`` if it is not pending."""
        if order.canceling and cl_ord_id == order.cancel_id:
            kind, order.cancel_id = Kind.CANCEL_REFUSED, ""
        elif order.replacing and cl_ord_id == order.replace_id:
            kind = Kind.REPLACE_REFUSED
            self._forget_replace(order)
        else:
            if cl_ord_id == order.replace_id and self.rules >= 3:
                self._forget_replace(order)  # the order is full
            return None
        order.request = REQUEST[order.request, kind]
        self._settle(order)
        self._recount(order)
        return kind

    def go_by_alias(self, order: Order) -> None:
        """The broker does not know the order by the ClOrdID that we took for its newest."""
        if order.alias:
            order.cl_ord_id, order.alias = order.alias, order.cl_ord_id

    def withdraw(self, order: Order) -> None:
        """A new order that was never sent ends here."""
        order.status = OrdStatus.REJECTED
        order.unknown = False
        self._recount(order)

    def take_side(self, order: Order, side: Side) -> None:
        """An adopted order's side is told at last: it counts there alone, and what it did is a position."""
        self.resting.remove(order)
        exposure = self.exposure(order.symbol)
        if side is Side.BUY:
            exposure.working_sell -= order.counted
        else:
            exposure.working_buy -= order.counted
        order.side, order.sideless = side, False
        exposure.position += side.sign * order.cum_quantity
        self._recount(order)

    def claim(self, order: Order, lots: int) -> None:
        """The drop copy alone tells of so many lots more (or fewer) than before; they are booked nowhere."""
        order.claimed += lots
        self._recount(order)

    def mark_unknown(self, order: Order, unknown: bool = True) -> None:
        """Say that only the broker knows (or no longer)."""
        if order.unknown is not unknown:
            order.unknown = unknown
            self._recount(order)

    def reject(self, order: Order) -> bool:
        """The broker refused the order by other means than an execution report; False if that cannot be."""
        status = STATUS.get((order.status, Kind.REJECTED))
        if status is None or order.cum_quantity:
            return False
        order.status, order.request, order.cancel_id = status, Request.NONE, ""
        order.unknown = False
        self._forget_replace(order)
        self._recount(order)
        return True

    def apply(self, order: Order, report: ExecutionReport) -> Applied:
        """Fold one execution report into its order.

        A fill counts whatever else is wrong with the report, once per ExecID: quantity at the broker is a
        fact. Everything else happens only if the tables allow it.
        """
        kind, was, was_live = kind_of(report), order.request, order.live
        if kind is None:
            return Applied(order, None, illegal=f"exec_type={report.exec_type}")
        answer = is_answer(report)
        if answer and kind is Kind.REJECTED and order.cum_quantity:
            kind = Kind.CANCELED  # it had the order once, and says that it has it no more
        if answer and kind in _OVER and order.status is FILLED and report.cum_quantity == order.quantity:
            kind = Kind.FOUND_FILLED  # cancelled there, and then full by a fill that was on its way
        if not answer and (kind, report.exec_id) in order.seen:
            return Applied(order, kind, duplicate=True, was=was)
        fill, illegal = self._execute(order, kind, report)
        self._reopen(order, kind, report, answer)
        status, request = STATUS.get((order.status, kind)), self._next_request(order, kind, report)
        if not illegal and (status is None or request is None):
            illegal = f"status={order.status.name} request={order.request.name} report={kind.name}"
        if not illegal:
            assert status is not None
            assert request is not None
            self._commit(order, kind, report, status, request, answer)
        lost = ""
        if answer and not illegal and order.live and order.stale:
            if report.ord_status in _UNDECIDED:
                order.unknown = True  # the broker has the request and has not answered it: ask again
            else:
                lost = self._resolve_stale(order, report)
        elif answer and not illegal and order.live and self._took_effect(order, report):
            self._replaced(order)
            lost = "replaced"  # the report of it is late or lost
        order.unknown |= bool(order.early) or (order.sideless and order.cum_quantity > 0)
        self._settle(order)
        self._recount(order)
        return Applied(order, kind, fill, False, illegal, was_live and not order.live, was, lost)

    def _reopen(self, order: Order, kind: Kind, report: ExecutionReport, answer: bool) -> None:
        """Full no longer: after a bust or a correction only the broker's word says whether the rest works."""
        full = max(order.quantity, order.replace_quantity) if self.rules >= 4 else order.quantity
        if order.status is not FILLED or order.cum_quantity >= full:
            return
        changed = kind is Kind.BUSTED or kind is Kind.CORRECTED
        if answer or (changed and report.ord_status not in CLOSED):
            order.status = PARTIALLY_FILLED if order.cum_quantity else OrdStatus.NEW
            if order.replace_id and self.rules >= 3:
                # The broker has it, too, unless it has refused it meanwhile: only its answer tells.
                order.request, order.stale, order.unknown = Request.REPLACE, True, True

    def _took_effect(self, order: Order, report: ExecutionReport) -> bool:
        """Whether an answer shows the terms that a pending replace asks for, and no longer those before."""
        shown = (report.order_quantity, report.price or 0)
        asked = (order.replace_quantity, order.replace_price)
        return order.replacing and shown == asked != (order.quantity, order.price)

    def _resolve_stale(self, order: Order, report: ExecutionReport) -> str:
        """A request went out before the connection broke; the broker's answer tells what came of it."""
        if order.replacing and report.order_quantity is None:
            return ""  # the answer does not say; the larger version goes on counting
        order.stale = False
        replaced = order.replacing and (
            report.cl_ord_id == order.replace_id
            or (report.order_quantity, report.price) == (order.replace_quantity, order.replace_price)
        )
        if replaced:
            changed = (order.quantity, order.price) != (order.replace_quantity, order.replace_price)
            before = order.cl_ord_id
            self._replaced(order)
            order.alias = "" if changed or report.cl_ord_id == order.cl_ord_id != before else before
        elif order.replacing and self.rules >= 3:
            # The broker may have replaced it and then changed it by itself: its answer shows neither then.
            order.alias = order.replace_id
        lost = order.request.value if order.request is not Request.NONE else ""
        order.request, order.cancel_id = Request.NONE, ""
        self._forget_replace(order)
        return "replaced" if replaced else lost

    def _replaced(self, order: Order) -> None:
        order.cl_ord_id, order.alias = order.replace_id, ""
        order.quantity, order.price = order.replace_quantity, order.replace_price
        order.request = REQUEST[order.request, Kind.REPLACED]
        self._forget_replace(order)

    def _commit(
        self,
        order: Order,
        kind: Kind,
        report: ExecutionReport,
        status: OrdStatus,
        request: Request,
        answer: bool,
    ) -> None:
        """Take over what a legal report says."""
        if not answer and report.exec_id:
            order.seen.add((kind, report.exec_id))
        if report.order_id != order.order_id and report.order_id not in ("", "NONE"):
            self._forget_order_id(order)
            order.order_id = report.order_id
            self._by_order_id[report.order_id] = order
        self._terms(order, kind, report)
        if kind is not Kind.REPLACED:
            order.request = request
        order.status = status
        if answer and report.cum_quantity is not None:
            # The broker's word as of now: a bust or a correction may have taken back what was told before.
            order.told_quantity = report.cum_quantity
            if kind is Kind.FOUND_FILLED and report.cum_quantity == order.cum_quantity:
                # Over with less than its quantity: the rest was busted.
                order.status, order.request = FILLED, Request.NONE
        else:
            told = order.quantity if kind is Kind.FOUND_FILLED else report.cum_quantity or 0
            order.told_quantity = max(order.told_quantity, told)
        if not order.live:
            order.cancel_id = ""
            if status is not FILLED or self.rules < 3:  # full may be full no longer
                self._forget_replace(order)
        if answer or not order.live:
            differs = answer and report.cum_quantity is not None and report.cum_quantity != order.cum_quantity
            order.unknown = differs or order.told_quantity > order.cum_quantity
            if answer and not differs:
                order.early.clear()

    def _execute(self, order: Order, kind: Kind, report: ExecutionReport) -> tuple[Execution | None, str]:
        """Count a fill, a bust or a correction. Returns what was traded and what is wrong.

        A bust or correction that overtakes its fill takes the fill's place, so that order does not matter.
        Not where the broker's own sum has no room for it: it may correct a correction that was never told,
        and its lots would count twice.
        """
        quantity, price = report.last_quantity, report.last_price
        if kind is Kind.TRADED:
            if not report.exec_id or not quantity or quantity < 0 or price is None or price < 0:
                return None, f"fill exec_id={report.exec_id} quantity={quantity} price={price}"
            if report.exec_id in order.executions:
                return None, f"exec_id={report.exec_id} used twice"
            fill = order.early.pop(report.exec_id, Execution(quantity, price))
            self._book(order, report.exec_id, fill)
            order.seen.add((kind, report.exec_id))
            if order.cum_quantity > max(order.quantity, order.replace_quantity):
                return fill, f"overfilled cum={order.cum_quantity} quantity={order.quantity}"
            return fill, ""
        if kind is not Kind.BUSTED and kind is not Kind.CORRECTED:
            return None, ""
        now = _BUSTED
        if kind is Kind.CORRECTED:
            if quantity is None or quantity < 0 or price is None or price < 0:
                return None, f"correction of {report.exec_ref_id} quantity={quantity} price={price}"
            now = Execution(quantity, price)
        if not report.exec_ref_id:
            return None, f"{kind.value} without exec_ref_id"
        # A correction of a correction may refer to the first execution or to the correction before it.
        root = order.roots.get(report.exec_ref_id, report.exec_ref_id)
        order.roots[report.exec_id] = root
        if self.rules >= 3 and self._has_no_room(order, root, now, report):
            order.early[root] = now
            return None, ""
        if kind is Kind.CORRECTED and order.executions.get(root) == _BUSTED:
            return None, ""  # a bust is the end of an execution; the correction before it came late
        before = order.cum_quantity
        self._book(order, root, now)
        order.seen.add((Kind.TRADED, root))
        if order.told_quantity == before:
            order.told_quantity = order.cum_quantity
        else:
            # Something is missing, and what was told may or may not have this in it: the more counts.
            told = order.told_quantity
            order.told_quantity = max(told, told + order.cum_quantity - before, order.cum_quantity)
        return now, ""

    def _has_no_room(self, order: Order, root: str, now: Execution, report: ExecutionReport) -> bool:
        """Whether the broker's CumQty cannot hold this execution, never told, besides those told."""
        told = report.cum_quantity
        return root not in order.executions and told is not None and told < order.cum_quantity + now.quantity

    def _book(self, order: Order, exec_id: str, now: Execution) -> None:
        """Set what one ExecID traded, and move every sum by the difference."""
        before = order.executions.get(exec_id, Execution(0, 0))
        order.executions[exec_id] = now
        lots = now.quantity - before.quantity
        money = now.quantity * now.price - before.quantity * before.price
        order.cum_quantity += lots
        order.money += money
        progress = self.progress(order.parent_id)
        progress.filled += lots
        progress.money += money
        if not order.sideless:
            self.exposure(order.symbol).position += order.side.sign * lots
        self.books.trade(order.levels, order.symbol, order.side, lots, money)
        if order.trials:
            self.trials.trade(order.trials, order.symbol, order.side, lots)

    def _next_request(self, order: Order, kind: Kind, report: ExecutionReport) -> Request | None:
        if kind is Kind.REPLACED and report.cl_ord_id != order.replace_id:
            # Told again what was applied before, or replaced by somebody else.
            return order.request if report.cl_ord_id == order.cl_ord_id else None
        return REQUEST.get((order.request, kind))

    def _terms(self, order: Order, kind: Kind, report: ExecutionReport) -> None:
        """Quantity and price as the broker now has them."""
        if kind is Kind.REPLACED and report.cl_ord_id == order.replace_id:
            self._replaced(order)
        elif kind is Kind.RESTATED and report.order_quantity:
            if report.cl_ord_id == order.cl_ord_id:
                order.quantity = report.order_quantity
            elif report.cl_ord_id == order.replace_id and self.rules >= 3:
                order.replace_quantity = report.order_quantity  # it overtook the news of the replace
            elif self.rules < 3 or not self._of_a_version_before(order, report.cl_ord_id):
                order.quantity = max(order.quantity, report.order_quantity)

    def _of_a_version_before(self, order: Order, cl_ord_id: str) -> bool:
        """Whether a report comes late, and the terms that it tells were replaced since."""
        chain = order.chain
        return cl_ord_id in chain[: chain.index(order.cl_ord_id)] and cl_ord_id != order.alias

    def _forget_replace(self, order: Order) -> None:
        order.replace_id, order.replace_quantity, order.replace_price = "", 0, 0

    def _settle(self, order: Order) -> None:
        """Quantities decide: full when nothing is left and no replace may still add to it."""
        if not order.live:
            return
        if order.cum_quantity >= max(order.quantity, order.replace_quantity):
            order.status = FILLED
            order.request = Request.NONE
            order.cancel_id = ""
            order.unknown |= order.told_quantity > order.cum_quantity
        elif order.cum_quantity and order.status is OrdStatus.NEW:
            order.status = PARTIALLY_FILLED

    def _recount(self, order: Order) -> None:
        """Move the exposure, the parent and the sets of live and unknown orders to what the order is now."""
        exposure, progress = self.exposure(order.symbol), self.progress(order.parent_id)
        delta = order.at_risk - order.counted
        if delta:
            order.counted += delta
            progress.working += delta
            if order.side is Side.BUY or order.sideless:
                exposure.working_buy += delta
            if order.side is Side.SELL or order.sideless:
                exposure.working_sell += delta
            self.books.work(order.levels, order.symbol, order.side, delta)
            if order.trials:
                self.trials.work(order.trials, order.symbol, order.side, delta)
        self.resting.update(order)
        if order.counted_unknown is not order.unknown:
            order.counted_unknown = order.unknown
            exposure.unknown += 1 if order.unknown else -1
        child_id = order.child_id
        if order.live:
            self.live[child_id] = order
            progress.live[child_id] = order
        elif self.live.pop(child_id, None) is not None:
            progress.live.pop(child_id, None)
            self._over.append(order)
