from pathlib import Path

import pytest

from service.fix.credentials import Credentials, read_credentials
from service.fix.messages import FixConfigError


def test_credentials_when_in_the_environment_then_they_are_read_by_prefix() -> None:
    environment = {"DESK_USERNAME": "desk-1", "DESK_PASSWORD": "not a real one", "OTHER_PASSWORD": "no"}
    assert read_credentials("DESK", environment) == Credentials("desk-1", "not a real one")
    assert read_credentials("SLIPSTREAM_FIX", environment) == Credentials("", "")


def test_credentials_when_in_a_file_then_its_line_end_is_not_a_part_of_them(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("not a real one\n")
    assert read_credentials("D", {"D_PASSWORD_FILE": str(secret)}) == Credentials("", "not a real one")


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "No such file"), (b"", "is empty"), (b"\xff", "not ASCII"), (b"a\x01b", "carry")],
)
def test_file_when_it_cannot_be_used_then_the_error_names_it(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    secret = tmp_path / "password"
    if content is not None:
        secret.write_bytes(content)
    with pytest.raises(FixConfigError, match=rf"D_PASSWORD_FILE .*password: .*{reason}"):
        read_credentials("D", {"D_PASSWORD_FILE": str(secret)})


def test_secret_when_it_cannot_be_used_or_is_shown_then_it_is_not_told() -> None:
    with pytest.raises(FixConfigError) as error:
        read_credentials("D", {"D_PASSWORD": "s3cret\x01"})
    assert "s3cret" not in str(error.value)
    with pytest.raises(FixConfigError, match="both set") as error:
        read_credentials("D", {"D_PASSWORD": "s3cret", "D_PASSWORD_FILE": "x"})
    assert "s3cret" not in repr(Credentials("desk", "s3cret"))
