"""What a role does to its own process."""

import os
import threading
from collections.abc import Callable

import pytest

from service.telemetry.process import ask_for_realtime


def on_a_thread(work: Callable[[], object]) -> list[object]:
    """Scheduling belongs to a thread: the one of the tests keeps its own."""
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    thread.join()
    return results


def test_realtime_is_left_alone_when_nothing_is_asked_for() -> None:
    assert on_a_thread(lambda: (ask_for_realtime(0), os.sched_getscheduler(0))) == [(False, os.SCHED_OTHER)]


def test_realtime_is_what_the_kernel_says_it_is() -> None:
    ((granted, policy),) = on_a_thread(lambda: (ask_for_realtime(7), os.sched_getscheduler(0)))
    assert policy == (os.SCHED_FIFO if granted else os.SCHED_OTHER)


def test_a_refusal_is_said_and_lived_with(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    assert not ask_for_realtime(7)
    assert "CAP_SYS_NICE" in caplog.text
