"""The gate: every child order is judged here, against limits that only tighten. Imports the model alone."""

from service.risk.denials import Code, Denied
from service.risk.gate import Approved, ForgedApproval, Gate
from service.risk.limits import (
    FULL,
    LEVELS,
    CorrelationLimits,
    DuplicateLimits,
    ExecutionPolicy,
    InstrumentLimits,
    Level,
    LevelLimits,
    Limits,
    Locate,
    LossStage,
    MarketDataLimits,
    Stage,
)
from service.risk.money import value_unit
from service.risk.snapshots import (
    ChildFacts,
    CorrelatedFacts,
    ExposureFacts,
    Facts,
    HaltFacts,
    LevelFacts,
    MarketFacts,
    ParentFacts,
    TrafficFacts,
    TrialFacts,
)
from service.risk.uses import STEPS, Use

__all__ = [
    "FULL",
    "LEVELS",
    "STEPS",
    "Approved",
    "ChildFacts",
    "Code",
    "CorrelatedFacts",
    "CorrelationLimits",
    "Denied",
    "DuplicateLimits",
    "ExecutionPolicy",
    "ExposureFacts",
    "Facts",
    "ForgedApproval",
    "Gate",
    "HaltFacts",
    "InstrumentLimits",
    "Level",
    "LevelFacts",
    "LevelLimits",
    "Limits",
    "Locate",
    "LossStage",
    "MarketDataLimits",
    "MarketFacts",
    "ParentFacts",
    "Stage",
    "TrafficFacts",
    "TrialFacts",
    "Use",
    "value_unit",
]
