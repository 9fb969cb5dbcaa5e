"""The machine under the figures: what it is, and how much of it somebody else was using."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil


def describe() -> str:
    """One line: processor, cores, memory, kernel, Python."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, Linux {platform.release()}, "
        f"Python {platform.python_version()}"
    )


class OthersWatch:
    """How much of a core processes that are not ours used between ``start`` and ``share``.

    "Ours" is this process and every descendant; kernel time for steal counts as somebody else's.
    """

    def __init__(self) -> None:
        self._busy = self._mine = 0.0
        self._at = 0.0

    def start(self) -> None:
        self._busy, self._mine = self._all_busy(), self._ours()
        self._at = self._clock()

    def share(self) -> float:
        """Cores used by others since ``start``: 0.1 is a tenth of one core."""
        elapsed = max(self._clock() - self._at, 1e-9)
        others = (self._all_busy() - self._busy) - (self._ours() - self._mine)
        return max(0.0, others / elapsed)

    @staticmethod
    def _clock() -> float:
        return float(Path("/proc/uptime").read_text().split()[0])

    @staticmethod
    def _all_busy() -> float:
        times = psutil.cpu_times()
        return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)

    @staticmethod
    def _ours() -> float:
        me = psutil.Process()
        total = 0.0
        for process in (me, *me.children(recursive=True)):
            try:
                times = process.cpu_times()
            except psutil.Error:
                continue
            # Children already reaped are in their parent's account.
            total += times.user + times.system + times.children_user + times.children_system
        return total


@dataclass(frozen=True, slots=True)
class Quantiles:
    """p50, p99 and p99.9 of some figures, and how many there were."""

    n: int
    p50: float
    p99: float
    p999: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Quantiles:
        """Quantiles by nearest rank; all zero for no values."""
        ordered = sorted(values)
        if not ordered:
            return cls(0, 0.0, 0.0, 0.0)

        def at(q: float) -> float:
            return ordered[min(len(ordered) - 1, int(q * len(ordered)))]

        return cls(len(ordered), at(0.5), at(0.99), at(0.999))


def median(values: Sequence[float]) -> float:
    """Median, NaN for none."""
    return statistics.median(values) if values else float("nan")
