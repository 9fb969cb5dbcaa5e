"""A core on a desk: inputs made by hand, a gateway that answers as told, everything numbered and kept."""

from collections.abc import Mapping
from typing import Any

import msgspec

from service.model.codec import encode
from service.model.events import (
    ChildAccepted,
    ChildCanceled,
    ChildCancelRequested,
    ChildDenied,
    ChildFilled,
    ChildPartiallyFilled,
    ChildReplaced,
    ChildReplaceRequested,
    ChildSnapshot,
    ChildSubmitted,
    ParentAdmitted,
    ParentChanged,
    ParentSnapshot,
)
from service.model.market import BookSnapshot, Trade, TradingPhase, TradingStatus
from service.model.message import Message
from service.model.orders import (
    CancelChild,
    OrdStatus,
    OrdType,
    ParentOrder,
    ParentStatus,
    ReplaceChild,
    Side,
    SubmitChild,
    TimeInForce,
)
from service.model.parameters import Parameters
from service.model.records import GatewayLink, NumberedInput, Partitions, Stale, Timer
from service.model.reference import Reference, parse_reference
from service.model.stream import StreamSynced
from service.model.time import SECOND, Now, SessionClock
from service.policy.contract import Policy
from service.policy.registry import load_policies
from service.runner.core import Core
from service.runner.outputs import Outputs
from service.settings import ROOT

REFERENCE_TEXT = (ROOT / "deploy" / "reference.toml").read_text()
REFERENCE: Reference = parse_reference(REFERENCE_TEXT, "deploy/reference.toml")
OPEN = 1_340_285_400 * SECOND
"""2012-06-21, 09:30 in New York."""

UTC = 1_790_000_000 * SECOND
PARTITIONS = {"AURA": 0, "BOLT": 1}


