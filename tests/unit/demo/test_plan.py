"""Plans: from a file, and our own."""

from pathlib import Path

import pytest

from service.demo.plan import Plan, PlanError, default_plan, load_plan, session_seconds
from service.model.orders import AmendParent, Objective, ResumeParent, Side
from service.model.parameters import CatchUp
from service.model.reference import Reference, load_reference
from service.model.time import SECOND, SessionClock
from service.settings import ROOT

TOML = """
[[parents]]
id = "one"
symbol = "AURA"
side = "sell"
quantity = 100
policy = "vwap"
after = 5
parameters = { duration = 60, limit_price = 99.5 }

[[actions]]
after = 20
parent = "one"
action = "amend"
quantity = 200
changes = { max_clip = 10 }
reason = "less"

[[actions]]
after = 10
parent = "one"
action = "resume"
catch_up = "skip"
"""


@pytest.fixture(scope="module")
def reference() -> Reference:
    return load_reference(ROOT / "deploy" / "reference.toml")


def clock(seconds: int) -> SessionClock:
    return SessionClock(market_start=7, utc_start=0, speed=10.0, market_end=7 + seconds * SECOND, ts_utc=0)


def write(tmp_path: Path, text: str, name: str = "parents.toml") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_a_file_becomes_commands_in_the_order_of_their_times(tmp_path: Path, reference: Reference) -> None:
    plan = load_plan(write(tmp_path, TOML))
    assert plan.ids == ["one"]
    assert [step.after for step in plan.steps()] == [5, 10, 20]
    new = plan.parents[0].command(reference, utc=3)
    assert (new.parent.side, new.parent.objective, new.parent.quantity) == (Side.SELL, Objective.VWAP, 100)
    assert new.parent.parameters.limit_price == 995_000
    resume = plan.actions[1].command("AURA", reference)
    assert isinstance(resume, ResumeParent)
    assert resume.catch_up is CatchUp.SKIP
    amend = plan.actions[0].command("AURA", reference)
    assert isinstance(amend, AmendParent)
    assert (amend.quantity, amend.changes.max_clip, amend.reason) == (200, 10, "less")


def test_a_json_list_of_parents_is_a_plan(tmp_path: Path) -> None:
    text = '[{"id": "a", "symbol": "AURA", "side": "buy", "quantity": 1, "policy": "twap"}]'
    assert load_plan(write(tmp_path, text, "parents.json")).ids == ["a"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x", "parents.toml: "),
        ("", "parents: Field required"),
        ("parents = []", "parents: at least one is needed"),
        (TOML.replace('"sell"', '"hold"'), "parents #1 side"),
        (TOML.replace("quantity = 100", "quantity = 0"), "parents #1 quantity: .* not 0$"),
        (
            TOML.replace('policy = "vwap"', 'policy = "vwap"\ncolour = 1'),
            "parents #1 colour: there is no such field",
        ),
        (TOML.replace('parent = "one"', 'parent = "two"'), "names two, which is not in parents"),
    ],
)
def test_a_file_that_does_not_hold_together_is_refused_with_its_field(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(PlanError, match=message):
        load_plan(write(tmp_path, text))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('symbol = "AURA"', 'symbol = "XXXX"', "file: parent one: no instrument XXXX"),
        ('policy = "vwap"', 'policy = "vwop"', "file: parent one: no policy vwop"),
        ("limit_price = 99.5", "limit_prize = 99.5", "file: parent one: .*limit_prize"),
        ("max_clip = 10", "max_clip = 0", "file: amend of one after 20 s: max-clip 0"),
    ],
)
def test_what_cannot_be_is_said_before_anything_starts(
    tmp_path: Path, reference: Reference, old: str, new: str, message: str
) -> None:
    load_plan(write(tmp_path, TOML)).try_out(reference, "parents file")
    with pytest.raises(PlanError, match=message):
        load_plan(write(tmp_path, TOML.replace(old, new))).try_out(reference, "parents file")


def test_a_file_that_is_no_text_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "parents.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PlanError, match=r"parents\.toml: no text in UTF-8"):
        load_plan(path)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"nowhere\.toml: No such file"):
        load_plan(tmp_path / "nowhere.toml")


def _ends_within(plan: Plan, seconds: float) -> bool:
    return all(p.after + p.parameters["duration"] < seconds for p in plan.parents)


def test_our_own_plan_is_five_parents_on_the_synthetic_pair_that_end_within_the_session(
    reference: Reference,
) -> None:
    plan = default_plan(["BOLT", "AURA"], clock(1_200), reference)
    assert {p.policy for p in plan.parents} == {"twap", "vwap", "pov", "is", "timing"}
    assert {p.symbol for p in plan.parents} == {"AURA", "BOLT"}
    assert {a.action for a in plan.actions} == {"pause", "resume", "amend"}
    assert _ends_within(plan, session_seconds(clock(1_200)))
    for parent in plan.parents:
        parent.command(reference, utc=0)


@pytest.mark.parametrize("symbol", ["GOOG", "BAC", "IBM"])
def test_our_own_plan_is_four_policies_on_one_instrument_of_real_data(
    symbol: str, reference: Reference
) -> None:
    plan = default_plan([symbol], clock(23_400), reference)
    assert len({p.policy for p in plan.parents}) == 4
    assert {p.symbol for p in plan.parents} == {symbol}
    assert _ends_within(plan, 23_400)
