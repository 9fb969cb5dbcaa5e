"""The callbacks' own guard: whatever goes wrong inside one, nothing but DoNotSend comes out."""

import logging
import time

import pytest
import quickfix

from service.fix.credentials import Credentials
from service.fix.engine import Happened, _Application

NOBODY = Credentials("", "")


def message(fields: str) -> quickfix.Message:
    return quickfix.Message(f"8=FIX.4.4|9=0|{fields}|10=000|".replace("|", "\x01"), False)


@pytest.fixture
def told() -> list[Happened]:
    return []


@pytest.fixture
def application(told: list[Happened]) -> _Application:
    return _Application(told.append, NOBODY)


@pytest.mark.parametrize("callback", ["fromApp", "fromAdmin", "toAdmin"])
def test_callback_when_it_fails_then_the_fault_is_told_and_nothing_raised(
    application: _Application, told: list[Happened], callback: str
) -> None:
    getattr(application, callback)(None, None)
    assert [what.kind for what in told] == ["fault"]
    assert told[0].text.startswith(f"{callback}: AttributeError")


def test_to_app_when_it_fails_then_the_message_is_held_back_and_the_fault_told(
    application: _Application, told: list[Happened]
) -> None:
    with pytest.raises(quickfix.DoNotSend):
        application.toApp(None, None)
    assert told[0].text.startswith("toApp: AttributeError")


def test_to_app_when_the_message_is_a_resend_then_it_is_held_back(
    application: _Application, told: list[Happened]
) -> None:
    application.toApp(message("35=D|34=2|11=O-1"), None)
    with pytest.raises(quickfix.DoNotSend):
        application.toApp(message("35=D|34=2|43=Y|11=O-1"), None)
    assert told == []


def test_callbacks_when_nobody_can_be_told_then_it_is_logged_and_nothing_raised(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def closed(what: Happened) -> None:
        raise RuntimeError("Event loop is closed")

    application = _Application(closed, NOBODY)
    with caplog.at_level(logging.CRITICAL):
        application.fromApp(message("35=8|34=2|17=X-1"), None)
        application.onLogon(None)
        application.onLogout(None)
    assert len(caplog.records) == 3
    assert "X-1" in caplog.text


def test_logon_when_there_are_credentials_then_they_are_sent(application: _Application) -> None:
    plain, named = message("35=A|34=1|98=0|108=30"), message("35=A|34=1|98=0|108=30")
    application.toAdmin(plain, None)
    _Application(print, Credentials("desk-1", "not a real one")).toAdmin(named, None)
    assert not plain.isSetField(553)
    assert (named.getField(553), named.getField(554)) == ("desk-1", "not a real one")


def test_logon_when_the_dialect_has_fields_of_its_own_then_they_are_sent_and_in_no_other_message() -> None:
    logon, heartbeat = message("35=A|34=1|98=0|108=30"), message("35=0|34=2")
    asking = _Application(print, Credentials("", ""), ((35002, "1"),))
    asking.toAdmin(logon, None)
    asking.toAdmin(heartbeat, None)
    assert logon.getField(35002) == "1"
    assert not heartbeat.isSetField(35002)


def test_logout_when_both_sides_say_something_then_the_first_is_the_reason(
    application: _Application, told: list[Happened]
) -> None:
    application.fromAdmin(message("35=5|34=2|58=closing time"), None)
    application.toAdmin(message("35=5|34=2"), None)
    application.onLogout(None)
    application.onLogout(None)
    assert [what.text for what in told] == ["counterparty logged out: closing time", "disconnected"]


def test_messages_when_they_come_in_then_their_times_are_kept_until_somebody_asks(
    application: _Application,
) -> None:
    application.fromApp(message("35=8|34=2|52=20261121-18:00:00.125|17=X-1"), None)
    application.fromAdmin(message("35=0|34=3|52=20261121-18:00:01"), None)
    application.fromAdmin(message("35=0|34=4"), None)
    assert [text for text, _ in application.heard] == ["20261121-18:00:00.125", "20261121-18:00:01"]
    arrived = [at for _, at in application.heard]
    assert arrived == sorted(arrived)
    for _ in range(300):
        application.fromAdmin(message("35=0|34=2|52=20261121-18:00:02"), None)
    assert len(application.heard) == 256


def test_reports_when_many_come_at_once_then_the_times_of_some_are_kept_and_all_are_told(
    application: _Application, told: list[Happened]
) -> None:
    began = time.monotonic()
    for number in range(200):
        application.fromApp(message(f"35=8|34={number + 1}|52=20261121-18:00:01|17=X-{number}"), None)
    most = 1 + int((time.monotonic() - began) / 0.01)
    assert 1 <= len(application.heard) <= most
    assert len(told) == 200


def test_application_when_cut_off_then_reports_still_arrive_but_no_session_news(
    application: _Application, told: list[Happened]
) -> None:
    application.live = False
    application.onLogon(None)
    application.onLogout(None)
    application.fromApp(message("35=8|34=2|17=X-1"), None)
    assert [what.kind for what in told] == ["message"]
