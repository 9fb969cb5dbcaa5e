"""What a runner leaves alone, and what it takes up: parents in a person's hand, and of another policy."""

import msgspec

from service.model.events import ChildSnapshot
from service.model.orders import CancelChild, OrdStatus, OrdType, ParentStatus, Side, SubmitChild, TimeInForce
from service.model.parameters import CatchUp
from service.model.records import ModelAnswer
from service.model.stream import hand_of
from tests.unit.runner.desk import Desk


def by_hand() -> ChildSnapshot:
    return ChildSnapshot(
        child_id="P1.7",
        parent_id="P1",
        cl_ord_id="O7",
        symbol="AURA",
        side=Side.BUY,
        ord_type=OrdType.LIMIT,
        time_in_force=TimeInForce.DAY,
        quantity=100,
        price=9_900,
        cum_quantity=0,
        leaves_quantity=100,
        status=OrdStatus.NEW,
    )


def test_a_parent_in_a_hand_is_left_alone_with_its_orders() -> None:
    desk = Desk()
    desk.book()
    desk.admit(status=ParentStatus.PAUSED)
    held = msgspec.structs.replace(
        desk.state(version=2, status=ParentStatus.PAUSED, children=(by_hand(),), next_child=8),
        hand=hand_of("alice"),
    )
    assert desk.change(held, "taken over").commands == []
    assert desk.change(msgspec.structs.replace(held, version=3), "amended").commands == []
    desk.wait(60)
    assert desk.book().commands == []
    out = desk.change(msgspec.structs.replace(held, version=4, hand=""), "paused")
    assert [type(c) for c in out.commands] == [CancelChild]


def test_a_parent_when_handed_back_goes_on_with_the_next_number() -> None:
    desk = Desk()
    desk.book()
    desk.admit()
    held = desk.state(version=2, status=ParentStatus.PAUSED, next_child=8)
    desk.change(msgspec.structs.replace(held, hand=hand_of("alice")), "taken over")
    desk.wait(600)
    desk.book()
    out = desk.change(desk.state(version=3, next_child=8, catch_up=CatchUp.AT_ONCE), "resumed")
    submits = [c for c in out.commands if isinstance(c, SubmitChild)]
    assert submits[0].child_id == "P1.8"


def test_a_switched_policy_decides_from_the_new_version_on_and_replays() -> None:
    desk = Desk()
    desk.book()
    desk.admit()
    desk.change(desk.state(version=2, policy="pov", next_child=2, target_participation=0.1))
    parent = desk.parent()
    assert parent.policy is not None
    assert (parent.policy.name, "policy=pov" in parent.kill_keys) == ("pov", True)
    assert "policy=twap" not in parent.kill_keys
    desk.wait(30)
    desk.trade(9_950, 4_000)
    desk.book()
    assert {c.policy for c in desk.commands if isinstance(c, SubmitChild) and c.parent_version == 2} == {
        "pov"
    }
    again = Desk(ready=False)
    for numbered, message in desk.inputs:
        again.core.apply(message, again.now._replace(market=numbered.market, utc=numbered.utc))
        assert again.core.digest == numbered.digest


def test_an_answer_that_a_former_policys_model_gives_moves_nothing() -> None:
    desk = Desk(models={"timing": "timing@1"})
    desk.book()
    desk.admit(policy="timing")
    parent = desk.parent()
    parent.asked = 1
    desk.change(desk.state(version=2, policy="twap", next_child=2))
    assert parent.asked == 0
    before = len(desk.commands)
    desk.feed(ModelAnswer(request=1, rows=((1.0,),)))
    assert len(desk.commands) == before
