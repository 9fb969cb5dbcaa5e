"""Trains the model of the policy ``timing``: in which direction the mid moves over the next five seconds.

    python -m policies.training.timing [--out FOLDER]

Gradient-boosted trees learn the direction (-1, 0, 1) by least squares, so that their one output estimates
P(up) - P(down), the score. Every row is learnt with its mirror image (bid for ask, buyer for seller), and
instruments weigh the same however often they are quoted. Choices were made on the validation part. Everything
is seeded and runs on one thread: on one machine the same data give the same file.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime as ort
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from policies.training import card, export, trees
from policies.training.dataset import Floats, Session, marketdata
from policies.training.scores import Judged, advantage, auc, explained
from policies.training.sessions import SPLIT, Parts, data_files, real_sessions, synthetic_sessions
from service.market.features import REGISTRY
from service.model.time import SECOND
from service.policy.manifest import DataFile, Input, Manifest, Output, Training
from service.settings import ROOT

NAME: Final = "timing"
SEED: Final = 20131007
HORIZON: Final = 5
"""Seconds."""

FEATURES: Final = (
    "imbalance", "imbalance_3", "microprice_ticks", "bid_depth_ratio", "ask_depth_ratio",
    "order_flow_1s", "order_flow_5s", "order_flow_30s", "trade_pressure_1s", "trade_pressure_5s",
    "trade_imbalance_5s", "move_sigma_1s", "move_sigma_5s", "move_sigma_30s", "last_trade_place",
    "last_trade_sign", "since_trade", "since_move", "book_rate_1s", "trade_rate_5s", "spread_ticks",
    "spread_ratio", "sigma_ticks", "sigma_spread",
)  # fmt: skip
TREES: Final[dict[str, Any]] = {
    "max_iter": 200, "learning_rate": 0.05, "max_leaf_nodes": 16, "min_samples_leaf": 500,
    "l2_regularization": 10.0, "max_features": 0.5, "early_stopping": False, "random_state": SEED,
}  # fmt: skip
TAIL: Final = 0.001
"""Share of the training rows past each bound of an input."""

PROMPT_SHARE: Final = 0.2
"""Share of validation rows, instruments alike, whose score is strong enough to follow or to hold."""

CROSS_SHARE: Final = 0.05
"""... and strong enough to take, if the move is worth it."""

EDGE: Final = 0.5
"""Expected move, in half spreads, from which taking is worth it."""

BUDGET_US: Final = 2_000
CADENCE_MS: Final = 250
LARGEST: Final = 1_000_000
"""Bytes of the ONNX file."""

MIRROR: Final = np.array([FEATURES.index(REGISTRY[n].mirror) for n in FEATURES])
SIGN: Final = np.array([-1.0 if REGISTRY[n].odd else 1.0 for n in FEATURES])

Score = Callable[[Floats], Floats]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Learning:
    """Training rows with their mirror images: raw rows, directions, weights."""

    rows: Floats
    direction: Floats
    weights: Floats


def mirrored(rows: Floats) -> Floats:
    """The rows of the market with bid and ask, buyers and sellers exchanged."""
    exchanged: Floats = rows[:, MIRROR] * SIGN
    return exchanged


def learning(train: list[Session]) -> Learning:
    """All training rows, each with its mirror image, every instrument with the same weight."""
    sizes: dict[str, int] = {}
    for s in train:
        sizes[s.symbol] = sizes.get(s.symbol, 0) + len(s.ts)
    rows = np.concatenate([s.rows for s in train])
    direction = np.sign(np.concatenate([s.moves for s in train]))
    weights = np.concatenate([np.full(len(s.ts), 1.0 / sizes[s.symbol]) for s in train])
    weights *= len(rows) / weights.sum()
    return Learning(
        np.concatenate([rows, mirrored(rows)]),
        np.concatenate([direction, -direction]),
        np.concatenate([weights, weights]),
    )


def inputs_of(rows: Floats) -> tuple[Input, ...]:
    """The manifest's inputs: bounds that all but a tail of the rows lie in. Trees need no normalisation."""
    low, high = np.quantile(rows, (TAIL, 1.0 - TAIL), axis=0)
    return tuple(
        Input(
            name=name,
            unit=REGISTRY[name].unit,
            low=float(f"{low[n]:.4g}"),
            high=float(f"{max(high[n], low[n] + 1e-3):.4g}"),
        )
        for n, name in enumerate(FEATURES)
    )


