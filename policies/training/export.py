"""Writing a model's folder: the ONNX file, its manifest, its card."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from service.policy.manifest import MANIFEST, Manifest
from service.settings import ROOT


def sha256_of(path: Path) -> str:
    """Digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def revision_of(paths: Iterable[Path]) -> str:
    """Digest of the sources that made a model: file names and contents, in order of name."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return f"sha256:{digest.hexdigest()[:16]}"


def write_model(folder: Path, data: bytes, manifest: Manifest, card: str) -> None:
    """Write the three files; the folder is made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / manifest.file).write_bytes(data)
    (folder / MANIFEST).write_text(manifest_text(manifest), encoding="utf-8")
    (folder / "card.md").write_text(card, encoding="utf-8")


def manifest_text(manifest: Manifest) -> str:
    """The manifest as TOML; parsing it gives the same manifest."""
    m = manifest
    lines = [
        f"format = {m.format}",
        f"name = {_value(m.name)}",
        f"description = {_value(m.description)}",
        f"file = {_value(m.file)}",
        f"sha256 = {_value(m.sha256)}",
        f"horizon = {_value(m.horizon)}",
        f"cadence_ms = {m.cadence_ms}",
        f"budget_us = {m.budget_us}",
        f"fallback = {_value(m.fallback)}",
        f"signals = {_value(m.signals)}",
        "",
        "[actions]",
        *(f"{name} = {_value(value)}" for name, value in m.actions.items()),
        "",
        "[output]",
        *(f"{name} = {_value(getattr(m.output, name))}" for name in type(m.output).model_fields),
    ]
    for column in m.inputs:
        lines += ["", "[[inputs]]"]
        lines += [f"{name} = {_value(getattr(column, name))}" for name in type(column).model_fields]
    lines += ["", "[training]", f"revision = {_value(m.training.revision)}"]
    lines += [f"split = {_value(m.training.split)}"]
    if m.training.seed is not None:
        lines.append(f"seed = {m.training.seed}")
    for file in m.training.data:
        lines += ["", "[[training.data]]", f"path = {_value(file.path)}", f"sha256 = {_value(file.sha256)}"]
    return "\n".join(lines) + "\n"


def _value(value: str | float | tuple[str, ...] | tuple[float, ...]) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_value(v) for v in value)}]"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return repr(float(value))
