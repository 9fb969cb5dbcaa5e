"""The journal: the gateway's numbered inputs on disk, synced before an order is on the wire.

One append-only file. A frame is a magic word, length, CRC-32, the offset up to which the file was synced
when the frame was made, and the payload. That offset tells a torn tail from a corrupt record: what lies
behind it was never relied upon. Frames are gathered over one turn of the loop, written into the page cache
there and then (a killed process loses none), and synced together by a thread of its own (group commit).
While the disk is quick the loop waits for that thread, which spares an order a wake-up and in a burst gathers
what comes meanwhile (a loop that worked on others instead sent a quarter fewer orders). It waits no longer
than ``_PATIENCE``, and not at all once the disk is slow: that holds back new orders and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import mmap
import os
import queue
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

_HEADER: Final = b"SLIPJRN1" + bytes(8)
_FRAME: Final = struct.Struct("<4sIIQ")
_MAGIC: Final = b"\xf5JF\x01"
_SYNCED: Final = struct.Struct("<Q")
_MAX_PAYLOAD: Final = 16 << 20
_PATIENCE: Final = 0.002
"""Seconds that the loop, and so a cancel, waits for a sync at most."""
_GROW: Final = 8 << 20
"""The file grows in steps of this, ahead of need: a sync that need not allocate is a third faster."""

log = logging.getLogger(__name__)


class JournalError(RuntimeError):
    """The journal cannot be used; the message says where and what to do."""


class Journal:
    """One gateway's journal, open for appending.

    Make it with ``open_journal``. Methods are called on the loop's thread.

    Args:
        on_synced: Told the position up to which everything is on disk.
        on_failed: Told once why nothing more will be (disk full, device error).
    """

    def __init__(self, path: Path, fd: int, end: int) -> None:
        self.path = path
        self.end = end
        self.synced = end
        self.failed = ""
        self._fd = fd
        self._buffer: list[bytes] = []
        self._wants_sync = False
        self._scheduled = False
        self._written = self._allocated = end
        self._queue: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._hurried: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._handover = threading.Lock()
        self._waiting = False
        self._quick = True
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._on_synced: Callable[[int], None] = lambda _: None
        self._on_failed: Callable[[str], None] = lambda _: None

    def start(self, *, on_synced: Callable[[int], None], on_failed: Callable[[str], None]) -> None:
        """Begin to write; callbacks come on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._on_synced, self._on_failed = on_synced, on_failed
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    def append(self, payload: bytes, *, sync: bool) -> int:
        """Take one frame; it is written at the end of this turn of the loop.

        Args:
            sync: Something waits for it, so sync as soon as it is written; else the next sync takes it along.

        Returns:
            Position behind it: it is on disk when ``synced`` has reached that.
        """
        if len(payload) > _MAX_PAYLOAD:
            raise JournalError(f"{self.path}: an input of {len(payload)} bytes exceeds {_MAX_PAYLOAD}")
        synced = _SYNCED.pack(self.synced)
        crc = zlib.crc32(payload, zlib.crc32(synced))
        if self.failed:
            return self.end
        self._buffer.append(_FRAME.pack(_MAGIC, len(payload), crc, self.synced))
        self._buffer.append(payload)
        self.end += _FRAME.size + len(payload)
        self._wants_sync |= sync
        if not self._scheduled and self._loop is not None:
            self._scheduled = True
            self._loop.call_soon(self._turn_over)
        return self.end

    def sync(self) -> None:
        """Have everything synced that is not yet."""
        if self.synced < self.end and not self.failed:
            self._wants_sync = True
            self._flush()

    def _turn_over(self) -> None:
        self._scheduled = False
        self.flush()

    def flush(self) -> None:
        """Write what was taken, ahead of the end of this turn, and sync it if something waits for that."""
        self._waiting = self._wants_sync and self._quick
        self._flush()
        if self._waiting:
            self._await_sync()

    def _flush(self) -> None:
        if self._buffer:
            chunks, self._buffer = self._buffer, []
            try:
                if self.end > self._allocated:
                    self._allocated = self._allocate(self.end)
                _write(self._fd, b"".join(chunks), self._written)
            except OSError as error:
                self._fail(self._reason(error))
                return
            self._written = self.end
        if self._wants_sync and not self.failed:
            self._wants_sync = False
            self._queue.put(self._written)

    def _work(self) -> None:
        """The thread: sync once for all that was asked for meanwhile."""
        try:
            while (end := self._queue.get()) is not None:
                with contextlib.suppress(queue.Empty):
                    while (later := self._queue.get_nowait()) is not None:
                        end = later
                    self._queue.put(None)
                began = time.monotonic()
                os.fdatasync(self._fd)
                self._quick = time.monotonic() - began < _PATIENCE
                with self._handover:
                    hurried = self._waiting
                    if hurried:
                        self._hurried.put(end)
                if not hurried:
                    self._call(self._done, end)
        except OSError as error:
            self._call(self._fail, self._reason(error))

    def _await_sync(self) -> None:
        """Be patient with the disk, once: what comes later comes by a callback."""
        done, deadline = 0, time.monotonic() + _PATIENCE
        while not self.failed and done < self._written and (left := deadline - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                done = self._hurried.get(timeout=left)
        with self._handover:
            self._waiting = False
            with contextlib.suppress(queue.Empty):
                while True:
                    done = self._hurried.get_nowait()
        if done:
            self._done(done)

    def _reason(self, error: OSError) -> str:
        return f"journal {self.path}: {error.strerror or error}; no new order is sent until it is mended"

    def _allocate(self, end: int) -> int:
        size = (end // _GROW + 1) * _GROW
        try:
            os.posix_fallocate(self._fd, 0, size)
        except OSError as error:
            # A file system that cannot, or too little space for the whole step: the write itself will tell.
            log.info("journal %s: not allocated ahead: %s", self.path, error.strerror)
            return end
        return size

    def _call(self, function: Callable[..., None], argument: int | str) -> None:
        assert self._loop is not None
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(function, argument)

    def _done(self, end: int) -> None:
        if end <= self.synced:
            return  # told late: a newer sync, which the loop waited for, has overtaken this callback
        self.synced = end
        self._on_synced(end)

    def _fail(self, reason: str) -> None:
        if self.failed:
            return
        self.failed = reason
        self._on_failed(reason)

    async def close(self) -> None:
        """Write and sync what is left, and let go of the file."""
        if self._thread is not None:
            if not self.failed:
                self._wants_sync = True
                self._flush()
            self._queue.put(None)
            thread, self._thread = self._thread, None
            await asyncio.get_running_loop().run_in_executor(None, thread.join, 10.0)
        os.close(self._fd)


def open_journal(path: Path, each: Callable[[bytes], None]) -> Journal:
    """Open a journal, or make it, and hand over every payload on record in order.

    A torn tail (frames that were being written when the machine or process died, and that nothing relied on)
    is cut off, with a warning.

    Raises:
        JournalError: If another gateway has it open, or a record that was relied on is corrupt.
    """
    fd = _claim(path)
    try:
        end, torn = _recover(path, fd, each)
        if torn:
            log.warning(
                "journal %s: cut off a torn tail of %d bytes at offset %d: it was never synced",
                path,
                torn,
                end,
            )
            _blank(fd, end)
        os.fsync(fd)  # a process that was killed leaves good frames that no sync has covered yet
    except BaseException:
        os.close(fd)
        raise
    return Journal(path, fd, end)


def payloads(path: Path) -> Iterator[bytes]:
    """Every payload of a journal that may be in use, up to its end as it is now. Changes nothing.

    Raises:
        JournalError: If a record that was relied on is corrupt.
    """
    found: list[bytes] = []
    fd = os.open(path, os.O_RDONLY)
    try:
        _recover(path, fd, found.append)
    finally:
        os.close(fd)
    return iter(found)


def examine(path: Path) -> tuple[int, int]:
    """How many frames a journal that may be in use has, and how many torn bytes behind them. Changes nothing.

    Raises:
        JournalError: If a record that was relied on is corrupt.
        OSError: If it cannot be read.
    """
    frames = 0

    def count(_: bytes) -> None:
        nonlocal frames
        frames += 1

    fd = os.open(path, os.O_RDONLY)
    try:
        if os.fstat(fd).st_size < len(_HEADER):
            return 0, 0
        _, torn = _recover(path, fd, count)
    finally:
        os.close(fd)
    return frames, torn


def _claim(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        raise JournalError(f"journal {path}: another gateway runs on it; stop that one first") from error
    if os.fstat(fd).st_size < len(_HEADER):
        _write(fd, _HEADER, 0)
        os.fsync(fd)
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    return fd


def _recover(path: Path, fd: int, each: Callable[[bytes], None]) -> tuple[int, int]:
    """Hand over every payload; returns the end of the good frames and the bytes torn behind it."""
    with mmap.mmap(fd, 0, prot=mmap.PROT_READ) as data:
        if data[:8] != _HEADER[:8]:
            raise JournalError(f"journal {path}: this is no journal of ours; move it away to start afresh")
        at = len(_HEADER)
        while (found := _frame(data, at)) is not None:
            payload, _, following = found
            each(payload)
            at = following
        if _relied_on(data, at):
            raise JournalError(
                f"journal {path}: the record at offset {at} is corrupt, and later ones were written when it "
                "was safely on disk. Nothing is traded on a broken record: restore the file from a copy, or "
                "move it away and reconcile every open order with the broker by hand"
            )
        return at, _last_byte(data, at) - at


def _frame(data: mmap.mmap, at: int) -> tuple[bytes, int, int] | None:
    """Payload, synced offset and end of the frame at ``at``; ``None`` if there is no whole one."""
    if at + _FRAME.size > len(data):
        return None
    magic, size, crc, synced = _FRAME.unpack_from(data, at)
    end = at + _FRAME.size + size
    if magic != _MAGIC or size > _MAX_PAYLOAD or end > len(data):
        return None
    payload = data[at + _FRAME.size : end]
    if zlib.crc32(payload, zlib.crc32(_SYNCED.pack(synced))) != crc:
        return None
    return payload, synced, end


def _relied_on(data: mmap.mmap, bad: int) -> bool:
    """Whether a good frame behind ``bad`` was made when ``bad`` was on disk already."""
    # No head fits into the last bytes. Nor may they be searched: up to Python 3.11.4 `find` reads one byte
    # past its end, and behind a whole page there may be nothing to read (SIGSEGV at every start).
    end = max(bad, len(data) - _FRAME.size + len(_MAGIC))
    at = data.find(_MAGIC, bad, end)
    while at >= 0:
        found = _frame(data, at)
        if found is not None and found[1] > bad:
            return True
        at = data.find(_MAGIC, at + 1, end)
    return False


def _last_byte(data: mmap.mmap, start: int) -> int:
    """Offset behind the last byte from ``start`` on that is not zero."""
    end, step = len(data), 1 << 16
    while end > start:
        low = max(start, end - step)
        chunk = data[low:end].rstrip(b"\0")
        if chunk:
            return low + len(chunk)
        end = low
    return start


def _blank(fd: int, end: int) -> None:
    """Cut off what is torn, so that it never looks like a record again."""
    os.ftruncate(fd, end)
    os.fsync(fd)


def _write(fd: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        done = os.pwrite(fd, view, at)
        view, at = view[done:], at + done
