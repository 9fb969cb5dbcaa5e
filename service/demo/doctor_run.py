"""Whether the run folder, its roles and the gateway are well. Nothing is written and nothing is locked."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import socket
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from service.demo.doctor_files import sessions, with_simulator
from service.demo.doctor_findings import Finding, Setup
from service.gateway import control_client
from service.gateway.control import BreaksReply, StatusReply
from service.gateway.control_client import ControlError
from service.gateway.journal import JournalError, examine
from service.settings import control_address, stream_address

LONGEST_SOCKET: Final = 107
"""Bytes of a Unix socket's path (unix(7), ``sun_path`` less its end)."""
LITTLE_SPACE: Final = 256 << 20
SOME_SPACE: Final = 2 << 30
LONG_JOURNAL: Final = 256 << 20
"""Bytes beyond which a journal is not read through: it would take longer than anybody waits."""
STALE_S: Final = 2.0
MANY_RECORDS: Final = 10_000
_MEMORY_FILE_SYSTEMS: Final = ("tmpfs", "ramfs")
_TRADING: Final = ("feed", "runner", "gateway", "recorder")
_ANSWER_S: Final = 3.0


def run_folder(setup: Setup) -> Iterable[Finding]:
    """A folder that sockets fit in, that may be written, on a disk with room that outlives a power cut."""
    folder = setup.run_dir
    for address in (control_address(folder), stream_address(folder)):
        path = address.removeprefix("unix:")
        if len(os.fsencode(path)) > LONGEST_SOCKET:
            yield Finding(
                "wrong",
                "run folder",
                f"{path} is too long for a socket: {len(os.fsencode(path))} of {LONGEST_SOCKET} bytes",
                "give a shorter --run-dir, or a relative one",
            )
            break
    nearest = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        yield Finding(
            "wrong", "run folder", f"{nearest} cannot be written", "give another --run-dir, or chown it"
        )
        return
    free = shutil.disk_usage(nearest).free
    space = f"{free / (1 << 30):.1f} GiB free"
    kind = file_system(nearest)
    if free < LITTLE_SPACE:
        mend = "make room: a full disk stops trading"
        yield Finding("wrong", "run folder", f"{folder}: {space}", mend)
    elif free < SOME_SPACE:
        yield Finding("warn", "run folder", f"{folder}: {space}", "make room before it stops trading")
    else:
        there = "" if folder.exists() else ", made by the first role"
        yield Finding("ok", "run folder", f"{folder}: {space}{there}")
    if kind in _MEMORY_FILE_SYSTEMS:
        yield Finding(
            "warn",
            "run folder",
            f"{nearest} is in memory ({kind}): the journal does not outlive a power cut",
            "put it on a disk",
        )


def file_system(path: Path) -> str:
    """Type of the file system that a path is on; empty if nobody says."""
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return ""
    best, kind = "", ""
    for line in lines:
        fields, _, rest = line.partition(" - ")
        mounted = fields.split()[4].replace("\\040", " ")
        inside = mounted == "/" or path == Path(mounted) or Path(mounted) in path.parents
        if inside and len(mounted) >= len(best):
            best, kind = mounted, rest.split()[0]
    return kind


def locks(setup: Setup) -> Iterable[Finding]:
    """Who works on the journal and on the FIX sessions' numbers, and whether that is who answers."""
    files = {"journal": setup.run_dir / "journal" / "gateway.journal"}
    for name in ("gateway", "drop-copy"):
        files[f"{name}'s numbers"] = setup.run_dir / "fix" / name / "store" / "session.lock"
    held = {what: pid for what, path in files.items() if (pid := holder(path)) is not None}
    if not held:
        yield Finding("ok", "locks", "nobody works on this run folder")
        return
    said = ", ".join(f"{what} by {process(pid)}" for what, pid in held.items())
    if len(set(held.values())) > 1:
        yield Finding(
            "wrong", "locks", f"held by several: {said}", "stop all of them, then start one gateway"
        )
    elif answer(setup) is None:
        yield Finding(
            "wrong",
            "locks",
            f"held, and no gateway answers: {said}",
            "it starts, hangs, or has another --control: see its log, and stop it before another is started",
        )
    else:
        yield Finding("ok", "locks", said)


