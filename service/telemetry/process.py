"""What every role does to its own process at start."""

from __future__ import annotations

import gc
from typing import Final

_YOUNG: Final = 100_000


def tune_collector() -> None:
    """Keep Python's cycle collector out of the hot path.

    A decoded batch holds tens of thousands of small tuples that no cycle can go through; at the default
    threshold of 700 the collector walks them dozens of times a second (decoding and keeping 2,000 ten-level
    books took twice as long). What was imported by now is never looked at again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 50, 100)
