"""The manifest of a model: what it reads, how its output is decoded, how long it may take.

Written in TOML beside the ONNX file (``policies/models/NAME/manifest.toml``); docs/models.md explains it
field by field. A policy is bound to the manifest of the model that it is served with, so that a model can be
exchanged, thresholds included, without a change of code.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Protocol, Self, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from service.market.features import REGISTRY
from service.policy.contract import ModelPolicy

MANIFEST: Final = "manifest.toml"
Finite = Annotated[float, Field(allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9_.-]*$")]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]

OWN: Final = "own."
"""Prefix of inputs that the policy itself provides; every other input is a feature of ``service.market``."""


class ManifestError(ValueError):
    """A manifest cannot be used; the message names file and field and says what to do."""


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Input(_Entry):
    """One column of the model's input.

    The model is given ``(min(max(value, low), high) - centre) / scale``.

    Attributes:
        unit: As the registry of features states it; a mismatch is refused.
        low, high: Bounds of the raw value: outside what it was trained on a model is a stranger.
    """

    name: Name
    unit: str
    centre: Finite = 0.0
    scale: Annotated[Finite, Field(gt=0.0)] = 1.0
    low: Finite = -1e9
    high: Finite = 1e9

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low {self.low} must be below high {self.high}")
        if self.name.startswith(OWN):
            return self
        feature = REGISTRY.get(self.name)
        if feature is None:
            raise ValueError(f"no feature {self.name}; there are {', '.join(REGISTRY)}")
        if feature.unit != self.unit:
            raise ValueError(f"{self.name} is in {feature.unit!r}, not in {self.unit!r}")
        return self


class Output(_Entry):
    """How a row of the model's output becomes a score.

    Attributes:
        name: Name of the ONNX output, a float tensor of shape (rows, columns) or (rows,).
        columns: What each column is.
        score: Weights: the score is the sum of column x weight.
        low, high: Every column must lie within, or the row counts as missed.
    """

    name: str
    columns: Annotated[tuple[str, ...], Field(min_length=1, max_length=64)]
    score: Annotated[tuple[Finite, ...], Field(min_length=1)]
    low: Finite
    high: Finite

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.score) != len(self.columns):
            raise ValueError(f"{len(self.columns)} columns but {len(self.score)} weights of the score")
        if self.low >= self.high:
            raise ValueError(f"low {self.low} must be below high {self.high}")
        return self


class DataFile(_Entry):
    """A file that the model was trained, validated or tested on."""

    path: str
    sha256: Sha256


class Training(_Entry):
    """Where the model came from.

    Attributes:
        revision: Of the code that made it: a commit, or a digest of the sources.
        split: How training, validation and test were parted, in words.
    """

    revision: Annotated[str, Field(min_length=1)]
    split: str
    seed: int | None = None
    data: tuple[DataFile, ...] = ()


class Manifest(_Entry):
    """Everything of a manifest.

    Attributes:
        name: Name of the folder.
        signals: Names of the signals that its policy must be given.
        horizon: Seconds of market time that the prediction looks ahead.
        cadence_ms: Smallest market time between two evaluations of a parent; a policy may be slower.
        budget_us: UTC that one call may take, for all rows; a later answer is thrown away.
        fallback: What serves when there is no answer: the policy's placement.
        actions: Thresholds of the score, by the names that the policy knows.
    """

    format: Literal[1]
    name: Name
    description: Annotated[str, Field(min_length=1)]
    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+\.onnx$")] = "model.onnx"
    sha256: Sha256
    horizon: Annotated[Finite, Field(gt=0.0)]
    cadence_ms: Annotated[int, Field(ge=1, le=600_000)]
    budget_us: Annotated[int, Field(ge=10, le=10_000_000)]
    fallback: Literal["placement"] = "placement"
    signals: tuple[Name, ...] = ()
    actions: dict[str, Finite] = {}
    inputs: Annotated[tuple[Input, ...], Field(min_length=1)]
    output: Output
    training: Training

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = self.names
        doubles = sorted({n for n in names if names.count(n) > 1})
        if doubles:
            raise ValueError(f"input {', '.join(doubles)} stands there twice")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The inputs in the model's order."""
        return tuple(i.name for i in self.inputs)


@runtime_checkable
class BoundPolicy(ModelPolicy, Protocol):
    """A model policy that takes inputs and thresholds from the manifest of the model it is served with."""

    def bound(self, manifest: Manifest) -> ModelPolicy:
        """The same policy, reading that manifest.

        Raises:
            PolicyError: If it cannot provide an input, or misses an action or a signal.
        """
        ...


def parse_manifest(text: str, where: str) -> Manifest:
    """A manifest from TOML text.

    Raises:
        ManifestError: Naming ``where`` and the field.
    """
    try:
        data: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ManifestError(f"{where}: not TOML: {error}") from error
    except (ValueError, RecursionError) as error:
        what = f"a number is too long, or brackets stand too deep in each other ({type(error).__name__})"
        raise ManifestError(f"{where}: cannot be read: {what}") from None
    try:
        return Manifest.model_validate(data)
    except ValidationError as error:
        lines = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise ManifestError(f"{where}: {lines}") from error


def load_manifest(folder: Path) -> Manifest:
    """The manifest of a model's folder.

    Raises:
        ManifestError: If it cannot be read or used, or names another model than its folder.
    """
    path = folder / MANIFEST
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"model manifest {path}: {error}") from error
    manifest = parse_manifest(text, str(path))
    if manifest.name != folder.name:
        raise ManifestError(f"{path}: name {manifest.name!r} must be that of its folder, {folder.name!r}")
    return manifest
