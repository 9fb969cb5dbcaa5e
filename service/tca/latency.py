"""Latency of each leg of an order's way, from the stamps that the order itself carries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil
from typing import Final

from service.model.events import ChildAccepted, ChildSubmitted
from service.model.orders import Stamps

LEGS: Final = {
    "feed_to_runner": ("feed", "tick"),
    "decide": ("tick", "decided"),
    "hop": ("decided", "received"),
    "gate": ("received", "gated"),
    "journal": ("gated", "journalled"),
    "wire": ("journalled", "sent"),
    "tick_to_wire": ("tick", "sent"),
}
"""Leg to the two stamps (``service.model.orders.Stamps``) between which it lies."""
ACKNOWLEDGE: Final = "acknowledge"
"""From the FIX bytes handed to the socket to the broker's acknowledgement in the gateway's hands."""


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Of one leg, microseconds."""

    n: int
    p50: float
    p99: float
    p999: float


class Latencies:
    """Collects the legs of every order."""

    def __init__(self) -> None:
        self._legs: dict[str, list[int]] = {leg: [] for leg in (*LEGS, ACKNOWLEDGE)}
        self._sent: dict[str, int] = {}

    def on_submitted(self, event: ChildSubmitted) -> None:
        """Take the stamps of an order; a point that it did not pass (0) makes no leg."""
        self._take(event.stamps)
        if event.stamps.sent:
            self._sent[event.cl_ord_id] = event.stamps.sent

    def on_accepted(self, event: ChildAccepted) -> None:
        """Take the acknowledgement of an order; the first one counts."""
        sent = self._sent.pop(event.cl_ord_id, 0)
        if sent:
            self._legs[ACKNOWLEDGE].append(event.ts_utc - sent)

    def _take(self, stamps: Stamps) -> None:
        for leg, (first, second) in LEGS.items():
            start, end = getattr(stamps, first), getattr(stamps, second)
            if start and end:
                self._legs[leg].append(end - start)

    def quantiles(self) -> dict[str, Quantiles]:
        """By leg, in the order of an order's way; legs without a sample are left out."""
        return {leg: quantiles(values) for leg, values in self._legs.items() if values}


def quantiles(nanoseconds: Iterable[int]) -> Quantiles:
    """Nearest-rank quantiles in microseconds.

    Raises:
        ValueError: Of nothing.
    """
    ordered = sorted(nanoseconds)
    if not ordered:
        raise ValueError("no quantiles of nothing")

    def at(share: float) -> float:
        return ordered[max(0, ceil(share * len(ordered)) - 1)] / 1000

    return Quantiles(n=len(ordered), p50=at(0.5), p99=at(0.99), p999=at(0.999))
