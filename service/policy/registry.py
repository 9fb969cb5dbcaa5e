"""Policies by name, found as plug-ins: entry points of the group ``slipstream.policies``.

``service`` never imports ``policies``: a desk ships its own in a package of its own, and it stands here
beside ours. One that cannot be loaded is unavailable, with its reason; the others are not hurt.
"""

from __future__ import annotations

import hashlib
import logging
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Final

import msgspec

from service.model.parameters import Parameter, catalogue
from service.policy.contract import Placement, Policy, Schedule

GROUP: Final = "slipstream.policies"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """What the entry points gave.

    Attributes:
        policies: By name.
        unavailable: Reason by name, for those that cannot be used.
        sources: ``module:object sha256`` by name, for the record: over every source file of its package.
    """

    policies: dict[str, Policy] = field(default_factory=dict)
    unavailable: dict[str, str] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)


def discover(points: Iterable[EntryPoint] | None = None) -> Found:
    """Load every registered policy; never raises for a broken one."""
    found = Found()
    by_name: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=GROUP) if points is None else points:
        same = by_name.setdefault(point.name, [])
        # An installed and an editable copy of one distribution are one registration, not two.
        if all(other.value != point.value for other in same):
            same.append(point)
    for name, group in sorted(by_name.items()):
        if len(group) > 1:
            owners = ", ".join(_owner(p) for p in group)
            found.unavailable[name] = f"registered {len(group)} times: {owners}; rename all but one"
            continue
        try:
            policy = _load(group[0])
        except Exception as error:  # noqa: BLE001 - a plug-in may raise anything while it is imported
            found.unavailable[name] = f"{_owner(group[0])}: {error!r}"
            continue
        found.policies[name] = policy
        found.sources[name] = _source(group[0])
    return found


def load_policies() -> dict[str, Policy]:
    """Every usable policy by name; a warning names each that is not, with its reason."""
    found = discover()
    for name, reason in found.unavailable.items():
        log.warning("policy %s is unavailable: %s", name, reason)
    return found.policies


def _load(point: EntryPoint) -> Policy:
    policy = point.load()
    if not isinstance(policy, Policy):
        raise TypeError(f"is a {type(policy).__name__}, not a service.policy.contract.Policy")
    if policy.name != point.name:
        raise ValueError(f"calls itself {policy.name!r} but is registered as {point.name!r}; make them equal")
    unknown = sorted(policy.takes - catalogue().keys())
    if unknown:
        raise ValueError(f"takes unknown parameters {', '.join(unknown)}; see service.model.parameters")
    stray = [n for n, v in _set(policy).items() if n not in policy.takes and v is not None]
    if stray:
        raise ValueError(f"has defaults for parameters that it does not take: {', '.join(stray)}")
    schedule: object = policy.schedule
    placement: object = policy.placement
    if not isinstance(schedule, Schedule) or not isinstance(placement, Placement):
        raise TypeError("its schedule needs target(view) and its placement place(view)")
    return policy


def _set(policy: Policy) -> dict[str, object]:
    return {n: getattr(policy.defaults, n) for n in policy.defaults.__struct_fields__}


def _owner(point: EntryPoint) -> str:
    where = f" of {point.dist.name} {point.dist.version}" if point.dist is not None else ""
    return f"{point.value}{where}"


def _source(point: EntryPoint) -> str:
    return f"{point.value} {_package_digest(point.module.partition('.')[0])}"


@cache
def _package_digest(package: str) -> str:
    """Digest of the source files of a top-level package, names included."""
    file = getattr(sys.modules.get(package), "__file__", None)
    if not file:
        return "no-file"
    root = Path(file).parent
    files = sorted(root.rglob("*.py")) if Path(file).name == "__init__.py" else [Path(file)]
    digest = hashlib.sha256()
    for source in files:
        digest.update(f"{source.relative_to(root)}\0".encode() + source.read_bytes())
    return digest.hexdigest()[:16]


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter that a policy takes, with the policy's own default."""

    declared: Parameter
    default: object | None


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """What a user interface or a document needs to offer a policy."""

    name: str
    description: str
    takes: tuple[Taken, ...]
    model: str = ""


def describe(policy: Policy) -> Description:
    """The policy with its parameters, in the order of the catalogue."""
    return Description(
        name=policy.name,
        description=policy.description,
        takes=tuple(
            Taken(declared=declared, default=getattr(policy.defaults, name))
            for name, declared in catalogue().items()
            if name in policy.takes
        ),
        model=policy.model.name if policy.model is not None else "",
    )
