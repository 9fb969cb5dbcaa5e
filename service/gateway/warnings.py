"""Warnings before a limit bites: at 50 and 80 % of it, once per crossing (C34)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from service.gateway.state import State
from service.model.time import SECOND, Now
from service.risk import STEPS, Use

_LEFT: Final = 60 * SECOND
"""A limit that has been used less for this long was left; reaching the step again is another crossing."""


def warn(state: State, uses: Iterable[Use], now: Now) -> None:
    """Say so for every limit that an approved order has taken past a step."""
    for use in uses:
        reached = [step for step in STEPS if use.percent >= step]
        fresh = [step for step in reached if _crossed(state, (use.limit, use.level, use.name, step), now.utc)]
        if fresh:
            detail = (
                f"percent={fresh[-1]} limit={use.limit} level={use.level} name={use.name}"
                f" used={use.used} of={use.most}"
            )
            symbol = use.name if use.level == "instrument" else ""
            state.alarm("LIMIT_WARNING", detail, symbol, now)


def _crossed(state: State, key: tuple[str, str, str, int], utc: int) -> bool:
    """Whether it was below this step for long enough; either way it is not now."""
    last = state.warned.get(key)
    state.warned[key] = utc
    return last is None or utc - last > _LEFT
