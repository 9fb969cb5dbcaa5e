"""A policy that raises or returns nonsense stops its own parent and no other."""

from dataclasses import dataclass, replace
from typing import Any

import pytest

from service.policy.contract import Intent, Policy, Submit, View
from service.policy.registry import load_policies
from tests.unit.runner.desk import Desk


@dataclass(frozen=True)
class BadSchedule:
    answer: Any

    def target(self, view: View) -> int:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[no-any-return]


@dataclass(frozen=True)
class BadPlacement:
    answer: Any

    def place(self, view: View) -> list[Intent]:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[no-any-return]


def desk_with(**parts: Any) -> Desk:
    policies: dict[str, Policy] = load_policies()
    policies["bad"] = replace(policies["twap"], name="bad", **parts)
    desk = Desk(policies)
    desk.book()
    return desk


@pytest.mark.parametrize(
    "parts",
    [
        {"schedule": BadSchedule(ZeroDivisionError("x"))},
        {"schedule": BadSchedule(None)},
        {"schedule": BadSchedule(1.5)},
        {"schedule": BadSchedule(True)},
        {"placement": BadPlacement(RecursionError("x"))},
    ],
)
def test_a_broken_policy_stops_its_parent_with_one_alarm_and_the_others_go_on(parts: Any) -> None:
    desk = desk_with(**parts)
    desk.admit("P1", policy="bad")
    desk.admit("P2")
    for _ in range(5):
        desk.timer(1)
    assert [(d.parent_id, d.action) for d in desk.decisions] == [("P1", "alarm"), ("P2", "submit")]
    assert "bad:" in desk.decisions[0].reason


def test_the_children_of_a_broken_parent_are_taken_back() -> None:
    desk = desk_with(schedule=BadSchedule(100))
    child = desk.admit("P1", policy="bad").commands[0]
    desk.accept(child)
    object.__setattr__(desk.core.parents["P1"].policy.schedule, "answer", KeyError("gone"))
    out = desk.timer(1)
    assert [(d.action, d.child_id) for d in out.decisions] == [("alarm", ""), ("cancel", child.child_id)]


@pytest.mark.parametrize("target", [-5, 10**9])
def test_a_target_outside_the_parent_is_brought_inside(target: int) -> None:
    desk = desk_with(schedule=BadSchedule(target))
    desk.admit("P1", policy="bad")
    assert desk.parent().due == min(max(target, 0), 2_400)


def test_garbage_intents_are_counted_and_the_parent_goes_on() -> None:
    desk = desk_with(placement=BadPlacement([None, Submit(-1, 9_900), Submit(5, 9_950)]))
    out = desk.admit("P1", policy="bad")
    assert out.dropped == ["not_an_intent", "no_quantity", "off_tick"]
    assert [(c.quantity, c.price) for c in out.commands] == [(5, 9_900)]
    assert desk.parent().broken == ""
