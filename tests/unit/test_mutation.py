"""The mutation run's own reading: notes, changes by what they say, and a list that needs reasons."""

import json
from pathlib import Path

import pytest

from scripts import mutation
from scripts.mutation import Change

DIFF = """--- service/risk/calm.py
+++ service/risk/calm.py
@@ -1,4 +1,4 @@
 def share_left(calm, actual):
-    return 0 if actual > calm else 1
+    return 0 if actual >= calm else 1
"""


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("service.risk.calm.x_share_left__mutmut_7", "calm.share_left"),
        ("service.risk.calm.x__tight__mutmut_1", "calm._tight"),
        ("service.risk.gate.xǁApprovedǁ__init____mutmut_12", "gate.Approved.__init__"),
    ],
)
def test_a_change_is_named_by_its_function_and_its_lines(name: str, function: str) -> None:
    before, after = "return 0 if actual > calm else 1", "return 0 if actual >= calm else 1"
    assert mutation.read_change(name, DIFF) == Change(function, before, after)


def test_a_change_is_left_out_of_the_count_for_a_reason_only() -> None:
    row = '[[equivalent]]\nfunction = "calm.drift"\nbefore = "a"\nafter = "b"\nreason = "{}"\n'
    (listed,) = mutation.read_equivalent(row.format("it is the same"))
    assert listed == (Change("calm.drift", "a", "b"), "it is the same")
    with pytest.raises(ValueError, match="say why 'b' makes no difference"):
        mutation.read_equivalent(row.format(" "))


def test_every_listed_change_has_its_reason_and_stands_there_once() -> None:
    listed = mutation.read_equivalent(mutation.EQUIVALENT.read_text())
    changes = [row.change for row in listed]
    assert len(set(changes)) == len(changes)


def test_notes_of_all_files_are_read(tmp_path: Path) -> None:
    for name, note in (("a", 0), ("b", 1)):
        (tmp_path / f"{name}.py.meta").write_text(
            json.dumps({"exit_code_by_key": {f"{name}__mutmut_1": note}})
        )
    assert mutation.read_notes(tmp_path) == {"a__mutmut_1": 0, "b__mutmut_1": 1}
