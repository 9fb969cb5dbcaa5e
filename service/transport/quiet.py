"""Keeps the Kafka client from flooding the log: while a broker is away it repeats itself."""

from __future__ import annotations

import logging
import time
from typing import Final

_INTERVAL: Final = 10.0


class _OncePerInterval(logging.Filter):
    """Lets one record per place in the code through every ten seconds, and says how many were held back."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[tuple[str, int], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        place = (record.pathname, record.lineno)
        now = time.monotonic()
        last, held = self._last.get(place, (-_INTERVAL, 0))
        if now - last < _INTERVAL:
            self._last[place] = (last, held + 1)
            return False
        self._last[place] = (now, 0)
        if held:
            record.msg = f"{record.msg} [{held} more like this held back]"
        # A dead broker is reported by our own staleness checks; a traceback a second helps nobody.
        record.exc_info = None
        record.exc_text = None
        return True


_filter: Final = _OncePerInterval()


def quieten() -> None:
    """Install the filter on every logger of the Kafka client; harmless when called twice."""
    for name in [n for n in logging.root.manager.loggerDict if n.split(".")[0] == "aiokafka"]:
        logger = logging.getLogger(name)
        if _filter not in logger.filters:
            logger.addFilter(_filter)