class Desk:
    """A core that is ready to trade, its clock at ``OPEN`` plus ``seconds``."""

    def __init__(
        self,
        policies: Mapping[str, Policy] | None = None,
        models: Mapping[str, str] | None = None,
        *,
        owned: tuple[int, ...] = (0, 1),
        speed: int = 1,
        ready: bool = True,
    ) -> None:
        self.core = make_core(policies, models)
        self.speed = speed
        self.now = Now(OPEN, UTC)
        self.seq: dict[str, int] = {}
        self.inputs: list[tuple[NumberedInput, Message]] = []
        self.digests: list[int] = []
        self.decisions: list[Any] = []
        self.commands: list[Any] = []
        self.last = Outputs()
        self.children: dict[str, SubmitChild] = {}
        if ready:
            self.feed(
                SessionClock(
                    market_start=OPEN,
                    utc_start=UTC,
                    speed=float(speed),
                    market_end=OPEN + 23_400 * SECOND,
                    ts_utc=UTC,
                )
            )
            self.feed(Partitions(owned=owned))
            self.feed(Stale(stale=False, age=0))
            self.feed(GatewayLink(up=True))
            self.feed(StreamSynced(parents=0, ts_utc=UTC))

    def feed(self, message: Message, *, conflated: bool = False) -> Outputs:
        out = self.core.apply(message, self.now, conflated=conflated)
        self.inputs.append(
            (
                NumberedInput(
                    seq=self.core.seq,
                    market=self.now.market,
                    utc=self.now.utc,
                    partition=0,
                    offset=len(self.inputs),
                    body=b""
                    if isinstance(message, BookSnapshot | Trade | TradingStatus)
                    else encode(message),
                    digest=self.core.digest,
                    conflated=conflated,
                ),
                message,
            )
        )
        self.digests.append(self.core.digest)
        self.decisions += out.decisions
        self.commands += out.commands
        for command in out.commands:
            if isinstance(command, SubmitChild):
                self.children[command.child_id] = command
        self.last = out
        return out

    def wait(self, seconds: float) -> None:
        """Let market time pass, and UTC by the speed."""
        step = int(seconds * SECOND)
        self.now = Now(self.now.market + step, self.now.utc + step // self.speed)

    def timer(self, seconds: float = 0.1) -> Outputs:
        self.wait(seconds)
        return self.feed(Timer())

    # Market

    def next_seq(self, symbol: str) -> int:
        self.seq[symbol] = self.seq.get(symbol, 0) + 1
        return self.seq[symbol]

    def book(
        self,
        bid: int = 9_900,
        ask: int = 10_000,
        *,
        bid_lots: int = 300,
        ask_lots: int = 200,
        symbol: str = "AURA",
        conflated: bool = False,
    ) -> Outputs:
        return self.feed(
            BookSnapshot(
                symbol=symbol,
                venue="XSIM",
                ts_event=self.now.market,
                ts_utc=self.now.utc,
                seq=self.next_seq(symbol),
                bids=((bid, bid_lots), (bid - 100, 500)),
                asks=((ask, ask_lots), (ask + 100, 500)),
            ),
            conflated=conflated,
        )

    def trade(self, price: int, quantity: int, symbol: str = "AURA") -> Outputs:
        return self.feed(
            Trade(
                symbol=symbol,
                venue="XSIM",
                ts_event=self.now.market,
                ts_utc=self.now.utc,
                seq=self.next_seq(symbol),
                price=price,
                quantity=quantity,
            )
        )

    def phase(self, phase: TradingPhase, symbol: str = "AURA") -> Outputs:
        return self.feed(
            TradingStatus(
                symbol=symbol,
                venue="XSIM",
                ts_event=self.now.market,
                ts_utc=self.now.utc,
                seq=self.next_seq(symbol),
                phase=phase,
            )
        )

    # Parents

    def state(
        self,
        id_: str = "P1",
        *,
        policy: str = "twap",
        symbol: str = "AURA",
        quantity: int = 2_400,
        side: Side = Side.BUY,
        seconds: int = 1_200,
        version: int = 1,
        status: ParentStatus = ParentStatus.WORKING,
        filled: int = 0,
        children: tuple[ChildSnapshot, ...] = (),
        next_child: int = 1,
        arrival_volume: int = 0,
        start: int = OPEN,
        **parameters: Any,
    ) -> ParentSnapshot:
        return ParentSnapshot(
            parent=ParentOrder(
                id=id_,
                symbol=symbol,
                side=side,
                quantity=quantity,
                policy=policy,
                account="NW-1",
                trader="alice",
                ts_utc=UTC,
                parameters=Parameters(**parameters),
            ),
            version=version,
            status=status,
            window_start=start,
            window_end=start + seconds * SECOND,
            arrival_price=9_950,
            arrival_volume=arrival_volume,
            filled_quantity=filled,
            children=children,
            next_child=next_child,
        )

    def admit(self, id_: str = "P1", *, restored: bool = False, **changes: Any) -> Outputs:
        return self.feed(
            ParentAdmitted(
                command_id="c1",
                state=self.state(id_, **changes),
                ts_event=self.now.market,
                ts_utc=self.now.utc,
                restored=restored,
            )
        )

    def change(self, state: ParentSnapshot, change: str = "amend") -> Outputs:
        return self.feed(
            ParentChanged(
                command_id="c2",
                change=change,
                by="alice",
                reason="",
                state=state,
                ts_event=self.now.market,
                ts_utc=self.now.utc,
            )
        )

    # Reports

    def report(self, kind: Any, child_id: str, **fields: Any) -> Outputs:
        parent_id = child_id.rpartition(".")[0]
        return self.feed(
            kind(
                child_id=child_id,
                parent_id=parent_id,
                cl_ord_id=f"O-{child_id}",
                symbol="AURA",
                ts_event=self.now.market,
                ts_utc=self.now.utc,
                **fields,
            )
        )

    def submitted(self, child: SubmitChild) -> Outputs:
        return self.report(
            ChildSubmitted,
            child.child_id,
            side=child.side,
            ord_type=child.ord_type,
            quantity=child.quantity,
            price=child.price,
            time_in_force=child.time_in_force,
            account="NW-1",
            policy=child.policy,
        )

    def accept(self, child: SubmitChild) -> Outputs:
        self.submitted(child)
        return self.report(ChildAccepted, child.child_id, order_id="B1")

    def fill(self, child_id: str, quantity: int, *, cum: int, leaves: int, price: int = 9_900) -> Outputs:
        return self.report(
            ChildPartiallyFilled if leaves else ChildFilled,
            child_id,
            exec_id=f"E-{child_id}-{cum}",
            side=self.children[child_id].side if child_id in self.children else Side.BUY,
            last_quantity=quantity,
            last_price=price,
            cum_quantity=cum,
            leaves_quantity=leaves,
        )

    def cancel_requested(self, child_id: str) -> Outputs:
        return self.report(ChildCancelRequested, child_id, orig_cl_ord_id="O")

    def canceled(self, child_id: str, cum: int = 0) -> Outputs:
        return self.report(ChildCanceled, child_id, cum_quantity=cum)

    def deny(self, child: SubmitChild, code: str, detail: str = "", command: str = "submit") -> Outputs:
        return self.feed(
            ChildDenied(
                child_id=child.child_id,
                parent_id=child.parent_id,
                symbol=child.symbol,
                command=command,
                control="C4",
                code=code,
                detail=detail,
                ts_event=self.now.market,
                ts_utc=self.now.utc,
            )
        )

    def comply(self, out: Outputs, *, fill: bool = False) -> None:
        """Be a gateway and a broker that do what they are told; ``fill``: every child at once."""
        for command in out.commands:
            if isinstance(command, SubmitChild):
                self.accept(command)
                if fill:
                    again = self.fill(
                        command.child_id,
                        command.quantity,
                        cum=command.quantity,
                        leaves=0,
                        price=command.price,
                    )
                    self.comply(again, fill=fill)
            elif isinstance(command, CancelChild):
                self.cancel_requested(command.child_id)
                self.comply(self.canceled(command.child_id), fill=fill)
            elif isinstance(command, ReplaceChild):
                fields = {"quantity": command.quantity, "price": command.price}
                self.report(ChildReplaceRequested, command.child_id, orig_cl_ord_id="O", **fields)
                self.report(
                    ChildReplaced,
                    command.child_id,
                    cum_quantity=0,
                    leaves_quantity=command.quantity,
                    **fields,
                )

    def parent(self, id_: str = "P1") -> Any:
        return self.core.parents[id_]


def make_core(policies: Mapping[str, Policy] | None = None, models: Mapping[str, str] | None = None) -> Core:
    return Core(
        runner_id="R1",
        reference=REFERENCE,
        partition_of=PARTITIONS,
        policies=load_policies() if policies is None else policies,
        models=models or {},
    )


def child_snapshot(child_id: str, **changes: Any) -> ChildSnapshot:
    plain = ChildSnapshot(
        child_id=child_id,
        parent_id=child_id.rpartition(".")[0],
        cl_ord_id=f"O-{child_id}",
        symbol="AURA",
        side=Side.BUY,
        ord_type=OrdType.LIMIT,
        quantity=100,
        price=9_900,
        time_in_force=TimeInForce.DAY,
        status=OrdStatus.NEW,
        leaves_quantity=100,
    )
    return msgspec.structs.replace(plain, **changes)
