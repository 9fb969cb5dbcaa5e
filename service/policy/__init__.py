"""The contract between the runner and policies: what a policy sees, what it may return."""

from service.policy.contract import (
    Cancel,
    Child,
    Intent,
    MarketView,
    ModelPolicy,
    ParentView,
    Placement,
    Policy,
    PolicyError,
    Replace,
    Schedule,
    Submit,
    View,
)

__all__ = [
    "Cancel",
    "Child",
    "Intent",
    "MarketView",
    "ModelPolicy",
    "ParentView",
    "Placement",
    "Policy",
    "PolicyError",
    "Replace",
    "Schedule",
    "Submit",
    "View",
]
