"""The broker on top of the exchange: sessions, order log, delivery. Driven by its shell; owns no thread."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from service.model.market import FeedHeartbeat, MarketMessage
from service.model.reference import Reference
from service.simulation.drop_copy import DropCopy
from service.simulation.exchange import Exchange
from service.simulation.fix_engine import Inbound, Received, SessionChange
from service.simulation.fix_text import (
    UNSUPPORTED_MESSAGE_TYPE,
    Unsupported,
    answer,
    business_reject,
    fields_of,
    request_of,
)
from service.simulation.latency import FOR_EVER
from service.simulation.order_log import OrderLog
from service.simulation.orders import Kind, Outcome
from service.telemetry.broker import BrokerSensor

log = logging.getLogger(__name__)


class Sessions(Protocol):
    """Where answers go."""

    def send(self, owner: str, text: str) -> bool:
        """Hand one message to a client; False if it is not logged on."""
        ...


class Broker:
    """Takes what clients and the market say, and delivers what the exchange answers.

    An answer is written to the order log before it is sent, and marked afterwards. Answers to a client that
    is not logged on wait for it; status answers, which would be stale by then, do not.

    Args:
        order_log: Just opened; the orders of earlier lives are restored from it.
        cancel_on_disconnect: Cancel the working orders of any client whose session is lost; else of those
            alone whose Logon asked for it.
        grace: Nanoseconds of UTC that it has to come back before that.
        drop_copy: Gets a copy of every execution report.
        clock: UTC in nanoseconds.
    """

    def __init__(
        self,
        exchange: Exchange,
        reference: Reference,
        order_log: OrderLog,
        sessions: Sessions,
        *,
        cancel_on_disconnect: bool = False,
        grace: int = 0,
        drop_copy: DropCopy | None = None,
        sensor: BrokerSensor | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._exchange = exchange
        self._reference = reference
        self._log = order_log
        self._sessions = sessions
        self._cancel_on_disconnect = cancel_on_disconnect
        self._grace = grace
        self._away: dict[str, int] = {}
        self._drop_copy = drop_copy
        self._sensor = sensor or BrokerSensor()
        self._clock = clock
        self._up: set[str] = set()
        self._closed = False
        self._held: dict[str, deque[tuple[Outcome, bool]]] = {}
        restored = order_log.restored
        exchange.restore(restored.outcomes)
        for owner, outcomes in restored.unsent.items():
            self._held[owner] = deque((outcome, True) for outcome in outcomes)
        if restored.outcomes:
            log.info(
                "restored %d working orders of %d answers; %d were perhaps not delivered",
                exchange.working,
                len(restored.outcomes),
                sum(map(len, restored.unsent.values())),
            )

    @property
    def next_due(self) -> int | None:
        """UTC at which ``pump`` has something to do, if it ever has."""
        copy = self._drop_copy.next_due if self._drop_copy is not None else None
        dues = [due for due in (self._exchange.next_due, copy, *self._away.values()) if due is not None]
        return min(dues, default=None)

    @property
    def held(self) -> int:
        """Answers that wait for their client to log on."""
        return sum(map(len, self._held.values()))

    def on_inbound(self, batch: Sequence[Inbound]) -> None:
        """Messages and changes of sessions, in order; nothing after ``close``."""
        if self._closed:
            return
        for inbound in batch:
            if isinstance(inbound, Received):
                self._on_message(inbound)
                continue
            self._on_session(inbound)
        self.pump()

    def _on_session(self, change: SessionChange) -> None:
        owner = change.owner
        self._sensor.on_session(owner, change.up)
        if self._is_copy(owner):
            log.info("drop copy %s logged %s", owner, "on" if change.up else "off")
            assert self._drop_copy is not None
            self._drop_copy.up = change.up
        elif change.up:
            log.info("client %s logged on", owner)
            self._up.add(owner)
            self._away.pop(owner, None)
            self._deliver_held(owner)
        elif owner in self._up:
            log.info("client %s logged off", owner)
            self._up.discard(owner)
            if not (self._cancel_on_disconnect or change.asks):
                return
            if self._grace:
                self._away[owner] = change.ts_utc + self._grace
            else:
                self._exchange.disconnected(owner, change.ts_utc)

    def _is_copy(self, owner: str) -> bool:
        return self._drop_copy is not None and owner == self._drop_copy.comp_id

    def _on_message(self, received: Received) -> None:
        fields = fields_of(received.text)
        self._sensor.on_request(fields.get("35", ""))
        request = request_of(fields, received.owner, self._reference)
        if self._is_copy(received.owner):
            seq, kind = fields.get("34", "0"), fields.get("35", "")
            request = Unsupported(
                seq, kind, UNSUPPORTED_MESSAGE_TYPE, "a drop copy session takes no requests"
            )
        if isinstance(request, Unsupported):
            log.warning("client %s: %s", received.owner, request.text)
            self._sensor.on_outcome("j")
            self._sessions.send(received.owner, business_reject(request))
        else:
            self._exchange.receive(request, received.ts_utc)

    def on_market(self, messages: Sequence[MarketMessage]) -> None:
        """Market events of one partition, in order; each acts at the UTC at which it was published."""
        now = self._clock()
        apply = self._exchange.apply
        for message in messages:
            if not isinstance(message, FeedHeartbeat):
                ts_utc = message.ts_utc
                apply(message, ts_utc if ts_utc < now else now)
        self._sensor.on_events(len(messages), self._exchange.ignored)
        self.pump()

    def pump(self) -> None:
        """Deliver what is due by now."""
        now = self._clock()
        for owner in [owner for owner, due in self._away.items() if due <= now]:
            self._exchange.disconnected(owner, self._away.pop(owner))
        self._deliver(self._exchange.advance(now))
        self._copy(now)
        self._sensor.on_state(self._exchange.working, self.held, self._exchange.matching)

    def close(self) -> None:
        """Deliver everything at once and close the log; call it before the sessions end.

        Working orders stay in the log as working: the next life takes them up.
        """
        self._closed = True
        self._deliver(self._exchange.drain())
        self._copy(FOR_EVER)
        self._log.close()

    def abandon(self) -> None:
        """Close the log as it is: what the next life knows is what the log has."""
        self._closed = True
        self._log.close()

    def _deliver(self, outcomes: Sequence[Outcome]) -> None:
        if not outcomes:
            return
        self._log.write(outcomes)
        if self._drop_copy is not None:
            self._drop_copy.add(outcomes, self._clock())
        sent = []
        for outcome in outcomes:
            self._sensor.on_outcome(outcome.kind.value)
            if outcome.kind is Kind.TRADE:
                self._sensor.on_fill(outcome.liquidity, outcome.last_quantity)
            # Behind what is held already, so that a client hears everything in order.
            if outcome.owner in self._up and not self._held.get(outcome.owner) and self._send(outcome):
                sent.append(outcome)
            elif outcome.kind is not Kind.STATUS:
                self._held.setdefault(outcome.owner, deque()).append((outcome, False))
        self._log.sent(sent)

    def _copy(self, now: int) -> None:
        if self._drop_copy is None:
            return
        comp_id = self._drop_copy.comp_id

        def send(outcome: Outcome, again: bool) -> bool:
            instrument = self._reference.by_symbol.get(outcome.symbol)
            return self._sessions.send(comp_id, answer(outcome, instrument, possible_resend=again, copy=True))

        self._drop_copy.deliver(now, send)

    def _deliver_held(self, owner: str) -> None:
        held = self._held.get(owner)
        if not held:
            return
        sent = []
        while held and self._send(held[0][0], possible_resend=held[0][1]):
            sent.append(held.popleft()[0])
        self._log.sent(sent)

    def _send(self, outcome: Outcome, *, possible_resend: bool = False) -> bool:
        instrument = self._reference.by_symbol.get(outcome.symbol)
        text = answer(outcome, instrument, possible_resend=possible_resend)
        return self._sessions.send(outcome.owner, text)
