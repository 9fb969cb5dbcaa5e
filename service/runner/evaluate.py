"""One evaluation of parents: schedule, then placement or model.

Pure. A policy that raises stops its parent (a model that raises makes it fall back) with an alarm on the
record, and hurts no other.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from service.model.parameters import ModelMode
from service.model.records import FeatureRow, SignalValue
from service.policy.contract import ModelPolicy, Policy, View
from service.policy.progress import completing, due
from service.runner.commands import Basis, Turn, carry_out, decide, stop
from service.runner.outputs import ModelRequest
from service.runner.parents import Parent
from service.runner.slots import Slot


@dataclass(frozen=True, slots=True)
class Asked:
    """A model request under way, since ``utc``."""

    model: str
    parents: tuple[str, ...]
    shadow: bool
    utc: int


@dataclass(frozen=True, slots=True)
class _Row:
    parent: Parent
    model: str
    shadow: bool
    values: tuple[float, ...]


class Evaluator:
    """Asks policies, and models in their place.

    Args:
        models: ``NAME@VERSION`` by name, of the models that answers can be had from.

    Attributes:
        requests: Model requests under way, by number.
        killed: Scopes of the kills in force: a killed model is not asked, the placement serves.
    """

    def __init__(self, policies: Mapping[str, Policy], models: Mapping[str, str]) -> None:
        self.requests: dict[int, Asked] = {}
        self.killed: Collection[str] = ()
        self._last_request = 0
        self._models = models
        self._thinkers: dict[str, ModelPolicy] = {
            p.model.name: p.model for p in policies.values() if p.model is not None
        }

    def evaluate(self, parents: Sequence[Parent], slot: Slot, turn: Turn) -> None:
        """Evaluate workable parents of one instrument; their rows go out as one request per model."""
        rows: list[_Row] = []
        for parent in parents:
            turn.out.touched.append(parent)
            try:
                row = self._evaluate(parent, slot, turn)
            except Exception as error:  # noqa: BLE001 - a policy may raise anything; it stops its own parent
                stop(parent, f"{parent.snapshot.parent.policy}: {error!r}", turn)
            else:
                if row is not None:
                    rows.append(row)
        for model, shadow in dict.fromkeys((row.model, row.shadow) for row in rows):
            self._ask([r for r in rows if r.model == model and r.shadow == shadow], slot, turn)

    def _evaluate(self, parent: Parent, slot: Slot, turn: Turn) -> _Row | None:
        policy = parent.policy
        assert policy is not None
        view = look(parent, policy, slot, turn)
        held = turn.now.utc < parent.hold_utc
        row = None if held else self._observe(parent, policy, view, turn)
        if row is None or row.shadow:
            carry_out(parent, slot, policy.placement.place(view), turn, offering=not held)
        return row

    def _observe(self, parent: Parent, policy: Policy, view: View, turn: Turn) -> _Row | None:
        """The row that a model is to be asked now, if any."""
        if policy.model is None or parent.asked or completing(view) is not None:
            return None
        name = parent.parameters.model or policy.model.name
        thinker = self._thinker(policy, name)
        if thinker is None or name not in self._models:
            _trouble(parent, "unavailable", name, turn)
            return None
        if self.killed and f"model={self._models[name]}" in self.killed:
            _trouble(parent, "killed", name, turn)
            return None
        try:
            values = thinker.observe(view)
            if values is None:
                return None
            if not all(map(isfinite, values)):
                _trouble(parent, "row_not_finite", name, turn)
                return None
        except Exception as error:  # noqa: BLE001 - a model policy may raise anything; the placement serves
            _trouble(parent, f"observe_raised {error!r}", name, turn)
            return None
        return _Row(parent, name, parent.parameters.model_mode is ModelMode.SHADOW, values)

    def _thinker(self, policy: Policy | None, name: str) -> ModelPolicy | None:
        """The policy's own, if it is for that model; else another policy's that is."""
        own = None if policy is None else policy.model
        return own if own is not None and own.name == name else self._thinkers.get(name)

    def _ask(self, rows: Sequence[_Row], slot: Slot, turn: Turn) -> None:
        self._last_request += 1
        number, model, shadow = self._last_request, rows[0].model, rows[0].shadow
        for row in rows:
            if not row.parent.broken:
                row.parent.asked = number
            turn.out.signals.append(
                FeatureRow(
                    runner_id=turn.runner_id,
                    input_seq=turn.seq,
                    model=self._models[model],
                    symbol=row.parent.symbol,
                    parent_id=row.parent.id,
                    ts_event=slot.market.ts_event,
                    ts_utc=turn.now.utc,
                    md_seq=slot.seq,
                    values=row.values,
                    conflated=slot.conflated,
                )
            )
        self.requests[number] = Asked(model, tuple(r.parent.id for r in rows), shadow, turn.now.utc)
        turn.out.requests.append(ModelRequest(number, model, tuple(r.values for r in rows)))

    def waits(self, parent: Parent) -> bool:
        """Whether a model is to answer before anything else is decided for this parent."""
        asked = self.requests.get(parent.asked)
        return asked is not None and not asked.shadow

    def answer(
        self, parent: Parent, asked: Asked, slot: Slot, outputs: Sequence[float], missed: str, turn: Turn
    ) -> None:
        """Act on one row of a model's answer, or fall back to the placement at once.

        Args:
            missed: Why there is no usable row; empty if there is.
        """
        policy = parent.policy
        assert policy is not None
        turn.out.touched.append(parent)
        turn.feed = slot.ts_utc
        if not missed and not all(map(isfinite, outputs)):
            missed = "not_finite"
        if asked.shadow:
            self._shadowed(parent, asked, slot, outputs, missed, turn)
            return
        try:
            view = look(parent, policy, slot, turn)
            if not missed:
                missed = self._act(parent, asked, slot, view, outputs, turn)
            if missed:
                turn.out.missed.append(missed.partition(" ")[0])
                decide(parent, turn, "fallback", Basis(self._models[asked.model]), missed[:200])
                carry_out(parent, slot, policy.placement.place(view), turn)
        except Exception as error:  # noqa: BLE001 - a policy may raise anything; it stops its own parent
            stop(parent, f"{policy.name}: {error!r}", turn)

    def _act(
        self, parent: Parent, asked: Asked, slot: Slot, view: View, outputs: Sequence[float], turn: Turn
    ) -> str:
        """Carry the model's word out; why it cannot be, if so."""
        try:
            thinker = self._thinker(parent.policy, asked.model)
            assert thinker is not None
            intents = thinker.act(view, outputs)
        except Exception as error:  # noqa: BLE001 - a model policy may raise anything; the placement serves
            return f"act_raised {error!r}"
        parent.trouble = ""
        basis = Basis(self._models[asked.model], float(outputs[0]) if outputs else None)
        if not carry_out(parent, slot, intents, turn, basis):
            decide(parent, turn, "hold", basis)
        return ""

    def _shadowed(
        self, parent: Parent, asked: Asked, slot: Slot, outputs: Sequence[float], missed: str, turn: Turn
    ) -> None:
        if missed:
            turn.out.missed.append(missed)
            return
        model = self._models[asked.model]
        turn.out.signals.append(
            SignalValue(
                name=f"{model}:{parent.id}",
                symbol=parent.symbol,
                horizon=0,
                ts_event=slot.market.ts_event,
                ts_utc=turn.now.utc,
                values=tuple(outputs),
                model=model,
                input_seq=turn.seq,
            )
        )


def look(parent: Parent, policy: Policy, slot: Slot, turn: Turn) -> View:
    """What the policy sees now, with what is due by now.

    Raises:
        TypeError: If the schedule returned no whole number.
    """
    now, instrument, market = turn.now, slot.instrument, slot.market
    volume = slot.volume
    view = View(now, instrument, market, parent.view(volume, 0))
    target: object = policy.schedule.target(view)
    if not isinstance(target, int) or isinstance(target, bool):
        raise TypeError(f"its schedule returned {target!r}, not a whole number of lots")
    if parent.resuming:
        parent.resuming = False
        parent.resumed_at = now.market
        parent.behind_at_resume = max(min(target, parent.snapshot.parent.quantity) - parent.filled, 0)
        view = View(now, instrument, market, parent.view(volume, 0))
    parent.due = due(target, view)
    return View(now, instrument, market, parent.view(volume, parent.due))


def _trouble(parent: Parent, reason: str, model: str, turn: Turn) -> None:
    """A model that cannot be asked: on the record once, until that changes."""
    turn.out.missed.append(reason.partition(" ")[0])
    if parent.trouble != reason:
        parent.trouble = reason
        decide(parent, turn, "fallback", Basis(model), reason[:200])
