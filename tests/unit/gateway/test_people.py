"""The file of people: what it may say, who may have written it, and that no secret is in what it says."""

import os
from pathlib import Path

import pytest

from service.gateway.people import (
    NOBODY,
    May,
    PeopleFileError,
    add_person,
    hashed,
    matches,
    parse_people,
    read_people,
)

ROOT = Path(__file__).resolve().parents[3]
SECRET = "correct horse battery"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "people.toml"
    add_person(path, "carol", "uc", (May.RELEASE,), SECRET)
    return path


def test_a_secret_matches_its_hash_and_no_other(file: Path) -> None:
    (carol,) = read_people(file, simulator=False).people
    assert (carol.name, carol.user, carol.may) == ("carol", "uc", (May.RELEASE,))
    assert matches(SECRET, carol.secret)
    assert not matches(SECRET + " ", carol.secret)
    assert not matches("", carol.secret)
    assert not matches("x" * 5000, carol.secret)
    assert not matches(SECRET, NOBODY)


def test_the_same_secret_is_never_stored_alike() -> None:
    assert hashed(SECRET) != hashed(SECRET)
    assert SECRET not in hashed(SECRET)


def test_a_file_is_made_for_its_owner_alone_and_added_to(file: Path) -> None:
    assert file.stat().st_mode & 0o777 == 0o600
    people = add_person(file, "dave", "ud", tuple(May), "another long secret")
    assert [person.name for person in people.people] == ["carol", "dave"]
    assert read_people(file, simulator=False).by_name["dave"].may == tuple(May)
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize(
    ("name", "user", "why"),
    [("carol", "other", "name 'carol'"), ("dave", "uc", "user 'uc'"), ("dave", "", "user ''")],
)
def test_two_people_have_two_names_and_two_users(file: Path, name: str, user: str, why: str) -> None:
    before = file.read_text()
    with pytest.raises(PeopleFileError, match=why):
        add_person(file, name, user, tuple(May), SECRET)
    assert file.read_text() == before


def test_a_short_secret_is_refused(file: Path) -> None:
    with pytest.raises(PeopleFileError, match="at least 12 characters"):
        add_person(file, "dave", "ud", (), "short")


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_can_write_is_refused(file: Path, mode: int) -> None:
    file.chmod(mode)
    with pytest.raises(PeopleFileError, match="others can write it"):
        read_people(file, simulator=False)


def test_a_file_of_another_user_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = file.stat()
    monkeypatch.setattr(Path, "stat", lambda _: os.stat_result((*real[:4], 54321, *real[5:])))
    with pytest.raises(PeopleFileError, match="others can write it"):
        read_people(file, simulator=False)


def test_no_file_and_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PeopleFileError, match=r"No such file or directory; see docs/kill\.md"):
        read_people(tmp_path / "none", simulator=True)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(PeopleFileError, match="not text"):
        read_people(tmp_path / "binary", simulator=True)


def test_what_is_wrong_is_told_without_what_stands_there() -> None:
    with pytest.raises(PeopleFileError, match=r"people\.0\.secret") as caught:
        parse_people(f'[[people]]\nname = "carol"\nuser = "u"\nsecret = "{SECRET}"\n', "file")
    assert SECRET not in str(caught.value)
    with pytest.raises(PeopleFileError, match="not TOML") as caught:
        parse_people(f'secret = "{SECRET}', "file")
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    with pytest.raises(PeopleFileError, match="roles"):
        parse_people('roles = "x"', "file")


def test_the_development_file_is_for_the_simulator_alone_and_its_secrets_are_as_it_says() -> None:
    path = ROOT / "deploy" / "people.toml"
    people = read_people(path, simulator=True)
    assert people.development
    for person in people.people:
        assert matches(f"{person.name} in development", person.secret)
        assert person.may == tuple(May)
    with pytest.raises(PeopleFileError, match="not the broker simulator"):
        read_people(path, simulator=False)


HASH = hashed(SECRET, b"salt of sixteen.")
KEY = "ed25519$600000$AAAAAAAAAAAAAAAAAAAAAA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABA="


@pytest.mark.parametrize(
    ("field", "before", "after", "reason"),
    [
        ("secret", "$32768$8$1$", "$9999999$99$99$", "its scrypt numbers are none that"),
        ("secret", "$32768$8$1$", "$32767$8$1$", "its scrypt numbers are none that"),
        ("secret", "$32768$8$1$", "$0000$8$1$", "its scrypt numbers are none that"),
        ("secret", "$32768$8$1$", "$0001$8$1$", "its scrypt numbers are none that"),
        ("secret", "$32768$8$1$", "$32768$8$0$", "its scrypt numbers are none that"),
        ("secret", "$32768$8$1$", "$32768$8$17$", "its scrypt numbers are none that"),
        ("secret", "$32768$8$1$", "$4194304$8$1$", "its scrypt numbers are none that"),
        ("secret", HASH[-8:], HASH[-8:] + "AAAA", "it is not base64 to its end"),
        ("secret", HASH[-8:], HASH[-8:-4] + "AAAAAAAA", "it ends in no hash of scrypt"),
        ("key", "$600000$", "$99999999$", "it is no key that"),
        ("key", "ABA=", "ABAAAAAA", "it is no key that"),
        ("key", "ABA=", "A===", "it is not base64 to its end"),
    ],
)
def test_what_nobody_could_be_verified_with_is_an_error_of_the_file(
    field: str, before: str, after: str, reason: str
) -> None:
    text = f'[[people]]\nname = "carol"\nuser = "uc"\nsecret = "{HASH}"\nkey = "{KEY}"\n'
    assert parse_people(text, "P").people
    assert text.count(before) == 1
    with pytest.raises(PeopleFileError, match=rf"^P: people\.0\.{field}: .*{reason}") as told:
        parse_people(text.replace(before, after), "P")
    assert after not in str(told.value)


@pytest.mark.parametrize("absurd", ["9" * 5000, "[" * 3000 + "]" * 3000, "1e400", "nan", "0x" + "f" * 6000])
def test_absurd_numbers_and_brackets_are_errors_of_the_file(absurd: str) -> None:
    with pytest.raises(PeopleFileError, match=r"^P: ") as told:
        parse_people(f"development = {absurd}\n", "P")
    assert len(str(told.value)) < 200
