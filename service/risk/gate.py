"""The gate: judges every new child order and every replace, and mints the only thing that FIX will send.

Checks are pure, cheap ones first, one reason each. Anything that goes wrong inside a check is a denial.
A cancel never comes here: there is nothing that could refuse it.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, NoReturn, final

from service.model.market import TradingPhase
from service.model.orders import OrdType, ParentStatus, ReplaceChild, Side, SubmitChild, TimeInForce
from service.model.reference import Instrument, Reference
from service.model.time import Now
from service.risk import ceilings
from service.risk.denials import Code, Denied, denied
from service.risk.limits import InstrumentLimits, Level, Limits
from service.risk.snapshots import Facts, ParentFacts

BPS: Final = 10_000

_SEAL: Final = object()
_keep: Final = object.__setattr__


class ForgedApproval(Exception):
    """An approval that the gate did not give."""


@final
class Approved:
    """One order as the gate let it through. Only the gate makes one, and nobody copies or changes it.

    Attributes:
        command: The ``SubmitChild`` or ``ReplaceChild`` that was judged.
        symbol, side, ord_type, time_in_force: Of the order.
    """

    __slots__ = ("_seal", "command", "ord_type", "side", "symbol", "time_in_force")

    command: SubmitChild | ReplaceChild
    symbol: str
    side: Side
    ord_type: OrdType
    time_in_force: TimeInForce

    def __init__(self, seal: object, order: _Order) -> None:
        if seal is not _SEAL:
            raise ForgedApproval("only the gate approves orders; hand it the order instead")
        _keep(self, "_seal", seal)
        _keep(self, "command", order.command)
        _keep(self, "symbol", order.symbol)
        _keep(self, "side", order.side)
        _keep(self, "ord_type", order.ord_type)
        _keep(self, "time_in_force", order.time_in_force)

    @property
    def quantity(self) -> int:
        """OrderQty in lots; of a replace the new total, filled part included."""
        return self.command.quantity

    @property
    def price(self) -> int:
        """Price units; 0 for a market order."""
        return self.command.price

    @property
    def display_quantity(self) -> int:
        """Shown part in lots; 0 shows all."""
        return self.command.display_quantity if isinstance(self.command, SubmitChild) else 0

    @property
    def venue(self) -> str:
        """Preferred venue, or empty."""
        return self.command.venue if isinstance(self.command, SubmitChild) else ""

    def verify(self) -> None:
        """Prove that the gate made this.

        Raises:
            ForgedApproval: If it did not.
        """
        if getattr(self, "_seal", None) is not _SEAL:
            raise ForgedApproval("this approval was not minted by the gate")

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise ForgedApproval(f"an approval does not change: {name}")

    def __delattr__(self, name: str) -> NoReturn:
        raise ForgedApproval(f"an approval does not change: {name}")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise ForgedApproval("an approval is neither copied nor stored")

    def __init_subclass__(cls, **kwargs: Any) -> NoReturn:
        raise ForgedApproval("an approval has no subclasses")


class _Bounds:
    """Limits of one instrument, compiled: ceilings applied, money in price units x lots."""

    __slots__ = (
        "collar_bps",
        "max_gross",
        "max_long",
        "max_order_quantity",
        "max_order_value",
        "max_short",
        "max_spread_bps",
        "messages_per_second",
        "tick",
    )

    def __init__(self, instrument: Instrument, limits: InstrumentLimits) -> None:
        self.tick = instrument.tick
        self.max_order_quantity = min(limits.max_order_quantity, ceilings.MAX_ORDER_QUANTITY)
        money = min(limits.max_order_value, ceilings.MAX_ORDER_VALUE)
        scale = Decimal(1).scaleb(instrument.price_exponent + instrument.quantity_exponent)
        self.max_order_value = int(money * scale / (instrument.lot * instrument.multiplier))
        self.collar_bps = min(limits.collar_bps, ceilings.MAX_COLLAR_BPS)
        self.max_spread_bps = min(limits.max_spread_bps, ceilings.MAX_SPREAD_BPS)
        self.max_long = min(limits.max_long, ceilings.MAX_POSITION)
        self.max_short = min(limits.max_short, ceilings.MAX_POSITION)
        self.max_gross = min(limits.max_gross, ceilings.MAX_GROSS)
        self.messages_per_second = min(limits.messages_per_second, ceilings.MAX_MESSAGES_PER_SECOND)


class _Order:
    """The order under judgement, new or as a replace would leave it.

    Attributes:
        added: Lots that may be filled beyond what counts already. A replace is atomic at the broker (one
            order, one CumQty), so until it is answered either version may be filled, never both: the
            larger one counts.
    """

    __slots__ = (
        "added",
        "bounds",
        "command",
        "facts",
        "gate",
        "now",
        "ord_type",
        "price",
        "quantity",
        "side",
        "symbol",
        "time_in_force",
    )

    command: SubmitChild | ReplaceChild
    facts: Facts
    now: Now
    gate: Gate
    bounds: _Bounds
    symbol: str
    side: Side
    ord_type: OrdType
    time_in_force: TimeInForce
    quantity: int
    price: int
    added: int

    @property
    def parent(self) -> ParentFacts:
        """The parent; a check before has made sure that there is one."""
        parent = self.facts.parent
        assert parent is not None
        return parent


Check = Callable[[_Order], Denied | None]


class Gate:
    """Judges orders against one set of limits. Holds no state but that.

    Args:
        limits: Missing and zero limits deny. What exceeds a ceiling is cut to it.
        reference: Instruments, for tick and money.
    """

    __slots__ = (
        "_bounds",
        "_instruments",
        "_limits",
        "_max_heartbeat_age",
        "_max_reference_age",
        "_session_rate",
        "_strategy_rates",
    )

    def __init__(self, limits: Limits, reference: Reference) -> None:
        self._limits = limits
        self._instruments = reference.by_symbol
        self._bounds = {
            symbol: _Bounds(reference.by_symbol[symbol], row)
            for symbol, row in limits.instruments.items()
            if symbol in reference.by_symbol
        }
        ceiling = ceilings.MAX_MESSAGES_PER_SECOND
        self._session_rate = min(limits.rate(Level.SESSION, "*"), ceiling)
        self._strategy_rates = {
            name: min(row.messages_per_second, ceiling)
            for (level, name), row in limits.levels.items()
            if level is Level.STRATEGY
        }
        ages = limits.market_data
        self._max_heartbeat_age = min(ages.max_heartbeat_age, ceilings.MAX_HEARTBEAT_AGE)
        self._max_reference_age = min(ages.max_reference_age, ceilings.MAX_REFERENCE_AGE)

    @property
    def limits(self) -> Limits:
        """The limits in force."""
        return self._limits

    def check(self, command: SubmitChild | ReplaceChild, facts: Facts, now: Now) -> Approved | Denied:
        """Judge one new child order, or one replace, against every limit in force. Changes nothing.

        Args:
            command: Prices in price units, quantities in lots.
            facts: What the gateway knows; market facts come from ``ref.v1``, never from a policy.
            now: Market time and UTC, nanoseconds since the epoch.

        Returns:
            ``Approved``, for the ledger to commit with the journal, or ``Denied`` with the first control
            that the order breaks. A failure inside a check is a denial (C6), never an exception.
        """
        order = _Order()
        order.command, order.facts, order.now, order.gate = command, facts, now, self
        check: Check = _halted
        try:
            for check in CHECKS:
                verdict = check(order)
                if verdict is not None:
                    return verdict
            return Approved(_SEAL, order)
        except Exception as error:  # noqa: BLE001 - the gate fails closed, whatever went wrong (C6)
            return denied(Code.CHECK_FAILED, check=check.__name__.lstrip("_"), error=type(error).__name__)


def _halted(order: _Order) -> Denied | None:
    """C23, C35, C6: a kill, an unreconciled instrument, no session to send on."""
    halt = order.facts.halt
    if halt.kill:
        return denied(Code.KILLED, scope=halt.kill)
    if not halt.logged_on:
        return denied(Code.NOT_LOGGED_ON)
    if halt.unknown_orders:
        return denied(Code.UNRECONCILED, unknown_orders=halt.unknown_orders)
    return None


def _parent(order: _Order) -> Denied | None:
    """C19: the gateway itself admitted the parent, it is open, and the decision is on its newest version."""
    parent, command = order.facts.parent, order.command
    if parent is None or parent.id != command.parent_id:
        return denied(Code.UNKNOWN_PARENT, parent=command.parent_id)
    if parent.status is ParentStatus.PAUSED:
        return denied(Code.PARENT_PAUSED, parent=parent.id)
    if parent.status is not ParentStatus.WORKING:
        return denied(Code.PARENT_CLOSED, status=parent.status)
    if command.parent_version != parent.version:
        return denied(Code.PARENT_VERSION, given=command.parent_version, current=parent.version)
    return None


def _terms(order: _Order) -> Denied | None:
    """C14, C19: what the order is; a new child has a number never used, a replace a child that works."""
    command, parent = order.command, order.parent
    order.quantity, order.price = command.quantity, command.price
    if isinstance(command, SubmitChild):
        order.symbol, order.side = command.symbol, command.side
        order.ord_type, order.time_in_force = command.ord_type, command.time_in_force
        order.added = command.quantity
        prefix, _, number = command.child_id.rpartition(".")
        if prefix != parent.id or not _child_number(number):
            return denied(Code.MALFORMED_CHILD_ID, child=command.child_id)
        if int(number) < parent.next_child:
            return denied(Code.DUPLICATE_CHILD, child=command.child_id, next=parent.next_child)
        return None
    child = order.facts.child
    if child is None:
        return denied(Code.UNKNOWN_CHILD, child=command.child_id)
    if child.pending:
        return denied(Code.REQUEST_PENDING, child=command.child_id)
    if not child.working:
        return denied(Code.CHILD_NOT_WORKING, child=command.child_id)
    order.symbol, order.side = parent.symbol, child.side
    order.ord_type, order.time_in_force = child.ord_type, child.time_in_force
    order.added = max(0, command.quantity - child.quantity)
    if command.quantity <= child.filled:
        return denied(Code.INVALID_QUANTITY, quantity=command.quantity, filled=child.filled)
    return None


def _child_number(text: str) -> bool:
    """A positive decimal number without leading zeros, small enough for every message."""
    return len(text) <= 15 and text.isascii() and text.isdigit() and text[0] != "0"


def _limits_exist(order: _Order) -> Denied | None:
    """C6: an instrument without limits is not traded."""
    bounds = order.gate._bounds.get(order.symbol)
    if bounds is None:
        code = Code.NO_LIMIT if order.symbol in order.gate._instruments else Code.UNKNOWN_INSTRUMENT
        return denied(code, symbol=order.symbol)
    order.bounds = bounds
    return None


def _matches_parent(order: _Order) -> Denied | None:
    """C19: instrument, side and window are the parent's."""
    parent, market = order.parent, order.now.market
    if order.symbol != parent.symbol:
        return denied(Code.PARENT_SYMBOL, given=order.symbol, parent=parent.symbol)
    if order.side is not parent.side:
        return denied(Code.PARENT_SIDE, given=order.side.name, parent=parent.side.name)
    if not parent.window_start <= market < parent.window_end:
        return denied(Code.PARENT_WINDOW, now=market, start=parent.window_start, end=parent.window_end)
    return None


