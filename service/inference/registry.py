"""Models by name, found in folders, checked, and bound to the policies that use them."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from service.inference.model import Model, ModelError, Provider, load_model
from service.policy.contract import ModelPolicy, Policy, PolicyError
from service.policy.manifest import MANIFEST, BoundPolicy
from service.settings import ROOT

FOLDERS: Final = (ROOT / "policies" / "models",)
"""Where models are looked for unless told otherwise."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Served:
    """What came of loading.

    Attributes:
        policies: Every policy given; those with a model are bound to the manifest of the one found.
        models: By the name that policies use.
        unavailable: Reason by model name, for those that were refused: their policies serve with their
            placement alone.
    """

    policies: dict[str, Policy] = field(default_factory=dict)
    models: dict[str, Model] = field(default_factory=dict)
    unavailable: dict[str, str] = field(default_factory=dict)


def find_model(name: str, folders: Iterable[Path] = FOLDERS) -> Path:
    """The folder of a model, the first that there is.

    Raises:
        ModelError: If there is none; it says where it was looked for.
    """
    looked = [folder / name for folder in folders]
    for folder in looked:
        if (folder / MANIFEST).is_file():
            return folder
    where = ", ".join(map(str, looked)) or "no folder"
    raise ModelError(f"model {name}: no {MANIFEST} in {where}; train it, or name its folder with --models")


def serve_models(
    policies: Mapping[str, Policy], folders: Sequence[Path] = FOLDERS, provider: Provider = "cpu"
) -> Served:
    """Load the model of every policy that has one. Never raises for one that must be refused.

    Args:
        folders: Folders of model folders, the first to hold a name wins.
    """
    served = Served()
    for name, policy in policies.items():
        wanted = policy.model
        if wanted is None:
            served.policies[name] = policy
            continue
        try:
            model = served.models.get(wanted.name) or load_model(find_model(wanted.name, folders), provider)
            bound = bind(wanted, model)
        except (ModelError, PolicyError) as error:
            log.error("policy %s serves without its model: %s", name, error)
            served.unavailable[wanted.name] = str(error)
            served.policies[name] = policy
            continue
        served.models[wanted.name] = model
        served.policies[name] = dataclasses.replace(policy, model=bound)
    return served


def bind(policy: ModelPolicy, model: Model) -> ModelPolicy:
    """The policy, reading the manifest of the model that answers it.

    Raises:
        PolicyError: If the policy cannot provide what the manifest lists.
        ModelError: If it does not read manifests, so that nobody can tell whether its rows are the model's.
    """
    if not isinstance(policy, BoundPolicy):
        raise ModelError(
            f"{model.label}: {type(policy).__name__} has no bound(manifest), "
            "so its rows cannot be checked against the manifest's inputs"
        )
    return policy.bound(model.manifest)
