"""Numbers of the FIX session are on disk before they are used, whatever uses them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.gateway.core import Core
from service.gateway.journal import open_journal
from service.gateway.numbers import BLOCK, SenderNumbers
from service.gateway.shell import Recovery
from tests.unit.gateway.test_shell import Gateway


class Session:
    """What is needed of a FIX session: its next number, and where it ended."""

    def __init__(self) -> None:
        self.expected = (1, 1)
        self.ended_at = 0


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
