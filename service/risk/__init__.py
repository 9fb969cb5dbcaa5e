"""The gate: every child order is judged here, against limits that only tighten. Imports the model alone."""

from service.risk.denials import Code, Denied
from service.risk.gate import Approved, ForgedApproval, Gate
from service.risk.limits import (
    ExecutionPolicy,
    InstrumentLimits,
    Level,
    LevelLimits,
    Limits,
    MarketDataLimits,
)
from service.risk.snapshots import (
    ChildFacts,
    ExposureFacts,
    Facts,
    HaltFacts,
    MarketFacts,
    ParentFacts,
    TrafficFacts,
)

__all__ = [
    "Approved",
    "ChildFacts",
    "Code",
    "Denied",
    "ExecutionPolicy",
    "ExposureFacts",
    "Facts",
    "ForgedApproval",
    "Gate",
    "HaltFacts",
    "InstrumentLimits",
    "Level",
    "LevelLimits",
    "Limits",
    "MarketDataLimits",
    "MarketFacts",
    "ParentFacts",
    "TrafficFacts",
]
