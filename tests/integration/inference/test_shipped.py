"""The model that ships is the one that its card speaks of, and scores what the card says."""

import re

import numpy as np

from policies.training.scores import Judged, advantage
from policies.training.sessions import LOBSTER, real_sessions
from service.inference.model import load_model
from service.inference.registry import find_model
from service.model.time import SECOND
from service.settings import ROOT
from tests.marketdata import require_marketdata

CARD = (ROOT / "policies" / "models" / "timing" / "card.md").read_text()


def test_card_when_read_then_it_names_the_file_that_is_served() -> None:
    model = load_model(find_model("timing"))
    assert f"sha256 `{model.manifest.sha256}`" in CARD
    assert model.label == f"timing@{model.manifest.sha256[:8]}"
    assert len((find_model("timing") / "model.onnx").read_bytes()) < 1_000_000


def test_card_when_validation_is_done_again_then_the_figures_are_the_same() -> None:
    """GOOG, from the raw file: rows, AUC of the model, AUC of imbalance."""
    require_marketdata(LOBSTER["GOOG"])
    model = load_model(find_model("timing"))
    names = model.manifest.names
    horizon = int(model.manifest.horizon * SECOND)
    (session,) = real_sessions(names, horizon, ("GOOG",))["validation"]
    scores = np.array([answer[0] for answer in model.run([tuple(row) for row in session.rows.tolist()])])
    imbalance = session.rows[:, names.index("imbalance")]
    each, _ = advantage([Judged("GOOG", session.ts, session.moves, scores, imbalance)], seed=1, draws=500)
    row = re.search(
        r"^\| GOOG \| ([\d,]+) \| \d+% \| ([\d.]+) \| [\d.]+ \| ([\d.]+) \| (\+[\d.]+)", CARD, re.MULTILINE
    )
    assert row is not None
    assert len(session.ts) == int(row[1].replace(",", ""))
    assert abs(float(row[2]) - float(row[3]) - each["GOOG"].value) < 1e-3
    assert abs(float(row[4]) - each["GOOG"].value) < 1e-3
    assert each["GOOG"].low > 0.0
