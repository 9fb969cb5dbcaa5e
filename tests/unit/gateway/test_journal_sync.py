"""How the journal waits for its disk: patiently while it is quick, not at all once it is slow, and never past
a failure.
"""

import asyncio
import errno
import os
import queue
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from service.gateway import journal as module
from service.gateway.journal import Journal, open_journal, payloads

PATIENT = 10.0
"""Seconds: a patience that no busy machine exceeds by chance."""


class Disk:
    """Stands in front of ``fdatasync``: counts, and does first what a test says."""

    def __init__(self) -> None:
        self.syncs = 0
        self.before: Callable[[], None] = lambda: None
        self._real = os.fdatasync

    def fdatasync(self, fd: int) -> None:
        self.syncs += 1
        self.before()
        self._real(fd)


class Kept:
    """A started journal and what it told, in order."""

    def __init__(self, path: Path, disk: Disk) -> None:
        self.disk = disk
        self.journal: Journal = open_journal(path, lambda _: None)
        self.synced: list[int] = []
        self.failed: list[str] = []
        self.journal.start(on_synced=self.synced.append, on_failed=self.failed.append)

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.001)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    made = Disk()
    monkeypatch.setattr(module.os, "fdatasync", made.fdatasync)
    return made


@pytest.fixture
async def kept(tmp_path: Path, disk: Disk) -> AsyncIterator[Kept]:
    made = Kept(tmp_path / "gateway.journal", disk)
    yield made
    disk.before = lambda: None
    await made.journal.close()


async def test_a_quick_sync_is_told_within_the_turn_that_asked_for_it(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", PATIENT)
    end = kept.journal.append(b"order", sync=True)
    await asyncio.sleep(0)
    assert kept.synced == [end]
    assert kept.journal.synced == end


async def test_a_quick_sync_that_is_flushed_is_told_at_once(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", PATIENT)
    end = kept.journal.append(b"order", sync=True)
    kept.journal.flush()
    assert kept.synced == [end]


async def test_a_slow_sync_holds_the_loop_no_longer_than_its_patience_and_is_told_by_a_callback(
    kept: Kept,
) -> None:
    gate = threading.Event()
    kept.disk.before = lambda: _wait(gate)
    end = kept.journal.append(b"order", sync=True)
    await asyncio.sleep(0)  # the loop was patient, in vain, and goes on
    assert kept.synced == []
    assert kept.journal.synced < end
    gate.set()
    await kept.until(lambda: kept.synced)
    assert kept.synced == [end]


async def test_once_the_disk_was_slow_the_loop_does_not_wait_until_it_is_quick_again(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.0)
    first = kept.journal.append(b"slow", sync=True)
    await kept.until(lambda: kept.journal.synced == first)
    monkeypatch.setattr(module, "_PATIENCE", PATIENT)
    gate = threading.Event()
    kept.disk.before = lambda: _wait(gate)
    began = time.monotonic()
    second = kept.journal.append(b"not waited for", sync=True)
    await asyncio.sleep(0)
    assert time.monotonic() - began < PATIENT / 2
    assert kept.journal.synced == first
    gate.set()
    await kept.until(lambda: kept.journal.synced == second)
    kept.disk.before = lambda: None
    third = kept.journal.append(b"quick again", sync=True)
    await asyncio.sleep(0)
    assert kept.synced == [first, second, third]


async def test_a_sync_that_ends_just_as_patience_does_is_told_once(kept: Kept) -> None:
    """The thread hands its result over, and the loop gives up waiting for it, at the same instant."""

    class Race(queue.SimpleQueue[int]):
        def get(self, block: bool = True, timeout: float | None = None) -> int:
            del block, timeout
            while self.empty():
                time.sleep(0.0001)
            self.get = super().get
            module_time[0] += PATIENT  # patience is over
            raise queue.Empty

    module_time = [0.0]
    kept.journal._hurried = Race()
    kept.journal._quick = True
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "_PATIENCE", PATIENT)
        patched.setattr(module.time, "monotonic", _shifted(module_time))
        end = kept.journal.append(b"order", sync=True)
        await asyncio.sleep(0)
    assert kept.synced == [end]
    later = kept.journal.append(b"next", sync=True)
    await kept.until(lambda: kept.journal.synced == later)
    assert kept.synced == [end, later]


async def test_an_older_sync_that_is_told_late_takes_nothing_back(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A callback was on its way when the loop began to wait for a newer sync, which overtook it."""
    scheduled = threading.Event()
    real = kept.journal._call

    def call(function: Callable[..., None], argument: int | str) -> None:
        real(function, argument)
        scheduled.set()

    monkeypatch.setattr(kept.journal, "_call", call)
    monkeypatch.setattr(module, "_PATIENCE", PATIENT)
    first = kept.journal.append(b"report", sync=False)
    await asyncio.sleep(0)
    kept.journal.sync()
    _wait(scheduled)  # without giving the loop a turn
    second = kept.journal.append(b"order", sync=True)
    kept.journal._turn_over()
    assert kept.journal.synced == second
    for _ in range(5):
        await asyncio.sleep(0)
    assert kept.journal.synced == second
    assert kept.synced == sorted(kept.synced)
    assert first < second


async def test_a_disk_that_fails_while_the_loop_waits_is_told_once_and_nothing_counts_as_synced(
    kept: Kept,
) -> None:
    def breaks() -> None:
        raise OSError(errno.EIO, "Input/output error")

    kept.disk.before = breaks
    before = kept.journal.synced
    kept.journal.append(b"order", sync=True)
    await kept.until(lambda: kept.failed)
    kept.journal.append(b"more", sync=True)
    kept.journal.sync()
    await asyncio.sleep(0.01)
    assert len(kept.failed) == 1
    assert "Input/output error; no new order is sent" in kept.failed[0]
    assert kept.synced == []
    assert kept.journal.synced == before


async def test_a_write_that_fails_does_not_make_the_loop_wait(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", PATIENT)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(module, "_write", full)
        began = time.monotonic()
        kept.journal.append(b"order", sync=True)
        await asyncio.sleep(0)
    assert time.monotonic() - began < PATIENT / 2
    assert len(kept.failed) == 1
    assert "No space left" in kept.failed[0]


async def test_close_syncs_what_nobody_waited_for(tmp_path: Path, disk: Disk) -> None:
    kept = Kept(tmp_path / "gateway.journal", disk)
    kept.journal.append(b"report", sync=False)
    await kept.journal.close()
    assert disk.syncs == 1
    assert list(payloads(tmp_path / "gateway.journal")) == [b"report"]


def _wait(gate: threading.Event) -> None:
    assert gate.wait(20)


def _shifted(by: list[float]) -> Callable[[], float]:
    real = time.monotonic
    return lambda: real() + by[0]
