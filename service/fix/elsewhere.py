"""Work that may block for ever, kept off the loop and off its executor."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable


async def elsewhere(work: Callable[[], None]) -> None:
    """Run ``work`` on a daemon thread of its own: an executor's would keep the process if it hung."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def settle(error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def run() -> None:
        error: BaseException | None = None
        try:
            work()
        except BaseException as raised:  # noqa: BLE001 - raised again where it is awaited
            error = raised
        # A closed loop has nobody left who waits.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, error)

    threading.Thread(target=run, name="fix-engine", daemon=True).start()
    await done
