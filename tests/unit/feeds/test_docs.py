"""The adapter that docs/feeds.md shows does what the page says."""

import re
import sys
import types
from pathlib import Path

import pytest

from service.feeds.exchange_time import REGULAR_OPEN, midnight, parse_date
from service.feeds.source import Source, SourceError, SourceOptions
from service.settings import ROOT
from tests.unit.feeds.support import REFERENCE, books_of


@pytest.fixture
def adapter(monkeypatch: pytest.MonkeyPatch) -> type[Source]:
    page = (ROOT / "docs" / "feeds.md").read_text()
    (code,) = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    module = types.ModuleType("documented_feed")
    monkeypatch.setitem(sys.modules, "documented_feed", module)
    exec(compile(code, "docs/feeds.md", "exec"), module.__dict__)
    return module.Touch


def test_documented_adapter_when_the_file_is_right_then_its_books(
    adapter: type[Source], tmp_path: Path
) -> None:
    path = tmp_path / "AURA_20260105.touch.csv"
    path.write_text("34200000,500000,10,500100,20\n34200005,500000,10,500200,5\n")
    assert adapter.recognises(str(path))
    source = adapter.open(str(path), SourceOptions(reference=REFERENCE, trouble="strict"))
    books = books_of(source.events())
    assert [(b.seq, b.bids, b.asks, b.venue) for b in books] == [
        (1, ((500_000, 10),), ((500_100, 20),), "XSIM"),
        (2, ((500_000, 10),), ((500_200, 5),), "XSIM"),
    ]
    assert books[0].ts_event == midnight(parse_date("20260105")) + REGULAR_OPEN


def test_documented_adapter_when_rows_are_wrong_then_refused_or_counted(
    adapter: type[Source], tmp_path: Path
) -> None:
    path = tmp_path / "AURA_20260105.touch.csv"
    path.write_text("34200005,500000,10,500100,20\nbad\n34200000,500000,10,500200,5\n")
    with pytest.raises(SourceError, match="row 2"):
        list(adapter.open(str(path), SourceOptions(reference=REFERENCE, trouble="strict")).events())
    source = adapter.open(str(path), SourceOptions(reference=REFERENCE))
    times = [event.ts_event for event in source.events()]
    assert times == sorted(times)
    assert source.repairs == {"bad_row": 1, "time_backwards": 1}
