"""What a dialect may say of a counterparty."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.fix.config import FIX_CONFIGS
from service.fix.dialect import Dialect, load_dialect
from service.fix.messages import FixConfigError


def test_dialect_when_the_broker_cancels_at_a_disconnect_then_says_when_and_how_it_is_asked() -> None:
    cancels = load_dialect(FIX_CONFIGS / "dialects.toml", "cancels")
    assert (cancels.cancel_on_disconnect, cancels.cancel_on_disconnect_grace) == ("broker", 2.0)
    assert cancels.logon_fields == {35002: "1"}


def test_dialect_when_it_says_nothing_of_a_disconnect_then_nothing_is_assumed() -> None:
    for name in ("strict", "lenient", "mute", "fix42-style"):
        assert load_dialect(FIX_CONFIGS / "dialects.toml", name).cancel_on_disconnect == "none"
    assert Dialect().logon_fields == {}


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("logon_fields = { 554 = 'mine' }", "554"),
        ("logon_fields = { 4999 = '1' }", "from 5000 on"),
        ('logon_fields = { 35002 = "a\\u0001b" }', "35002"),
        ("logon_fields = { 35002 = '' }", "35002"),
        ("cancel_on_disconnect_grace = -1.0", "cancel_on_disconnect_grace"),
        ("cancel_on_disconnect_grace = 4000.0", "3600"),
        ("cancel_on_disconnect = 'perhaps'", "perhaps"),
        ("cancel_on_disconnect_grace = nan", "0 to 3600 seconds"),
        ("cancel_on_disconnect_grace = " + "[" * 3000, "cannot be read: brackets stand too deep"),
        ("cancel_on_disconnect_grace = " + "9" * 5000, "dialects file"),
    ],
)
def test_dialect_when_it_cannot_be_then_the_error_names_what(tmp_path: Path, line: str, named: str) -> None:
    path = tmp_path / "dialects.toml"
    path.write_text(f"[odd]\n{line}\n")
    with pytest.raises(FixConfigError, match=named):
        load_dialect(path, "odd")
