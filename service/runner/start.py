"""What a core was started with, written down so that replay can build the same one."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from service.model.reference import Reference, parse_reference
from service.model.time import MILLISECOND
from service.policy.contract import Policy, PolicyError
from service.policy.manifest import BoundPolicy, Manifest
from service.policy.registry import Found, discover
from service.runner.core import Core
from service.settings import ROOT
from service.transport.producer import partition_for

CORE_ROOMS: Final = ("model", "market", "policy", "runner")
"""Rooms whose code makes decisions."""


class StartError(ValueError):
    """A core cannot be built from this document; the message says why and what to do."""


class ServedModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model: its label ``NAME@SHA8``, and its manifest as JSON."""

    label: str
    manifest: str


class Start(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that decides what a core makes of its inputs.

    Attributes:
        instance: One life of one runner process: ``RUNNER_ID-START_UTC``.
        reference: Text of the reference file.
        partitions: Of ``md.v1``.
        cadence_floor: Smallest market time between two evaluations of a parent, ns.
        policies: ``module:object sha256`` by name.
        models: By the name that policies use.
        code: Digest of the core's own source (``code_digest``); empty if nobody took it.
    """

    runner_id: str
    instance: str
    reference: str
    partitions: int
    cadence_floor: int = 0
    policies: dict[str, str] = {}
    models: dict[str, ServedModel] = {}
    code: str = ""

    @property
    def revision(self) -> str:
        """Digest of all of it but whose life it was: two runners of one revision decide alike."""
        shared = msgspec.structs.replace(self, runner_id="", instance="")
        return hashlib.sha256(msgspec.json.encode(shared, order="deterministic")).hexdigest()[:16]


def start_path(run_dir: Path, instance: str) -> Path:
    """Where the document of one runner instance lies."""
    return run_dir / "runner" / f"{instance}.json"


def write_start(start: Start, run_dir: Path) -> Path:
    """Write the document down; returns its path."""
    path = start_path(run_dir, start.instance)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(start), indent=1))
    return path


def read_start(path: Path) -> Start:
    """The document of a runner instance.

    Raises:
        StartError: If it is not there or is not one.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Start)
    except OSError as error:
        raise StartError(f"start document {path}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise StartError(f"start document {path}: {error}") from error


def build_core(start: Start, found: Found | None = None) -> Core:
    """A core as the document says, at its first input. The same for a live runner and for replay.

    Args:
        found: Policies to choose from; those that are installed unless given.

    Raises:
        StartError: If a policy that it had is not there now, or cannot read its model's manifest.
    """
    found = discover() if found is None else found
    policies: dict[str, Policy] = {}
    for name in start.policies:
        if name not in found.policies:
            why = found.unavailable.get(name, "it is not installed")
            raise StartError(f"policy {name} is not available: {why}")
        policies[name] = _bound(found.policies[name], start.models)
    reference = parse_reference(start.reference, "reference file of the run")
    return Core(
        runner_id=start.runner_id,
        reference=reference,
        partition_of=partitions_of(reference, start.partitions),
        policies=policies,
        models={name: model.label for name, model in start.models.items()},
        cadence_floor=start.cadence_floor,
    )


def code_digest() -> str:
    """Digest of the source that decides besides the policies: core, contract, market and vocabulary."""
    digest = hashlib.sha256()
    for room in CORE_ROOMS:
        for path in sorted((ROOT / "service" / room).glob("**/*.py")):
            digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def differences(start: Start, found: Found | None = None) -> list[str]:
    """In what the code and the policies here are not those of the document: one sentence each."""
    found = discover() if found is None else found
    code = code_digest()
    changed = [f"the core's code was {start.code}, here it is {code}"] if start.code not in ("", code) else []
    return changed + [
        f"policy {name} was {source}, here it is {found.sources.get(name, 'not there')}"
        for name, source in start.policies.items()
        if found.sources.get(name) != source
    ]


def partitions_of(reference: Reference, partitions: int) -> dict[str, int]:
    """Partition of ``md.v1`` by symbol."""
    return {i.symbol: partition_for(i.key, partitions) for i in reference.instruments}


def _bound(policy: Policy, models: Mapping[str, ServedModel]) -> Policy:
    wanted = policy.model
    if wanted is None or wanted.name not in models:
        return policy
    if not isinstance(wanted, BoundPolicy):
        raise StartError(f"policy {policy.name}: {type(wanted).__name__} has no bound(manifest)")
    try:
        manifest = Manifest.model_validate_json(models[wanted.name].manifest)
        bound = wanted.bound(manifest)
    except (PolicyError, ValueError) as error:
        raise StartError(f"policy {policy.name}, model {wanted.name}: {error}") from error
    cadence = max(policy.cadence, manifest.cadence_ms * MILLISECOND)
    return dataclasses.replace(policy, model=bound, cadence=cadence)
