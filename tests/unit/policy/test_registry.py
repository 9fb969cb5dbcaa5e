"""Policies by entry point: ours, a desk's own, and broken ones."""

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from service.model.parameters import EndBehaviour
from service.policy.registry import GROUP, describe, discover, load_policies

MODULE = """
from dataclasses import dataclass, replace

from policies.rules import TWAP
from service.model.parameters import Parameters

GOOD = replace(TWAP, name="good")
OTHER_NAME = replace(TWAP, name="other")
STRAY = replace(TWAP, name="stray", defaults=Parameters(urgency=3))
UNKNOWN = replace(TWAP, name="unknown", takes=TWAP.takes | {"lukewarm"})
NO_SCHEDULE = replace(TWAP, name="no_schedule", schedule=object())
NUMBER = 7
"""


@pytest.fixture
def desk_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "registry_test_desk.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield "registry_test_desk"
    sys.modules.pop("registry_test_desk", None)


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name=name, value=value, group=GROUP)


def test_our_own_are_registered() -> None:
    assert {"twap", "vwap", "pov", "is"} <= load_policies().keys()


def test_each_of_our_own_takes_only_what_the_catalogue_declares_and_describes_it() -> None:
    for policy in load_policies().values():
        described = describe(policy)
        assert {t.declared.name for t in described.takes} == policy.takes
    taken = {t.declared.name: t.default for t in describe(load_policies()["is"]).takes}
    assert (taken["urgency"], taken["end_behaviour"]) == (5, EndBehaviour.COMPLETE)


def test_a_policy_of_a_desks_own_module_is_found_with_its_source(desk_module: str) -> None:
    found = discover([point("good", f"{desk_module}:GOOD")])
    assert found.policies["good"].name == "good"
    assert found.sources["good"].startswith(f"{desk_module}:GOOD ")


@pytest.mark.parametrize(
    ("name", "target", "reason"),
    [
        ("gone", "no_such_module_at_all:X", "No module named 'no_such_module_at_all'"),
        ("missing", "MISSING", "has no attribute 'MISSING'"),
        ("number", "NUMBER", "is a int, not a service.policy.contract.Policy"),
        ("mine", "OTHER_NAME", "calls itself 'other' but is registered as 'mine'"),
        ("stray", "STRAY", "defaults for parameters that it does not take: urgency"),
        ("unknown", "UNKNOWN", "takes unknown parameters lukewarm"),
        ("no_schedule", "NO_SCHEDULE", "its schedule needs target"),
    ],
)
def test_a_broken_policy_is_unavailable_with_its_reason_and_the_others_load(
    desk_module: str, name: str, target: str, reason: str
) -> None:
    value = target if ":" in target else f"{desk_module}:{target}"
    found = discover([point(name, value), point("good", f"{desk_module}:GOOD")])
    assert set(found.policies) == {"good"}
    assert reason in found.unavailable[name]
    assert value in found.unavailable[name]


def test_a_name_that_two_packages_register_is_nobodys(desk_module: str) -> None:
    found = discover([point("good", f"{desk_module}:GOOD"), point("good", "policies.rules:TWAP")])
    assert found.policies == {}
    assert "registered 2 times" in found.unavailable["good"]


def test_one_registration_seen_twice_is_one(desk_module: str) -> None:
    found = discover([point("good", f"{desk_module}:GOOD")] * 2)
    assert set(found.policies) == {"good"}
