"""The signal and the watched file: the same kill, by whom the kernel says, and never weaker."""

import asyncio
import getpass
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from service.fix.messages import OrderCancelRequest
from service.gateway import killing, triggers
from service.gateway.inputs import KillInput
from service.gateway.kill import difference
from service.gateway.triggers import FILE, KillFile, KillSignal, engage
from service.model.records import AuditEntry
from service.settings import ROOT
from tests.unit.gateway.test_shell import Gateway

ME = f"os:{getpass.getuser()}"


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    """One order of P1 works at the broker."""
    built = Gateway(tmp_path / "gateway.journal")
    built.admit()
    built.submit()
    await built.until(lambda: built.wire.requests)
    yield built
    await built.journal.close()


@pytest.fixture
def file(tmp_path: Path) -> KillFile:
    return KillFile(tmp_path / FILE)


_KILL_OF_P9 = KillInput(scope="parent=P9", by="bob", reason="drill", via="socket")


def kills(gateway: Gateway) -> dict[str, str]:
    return {scope: kill.by for scope, kill in gateway.core.state.kills.engaged.items()}


async def test_without_the_file_nothing_is_killed(gateway: Gateway, file: KillFile) -> None:
    file.look(gateway.shell)
    assert not kills(gateway)
    assert not file.holds("all")


_SEVERAL = b" desk = EQUITIES \n\nvenue=XSIM\nvenue=XSIM\n"
CONTENTS: dict[str, tuple[bytes, set[str]]] = {
    "one scope": (b"parent=P1\n", {"parent=P1"}),
    "no newline at the end": (b"symbol=AURA", {"symbol=AURA"}),
    "several, twice, with space": (_SEVERAL, {"desk=EQUITIES", "venue=XSIM"}),
    "all": (b"all\n", {"all"}),
    "nonsense": (b"please stop\n", {"all"}),
    "a symbol that there is not": (b"symbol=aura\n", {"all"}),
    "a desk that there is not": (b"reduce-only desk=EQUITY\n", {"all"}),
    "a comment behind it": (b"parent=P1 # the big one\n", {"all"}),
    "two in a line": (b"parent=P1 parent=P2\n", {"all"}),
    "a name without end": (b"parent=" + b"P" * 300, {"all"}),
    "one line of nonsense among others": (b"parent=P1\ncolour=red\n", {"parent=P1", "all"}),
    "only empty lines": (b"\n\n", {"all"}),
    "not text": (b"\xff\xfe\x00", {"all"}),
    "too large": (b"parent=P1\n" * 10_000, {"all"}),
}


@pytest.mark.parametrize(("content", "scopes"), CONTENTS.values(), ids=CONTENTS)
async def test_what_the_file_says_is_killed_by_its_owner(
    gateway: Gateway, file: KillFile, content: bytes, scopes: set[str]
) -> None:
    file.path.write_bytes(content)
    file.look(gateway.shell)
    assert kills(gateway) == dict.fromkeys(scopes, ME)
    assert len(gateway.wire.sent(OrderCancelRequest)) == 1
    entries = [e for e in gateway.events(AuditEntry) if e.action == "kill"]
    assert {e.who for e in entries} == {ME}
    assert all(e.outcome.endswith("via=file") for e in entries)
    assert all(file.holds(scope) for scope in scopes)
    assert not file.holds("parent=P9")


async def test_an_empty_file_kills_everything_unless_it_is_being_written(
    gateway: Gateway, file: KillFile
) -> None:
    file.path.touch()
    file.look(gateway.shell)
    assert not kills(gateway)
    file.path.write_text("parent=P7")
    file.look(gateway.shell)
    assert set(kills(gateway)) == {"parent=P7"}
    file.path.unlink()
    file.look(gateway.shell)
    file.path.touch()
    file.look(gateway.shell)
    file.look(gateway.shell)
    assert set(kills(gateway)) == {"parent=P7", "all"}


def _directory(path: Path) -> None:
    path.mkdir()


def _dangling(path: Path) -> None:
    path.symlink_to(path.parent / "nowhere")


def _pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize("make", [_directory, _dangling, _pipe], ids=["directory", "link", "pipe"])
async def test_what_is_no_file_kills_everything_and_blocks_nobody(
    gateway: Gateway, file: KillFile, make: Callable[[Path], None]
) -> None:
    make(file.path)
    file.look(gateway.shell)
    assert set(kills(gateway)) == {"all"}


