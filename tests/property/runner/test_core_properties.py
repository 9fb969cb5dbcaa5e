"""Whatever the world says, in whatever order: the core never fails, never offers too much, and replays."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from service.model.events import (
    ChildCancelRejected,
    ChildExpired,
    ChildRejected,
    ChildReplaced,
    ChildReplaceRequested,
    ChildUnknown,
)
from service.model.market import TradingPhase
from service.model.orders import CancelChild, OrdStatus, ParentStatus, ReplaceChild, Side, SubmitChild
from service.model.parameters import CatchUp, EndBehaviour
from service.model.records import GatewayLink, Partitions, Stale
from service.model.stream import StreamSynced
from service.runner.replaying import replay
from tests.unit.runner.desk import UTC, Desk, child_snapshot, make_core

ACTIONS = (
    "book", "book", "book", "book", "trade", "timer", "wait", "obey", "obey", "obey", "fill", "reject",
    "unknown", "cancel_rejected", "expire", "deny", "phase", "stale", "link", "partitions", "amend", "pause",
)  # fmt: skip

parameters = st.fixed_dictionaries(
    {},
    optional={
        "limit_price": st.integers(9_500, 10_400),
        "max_clip": st.integers(1, 500),
        "clip_variance": st.floats(0, 0.9),
        "passive_only": st.booleans(),
        "cross_when_behind": st.floats(0, 1),
        "max_open_children": st.integers(1, 6),
        "end_behaviour": st.sampled_from(EndBehaviour),
        "catch_up": st.sampled_from(CatchUp),
        "schedule_discretion": st.floats(0, 1),
    },
)


class World:
    """A desk, and a gateway and broker that answer in any order, or not at all."""

    def __init__(self, policy: str, side: Side, quantity: int, given: dict[str, Any]) -> None:
        self.desk = Desk()
        self.terms = {"policy": policy, "side": side, "quantity": quantity, "seconds": 600, **given}
        self.version = 1
        self.status = ParentStatus.WORKING
        self.filled = 0
        self.live: dict[str, tuple[int, int]] = {}
        self.unheard: list[Any] = []
        self.desk.book()
        self.hear(self.desk.admit(**self.terms))

    def hear(self, out: Any) -> None:
        parent = self.desk.core.parents["P1"]
        for command in out.commands:
            if isinstance(command, SubmitChild):
                limit = self.terms.get("limit_price")
                assert command.price > 0
                assert command.price % 100 == 0
                assert limit is None or (command.price - limit) * command.side.sign <= 0
        assert parent.filled + parent.working <= max(parent.snapshot.parent.quantity, parent.filled)
        self.unheard += out.commands

    def obey(self) -> None:
        if not self.unheard:
            return
        command = self.unheard.pop(0)
        desk = self.desk
        if isinstance(command, SubmitChild):
            self.live[command.child_id] = (command.quantity, 0)
            self.hear(desk.accept(command))
        elif command.child_id not in self.live:
            return
        elif isinstance(command, CancelChild):
            _, cum = self.live.pop(command.child_id)
            self.hear(desk.cancel_requested(command.child_id))
            self.hear(desk.canceled(command.child_id, cum))
        elif isinstance(command, ReplaceChild):
            _, cum = self.live[command.child_id]
            if command.quantity <= cum:
                return
            fields = {"quantity": command.quantity, "price": command.price}
            self.hear(desk.report(ChildReplaceRequested, command.child_id, orig_cl_ord_id="O", **fields))
            self.live[command.child_id] = (command.quantity, cum)
            left = command.quantity - cum
            self.hear(
                desk.report(ChildReplaced, command.child_id, cum_quantity=cum, leaves_quantity=left, **fields)
            )

    def act(self, action: str, chance: int) -> None:
        desk = self.desk
        one = next(iter(self.live), None)
        match action:
            case "book":
                bid = 9_500 + chance % 10 * 100
                self.hear(desk.book(bid, bid + 100 + chance % 3 * 100, bid_lots=chance % 400, ask_lots=200))
            case "trade":
                self.hear(desk.trade(9_950, 1 + chance % 2_000))
            case "timer":
                self.hear(desk.timer(chance % 5))
            case "wait":
                desk.wait(chance % 60)
            case "obey":
                self.obey()
            case "fill" if one:
                quantity, cum = self.live[one]
                lots = 1 + chance % (quantity - cum)
                self.filled += lots
                self.live[one] = (quantity, cum + lots)
                if quantity == cum + lots:
                    del self.live[one]
                self.hear(desk.fill(one, lots, cum=cum + lots, leaves=quantity - cum - lots))
            case "reject" if one and self.live[one][1] == 0:
                del self.live[one]
                self.hear(desk.report(ChildRejected, one, reason="no"))
            case "unknown" if one:
                self.hear(desk.report(ChildUnknown, one, reason="time-out"))
            case "cancel_rejected" if one:
                self.hear(desk.report(ChildCancelRejected, one, request="cancel", status=OrdStatus.NEW))
            case "expire" if one:
                _, cum = self.live.pop(one)
                self.hear(desk.report(ChildExpired, one, cum_quantity=cum))
            case "deny" if self.unheard and isinstance(self.unheard[0], SubmitChild):
                self.hear(desk.deny(self.unheard.pop(0), "MAX_ORDER_QUANTITY", f"limit={chance % 100}"))
            case "phase":
                self.hear(desk.phase(TradingPhase.CONTINUOUS if chance % 3 else TradingPhase.HALTED))
            case "stale":
                self.hear(desk.feed(Stale(stale=not chance % 3, age=0)))
            case "partitions":
                self.hear(desk.feed(Partitions(owned=(0, 1) if chance % 3 else ())))
            case "link":
                self.resync()
            case "amend" | "pause":
                self.change(action, chance)

    def resync(self) -> None:
        """The link breaks: what was not heard is lost, and the snapshot says what is."""
        self.unheard.clear()
        self.desk.feed(GatewayLink(up=False))
        self.desk.feed(GatewayLink(up=True))
        self.hear(self.desk.admit(restored=True, **self.state()))
        self.hear(self.desk.feed(StreamSynced(parents=1, ts_utc=UTC)))

    def change(self, action: str, chance: int) -> None:
        self.version += 1
        if action == "pause":
            paused = self.status is ParentStatus.PAUSED
            self.status = ParentStatus.WORKING if paused else ParentStatus.PAUSED
        elif chance % 2:
            self.terms["max_clip"] = 1 + chance % 300
        self.hear(self.desk.change(self.desk.state(**self.state()), action))

    def state(self) -> dict[str, Any]:
        children = tuple(
            child_snapshot(i, quantity=q, cum_quantity=c, leaves_quantity=q - c, side=self.terms["side"])
            for i, (q, c) in self.live.items()
        )
        return {
            **self.terms,
            "version": self.version,
            "status": self.status,
            "filled": self.filled,
            "children": children,
        }


@given(
    policy=st.sampled_from(("twap", "vwap", "pov", "is")),
    side=st.sampled_from(Side),
    quantity=st.integers(1, 5_000),
    given=parameters,
    steps=st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 10_000)), max_size=120),
)
def test_the_core_survives_any_order_of_events_never_offers_too_much_and_replays(
    policy: str, side: Side, quantity: int, given: dict[str, Any], steps: list[tuple[str, int]]
) -> None:
    world = World(policy, side, quantity, given)
    for action, chance in steps:
        world.act(action, chance)
    desk = world.desk
    assert not [d for d in desk.decisions if d.action == "alarm"]
    numbers = [c.child_id for c in desk.commands if isinstance(c, SubmitChild)]
    assert len(numbers) == len(set(numbers))
    assert desk.core.parents["P1"].filled == world.filled
    inputs = [(number, None if number.body else message) for number, message in desk.inputs]
    assert [r.digest for r in replay(make_core(), inputs)] == desk.digests
