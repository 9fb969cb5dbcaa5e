"""The model card: what the model is, what it was judged on, and what it is not worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from policies.training.scores import BLOCK, DRAWS, Interval
from service.model.time import SECOND
from service.policy.manifest import Manifest

TEMPLATE: Final = """\
# Model card: {name}

{description}.
Written by `python -m policies.training.timing`; every figure is of that run.

**{verdict}**: mean difference of AUC {advantage} (95 %, block bootstrap).
Not above it on its own, by the interval: {not_above}.

## What it is

- {trees} regression trees of at most {leaves} leaves (scikit-learn HistGradientBoostingRegressor, learning
  rate {rate}), {bytes:,} bytes of ONNX, sha256 `{sha256}`.
- Reads {inputs} features of the last minute: ratios, ticks and deviations; no prices, no lots.
- Learns the direction (-1, 0, 1) of the mid over {horizon:g} s by least squares, so that its output estimates
  P(up) - P(down).
- Thresholds of the policy: {actions}.
- Seed {seed}, sources {revision}.

## Data

- Split: {split}.
- One row a second of market time at most, where trading is open and the last minute is known.
- Rows: {sizes}. Training rows are also learnt mirrored, and instruments weigh the same.
- The synthetic market is never trained on: it shows what the model is worth to a stranger.
- Features, trees and thresholds were chosen on validation. The test part was looked at during development;
  nothing was chosen by it.
- Files and their sha256 are in manifest.toml ({files} files).

## Results

AUC of the score for up against down, rows that did not move left out; 0.5 is a coin. The baseline is
multinomial logistic regression on the imbalance at the touch (within an instrument its AUC does not depend on
how it is fitted). *linear* is logistic regression on all of the model's features. The interval is of the
difference to the baseline: {draws} draws of blocks of {block} s. *explained* is the share of the direction's
mean square that the score explains.
{results}
## What the actions were followed by

Share of rows (buys and sells together), and the mean move of the mid against the parent over {horizon:g} s in
half spreads. Taking costs one half spread to the mid, two against a fill at the own touch.
{followed}
## Limits

- Five US shares on five days of 2012 and 2013, and no other kind of instrument. Auctions, halts and the first
  minute after the open are not in it.
- A better forecast of direction is not yet a saving: queue position, chance of a fill, fees and impact are
  not modelled. The moves above are not costs of orders.
- NBBO data carry one level: `imbalance_3` equals `imbalance` there.
- Trees fitted on another machine may differ in the last bits, and so in the file's hash.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolRow:
    """How one instrument was scored in one part. ``ours``, ``linear``, ``theirs`` are AUCs."""

    symbol: str
    rows: int
    moved: float
    ours: float
    linear: float
    theirs: float
    advantage: Interval
    explained: float


@dataclass(frozen=True, slots=True)
class ActionRow:
    """Per action (cross, follow, rest, hold): share of rows, mean move against the parent in half spreads."""

    symbol: str
    cells: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class PartResult:
    """One part of the data; ``mean`` is the mean advantage over its instruments."""

    part: str
    rows: tuple[SymbolRow, ...]
    mean: Interval
    actions: tuple[ActionRow, ...]


def verdict(advantage: Interval) -> str:
    """Where the model stands against the baseline, by the confidence interval of its advantage."""
    if advantage.low > 0.0:
        return "Validation: above logistic regression on imbalance"
    if advantage.high < 0.0:
        return "Validation: BELOW logistic regression on imbalance"
    return "Validation: NOT above logistic regression on imbalance: the interval contains zero"


def write(
    manifest: Manifest,
    content: bytes,
    sizes: Mapping[str, int],
    trees: Mapping[str, Any],
    results: tuple[PartResult, ...],
) -> str:
    """The card as Markdown.

    Args:
        sizes: Rows by part.
        trees: Parameters of the fit.
    """
    validation = next(r for r in results if r.part == "validation")
    return TEMPLATE.format(
        name=manifest.name,
        description=manifest.description[0].upper() + manifest.description[1:],
        verdict=verdict(validation.mean),
        advantage=validation.mean,
        not_above=_not_above(results),
        trees=trees["max_iter"],
        leaves=trees["max_leaf_nodes"],
        rate=trees["learning_rate"],
        bytes=len(content),
        sha256=manifest.sha256,
        inputs=len(manifest.inputs),
        horizon=manifest.horizon,
        actions=", ".join(f"{name} {value:g}" for name, value in manifest.actions.items()),
        seed=manifest.training.seed,
        revision=manifest.training.revision,
        split=manifest.training.split,
        sizes=", ".join(f"{part} {size:,}" for part, size in sizes.items()),
        files=len(manifest.training.data),
        draws=DRAWS,
        block=BLOCK // SECOND,
        results="".join(map(_scores, results)),
        followed="".join(map(_actions, results)),
    )


def _not_above(results: tuple[PartResult, ...]) -> str:
    named = [
        f"{row.symbol} ({result.part})"
        for result in results
        for row in result.rows
        if row.advantage.low <= 0.0
    ]
    return ", ".join(named) or "none"


def _scores(result: PartResult) -> str:
    lines = [
        f"\n### {result.part.capitalize()}: mean difference {result.mean}\n",
        "| instrument | rows | moved | model | linear | baseline | model - baseline [95 %] | explained |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for r in result.rows:
        aucs = " | ".join(f"{value:.4f}" for value in (r.ours, r.linear, r.theirs))
        lines.append(
            f"| {r.symbol} | {r.rows:,} | {r.moved:.0%} | {aucs} | {r.advantage} | {r.explained:.3f} |"
        )
    return "\n".join(lines) + "\n"


def _actions(result: PartResult) -> str:
    lines = [
        f"\n### {result.part.capitalize()}\n",
        "| instrument | cross | follow | rest | hold |",
        "|---|---|---|---|---|",
    ]
    for row in result.actions:
        cells = " | ".join(f"{share:.1%}: {move:+.2f}" if share else "none" for share, move in row.cells)
        lines.append(f"| {row.symbol} | {cells} |")
    return "\n".join(lines) + "\n"
