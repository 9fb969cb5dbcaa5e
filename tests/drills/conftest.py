"""What the drills change in this process, for thousands of lives in it, does not outlive a test."""

import logging
from collections.abc import Iterator

import pytest

from service.gateway import journal, state

QUIET = ("service.gateway.shell", "service.gateway.journal")


@pytest.fixture(autouse=True)
def _put_back() -> Iterator[None]:
    levels = {name: logging.getLogger(name).level for name in QUIET}
    parsers = {name: getattr(state, name) for name in ("parse_reference", "parse_limits")}
    grow = vars(journal)["_GROW"]
    yield
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    for name, parser in parsers.items():
        setattr(state, name, parser)
    vars(journal)["_GROW"] = grow
