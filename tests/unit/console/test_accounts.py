"""The file of users: who is in it, what it refuses, and that no secret shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.console import accounts
from service.console.accounts import (
    RIGHTS,
    AccountsError,
    AccountsFile,
    Right,
    Role,
    add_user,
    matches,
    parse_accounts,
    read_accounts,
)
from service.model.time import SECOND
from service.settings import ROOT


def test_a_user_when_added_is_there_with_a_password_that_only_matches(tmp_path: Path) -> None:
    path = tmp_path / "users.toml"
    add_user(path, "carol", (Role.RISK,), "", password="long enough a word")
    add_user(path, "robot", (Role.TRADER,), "alice", token="a token")
    found = read_accounts(path, exposed=True)
    assert matches("long enough a word", found.by_name["carol"].password)
    assert not matches("long enough a worm", found.by_name["carol"].password)
    assert found.by_token("a token") == found.by_name["robot"]
    assert found.by_token("another") is None
    assert path.stat().st_mode & 0o777 == 0o600
    assert "long enough" not in path.read_text()
    assert "a token" not in path.read_text()


def test_a_user_when_there_already_or_with_a_short_password_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "users.toml"
    add_user(path, "carol", (Role.RISK,), "", password="long enough a word")
    before = path.read_text()
    with pytest.raises(AccountsError, match="carol is there twice"):
        add_user(path, "carol", (Role.VIEWER,), "", password="another long word")
    with pytest.raises(AccountsError, match="at least 12"):
        add_user(path, "dave", (Role.VIEWER,), "", password="short")
    assert path.read_text() == before


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[users]\n", "not TOML"),
        ('[[users]]\nname = "a"\nroles = ["king"]\npassword = "$argon2id$x"\n', "users.0.roles.0"),
        ('[[users]]\nname = "a"\nroles = ["viewer"]\n', "neither password nor token"),
        ('[[users]]\nname = "a"\nroles = []\ntoken = "%s"\n' % ("0" * 64), "users.0.roles"),
        ('[[users]]\nname = "a"\nroles = ["viewer"]\npassword = "my secret word"\n', "users.0.password"),
        ("extra = 1\n", "extra"),
        ("extra = " + "[" * 3000, "cannot be read: brackets stand too deep"),
        ("extra = " + "9" * 5000, "cannot be read: a number has thousands of digits"),
        ("development = 1e400\n", "development"),
    ],
)
def test_a_file_when_wrong_says_where_and_never_what_stands_for_a_secret(text: str, complaint: str) -> None:
    with pytest.raises(AccountsError, match=complaint) as caught:
        parse_accounts(text, "users.toml")
    assert "my secret word" not in str(caught.value)


def test_a_file_when_others_can_write_it_or_it_is_for_development_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "users.toml"
    add_user(path, "carol", (Role.RISK,), "", password="long enough a word")
    path.chmod(0o620)
    with pytest.raises(AccountsError, match="others can write it"):
        read_accounts(path, exposed=False)
    shipped = ROOT / "deploy" / "users.toml"
    assert read_accounts(shipped, exposed=False).development
    with pytest.raises(AccountsError, match="for development"):
        read_accounts(shipped, exposed=True)


def test_nobody_both_trades_alone_and_lifts_a_kill_and_an_admin_does_neither() -> None:
    assert Right.COUNTERSIGN not in RIGHTS[Role.TRADER]
    assert not {Right.TRADE, Right.TRADE_DESK} & RIGHTS[Role.RISK]
    assert RIGHTS[Role.ADMIN] == {Right.SEE}
    assert RIGHTS[Role.VIEWER] == {Right.SEE}


def test_a_file_when_it_has_not_changed_is_not_read_again_and_when_it_has_it_counts_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "users.toml"
    add_user(path, "one", (Role.VIEWER,), "", token="a token of one")
    later = path.stat().st_ctime_ns + 60 * SECOND
    monkeypatch.setattr(accounts.time, "time_ns", lambda: later)
    found = AccountsFile(path, exposed=False)
    first = found()
    assert found() is first
    add_user(path, "two", (Role.VIEWER,), "", token="a token of two")
    assert set(found().by_name) == {"one", "two"}
    path.chmod(0o666)
    with pytest.raises(AccountsError, match="others can write it"):
        found()
    path.unlink()
    with pytest.raises(AccountsError, match="make one with"):
        found()


def test_a_file_when_it_has_only_just_been_written_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "users.toml"
    add_user(path, "one", (Role.VIEWER,), "", token="a token of one")
    now = path.stat().st_ctime_ns + 1_000
    monkeypatch.setattr(accounts.time, "time_ns", lambda: now)
    found = AccountsFile(path, exposed=False)
    assert found() is not found()
