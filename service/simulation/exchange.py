"""The simulated exchange: requests go in with their latency, the market acts on them, outcomes come out.

Pure: no I/O and no clock. The caller says what time it is (UTC), in rising order.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from service.model.events import Liquidity
from service.model.market import MarketEvent, TradingPhase
from service.model.orders import OrdStatus, OrdType, TimeInForce
from service.model.reference import Reference
from service.simulation.depth import Refill
from service.simulation.fees import FeeModel
from service.simulation.latency import FOR_EVER, ConstantLatency, Latency, Mailbox
from service.simulation.market import Market
from service.simulation.orders import (
    CancelOrder,
    CxlRejReason,
    Kind,
    MalformedOrder,
    MassCancel,
    MassStatusQuery,
    NewOrder,
    Order,
    OrdRejReason,
    Outcome,
    ReplaceOrder,
    Request,
    StatusQuery,
)
from service.simulation.queue import ProportionalQueue, QueueModel
from service.simulation.register import Register
from service.simulation.rejects import RejectModel

_CANCEL: Final = 1
_REPLACE: Final = 2


class Exchange:
    """Every instrument of the reference file, and every order of every client.

    Requests of one client arrive in the order in which they were sent, answers in the order in which they
    were made, whatever their latencies: a session is a stream. Orders of different clients compete for the
    same liquidity but never trade with each other.

    Args:
        reference: Instruments and venues; events of other venues are ignored (``ignored`` counts them).
        prefix: Put before every OrderID and ExecID, to keep them unique over several lives.
    """

    def __init__(
        self,
        reference: Reference,
        *,
        prefix: str = "",
        entry: Latency | None = None,
        response: Latency | None = None,
        queue: QueueModel | None = None,
        refill: Refill = Refill.RESET,
        fees: FeeModel | None = None,
        rejects: RejectModel | None = None,
    ) -> None:
        self._instruments = reference.by_symbol
        self._prefix = prefix
        self._inbox = Mailbox[Request](entry or ConstantLatency(0))
        self._outbox = Mailbox[Outcome](response or ConstantLatency(0))
        self._fees = fees
        self._rejects = rejects or RejectModel()
        queue = queue or ProportionalQueue()
        self._markets = {symbol: Market(queue, refill, self) for symbol in self._instruments}
        self._venues = {symbol: i.venue for symbol, i in self._instruments.items()}
        self._register = Register()
        self._now = 0
        self._number = 0
        self._rank = 0
        self._matching = True
        self.ignored = 0

    @property
    def working(self) -> int:
        """Orders that are open."""
        return len(self._register)

    @property
    def matching(self) -> bool:
        """The market acts on orders; see ``pause``."""
        return self._matching

    @property
    def next_due(self) -> int | None:
        """UTC at which ``advance`` has something to do, if it ever has."""
        first, second = self._inbox.next_due, self._outbox.next_due
        if first is None or second is None:
            return second if first is None else first
        return min(first, second)

    def pause(self) -> None:
        """Take note of the market, but let it act on nothing: its events are history, or do not come.

        As in a halt, resting orders stay, new ones wait, and what must trade at once is rejected.
        """
        self._matching = False

    def resume(self) -> None:
        """Match again. What levels looked like before the pause says nothing about queues now."""
        if not self._matching:
            self._matching = True
            for market in self._markets.values():
                market.lose_sight()

    def apply(self, event: MarketEvent, t: int) -> None:
        """Let one market event act, after every request that arrives by UTC ``t``."""
        due = self._inbox.next_due
        if due is not None and due <= t:
            self._arrivals(t)
        if t > self._now:
            self._now = t
        symbol = event.symbol
        if self._venues.get(symbol) != event.venue:
            self.ignored += 1
            return
        self._markets[symbol].apply(event, self._matching)

    def receive(self, request: Request, t: int) -> None:
        """Take a request that a message brought at UTC ``t``; it arrives later, by the entry latency."""
        self._inbox.put(request.owner, request, t)

    def advance(self, t: int) -> list[Outcome]:
        """Every outcome that has reached its client by UTC ``t``, in order."""
        self._arrivals(t)
        if t > self._now:
            self._now = t
        return [outcome for _, outcome in self._outbox.take(t)]

    def drain(self) -> list[Outcome]:
        """At the end of a life: handle what was received and give every outcome now, latency or not."""
        self._arrivals(FOR_EVER)
        return [outcome for _, outcome in self._outbox.take(FOR_EVER)]

    def disconnected(self, owner: str, t: int) -> None:
        """Cancel on disconnect: every working order of ``owner``, unsolicited, at UTC ``t``."""
        self._arrivals(t)
        self._now = max(self._now, t)
        self._cancel_all(owner, "", "the client's session was lost")

    def restore(self, outcomes: Iterable[Outcome]) -> None:
        """Make the orders of an earlier life from their outcomes: what worked then works again."""
        for outcome in outcomes:
            self._number = max(self._number, outcome.number)
            self._rank = max(self._rank, outcome.rank)
            self._register.restore(outcome)
        for order in sorted(self._register.working, key=lambda o: o.rank):
            self._markets[order.symbol].restore(order)

    def _arrivals(self, t: int) -> None:
        for due, request in self._inbox.take(t):
            self._now = max(self._now, due)
            match request:
                case NewOrder():
                    self._on_new(request)
                case CancelOrder():
                    self._on_cancel(request)
                case ReplaceOrder():
                    self._on_replace(request)
                case StatusQuery():
                    self._on_status(request)
                case MalformedOrder():
                    self._on_malformed(request)
                case MassStatusQuery():
                    self._on_mass_status(request)
                case MassCancel():
                    self._on_mass_cancel(request)

    def _open(self, symbol: str) -> bool:
        return self._matching and self._markets[symbol].open

    def _on_malformed(self, request: MalformedOrder) -> None:
        if not self._register.claim(request.owner, request.cl_ord_id):
            self._reject(
                request, OrdRejReason.DUPLICATE_ORDER, f"ClOrdID {request.cl_ord_id} was used before"
            )
        else:
            self._reject(request, request.reason, request.text)

    def _on_new(self, request: NewOrder) -> None:
        refusal = self._refusal(request)
        if refusal:
            self._reject(request, *refusal)
            return
        self._rank += 1
        order = Order(
            order_id=f"{self._prefix}O{self._rank}",
            owner=request.owner,
            cl_ord_id=request.cl_ord_id,
            symbol=request.symbol,
            side=request.side,
            ord_type=request.ord_type,
            time_in_force=request.time_in_force,
            account=request.account,
            quantity=request.quantity,
            price=request.price,
            rank=self._rank,
        )
        self._register.add(order)
        self._report(order, Kind.NEW)
        self._place(order)

    def _refusal(self, request: NewOrder) -> tuple[OrdRejReason, str] | None:
        if not self._register.claim(request.owner, request.cl_ord_id):
            return OrdRejReason.DUPLICATE_ORDER, f"ClOrdID {request.cl_ord_id} was used before"
        instrument = self._instruments.get(request.symbol)
        if instrument is None:
            return OrdRejReason.UNKNOWN_SYMBOL, f"unknown symbol {request.symbol}"
        if request.quantity <= 0:
            return OrdRejReason.INCORRECT_QUANTITY, f"quantity must be positive, got {request.quantity} lots"
        if request.ord_type is OrdType.LIMIT and (request.price <= 0 or request.price % instrument.tick):
            return OrdRejReason.OTHER, self._off_tick(request.symbol, request.price)
        refused = self._rejects.order(request)
        if refused:
            return refused
        phase = self._markets[request.symbol].phase
        if phase is TradingPhase.CLOSED:
            return OrdRejReason.EXCHANGE_CLOSED, f"{request.symbol} is closed"
        at_once = request.ord_type is OrdType.MARKET or request.time_in_force in (
            TimeInForce.IOC,
            TimeInForce.FOK,
        )
        if at_once and not self._open(request.symbol):
            why = f"is {phase.value}" if phase is not TradingPhase.CONTINUOUS else "shows no market now"
            return OrdRejReason.EXCHANGE_CLOSED, f"{request.symbol} {why}: only orders that rest are taken"
        return None

    def _off_tick(self, symbol: str, price: int) -> str:
        instrument = self._instruments[symbol]
        tick = instrument.price_text(instrument.tick)
        return f"price {instrument.price_text(price)} is not a positive multiple of the tick of {tick}"

    def _place(self, order: Order) -> None:
        market = self._markets[order.symbol]
        if self._open(order.symbol):
            market.enter(order)
        else:
            market.wait(order)

    def _on_cancel(self, request: CancelOrder) -> None:
        fresh = self._register.claim(request.owner, request.cl_ord_id)
        order = self._register.find(request.owner, request.order_id, request.orig_cl_ord_id)
        fault = self._unchangeable(order, fresh, request.cl_ord_id)
        if fault is None:
            text = self._rejects.cancel()
            fault = (CxlRejReason.BROKER_OPTION, text) if text else None
        if fault is not None or order is None:
            self._refuse_change(request, order, _CANCEL, fault)
            return
        self._end(order, OrdStatus.CANCELED)
        self._report(order, Kind.CANCELED, cl_ord_id=request.cl_ord_id, orig_cl_ord_id=request.orig_cl_ord_id)

    def _on_replace(self, request: ReplaceOrder) -> None:
        fresh = self._register.claim(request.owner, request.cl_ord_id)
        order = self._register.find(request.owner, request.order_id, request.orig_cl_ord_id)
        fault = self._unchangeable(order, fresh, request.cl_ord_id)
        if fault is None and order is not None:
            fault = self._unreplaceable(order, request)
        if fault is not None or order is None:
            self._refuse_change(request, order, _REPLACE, fault)
            return
        market = self._markets[order.symbol]
        keeps = request.price == order.price and request.quantity <= order.quantity
        if not keeps:
            market.remove(order)
            self._rank += 1
            order.rank = self._rank
        order.quantity, order.price, order.cl_ord_id = request.quantity, request.price, request.cl_ord_id
        self._register.add(order)
        if order.cum == order.quantity:
            self._end(order, OrdStatus.FILLED)
        self._report(order, Kind.REPLACED, orig_cl_ord_id=request.orig_cl_ord_id)
        if not keeps and order.closed is None:
            self._place(order)

    def _unchangeable(
        self, order: Order | None, fresh: bool, cl_ord_id: str
    ) -> tuple[CxlRejReason, str] | None:
        if not fresh:
            return CxlRejReason.DUPLICATE_CL_ORD_ID, f"ClOrdID {cl_ord_id} was used before"
        if order is None:
            return CxlRejReason.UNKNOWN_ORDER, "unknown order"
        if order.closed is not None:
            return CxlRejReason.TOO_LATE, f"too late: the order is {order.closed.name.lower()}"
        return None

    def _unreplaceable(self, order: Order, request: ReplaceOrder) -> tuple[CxlRejReason, str] | None:
        if request.fault:
            return CxlRejReason.OTHER, request.fault
        if (request.symbol, request.side) != (order.symbol, str(int(order.side))):
            return CxlRejReason.OTHER, "a replace cannot change symbol or side"
        if request.price <= 0 or request.price % self._instruments[order.symbol].tick:
            return CxlRejReason.OTHER, self._off_tick(order.symbol, request.price)
        if request.quantity <= 0:
            return CxlRejReason.OTHER, f"quantity must be positive, got {request.quantity} lots"
        if request.quantity < order.cum:
            return CxlRejReason.TOO_LATE, f"too late: {order.cum} lots are filled already"
        text = self._rejects.too_large(request.quantity) or self._rejects.cancel()
        return (CxlRejReason.BROKER_OPTION, text) if text else None

    def _refuse_change(
        self,
        request: CancelOrder | ReplaceOrder,
        order: Order | None,
        response_to: int,
        fault: tuple[CxlRejReason, str] | None,
    ) -> None:
        reason, text = fault or (CxlRejReason.UNKNOWN_ORDER, "unknown order")
        answer: dict[str, Any] = {
            "cl_ord_id": request.cl_ord_id,
            "orig_cl_ord_id": request.orig_cl_ord_id,
            "reason": reason,
            "response_to": response_to,
            "text": text,
        }
        if order is None:
            self._send(Kind.CANCEL_REJECTED, request.owner, OrdStatus.REJECTED, **answer)
        else:
            self._report(order, Kind.CANCEL_REJECTED, **answer)

    def _on_status(self, request: StatusQuery) -> None:
        order = self._register.find(request.owner, request.order_id, request.cl_ord_id)
        if order is not None:
            self._report(order, Kind.STATUS, cl_ord_id=request.cl_ord_id, request_id=request.request_id)
            return
        self._send(
            Kind.STATUS,
            request.owner,
            OrdStatus.REJECTED,
            cl_ord_id=request.cl_ord_id,
            symbol=request.symbol,
            side=request.side,
            reason=OrdRejReason.UNKNOWN_ORDER,
            request_id=request.request_id,
            text="unknown order",
        )

    def _on_mass_status(self, request: MassStatusQuery) -> None:
        orders = self._register.open_orders(request.owner, request.symbol)
        for n, order in enumerate(orders, 1):
            self._report(
                order, Kind.STATUS, request_id=request.request_id, total=len(orders), last=n == len(orders)
            )
        if not orders:
            self._send(
                Kind.STATUS,
                request.owner,
                OrdStatus.REJECTED,
                symbol=request.symbol or "[N/A]",
                side="1",
                reason=OrdRejReason.UNKNOWN_ORDER,
                request_id=request.request_id,
                total=0,
                text="no working orders",
            )

    def _on_mass_cancel(self, request: MassCancel) -> None:
        self._register.claim(request.owner, request.cl_ord_id)
        total = len(self._register.open_orders(request.owner, request.symbol))
        self._send(
            Kind.MASS_CANCELED,
            request.owner,
            OrdStatus.CANCELED,
            cl_ord_id=request.cl_ord_id,
            symbol=request.symbol,
            total=total,
        )
        self._cancel_all(request.owner, request.symbol, "mass cancel")

    def _cancel_all(self, owner: str, symbol: str, text: str) -> None:
        for order in self._register.open_orders(owner, symbol):
            self._end(order, OrdStatus.CANCELED)
            self._report(order, Kind.CANCELED, text=text)

    def on_fill(self, order: Order, quantity: int, price: int, liquidity: Liquidity) -> None:
        """See ``market.Listener``."""
        order.cum += quantity
        order.money += quantity * price
        if order.cum == order.quantity:
            order.closed = OrdStatus.FILLED
            self._register.close(order)
        instrument = self._instruments[order.symbol]
        commission = ""
        if self._fees is not None:
            commission = f"{self._fees.commission(instrument, quantity, price, liquidity):f}"
        self._report(
            order,
            Kind.TRADE,
            last_quantity=quantity,
            last_price=price,
            liquidity=int(liquidity),
            venue=instrument.venue,
            commission=commission,
        )

    def on_canceled(self, order: Order, text: str) -> None:
        """See ``market.Listener``."""
        self._end(order, OrdStatus.CANCELED)
        self._report(order, Kind.CANCELED, text=text)

    def on_expired(self, order: Order, text: str) -> None:
        """See ``market.Listener``."""
        self._end(order, OrdStatus.EXPIRED)
        self._report(order, Kind.EXPIRED, text=text)

    def _end(self, order: Order, status: OrdStatus) -> None:
        self._markets[order.symbol].remove(order)
        order.closed = status
        self._register.close(order)

    def _reject(self, request: NewOrder | MalformedOrder, reason: OrdRejReason, text: str) -> None:
        placed: dict[str, Any] = {"side": request.side}
        if isinstance(request, NewOrder):
            placed = {
                "side": str(int(request.side)),
                "quantity": request.quantity,
                "price": request.price,
                "account": request.account,
            }
        self._send(
            Kind.REJECTED,
            request.owner,
            OrdStatus.REJECTED,
            cl_ord_id=request.cl_ord_id,
            symbol=request.symbol,
            ord_type=str(request.ord_type),
            reason=reason,
            text=text,
            **placed,
        )

    def _report(self, order: Order, kind: Kind, **answer: Any) -> None:
        answer.setdefault("cl_ord_id", order.cl_ord_id)
        self._send(
            kind,
            order.owner,
            order.status,
            order_id=order.order_id,
            order_cl_ord_id=order.cl_ord_id,
            symbol=order.symbol,
            side=str(int(order.side)),
            ord_type=order.ord_type.value,
            time_in_force=order.time_in_force.value,
            account=order.account,
            quantity=order.quantity,
            price=order.price,
            cum=order.cum,
            leaves=order.leaves,
            money=order.money,
            rank=order.rank,
            ts_market=self._markets[order.symbol].ts_market,
            **answer,
        )

    def _send(self, kind: Kind, owner: str, status: OrdStatus, **answer: Any) -> None:
        self._number += 1
        answer.setdefault("exec_id", "0" if kind is Kind.STATUS else f"{self._prefix}E{self._number}")
        outcome = Outcome(
            number=self._number, kind=kind, owner=owner, status=status, ts_utc=self._now, **answer
        )
        self._outbox.put(owner, outcome, self._now)
