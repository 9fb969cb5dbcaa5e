from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from service.feeds import source as source_module
from service.feeds.exchange_time import clock_time, midnight, parse_date, session_midnight
from service.feeds.source import Source, SourceError, SourceOptions, open_source
from service.model.reference import Reference, parse_reference
from service.model.time import DAY, HOUR, MINUTE
from service.settings import ROOT
from tests.unit.feeds.support import (
    CLOSE_2012,
    LOBSTER_MESSAGES,
    OPEN_2012,
    REFERENCE,
    books_of,
    lean,
    lobster,
    trades_of,
    zipped,
)


def test_source_when_spec_is_the_word_then_synthetic() -> None:
    source = open_source("synthetic", None, REFERENCE)
    assert source.name == "synthetic"
    assert source.symbols == ("AURA", "BOLT")


def test_source_when_a_lobster_zip_then_its_symbol_and_session(tmp_path: Path) -> None:
    source = open_source(str(lobster(tmp_path)), None, REFERENCE)
    assert (source.name, source.symbols) == ("lobster", ("GOOG",))
    assert (source.session_start, source.session_end) == (OPEN_2012, CLOSE_2012)


def test_source_when_a_lean_folder_then_its_symbol(tmp_path: Path) -> None:
    source = open_source(str(lean(tmp_path)), "2013-10-07", REFERENCE)
    assert (source.name, source.symbols) == ("lean", ("AIG",))


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda p: p / "nothing", "no such file or folder"),
        (lambda p: p, "a folder that holds nothing"),
        (lambda p: zipped(p / "x.zip", {"a.txt": b""}), "a zip file without LOBSTER's message and orderbook"),
    ],
)
def test_source_when_nothing_recognises_it_then_says_what_is_there_and_what_is_accepted(
    tmp_path: Path, make: object, found: str
) -> None:
    spec = str(make(tmp_path))
    with pytest.raises(SourceError, match=found) as error:
        open_source(spec, None, REFERENCE)
    for accepted in ("synthetic", "LOBSTER", "LEAN"):
        assert accepted in str(error.value)


def test_source_when_a_text_file_then_says_that_it_is_no_zip(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("1,2\n")
    with pytest.raises(SourceError, match="a file of 4 bytes, no zip file"):
        open_source(str(tmp_path / "x.csv"), None, REFERENCE)


def test_source_when_symbol_is_not_in_the_reference_file_then_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="MSFT is not in the reference file"):
        open_source(str(lobster(tmp_path, symbol="MSFT")), None, REFERENCE)


def with_units(line: str) -> Reference:
    """The reference file with a line more for GOOG."""
    text = (ROOT / "deploy" / "reference.toml").read_text()
    return parse_reference(text.replace('symbol = "GOOG"', f'symbol = "GOOG"\n{line}'), "test")


def test_source_when_units_cannot_carry_the_file_then_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="GOOG needs price_exponent 4"):
        open_source(str(lobster(tmp_path)), None, with_units("price_exponent = 2"))


def test_prices_when_the_unit_is_finer_than_the_file_then_scaled(tmp_path: Path) -> None:
    path = str(lobster(tmp_path))
    plain = list(open_source(path, None, REFERENCE).events())
    scaled = list(open_source(path, None, with_units("price_exponent = 6")).events())
    assert books_of(scaled)[0].bids[0] == (579_400_000, 496)
    assert [t.price for t in trades_of(scaled)] == [100 * t.price for t in trades_of(plain)]


class _Ticker(Source):
    accepts = "ticker:NAME"

    @classmethod
    def recognises(cls, spec: str) -> bool:
        return spec.startswith("ticker:")

    @classmethod
    def open(cls, spec: str, options: SourceOptions) -> "_Ticker":
        return cls("ticker", (spec.removeprefix("ticker:"),), (0, 1), options)

    def _events(self):
        return iter(())


def test_source_when_another_package_brings_an_adapter_then_found(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("ticker", f"{__name__}:_Ticker", source_module.ENTRY_POINT_GROUP)
    monkeypatch.setattr(EntryPoint, "load", lambda self: _Ticker)
    monkeypatch.setattr(source_module, "entry_points", lambda group: [point])
    assert open_source("ticker:AURA", None, REFERENCE).symbols == ("AURA",)
    with pytest.raises(SourceError, match="ticker:NAME"):
        open_source("nothing", None, REFERENCE)


def test_source_when_an_entry_point_is_no_adapter_then_said(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("x", "builtins:int", source_module.ENTRY_POINT_GROUP)
    monkeypatch.setattr(source_module, "entry_points", lambda group: [point])
    with pytest.raises(SourceError, match="entry point x = builtins:int is not a subclass of Source"):
        open_source("synthetic", None, REFERENCE)


def test_repairs_when_more_than_allowed_then_the_source_is_given_up(tmp_path: Path) -> None:
    messages = list(LOBSTER_MESSAGES)
    messages[3] = messages[4] = messages[5] = "34201.4,7,0,0,-1,-1"
    path = str(lobster(tmp_path, messages))
    enough = open_source(path, None, REFERENCE, max_repairs=10)
    list(enough.events())
    assert enough.repairs.total() > 2
    with pytest.raises(SourceError, match="more than 2 rows needed mending"):
        list(open_source(path, None, REFERENCE, max_repairs=2).events())


def test_events_when_read_again_then_the_same_and_repairs_count_anew(tmp_path: Path) -> None:
    messages = [*LOBSTER_MESSAGES[:-1], "bad"]
    source = open_source(str(lobster(tmp_path, messages)), None, REFERENCE)
    assert list(source.events()) == list(source.events())
    assert source.repairs == {"bad_row": 1}


def test_midnight_when_clocks_change_then_noon_less_twelve_hours() -> None:
    # 2025-03-09: New York goes to summer time at 02:00; noon is 16:00 UTC.
    day = midnight(parse_date("20250309"))
    assert (day + 12 * HOUR) % DAY == 16 * HOUR
    assert session_midnight(day + 10 * HOUR) == day


@pytest.mark.parametrize("text", ["", "noon", "25:00", "9"])
def test_clock_time_when_not_a_time_of_day_then_refused(text: str) -> None:
    with pytest.raises(SourceError, match="neither HH:MM nor HH:MM:SS"):
        clock_time(text, "start-at")


def test_clock_time_when_given_then_nanoseconds_after_midnight() -> None:
    assert clock_time("09:30", "x") == 9 * HOUR + 30 * MINUTE


def test_date_when_no_date_then_refused() -> None:
    with pytest.raises(SourceError, match="neither YYYYMMDD nor YYYY-MM-DD"):
        parse_date("7 October")
