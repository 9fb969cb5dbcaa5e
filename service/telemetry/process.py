"""What every role does to its own process at start."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
from typing import Final

from prometheus_client import Histogram

from service.telemetry.metrics import LATENCY_BUCKETS, REGISTRY

_YOUNG: Final = 100_000
_LOOK_EVERY: Final = 0.1
_LAG: Final = Histogram(
    "slipstream_loop_lag_seconds",
    "How late the role's event loop was with what was due, looked at ten times a second.",
    buckets=LATENCY_BUCKETS,
    registry=REGISTRY,
)

log = logging.getLogger(__name__)


def tune_collector() -> None:
    """Keep Python's cycle collector out of the hot path.

    A decoded batch holds tens of thousands of small tuples that no cycle can go through; at the default
    threshold of 700 the collector walks them dozens of times a second (decoding and keeping 2,000 ten-level
    books took twice as long). What was imported by now is never looked at again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 50, 100)


def give_way() -> None:
    """Let processes that trade run first where they share processors with this one.

    Niceness 10, and the policy for batches: waking up takes the processor from nobody.
    """
    os.nice(10)
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


async def watch_loop() -> None:
    """Measure how late this event loop is, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _LOOK_EVERY
        await asyncio.sleep(_LOOK_EVERY)
        _LAG.observe(max(0.0, loop.time() - due))


def ask_for_realtime(priority: int) -> bool:
    """Have this thread, and those that it starts, run before all ordinary ones (SCHED_FIFO); 0 asks nothing.

    On a machine that is shared with a broker and a feed, waiting for a processor is most of an order's way.
    The kernel grants it to root, to CAP_SYS_NICE and within RLIMIT_RTPRIO; a refusal is said and lived with.
    """
    if not priority:
        return False
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except (OSError, AttributeError) as error:
        log.warning(
            "no realtime priority %d: %s; grant CAP_SYS_NICE or a higher rtprio limit, or do not ask",
            priority,
            error,
        )
        return False
    return True
