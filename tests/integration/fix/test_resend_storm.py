"""The drill "resend storm": each side asks the other for messages again, and nothing comes of it.

The engine and the sockets are real; the counterparty is ``RawPeer``, which keeps asking, or never sends.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from service.fix import resend
from service.fix.messages import ExecutionReport, FixSendError
from tests.integration.fix.broker import Desk, config_for
from tests.integration.fix.raw import RawPeer
from tests.integration.fix.test_session import CANCEL
from tests.unit.fix.support import new_order

REPORT = {
    "35": "8", "37": "B-1", "17": "E-1", "150": "0", "39": "0", "11": "O-1", "55": "AURA", "54": "1",
    "14": "0", "151": "100", "6": "0",
}  # fmt: skip


@asynccontextmanager
async def level(tmp_path: Path, **changes: Any) -> AsyncIterator[tuple[Desk, RawPeer]]:
    """A desk that is logged on with a raw peer."""
    async with RawPeer() as peer:
        desk = Desk(config_for(tmp_path, peer.port, **changes))
        await desk.session.start()
        try:
            await desk.state(True)
            yield desk, peer
        finally:
            await desk.session.stop()


async def test_resend_storm_when_they_ask_without_end_then_answers_are_rare_and_a_person_is_told(
    tmp_path: Path,
) -> None:
    async with level(tmp_path) as (desk, peer):

        def ask_again(fields: dict[str, str]) -> None:
            if fields["35"] == "4" and "36" in fields:
                peer.send({"35": "2", "7": "1", "16": "0"})

        peer.on_message = ask_again
        peer.send({"35": "2", "7": "1", "16": "0"})
        await peer.until(lambda: len(peer.of("4")) > resend.FREE_ANSWERS + 3)
        code, detail = await desk.alarm()
        assert code == "RESEND_STORM"
        assert "asked 4 times for messages from MsgSeqNum 1 on" in detail
        # Cancels do not wait for it, and their reports are read.
        desk.session.send(CANCEL)
        await peer.until(lambda: bool(peer.of("F")))
        peer.send(REPORT)
        assert isinstance(await desk.report(), ExecutionReport)
        began, before = asyncio.get_running_loop().time(), len(peer.of("4"))
        code, detail = await desk.alarm()
        took, more = asyncio.get_running_loop().time() - began, len(peer.of("4")) - before
        assert code == "RESEND_GIVEN_UP"
        assert more <= took / resend.ANSWER_DELAY + 2
        with pytest.raises(FixSendError, match="what we send may not be read"):
            desk.session.send(new_order("O-9"))
        desk.session.send(CANCEL)
        await peer.until(lambda: len(peer.of("F")) == 2)
    assert peer.of("2") == [], "their requests are counted: nothing of theirs looks like a gap"


async def test_resend_storm_when_they_never_send_what_we_miss_then_we_ask_rarely_and_give_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resend, "_FIRST_DELAY", 0.3)
    monkeypatch.setattr(resend, "_LONGEST_DELAY", 0.6)
    async with level(tmp_path) as (desk, peer):
        peer.next_out += 5_000
        for _ in range(50):
            peer.send(REPORT)
        code, detail = await desk.alarm()
        assert code == "RESEND_GIVEN_UP"
        asked = peer.of("2")
        assert f"asked {resend.MOST_TRIES} times" in detail
        assert len(asked) == resend.MOST_TRIES
        assert {int(fields["16"]) - int(fields["7"]) for fields in asked} == {resend.LONGEST - 1}
        with pytest.raises(FixSendError, match="does not send MsgSeqNum 3 again"):
            desk.session.send(new_order())
        desk.session.send(CANCEL)
        await peer.until(lambda: bool(peer.of("F")))
    assert desk.reports.empty()


async def test_resend_when_the_gap_is_long_then_it_comes_in_pieces_and_ends_level(tmp_path: Path) -> None:
    missing = 2 * resend.LONGEST + 100
    async with level(tmp_path) as (desk, peer):
        first = peer.next_out

        def fill(fields: dict[str, str]) -> None:
            if fields["35"] == "2":
                begin, end = int(fields["7"]), int(fields["16"])
                peer.fill_gap(begin, min(end, first + missing - 1) + 1)

        peer.on_message = fill
        peer.next_out += missing
        peer.send(REPORT)
        report = await desk.report()
        assert isinstance(report, ExecutionReport)
        assert report.seq == first + missing
        desk.session.send(new_order())
        await peer.until(lambda: bool(peer.of("D")))
        assert not desk.session.fault
    assert [int(fields["7"]) - first for fields in peer.of("2")] == [0, resend.LONGEST, 2 * resend.LONGEST]


async def test_resend_when_every_connection_ends_over_it_then_connections_grow_rare(tmp_path: Path) -> None:
    async with level(tmp_path, reconnect_interval=3) as (desk, peer):
        peer.answers_tests = False
        peer.on_message = lambda fields: peer.hang_up() if fields["35"] == "2" else None
        peer.next_out += 10
        peer.send(REPORT)
        await desk.state(False)
        await peer.until(lambda: len(peer.of("2")) >= 3, patience=60.0)
        assert desk.session._catch_up.tries >= 3
        assert desk.session._catch_up.delay >= 8.0
        began, logons = asyncio.get_running_loop().time(), len(peer.of("A"))
        await peer.until(lambda: len(peer.of("A")) > logons, patience=60.0)
        assert asyncio.get_running_loop().time() - began >= 5.0
