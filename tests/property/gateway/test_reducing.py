"""Under a kill that lets out what reduces, whatever happens, no order makes a holding larger."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from service.gateway.order import Order
from service.model.orders import OrdStatus, Side
from service.risk import Level
from tests.unit.gateway.driver import PRICE, Driver, ms

PARENTS = {
    "B1": {"side": Side.BUY},
    "S1": {"side": Side.SELL},
    "B2": {"side": Side.BUY, "policy": "pov"},
    "S2": {"side": Side.SELL, "policy": "pov"},
    "S3": {"side": Side.SELL, "trader": "bob"},
}
SCOPES = ("all", "symbol=AURA", "policy=twap", "trader=bob", "parent=S1", "desk=EQUITIES")

_orders = st.tuples(st.just("order"), st.sampled_from(sorted(PARENTS)), st.integers(1, 120))
_fills = st.tuples(st.just("fill"), st.integers(0, 50), st.integers(1, 120))
_cancels = st.tuples(st.just("canceled"), st.integers(0, 50), st.just(0))
_ticks = st.tuples(st.just("tick"), st.integers(1, 500), st.just(0))
STEPS = st.lists(st.one_of(_orders, _orders, _fills, _cancels, _ticks), max_size=25)


class Desk:
    """Buyers and sellers of one instrument, of two policies and traders; ``held`` have traded 100 lots."""

    def __init__(self, held: list[str]) -> None:
        self.driver = Driver()
        self.numbers = dict.fromkeys(PARENTS, 0)
        for parent_id, terms in PARENTS.items():
            fields: dict[str, Any] = {"quantity": 100_000, **terms}
            self.driver.admit(parent_id=parent_id, **fields)
        for parent_id in held:
            self.order(parent_id, 100)
            self.driver.fill(100, f"{parent_id}.1")

    def take(self, step: tuple[str, Any, Any]) -> None:
        kind, which, lots = step
        live = list(self.driver.core.state.ledger.live.values())
        if kind == "order":
            self.order(which, lots)
        elif kind == "tick":
            self.driver.refresh()
            self.driver.tick(ms(which))
        elif live and kind == "fill":
            order = live[which % len(live)]
            self.driver.fill(min(lots, order.leaves), order.child_id)
        elif live:
            order = live[which % len(live)]
            self.driver.report(
                "4", OrdStatus.CANCELED, order.child_id, cum_quantity=order.cum_quantity, leaves_quantity=0
            )

    def order(self, parent_id: str, lots: int) -> None:
        self.numbers[parent_id] += 1
        child_id = f"{parent_id}.{self.numbers[parent_id]}"
        # Far apart, so that none of ours would trade with another.
        away = -200 if PARENTS[parent_id]["side"] is Side.BUY else 200
        outcome = self.driver.submit(child_id, quantity=lots, price=PRICE + away)
        if outcome == "approved" and self.covered(self.driver.order(child_id)):
            self.reduces(self.driver.order(child_id))

    def covered(self, order: Order) -> bool:
        state = self.driver.core.state
        return bool(state.kills.reducing(state.order_scopes(order)))

    def reduces(self, order: Order) -> None:
        """With everything of its side that works, every holding that it changes stays on its side of zero."""
        state, sign = self.driver.core.state, order.side.sign
        exposure = state.ledger.exposures["AURA"]
        working = exposure.working_buy if order.side is Side.BUY else exposure.working_sell
        assert working <= -sign * exposure.position
        for book in state.ledger.books.of(order.levels):
            held = book.holdings["AURA"]
            working = held.buying if order.side is Side.BUY else held.selling
            assert working <= -sign * held.lots, book.name

    def nothing_adds(self) -> None:
        """Of what a kill covers and nobody cancels, no sum could turn a holding of the firm around."""
        state = self.driver.core.state
        kept = [o for o in state.ledger.live.values() if self.covered(o) and not o.insist]
        firm = state.ledger.books.all[Level.FIRM, "SLIPSTREAM"].holdings.get("AURA")
        for side in Side:
            lots = sum(order.counted for order in kept if order.side is side)
            assert not lots or lots <= -side.sign * (firm.lots if firm is not None else 0)


@settings(max_examples=150, deadline=None)
@given(
    held=st.lists(st.sampled_from(sorted(PARENTS)), max_size=2, unique=True),
    before=STEPS,
    scope=st.sampled_from(SCOPES),
    after=STEPS,
)
def test_what_is_let_out_only_reduces(
    held: list[str], before: list[tuple[str, Any, Any]], scope: str, after: list[tuple[str, Any, Any]]
) -> None:
    desk = Desk(held)
    for step in before:
        desk.take(step)
    desk.driver.kill(f"reduce-only {scope}")
    desk.nothing_adds()
    for step in after:
        desk.take(step)
    desk.driver.refresh()
    desk.driver.tick(ms(300))
    desk.nothing_adds()
