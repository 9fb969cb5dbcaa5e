"""docs/models.md speaks of every feature and of every field of the manifest."""

import re

from service.market.features import REGISTRY
from service.policy.manifest import Input, Manifest, Output, Training
from service.settings import ROOT

PAGE = (ROOT / "docs" / "models.md").read_text()


def test_page_when_read_then_every_feature_stands_there_with_unit_and_meaning() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \|$", PAGE, re.MULTILINE)
    listed = {name: (unit, meaning) for name, unit, meaning in rows if name in REGISTRY}
    assert listed == {name: (f.unit, f.meaning) for name, f in REGISTRY.items()}


def test_page_when_read_then_every_field_of_a_manifest_stands_there() -> None:
    start, end = PAGE.index("## The manifest"), PAGE.index("## Features")
    words = set(re.findall(r"[a-z_0-9]+", PAGE[start:end]))
    for model in (Manifest, Input, Output, Training):
        assert set(model.model_fields) <= words
