"""The policy of the tick-to-wire benchmark: it asks the shipped model, and sends one small order each time.

The benchmark registers it as a plug-in in a folder of its own, as a desk would.
"""

from __future__ import annotations

from collections.abc import Sequence

from policies.model_timing import FOLDER, TimingModel
from service.model.orders import OrdType, Side, TimeInForce
from service.model.parameters import ModelMode, Parameters
from service.model.time import MILLISECOND
from service.policy.contract import Intent, Policy, Submit, View
from service.policy.manifest import load_manifest

CADENCE = 250 * MILLISECOND
"""The shipped model's own: no policy that uses it is evaluated more often."""


class Everything:
    """All of the parent is due at any time, so that every evaluation may send."""

    def target(self, view: View) -> int:
        """The whole quantity."""
        return view.parent.quantity


class Nothing:
    """The fallback sends nothing: an order without the model's answer would flatter the figure."""

    def place(self, view: View) -> list[Intent]:
        """No intents."""
        del view
        return []


class OneLot(TimingModel):
    """One lot at the near touch, immediate or cancel: it neither fills nor stays."""

    def act(self, view: View, outputs: Sequence[float]) -> list[Intent]:
        """One order, whatever the answer."""
        del outputs
        market = view.market
        price = market.bid if view.parent.side is Side.BUY else market.ask
        return [Submit(1, price, OrdType.LIMIT, TimeInForce.IOC, reason="bench")]


BENCH = Policy(
    name="bench",
    description="One lot, immediate or cancel, at every evaluation.",
    schedule=Everything(),
    placement=Nothing(),
    takes=frozenset({"start_time", "duration", "model_mode"}),
    defaults=Parameters(model_mode=ModelMode.LIVE),
    cadence=CADENCE,
    model=OneLot.of(load_manifest(FOLDER)),
)