def clipped(inputs: tuple[Input, ...]) -> Callable[[Floats], Any]:
    """What the runner does to a row before the model sees it."""
    low, high = np.array([i.low for i in inputs]), np.array([i.high for i in inputs])

    def prepare(rows: Floats) -> Any:
        return np.minimum(np.maximum(rows, low), high).astype(np.float32)

    return prepare


def fit_trees(data: Learning, inputs: tuple[Input, ...]) -> bytes:
    """The ONNX file of the fitted trees.

    Raises:
        RuntimeError: If the ONNX model does not say what the trees say.
    """
    prepared = clipped(inputs)(data.rows)
    model = HistGradientBoostingRegressor(**TREES).fit(prepared, data.direction, sample_weight=data.weights)
    content = trees.to_onnx(model, len(FEATURES), NAME)
    if len(content) > LARGEST:
        raise RuntimeError(f"the ONNX file has {len(content)} bytes, more than {LARGEST}")
    apart = np.abs(scorer(content, inputs)(data.rows) - model.predict(prepared))
    if np.mean(apart > 1e-4) > 1e-3:
        raise RuntimeError(f"the ONNX model is {apart.max()} away from the trees it was made of")
    return content


def scorer(content: bytes, inputs: tuple[Input, ...]) -> Score:
    """The score of raw rows by an ONNX file, as the runner computes it."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    prepare = clipped(inputs)
    (column,) = session.get_inputs()
    (output,) = session.get_outputs()

    def score(rows: Floats) -> Floats:
        (answers,) = session.run([output.name], {column.name: prepare(rows)})
        return np.asarray(answers, np.float64).reshape(-1)

    return score


def fit_logistic(data: Learning, inputs: tuple[Input, ...], names: tuple[str, ...]) -> Score:
    """Multinomial logistic regression on some features; its score is P(up) - P(down)."""
    columns = [FEATURES.index(n) for n in names]
    prepare = clipped(inputs)
    rows = prepare(data.rows)[:, columns].astype(np.float64)
    centre, scale = rows.mean(axis=0), rows.std(axis=0)
    model = LogisticRegression(C=1.0, max_iter=500).fit(
        (rows - centre) / scale, data.direction.astype(int), sample_weight=data.weights
    )

    def score(rows: Floats) -> Floats:
        chosen = (prepare(rows)[:, columns].astype(np.float64) - centre) / scale
        chances = model.predict_proba(chosen)
        return np.asarray(chances[:, 2] - chances[:, 0], np.float64)

    return score


def thresholds(score: Score, validation: list[Session]) -> dict[str, float]:
    """Thresholds of the score from its distribution over the validation rows, instruments alike."""
    strengths = [np.abs(score(s.rows)) for s in validation]
    even = np.linspace(0.0, 1.0, 2001)
    pooled = np.concatenate([np.quantile(s, even) for s in strengths])
    prompt, cross = np.quantile(pooled, (1.0 - PROMPT_SHARE, 1.0 - CROSS_SHARE))
    return {
        "cross": round(float(cross), 3),
        "follow": round(float(prompt), 3),
        "hold": round(float(prompt), 3),
        "edge": EDGE,
    }


def actions_table(score: Score, actions: dict[str, float], sessions: list[Session]) -> list[card.ActionRow]:
    """What each action's rows were followed by, buys and sells together, per instrument."""
    table = []
    sigma, spread = FEATURES.index("sigma_ticks"), FEATURES.index("spread_ticks")
    for s in sessions:
        ours = score(s.rows)
        half = np.maximum(s.rows[:, spread], 1.0) / 2
        signed = np.concatenate([ours, -ours])
        against = np.concatenate([s.moves / half, -s.moves / half])
        expected = signed * np.concatenate([s.rows[:, sigma] / half] * 2) * sqrt(HORIZON)
        cross = (signed >= actions["cross"]) & (expected >= actions["edge"])
        follow = (signed >= actions["follow"]) & ~cross
        hold = signed <= -actions["hold"]
        rest = ~(cross | follow | hold)
        table.append(
            card.ActionRow(
                s.symbol,
                tuple(
                    (float(np.mean(chosen)), float(against[chosen].mean()) if chosen.any() else 0.0)
                    for chosen in (cross, follow, rest, hold)
                ),
            )
        )
    return table


