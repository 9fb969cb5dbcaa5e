"""For any intents, reports, kills, clock jumps and restarts: no limit is exceeded and no cancel refused."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from service.fix.messages import NewOrderSingle, OrderCancelReplaceRequest
from service.model.orders import OrdStatus, OrdType, ParentStatus, Side
from service.model.time import MILLISECOND, SECOND
from service.risk import LEVELS, Level
from tests.unit.gateway.driver import PRICE, Driver, digest

LIMITS = """
currency = "USD"
restricted = []
[market_data]
max_heartbeat_age_ms = 1500
max_reference_age_ms = 3000
[session]
messages_per_second = 8
[duplicates]
window_ms = 400
max_alike = 3
[[strategies]]
name = "*"
messages_per_second = 6
order_types = ["limit", "market"]
times_in_force = ["day"]
venues = ["*"]
instruments = ["*"]
accounts = ["*"]
passive_only = false
max_order_value = 25_000
max_orders_per_minute = 25
max_parent_value = 100_000
max_exposure = 100_000
max_daily_loss = 5_000
[[traders]]
name = "*"
messages_per_second = 8
max_exposure = 100_000
max_daily_loss = 5_000
[[desks]]
name = "*"
messages_per_second = 8
max_exposure = 80_000
max_daily_loss = 5_000
[[clients]]
name = "*"
messages_per_second = 8
max_exposure = 100_000
max_daily_loss = 5_000
max_credit = 500_000
[[firms]]
name = "*"
messages_per_second = 8
max_exposure = 100_000
max_daily_loss = 5_000
[[instruments]]
symbol = "AURA"
max_order_quantity = 300
max_parent_quantity = 1000
max_order_value = 25_000
collar_bps = 100
max_spread_bps = 50
max_long = 500
max_short = 400
max_gross = 900
messages_per_second = 5
max_drift_bps = 500
calm_spread_bps = 25
calm_volatility_bps = 40
max_volume_bps = 300
max_participation_bps = 1000
first_lots = 100_000
locate = "not_required"
[[introductions]]
policy = "twap"
stage = "full"
"""


def changed(**changes: int) -> str:
    """The limits with these numbers in place of theirs."""
    text = LIMITS
    for name, value in changes.items():
        assert f"\n{name} = " in text
        text = re.sub(rf"\n{name} = [0-9_]+", f"\n{name} = {value}", text)
    return text


TIGHTER = changed(max_order_quantity=120, max_long=200, max_short=150, max_gross=300, max_exposure=20_000)
WIDER = changed(max_order_quantity=310, max_long=600, max_short=450, max_gross=1000, max_spread_bps=80)
NOTHING = changed(max_order_quantity=0, max_long=0, messages_per_second=0, max_exposure=0, max_credit=0)
LARGEST = {LIMITS: 300, TIGHTER: 120, WIDER: 310, NOTHING: 0}
LONG, SHORT, GROSS, COLLAR = 600, 450, 1000, 100
"""The widest of all that two people may put in force: what was sent under it may work under a tighter one."""
PARENTS = {"P1": (Side.BUY, 700), "P2": (Side.SELL, 600), "P3": (Side.BUY, 250)}
QUANTITIES = st.integers(-5, 320)
PRICES = st.integers(-12, 125).map(lambda ticks: PRICE + 100 * ticks)


class Gateway(RuleBasedStateMachine):
    """A hostile runner, a capricious but honest broker, and somebody with a finger on the kill."""

    @initialize()
    def begin(self) -> None:
        self.desk = Driver(limits=LIMITS)
        self.numbers = dict.fromkeys(PARENTS, 0)
        self.judged = 0
        self.limits = LIMITS
        for parent_id, (side, quantity) in PARENTS.items():
            self.desk.admit(parent_id=parent_id, side=side, quantity=quantity)

    @property
    def live(self) -> list[str]:
        return list(self.desk.core.state.ledger.live)

    @rule(
        parent_id=st.sampled_from(list(PARENTS)),
        quantity=QUANTITIES,
        price=PRICES,
        market=st.booleans(),
        side=st.sampled_from([None, None, None, Side.BUY, Side.SELL]),
        skip=st.integers(-1, 2),
    )
    def submit(
        self, parent_id: str, quantity: int, price: int, market: bool, side: Side | None, skip: int
    ) -> None:
        self.numbers[parent_id] = max(0, self.numbers[parent_id] + 1 + skip)
        changes: dict[str, Any] = {"ord_type": OrdType.MARKET, "price": 0} if market else {"price": price}
        if side is not None:
            changes["side"] = side
        self.desk.submit(f"{parent_id}.{self.numbers[parent_id]}", quantity=quantity, **changes)

    @precondition(lambda self: self.live)
    @rule(data=st.data(), quantity=QUANTITIES, price=PRICES)
    def replace(self, data: st.DataObject, quantity: int, price: int) -> None:
        self.desk.replace(data.draw(st.sampled_from(self.live)), quantity=quantity, price=price)

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """Never refused: it goes out, or one is out already, or there is no session to send it on."""
        child_id = data.draw(st.sampled_from(self.live))
        order, before = self.desk.order(child_id), len(self.desk.cancels_sent)
        was = order.canceling
        self.desk.cancel(child_id)
        assert was or len(self.desk.cancels_sent) == before + 1

    # The broker

    @precondition(lambda self: self.live)
    @rule(data=st.data(), amount=st.integers(1, 200), twice=st.booleans())
    def fill(self, data: st.DataObject, amount: int, twice: bool) -> None:
        """No more than the version of the order that the broker has."""
        child_id = data.draw(st.sampled_from(self.live))
        order = self.desk.order(child_id)
        amount = min(amount, order.quantity - order.cum_quantity)
        if amount <= 0:
            return
        self.desk.fill(amount, child_id)
        if twice:
            exec_id = f"E{self.desk.exec_ids}"
            self.desk.report(
                "F",
                OrdStatus.PARTIALLY_FILLED,
                child_id,
                exec_id=exec_id,
                last_quantity=amount,
                last_price=PRICE,
                poss_dup=True,
            )

    @precondition(lambda self: self.live)
    @rule(data=st.data(), yes=st.booleans())
    def answer(self, data: st.DataObject, yes: bool) -> None:
        """Answer what is pending, with yes or no; acknowledge what is not."""
        child_id = data.draw(st.sampled_from(self.live))
        order = self.desk.order(child_id)
        if order.replacing:
            if yes:
                self.desk.replaced(child_id)
            else:
                self.desk.refuse_cancel(child_id, cl_ord_id=order.replace_id)
        elif order.canceling:
            if yes:
                self.desk.canceled(child_id)
            else:
                self.desk.refuse_cancel(child_id)
        elif order.unknown:
            status = OrdStatus.NEW if yes else OrdStatus.CANCELED
            self.desk.report("I", status, child_id, cum_quantity=order.cum_quantity)
        elif yes:
            self.desk.acknowledge(child_id)
        else:
            self.desk.canceled(child_id)

    # The world

    @rule(milliseconds=st.sampled_from([0, 1, 100, 400, 1000, 1600, -700]))
    def time_passes(self, milliseconds: int) -> None:
        self.desk.tick(after=milliseconds * MILLISECOND)

    @rule(bad=st.sampled_from([{}, {}, {}, {"crossed": True}, {"jumped": True}, {"ask": 2 * PRICE}]))
    def market(self, bad: dict[str, Any]) -> None:
        self.desk.refresh(**bad)

    @rule(text=st.sampled_from([LIMITS, LIMITS, TIGHTER, WIDER, WIDER, NOTHING]))
    def two_people_change_the_limits(self, text: str) -> None:
        version = hashlib.sha256(text.encode()).hexdigest()[:12]
        proposal = self.desk.propose("limits", version, text=text)
        self.desk.approve(proposal, action="limits", target=version)
        assert self.desk.core.state.gate.limits.version == version
        self.limits = text

    @rule(scope=st.sampled_from(["all", "parent=P1", "symbol=AURA", "what?"]))
    def kill(self, scope: str) -> None:
        self.desk.kill(scope)

    @rule()
    def release_and_resume(self) -> None:
        from service.model.orders import ResumeParent

        for scope in list(self.desk.core.state.kills.engaged):
            self.desk.release(scope)
        for parent_id, parent in self.desk.core.state.open.items():
            if parent.status is ParentStatus.PAUSED:
                self.desk.command(
                    ResumeParent(
                        command_id="r", parent_id=parent_id, symbol="AURA", by="alice", ts_utc=self.desk.utc
                    )
                )

    @rule()
    def reconnect(self) -> None:
        self.desk.log_off()
        self.desk.log_on()

    @rule()
    def restart(self) -> None:
        """A kill -9: a new core from the journal's own bytes, equal to the old one."""
        again = self.desk.replayed()
        assert digest(again) == digest(self.desk.core)
        self.desk.core = self.desk.replayed()
        self.desk.start()
        self.desk.log_on()

    # What must hold whatever happened

    @invariant()
    def no_position_limit_is_exceeded(self) -> None:
        exposure = self.desk.core.state.ledger.exposure("AURA")
        assert exposure.position + exposure.working_buy <= LONG
        assert exposure.working_sell - exposure.position <= SHORT
        assert abs(exposure.position) + exposure.working_buy + exposure.working_sell <= GROSS

    @invariant()
    def no_parent_can_over_execute(self) -> None:
        for parent_id, (_, quantity) in PARENTS.items():
            progress = self.desk.core.state.ledger.progress(parent_id)
            assert progress.filled + progress.working <= quantity

    @invariant()
    def no_order_that_went_out_breaks_a_limit_of_its_own(self) -> None:
        for request in self.desk.requests[self.judged :]:
            if not isinstance(request, NewOrderSingle | OrderCancelReplaceRequest):
                continue
            approved = request.approved
            approved.verify()
            assert 0 < approved.quantity <= LARGEST[self.limits]
            if approved.ord_type is OrdType.LIMIT:
                assert approved.price * approved.quantity <= 25_000 * 10_000
                assert abs(approved.price - PRICE) * 10_000 <= COLLAR * PRICE
        self.judged = len(self.desk.requests)

    @invariant()
    def nothing_new_went_out_faster_than_allowed(self) -> None:
        stamps = [
            r.transact_time
            for r in self.desk.requests
            if isinstance(r, NewOrderSingle | OrderCancelReplaceRequest)
        ]
        newest = self.desk.utc
        assert sum(1 for t in stamps if newest - SECOND < t <= newest) <= 5 or any(t > newest for t in stamps)

    @invariant()
    def books_are_the_sum_of_their_orders_and_within_their_limits(self) -> None:
        """Every level, valued at the reference price: 10^14 units of value in a price unit x lot."""
        mark, state = PRICE * 10**14, self.desk.core.state
        most = {Level.DESK: 80_000}
        for (level, name), book in state.ledger.books.all.items():
            at = LEVELS.index(level)
            mine = [order for order in state.ledger.orders.values() if order.levels[at] == name]
            lots = sum(order.side.sign * order.cum_quantity for order in mine)
            buying = sum(order.at_risk for order in mine if order.side is Side.BUY)
            selling = sum(order.at_risk for order in mine if order.side is Side.SELL)
            assert book.exposure == max(lots + buying, selling - lots) * mark
            assert book.working == (buying + selling) * mark
            assert book.marked == lots * mark
            assert book.cash == -sum(order.side.sign * order.money for order in mine) * 10**14
            assert book.traded == sum(order.money for order in mine) * 10**14
            assert book.exposure <= most.get(level, 100_000) * 10**18

    @invariant()
    def no_order_of_ours_can_trade_with_another(self) -> None:
        resting = self.desk.core.state.ledger.resting
        bid, ask = (resting.best("AURA", side) for side in (Side.BUY, Side.SELL))
        assert not bid or not ask or bid < ask
        live = [o for o in self.desk.core.state.ledger.live.values() if o.ord_type is OrdType.LIMIT]
        buys = [max(o.price, o.replace_price) for o in live if o.side is Side.BUY]
        sells = [min(o.price, o.replace_price or o.price) for o in live if o.side is Side.SELL]
        assert (max(buys, default=0), min(sells, default=0)) == (bid, ask)

    @invariant()
    def what_is_killed_is_being_cancelled(self) -> None:
        state = self.desk.core.state
        for order in state.ledger.live.values():
            if state.kill_covering(order):
                assert order.insist
                assert order.child_id in state.chasing


def test_under_these_limits_an_order_does_go_out() -> None:
    """Else all of the above would hold for nothing."""
    for text, largest in LARGEST.items():
        desk = Driver(limits=LIMITS)
        for parent_id, (side, quantity) in PARENTS.items():
            desk.admit(parent_id=parent_id, side=side, quantity=quantity)
        desk.core.state.change_limits(text)
        assert desk.submit("P1.1", quantity=largest + 1) != "approved"
        assert (desk.submit("P1.2", quantity=100) == "approved") is (largest > 0)


Gateway.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestGateway = Gateway.TestCase