async def test_a_file_that_cannot_be_read_kills_everything(
    gateway: Gateway, file: KillFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.path.write_text("parent=P1")
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", _refuse)
        file.look(gateway.shell)
    assert set(kills(gateway)) == {"all"}


async def test_a_file_that_cannot_even_be_looked_at_kills_everything_once(
    gateway: Gateway, file: KillFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "lstat", _refuse)
        file.look(gateway.shell)
        seq = gateway.shell.seq
        file.look(gateway.shell)
        assert file.holds("parent=P1")
    assert set(kills(gateway)) == {"all"}
    assert gateway.shell.seq == seq


def _refuse(*_: object, **__: object) -> int:
    raise PermissionError(13, "Permission denied")


async def test_the_file_holds_its_kill_as_long_as_it_is_there(gateway: Gateway, file: KillFile) -> None:
    file.path.write_text("parent=P1")
    file.look(gateway.shell)
    seq = gateway.shell.seq
    file.look(gateway.shell)
    assert gateway.shell.seq == seq
    gateway.core.state.kills.release("parent=P1")
    file.look(gateway.shell)
    assert set(kills(gateway)) == {"parent=P1"}
    file.path.write_text("parent=P1\nsymbol=BOLT")
    file.look(gateway.shell)
    assert set(kills(gateway)) == {"parent=P1", "symbol=BOLT"}


async def test_the_file_holds_the_kill_of_everything_that_its_mistake_has_become(
    gateway: Gateway, file: KillFile
) -> None:
    file.path.write_text("symbol=aura\n")
    file.look(gateway.shell)
    assert set(kills(gateway)) == {"all"}
    assert "take it away first" in file.holds("all")


async def test_a_scope_that_names_nothing_is_everything_and_the_answer_says_so(gateway: Gateway) -> None:
    assert engage(gateway.shell, "symbol=aura", "os:bob", "", "socket") == "all"
    assert "names nothing that is known here" in difference("symbol=aura", "all")
    for scope in ("symbol=AURA", "model=wave@0a1b2c3d", "reduce-only policy=not-yet-there", "parent=P9"):
        assert engage(gateway.shell, scope, "os:bob", "", "socket").endswith(scope.split()[-1])


async def test_a_signal_kills_everything_in_the_name_of_its_sender(gateway: Gateway) -> None:
    called: list[Callable[[], object]] = []
    watch = KillSignal(gateway.shell, called.append)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, set())
    watch.start()
    try:
        assert watch._thread.ident is not None
        signal.pthread_kill(watch._thread.ident, triggers.SIGNAL)
        await gateway.until(lambda: called)
        called[0]()
    finally:
        watch.stop()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert kills(gateway) == {"all": ME}
    (entry,) = [e for e in gateway.events(AuditEntry) if e.action == "kill"]
    assert entry.reason == f"SIGUSR1 from process {os.getpid()}"
    assert not watch._thread.is_alive()


WATCHING = """
import sys
from service.gateway import triggers

class Told(triggers.KillSignal):
    def _kill(self, by, reason):
        print(reason, flush=True)

Told(None, None).start()
print("waiting", flush=True)
sys.stdin.read()
"""


async def test_a_process_that_is_stopped_and_goes_on_is_not_killed_for_it() -> None:
    """A debugger, a paused container, a suspended machine: nobody sent the signal."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WATCHING, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        assert await process.stdout.readline() == b"waiting\n"
        for _ in range(3):
            process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(0.3)
            process.send_signal(signal.SIGCONT)
        process.send_signal(triggers.SIGNAL)
        said = await process.stdout.readline()
    process.kill()
    await process.communicate()
    assert said.decode() == f"SIGUSR1 from process {os.getpid()}\n"


async def test_when_nobody_can_wait_for_the_signal_everything_is_killed(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[Callable[[], object]] = []
    before = signal.pthread_sigmask(signal.SIG_BLOCK, set())
    monkeypatch.setattr(signal, "sigwaitinfo", _refuse)
    watch = KillSignal(gateway.shell, called.append)
    watch.start()
    watch._thread.join()
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    called[0]()
    assert kills(gateway) == {"all": "gateway"}


async def test_a_kill_that_the_core_cannot_digest_ends_in_everything_killed_and_cancelled(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = killing.engage
    failed: list[object] = []

    def fails_once(state, given, now):  # type: ignore[no-untyped-def]
        if not failed:
            failed.append(given)
            raise ZeroDivisionError
        real(state, given, now)

    monkeypatch.setattr(killing, "engage", fails_once)
    engage(gateway.shell, "parent=P9", "bob", "drill", "socket")
    assert set(kills(gateway)) == {"all"}
    assert "ZeroDivisionError" in gateway.shell.halted
    assert len(gateway.wire.sent(OrderCancelRequest)) == 1


async def test_a_kill_that_cannot_be_fed_ends_in_everything_killed(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = gateway.shell.feed
    monkeypatch.setattr(gateway.shell, "feed", lambda given: 1 / 0 if given == _KILL_OF_P9 else real(given))
    assert engage(gateway.shell, "parent=P9", "bob", "drill", "socket") == "all"
    assert set(kills(gateway)) == {"all"}


async def test_a_record_that_fails_keeps_no_cancel_from_going_out(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.submit(2)
    gateway.submit(3)
    await gateway.until(lambda: len(gateway.wire.requests) == 3)

    def fails(*_: object) -> None:
        raise BufferError

    monkeypatch.setattr(gateway.kafka, "send_encoded", fails)
    engage(gateway.shell, "all", "bob", "drill", "socket")
    assert set(kills(gateway)) == {"all"}
    assert len(gateway.wire.sent(OrderCancelRequest)) == 3
