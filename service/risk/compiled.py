"""Limits as the checks use them: ceilings applied, money as integers, one lookup each. Made once per Gate."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from service.model.reference import Instrument, Reference
from service.risk import ceilings
from service.risk.limits import (
    EVERY,
    FULL,
    LEVELS,
    ExecutionPolicy,
    InstrumentLimits,
    Level,
    LevelLimits,
    Limits,
    Locate,
    LossStage,
    Stage,
)
from service.risk.money import to_value, value_unit

BPS: Final = 10_000


def half(limit: int) -> int:
    """From where on a person is warned; never past the limit itself, so that none goes unasked."""
    return min(-(-limit // 2), limit)


def tighter(soft: int | None, hard: int) -> int:
    """A soft limit, where one is set; never looser than the hard one."""
    return hard if soft is None else min(soft, hard)


class Bounds:
    """Limits of one instrument.

    Attributes:
        banded: It has price bands, so nothing is sent while they are not known (C18).
        busy_from: Messages sent before this one from which on a person is warned, or it is denied.
        warn_long, warn_short, warn_gross: From where on a person is warned (C34).
        unit: Units of value (``service.risk.money``) in one price unit x lot.
        max_order_value: Price units x lots.
        max_gross: At most its share of an average day's volume, and nothing where that is unknown.
        warn_first_lots: Below it nobody is warned, and no volume is asked for.
        soft: Some soft limit is tighter than the hard one, and has to be asked (C20).
    """

    __slots__ = (
        "banded",
        "busy_from",
        "calm_spread_bps",
        "calm_volatility_bps",
        "collar_bps",
        "currency",
        "first_lots",
        "max_drift_bps",
        "max_gross",
        "max_long",
        "max_order_quantity",
        "max_order_value",
        "max_parent_quantity",
        "max_participation_bps",
        "max_short",
        "max_spread_bps",
        "messages_per_second",
        "needs_locate",
        "soft",
        "soft_collar_bps",
        "soft_gross",
        "soft_order_quantity",
        "soft_order_value",
        "tick",
        "unit",
        "warn_first_lots",
        "warn_gross",
        "warn_long",
        "warn_short",
    )

    def __init__(self, instrument: Instrument, limits: InstrumentLimits) -> None:
        self.tick = instrument.tick
        self.currency = instrument.currency
        self.banded = instrument.price_bands != ""
        self.unit = value_unit(instrument)
        self.max_order_quantity = min(limits.max_order_quantity, ceilings.MAX_ORDER_QUANTITY)
        money = min(limits.max_order_value, ceilings.MAX_ORDER_VALUE)
        self.max_order_value = to_value(money) // self.unit
        self.max_parent_quantity = min(limits.max_parent_quantity, ceilings.MAX_PARENT_QUANTITY)
        self.collar_bps = min(limits.collar_bps, ceilings.MAX_COLLAR_BPS)
        self.max_spread_bps = min(limits.max_spread_bps, ceilings.MAX_SPREAD_BPS)
        self.max_long = min(limits.max_long, ceilings.MAX_POSITION)
        self.max_short = min(limits.max_short, ceilings.MAX_POSITION)
        share = min(limits.max_volume_bps, ceilings.MAX_VOLUME_BPS)
        self.max_gross = min(limits.max_gross, ceilings.MAX_GROSS, instrument.reference_volume * share // BPS)
        self.max_participation_bps = min(limits.max_participation_bps, ceilings.MAX_PARTICIPATION_BPS)
        self.first_lots = min(limits.first_lots, ceilings.MAX_FIRST_LOTS)
        self.warn_first_lots = half(self.first_lots)
        self.needs_locate = limits.locate != "not_required"
        self.max_drift_bps = min(limits.max_drift_bps, ceilings.MAX_DRIFT_BPS)
        # Compared with what the feed measures, which is a float.
        self.calm_spread_bps = float(min(limits.calm_spread_bps, ceilings.MAX_CALM_SPREAD_BPS))
        self.calm_volatility_bps = float(min(limits.calm_volatility_bps, ceilings.MAX_CALM_VOLATILITY_BPS))
        self.messages_per_second = min(limits.messages_per_second, ceilings.MAX_MESSAGES_PER_SECOND)
        self.warn_long, self.warn_short = half(self.max_long), half(self.max_short)
        self.warn_gross = half(self.max_gross)
        self.busy_from = half(self.messages_per_second) - 1
        self._soften(instrument, limits)

    def _soften(self, instrument: Instrument, given: InstrumentLimits) -> None:
        """Soft limits (C20): the hard one where none is set, and never looser."""
        value, share = given.soft_order_value, given.soft_volume_bps
        self.soft_order_quantity = tighter(given.soft_order_quantity, self.max_order_quantity)
        self.soft_order_value = tighter(
            None if value is None else to_value(min(value, ceilings.MAX_ORDER_VALUE)) // self.unit,
            self.max_order_value,
        )
        self.soft_collar_bps = tighter(given.soft_collar_bps, self.collar_bps)
        self.soft_gross = tighter(
            None if share is None else instrument.reference_volume * share // BPS, self.max_gross
        )
        self.soft = (
            self.soft_order_quantity < self.max_order_quantity
            or self.soft_order_value < self.max_order_value
            or self.soft_collar_bps < self.collar_bps
            or self.soft_gross < self.max_gross
        )


class Permission:
    """What one strategy may do (C10), with ``*`` written out.

    Attributes:
        venues: The empty name, of an order that leaves the venue to the broker, is among them for ``*`` only.
        max_order_value, max_parent_value: Units of value.
        busy_from: Orders of the last minute from which on a person is warned, or this one is denied.
    """

    __slots__ = (
        "accounts",
        "busy_from",
        "instruments",
        "max_order_value",
        "max_orders_per_minute",
        "max_parent_value",
        "order_types",
        "passive_only",
        "times_in_force",
        "venues",
    )

    def __init__(self, given: ExecutionPolicy, reference: Reference) -> None:
        self.order_types = given.order_types
        self.times_in_force = given.times_in_force
        self.passive_only = given.passive_only
        self.max_order_value = to_value(min(given.max_order_value, Decimal(ceilings.MAX_ORDER_VALUE)))
        self.max_parent_value = to_value(min(given.max_parent_value, ceilings.MAX_PARENT_VALUE))
        self.max_orders_per_minute = min(given.max_orders_per_minute, ceilings.MAX_ORDERS_PER_MINUTE)
        self.busy_from = half(self.max_orders_per_minute) - 1
        self.instruments = _written_out(given.instruments, (i.symbol for i in reference.instruments))
        self.accounts = _written_out(given.accounts, (a.name for a in reference.accounts))
        self.venues = _written_out(given.venues, ("", *(v.name for v in reference.venues)))


def _written_out(given: frozenset[str], everything: Iterable[str]) -> frozenset[str]:
    return frozenset(everything) if EVERY in given else given


def _by_client_and_symbol(given: Iterable[Locate]) -> Mapping[tuple[str, str], list[Locate]]:
    found: defaultdict[tuple[str, str], list[Locate]] = defaultdict(list)
    for locate in given:
        found[locate.client, locate.symbol].append(locate)
    return dict(found)


class StageBounds:
    """How much something new may do at one stage (C39), with ``*`` written out; values in units of value."""

    __slots__ = (
        "instruments",
        "max_order_value",
        "max_orders_per_day",
        "max_position",
        "name",
        "venues",
    )

    def __init__(self, name: str, given: Stage, reference: Reference) -> None:
        self.name = name
        self.instruments = _written_out(given.instruments, (i.symbol for i in reference.instruments))
        self.venues = _written_out(given.venues, ("", *(v.name for v in reference.venues)))
        self.max_order_value = to_value(min(given.max_order_value, ceilings.MAX_STAGE_ORDER_VALUE))
        self.max_orders_per_day = min(given.max_orders_per_day, ceilings.MAX_STAGE_ORDERS)
        self.max_position = min(given.max_position, ceilings.MAX_STAGE_POSITION)


class LevelBounds:
    """Limits of one name at one level, in units of value; the day's loss by its stages.

    Attributes:
        name: Whose it is.
        place: Of the level in ``LEVELS``.
        missing: A limit that nobody set, which denies; empty if there is none.
        busy_from: Messages sent before this one from which on a person is warned, or it is denied.
    """

    __slots__ = (
        "busy_from",
        "gives_credit",
        "level",
        "max_credit",
        "max_exposure",
        "max_loss",
        "messages_per_second",
        "missing",
        "name",
        "place",
        "reduce_at",
        "warn_at",
        "warn_credit",
        "warn_exposure",
    )

    def __init__(self, level: Level, name: str, given: LevelLimits) -> None:
        self.level, self.name, self.place = level, name, LEVELS.index(level)
        self.messages_per_second = min(given.messages_per_second, ceilings.MAX_MESSAGES_PER_SECOND)
        self.max_exposure = to_value(min(given.max_exposure, ceilings.MAX_EXPOSURE))
        self.max_credit = to_value(min(given.max_credit, ceilings.MAX_CREDIT))
        self.max_loss = to_value(min(given.max_daily_loss, ceilings.MAX_DAILY_LOSS))
        self.warn_exposure = half(self.max_exposure)
        self.warn_credit = half(self.max_credit)
        self.busy_from = half(self.messages_per_second) - 1
        self.gives_credit = level is Level.CLIENT
        self.reduce_at = self.max_loss * LossStage.REDUCE_ONLY // 100
        self.missing = next((name for name in self._needed() if not getattr(given, name)), "")
        self.warn_at = self.max_loss * LossStage.WARNED // 100

    def _needed(self) -> tuple[str, ...]:
        return ("max_exposure", "max_daily_loss", *(("max_credit",) if self.level is Level.CLIENT else ()))

    def loss_stage(self, loss: int) -> LossStage:
        """How far a loss has come. Where no limit is set nothing latches: the check denies by itself."""
        if loss < self.warn_at or self.max_loss <= 0:
            return LossStage.NORMAL
        if loss < self.reduce_at:
            return LossStage.WARNED
        return LossStage.REDUCE_ONLY if loss < self.max_loss else LossStage.HALTED


class Rows:
    """Limits of all names of one order.

    Attributes:
        each: In the order of ``LEVELS``.
        busy_from: Lowest of theirs: below it, none of them has anything to say about messages.
    """

    __slots__ = ("busy_from", "each")

    def __init__(self, each: tuple[LevelBounds, ...]) -> None:
        self.each = each
        self.busy_from = min(bounds.busy_from for bounds in each)


class Compiled:
    """All limits of one Gate.

    Attributes:
        instruments: Symbols of the reference file.
        others: Permission of strategies that have none of their own; ``None`` denies them.
        locates: By client and symbol (C15).
        calm_correlation, max_correlated: Per cent, and units of value (C9).
        units: Units of value in one price unit x lot, of every instrument of the reference file.
        restricted: Symbols; ``None``, where nobody said which, denies everything (C15).
        session_busy_from: Like the others' ``busy_from``.
    """

    __slots__ = (
        "_introductions",
        "_limits",
        "_named",
        "_rows",
        "_stages",
        "alike_window",
        "bounds",
        "calm_correlation",
        "currency",
        "full_models",
        "full_policies",
        "instruments",
        "locates",
        "max_alike",
        "max_correlated",
        "max_heartbeat_age",
        "max_reference_age",
        "others",
        "permissions",
        "reduce_only_kill",
        "restricted",
        "session_busy_from",
        "session_rate",
        "units",
    )

    def __init__(self, limits: Limits, reference: Reference) -> None:
        self.instruments = frozenset(reference.by_symbol)
        self.units = {i.symbol: value_unit(i) for i in reference.instruments}
        self.locates = _by_client_and_symbol(limits.locates)
        self.calm_correlation = min(limits.correlation.calm_percent, ceilings.MAX_CALM_CORRELATION)
        self.max_correlated = to_value(min(limits.correlation.max_exposure, ceilings.MAX_CORRELATED_EXPOSURE))
        self.currency = limits.currency
        self.restricted = limits.restricted
        self.reduce_only_kill = limits.reduce_only_kill
        self.bounds = {
            symbol: Bounds(reference.by_symbol[symbol], row)
            for symbol, row in limits.instruments.items()
            if symbol in reference.by_symbol
        }
        self.permissions = {name: Permission(row, reference) for name, row in limits.strategies.items()}
        self.others = self.permissions.pop(EVERY, None)
        session = limits.at(Level.SESSION, EVERY).messages_per_second
        self.session_rate = min(session, ceilings.MAX_MESSAGES_PER_SECOND)
        self.session_busy_from = half(self.session_rate) - 1
        self._limits = limits
        self._named: dict[tuple[Level, str], LevelBounds] = {}
        self._rows: dict[tuple[str, ...], Rows] = {}
        alike = limits.duplicates
        self.max_alike = min(alike.max_alike, ceilings.MAX_ALIKE) if alike.window > 0 else 0
        self.alike_window = max(alike.window, ceilings.MIN_ALIKE_WINDOW)
        self._stages = {name: StageBounds(name, row, reference) for name, row in limits.stages.items()}
        self._introductions = limits.introductions
        self.full_policies = self._full("policy=")
        self.full_models = self._full("model=")
        ages = limits.market_data
        self.max_heartbeat_age = min(ages.max_heartbeat_age, ceilings.MAX_HEARTBEAT_AGE)
        self.max_reference_age = min(ages.max_reference_age, ceilings.MAX_REFERENCE_AGE)

    def _full(self, kind: str) -> frozenset[str]:
        full = (key for key, stage in self._introductions.items() if stage == FULL and key.startswith(kind))
        return frozenset(key.removeprefix(kind) for key in full) - {EVERY}

    def on_trial(self, policy: str, model: str) -> tuple[str, ...]:
        """Keys of an order's policy and model, where they are not introduced in full (C39)."""
        keys = () if policy in self.full_policies else (f"policy={policy}",)
        return keys if not model or model in self.full_models else (*keys, f"model={model}")

    def stage(self, key: str) -> StageBounds | None:
        """The stage that something on trial has reached: its own, or that of everything new."""
        kind = key.partition("=")[0]
        reached = self._introductions
        name = reached.get(key) or reached.get(f"{kind}={EVERY}")
        return self._stages.get(name) if name else None

    def at(self, level: Level, name: str) -> LevelBounds:
        """Limits of one name at one level, made once."""
        found = self._named.get((level, name))
        if found is None:
            found = self._named[level, name] = LevelBounds(level, name, self._limits.at(level, name))
        return found

    def rows(self, names: tuple[str, ...]) -> Rows:
        """Limits of these names, in the order of ``LEVELS``; put together once for each set of names.

        Raises:
            ValueError: If there is not one name for each level.
        """
        found = self._rows.get(names)
        if found is None:
            each = zip(LEVELS, names, strict=True)
            found = self._rows[names] = Rows(tuple(self.at(level, name) for level, name in each))
        return found
