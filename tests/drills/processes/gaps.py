"""Where in an order's way to the wire a kill fell, and how to place one there from outside.

A signal is injected by strace at the entry of a system call: the call is not carried out. What the calls
before it did is in strace's own log.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_ATTACH_SECONDS: Final = 15.0


class Gap(enum.StrEnum):
    """Of all orders that were under way when the gateway died, where the one was that had come least far."""

    BEFORE_SYNC = "before the sync"
    BEFORE_SEND = "between sync and send"
    BEFORE_ANSWER = "between send and acknowledgement"
    UNSETTLED = "before the send, the sync unsettled"
    NOTHING = "with no order under way"


PLACED: Final[Mapping[Gap, str]] = {
    Gap.BEFORE_SYNC: "fdatasync",
    Gap.BEFORE_SEND: "sendto",
    Gap.BEFORE_ANSWER: "recvfrom",
}
"""The system call at whose entry a kill falls into the gap, if an order is under way."""


def gap_of(
    waiting: Collection[str],
    unanswered: Collection[str],
    positions: Mapping[str, int],
    logged: Collection[str],
    received: Collection[str],
    seen: Seen | None,
) -> Gap:
    """Where a kill fell.

    Args:
        waiting: ClOrdIDs that the journal has as approved, and neither as sent nor as taken back.
        unanswered: ClOrdIDs that the journal has as sent and not as answered.
        positions: Offset in the journal behind each order.
        logged: ClOrdIDs in the log of our FIX engine, which writes before it sends.
        received: ClOrdIDs in the broker's log of what came in.
        seen: The system calls up to the kill, where it was placed.
    """
    gaps = {Gap.BEFORE_ANSWER} if unanswered else set()
    for cl_ord_id in waiting:
        if cl_ord_id in received:
            gaps.add(Gap.BEFORE_ANSWER)
        elif cl_ord_id in logged or (seen is not None and positions[cl_ord_id] <= seen.synced):
            gaps.add(Gap.BEFORE_SEND)
        elif seen is not None and positions[cl_ord_id] <= seen.written:
            gaps.add(Gap.BEFORE_SYNC)
        else:
            gaps.add(Gap.UNSETTLED)
    for gap in (Gap.BEFORE_SYNC, Gap.BEFORE_SEND, Gap.UNSETTLED, Gap.BEFORE_ANSWER):
        if gap in gaps:
            return gap
    return Gap.NOTHING


@dataclass(slots=True)
class Seen:
    """What strace saw of the journal and the wire.

    Attributes:
        written: Offset up to which the journal was written.
        synced: Offset up to which a sync that began after the write has returned.
        sent: ClOrdIDs of orders and replaces in the order in which they went to the socket, each with the
            value of ``synced`` at that moment.
    """

    written: int = 0
    synced: int = 0
    sent: list[tuple[str, int]] | None = None


_CALL: Final = re.compile(r"^(\d+)\s+(?:<\.\.\. )?(\w+)(?: resumed>|\()(.*)$")
_PLACE: Final = re.compile(r", (\d+), (\d+)\)? += (\d+)$|, (\d+), (\d+) <unfinished")
_ORDER: Final = re.compile(r"\\00135=[DG]\\001.*?\\00111=([^\\]+)\\")


def read_trace(text: str) -> Seen:
    """Follow the journal's file and the FIX socket through a log of ``strace -f``."""
    seen = Seen(sent=[])
    assert seen.sent is not None
    begun: dict[str, int] = {}
    writes: dict[str, int] = {}
    for line in text.splitlines():
        found = _CALL.match(line)
        if found is None:
            continue
        thread, call, rest = found.groups()
        resumed = "resumed>" in line
        if call == "pwrite64":
            if not resumed and (place := _PLACE.search(rest)) is not None:
                length, offset = (
                    (int(place[1]), int(place[2])) if place[1] else (int(place[4]), int(place[5]))
                )
                writes[thread] = length + offset
            if "unfinished" not in rest and thread in writes:
                end = writes.pop(thread)
                if re.search(r"= \d+$", rest):
                    seen.written = max(seen.written, end)
        elif call == "fdatasync":
            if not resumed:
                begun[thread] = seen.written
            if rest.endswith("= 0") and thread in begun:
                seen.synced = max(seen.synced, begun.pop(thread))
        elif call == "sendto" and not resumed and (order := _ORDER.search(rest)) is not None:
            seen.sent.append((order[1], seen.synced))
    return seen


def why_no_trap() -> str:
    """Why signals cannot be injected on this machine; empty if they can. Tries it on a process of its own."""
    if shutil.which("strace") is None:
        return "strace is not installed (on Debian: apt-get install strace)"
    with subprocess.Popen(["sleep", "60"]) as victim:
        command = ["strace", "-p", str(victim.pid), "-o", os.devnull]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
            assert strace.stderr is not None
            said = strace.stderr.readline().strip()
            strace.terminate()
        victim.kill()
    if "attached" in said:
        return ""
    return f"strace cannot attach to processes here ({said}); run as root, or allow ptrace"


class Trap:
    """strace at a process, to kill it at the entry of the ``when``-th call of a kind."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._said = log.with_suffix(".said")
        self._process: asyncio.subprocess.Process | None = None

    async def set(self, pid: int, call: str, when: int) -> bool:
        """Attach; False if the process was gone already."""
        self._log.unlink(missing_ok=True)
        calls = ",".join(sorted({"pwrite64", "fdatasync", "sendto", call}))
        with self._said.open("wb") as said:
            self._process = await asyncio.create_subprocess_exec(
                "strace", "-f", "-p", str(pid), "-o", str(self._log), "-s", "700",
                "-e", f"trace={calls}", "-e", "signal=none", "-e", f"inject={call}:signal=KILL:when={when}",
                stdin=asyncio.subprocess.DEVNULL, stdout=said, stderr=said,
            )  # fmt: skip
        try:
            async with asyncio.timeout(_ATTACH_SECONDS):
                while "attached" not in self._said.read_text():
                    if self._process.returncode is not None:
                        return False
                    await asyncio.sleep(0.01)
        except TimeoutError:
            await self.take_away()
            return False
        return True

    async def take_away(self) -> None:
        """Detach, if it is still there."""
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        await process.wait()

    def seen(self) -> Seen:
        """What it saw up to its end."""
        return read_trace(self._log.read_text(errors="replace") if self._log.exists() else "")
