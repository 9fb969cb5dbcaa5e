"""The document that says what a core was started with, and the core built from it."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from policies.model_timing import FOLDER, TIMING
from service.policy.manifest import load_manifest
from service.policy.registry import Found, discover
from service.runner.start import (
    ServedModel,
    Start,
    StartError,
    build_core,
    differences,
    partitions_of,
    read_start,
    start_path,
    write_start,
)
from service.transport.producer import partition_for
from tests.unit.runner.desk import REFERENCE, REFERENCE_TEXT

MANIFEST = load_manifest(FOLDER)


def start() -> Start:
    return Start(
        runner_id="R1",
        instance="R1-17",
        reference=REFERENCE_TEXT,
        partitions=4,
        policies=discover().sources,
        models={"timing": ServedModel(label="timing@12345678", manifest=MANIFEST.model_dump_json())},
    )


def test_a_document_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = write_start(start(), tmp_path)
    assert path == start_path(tmp_path, "R1-17") == tmp_path / "runner" / "R1-17.json"
    assert read_start(path) == start()


def test_the_revision_is_the_same_for_two_runners_and_another_for_other_inputs_to_decisions() -> None:
    plain = start()
    assert replace(plain, runner_id="R2", instance="R2-18").revision == plain.revision
    others = [
        replace(plain, reference=plain.reference + "\n"),
        replace(plain, partitions=8),
        replace(plain, cadence_floor=1),
        replace(plain, policies={**plain.policies, "twap": "policies.rules:TWAP 0"}),
        replace(plain, models={}),
    ]
    assert len({plain.revision, *(o.revision for o in others)}) == 6


def test_the_core_has_the_documents_policies_and_models_and_nothing_else() -> None:
    core = build_core(replace(start(), policies={"timing": start().policies["timing"]}))
    assert set(core._policies) == {"timing"}
    assert core._policies["timing"].model == TIMING.model
    assert core._evaluator._models == {"timing": "timing@12345678"}
    assert core.reference.version == REFERENCE.version


def test_a_model_is_bound_to_the_manifest_of_the_run_and_not_to_the_one_here() -> None:
    other = MANIFEST.model_copy(update={"actions": {**MANIFEST.actions, "hold": 0.99}})
    models = {"timing": ServedModel(label="timing@0", manifest=other.model_dump_json())}
    core = build_core(replace(start(), models=models))
    bound = core._policies["timing"].model
    assert bound is not None
    assert bound.hold == 0.99  # type: ignore[attr-defined]


def test_a_policy_that_is_not_here_is_named_with_its_reason() -> None:
    found = Found(unavailable={"twap": "desk_policies:TWAP: ImportError('gone')"})
    with pytest.raises(StartError, match="policy is is not available: it is not installed"):
        build_core(start(), found)
    with pytest.raises(StartError, match=r"policy twap is not available: .*ImportError\('gone'\)"):
        build_core(replace(start(), policies={"twap": ""}), found)


def test_policies_that_have_changed_since_are_named() -> None:
    changed = replace(
        start(), policies={"twap": "policies.rules:TWAP 0123", "vwap": start().policies["vwap"]}
    )
    (sentence,) = differences(changed)
    assert sentence.startswith("policy twap was policies.rules:TWAP 0123, here it is policies.rules:TWAP ")
    assert differences(start()) == []


@pytest.mark.parametrize("text", ["", "[]", '{"runner_id": 1}', '{"unknown": 1}'])
def test_a_file_that_is_no_document_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "R.json"
    with pytest.raises(StartError, match=r"start document .*R\.json: No such file"):
        read_start(path)
    path.write_text(text)
    with pytest.raises(StartError, match=r"start document .*R\.json"):
        read_start(path)


def test_an_instrument_lies_on_the_partition_of_its_key() -> None:
    assert partitions_of(REFERENCE, 4)["AURA"] == partition_for(b"AURA", 4)
