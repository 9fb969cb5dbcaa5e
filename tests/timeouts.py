"""The end of a test that hangs, on a loop that swallows what a signal's handler raises.

pytest-timeout raises out of a handler of SIGALRM. Under uvloop that is a callback's exception, which is
logged and forgotten: the test would go on for ever. Here whatever the loop waits for is cancelled instead.
"""

import asyncio
import faulthandler
import io
import signal
import sys
import tempfile
from typing import Any

import pytest

_AGAIN = 60.0
"""Seconds after which what is still there is cancelled again; teardown may well take some."""


def _stacks(tasks: set[asyncio.Task[Any]]) -> str:
    text = io.StringIO()
    for task in tasks:
        task.print_stack(file=text)
    with tempfile.TemporaryFile("w+") as file:
        faulthandler.dump_traceback(file)
        file.seek(0)
        return text.getvalue() + file.read()


def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> bool | None:
    """In place of pytest-timeout's own, unless another method was asked for."""
    if settings.method != "signal":
        return None

    def expired(*_: object) -> None:
        why = f"{item.nodeid} took longer than {settings.timeout:g} s"
        loop = asyncio._get_running_loop()
        tasks = asyncio.all_tasks(loop) if loop is not None else set()
        print(f"{why}\n{_stacks(tasks)}", file=sys.stderr)
        if not tasks:
            pytest.fail(why)
        for task in tasks:
            task.cancel(why)

    def cancel() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)

    item.cancel_timeout = cancel  # type: ignore[attr-defined]
    signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, settings.timeout, _AGAIN)
    return True
