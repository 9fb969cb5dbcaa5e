"""What features and models cost by themselves: ``python -m benchmarks.features_and_models``.

On the first events of the synthetic market; the model is the one that ships. Times in microseconds. The bare
library is ``session.run`` on an array that lies ready; ours takes rows of Python floats, clips and scales
them, and checks every number that comes back.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

import numpy as np
import onnxruntime as ort

from benchmarks.machine import describe
from service.feeds.source import open_source
from service.inference.model import load_model
from service.inference.registry import find_model
from service.market.features import REGISTRY
from service.market.instrument import InstrumentMarket
from service.model.market import MarketEvent
from service.model.reference import Instrument, load_reference
from service.settings import ROOT

EVENTS = 100_000
CALLS = 5_000
PASSES = 5


def main() -> None:
    """Measure and print."""
    reference = load_reference(ROOT / "deploy" / "reference.toml")
    source = open_source("synthetic", None, reference)
    instrument = reference.by_symbol[source.symbols[0]]
    mine = (event for event in source.events() if event.symbol == instrument.symbol)
    events = list(itertools.islice(mine, EVENTS))
    print(describe())
    each = best(lambda: applied(events, instrument)) / EVENTS
    with_digest = best(lambda: chained(events, instrument)) / EVENTS
    print(f"apply an event (book, feature totals)  {each:6.2f} us, with its digest {with_digest:.2f} us")
    model = load_model(find_model("timing"))
    market = applied(events, instrument)
    for label, names in (("the model's", model.manifest.names), ("all", tuple(REGISTRY))):

        def row(names: tuple[str, ...] = names) -> None:
            market.features(())
            market.features(names)

        print(f"a row of {label + f' {len(names)} features':<30}  {typical(row)}")
    session = ort.InferenceSession((find_model("timing") / "model.onnx").read_bytes(), _one_thread())
    values = market.features(model.manifest.names)
    for count in (1, 4, 16, 64):
        rows = (values,) * count
        ready = np.array(rows, np.float32)

        def bare(ready: np.ndarray = ready) -> None:
            session.run(["score"], {"rows": ready})

        def ours(rows: tuple[tuple[float, ...], ...] = rows) -> None:
            model.run(rows)

        print(f"{count:>3} row(s) through the model: ours {typical(ours)}, bare {typical(bare)}")


def applied(events: list[MarketEvent], instrument: Instrument) -> InstrumentMarket:
    """A market that heard them all."""
    market = InstrumentMarket(instrument)
    for event in events:
        market.apply(event)
    return market


def chained(events: list[MarketEvent], instrument: Instrument) -> int:
    """The digest after all of them."""
    market = InstrumentMarket(instrument)
    digest = 0
    for event in events:
        market.apply(event)
        digest = market.state_digest(digest)
    return digest


def best(work: Callable[[], object]) -> float:
    """Shortest of some passes, us."""
    took = []
    for _ in range(PASSES):
        began = time.perf_counter_ns()
        work()
        took.append(time.perf_counter_ns() - began)
    return min(took) / 1e3


def typical(work: Callable[[], object]) -> str:
    """Median and 99th percentile of single calls, in words."""
    took = []
    for _ in range(CALLS):
        began = time.perf_counter_ns()
        work()
        took.append(time.perf_counter_ns() - began)
    took.sort()
    return f"{took[CALLS // 2] / 1e3:6.1f} / {took[CALLS * 99 // 100] / 1e3:.1f} us (p50 / p99)"


def _one_thread() -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return options


if __name__ == "__main__":
    main()
