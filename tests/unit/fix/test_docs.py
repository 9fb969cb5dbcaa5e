import re

from service.settings import ROOT


def test_traps_when_documented_then_each_names_a_test_that_exists() -> None:
    document = (ROOT / "docs" / "fix.md").read_text()
    tests = "\n".join(p.read_text() for p in (ROOT / "tests").glob("*/fix/test_*.py"))
    named = re.findall(r"`(test_\w+?)_\.\.\.`", document)
    assert len(named) >= 8
    assert [name for name in named if f"def {name}_" not in tests] == []
    files = re.findall(r"`(unit/fix/\w+\.py)`", document)
    assert [name for name in files if not (ROOT / "tests" / name).exists()] == []