def holder(path: Path) -> int | None:
    """The process that has a file locked (flock); ``None`` if none has. 0 is one that we may not see."""
    try:
        inode = path.stat().st_ino
        table = Path("/proc/locks").read_text()
    except OSError:
        return None
    for line in table.splitlines():
        found = re.match(r"\d+: FLOCK\s+\S+\s+WRITE (-?\d+) \S+:(\d+) ", line)
        if found and int(found.group(2)) == inode:
            return max(0, int(found.group(1)))
    return None


def process(pid: int) -> str:
    """A process as a person knows it."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode(errors="replace").split("\0")
    except OSError:
        words = []
    shown = " ".join(word.rpartition("/")[2] for word in words[:5])
    return f"process {pid or 'of another container'}{f' ({shown})' if shown else ''}"


def journal(setup: Setup) -> Iterable[Finding]:
    """Whether a gateway could start from the journal."""
    path = setup.run_dir / "journal" / "gateway.journal"
    if not path.exists():
        yield Finding("ok", "journal", "none yet")
        return
    size = path.stat().st_size
    if size > LONG_JOURNAL:
        yield Finding("ok", "journal", f"{path}: {size / (1 << 20):.0f} MiB, not read through")
        return
    try:
        frames, torn = examine(path)
    except (JournalError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        yield Finding("wrong", "journal", f"{path}: {reason}", "docs/runbooks/journal.md")
        return
    tail = f", and {torn} bytes of a torn one, to be cut off at the next start" if torn else ""
    yield Finding("ok", "journal", f"{path}: {frames} records{tail}")


def kafka(setup: Setup) -> Iterable[Finding]:
    """Whether the cluster answers, and its topics are as they should be."""
    from service.demo.doctor_kafka import examine_kafka

    yield from asyncio.run(examine_kafka(setup))


def roles(setup: Setup) -> Iterable[Finding]:
    """Readiness and metrics of each role of the folder."""
    folder = setup.run_dir / "ready"
    there = {path.stem for path in folder.glob("*") if path.suffix in ("", ".metrics")}
    for role in sorted(there):
        ready, address = folder / role, folder / f"{role}.metrics"
        where = address.read_text().strip() if address.exists() else ""
        if not where or not serves(where):
            yield Finding(
                "wrong",
                role,
                f"its metrics at {where or 'no address'} do not answer: killed, or it hangs",
                f"see its log; `slipstream run {role} --run-dir {setup.run_dir}`",
            )
        elif not ready.exists():
            yield Finding("warn", role, "runs and is not ready", "its log says what it waits for")
        else:
            yield Finding("ok", role, f"ready, metrics at http://{where}/metrics")
    missing = [role for role in _TRADING if not (folder / f"{role}.metrics").exists()]
    if not folder.exists() or len(missing) == len(_TRADING):
        yield Finding("ok", "roles", "none runs in this folder")
    elif missing:
        yield Finding(
            "warn",
            "roles",
            f"not in this folder: {', '.join(missing)}",
            "start them with this --run-dir, unless they run in another container",
        )


def serves(address: str) -> bool:
    """Whether a metrics endpoint answers."""
    url = f"http://{address}/metrics"
    try:
        with urllib.request.urlopen(url, timeout=_ANSWER_S) as found:
            return bool(found.status == 200)
    except (OSError, ValueError):
        return False


def answer(setup: Setup) -> StatusReply | None:
    """What the gateway says of itself; ``None`` if it does not answer."""
    if not Path(control_address(setup.run_dir).removeprefix("unix:")).exists():
        return None
    try:
        return asyncio.run(control_client.status(setup.run_dir, timeout=_ANSWER_S))
    except (ControlError, OSError):
        return None


def gateway(setup: Setup) -> Iterable[Finding]:
    """The gateway's own word: session, drop copy, feed, runners, and what stops orders."""
    status = answer(setup)
    if status is None:
        if (setup.run_dir / "ready" / "gateway").exists():
            yield Finding(
                "wrong",
                "gateway",
                f"no answer at {control_address(setup.run_dir)}",
                "`kill -USR1` its process kills all orders if need be (docs/kill.md); see its log",
            )
        return
    yield Finding("ok", "gateway", f"answers: {status.journal_seq} inputs, limits {status.limits_version}")
    yield from judged(status)
    with contextlib.suppress(ControlError):
        yield from copied(asyncio.run(control_client.breaks(setup.run_dir, timeout=_ANSWER_S)))
    with contextlib.suppress(ControlError, OSError):
        in_force = asyncio.run(control_client.limits(setup.run_dir, timeout=_ANSWER_S)).text
        if in_force != setup.limits.read_text():
            yield Finding(
                "warn",
                "limits",
                f"those in force are not those of {setup.limits}",
                "a restart takes the file: `slipstream limits show` has those in force",
            )