def judged(score: Score, other: Score, sessions: list[Session]) -> list[Judged]:
    """Both scores of every session of a part."""
    return [Judged(s.symbol, s.ts, s.moves, score(s.rows), other(s.rows)) for s in sessions]


def train(out: Path) -> None:
    """Build the data, fit, judge, and write the model's folder."""
    names = FEATURES
    log.info("building rows from %s", marketdata())
    parts: Parts = real_sessions(names, HORIZON * SECOND)
    parts["synthetic"] = synthetic_sessions(names, HORIZON * SECOND)
    data = learning(parts["train"])
    log.info("fitting %d rows", len(data.rows))
    inputs = inputs_of(data.rows)
    content = fit_trees(data, inputs)
    score = scorer(content, inputs)
    imbalance = fit_logistic(data, inputs, ("imbalance",))
    linear = fit_logistic(data, inputs, names)
    actions = thresholds(score, parts["validation"])
    log.info("judging")
    results = []
    for part in ("validation", "test", "synthetic"):
        both = judged(score, imbalance, parts[part])
        each, mean = advantage(both, SEED)
        rows = tuple(
            card.SymbolRow(
                symbol=j.symbol,
                rows=len(j.ts),
                moved=float(np.mean(j.move != 0)),
                ours=auc(j.ours, j.move),
                linear=auc(linear(s.rows), s.moves),
                theirs=auc(j.theirs, j.move),
                advantage=each[j.symbol],
                explained=explained(j.ours, j.move),
            )
            for j, s in zip(both, parts[part], strict=True)
        )
        result = card.PartResult(part, rows, mean, tuple(actions_table(score, actions, parts[part])))
        log.info("%s: AUC above logistic regression on imbalance by %s", part, mean)
        results.append(result)
    manifest = make_manifest(content, inputs, actions)
    sizes = {part: sum(len(s.ts) for s in sessions) for part, sessions in parts.items()}
    export.write_model(out, content, manifest, card.write(manifest, content, sizes, TREES, tuple(results)))
    log.info("wrote %s", out)


def make_manifest(content: bytes, inputs: tuple[Input, ...], actions: dict[str, float]) -> Manifest:
    """The manifest of the model just made."""
    return Manifest(
        format=1,
        name=NAME,
        description=f"direction of the mid over the next {HORIZON} s, as P(up) - P(down)",
        sha256=hashlib.sha256(content).hexdigest(),
        horizon=float(HORIZON),
        cadence_ms=CADENCE_MS,
        budget_us=BUDGET_US,
        actions=actions,
        inputs=inputs,
        output=Output(name=trees.OUTPUT, columns=("score",), score=(1.0,), low=-2.0, high=2.0),
        training=Training(
            revision=export.revision_of(
                [*(ROOT / "policies" / "training").glob("*.py"), *(ROOT / "service" / "market").glob("*.py")]
            ),
            split=SPLIT,
            seed=SEED,
            data=tuple(
                DataFile(path=path, sha256=export.sha256_of(marketdata() / path)) for path in data_files()
            ),
        ),
    )


def main(arguments: list[str] | None = None) -> None:
    """Train and write the model's folder."""
    parser = argparse.ArgumentParser(prog="python -m policies.training.timing", description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=ROOT / "policies" / "models" / NAME, help="model's folder"
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("service.feeds").setLevel(logging.ERROR)
    with threadpool_limits(1):
        train(options.out)


if __name__ == "__main__":
    main()