def _quantity(order: _Order) -> Denied | None:
    """C4: on a new order and on a replace."""
    if order.quantity <= 0:
        return denied(Code.INVALID_QUANTITY, quantity=order.quantity)
    if order.quantity > order.bounds.max_order_quantity:
        return denied(Code.MAX_ORDER_QUANTITY, quantity=order.quantity, limit=order.bounds.max_order_quantity)
    command = order.command
    if isinstance(command, SubmitChild) and not 0 <= command.display_quantity <= command.quantity:
        return denied(Code.INVALID_QUANTITY, display=command.display_quantity, quantity=command.quantity)
    return None


def _parent_quantity(order: _Order) -> Denied | None:
    """C19: filled, working and this order together never exceed the parent."""
    parent = order.parent
    if parent.filled + parent.working + order.added > parent.quantity:
        return denied(
            Code.PARENT_QUANTITY,
            added=order.added,
            working=parent.working,
            filled=parent.filled,
            limit=parent.quantity,
        )
    return None


def _price(order: _Order) -> Denied | None:
    """C1, C19: a price on the tick, none for a market order, never past the parent's limit."""
    limit = order.parent.limit_price
    if order.ord_type is OrdType.MARKET:
        if order.price != 0:
            return denied(Code.INVALID_PRICE, price=order.price, ord_type="market")
        if limit:
            return denied(Code.PARENT_LIMIT_PRICE, ord_type="market", limit=limit)
        return None
    if order.price <= 0 or order.price % order.bounds.tick:
        return denied(Code.INVALID_PRICE, price=order.price, tick=order.bounds.tick)
    if limit and (order.price - limit) * order.side.sign > 0:
        return denied(Code.PARENT_LIMIT_PRICE, price=order.price, limit=limit, side=order.side.name)
    return None


