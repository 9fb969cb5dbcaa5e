"""What a runner makes of an order that a soft limit holds, and of its release by two people (C20, C44)."""

import pytest

from service.model.orders import SubmitChild
from tests.unit.runner.desk import Desk

PRICE = 9_900


def held(code: str = "SOFT_ORDER_QUANTITY", detail: str = "used=1000 limit=300") -> tuple[Desk, SubmitChild]:
    """A desk whose first child waits at the gateway."""
    desk = Desk()
    desk.book()
    (child,) = desk.admit(quantity=24_000).commands
    assert isinstance(child, SubmitChild)
    desk.deny(child, code, f"{detail} blocks={code} held=yes until=1")
    return desk, child


@pytest.mark.parametrize(
    ("code", "detail", "clip"),
    [
        ("SOFT_ORDER_QUANTITY", "used=1000 limit=300", 300),
        ("SOFT_ORDER_VALUE", f"used={1_000 * PRICE} limit={250 * PRICE + 5}", 250),
        ("STAGE_ORDER_VALUE", f"of=policy=x stage=trial value={1_000 * PRICE} limit={250 * PRICE}", 250),
    ],
)
def test_it_keeps_below_a_soft_limit_of_size_and_goes_on(code: str, detail: str, clip: int) -> None:
    desk, first = held(code, detail)
    assert (desk.parent().clip_cap, desk.parent().working) == (clip, 0)
    desk.timer(1)
    second = desk.commands[-1]
    assert isinstance(second, SubmitChild)
    assert second.quantity == clip
    assert second.child_id != first.child_id


@pytest.mark.parametrize("code", ["SOFT_COLLAR", "SOFT_VOLUME"])
def test_it_holds_back_where_a_smaller_order_would_not_help(code: str) -> None:
    desk, _ = held(code)
    assert desk.parent().clip_cap == 0
    assert desk.parent().hold_utc > desk.now.utc


def test_a_released_order_is_its_child_again_and_counts() -> None:
    desk, first = held()
    desk.timer(1)
    second = desk.commands[-1]
    assert isinstance(second, SubmitChild)
    desk.accept(second)
    desk.submitted(first)
    parent = desk.parent()
    assert parent.working == first.quantity + second.quantity
    desk.accept(first)
    desk.fill(first.child_id, first.quantity, cum=first.quantity, leaves=0)
    assert (parent.filled, parent.working) == (first.quantity, second.quantity)
    assert first.child_id not in parent.children


def test_the_number_of_a_released_order_is_not_given_again() -> None:
    desk, first = held()
    desk.submitted(first)
    desk.timer(1)
    ids = [c.child_id for c in desk.commands if isinstance(c, SubmitChild)]
    assert len(set(ids)) == len(ids)
