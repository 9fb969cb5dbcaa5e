"""Fitted gradient-boosted regression trees of scikit-learn as one ONNX TreeEnsembleRegressor.

Written out by hand since the released converters do not accept the node types of current scikit-learn. The
caller compares the two on all of its rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto, checker, helper

INPUT = "rows"
OUTPUT = "score"


def to_onnx(model: Any, columns: int, name: str) -> bytes:
    """The ONNX file: ``rows`` float32 (n, columns) -> ``score`` float32 (n, 1).

    Args:
        model: A fitted ``HistGradientBoostingRegressor`` with squared loss, without categories.

    Raises:
        RuntimeError: If it has nodes that this cannot write.
    """
    fields: dict[str, Any] = {
        key: []
        for key in (
            "nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_values", "nodes_modes",
            "nodes_truenodeids", "nodes_falsenodeids", "nodes_missing_value_tracks_true",
            "target_treeids", "target_nodeids", "target_ids", "target_weights",
        )
    }  # fmt: skip
    for tree, (predictor,) in enumerate(model._predictors):
        for number, node in enumerate(predictor.nodes):
            if node["is_categorical"]:
                raise RuntimeError(f"tree {tree}: node {number} splits on a category")
            leaf = bool(node["is_leaf"])
            fields["nodes_treeids"].append(tree)
            fields["nodes_nodeids"].append(number)
            fields["nodes_featureids"].append(0 if leaf else int(node["feature_idx"]))
            fields["nodes_values"].append(0.0 if leaf else _below(float(node["num_threshold"])))
            fields["nodes_modes"].append("LEAF" if leaf else "BRANCH_LEQ")
            fields["nodes_truenodeids"].append(0 if leaf else int(node["left"]))
            fields["nodes_falsenodeids"].append(0 if leaf else int(node["right"]))
            fields["nodes_missing_value_tracks_true"].append(int(node["missing_go_to_left"]))
            if leaf:
                fields["target_treeids"].append(tree)
                fields["target_nodeids"].append(number)
                fields["target_ids"].append(0)
                fields["target_weights"].append(float(node["value"]))
    graph = helper.make_graph(
        [
            helper.make_node(
                "TreeEnsembleRegressor",
                [INPUT],
                [OUTPUT],
                domain="ai.onnx.ml",
                n_targets=1,
                base_values=[float(np.ravel(model._baseline_prediction)[0])],
                **fields,
            )
        ],
        name,
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["n", columns])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["n", 1])],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    checker.check_model(made)
    return bytes(made.SerializeToString(deterministic=True))


def _below(threshold: float) -> float:
    """The largest float32 that is not above: for float32 values it parts them as the double does."""
    near = np.float32(threshold)
    if float(near) > threshold:
        near = np.nextafter(near, np.float32(-np.inf))
    return float(near)
