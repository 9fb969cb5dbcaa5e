"""Controlled introduction: what is new trades little, until people have widened its stage (C39; RTS 6, 8).

A policy is introduced by its name, a model by ``NAME@VERSION``: a changed model is another version, so it
begins again at the stage of everything new.
"""

from __future__ import annotations

from service.model.orders import SubmitChild
from service.risk.compiled import BPS, StageBounds
from service.risk.denials import Code, Denied, denied
from service.risk.judged import Judged
from service.risk.snapshots import TrialFacts


def introduced(order: Judged) -> Denied | None:
    """C39: policy, and the model behind this decision, may do this at the stages that they have reached."""
    policy, model, limits = order.parent.policy, order.command.model, order.limits
    if policy in limits.full_policies and (not model or model in limits.full_models):
        return None
    for key in limits.on_trial(policy, model):
        stage = limits.stage(key)
        if stage is None:
            return denied(Code.NOT_INTRODUCED, of=key)
        facts = next((one for one in order.facts.trials if one.key == key), None)
        if facts is None:
            return denied(Code.NOT_INTRODUCED, of=key, facts="missing")
        verdict = _terms(order, stage, key) or _amounts(order, stage, facts)
        if verdict is not None:
            return verdict
    return None


def _terms(order: Judged, stage: StageBounds, key: str) -> Denied | None:
    command, bounds = order.command, order.bounds
    if order.symbol not in stage.instruments:
        return denied(Code.STAGE_INSTRUMENT, of=key, stage=stage.name, instrument=order.symbol)
    # A replace leaves the order where it is.
    if isinstance(command, SubmitChild) and command.venue not in stage.venues:
        return denied(Code.STAGE_VENUE, of=key, stage=stage.name, venue=command.venue or "any")
    price = order.price
    if order.is_market:
        price = -(-order.reference.reference * (BPS + bounds.collar_bps) // BPS)
    value = price * order.quantity
    if value * bounds.unit > stage.max_order_value:
        limit = stage.max_order_value // bounds.unit
        return denied(Code.STAGE_ORDER_VALUE, of=key, stage=stage.name, value=value, limit=limit)
    return None


def _amounts(order: Judged, stage: StageBounds, facts: TrialFacts) -> Denied | None:
    key, most, sent = facts.key, stage.max_orders_per_day, facts.orders
    if sent >= most:
        return denied(Code.STAGE_ORDERS, of=key, stage=stage.name, sent=sent, limit=most)
    ahead = facts.lots + facts.buying if order.buys else facts.selling - facts.lots
    position, limit = ahead + order.added, stage.max_position
    if position > limit and order.added:
        return denied(Code.STAGE_POSITION, of=key, stage=stage.name, position=position, limit=limit)
    kind, _, name = key.partition("=")
    if 2 * sent + 2 >= most:
        order.near("max_orders_per_day", kind, name, sent + 1, most)
    if 2 * position >= limit and order.added:
        order.near("max_position", kind, name, position, limit)
    return None
