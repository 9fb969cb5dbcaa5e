"""The clocks: what the kernel says of ours, and how far it is from the broker's (C47).

Looked at once a second beside the orders' way; what is wrong becomes an input of the core, and so an alarm
and, where it is configured, a denial of new orders. The core itself never reads a clock.
"""

from __future__ import annotations

import ctypes
import logging
import os
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from service.fix.timestamps import utc_from_text
from service.gateway.inputs import ClockInput
from service.gateway.shell import Shell
from service.model.time import MILLISECOND, SECOND
from service.telemetry.clocks import ClockSensor

log = logging.getLogger(__name__)

_UNSYNCHRONISED: Final = 0x0040
_IN_NANOSECONDS: Final = 0x2000
_MICROSECOND: Final = 1_000
_EVERY: Final = SECOND
_WINDOW: Final = 60
"""Looks over which the smallest difference to the broker's clock counts."""

_CALM_AFTER: Final = 10
"""Looks without trouble until there is none: a clock at the edge is one trouble, not many."""


class KernelClock(NamedTuple):
    """What the kernel says of its clock; nanoseconds.

    Attributes:
        synchronised: Something disciplines it.
        offset: What it still has to make good.
        estimated_error, max_error: Its own estimate, and its bound, which grows until it is disciplined.
    """

    synchronised: bool
    offset: int
    estimated_error: int
    max_error: int


class _Timex(ctypes.Structure):
    """``struct timex`` of Linux (adjtimex(2))."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 512),
    )


def read_kernel_clock() -> KernelClock:
    """Ask the kernel; reading needs no privilege and costs a microsecond.

    Raises:
        OSError: If it cannot be asked, as where a sandbox forbids it or the system is not Linux.
    """
    timex = _Timex()
    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except AttributeError as error:
        raise OSError("this system has no adjtimex") from error
    if adjtimex(ctypes.byref(timex)) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    unit = 1 if timex.status & _IN_NANOSECONDS else _MICROSECOND
    return KernelClock(
        synchronised=not timex.status & _UNSYNCHRONISED,
        offset=timex.offset * unit,
        estimated_error=timex.esterror * _MICROSECOND,
        max_error=timex.maxerror * _MICROSECOND,
    )


class BrokerDifference:
    """Our clock less the broker's: the smallest of what messages showed in the last minute.

    A message shows the difference and its latency together; only the latency varies, so the smallest is
    nearest to the difference itself. Below zero the broker's clock is ahead, whatever the latency; above,
    ours is ahead by at most that.
    """

    def __init__(self) -> None:
        self._smallest: deque[int | None] = deque(maxlen=_WINDOW)

    def look(self, heard: Iterable[tuple[str, int]]) -> int | None:
        """Take in SendingTime (52) and UTC of arrival of new messages; ``None`` after a minute of silence."""
        found = []
        for text, arrived in heard:
            try:
                found.append(arrived - utc_from_text(text))
            except ValueError:
                continue  # that is the session's to refuse
        self._smallest.append(min(found, default=None))
        return min((one for one in self._smallest if one is not None), default=None)


class ClockWatch:
    """Looks at both clocks once a second.

    Args:
        heard: SendingTime and UTC of arrival of the broker's messages since it was last called.
        blocks: Whether a kernel's clock that is not to be trusted denies new orders.
        max_error: Largest error that the kernel may estimate, nanoseconds.
        max_difference: Largest difference to the broker's clock, nanoseconds. It is told and denies nothing:
            nobody knows whose clock is wrong.
        read: Of the kernel.
    """

    def __init__(
        self,
        shell: Shell,
        heard: Callable[[], Iterable[tuple[str, int]]],
        *,
        blocks: bool,
        max_error: int,
        max_difference: int,
        sensor: ClockSensor | None = None,
        read: Callable[[], KernelClock] = read_kernel_clock,
    ) -> None:
        self._shell = shell
        self._heard = heard
        self._blocks = blocks
        self._max_error = max_error
        self._max_difference = max_difference
        self._sensor = sensor or ClockSensor()
        self._read = read
        self._difference = BrokerDifference()
        self._next = 0
        self._told = ""
        self._calm = 0

    def look(self, utc: int) -> None:
        """Look, if a second has gone by since the last look."""
        if utc < self._next and self._next - utc <= _EVERY:
            return
        self._next = utc + _EVERY
        kernel, detail = self._kernel()
        difference = self._difference.look(self._heard())
        far = difference is not None and abs(difference) > self._max_difference
        self._sensor.on_broker(difference)
        trouble = ",".join(filter(None, (kernel, "broker_differs" if far else "")))
        if far:
            assert difference is not None
            detail = f"{detail} broker_ms={difference / MILLISECOND:.1f}"
        self._tell(trouble, bool(kernel), detail)

    def _kernel(self) -> tuple[str, str]:
        """What is wrong with the kernel's clock, and figures for people."""
        try:
            clock = self._read()
        except OSError as error:
            self._sensor.on_kernel(synchronised=False, offset=0, estimated_error=0, max_error=0)
            return "unreadable", f"error={'_'.join(str(error).split())}"
        self._sensor.on_kernel(**clock._asdict())
        detail = f"estimated_error_ms={clock.estimated_error / MILLISECOND:.3f}"
        if not clock.synchronised:
            return "unsynchronised", detail
        return ("estimated_error" if clock.estimated_error > self._max_error else ""), detail

    def _tell(self, trouble: str, of_kernel: bool, detail: str) -> None:
        """The core hears of what has changed; that all is well only after a while."""
        self._sensor.on_trouble(bool(trouble or self._told))
        if trouble == self._told:
            self._calm = 0
            return
        if not trouble or set(trouble.split(",")) < set(self._told.split(",")):
            self._calm += 1
            if self._calm < _CALM_AFTER:
                return
        self._calm, self._told = 0, trouble
        blocks = self._blocks and of_kernel
        log.log(logging.WARNING if trouble else logging.INFO, "clock: %s %s", trouble or "well again", detail)
        self._shell.feed(ClockInput(trouble=trouble, blocks=blocks, detail=detail))
