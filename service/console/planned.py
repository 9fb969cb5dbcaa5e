"""The curve that a parent's schedule plans: the policy's own function, asked at points along the window."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from service.model.events import ParentSnapshot
from service.model.market import BookSnapshot
from service.model.reference import Instrument
from service.model.time import Now
from service.policy.contract import ParentView, Policy, View

log = logging.getLogger(__name__)

_POINTS: Final = 60
_MOST_KEPT: Final = 256


class _NoMarket:
    """A market of which nothing is known but its even volume: a plan must not depend on the present book."""

    book: BookSnapshot | None = None
    bid = ask = bid_quantity = ask_quantity = last = volume = ts_event = 0
    open_for_trading = True

    def features(self, names: Sequence[str]) -> tuple[float, ...]:
        return (0.0,) * len(names)


def planned(
    policy: Policy, state: ParentSnapshot, instrument: Instrument, expected_volume: int
) -> list[tuple[int, int]]:
    """``(market time, lots)`` along the window; empty if the schedule cannot say without the market.

    Args:
        expected_volume: Eligible lots expected to print in the window, evenly, for what follows volume.
    """
    order, start, end = state.parent, state.window_start, state.window_end
    if end <= start:
        return []
    points: list[tuple[int, int]] = []
    done = 0
    try:
        parameters = policy.resolve(order.parameters)
        for step in range(_POINTS + 1):
            at = start + (end - start) * step // _POINTS
            parent = ParentView(
                id=order.id,
                side=order.side,
                quantity=order.quantity,
                objective=order.objective,
                parameters=parameters,
                start=start,
                end=end,
                filled=done,
                working=0,
                due=0,
                market_volume=expected_volume * step // _POINTS,
                arrival_price=state.arrival_price,
            )
            view = View(now=Now(at, 0), instrument=instrument, market=_NoMarket(), parent=parent)
            done = max(done, min(order.quantity, policy.schedule.target(view)))
            points.append((at, done))
    except Exception as error:  # noqa: BLE001 - a plug-in may raise anything; the page goes on without a plan
        log.warning("policy %s gives no plan for %s: %r", order.policy, order.id, error)
        return []
    return points


class Plans:
    """Plans that were asked for before: one holds until its parent has another version."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[int, list[tuple[int, int]]]] = OrderedDict()

    def of(
        self, policy: Policy, state: ParentSnapshot, instrument: Instrument, expected_volume: int
    ) -> list[tuple[int, int]]:
        """As ``planned``."""
        found = self._kept.pop(state.parent.id, None)
        if found is None or found[0] != state.version:
            found = state.version, planned(policy, state, instrument, expected_volume)
        self._kept[state.parent.id] = found
        if len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return found[1]
