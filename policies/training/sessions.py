"""Which sessions models are trained, validated and tested on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from policies.training.dataset import Session, marketdata, session_rows
from service.feeds.source import open_source
from service.market.flow import SPAN
from service.model.reference import Reference, load_reference
from service.settings import ROOT

LOBSTER: Final = {
    "GOOG": "lobster/LOBSTER_SampleFile_GOOG_2012-06-21_10.zip",
    "AMZN": "lobster/LOBSTER_SampleFile_AMZN_2012-06-21_5.zip",
}
LEAN: Final = ("AIG", "BAC", "IBM")
LEAN_DAYS: Final = {
    "20131007": "train",
    "20131008": "train",
    "20131009": "validation",
    "20131010": "test",
}
TRAIN_SHARE: Final = 0.6
VALIDATION_SHARE: Final = 0.2
PURGE: Final = SPAN
"""Market time left out at the beginning of a part that follows another on the same day: the longest window
of the features, so that no row looks into the part before. Labels end with their own part."""

SPLIT: Final = (
    "chronological by instrument; GOOG and AMZN (one day): first 60 % of the session, next 20 %, last 20 %, "
    "60 s purged between; AIG, BAC and IBM: 7 and 8 October, 9 October, 10 October 2013"
)

Parts = dict[str, list[Session]]


def data_files() -> tuple[str, ...]:
    """Every file read, relative to the folder of market data."""
    lean = (
        f"lean/{symbol.lower()}/{day}_{kind}.zip"
        for symbol in LEAN
        for day in LEAN_DAYS
        for kind in ("quote", "trade")
    )
    return (*LOBSTER.values(), *lean)


def real_sessions(names: tuple[str, ...], horizon: int, symbols: Sequence[str] = (*LOBSTER, *LEAN)) -> Parts:
    """Training, validation and test parts of the real data.

    Args:
        horizon: ns of market time that labels look ahead.
    """
    reference = load_reference(ROOT / "deploy" / "reference.toml")
    parts: Parts = {"train": [], "validation": [], "test": []}
    for symbol in symbols:
        if symbol in LOBSTER:
            whole, start, end = _session(
                marketdata() / LOBSTER[symbol], symbol, None, reference, names, horizon
            )
            first = start + int((end - start) * TRAIN_SHARE)
            second = start + int((end - start) * (TRAIN_SHARE + VALIDATION_SHARE))
            parts["train"].append(whole.between(start, first, horizon))
            parts["validation"].append(whole.between(first + PURGE, second, horizon))
            parts["test"].append(whole.between(second + PURGE, end, horizon))
            continue
        for day, part in LEAN_DAYS.items():
            folder = marketdata() / "lean" / symbol.lower()
            whole, start, end = _session(folder, symbol, day, reference, names, horizon)
            parts[part].append(whole.between(start, end, horizon))
    return parts


def synthetic_sessions(names: tuple[str, ...], horizon: int, seed: int = 1) -> list[Session]:
    """The default synthetic market: never trained on, it shows what the model is worth to a stranger."""
    reference = load_reference(ROOT / "deploy" / "reference.toml")
    source = open_source("synthetic", None, reference, seed)
    found = []
    for symbol in source.symbols:
        instrument = reference.by_symbol[symbol]
        whole = session_rows(source.events(), instrument, "", names, horizon, source.session_end)
        found.append(whole.between(source.session_start, source.session_end, horizon))
    return found


def _session(
    path: Path, symbol: str, day: str | None, reference: Reference, names: tuple[str, ...], horizon: int
) -> tuple[Session, int, int]:
    source = open_source(str(path), day, reference)
    instrument = reference.by_symbol[symbol]
    rows = session_rows(source.events(), instrument, day or "", names, horizon, source.session_end)
    return rows, source.session_start, source.session_end