def _market_data(order: _Order) -> Denied | None:
    """C16, C15, C47: reasonable, fresh facts of a market that is open."""
    gate, bounds, utc = order.gate, order.bounds, order.now.utc
    heartbeat, reference = order.facts.market.heartbeat_utc, order.facts.market.reference
    if reference is None or reference.reference <= 0:
        return denied(Code.NO_REFERENCE, symbol=order.symbol)
    if heartbeat - utc > ceilings.CLOCK_AHEAD or reference.ts_utc - utc > ceilings.CLOCK_AHEAD:
        return denied(Code.CLOCK_TROUBLE, ahead_ns=max(heartbeat, reference.ts_utc) - utc)
    if utc - heartbeat > gate._max_heartbeat_age:
        return denied(Code.STALE_FEED, age_ns=utc - heartbeat, limit_ns=gate._max_heartbeat_age)
    if utc - reference.ts_utc > gate._max_reference_age:
        return denied(Code.STALE_REFERENCE, age_ns=utc - reference.ts_utc, limit_ns=gate._max_reference_age)
    if reference.phase is not TradingPhase.CONTINUOUS:
        return denied(Code.TRADING_PHASE, phase=reference.phase)
    if reference.jumped:
        return denied(Code.JUMPED_MARKET, bid=reference.bid, ask=reference.ask)
    bid, ask = reference.bid, reference.ask
    if reference.crossed or (bid and ask and bid > ask):
        return denied(Code.CROSSED_MARKET, bid=bid, ask=ask)
    # An empty side is a spread without end.
    if not bid or not ask or (ask - bid) * BPS > bounds.max_spread_bps * reference.reference:
        return denied(Code.WIDE_MARKET, bid=bid, ask=ask, limit_bps=bounds.max_spread_bps)
    return None


