"""What is refused when a model is loaded, and what a loaded one answers."""

from collections.abc import Callable
from pathlib import Path

import pytest
from onnx import TensorProto, helper

from service.inference.model import LOOK_EVERY, LOOK_WEIGHT, Model, ModelError, ModelFailure, load_model
from tests.unit.inference import onnx_models as made


def refused(folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        load_model(folder)
    return str(caught.value)


def test_load_when_all_is_well_then_it_is_labelled_with_its_hash_and_measured(tmp_path: Path) -> None:
    model = load_model(made.write(tmp_path, made.identity()))
    assert model.label == f"handmade@{model.manifest.sha256[:8]}"
    assert model.provider == "CPUExecutionProvider"
    assert 0 < model.typical <= model.worst
    assert model.manifest.names == made.NAMES


def test_load_when_one_byte_differs_then_the_hash_is_refused(tmp_path: Path) -> None:
    folder = made.write(tmp_path, made.identity())
    path = folder / "model.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    message = refused(folder)
    assert str(path) in message
    assert "the manifest says" in message


def test_load_when_the_file_is_missing_then_it_is_named(tmp_path: Path) -> None:
    folder = made.write(tmp_path, made.identity())
    (folder / "model.onnx").unlink()
    assert f"{folder / 'model.onnx'}: No such file" in refused(folder)


def test_load_when_it_is_no_onnx_file_then_onnxruntime_refuses_it(tmp_path: Path) -> None:
    assert "refuses it" in refused(made.write(tmp_path, b"not a model"))


def test_load_when_the_model_takes_more_columns_than_are_listed_then_it_is_refused(tmp_path: Path) -> None:
    three = made.affine([[1.0, 0.0]] * 3, [0.0, 0.0])
    assert "takes 3 columns, the manifest lists 2" in refused(made.write(tmp_path, three))


def test_load_when_the_number_of_rows_is_fixed_then_it_is_refused(tmp_path: Path) -> None:
    fixed = made.serialised([helper.make_node("Identity", ["x"], ["y"])], rows=1)
    assert "number of rows left open" in refused(made.write(tmp_path, fixed))


def test_load_when_the_output_has_another_width_then_it_is_refused(tmp_path: Path) -> None:
    three = made.affine([[1.0, 0.0, 0.0]] * 2, [0.0, 0.0, 0.0])
    assert "has 3 columns, the manifest names 2" in refused(made.write(tmp_path, three))


def test_load_when_the_output_is_not_of_floats_then_it_is_refused(tmp_path: Path) -> None:
    cast = helper.make_node("Cast", ["x"], ["y"], to=TensorProto.INT64)
    wrong = made.serialised([cast], output_type=TensorProto.INT64)
    assert "tensor(int64)" in refused(made.write(tmp_path, wrong))


def test_load_when_the_named_output_is_absent_then_what_there_is_is_listed(tmp_path: Path) -> None:
    manifest = made.MANIFEST.replace('name = "y"', 'name = "probabilities"')
    message = refused(made.write(tmp_path, made.identity(), manifest=manifest))
    assert "no output 'probabilities'; it has y" in message


def _twice(text: str) -> str:
    return text.replace("spread_ticks", "imbalance").replace('"ticks"', '"-1..1"')


BROKEN: list[tuple[str, Callable[[str], str], str]] = [
    ("unknown feature", lambda t: t.replace("spread_ticks", "moon_phase"), "no feature moon_phase"),
    ("wrong unit", lambda t: t.replace('"ticks"', '"bps"'), "spread_ticks is in 'ticks', not in 'bps'"),
    ("unknown key", lambda t: 'colour = "red"\n' + t, "colour: Extra inputs are not permitted"),
    ("a feature twice", _twice, "input imbalance stands there twice"),
    ("no scale", lambda t: t.replace("scale = 4.0", "scale = 0.0"), "inputs.1.scale"),
    ("not a number", lambda t: t.replace("centre = 2.0", "centre = nan"), "inputs.1.centre"),
    ("weights", lambda t: t.replace("[-1.0, 1.0]", "[1.0]"), "2 columns but 1 weights"),
    ("bounds", lambda t: t.replace("high = 5.0", "high = -5.0"), "low -5.0 must be below high -5.0"),
    ("version", lambda t: t.replace("format = 1", "format = 2"), "format"),
    ("folder", lambda t: t.replace('"{name}"', '"other"'), "must be that of its folder, 'handmade'"),
    ("path", lambda t: 'file = "../model.onnx"\n' + t, "file"),
    ("toml", lambda t: t + "\n[", "not TOML"),
]


@pytest.mark.parametrize(("change", "says"), [b[1:] for b in BROKEN], ids=[b[0] for b in BROKEN])
def test_load_when_the_manifest_is_wrong_then_file_and_field_are_named(
    tmp_path: Path, change: Callable[[str], str], says: str
) -> None:
    folder = made.write(tmp_path, made.identity(), manifest=change(made.MANIFEST))
    message = refused(folder)
    assert says in message
    assert str(folder / "manifest.toml") in message


def test_load_when_cuda_is_asked_for_and_absent_then_it_is_refused_rather_than_run_on_the_cpu(
    tmp_path: Path,
) -> None:
    ort = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" in ort.get_available_providers():
        pytest.skip("this onnxruntime has CUDA")
    with pytest.raises(ModelError, match="has no CUDAExecutionProvider"):
        load_model(made.write(tmp_path, made.identity()), "cuda")


def loaded(tmp_path: Path, data: bytes, **options: object) -> Model:
    return load_model(made.write(tmp_path, data, **options))  # type: ignore[arg-type]


def test_run_when_rows_are_given_then_each_is_clipped_scaled_and_scored(tmp_path: Path) -> None:
    model = loaded(tmp_path, made.identity())
    assert model.run([(0.5, 4.0), (-7.0, 99.0)]) == ((0.0, 0.5, 0.5), (3.0, -1.0, 2.0))


def test_run_when_batches_of_many_sizes_alternate_then_answers_do_not_mix(tmp_path: Path) -> None:
    model = loaded(tmp_path, made.identity())
    for count in [1, 3, 2, *range(1, 80), 3, 1]:
        rows = [(n / 100, 2.0) for n in range(count)]
        assert [round(answer[1], 5) for answer in model.run(rows)] == [n / 100 for n in range(count)]


def test_run_when_the_output_has_one_dimension_then_it_is_one_column(tmp_path: Path) -> None:
    squeeze = helper.make_node("ReduceSum", ["x", "axis"], ["y"], keepdims=0)
    axis = helper.make_tensor("axis", TensorProto.INT64, [1], [1])
    manifest = made.MANIFEST.replace('["down", "up"]', '["move"]').replace("[-1.0, 1.0]", "[2.0]")
    model = loaded(tmp_path, made.serialised([squeeze], [axis], output=None), manifest=manifest)
    assert model.run([(0.5, 4.0)]) == ((2.0, 1.0),)


def test_run_when_the_model_is_constant_then_every_row_is_the_same(tmp_path: Path) -> None:
    model = loaded(tmp_path, made.constant(0.25, 0.75))
    assert model.run([(0.1, 1.0), (-0.9, 7.0)]) == ((0.5, 0.25, 0.75),) * 2


@pytest.mark.parametrize(
    ("data", "reason"),
    [(made.divides_by_zero(), "not_finite"), (made.constant(0.0, 9.0), "out_of_range")],
    ids=["not finite", "out of range"],
)
def test_run_when_a_number_is_unusable_then_the_call_fails_with_the_reason(
    tmp_path: Path, data: bytes, reason: str
) -> None:
    model = loaded(tmp_path, data)
    with pytest.raises(ModelFailure) as caught:
        model.run([(0.5, 4.0)])
    assert caught.value.reason == reason


def test_run_when_a_row_has_too_few_values_then_the_call_fails(tmp_path: Path) -> None:
    model = loaded(tmp_path, made.identity())
    with pytest.raises(ModelFailure) as caught:
        model.run([(0.5,), (0.5,)])
    assert caught.value.reason == "error"


def test_inline_when_a_call_takes_a_good_part_of_the_budget_then_it_is_not(tmp_path: Path) -> None:
    assert loaded(tmp_path, made.identity(), budget_us=1_000_000).inline
    assert not loaded(tmp_path, made.slow(20), budget_us=1_000_000).inline
    assert not loaded(tmp_path, made.identity(), budget_us=10).inline


def test_run_when_an_input_leaves_what_it_was_trained_on_then_its_drift_is_told_once(tmp_path: Path) -> None:
    model = load_model(made.write(tmp_path, made.identity()))
    first, second = model.manifest.inputs
    inside, far = (first.centre, second.centre), (first.centre, second.high + 1.0)
    while model.drift() is None:
        model.run([inside])
    for rows in ([inside], [inside, far]):
        for _ in range(LOOK_EVERY):
            model.run(rows)
        drift = model.drift()
        assert drift is not None
        assert drift == {first.name: 0.0, second.name: LOOK_WEIGHT * 0.5 * (len(rows) - 1)}
        assert model.drift() is None
