"""The package of docs/policies.md, as it stands there: built, installed, found and worked by the core."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from service.settings import ROOT

PAGE = ROOT / "docs" / "policies.md"

WORK = """
import json, sys
from service.policy.registry import discover
from tests.unit.runner.desk import Desk

found = discover()
desk = Desk(found.policies)
desk.book()
desk.admit(policy="last_third", quantity=1_200, seconds=1_800)
for _ in range(1_799):
    desk.comply(desk.timer(1), fill=True)
    desk.comply(desk.book(), fill=True)
print(json.dumps({
    "sources": found.sources,
    "unavailable": found.unavailable,
    "first": (desk.decisions[0].ts_event - desk.state().window_start) / 1e9,
    "filled": desk.parent().filled,
    "alarms": [d.reason for d in desk.decisions if d.action == "alarm"],
    "reasons": sorted({d.reason for d in desk.decisions}),
}))
"""


def block(file: str) -> str:
    """The code that the page shows for a file."""
    found = re.search(
        rf"^`{re.escape(file)}`:\n\n```\w+\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
    assert found, f"{PAGE} shows no {file}"
    return found.group(1)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the page's package is installed in."""
    source = tmp_path_factory.mktemp("desk-policies")
    (source / "desk_policies").mkdir()
    for file in ("pyproject.toml", "desk_policies/__init__.py"):
        (source / file).write_text(block(file))
    target = tmp_path_factory.mktemp("site")
    options = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, "--target", str(target), str(source)],
        check=True,
        capture_output=True,
        text=True,
    )
    return target


def python(site: Path, code: str) -> Any:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(site), str(ROOT)))}
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, env=environment, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_documented_package_is_found_beside_ours_and_worked_by_the_core(site: Path) -> None:
    seen = python(site, WORK)
    assert seen["unavailable"] == {}
    assert {"twap", "last_third"} <= seen["sources"].keys()
    assert seen["sources"]["last_third"].startswith("desk_policies:LAST_THIRD ")
    assert seen["alarms"] == []
    assert 1_200 < seen["first"] < 1_230
    assert seen["filled"] > 1_150
    assert seen["reasons"] == ["join"]


def test_the_command_line_describes_the_documented_policy(site: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(site), str(ROOT)))}
    shown = subprocess.run(
        [sys.executable, "-m", "service.cli", "policies"],
        check=True, capture_output=True, text=True, env=environment, cwd=ROOT,
    ).stdout  # fmt: skip
    assert "last_third: Nothing in the first two thirds of the window" in shown