def _collar(order: _Order) -> Denied | None:
    """C1: near the trusted reference, on either side: a price far off is an error, cheap or dear."""
    reference = order.facts.market.reference
    assert reference is not None
    trusted, collar = reference.reference, order.bounds.collar_bps
    if collar <= 0:
        return denied(Code.NO_LIMIT, limit="collar_bps")
    price = order.price
    if order.ord_type is OrdType.MARKET:
        price = reference.ask if order.side is Side.BUY else reference.bid
    if abs(price - trusted) * BPS > collar * trusted:
        return denied(Code.PRICE_COLLAR, price=price, reference=trusted, limit_bps=collar)
    return None


def _value(order: _Order) -> Denied | None:
    """C3: a market order is valued at the worst price that its collar allows."""
    price = order.price
    if order.ord_type is OrdType.MARKET:
        reference = order.facts.market.reference
        assert reference is not None
        price = -(-reference.reference * (BPS + order.bounds.collar_bps) // BPS)
    if price * order.quantity > order.bounds.max_order_value:
        return denied(Code.MAX_ORDER_VALUE, value=price * order.quantity, limit=order.bounds.max_order_value)
    return None


def _position(order: _Order) -> Denied | None:
    """C12: as if every working order of a side, and this one, were filled and none of the other."""
    exposure, bounds, added = order.facts.exposure, order.bounds, order.added
    if order.side is Side.BUY:
        long = exposure.position + exposure.working_buy + added
        if long > bounds.max_long:
            return denied(Code.MAX_LONG, long=long, limit=bounds.max_long)
    else:
        short = exposure.working_sell + added - exposure.position
        if short > bounds.max_short:
            return denied(Code.MAX_SHORT, short=short, limit=bounds.max_short)
    gross = abs(exposure.position) + exposure.working_buy + exposure.working_sell + added
    if gross > bounds.max_gross:
        return denied(Code.MAX_GROSS, gross=gross, limit=bounds.max_gross)
    return None


def _rate(order: _Order) -> Denied | None:
    """C5: messages of the last second, this one included; cancels count but are never asked."""
    traffic, gate = order.facts.traffic, order.gate
    if traffic.instrument >= order.bounds.messages_per_second:
        return _too_many(Level.INSTRUMENT, traffic.instrument, order.bounds.messages_per_second)
    limit = gate._strategy_rates.get(order.parent.policy, gate._strategy_rates.get("*", 0))
    if traffic.strategy >= limit:
        return _too_many(Level.STRATEGY, traffic.strategy, limit)
    if traffic.session >= gate._session_rate:
        return _too_many(Level.SESSION, traffic.session, gate._session_rate)
    return None


def _too_many(level: Level, sent: int, limit: int) -> Denied:
    return denied(Code.MESSAGE_RATE, level=level.value, sent=sent, limit=limit)


CHECKS: Final[tuple[Check, ...]] = (
    _halted,
    _parent,
    _terms,
    _limits_exist,
    _matches_parent,
    _quantity,
    _parent_quantity,
    _price,
    _market_data,
    _collar,
    _value,
    _position,
    _rate,
)
"""In the order in which they are asked: cheap ones first, and each may rely on those before it."""
