"""Any interleaving of a broker's reports, doubled and shuffled, leads to the broker's own book."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.fix.messages import ExecutionReport
from service.gateway import ledger as ledger_module
from service.gateway.ledger import Ledger
from service.gateway.order import Order
from service.model.orders import OrdStatus, OrdType, Side, TimeInForce

QUANTITY = 100
PRICE = 1_000_000


def new_order() -> Order:
    return Order(
        child_id="P1.1",
        parent_id="P1",
        cl_ord_id="C1",
        symbol="AURA",
        side=Side.BUY,
        ord_type=OrdType.LIMIT,
        time_in_force=TimeInForce.DAY,
        quantity=QUANTITY,
        price=PRICE,
        account="NW-1",
        policy="twap",
    )


class Broker:
    """A broker's book of one order, and the reports that it writes; none of the ledger's code."""

    def __init__(self) -> None:
        self.trades: dict[str, tuple[int, int]] = {}
        self.open = True
        self.accepted = False
        self.reports: list[ExecutionReport] = []

    @property
    def cum(self) -> int:
        return sum(quantity for quantity, _ in self.trades.values())

    @property
    def money(self) -> int:
        return sum(quantity * price for quantity, price in self.trades.values())

    def say(self, exec_type: str, **changes: Any) -> None:
        if self.cum >= QUANTITY and self.open:
            self.open = False
            status = OrdStatus.FILLED
        elif not self.open:
            status = OrdStatus.FILLED if self.cum >= QUANTITY else OrdStatus.CANCELED
        else:
            status = OrdStatus.PARTIALLY_FILLED if self.cum else OrdStatus.NEW
        self.reports.append(
            ExecutionReport(
                cl_ord_id="C1",
                order_id="B1",
                exec_id=f"E{len(self.reports)}",
                exec_type=exec_type,
                ord_status=status,
                symbol="AURA",
                cum_quantity=self.cum,
                **changes,
            )
        )

    def act(self, action: str, amount: int, price: int) -> None:
        if action == "accept" and not self.accepted and self.open:
            self.accepted = True
            self.say("0")
        elif action == "trade" and self.open:
            quantity = min(amount, QUANTITY - self.cum)
            self.trades[f"E{len(self.reports)}"] = (quantity, price)
            self.say("F", last_quantity=quantity, last_price=price)
        elif action == "cancel" and self.open:
            self.open = False
            self.say("4")
        elif action == "bust" and self.trades:
            exec_id = sorted(self.trades)[amount % len(self.trades)]
            self.trades[exec_id] = (0, 0)
            self.say("H", exec_ref_id=exec_id)
        elif action == "correct" and self.trades:
            exec_id = sorted(self.trades)[amount % len(self.trades)]
            quantity, _ = self.trades[exec_id]
            self.trades[exec_id] = (quantity, price)
            self.say("G", exec_ref_id=exec_id, last_quantity=quantity, last_price=price)


acts = st.lists(
    st.tuples(
        st.sampled_from(["accept", "trade", "trade", "trade", "cancel"]),
        st.integers(1, 60),
        st.integers(PRICE - 50, PRICE + 50),
    ),
    max_size=12,
)
acts_with_busts = st.lists(
    st.tuples(
        st.sampled_from(["accept", "trade", "trade", "trade", "cancel", "bust", "correct"]),
        st.integers(1, 60),
        st.integers(PRICE - 50, PRICE + 50),
    ),
    max_size=12,
)


def book_of(actions: list[tuple[str, int, int]]) -> Broker:
    broker = Broker()
    for action in actions:
        broker.act(*action)
    return broker


def consistent(ledger: Ledger, order: Order) -> None:
    """What must hold after every single report."""
    executed = sum(e.quantity for e in order.executions.values())
    assert order.cum_quantity == executed
    assert order.money == sum(e.quantity * e.price for e in order.executions.values())
    exposure, progress = ledger.exposure("AURA"), ledger.progress("P1")
    assert exposure.position == progress.filled == executed
    assert exposure.working_buy == progress.working == order.counted == order.at_risk
    assert exposure.working_sell == 0
    assert exposure.unknown == int(order.unknown)
    assert ("P1.1" in ledger.live) == order.live == ("P1.1" in progress.live)
    assert order.at_risk >= 0


@given(acts_with_busts, st.data())
def test_quantities_never_disagree_with_the_executions_applied(
    actions: list[tuple[str, int, int]], data: st.DataObject
) -> None:
    reports = book_of(actions).reports
    told = data.draw(st.lists(st.sampled_from(reports), max_size=30)) if reports else []
    ledger, order = Ledger(), new_order()
    ledger.add(order)
    for report in told:
        ledger.apply(order, report)
        consistent(ledger, order)


@given(acts, st.data())
def test_whatever_the_order_and_however_often_the_end_is_the_brokers_book(
    actions: list[tuple[str, int, int]], data: st.DataObject
) -> None:
    broker = book_of(actions)
    doubled = data.draw(st.lists(st.sampled_from(broker.reports), max_size=10)) if broker.reports else []
    told = data.draw(st.permutations(broker.reports + doubled))
    ledger, order = Ledger(), new_order()
    ledger.add(order)
    for report in told:
        assert ledger.apply(order, report).illegal == ""
        assert order.cum_quantity <= QUANTITY
    assert (order.cum_quantity, order.money) == (broker.cum, broker.money)
    assert order.live == broker.open
    assert order.at_risk == (QUANTITY - broker.cum if broker.open else 0)
    assert not order.unknown


@given(acts_with_busts)
def test_busts_and_corrections_lead_to_the_brokers_book(actions: list[tuple[str, int, int]]) -> None:
    broker = book_of(actions)
    ledger, order = Ledger(), new_order()
    ledger.add(order)
    for report in broker.reports:
        ledger.apply(order, report)
    assert (order.cum_quantity, order.money) == (broker.cum, broker.money)


@given(acts, st.integers(0, 12))
def test_what_the_broker_has_told_is_never_released_before_its_fills_are_here(
    actions: list[tuple[str, int, int]], lost: int
) -> None:
    """A lost fill stays counted as if it were working, and the order is unknown once it is over."""
    broker = book_of(actions)
    trades = [n for n, report in enumerate(broker.reports) if report.exec_type == "F"]
    if not trades:
        return
    missing = trades[lost % len(trades)]
    ledger, order = Ledger(), new_order()
    ledger.add(order)
    for n, report in enumerate(broker.reports):
        if n != missing:
            ledger.apply(order, report)
    rest = broker.reports[missing + 1 :]
    assert order.cum_quantity + order.at_risk >= broker.cum
    if rest and not broker.open and not order.live:
        assert order.unknown
    ledger.apply(order, broker.reports[missing])
    assert (order.cum_quantity, order.money) == (broker.cum, broker.money)
    assert not order.unknown


def test_memory_is_bounded_and_what_matters_is_never_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "KEPT", 10)
    ledger = Ledger()
    for number in range(1, 101):
        order = new_order()
        order.child_id, order.cl_ord_id = f"P1.{number}", f"C{number}"
        ledger.add(order)
        ledger.ask_cancel(order, f"X{number}")
        if number == 1:
            ledger.mark_unknown(order)
            continue
        report = ExecutionReport(
            cl_ord_id=order.cl_ord_id,
            order_id="B",
            exec_id=f"E{number}",
            exec_type="F",
            ord_status=OrdStatus.FILLED,
            symbol="AURA",
            last_quantity=QUANTITY,
            last_price=PRICE,
            cum_quantity=QUANTITY,
        )
        ledger.apply(order, report)
    assert len(ledger.orders) <= 13
    assert ledger.find("C1") is ledger.find("X1") is ledger.orders["P1.1"]
    assert ledger.find("C2") is ledger.find("X2") is None
    assert ledger.find("C100") is ledger.orders["P1.100"]
    assert ledger.progress("P1").filled == 99 * QUANTITY
