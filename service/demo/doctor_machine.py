"""Whether this machine can run the service: Python, packages, the engines' builds, clock, scheduling.

Nothing of ours but the settings is imported before a check needs it: what cannot be imported is to be found.
"""

from __future__ import annotations

import importlib
import os
import re
import resource
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from service.demo.doctor_findings import Finding, Setup
from service.settings import ROOT

LOWEST: Final = (3, 11)
HIGHEST: Final = (3, 13)
LOCK: Final = ROOT / "requirements" / "runtime.txt"
_LOCKED: Final = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)(?: ; (.*?))?(?: \\)?$", re.MULTILINE)
_ENGINES: Final = ("quickfix", "quickfix-tls", "onnxruntime", "onnxruntime-gpu")
_CAP_SYS_NICE: Final = 1 << 23


def python(_: Setup, found: tuple[int, ...] = tuple(sys.version_info[:3])) -> Iterable[Finding]:
    """A Python that the packages are locked for."""
    text = ".".join(map(str, found))
    if LOWEST <= found[:2] <= HIGHEST and sys.platform == "linux":
        yield Finding("ok", "python", f"{text} on Linux")
    else:
        yield Finding(
            "wrong",
            "python",
            f"{text} on {sys.platform}",
            "Python 3.11 to 3.13 on Linux is needed: `make setup`",
        )


def installed(name: str) -> str | None:
    """Version of a distribution; ``None`` if it is not there."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def packages(
    _: Setup, lock: Path = LOCK, look_up: Callable[[str], str | None] = installed
) -> Iterable[Finding]:
    """Every package of the lock, in its version; the engines' builds are looked at apart."""
    if not lock.exists():
        yield Finding("ok", "packages", "not compared: there is no lock beside the code")
        return
    locked: dict[str, list[tuple[str, str]]] = {}
    for name, wanted, marker in _LOCKED.findall(lock.read_text()):
        locked.setdefault(name, []).append((wanted, marker))
    missing, other = [], []
    for name, choices in locked.items():
        have = look_up(name)
        if name in _ENGINES or (have is None and all(marker for _, marker in choices)):
            continue
        if have is None:
            missing.append(name)
        elif have not in [wanted for wanted, _ in choices]:
            other.append(f"{name} {have} ({' or '.join(wanted for wanted, _ in choices)})")
    if missing:
        yield Finding("wrong", "packages", f"missing: {', '.join(missing)}", "`make setup`")
    if other:
        yield Finding("warn", "packages", f"not as locked and tried: {', '.join(other)}", "`make setup`")
    if not missing and not other:
        yield Finding("ok", "packages", f"{len(locked)} as locked")


def one_of(
    about: str, builds: Mapping[str, str], module: str, look_up: Callable[[str], str | None] = installed
) -> tuple[str, Finding]:
    """The one build of several that is installed and can be imported.

    Args:
        builds: Distribution to the extra of our package that brings it.
        module: What has to be importable.

    Returns:
        Its name (empty if there is not exactly one that works) and what is to say.
    """
    have = {name: found for name in builds if (found := look_up(name)) is not None}
    if len(have) != 1:
        state = f"{' and '.join(have)} overwrite each other" if have else "none is installed"
        first = "uninstall both, then install" if have else "install"
        choice = " or ".join(f"slipstream[{extra}]" for extra in builds.values())
        return "", Finding("wrong", about, state, f"{first} one: {choice}")
    ((name, found),) = have.items()
    try:
        importlib.import_module(module)
    except Exception as error:  # noqa: BLE001 - a broken build may raise anything
        return "", Finding("wrong", about, f"{name} {found} cannot be imported: {error}", f"reinstall {name}")
    return name, Finding("ok", about, f"{name} {found}")


def fix_engine(setup: Setup, look_up: Callable[[str], str | None] = installed) -> Iterable[Finding]:
    """One build of quickfix, and one with TLS where a session wants it."""
    builds = {"quickfix-tls": "fix-tls", "quickfix": "fix-upstream"}
    name, finding = one_of("quickfix", builds, "service.fix.engine", look_up)
    yield finding
    if name == "quickfix":
        from service.demo.doctor_files import sessions

        for config in sessions(setup):
            if config.tls is not None:
                yield Finding(
                    "wrong",
                    "quickfix",
                    f"session {config.target_comp_id} wants TLS, and this build has none",
                    "pip uninstall quickfix, then install slipstream[fix-tls]",
                )


def onnx_engine(setup: Setup, look_up: Callable[[str], str | None] = installed) -> Iterable[Finding]:
    """One build of onnxruntime, with the provider that the runner is to use."""
    builds = {"onnxruntime": "cpu", "onnxruntime-gpu": "gpu"}
    name, finding = one_of("onnxruntime", builds, "onnxruntime", look_up)
    if not name:
        yield finding
        return
    providers = importlib.import_module("onnxruntime").get_available_providers()
    wanted = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}[setup.provider]
    if wanted in providers:
        yield finding._replace(what=f"{finding.what}, models run on {setup.provider}")
    else:
        yield Finding(
            "wrong",
            "onnxruntime",
            f"{finding.what} has no {wanted}, only {', '.join(providers)}",
            "install slipstream[gpu] on a machine with CUDA, or run the runner with --provider cpu",
        )


def clock(setup: Setup) -> Iterable[Finding]:
    """Whether the kernel vouches for its clock (C47)."""
    from service.demo.doctor_files import with_simulator
    from service.gateway.clocks import read_kernel_clock

    bad: Finding
    try:
        found = read_kernel_clock()
    except OSError as error:
        bad = Finding("warn", "clock", f"the kernel cannot be asked: {error.strerror or error}")
    else:
        if found.synchronised:
            yield Finding("ok", "clock", f"synchronised, within {found.estimated_error / 1e6:.3f} ms")
            return
        bad = Finding("warn", "clock", "nothing synchronises it")
    mend = "run chrony or another NTP client on this machine"
    if with_simulator(setup):
        yield bad._replace(mend=f"{mend}; with the broker simulator it only warns")
    else:
        yield bad._replace(level="wrong", mend=f"{mend}: the gateway denies new orders until then")


def realtime(setup: Setup, status: str | None = None) -> Iterable[Finding]:
    """Whether the kernel would grant the priority that the roles ask for."""
    status = Path("/proc/self/status").read_text() if status is None else status
    capable = re.search(r"^CapEff:\s*([0-9a-f]+)$", status, re.MULTILINE)
    may = bool(capable and int(capable.group(1), 16) & _CAP_SYS_NICE)
    most = os.sched_get_priority_max(os.SCHED_FIFO) if may else resource.getrlimit(resource.RLIMIT_RTPRIO)[0]
    wanted = setup.realtime_priority
    if wanted > most >= 0:
        yield Finding(
            "warn",
            "priority",
            f"realtime priority {wanted} is asked for, and the kernel grants {most}",
            "grant CAP_SYS_NICE or a higher rtprio limit, or ask for none",
        )
    else:
        asked = f"realtime {wanted} is granted" if wanted else "no realtime priority is asked for"
        yield Finding("ok", "priority", f"{asked}{'' if wanted or not most else ', it would be granted'}")
