"""The policy ``timing`` with its model, through the runner's core, on a lifelike market and on real data."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import pytest

from policies.model_timing import TIMING
from policies.training.dataset import rows_at
from policies.training.export import manifest_text
from service.feeds.source import Source, open_source
from service.inference.registry import FOLDERS, Served, serve_models
from service.market.flow import SPAN
from service.model.orders import Side
from service.model.time import MINUTE, SECOND
from service.policy.manifest import load_manifest
from tests.integration.inference.floor import REFERENCE, Floor
from tests.marketdata import require_marketdata
from tests.unit.inference import onnx_models as made

MINUTES = 6
GOOG = "lobster/LOBSTER_SampleFile_GOOG_2012-06-21_10.zip"


def served(*folders: Path) -> Served:
    found = serve_models({"timing": TIMING}, (*folders, *FOLDERS))
    assert not found.unavailable
    # Beside other work a call may look slow while it is measured; these tests are not about that.
    for model in found.models.values():
        model.worst = 1
        model.manifest = model.manifest.model_copy(update={"budget_us": 10_000_000})
    return found


def constant_in_its_place(folder: Path, score: float) -> Path:
    """The shipped manifest with a model that always says ``score``."""
    shipped = load_manifest(FOLDERS[0] / "timing")
    data = made.constant_column(len(shipped.inputs), shipped.output.name, score)
    manifest = shipped.model_copy(update={"sha256": hashlib.sha256(data).hexdigest()})
    target = folder / "timing"
    target.mkdir(parents=True)
    (target / manifest.file).write_bytes(data)
    (target / "manifest.toml").write_text(manifest_text(manifest))
    return folder


def synthetic() -> Source:
    return open_source("synthetic", None, REFERENCE, 3)


def worked(found: Served, source: Source, symbol: str, *, side: Side = Side.BUY, lots: int = 4_000) -> Floor:
    """A parent of ``MINUTES``, admitted after a minute of listening."""
    start = source.session_start
    floor = Floor(found.policies, found.models, symbol, source.events(), start)
    floor.play(start + MINUTE)
    floor.admit("timing", lots, MINUTES * 60, side)
    floor.play(start + (MINUTES + 1) * MINUTE + SECOND)
    return floor


@pytest.fixture(scope="module")
def lifelike() -> Floor:
    return worked(served(), synthetic(), "AURA")


def test_timing_when_its_model_serves_then_the_parent_completes_and_children_name_the_model(
    lifelike: Floor,
) -> None:
    (label,) = lifelike.server.labels.values()
    assert lifelike.filled == 4_000
    assert {c.model for c in lifelike.submitted} <= {label, ""}
    assert sum(c.model == label for c in lifelike.submitted) > len(lifelike.submitted) / 2
    assert all(answer.missed == "" for answer in lifelike.answers)
    assert any(d.action == "hold" and d.score is not None for d in lifelike.decisions)


def test_timing_when_the_model_is_a_constant_then_the_children_are_others(
    lifelike: Floor, tmp_path: Path
) -> None:
    flat = worked(served(constant_in_its_place(tmp_path, 0.0)), synthetic(), "AURA")
    assert flat.filled == 4_000
    assert {row.values for row in flat.rows}
    assert [(c.quantity, c.price) for c in flat.submitted] != [
        (c.quantity, c.price) for c in lifelike.submitted
    ]
    assert not any(d.action == "hold" and d.score for d in flat.decisions)


def test_timing_when_a_constant_says_that_the_price_comes_then_a_buy_holds_until_it_is_behind(
    tmp_path: Path,
) -> None:
    falling = served(constant_in_its_place(tmp_path, -1.0))
    buy = worked(falling, synthetic(), "AURA")
    assert buy.filled == 4_000
    assert {c.reason for c in buy.submitted} <= {"behind", "closing"}


def test_timing_when_a_constant_says_that_the_price_leaves_then_it_takes(tmp_path: Path) -> None:
    falling = served(constant_in_its_place(tmp_path, -1.0))
    sell = worked(falling, synthetic(), "AURA", side=Side.SELL)
    assert sell.filled == 4_000
    assert "model_cross" in {c.reason for c in sell.submitted}


def assert_rows_are_those_of_training(floor: Floor, source: Source) -> None:
    names = TIMING.model.inputs  # type: ignore[union-attr]
    logged = {row.md_seq: row.values for row in floor.rows}
    assert len(logged) > 100
    # Rows that share an event are the same row.
    assert all(logged[row.md_seq] == row.values for row in floor.rows)
    built = rows_at(source.events(), REFERENCE.by_symbol[floor.symbol], names, logged.keys())
    assert built == logged


def test_rows_when_logged_live_on_the_synthetic_market_then_training_builds_the_same_bits(
    lifelike: Floor,
) -> None:
    assert_rows_are_those_of_training(lifelike, synthetic())


def test_rows_when_logged_live_on_real_data_then_training_builds_the_same_bits_from_the_raw_file() -> None:
    source = open_source(str(require_marketdata(GOOG)), None, REFERENCE)
    floor = worked(served(), source, "GOOG", lots=1_000)
    assert floor.filled == 1_000
    assert_rows_are_those_of_training(floor, open_source(str(require_marketdata(GOOG)), None, REFERENCE))


def test_rows_when_the_runner_joined_in_mid_session_then_they_are_the_same_once_a_minute_was_heard() -> None:
    source = open_source(str(require_marketdata(GOOG)), None, REFERENCE)
    joined = source.session_start + 40 * MINUTE
    found = served()
    later = itertools.dropwhile(lambda event: event.ts_event < joined, source.events())
    floor = Floor(found.policies, found.models, "GOOG", later, joined)
    floor.play(joined + SPAN + SECOND)
    floor.admit("timing", 1_000, MINUTES * 60)
    floor.play(joined + SPAN + MINUTES * MINUTE)
    assert_rows_are_those_of_training(floor, open_source(str(require_marketdata(GOOG)), None, REFERENCE))
