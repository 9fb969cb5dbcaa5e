"""docs/controls.md tells the truth: every code is in it once, and what it names exists."""

import re
from pathlib import Path

import pytest

from service.model.time import HOUR, MILLISECOND, SECOND
from service.risk import Code, ceilings

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


TIMES = {"MAX_LOCATE_AHEAD": (HOUR, "hours"), "MIN_ALIKE_WINDOW": (MILLISECOND, "ms")} | dict.fromkeys(
    ("MAX_HEARTBEAT_AGE", "MAX_REFERENCE_AGE", "CLOCK_AHEAD"), (SECOND, "s")
)
CEILINGS = [name for name in vars(ceilings) if name.startswith(("MAX_", "MIN_")) or name == "CLOCK_AHEAD"]


@pytest.mark.parametrize("name", CEILINGS)
def test_every_ceiling_stands_there_with_its_value_and_its_reason(name: str) -> None:
    text = (ROOT / "docs" / "controls.md").read_text()
    table = text.partition("| ceiling | value | why |\n")[2].partition("\n\n")[0].splitlines()[1:]
    unit, symbol = TIMES.get(name, (1, ""))
    value = f"{int(getattr(ceilings, name)) // unit:,} {symbol}".strip()
    assert any(
        re.search(rf"(?<![\d,]){re.escape(value)}(?![\d,]*\d)", line) and line.split("|")[3].strip()
        for line in table
    ), value
    assert len(table) + 2 >= len(CEILINGS), "a row each, but for the two of a calm market and of look-alikes"
