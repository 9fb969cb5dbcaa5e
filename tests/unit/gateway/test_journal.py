"""The journal: what was synced is there again; a torn tail is cut off; a broken record stops everything."""

import asyncio
import mmap
import os
import resource
import struct
from pathlib import Path

import pytest

from service.gateway.journal import JournalError, open_journal, payloads

FRAME = struct.Struct("<4sIIQ")
HEADER = 16


async def write(path: Path, batches: list[list[bytes]]) -> list[int]:
    """Write payloads, synced batch by batch; returns the offset at which each begins."""
    journal = open_journal(path, lambda _: None)
    synced = asyncio.Event()
    journal.start(on_synced=lambda _: synced.set(), on_failed=pytest.fail)
    starts = []
    for batch in batches:
        synced.clear()
        for payload in batch:
            end = journal.append(payload, sync=True)
            starts.append(end - FRAME.size - len(payload))
        await asyncio.wait_for(synced.wait(), 10)
    await journal.close()
    return starts


def read(path: Path) -> list[bytes]:
    """Recover, as a gateway that starts does."""
    found: list[bytes] = []
    journal = open_journal(path, found.append)
    os.close(journal._fd)
    return found


def change(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def cut(path: Path, at: int) -> None:
    """Everything from ``at`` on was never written."""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(at)
        file.write(bytes(size - at))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal" / "gateway.journal"


async def test_what_was_written_is_there_again_in_order(path: Path) -> None:
    sent = [[b"a"], [b"b" * 5000, b""], [b"c"]]
    await write(path, sent)
    assert read(path) == [p for batch in sent for p in batch]


async def test_it_is_appended_to_over_lives(path: Path) -> None:
    await write(path, [[b"a"]])
    await write(path, [[b"b"]])
    await write(path, [[b"c"]])
    assert read(path) == [b"a", b"b", b"c"]


async def test_frames_of_one_turn_are_synced_together(path: Path) -> None:
    journal = open_journal(path, lambda _: None)
    done: list[int] = []
    journal.start(on_synced=done.append, on_failed=pytest.fail)
    ends = [journal.append(b"x" * 100, sync=True) for _ in range(50)]
    while not done:
        await asyncio.sleep(0)
    assert done == [ends[-1]]
    await journal.close()


async def test_what_nobody_waits_for_goes_with_the_next_sync(path: Path) -> None:
    journal = open_journal(path, lambda _: None)
    synced = asyncio.Event()
    journal.start(on_synced=lambda _: synced.set(), on_failed=pytest.fail)
    end = journal.append(b"report", sync=False)
    await asyncio.sleep(0.01)
    assert journal.synced < end
    journal.sync()
    await asyncio.wait_for(synced.wait(), 10)
    assert journal.synced == end
    await journal.close()


async def test_what_was_only_written_when_the_process_died_is_there(path: Path) -> None:
    """kill -9 loses no page of the system's cache."""
    journal = open_journal(path, lambda _: None)
    journal.start(on_synced=lambda _: None, on_failed=pytest.fail)
    journal.append(b"report", sync=False)
    while list(payloads(path)) != [b"report"]:
        await asyncio.sleep(0.001)
    await journal.close()


@pytest.mark.parametrize("kept", [0, 1, 4, 19, 20, 25, 29])
async def test_a_torn_tail_is_cut_off_with_a_warning(
    path: Path, kept: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The machine died while the third frame (20 bytes of head, 10 of payload) was being written."""
    starts = await write(path, [[b"one"], [b"two"], [b"0123456789"]])
    cut(path, starts[2] + kept)
    assert read(path) == [b"one", b"two"]
    assert bool(kept) == ("torn tail" in caplog.text)
    await write(path, [[b"three"]])
    assert read(path) == [b"one", b"two", b"three"]


async def test_a_torn_batch_whose_later_pages_reached_the_disk_first_is_cut_off(path: Path) -> None:
    starts = await write(path, [[b"one"], [b"two", b"three", b"four"]])
    change(path, starts[1] + FRAME.size, b"X")
    assert read(path) == [b"one"]
    assert read(path) == [b"one"]


async def test_a_corrupt_record_that_was_relied_on_refuses_to_start(path: Path) -> None:
    starts = await write(path, [[b"one"], [b"two"], [b"three"]])
    change(path, starts[1] + FRAME.size, b"X")
    before = path.read_bytes()
    with pytest.raises(JournalError, match=f"offset {starts[1]} is corrupt.*reconcile"):
        read(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("field", [0, 4, 8, 12])
async def test_a_flipped_bit_in_any_field_of_a_head_is_found(path: Path, field: int) -> None:
    starts = await write(path, [[b"one"], [b"two"], [b"three"]])
    at = starts[1] + field
    change(path, at, bytes([path.read_bytes()[at] ^ 0x01]))
    with pytest.raises(JournalError, match="corrupt"):
        read(path)


class Fenced(mmap.mmap):
    """Behind it there is nothing to read; some Pythons' ``find`` reads the byte behind what it searches."""

    def find(self, sub: bytes, start: int, end: int) -> int:  # type: ignore[override]
        assert end < len(self)
        return super().find(sub, start, end)


@pytest.mark.parametrize("size", [4096, 8 << 20])
async def test_a_journal_of_whole_pages_is_never_searched_to_its_very_end(
    path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(path, [[b"one"]])
    os.truncate(path, size)
    monkeypatch.setattr("service.gateway.journal.mmap.mmap", Fenced)
    assert list(payloads(path)) == [b"one"]


async def test_a_file_that_is_no_journal_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(JournalError, match="no journal of ours"):
        read(path)


async def test_a_second_gateway_is_refused(path: Path) -> None:
    first = open_journal(path, lambda _: None)
    with pytest.raises(JournalError, match="another gateway"):
        open_journal(path, lambda _: None)
    os.close(first._fd)
    read(path)


async def test_a_full_disk_is_told_once_and_nothing_waits_for_ever(path: Path) -> None:
    """``RLIMIT_FSIZE`` stands for the disk; SIGXFSZ is ignored by Python, so writes fail with EFBIG."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    journal = open_journal(path, lambda _: None)
    failed: list[str] = []
    journal.start(on_synced=lambda _: None, on_failed=failed.append)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
        for _ in range(20):
            journal.append(b"x" * 1000, sync=True)
            await asyncio.sleep(0)
        while not failed:
            await asyncio.sleep(0.001)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "File too large" in failed[0]
    assert "no new order is sent" in failed[0]
    end = journal.append(b"more", sync=True)
    assert journal.append(b"more", sync=True) == end
    journal.sync()
    await journal.close()
    assert len(failed) == 1
    whole = read(path)
    assert len(whole) < 5
    assert set(whole) <= {b"x" * 1000}


async def test_a_payload_too_large_for_a_frame_is_a_programming_error(path: Path) -> None:
    journal = open_journal(path, lambda _: None)
    with pytest.raises(JournalError, match="exceeds"):
        journal.append(bytes((16 << 20) + 1), sync=True)
    os.close(journal._fd)


async def test_an_error_of_the_reader_leaves_the_lock_free(path: Path) -> None:
    await write(path, [[b"one"]])

    def fails(_: bytes) -> None:
        raise JournalError("of another version")

    with pytest.raises(JournalError, match="another version"):
        open_journal(path, fails)
    assert read(path) == [b"one"]


def test_a_new_journal_has_its_header_and_nothing_else(path: Path) -> None:
    journal = open_journal(path, lambda _: None)
    assert path.read_bytes() == b"SLIPJRN1" + bytes(8)
    assert journal.end == journal.synced == HEADER
    os.close(journal._fd)
