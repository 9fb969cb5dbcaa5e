"""`make test` spreads files over workers, and gives those that run the whole service to one of them."""

from pathlib import Path

from tests import conftest

ROOT = Path(__file__).resolve().parents[2]


def test_what_shares_a_worker_is_there_and_has_tests() -> None:
    for name in conftest.WHOLE_SERVICE:
        path = ROOT / name
        files = path.glob("test_*.py") if path.is_dir() else [path]
        assert any("def test_" in file.read_text() for file in files), name
