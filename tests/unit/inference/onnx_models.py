"""Small ONNX models made by hand, each in a folder with its manifest."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

NAMES = ("imbalance", "spread_ticks")
UNITS = ("-1..1", "ticks")

MANIFEST = """\
format = 1
name = "{name}"
description = "for a test"
sha256 = "{sha256}"
horizon = 5.0
cadence_ms = 100
budget_us = {budget_us}
{extra}
[[inputs]]
name = "imbalance"
unit = "-1..1"
low = -1.0
high = 1.0

[[inputs]]
name = "spread_ticks"
unit = "ticks"
centre = 2.0
scale = 4.0
low = 0.0
high = 10.0

[output]
name = "y"
columns = ["down", "up"]
score = [-1.0, 1.0]
low = -5.0
high = 5.0

[training]
revision = "by hand"
split = "none"
"""


def serialised(
    nodes: Sequence[onnx.NodeProto],
    initializers: Sequence[onnx.TensorProto] = (),
    *,
    columns: int = 2,
    rows: str | int = "rows",
    output: int | None = 2,
    output_type: int = TensorProto.FLOAT,
) -> bytes:
    """A model from ``x`` (rows, columns) to ``y`` (rows, output), or (rows,) if ``output`` is None."""
    graph = helper.make_graph(
        list(nodes),
        "hand made",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [rows, columns])],
        [helper.make_tensor_value_info("y", output_type, [rows] if output is None else [rows, output])],
        list(initializers),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def affine(weights: Sequence[Sequence[float]], bias: Sequence[float]) -> bytes:
    """y = x @ weights + bias."""
    w, b = np.array(weights, np.float32), np.array(bias, np.float32)
    return serialised(
        [helper.make_node("Gemm", ["x", "w", "b"], ["y"])],
        [numpy_helper.from_array(w, "w"), numpy_helper.from_array(b, "b")],
        columns=w.shape[0],
        output=w.shape[1],
    )


def identity() -> bytes:
    return affine([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0])


def constant(*row: float) -> bytes:
    return affine([[0.0] * len(row)] * 2, row)


def divides_by_zero() -> bytes:
    """y = x / 0: not finite for every row."""
    zero = numpy_helper.from_array(np.zeros(2, np.float32), "zero")
    return serialised([helper.make_node("Div", ["x", "zero"], ["y"])], [zero])


def slow(turns: int) -> bytes:
    """y = x, after ``turns`` products of a 192 x 192 matrix, about 0.2 ms each."""
    size = 192
    matrix = helper.make_tensor_value_info("m", TensorProto.FLOAT, [size, size])
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["m", "square"], ["product"]),
            helper.make_node("Identity", ["go"], ["on"]),
        ],
        "turn",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            matrix,
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("product", TensorProto.FLOAT, [size, size]),
        ],
    )
    return serialised(
        [
            helper.make_node("Loop", ["turns", "yes", "square"], ["end"], body=body),
            helper.make_node("ReduceMax", ["end"], ["most"], keepdims=0),
            helper.make_node("Mul", ["most", "nothing"], ["none"]),
            helper.make_node("Add", ["x", "none"], ["y"]),
        ],
        [
            numpy_helper.from_array(np.full((size, size), 1 / size, np.float32), "square"),
            numpy_helper.from_array(np.array(turns, np.int64), "turns"),
            numpy_helper.from_array(np.array(True), "yes"),
            numpy_helper.from_array(np.array(0.0, np.float32), "nothing"),
        ],
    )


def write(
    parent: Path,
    data: bytes,
    name: str = "handmade",
    *,
    budget_us: int = 100_000,
    extra: str = "",
    sha256: str | None = None,
    manifest: str = MANIFEST,
) -> Path:
    """A model's folder under ``parent``."""
    folder = parent / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(data)
    digest = sha256 or hashlib.sha256(data).hexdigest()
    (folder / "manifest.toml").write_text(
        manifest.format(name=name, sha256=digest, budget_us=budget_us, extra=extra)
    )
    return folder


def constant_column(columns: int, output: str, value: float) -> bytes:
    """A model of any width whose one output is ``value`` for every row."""
    nothing = numpy_helper.from_array(np.zeros((columns, 1), np.float32), "nothing")
    bias = numpy_helper.from_array(np.array([value], np.float32), "bias")
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["rows", "nothing", "bias"], [output])],
        "constant",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["n", columns])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", 1])],
        [nothing, bias],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())
