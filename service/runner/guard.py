"""What a policy returned, made safe: garbage is clamped or dropped, with a counted reason.

This is no substitute for the gate, which trusts nothing from here. It keeps a policy's mistake from
becoming a stream of denials, and holds what the gate does not know: the parent's limit, ``passive_only``
and ``max_open_children``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from service.model.orders import OrdType, Side, TimeInForce
from service.model.reference import Instrument
from service.policy.contract import Cancel, Intent, MarketView, Replace, Submit
from service.runner.parents import Parent, Working

MAX_INTENTS: Final = 20
"""Intents of one evaluation that are looked at."""

MAX_OPEN: Final = 50
"""Live children of a parent that did not say how many."""


def guarded(
    intents: object, parent: Parent, instrument: Instrument, market: MarketView, *, offering: bool
) -> tuple[list[Intent], list[str]]:
    """The usable part of what a policy returned.

    Args:
        intents: Anything at all; a sequence of intents if the policy is sound.
        offering: Whether submits and replaces may go out now; cancels always may.

    Returns:
        The intents to carry out, and one reason for each that was clamped or dropped.
    """
    if not isinstance(intents, Sequence) or isinstance(intents, str | bytes):
        return [], ["not_a_list"]
    return _Guard(parent, instrument, market).check(intents, offering)


class _Drop(Exception):
    """This intent cannot be used; the argument is the counted reason."""


class _Guard:
    def __init__(self, parent: Parent, instrument: Instrument, market: MarketView) -> None:
        order = parent.snapshot.parent
        self.parent = parent
        self.instrument = instrument
        self.market = market
        self.side = order.side
        self.limit = parent.parameters.limit_price
        self.free = order.quantity - parent.filled - parent.working
        self.open = len(parent.children)
        self.touched: set[str] = set()
        self.reasons: list[str] = []

    def check(self, intents: Sequence[object], offering: bool) -> tuple[list[Intent], list[str]]:
        good: list[Intent] = []
        if len(intents) > MAX_INTENTS:
            self.reasons.append("too_many")
        for intent in intents[:MAX_INTENTS]:
            try:
                if isinstance(intent, Cancel):
                    good.append(self.cancel(intent))
                elif isinstance(intent, Submit):
                    if offering:
                        good.append(self.submit(intent))
                elif isinstance(intent, Replace):
                    if offering:
                        good.append(self.replace(intent))
                else:
                    self.reasons.append("not_an_intent")
            except _Drop as drop:
                self.reasons.append(str(drop))
        return good, self.reasons

    def cancel(self, intent: Cancel) -> Cancel:
        child = self._child(intent.child_id)
        if child.pending == "cancel" or child.requested == "cancel" or child.child_id in self.touched:
            raise _Drop("already_pending")
        self.touched.add(child.child_id)
        return Cancel(child.child_id, _word(intent.reason))

    def _child(self, child_id: object) -> Working:
        child = self.parent.children.get(child_id) if isinstance(child_id, str) else None
        if child is None:
            raise _Drop("unknown_child")
        return child

    def submit(self, intent: Submit) -> Submit:
        if not _is_int(intent.quantity) or not _is_int(intent.price):
            raise _Drop("not_an_int")
        if not _is(intent.ord_type, OrdType) or not _is(intent.time_in_force, TimeInForce):
            raise _Drop("not_an_order_type")
        if intent.quantity <= 0:
            raise _Drop("no_quantity")
        if self.open >= min(self.parent.parameters.max_open_children or MAX_OPEN, MAX_OPEN):
            raise _Drop("max_open_children")
        quantity = self._within(intent.quantity)
        if quantity <= 0:
            raise _Drop("nothing_left")
        ord_type, price = intent.ord_type, intent.price
        if ord_type is OrdType.MARKET:
            price = 0
            if self.limit is not None:
                self.reasons.append("market_past_limit")
                ord_type, price = OrdType.LIMIT, self._on_tick(self.limit)
        if ord_type is OrdType.LIMIT:
            price = self._price(price)
            if price <= 0:
                raise _Drop("no_price")
        if self.parent.parameters.passive_only and self._takes(ord_type, intent.time_in_force, price):
            raise _Drop("passive_only")
        shown = intent.display_quantity
        if not _is_int(shown) or not 0 <= shown <= quantity:
            shown = 0
        self.free -= quantity
        self.open += 1
        return msgspec.structs.replace(
            intent,
            quantity=quantity,
            price=price,
            ord_type=ord_type,
            display_quantity=shown,
            venue=_word(intent.venue),
            reason=_word(intent.reason),
        )

    def replace(self, intent: Replace) -> Replace:
        child = self._child(intent.child_id)
        if not child.free or child.child_id in self.touched:
            raise _Drop("already_pending")
        if not _is_int(intent.quantity) or not _is_int(intent.price):
            raise _Drop("not_an_int")
        quantity = min(intent.quantity, child.quantity + max(self.free, 0))
        if quantity != intent.quantity:
            self.reasons.append("past_parent")
        price = self._price(intent.price)
        if quantity <= child.filled or price <= 0:
            raise _Drop("no_quantity")
        if quantity == child.quantity and price == child.price:
            raise _Drop("no_change")
        if self.parent.parameters.passive_only and self._takes(OrdType.LIMIT, child.time_in_force, price):
            raise _Drop("passive_only")
        self.free -= max(quantity - child.quantity, 0)
        self.touched.add(child.child_id)
        return Replace(child.child_id, quantity, price, _word(intent.reason))

    def _within(self, quantity: int) -> int:
        if quantity > self.free:
            self.reasons.append("past_parent")
            quantity = self.free
        cap = self.parent.clip_cap
        return min(quantity, cap) if cap else quantity

    def _price(self, price: int) -> int:
        if price <= 0:
            return 0
        on_tick = self._on_tick(price)
        if on_tick != price:
            self.reasons.append("off_tick")
        if self.limit is not None and (on_tick - self.limit) * self.side.sign > 0:
            self.reasons.append("past_limit")
            on_tick = self._on_tick(self.limit)
        return on_tick

    def _on_tick(self, price: int) -> int:
        """The nearest price on the tick that is no more aggressive."""
        tick = self.instrument.tick
        rest = price % tick
        if not rest:
            return price
        return price - rest if self.side is Side.BUY else price + tick - rest

    def _takes(self, ord_type: OrdType, time_in_force: TimeInForce, price: int) -> bool:
        if ord_type is OrdType.MARKET or time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
            return True
        far = self.market.ask if self.side is Side.BUY else self.market.bid
        return far > 0 and (price - far) * self.side.sign >= 0


def _is(value: object, kind: type) -> bool:
    return isinstance(value, kind)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _word(value: object) -> str:
    return value[:64] if isinstance(value, str) else ""
