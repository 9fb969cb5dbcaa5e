"""Every alert is seen to arrive from a real cause, or the table says why not here."""

from pathlib import Path

from tests.integration.deploy.causes import CAUSES, NOT_HERE
from tests.unit.deploy.supervision import ALERTS

TESTS = "\n".join(
    file.read_text() for file in (Path(__file__).parents[2] / "integration/deploy").glob("test_alerts_*.py")
)


def test_alerts_when_compared_with_the_table_of_causes_then_each_has_one_or_a_reason() -> None:
    caused = {name for run in CAUSES.values() for name in run}
    assert not caused & NOT_HERE.keys()
    assert caused | NOT_HERE.keys() == {rule["alert"] for rule in ALERTS}


def test_runs_when_compared_with_the_tests_then_each_is_one_of_them() -> None:
    for run in CAUSES:
        assert f"Arrivals(supervised, {run.partition(':')[0].upper()})" in TESTS


def test_reasons_when_counted_then_they_are_few() -> None:
    assert len(NOT_HERE) <= 4
    assert all(NOT_HERE.values())
