"""Numbers of file descriptors that the engine closes a second time, kept from everybody else until then.

With TLS, an engine whose line we cut in the middle of a Logon closes the socket at once, and its number again
when the engine ends, seconds later. Whoever had opened something meanwhile lost it: a pipe, a connection to
Kafka, a journal.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_log: Final = logging.getLogger(__name__)


def _sockets() -> set[int]:
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.fstat(int(entry.name)).st_mode):
                found.add(int(entry.name))
    return found


class Plugs:
    """Holds numbers of one engine. Of one thread at a time."""

    def __init__(self) -> None:
        self._plug = -1
        self._held: set[int] = set()

    @contextlib.contextmanager
    def instead_of_sockets(self) -> Iterator[None]:
        """Hold the numbers of sockets that are closed inside, and those that were held and are not any more.

        What another thread closes in these microseconds is held with them, which costs a number. Never in the
        way of what is done inside: should nothing be left to hold numbers with, that is said.
        """
        open_before: set[int] = set()
        try:
            if self._plug < 0:
                # Not later: it would take the very number that it is to hold.
                self._plug = os.memfd_create("plug")
            open_before = _sockets() | self._held
        except OSError as error:
            _log.critical("FIX: the engine may close a descriptor of somebody else: %s", error)
        yield
        for number in open_before:
            try:
                os.fstat(number)
            except OSError:
                self._hold(number)

    def _hold(self, number: int) -> None:
        try:
            taken = fcntl.fcntl(self._plug, fcntl.F_DUPFD_CLOEXEC, number)
        except OSError as error:
            _log.critical("FIX: the engine may close a descriptor of somebody else: %s", error)
            return
        if taken == number:
            self._held.add(number)
            return
        os.close(taken)
        self._held.discard(number)
        _log.critical("FIX: descriptor %d is in use again already, and the engine will close it", number)

    def release(self) -> None:
        """The engine is gone: give back the numbers that it has not closed."""
        for number in self._held:
            with contextlib.suppress(OSError):
                if os.path.sameopenfile(self._plug, number):
                    os.close(number)
        self._held.clear()
        if self._plug >= 0:
            os.close(self._plug)
            self._plug = -1
