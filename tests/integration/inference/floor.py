"""A core, its models and a plain broker, driven over the events of a source in market time.

Events pass through the codec as they do on Kafka; models are served as the runner serves them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from service.inference.model import Model
from service.inference.server import ModelServer
from service.model.codec import encode, market_message
from service.model.events import (
    ChildAccepted,
    ChildCanceled,
    ChildExpired,
    ChildFilled,
    ChildReplaced,
    ChildSubmitted,
    ParentAdmitted,
    ParentSnapshot,
)
from service.model.market import BookSnapshot, MarketEvent
from service.model.orders import (
    CancelChild,
    ParentOrder,
    ParentStatus,
    ReplaceChild,
    Side,
    SubmitChild,
    TimeInForce,
)
from service.model.parameters import Parameters
from service.model.records import FeatureRow, GatewayLink, ModelAnswer, Partitions, Stale, Timer
from service.model.reference import Reference, load_reference
from service.model.stream import StreamSynced
from service.model.time import SECOND, Now, SessionClock
from service.policy.contract import Policy
from service.runner.core import Core
from service.runner.outputs import Outputs
from service.settings import ROOT

UTC = 1_790_000_000 * SECOND
REFERENCE: Reference = load_reference(ROOT / "deploy" / "reference.toml")


@dataclass
class Resting:
    """A child at the broker."""

    command: SubmitChild
    quantity: int
    price: int


class Floor:
    """One instrument, one parent. Market orders of the broker fill in full at their price; resting children
    fill in full when the opposite touch reaches them.

    Args:
        events: Of the source, from where the runner joins.
        start: Market time then.
    """

    def __init__(
        self,
        policies: dict[str, Policy],
        models: dict[str, Model],
        symbol: str,
        events: Iterable[MarketEvent],
        start: int,
    ) -> None:
        self._events = (event for event in events if event.symbol == symbol)
        self._next = next(self._events, None)
        self.server = ModelServer(models, lambda answer: None)
        self.symbol = symbol
        self.start = start
        self.core = Core(
            runner_id="R1",
            reference=REFERENCE,
            partition_of={i.symbol: 0 for i in REFERENCE.instruments},
            policies=policies,
            models=self.server.labels,
        )
        self.now = Now(start, UTC)
        self.rows: list[FeatureRow] = []
        self.answers: list[ModelAnswer] = []
        self.decisions: list[Any] = []
        self.submitted: list[SubmitChild] = []
        self.filled = 0
        self._book: BookSnapshot | None = None
        self._resting: dict[str, Resting] = {}
        self.feed(
            SessionClock(
                market_start=start, utc_start=UTC, speed=1.0, market_end=start + 23_400 * SECOND, ts_utc=UTC
            )
        )
        for message in (
            Partitions(owned=(0,)),
            Stale(stale=False, age=0),
            GatewayLink(up=True),
            StreamSynced(parents=0, ts_utc=UTC),
        ):
            self.feed(message)

    def admit(
        self, policy: str, quantity: int, seconds: int, side: Side = Side.BUY, **parameters: Any
    ) -> None:
        """Let a parent begin now."""
        order = ParentOrder(
            id="P1",
            symbol=self.symbol,
            side=side,
            quantity=quantity,
            policy=policy,
            account="NW-1",
            trader="alice",
            ts_utc=UTC,
            parameters=Parameters(seed=7, **parameters),
        )
        state = ParentSnapshot(
            parent=order,
            version=1,
            status=ParentStatus.WORKING,
            window_start=self.now.market,
            window_end=self.now.market + seconds * SECOND,
            arrival_price=0,
        )
        self.feed(ParentAdmitted(command_id="c", state=state, ts_event=self.now.market, ts_utc=self.now.utc))

    def play(self, until: int, timer: int = SECOND) -> None:
        """Go on to market time ``until``, with a timer each ``timer`` ns of market time."""
        due = self.now.market + timer
        while (event := self._next) is not None and event.ts_event <= until:
            self._next = next(self._events, None)
            while due < event.ts_event:
                self._at(due)
                self.feed(Timer())
                due += timer
            self._at(event.ts_event)
            heard = market_message(encode(event))
            if isinstance(heard, BookSnapshot):
                self._book = heard
            self.feed(heard)
            self._match()
        self._at(until)

    def feed(self, message: Any) -> None:
        """One input, and everything that follows it."""
        self._follow(self.core.apply(message, self.now))

    def _at(self, market: int) -> None:
        if market > self.now.market:
            self.now = Now(market, UTC + market - self.start)

    def _follow(self, out: Outputs) -> None:
        self.rows += [s for s in out.signals if isinstance(s, FeatureRow)]
        self.decisions += out.decisions
        for command in out.commands:
            self._obey(command)
        for request in out.requests:
            answer = self.server.ask(request.number, request.model, request.rows)
            assert answer is not None, "this model is not served inline"
            self.answers.append(answer)
            self.feed(answer)

    def _obey(self, command: SubmitChild | CancelChild | ReplaceChild) -> None:
        if isinstance(command, SubmitChild):
            self.submitted.append(command)
            self._report(
                ChildSubmitted, command, side=command.side, ord_type=command.ord_type, account="NW-1",
                quantity=command.quantity, price=command.price, time_in_force=command.time_in_force,
                policy=command.policy,
            )  # fmt: skip
            self._report(ChildAccepted, command, order_id="B1")
            self._resting[command.child_id] = Resting(command, command.quantity, command.price)
            self._match()
            if command.time_in_force is TimeInForce.IOC and command.child_id in self._resting:
                del self._resting[command.child_id]
                self._report(ChildExpired, command, cum_quantity=0)
            return
        resting = self._resting.get(command.child_id)
        if resting is None:
            return
        if isinstance(command, CancelChild):
            del self._resting[command.child_id]
            self._report(ChildCanceled, resting.command, cum_quantity=0)
        else:
            resting.quantity, resting.price = command.quantity, command.price
            self._report(
                ChildReplaced, resting.command, quantity=command.quantity, price=command.price,
                cum_quantity=0, leaves_quantity=command.quantity,
            )  # fmt: skip

    def _match(self) -> None:
        book = self._book
        if book is None or not book.bids or not book.asks:
            return
        for child_id, resting in list(self._resting.items()):
            far = book.asks[0][0] if resting.command.side is Side.BUY else book.bids[0][0]
            if (resting.price - far) * resting.command.side.sign >= 0 and child_id in self._resting:
                del self._resting[child_id]
                self.filled += resting.quantity
                self._report(
                    ChildFilled, resting.command, exec_id=f"E-{child_id}", side=resting.command.side,
                    last_quantity=resting.quantity, last_price=resting.price, cum_quantity=resting.quantity,
                    leaves_quantity=0,
                )  # fmt: skip

    def _report(self, kind: Any, command: SubmitChild, **fields: Any) -> None:
        self.feed(
            kind(
                child_id=command.child_id,
                parent_id=command.parent_id,
                cl_ord_id=f"O-{command.child_id}",
                symbol=self.symbol,
                ts_event=self.now.market,
                ts_utc=self.now.utc,
                **fields,
            )
        )
