import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.fix.timestamps import utc_from_text, utc_text

LAST = 253_402_300_799 * 10**9


@pytest.mark.parametrize(
    ("digits", "wanted"),
    [(0, "20261121-10:00:00"), (3, "20261121-10:00:00.123"), (6, "20261121-10:00:00.123456")],
)
def test_time_when_written_then_it_has_the_digits_asked_for(digits: int, wanted: str) -> None:
    assert utc_text(1_795_255_200_123_456_789, digits) == wanted


@given(nanoseconds=st.integers(0, LAST), digits=st.sampled_from([0, 3, 6, 9]))
def test_time_when_written_and_read_then_it_is_the_same_cut_to_its_digits(
    nanoseconds: int, digits: int
) -> None:
    step = 10 ** (9 - digits)
    assert utc_from_text(utc_text(nanoseconds, digits)) == nanoseconds // step * step


def test_time_when_it_is_a_leap_second_then_it_is_the_next_second() -> None:
    assert utc_from_text("20161231-23:59:60") == utc_from_text("20170101-00:00:00")


@pytest.mark.parametrize(
    "text",
    ["", "20261121", "20261121 10:00:00", "20261301-10:00:00", "20261121-24:00:00", "20261121-10:60:00",
     "20261121-10:00:00.", "00000101-00:00:00", "20261121-10:00:61"],
)  # fmt: skip
def test_text_when_it_is_no_time_then_it_raises(text: str) -> None:
    with pytest.raises(ValueError):
        utc_from_text(text)
