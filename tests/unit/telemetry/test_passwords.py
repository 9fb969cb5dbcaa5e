"""The message log keeps its length and every other byte."""

import logging
from pathlib import Path

import pytest

from service.telemetry.passwords import hide_passwords

LOGON = (
    "20261121-10:00:00 : 8=FIX.4.4\x019=90\x0135=A\x01553=desk-1\x01554={}\x01925={}\x01108=30\x0110=1\x01\n"
)
ORDER = "20261121-10:00:01 : 8=FIX.4.4\x019=80\x0135=D\x0111=1554=x\x0158=554=word\x0110=2\x01\n"


def test_passwords_when_messages_have_them_then_those_bytes_alone_are_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "messages.log"
    path.write_text(ORDER + LOGON.format("first", "2nd") + ORDER + LOGON.format("a=b *", "c"))
    hide_passwords(path)
    assert path.read_text() == ORDER + LOGON.format("*****", "***") + ORDER + LOGON.format("*****", "*")


def test_passwords_when_a_process_died_while_it_wrote_one_then_its_part_is_overwritten(
    tmp_path: Path,
) -> None:
    path = tmp_path / "messages.log"
    path.write_text("8=FIX.4.4\x0135=A\x01554=hal")
    hide_passwords(path)
    assert path.read_text() == "8=FIX.4.4\x0135=A\x01554=***"


def test_passwords_when_the_log_is_long_then_what_came_last_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "messages.log"
    path.write_text(ORDER * 20_000 + LOGON.format("word", "new"))
    hide_passwords(path)
    assert path.read_text() == ORDER * 20_000 + LOGON.format("****", "***")


def test_passwords_when_another_writes_to_the_log_then_nothing_of_it_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "messages.log"
    with path.open("a") as engine:
        engine.write(LOGON.format("word", "new"))
        engine.flush()
        hide_passwords(path)
        engine.write(ORDER)
    assert path.read_text() == LOGON.format("****", "***") + ORDER


def test_passwords_when_there_is_no_log_or_none_that_can_be_written_then_that_is_lived_with(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        hide_passwords(tmp_path / "messages.log")
        assert not caplog.records
        hide_passwords(tmp_path)
    assert "do so by hand" in caplog.text
