"""Models in place of a placement: asked in batches, acted on, and fallen back from."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from service.model.events import KillEngaged
from service.model.orders import SubmitChild
from service.model.parameters import ModelMode
from service.model.records import ModelAnswer
from service.model.time import SECOND
from service.policy.contract import Intent, Policy, Submit, View
from service.policy.registry import load_policies
from tests.unit.runner.desk import Desk

LABEL = {"timer": "timer@12345678"}


@dataclass(frozen=True)
class Thinker:
    """Offers one lot at the touch when its score is positive; says 13 to be broken."""

    row: tuple[float, ...] | None = (1.0, 2.0)
    name: str = "timer"

    def observe(self, view: View) -> tuple[float, ...] | None:
        if self.row is not None and self.row[0] == 13.0:
            raise ZeroDivisionError("observe")
        return self.row if view.parent.due else None

    def act(self, view: View, outputs: Sequence[float]) -> list[Intent]:
        if outputs[0] == 13.0:
            raise ZeroDivisionError("act")
        return [Submit(1, view.market.bid, reason="model")] if outputs[0] > 0 else []


def desk_with(thinker: Any = None, labels: dict[str, str] | None = None) -> Desk:
    base = load_policies()["twap"]
    policy = replace(
        base, name="thinking", model=thinker or Thinker(), takes=base.takes | {"model", "model_mode"}
    )
    policies: dict[str, Policy] = {"thinking": policy}
    desk = Desk(policies, LABEL if labels is None else labels)
    desk.book()
    return desk


def answer(desk: Desk, *rows: tuple[float, ...], missed: str = "", request: int = 1) -> Any:
    return desk.feed(ModelAnswer(request=request, rows=rows, missed=missed, elapsed=1_000))


def test_a_due_parent_asks_and_waits_and_acts_on_the_answer() -> None:
    desk = desk_with()
    out = desk.admit(policy="thinking")
    assert out.commands == []
    assert [(r.number, r.model, r.rows) for r in out.requests] == [(1, "timer", ((1.0, 2.0),))]
    (row,) = out.signals
    assert (row.model, row.values, row.md_seq, row.parent_id) == (LABEL["timer"], (1.0, 2.0), 1, "P1")
    assert desk.timer(1).requests == []
    (command,) = answer(desk, (0.5, 0.1)).commands
    assert isinstance(command, SubmitChild)
    assert (command.quantity, command.model, command.reason) == (1, LABEL["timer"], "model")
    assert desk.decisions[-1].score == 0.5


def test_two_policies_on_one_model_each_act_in_their_own_way() -> None:
    class Wary(Thinker):
        def act(self, view: View, outputs: Sequence[float]) -> list[Intent]:
            return [Submit(2, view.market.bid, reason="wary")]

    bold = load_policies()["twap"]
    policies = {
        name: replace(bold, name=name, model=thinker, takes=bold.takes | {"model", "model_mode"})
        for name, thinker in (("bold", Thinker()), ("wary", Wary()))
    }
    desk = Desk(policies, LABEL)
    desk.book()
    sent = {}
    for number, name in enumerate(policies, 1):
        desk.admit(f"P{number}", policy=name)
        (sent[name],) = answer(desk, (0.5, 0.1), request=number).commands
    assert (sent["bold"].quantity, sent["bold"].reason) == (1, "model")
    assert (sent["wary"].quantity, sent["wary"].reason) == (2, "wary")


def test_a_model_that_says_to_wait_is_put_on_the_record() -> None:
    desk = desk_with()
    desk.admit(policy="thinking")
    assert answer(desk, (-0.5,)).commands == []
    assert (desk.decisions[-1].action, desk.decisions[-1].score) == ("hold", -0.5)


@pytest.mark.parametrize("reason", ["budget", "error", "unavailable", "out_of_range"])
def test_the_placement_serves_at_once_when_there_is_no_answer(reason: str) -> None:
    desk = desk_with()
    desk.admit(policy="thinking")
    out = answer(desk, missed=reason)
    assert [(d.action, d.reason) for d in out.decisions] == [("fallback", reason), ("submit", "join")]
    assert out.missed == [reason]
    assert out.commands[0].model == ""


@pytest.mark.parametrize("value", [math.nan, math.inf, 13.0])
def test_the_placement_serves_when_the_answer_is_of_no_use(value: float) -> None:
    desk = desk_with()
    desk.admit(policy="thinking")
    out = answer(desk, (value,))
    assert [d.action for d in out.decisions] == ["fallback", "submit"]


def test_the_placement_serves_when_rows_are_missing() -> None:
    desk = desk_with()
    desk.admit(policy="thinking")
    assert [d.reason for d in answer(desk).decisions] == ["error", "join"]


def test_an_answer_that_never_comes_counts_as_missed() -> None:
    desk = desk_with()
    desk.admit(policy="thinking")
    desk.timer(1)
    out = desk.timer(1.5)
    assert [d.action for d in out.decisions][:2] == ["fallback", "submit"]
    assert answer(desk, (0.5,)).commands == []


def test_a_model_that_is_not_served_is_on_the_record_once_and_the_placement_serves() -> None:
    desk = desk_with(labels={})
    out = desk.admit(policy="thinking")
    assert [(d.action, d.reason) for d in out.decisions] == [("fallback", "unavailable"), ("submit", "join")]
    desk.timer(1)
    desk.timer(1)
    assert [d.action for d in desk.decisions].count("fallback") == 1


@pytest.mark.parametrize("row", [(13.0,), (math.nan,), (math.inf,)])
def test_a_row_that_cannot_be_made_is_not_asked(row: tuple[float, ...]) -> None:
    desk = desk_with(Thinker(row))
    out = desk.admit(policy="thinking")
    assert out.requests == []
    assert [d.action for d in out.decisions] == ["fallback", "submit"]


def test_nothing_to_ask_leaves_the_placement_to_serve() -> None:
    desk = desk_with(Thinker(None))
    assert [d.action for d in desk.admit(policy="thinking").decisions] == ["submit"]


def test_a_shadow_only_records() -> None:
    desk = desk_with()
    out = desk.admit(policy="thinking", model_mode=ModelMode.SHADOW)
    assert (len(out.requests), len(out.signals), len(out.commands)) == (1, 1, 1)
    out = answer(desk, (0.7, 0.3))
    assert out.commands == []
    assert out.decisions == []
    (signal,) = out.signals
    assert (signal.values, signal.model) == ((0.7, 0.3), LABEL["timer"])


def test_parents_of_one_instrument_that_are_due_together_are_one_request() -> None:
    desk = desk_with()
    desk.admit("P1", policy="thinking")
    answer(desk, (-1.0,))
    desk.admit("P2", policy="thinking")
    answer(desk, (-1.0,), request=2)
    desk.wait(1)
    (request,) = desk.book().requests
    assert len(request.rows) == 2
    out = answer(desk, (1.0,), (-1.0,), request=request.number)
    assert [(d.parent_id, d.action) for d in out.decisions] == [("P1", "submit"), ("P2", "hold")]


def test_the_placement_brings_the_parent_home_when_the_window_ends() -> None:
    desk = desk_with()
    desk.now = desk.now._replace(market=desk.now.market + 1_190 * SECOND)
    desk.book()
    out = desk.admit(policy="thinking", filled=2_000, end_behaviour=None)
    assert out.requests == []
    assert [c.reason for c in out.commands] == ["closing"]


def test_a_killed_model_is_not_asked_and_the_placement_serves() -> None:
    desk = desk_with()
    scope = f"model={LABEL['timer']}"
    desk.feed(KillEngaged(scope=scope, by="bob", reason="odd", ts_utc=0))
    out = desk.admit(policy="thinking")
    assert out.requests == []
    assert [(d.action, d.reason) for d in out.decisions] == [("fallback", "killed"), ("submit", "join")]
