"""Numbers of the FIX session are on disk before they are used, whatever uses them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.fix.messages import ExecutionReport
from service.gateway.core import Core
from service.gateway.inputs import DropCopy
from service.gateway.journal import open_journal
from service.gateway.numbers import BLOCK, SenderNumbers
from service.gateway.shell import Recovery
from service.model.orders import OrdStatus
from tests.unit.gateway.test_shell import Gateway


class Session:
    """What is needed of a FIX session: its next number, where it ended, and what its numbers count from."""

    def __init__(self) -> None:
        self.expected = (1, 1)
        self.ended_at = 0
        self.numbering = "monday"


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    built = Gateway(tmp_path / "gateway.journal")
    yield built
    await built.journal.close()


def numbers(gateway: Gateway, session: Session, *, kept: bool = True) -> SenderNumbers:
    return SenderNumbers(gateway.shell, session, kept=kept)  # type: ignore[arg-type]


async def on_disk(gateway: Gateway) -> int:
    """What a gateway that starts now knows."""
    await gateway.synced()
    core = Core()
    fold = Recovery(core)
    await gateway.journal.close()
    gateway.journal = open_journal(gateway.path, fold.take)
    gateway.journal.start(on_synced=lambda _: None, on_failed=pytest.fail)
    return core.state.unused_from


async def test_the_first_life_reserves_a_block_and_leaves_the_store_as_it_is(gateway: Gateway) -> None:
    assert numbers(gateway, Session()).begin() is None
    assert await on_disk(gateway) == 1 + BLOCK


async def test_a_life_that_was_cut_short_is_followed_above_its_block(gateway: Gateway) -> None:
    numbers(gateway, Session()).begin()
    assert numbers(gateway, Session()).begin() == 1 + BLOCK
    assert await on_disk(gateway) == 1 + 2 * BLOCK


async def test_a_life_that_ended_in_good_order_gives_back_what_it_did_not_use(gateway: Gateway) -> None:
    session = Session()
    kept = numbers(gateway, session)
    kept.begin()
    session.ended_at = 321
    kept.end()
    assert numbers(gateway, Session()).begin() == 321


async def test_a_session_that_was_not_taken_down_gives_nothing_back(gateway: Gateway) -> None:
    kept = numbers(gateway, Session())
    kept.begin()
    kept.end()
    assert await on_disk(gateway) == 1 + BLOCK


async def test_the_next_block_is_reserved_when_half_of_one_is_left(gateway: Gateway) -> None:
    session = Session()
    kept = numbers(gateway, session)
    kept.begin()
    session.expected = (1 + BLOCK // 2, 1)
    before = gateway.shell.seq
    kept.check()
    assert gateway.shell.seq == before
    session.expected = (2 + BLOCK // 2, 1)
    kept.check()
    kept.check()
    assert gateway.shell.seq == before + 1
    assert await on_disk(gateway) == 2 + BLOCK // 2 + BLOCK


async def test_a_store_that_is_ahead_of_a_new_journal_is_caught_up_with(gateway: Gateway) -> None:
    session = Session()
    session.expected = (7 * BLOCK, 1)
    kept = numbers(gateway, session)
    kept.begin()
    kept.check()
    assert await on_disk(gateway) == 8 * BLOCK


async def test_where_numbers_start_anew_at_every_logon_there_is_nothing_to_reserve(gateway: Gateway) -> None:
    before = gateway.shell.seq
    session = Session()
    session.expected, session.ended_at = (BLOCK, 1), 5
    kept = numbers(gateway, session, kept=False)
    assert kept.begin() is None
    kept.check()
    kept.end()
    assert gateway.shell.seq == before


# The counterparty's numbers


async def test_what_was_taken_and_is_not_on_record_is_asked_for_again(gateway: Gateway) -> None:
    kept = numbers(gateway, Session())
    assert kept.expect_from is None
    kept.numbered("monday")
    told(gateway, seq=41)
    assert kept.expect_from == 42


async def test_once_numbers_have_begun_anew_the_old_ones_count_for_nothing(gateway: Gateway) -> None:
    session = Session()
    kept = numbers(gateway, session)
    kept.numbered("monday")
    told(gateway, seq=41)
    session.numbering = "tuesday"
    kept.numbered("tuesday")
    assert kept.expect_from == 1
    told(gateway, seq=2)
    assert kept.expect_from == 3


@pytest.mark.parametrize("drop_copy", [False, True])
async def test_what_the_first_connection_of_all_brought_is_asked_for_again_if_nothing_of_it_is_on_record(
    gateway: Gateway, drop_copy: bool
) -> None:
    """The gateway was killed, or its disk was full, before even the logon was on record."""
    session = Session()
    session.numbering = ""
    kept = SenderNumbers(gateway.shell, session, kept=True, drop_copy=drop_copy)  # type: ignore[arg-type]
    kept.begin()
    assert kept.expect_from is None, "a store that is new begins at 1 by itself"
    session.numbering = "monday"
    assert kept.expect_from == 1
    kept.numbered("monday")
    told(gateway, seq=7, drop_copy=drop_copy)
    assert kept.expect_from == 8


async def test_a_new_journal_beside_an_old_store_does_not_ask_for_what_was_before_it(
    gateway: Gateway,
) -> None:
    kept = numbers(gateway, Session())
    kept.begin()
    assert kept.expect_from is None


@pytest.mark.parametrize("drop_copy", [False, True])
async def test_numbers_that_began_anew_unseen_are_asked_for_from_the_first(
    gateway: Gateway, drop_copy: bool
) -> None:
    """The gateway was killed before anything of the new numbering was on record."""
    session = Session()
    kept = SenderNumbers(gateway.shell, session, kept=True, drop_copy=drop_copy)  # type: ignore[arg-type]
    kept.numbered("monday")
    told(gateway, seq=41, drop_copy=drop_copy)
    assert kept.expect_from == 42
    session.numbering = "tuesday"
    assert kept.expect_from == 1


async def test_the_drop_copy_has_a_block_of_its_own(gateway: Gateway) -> None:
    trading, copied = Session(), Session()
    numbers(gateway, trading).begin()
    kept = SenderNumbers(gateway.shell, copied, kept=True, drop_copy=True)  # type: ignore[arg-type]
    assert kept.begin() is None
    copied.ended_at = 77
    kept.end()
    state = gateway.shell.core.state
    assert (state.drop_copy.unused_from, state.unused_from) == (77, 1 + BLOCK)
    assert await on_disk(gateway) == 1 + BLOCK


async def test_what_the_numbers_count_from_is_put_on_record_once(gateway: Gateway) -> None:
    kept = numbers(gateway, Session())
    kept.numbered("monday")
    before = gateway.shell.seq
    kept.numbered("monday")
    assert gateway.shell.seq == before


async def test_a_journal_from_before_this_was_kept_goes_on_from_its_newest_report(gateway: Gateway) -> None:
    kept = numbers(gateway, Session())
    told(gateway, seq=41)
    assert kept.expect_from == 42
    kept.numbered("monday")
    assert kept.expect_from == 42


async def test_where_numbers_begin_anew_at_every_logon_nothing_is_asked_for(gateway: Gateway) -> None:
    kept = numbers(gateway, Session(), kept=False)
    kept.numbered("monday")
    told(gateway, seq=41)
    assert kept.expect_from is None
    assert gateway.shell.core.state.numbering == ""


def told(gateway: Gateway, *, seq: int, drop_copy: bool = False) -> None:
    """A report with this MsgSeqNum."""
    report = ExecutionReport(
        seq=seq, exec_id=f"E{seq}", exec_type="0", ord_status=OrdStatus.NEW, symbol="AURA", order_id="B1"
    )
    gateway.shell.feed(DropCopy(report=report) if drop_copy else report)
