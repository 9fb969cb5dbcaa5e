"""Every alert and every panel has its metric, no metric is without one, and promtool likes their names."""

import re
import subprocess
import sys
import urllib.request

import pytest

from tests.unit.deploy.supervision import METRIC, RECORDED, ROOT, expressions, families
from tests.unit.deploy.tools import require

LEFT_OUT: dict[str, str] = {}
"""Metrics that no panel and no alert uses, each with the reason."""


@pytest.mark.parametrize(("where", "expression"), expressions().items())
def test_expression_when_it_names_a_metric_then_a_sensor_or_a_rule_has_it(
    where: str, expression: str
) -> None:
    known = RECORDED.union(*families().values())
    assert set(METRIC.findall(expression)) <= known, where
    recorded = set(re.findall(r"\w+:slipstream_\w+:\w+", expression))
    assert recorded <= RECORDED, where


def test_metric_when_sensors_have_it_then_a_panel_or_an_alert_uses_it() -> None:
    used = {name for expression in expressions().values() for name in METRIC.findall(expression)}
    unused = {family for family, samples in families().items() if not samples & used}
    assert unused == set(LEFT_OUT)


def test_metrics_when_promtool_checks_what_a_role_serves_then_it_finds_nothing() -> None:
    promtool = require("promtool")
    # A family without a child is not looked at, so each is given one, away from this process's registry.
    with subprocess.Popen(
        [sys.executable, "-m", "tests.unit.deploy.serve_all"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    ) as role:
        assert role.stdin is not None
        assert role.stdout is not None
        port = int(role.stdout.readline())
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            served = answer.read()
        role.stdin.close()
    assert all(f"# TYPE {name}".encode() in served for name in families())
    checked = subprocess.run([promtool, "check", "metrics"], input=served, capture_output=True, check=False)
    assert (checked.returncode, checked.stderr.decode()) == (0, "")
