"""One order: what was asked, what the broker accepted, and what was executed."""

from __future__ import annotations

from typing import Final

import msgspec

from service.gateway.lifecycle import CLOSED, Request
from service.gateway.lifecycle import ReportKind as Kind
from service.model.events import ChildSnapshot
from service.model.orders import OrdStatus, OrdType, Side, Stamps, TimeInForce

_MOST_TELLABLE: Final = (1 << 63) - 1


def tellable(money: int) -> int:
    """A sum of price x lots as messages carry it: no further than 64 bits go."""
    return max(-_MOST_TELLABLE, min(money, _MOST_TELLABLE))


class Execution(msgspec.Struct, frozen=True, gc=False):
    """What one ExecID traded, lots and price units; nothing once it is busted."""

    quantity: int
    price: int


class Order:
    """One order and its chain of ClOrdIDs.

    Attributes:
        cl_ord_id: The newest one that the broker accepted (or the first, until it does).
        alias: The ClOrdID that it may go by instead, where the broker's answer fits two; else empty.
        chain: Every ClOrdID of it, cancels and replaces included.
        trials: Policy and model that were being introduced when it was sent, ``KEY=NAME`` (C39).
        levels: Names that it counts for, in the order of ``LEVELS``; none for an order that nobody here sent.
        quantity, price: As accepted by the broker.
        replace_quantity, replace_price: Asked for and not answered; 0 if nothing is.
        cum_quantity, money: Sums over its executions; money is price x lots.
        told_quantity: Highest CumQty that the broker has told: what it exceeds ours by is still to come.
        claimed: Lots that the drop copy alone tells as executed; they count as working.
        counted, counted_unknown, resting: What of it is in the counters of exposure and own prices.
        early: Corrections of executions that were never told and that the broker's sum does not hold besides
            what was: not counted, taken by the execution if it comes.
        roots: The execution that a bust or correction is about in the end, by its own ExecID.
        seen: Reports applied, by what they said and ExecID.
        sent: The bytes were handed to FIX.
        unknown: Only the broker's answer says what became of it.
        sideless: Its side was never told (an adopted order): ``side`` is a guess, its lots count on both.
        stale: Its pending request went out on a connection that is gone, and may be lost.
        insist: Why the gateway itself wants it cancelled, until it is; empty if it does not.
        tried, tries: When and how often that has been asked for; ``asked`` is of status requests.
    """

    __slots__ = (
        "account",
        "alias",
        "asked",
        "cancel_id",
        "chain",
        "child_id",
        "cl_ord_id",
        "claimed",
        "counted",
        "counted_unknown",
        "cum_quantity",
        "display_quantity",
        "early",
        "executions",
        "insist",
        "levels",
        "model",
        "money",
        "ord_type",
        "order_id",
        "parent_id",
        "policy",
        "price",
        "quantity",
        "reason",
        "replace_id",
        "replace_price",
        "replace_quantity",
        "request",
        "resting",
        "roots",
        "runner",
        "seen",
        "sent",
        "sent_utc",
        "side",
        "sideless",
        "stale",
        "stamps",
        "status",
        "symbol",
        "time_in_force",
        "told_quantity",
        "trials",
        "tried",
        "tries",
        "unknown",
        "venue",
    )

    def __init__(
        self,
        child_id: str,
        parent_id: str,
        cl_ord_id: str,
        symbol: str,
        side: Side,
        ord_type: OrdType,
        time_in_force: TimeInForce,
        quantity: int,
        price: int,
        account: str,
        policy: str,
        levels: tuple[str, ...] = (),
        trials: tuple[str, ...] = (),
        display_quantity: int = 0,
        venue: str = "",
        model: str = "",
        reason: str = "",
        runner: str = "",
        stamps: Stamps | None = None,
    ) -> None:
        self.child_id = child_id
        self.parent_id = parent_id
        self.cl_ord_id = cl_ord_id
        self.chain: list[str] = []
        self.symbol = symbol
        self.side = side
        self.ord_type = ord_type
        self.time_in_force = time_in_force
        self.quantity = quantity
        self.price = price
        self.account = account
        self.policy = policy
        self.levels = levels
        self.trials = trials
        self.display_quantity = display_quantity
        self.venue = venue
        self.model = model
        self.reason = reason
        self.runner = runner
        self.stamps = stamps or Stamps()
        self.status = OrdStatus.PENDING_NEW
        self.request = Request.NONE
        self.order_id = ""
        self.alias = ""
        self.cancel_id = ""
        self.replace_id = ""
        self.replace_quantity = 0
        self.replace_price = 0
        self.cum_quantity = 0
        self.money = 0
        self.told_quantity = 0
        self.claimed = 0
        self.counted = 0
        self.counted_unknown = False
        self.resting: tuple[int, ...] = ()
        self.executions: dict[str, Execution] = {}
        self.roots: dict[str, str] = {}
        self.early: dict[str, Execution] = {}
        self.seen: set[tuple[Kind, str]] = set()
        self.sent = False
        self.sent_utc = 0
        self.unknown = False
        self.sideless = False
        self.stale = False
        self.insist = ""
        self.tried = 0
        self.tries = 0
        self.asked = 0

    @property
    def live(self) -> bool:
        """The broker has not said that it is over."""
        return self.status not in CLOSED

    @property
    def canceling(self) -> bool:
        """A cancel of it has not been answered."""
        return self.request is Request.CANCEL or self.request is Request.BOTH

    @property
    def replacing(self) -> bool:
        """A replace of it has not been answered."""
        return self.request is Request.REPLACE or self.request is Request.BOTH

    @property
    def at_risk(self) -> int:
        """Lots that may still be filled; until a replace is answered, the larger version counts.

        While the side is not known, what was executed is at risk too: it is in no position.
        """
        most = max(self.quantity, self.replace_quantity) if self.live else 0
        if self.sideless:
            return max(most, self.told_quantity, self.cum_quantity + self.claimed)
        return max(0, max(most, self.told_quantity, self.cum_quantity + self.claimed) - self.cum_quantity)

    @property
    def leaves(self) -> int:
        """LeavesQty."""
        return max(0, self.quantity - self.cum_quantity) if self.live else 0

    def snapshot(self) -> ChildSnapshot:
        """This order as runners and people see it."""
        return ChildSnapshot(
            child_id=self.child_id,
            parent_id=self.parent_id,
            cl_ord_id=self.cl_ord_id,
            symbol=self.symbol,
            side=self.side,
            ord_type=self.ord_type,
            quantity=self.quantity,
            price=self.price,
            time_in_force=self.time_in_force,
            status=self.status,
            cum_quantity=self.cum_quantity,
            leaves_quantity=self.leaves,
            filled_money=tellable(self.money),
            pending=self.pending,
            unknown=self.unknown,
            policy=self.policy,
            model=self.model,
            side_told=not self.sideless,
        )

    @property
    def pending(self) -> str:
        """``""``, ``"cancel"`` or ``"replace"``; a cancel hides a replace."""
        return Request.CANCEL.value if self.request is Request.BOTH else self.request.value
