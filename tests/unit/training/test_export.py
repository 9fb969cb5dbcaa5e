"""A folder that was written can be read."""

from pathlib import Path

from policies.training.export import manifest_text, revision_of
from service.policy.manifest import DataFile, Input, Manifest, Output, Training, parse_manifest
from service.settings import ROOT

MANIFEST = Manifest(
    format=1,
    name="written",
    description='with "quotes" and a \\ in it',
    sha256="ab" * 32,
    horizon=2.5,
    cadence_ms=250,
    budget_us=500,
    signals=("volume",),
    actions={"cross": 0.5},
    inputs=(
        Input(name="imbalance", unit="-1..1", low=-1.0, high=1.0),
        Input(name="own.urgency", unit="0-10", centre=5.0, scale=2.0),
    ),
    output=Output(name="y", columns=("down", "up"), score=(-1.0, 1.0), low=0.0, high=1.0),
    training=Training(
        revision="abc", split="none", seed=3, data=(DataFile(path="lean/x.zip", sha256="cd" * 32),)
    ),
)


def test_manifest_text_when_parsed_then_it_is_the_same_manifest() -> None:
    assert parse_manifest(manifest_text(MANIFEST), "here") == MANIFEST


def test_revision_when_a_source_differs_then_it_differs() -> None:
    files = sorted((ROOT / "policies" / "training").glob("*.py"))
    assert revision_of(files) == revision_of(reversed(files))
    assert revision_of(files) != revision_of(files[1:])


def test_shipped_manifest_when_written_again_then_it_is_the_same_file() -> None:
    path = ROOT / "policies" / "models" / "timing" / "manifest.toml"
    text = path.read_text()
    assert manifest_text(parse_manifest(text, str(path))) == text
    assert Path(path.parent / "card.md").is_file()
