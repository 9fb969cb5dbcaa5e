"""Every alert is seen to arrive from a real cause, as the table says."""

from pathlib import Path

from tests.integration.deploy.causes import CAUSES
from tests.unit.deploy.supervision import ALERTS

TESTS = "\n".join(
    file.read_text() for file in (Path(__file__).parents[2] / "integration/deploy").glob("test_alerts_*.py")
)


def test_alerts_when_compared_with_the_table_of_causes_then_each_has_one() -> None:
    assert {name for run in CAUSES.values() for name in run} == {rule["alert"] for rule in ALERTS}


def test_runs_when_compared_with_the_tests_then_each_is_one_of_them() -> None:
    for run in CAUSES:
        assert f"Arrivals(supervised, {run.partition(':')[0].upper()})" in TESTS
