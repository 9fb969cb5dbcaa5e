"""docs/failures.md names, in every row, tests that are there."""

import re

from service.settings import ROOT


def rows() -> list[str]:
    """The table's rows, less its head."""
    lines = (ROOT / "docs" / "failures.md").read_text().splitlines()
    return [line for line in lines if line.startswith("| ")][1:]


def test_every_row_names_a_test_that_exists() -> None:
    assert len(rows()) >= 15
    for row in rows():
        shown_by = row.rstrip(" |").rpartition("|")[2]
        named = re.findall(r"`(tests/[\w/]+\.py)`", shown_by)
        assert named, row
        assert [name for name in named if not (ROOT / name).exists()] == [], row
