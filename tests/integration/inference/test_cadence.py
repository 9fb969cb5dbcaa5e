"""The manifest's cadence is the policy's, live and in replay: both build their core from one document."""

import pytest

from policies.model_timing import TIMING
from service.inference.registry import find_model
from service.model.time import MILLISECOND
from service.policy.manifest import load_manifest
from service.policy.registry import Found
from service.runner.start import ServedModel, Start, build_core
from service.settings import ROOT


@pytest.mark.parametrize(("cadence_ms", "kept"), [(10, 250), (900, 900)])
def test_core_when_the_manifest_asks_for_a_slower_cadence_then_the_policy_has_it(
    cadence_ms: int, kept: int
) -> None:
    manifest = load_manifest(find_model("timing")).model_copy(update={"cadence_ms": cadence_ms})
    start = Start(
        runner_id="R1",
        instance="R1-1",
        reference=(ROOT / "deploy" / "reference.toml").read_text(),
        partitions=4,
        policies={"timing": ""},
        models={"timing": ServedModel(label="timing@12345678", manifest=manifest.model_dump_json())},
    )
    core = build_core(start, Found(policies={"timing": TIMING}))
    assert core._policies["timing"].cadence == kept * MILLISECOND
