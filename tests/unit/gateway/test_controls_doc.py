"""docs/controls.md tells the truth: every code is in it once, and what it names exists."""

import re
from pathlib import Path

import pytest

from service.risk import Code

ROOT = Path(__file__).resolve().parents[3]
ROWS = [
    [cell.strip() for cell in line.strip("|\n").split("|")]
    for line in (ROOT / "docs" / "controls.md").read_text().splitlines()
    if re.match(r"\| C\d+ \|", line)
]


def test_every_denial_code_stands_at_its_control() -> None:
    written = {(code, row[0]) for row in ROWS for code in re.findall(r"`([A-Z_]+)`", row[2])}
    assert {(code.value, code.control) for code in Code} | {("KILLED", "C25")} == written


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_every_module_and_test_that_it_names_is_there(row: list[str]) -> None:
    named = re.findall(r"`([\w/]+\.py)`", row[3] + row[4])
    assert all((ROOT / name).is_file() for name in named)


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_what_is_done_names_its_test_and_what_is_not_says_so(row: list[str]) -> None:
    status = row[5].split(":")[0].split(",")[0]
    assert status in ("done", "part", "open")
    if status == "done":
        assert "tests/" in row[4]
    if status == "open":
        assert not row[2]
