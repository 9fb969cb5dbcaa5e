"""Parent orders, child commands and the FIX words they are made of."""

from __future__ import annotations

import enum

from service.model.message import Message
from service.model.parameters import CatchUp, Parameters


class Side(enum.IntEnum):
    """FIX tag 54."""

    BUY = 1
    SELL = 2

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY


class OrdType(enum.StrEnum):
    """FIX tag 40."""

    MARKET = "1"
    LIMIT = "2"


class TimeInForce(enum.StrEnum):
    """FIX tag 59."""

    DAY = "0"
    GTC = "1"
    IOC = "3"
    FOK = "4"


class OrdStatus(enum.StrEnum):
    """FIX tag 39."""

    NEW = "0"
    PARTIALLY_FILLED = "1"
    FILLED = "2"
    DONE_FOR_DAY = "3"
    CANCELED = "4"
    REPLACED = "5"
    PENDING_CANCEL = "6"
    STOPPED = "7"
    REJECTED = "8"
    SUSPENDED = "9"
    PENDING_NEW = "A"
    CALCULATED = "B"
    EXPIRED = "C"
    ACCEPTED_FOR_BIDDING = "D"
    PENDING_REPLACE = "E"


class Objective(enum.StrEnum):
    """The benchmark that a parent is judged by."""

    ARRIVAL = "arrival"
    VWAP = "vwap"
    TWAP = "twap"
    PARTICIPATION = "participation"


class ParentStatus(enum.StrEnum):
    """State of a parent, as the gateway knows it."""

    WORKING = "working"
    PAUSED = "paused"
    CANCELING = "canceling"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REFUSED = "refused"

    @property
    def closed(self) -> bool:
        return self in (
            ParentStatus.FILLED,
            ParentStatus.CANCELED,
            ParentStatus.EXPIRED,
            ParentStatus.REFUSED,
        )


class ParentOrder(Message, frozen=True, kw_only=True, tag="parent"):
    """What a desk hands to us.

    Attributes:
        id: Unique; a second parent with the same id is ignored as a duplicate.
        symbol: Instrument.
        quantity: Lots.
        policy: Name of the policy that works it.
        account, trader: Names in the reference file; desk, client and firm follow from them.
        ts_utc: When it was created.
    """

    id: str
    symbol: str
    side: Side
    quantity: int
    policy: str
    account: str
    trader: str
    ts_utc: int
    objective: Objective = Objective.ARRIVAL
    parameters: Parameters = Parameters()


class NewParent(Message, frozen=True, kw_only=True, tag="new_parent"):
    """Ask for a parent to be worked. Key on ``parents.v1``: the instrument's group.

    Attributes:
        paused: Admitted, and worked on only once it is resumed: so a list begins together or not at all.
    """

    command_id: str
    parent: ParentOrder
    by: str
    ts_utc: int
    paused: bool = False


class AmendParent(Message, frozen=True, kw_only=True, tag="amend_parent"):
    """Change a parent in flight: only the parameters that are set in ``changes`` change.

    Attributes:
        policy: Works it from now on; its children of before are cancelled. ``None`` leaves it.
        unset: Parameters that a new ``policy`` does not take. A limit price or a window is never lost so.
    """

    command_id: str
    parent_id: str
    symbol: str
    by: str
    ts_utc: int
    changes: Parameters = Parameters()
    quantity: int | None = None
    reason: str = ""
    policy: str | None = None
    unset: tuple[str, ...] = ()


class PauseParent(Message, frozen=True, kw_only=True, tag="pause_parent"):
    """Stop working a parent: its children are cancelled, its schedule runs on.

    Attributes:
        by_hand: ``by`` takes it over: until it is resumed or paused, the children of that person alone
            pass the gate.
    """

    command_id: str
    parent_id: str
    symbol: str
    by: str
    ts_utc: int
    reason: str = ""
    by_hand: bool = False


class ResumeParent(Message, frozen=True, kw_only=True, tag="resume_parent"):
    """Work a paused parent again; ``catch_up`` says what becomes of what was missed."""

    command_id: str
    parent_id: str
    symbol: str
    by: str
    ts_utc: int
    catch_up: CatchUp | None = None
    reason: str = ""


class CancelParent(Message, frozen=True, kw_only=True, tag="cancel_parent"):
    """End a parent: cancel its children, then close it."""

    command_id: str
    parent_id: str
    symbol: str
    by: str
    ts_utc: int
    reason: str = ""


class Stamps(Message, frozen=True, kw_only=True):
    """UTC nanoseconds at which a child passed each point on its way; 0 where it has not (yet).

    Attributes:
        feed: The feed published the market event that the decision followed (0 for a timer).
        tick: That record was in the runner's hands.
        decided: The policy's intent left the core.
        received: The gateway decoded it.
        gated: The gate had judged it.
        journalled: It was synced to disk.
        sent: The FIX bytes were handed to the socket.
    """

    feed: int = 0
    tick: int = 0
    decided: int = 0
    received: int = 0
    gated: int = 0
    journalled: int = 0
    sent: int = 0


class SubmitChild(Message, frozen=True, kw_only=True, tag="submit"):
    """A policy's wish for a child order. Only the gate can turn it into an order.

    Attributes:
        child_id: Unique for ever: ``PARENT_ID.N``, N rising by one; a known one is denied (C14).
        parent_version: Version of the parent that the decision was made on; an older one is denied.
        price: Price units, on the tick; 0 for a market order.
        quantity: Lots.
        display_quantity: Shown part in lots; 0 shows all.
        venue: Preferred venue; empty leaves the choice to routing.
        model: ``NAME@VERSION`` of the model behind the decision; empty if none (C24).
        reason: One word from the policy's vocabulary, for the record.
    """

    child_id: str
    parent_id: str
    parent_version: int
    symbol: str
    side: Side
    ord_type: OrdType
    quantity: int
    price: int
    time_in_force: TimeInForce
    policy: str
    display_quantity: int = 0
    venue: str = ""
    model: str = ""
    reason: str = ""
    stamps: Stamps = Stamps()


class CancelChild(Message, frozen=True, kw_only=True, tag="cancel"):
    """Take a child back. Never refused by the gate."""

    child_id: str
    parent_id: str
    reason: str = ""
    stamps: Stamps = Stamps()


class ReplaceChild(Message, frozen=True, kw_only=True, tag="replace"):
    """Change price and total quantity of a working child; judged like a new one (C4).

    Attributes:
        quantity: New OrderQty in lots, filled part included (FIX tag 38 of a replace).
        price: New price in price units.
    """

    child_id: str
    parent_id: str
    parent_version: int
    quantity: int
    price: int
    model: str = ""
    reason: str = ""
    stamps: Stamps = Stamps()


ParentCommand = NewParent | AmendParent | PauseParent | ResumeParent | CancelParent
ChildCommand = SubmitChild | CancelChild | ReplaceChild
