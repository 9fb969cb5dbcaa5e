"""The reference file: what holds together loads; what does not is named."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.model.reference import Instrument, ReferenceFileError, load_reference, parse_reference
from service.settings import ROOT

TEXT = (ROOT / "deploy" / "reference.toml").read_text()
SHARE = Instrument(symbol="A", venue="V", currency="USD")


def test_shipped_file_loads_and_its_version_follows_its_text() -> None:
    reference = load_reference(ROOT / "deploy" / "reference.toml")
    assert reference.by_symbol["GOOG"].key == b"GOOG"
    assert reference.version != parse_reference(TEXT + "\n# one more line\n", "x").version


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("reference_volume = 4_000_000", "volume = 1"), "instruments AURA volume: no such field"),
        (('desk = "EQUITIES"', 'desk = "NOBODY"'), "traders alice: desk 'NOBODY' is not in desks"),
        (('symbol = "BOLT"', 'symbol = "AURA"'), "instruments: AURA stands there twice"),
        (('currency = "USD"', 'currency = "dollars"'), "instruments AURA currency"),
        (("[[firms]]", "[[firms]"), "not TOML"),
        (("reference_volume = 4_000_000", "reference_volume = -1"), "instruments AURA reference_volume"),
    ],
)
def test_broken_file_is_refused_with_table_and_field(change: tuple[str, str], says: str) -> None:
    assert change[0] in TEXT
    with pytest.raises(ReferenceFileError, match=says):
        parse_reference(TEXT.replace(*change), "reference.toml")


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReferenceFileError, match=r"absent\.toml"):
        load_reference(tmp_path / "absent.toml")


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "a = " + "9" * 5000], ids=["deep", "long"])
def test_what_no_parser_gets_through_is_an_error_like_any_other(text: str) -> None:
    with pytest.raises(ReferenceFileError, match="reference: cannot be read"):
        parse_reference(text, "reference")


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "reference.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ReferenceFileError, match=f"{path}: not UTF-8 text"):
        load_reference(path)


def test_prices_and_quantities_are_exact_both_ways() -> None:
    share = SHARE
    assert share.price_text(5_800_050) == "580.0050"
    assert share.price_from_text("580.005") == 5_800_050
    with pytest.raises(ValueError, match="finer than"):
        share.price_from_text("580.00505")
    with pytest.raises(ValueError, match="not a number"):
        share.price_from_text("cheap")
    coin = Instrument(symbol="B", venue="V", currency="USD", lot=10, quantity_exponent=3, price_exponent=2)
    assert coin.quantity_text(7) == "0.070"
    assert coin.quantity_from_text("0.07") == 7
    with pytest.raises(ValueError, match="multiple of the lot"):
        coin.quantity_from_text("0.075")


def test_money_is_exact() -> None:
    future = Instrument(symbol="C", venue="V", currency="CNY", price_exponent=0, tick=1, multiplier=10)
    assert future.money(3_000 * 2) == Decimal(60_000)
    share = Instrument(symbol="A", venue="V", currency="USD")
    assert share.money(5_800_050 * 100) == Decimal("58000.5")


@given(units=st.integers(-(10**20), 10**20), exponent=st.integers(0, 9))
def test_a_price_reads_as_decimal_arithmetic_writes_it_and_is_read_back(units: int, exponent: int) -> None:
    share = SHARE.model_copy(update={"price_exponent": exponent})
    assert share.price_text(units) == f"{Decimal(units).scaleb(-exponent):f}"
    assert share.price_from_text(share.price_text(units)) == units


@given(
    text=st.from_regex(r"-?([0-9]{1,18}(\.[0-9]{0,8})?|\.[0-9]{1,8})", fullmatch=True)
    | st.text(alphabet="0123456789.-+_ \u0663", max_size=12),
    exponent=st.integers(0, 6),
)
def test_a_text_is_the_number_that_decimal_arithmetic_makes_of_it_or_none(text: str, exponent: int) -> None:
    share = SHARE.model_copy(update={"price_exponent": exponent})
    try:
        exact = Decimal(text).scaleb(exponent)
        expected = int(exact) if exact == exact.to_integral_value() else None
    except (ArithmeticError, ValueError):
        expected = None
    try:
        assert share.price_from_text(text) == expected
    except ValueError:
        assert expected is None
