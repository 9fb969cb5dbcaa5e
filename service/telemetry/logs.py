"""Logs: one line per event on standard error, in UTC, the role first."""

from __future__ import annotations

import logging
import sys
import time
from typing import Final

_FORMAT: Final = "%(asctime)s.%(msecs)03dZ %(levelname)-7s {role} %(name)s: %(message)s"


class _Utc(logging.Formatter):
    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        return time.strftime(datefmt or "%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))


def setup(role: str, level: str = "INFO") -> None:
    """Send every logger of this process to standard error, from ``level`` on.

    Warnings of Python itself come along; what libraries say below WARNING does not.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Utc(_FORMAT.format(role=role.replace("%", "%%"))))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    for name in ("service", "policies", "slipstream"):
        logging.getLogger(name).setLevel(level)