def judged(status: StatusReply) -> Iterator[Finding]:
    """What a status says is well, and what is not."""
    if status.logged_on:
        yield Finding("ok", "session", f"{status.session} is logged on")
    else:
        yield Finding(
            "wrong", "session", f"{status.session} is not logged on", "docs/runbooks/fix-session-lost.md"
        )
    if status.halted:
        yield Finding("wrong", "gateway", f"sends nothing new: {status.halted}", "docs/runbooks/journal.md")
    if status.clock:
        yield Finding("wrong", "clock", f"orders are denied: {status.clock}", "docs/runbooks/clocks.md")
    if status.kills:
        scopes = ", ".join(kill.scope for kill in status.kills)
        yield Finding("warn", "gateway", f"killed: {scopes}", "`slipstream release`, two people together")
    if status.latched:
        names = ", ".join(status.latched)
        yield Finding("warn", "gateway", f"stopped itself: {names}", "`slipstream arm`, two people together")
    if status.unknown:
        yield Finding(
            "wrong",
            "gateway",
            f"{status.unknown} orders are of unknown outcome",
            "`slipstream orders reconcile`, docs/runbooks/unknown-outcomes.md",
        )
    if status.pending_records > MANY_RECORDS:
        yield Finding(
            "warn",
            "gateway",
            f"{status.pending_records} records wait for Kafka",
            "is Kafka well? none is lost",
        )
    if not status.runners:
        yield Finding(
            "warn", "gateway", "no runner is connected", "`slipstream run runner` with this --run-dir"
        )
    age = status.heartbeat_age / 1e9
    if status.heartbeat_age < 0:
        yield Finding(
            "warn", "market data", "no feed has been heard", "`slipstream run feed`, on the same Kafka"
        )
    elif age > STALE_S:
        mend = "docs/runbooks/market-data-stale.md"
        yield Finding("wrong", "market data", f"the feed's newest heartbeat is {age:.1f} s old", mend)
    else:
        yield Finding("ok", "market data", f"the feed's newest heartbeat is {age:.1f} s old")


def copied(reply: BreaksReply) -> Iterator[Finding]:
    """The drop copy session and its open breaks."""
    if not reply.session:
        yield Finding(
            "warn", "drop copy", "none: executions are compared with nothing", "give the gateway --drop-copy"
        )
        return
    if reply.up:
        yield Finding("ok", "drop copy", f"{reply.session} is up")
    else:
        yield Finding("wrong", "drop copy", f"{reply.session} is down", "docs/runbooks/drop-copy.md")
    if reply.breaks:
        yield Finding(
            "wrong", "drop copy", f"{len(reply.breaks)} breaks are open", "`slipstream orders breaks`"
        )


def ports(setup: Setup) -> Iterable[Finding]:
    """Whether the page's port is free or its own, and somebody listens where the broker should."""
    page = f"{setup.host}:{setup.port}"
    address = setup.run_dir / "ready" / "console.address"
    if address.exists():
        yield Finding("ok", "ports", f"the page of this run is at {address.read_text().strip()}")
    elif not listens(setup.host, setup.port):
        yield Finding("ok", "ports", f"{page} is free for the page")
    else:
        yield Finding(
            "wrong", "ports", f"{page} is taken{taken_by(setup.port)}", "give the console another --port"
        )
    status = answer(setup)
    if status is not None and status.logged_on:
        return
    for config in sessions(setup):
        if not listens(config.host, config.port):
            start = (
                "`slipstream run broker-sim`, or `slipstream up`"
                if with_simulator(setup)
                else "ask the broker"
            )
            yield Finding("warn", "ports", f"nobody listens at {config.host}:{config.port} for FIX", start)


def listens(host: str, port: int) -> bool:
    """Whether something takes connections there."""
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=_ANSWER_S):
        return True
    return False


def taken_by(port: int) -> str:
    """Who listens on a port, as far as we may see: `` by process 7 (nginx)``."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                    inodes.add(f"socket:[{fields[9]}]")
    for folder in Path("/proc").glob("[0-9]*/fd"):
        with contextlib.suppress(OSError):
            if any(str(one.readlink()) in inodes for one in folder.iterdir()):
                return f" by {process(int(folder.parent.name))}"
    return ""
