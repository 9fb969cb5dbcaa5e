"""Session hours against a real acceptor: they end while we trade, and begin while we wait."""

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from service.fix.messages import FixSendError
from service.fix.schedule import DAYS
from tests.integration.fix.broker import Broker, Desk, config_for, until
from tests.unit.fix.support import new_order


def clock(seconds_from_now: float) -> str:
    return datetime.fromtimestamp(time.time() + seconds_from_now, UTC).strftime("%H:%M:%S")


async def test_hours_when_they_end_then_we_log_out_say_so_once_and_try_nothing(
    tmp_path: Path, broker: Broker
) -> None:
    hours = {"start_time": clock(-3600), "end_time": clock(10)}
    desk = Desk(config_for(tmp_path, broker.port, **hours))
    await desk.session.start()
    try:
        await desk.state(True)
        assert "outside session hours; they begin" in await desk.state(False)
        with pytest.raises(FixSendError, match="not logged on"):
            desk.session.send(new_order())
        await broker.expect("admin", "5")
        await broker.expect("logout")
        await until(lambda: desk.session.expected == (0, 0))
        assert desk.session.closed
        assert desk.states.empty()
    finally:
        await desk.session.stop()
    assert [event for event, _ in broker.seen].count("logon") == 1
    assert desk.states.empty()


async def test_hours_when_they_begin_then_we_log_on_by_ourselves(tmp_path: Path, broker: Broker) -> None:
    hours = {"start_time": clock(3), "end_time": clock(3600)}
    desk = Desk(config_for(tmp_path, broker.port, **hours))
    await desk.session.start()
    try:
        assert "outside session hours; they begin" in await desk.state(False)
        await desk.state(True)
        desk.session.send(new_order())
        assert (await broker.expect("app", "D"))["11"] == "O-1"
        assert not desk.session.fault
    finally:
        await desk.session.stop()


async def test_day_when_it_is_not_one_of_the_days_then_nothing_connects(
    tmp_path: Path, broker: Broker
) -> None:
    later = DAYS[(datetime.now(UTC).weekday() + 3) % 7]
    desk = Desk(config_for(tmp_path, broker.port, days=(later,)))
    await desk.session.start()
    assert f"they begin {later.capitalize()}" in await desk.state(False)
    assert desk.session.expected == (0, 0)
    await desk.session.stop()
    assert [event for event, _ in broker.seen if event == "logon"] == []
