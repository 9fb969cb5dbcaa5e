"""What happens to sequence numbers and orders when either side goes away, and when our own code fails."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from service.fix import session
from service.fix.messages import ExecutionReport, FixConfigError, FixSendError, Malformed, Report
from service.fix.session import FixSession
from tests.integration.fix.broker import PATIENCE, Broker, Desk, config_for, free_port
from tests.integration.fix.test_session import CANCEL, STATUS
from tests.unit.fix.support import INSTRUMENTS, new_order, replace_order

ORDER = {"11": "O-1", "55": "AURA", "54": "1"}


async def test_counterparty_when_killed_then_we_reconnect_and_numbers_go_on(
    tmp_path: Path, broker: Broker
) -> None:
    async with Desk(config_for(tmp_path, broker.port)).trading(broker) as desk:
        desk.session.send(new_order("O-1"))
        await broker.expect("app", "D")
        before = desk.session.expected
        await broker.kill()
        await desk.state(False)
        await broker.start()
        await desk.state(True)
        await broker.expect("logon")
        after = desk.session.expected
        assert after[0] > before[0]
        assert after[1] > before[1]
        desk.session.send(new_order("O-2"))
        order = await broker.expect("app", "D")
        assert order["11"] == "O-2"
        assert int(order["34"]) >= after[0]


async def test_order_when_the_session_is_down_then_it_raises_and_never_goes_out(
    tmp_path: Path, broker: Broker
) -> None:
    async with Desk(config_for(tmp_path, broker.port)).trading(broker) as desk:
        await broker.kill()
        await desk.state(False)
        with pytest.raises(FixSendError, match="not logged on"):
            desk.session.send(new_order("O-1"))
        await broker.start()
        await desk.state(True)
        await broker.expect("logon")
        desk.session.send(new_order("O-2"))
        assert (await broker.expect("app"))["11"] == "O-2"
    assert not [fields for _, fields in broker.seen if fields.get("11") == "O-1"]


async def test_counterparty_when_it_asks_for_orders_again_then_the_engine_fills_the_gap(
    tmp_path: Path, broker: Broker
) -> None:
    async with Desk(config_for(tmp_path, broker.port)).trading(broker) as desk:
        for request in (new_order("O-1"), CANCEL, STATUS):
            desk.session.send(request)
            await broker.expect("app")
        await broker.do("forget", **{"from": "2"})
        await broker.do("disconnect")
        await desk.state(False)
        await desk.state(True)
        await broker.expect("sent", "2")
        gap = await broker.expect("admin", "4")
        assert (gap["34"], gap["43"], gap["123"]) == ("2", "Y", "Y")
        assert 5 < int(gap["36"]) < desk.session.expected[0]
        desk.session.send(new_order("O-3"))
        assert (await broker.expect("app"))["11"] == "O-3"
    assert [fields["11"] for event, fields in broker.seen if event == "app"] == ["O-1", "O-2", "O-1", "O-3"]


async def test_order_when_the_counterparty_asks_for_it_in_mid_session_then_its_outcome_is_unknown(
    tmp_path: Path, broker: Broker
) -> None:
    async with Desk(config_for(tmp_path, broker.port)).trading(broker) as desk:
        desk.session.send(new_order("O-1"))
        await broker.expect("app", "D")
        desk.session.send(CANCEL)
        cancel = await broker.expect("app", "F")
        await broker.send(f"35=2|7={int(cancel['34']) - 1}|16=0")
        unknown = await desk.report()
        assert desk.session.logged_on
    assert isinstance(unknown, Malformed)
    assert unknown.cl_ord_id == "O-1"
    assert "whether it was processed is unknown" in unknown.reason
    assert [fields["11"] for event, fields in broker.seen if event == "app"] == ["O-1", "O-2"]


async def test_numbers_when_reset_on_logon_then_a_reject_names_the_order_of_this_connection(
    tmp_path: Path, broker: Broker
) -> None:
    async with Desk(config_for(tmp_path, broker.port, reset_on_logon=True)).trading(broker) as desk:
        for number in range(3):
            desk.session.send(new_order(f"OLD-{number}"))
            await broker.expect("app", "D")
        await broker.do("disconnect")
        await desk.state(False)
        await desk.state(True)
        desk.session.send(new_order("NEW"))
        order = await broker.expect("app", "D")
        assert int(order["34"]) < 5
        await broker.send("35=3|45=5|372=D|373=5")
        await broker.send(f"35=3|45={order['34']}|372=D|373=5")
        assert ((await desk.report()).cl_ord_id, (await desk.report()).cl_ord_id) == ("", "NEW")


async def test_our_process_when_restarted_then_numbers_go_on_and_missed_reports_come(
    tmp_path: Path, broker: Broker
) -> None:
    config = config_for(tmp_path, broker.port)
    async with Desk(config).trading(broker) as desk:
        desk.session.send(new_order("O-1"))
        order = await broker.expect("app", "D")
        await broker.report(order, "0", "0")
        await desk.report()
        before = desk.session.expected
    await broker.expect("logout")
    await broker.report(order, "F", "2", "17=X-1|32=100|31=187.25|14=100|151=0")
    async with Desk(config).trading(broker) as desk:
        fill = await desk.report()
        assert desk.session.expected[0] > before[0] > 2
    assert isinstance(fill, ExecutionReport)
    assert (fill.exec_id, fill.poss_dup) == ("X-1", True)


async def test_reports_when_taken_but_not_recorded_before_a_crash_then_they_are_sent_again(
    tmp_path: Path, broker: Broker
) -> None:
    config = config_for(tmp_path, broker.port)
    async with Desk(config).trading(broker) as desk:
        desk.session.send(new_order("O-1"))
        order = await broker.expect("app", "D")
        await broker.report(order, "0", "0")
        await broker.report(order, "F", "2", "17=X-1|32=100|31=187.25|14=100|151=0")
        recorded = await desk.report()
        await desk.report()
    async with Desk(config).trading(broker, expect_from=recorded.seq + 1) as desk:
        again = await desk.report()
    assert isinstance(again, ExecutionReport)
    assert (again.exec_id, again.poss_dup, again.seq) == ("X-1", True, recorded.seq + 1)


async def test_silence_when_the_counterparty_stops_then_it_is_tested_and_given_up(
    tmp_path: Path, broker: Broker
) -> None:
    async with Desk(config_for(tmp_path, broker.port, heartbeat=1)).trading(broker) as desk:
        await broker.expect("admin", "0")
        assert broker._process is not None
        os.kill(broker._process.pid, signal.SIGSTOP)
        try:
            assert await desk.state(False) == "disconnected"
            with pytest.raises(FixSendError, match="not logged on"):
                desk.session.send(new_order())
        finally:
            os.kill(broker._process.pid, signal.SIGCONT)
        await broker.expect("admin", "1")
        await desk.state(True)


async def test_test_request_when_it_comes_then_the_heartbeat_answers_it(
    tmp_path: Path, broker: Broker
) -> None:
    async with Desk(config_for(tmp_path, broker.port)).trading(broker):
        await broker.send("35=1|112=are you there")
        assert (await broker.expect("admin", "0"))["112"] == "are you there"


async def test_line_when_it_is_cut_right_after_it_came_back_then_it_stays_cut_for_as_long_as_was_said(
    tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_FIRST_PATIENCE", 1.0)
    async with Desk(config_for(tmp_path, broker.port)).trading(broker) as desk:
        await broker.do("disconnect")  # somebody looks after a while whether the session is up again
        await desk.state(False)
        await desk.state(True)
        dropped = asyncio.create_task(desk.session.drop(4.0))
        assert await desk.state(False) == "the line was cut for 4 s"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(desk.states.get(), 3.0)
        await dropped
        await desk.state(True)
        await broker.do("disconnect")
        await desk.state(False)
        await desk.state(True)


async def test_logout_when_the_counterparty_sends_it_then_its_reason_is_told(
    tmp_path: Path, broker: Broker
) -> None:
    async with Desk(config_for(tmp_path, broker.port)).trading(broker) as desk:
        await broker.do("logout", reason="closing time")
        assert await desk.state(False) == "counterparty logged out: closing time"


async def test_sequence_number_when_too_low_for_the_counterparty_then_the_reason_is_told(
    tmp_path: Path, broker: Broker
) -> None:
    desk = Desk(config_for(tmp_path, broker.port))
    await broker.do("forget", **{"from": "50"})
    await desk.session.start()
    assert "MsgSeqNum too low" in await desk.state(False)
    await desk.session.stop()


async def test_report_handler_when_it_raises_then_trading_stops_loudly_and_cancels_still_go(
    tmp_path: Path, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk(config_for(tmp_path, broker.port))
    handled = desk.on_report

    def fail_on_fills(report: Report) -> None:
        if isinstance(report, ExecutionReport) and report.exec_type == "F":
            raise ZeroDivisionError("a bug of ours")
        handled(report)

    desk.session._on_report = fail_on_fills
    async with desk.trading(broker):
        await broker.report(ORDER, "F", "1", "32=60|31=187.25|14=60|151=40")
        await broker.report(ORDER, "6", "6", "14=60|151=40")
        assert "stopped trading: message: ZeroDivisionError: a bug of ours" in await desk.state(False)
        assert isinstance(await desk.report(), ExecutionReport)
        for order in (new_order(), replace_order()):
            with pytest.raises(FixSendError, match="takes no orders: message: ZeroDivisionError"):
                desk.session.send(order)
        desk.session.send(CANCEL)
        assert (await broker.expect("app"))["35"] == "F"
        desk.session.send(STATUS)
        assert (await broker.expect("app"))["35"] == "H"
    assert "stopped trading" in caplog.text


async def test_orders_when_too_many_are_unanswered_then_one_more_is_refused_but_no_cancel(
    tmp_path: Path, broker: Broker
) -> None:
    async with Desk(config_for(tmp_path, broker.port, max_outstanding=2)).trading(broker) as desk:
        desk.session.send(new_order("O-1"))
        desk.session.send(new_order("O-9"))
        with pytest.raises(FixSendError, match="2 orders are unanswered; the limit is 2"):
            desk.session.send(new_order("O-10"))
        desk.session.send(CANCEL)
        await broker.report(await broker.expect("app", "D"), "0", "0")
        await desk.report()
        desk.session.send(new_order("O-11"))
        assert desk.session.outstanding == 2


async def test_session_when_it_is_live_already_then_a_second_is_refused(
    tmp_path: Path, broker: Broker
) -> None:
    config = config_for(tmp_path, broker.port)
    async with Desk(config).trading(broker):
        with pytest.raises(FixConfigError, match="live in this process already"):
            await Desk(config).session.start()
    async with Desk(config).trading(broker):
        pass


async def test_store_when_another_process_works_on_it_then_start_is_refused(
    tmp_path: Path, broker: Broker
) -> None:
    config = config_for(tmp_path, broker.port)
    config.store_dir.mkdir(parents=True)
    lock = config.store_dir / "session.lock"
    script = (
        "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX);"
        "print('locked', flush=True); sys.stdin.read()"
    )
    holder = await asyncio.create_subprocess_exec(
        "python3", "-c", script, str(lock), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    await holder.stdout.readline()
    with pytest.raises(FixConfigError, match="another process works on"):
        await Desk(config).session.start()
    holder.kill()
    await holder.communicate()
    async with Desk(config).trading(broker):
        pass


async def test_stop_when_the_counterparty_is_frozen_then_it_ends_in_time(
    tmp_path: Path, broker: Broker
) -> None:
    desk = Desk(config_for(tmp_path, broker.port, stop_timeout=8.0))
    async with desk.trading(broker):
        assert broker._process is not None
        os.kill(broker._process.pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(PATIENCE):
                await desk.session.stop()
        finally:
            os.kill(broker._process.pid, signal.SIGCONT)
        with pytest.raises(FixSendError, match="stopping"):
            desk.session.send(new_order())


async def test_session_when_nobody_listens_then_it_starts_refuses_orders_and_stops(tmp_path: Path) -> None:
    session = FixSession(
        config_for(tmp_path, free_port()),
        instruments=INSTRUMENTS,
        on_report=lambda report: None,
        on_session=lambda up, why: None,
    )
    await session.start()
    assert not session.logged_on
    with pytest.raises(FixSendError, match="not logged on"):
        session.send(new_order())
    await session.stop()


async def test_both_sides_when_each_has_missed_something_then_they_are_level_after_another_test_request(
    tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after SIGKILL: ours asks again, theirs fill the gap with whatever they answered within it."""
    monkeypatch.setattr(session, "_TEST_AGAIN", (0.1, 0.2, 0.5, 1.0, 2.0, 3600.0))
    config = config_for(tmp_path, broker.port)
    async with Desk(config).trading(broker) as desk:
        desk.session.send(new_order("O-1"))
        order = await broker.expect("app", "D")
        await broker.report(order, "0", "0")
        recorded = await desk.report()
        await broker.do("disconnect")
        await desk.state(False)
    for number in (1, 2):
        await broker.report(order, "F", "1", f"17=X-{number}|32=10|31=187.25|14={number}0|151=80")
    desk = Desk(config)
    await desk.session.start(expect_from=recorded.seq + 1, send_from=50_000)
    try:
        await desk.state(True)
    finally:
        await desk.session.stop()
