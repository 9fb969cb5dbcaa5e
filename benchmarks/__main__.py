"""``make bench``: every benchmark, a line each, and ``benchmarks/results/latest.json``."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import uvloop

from benchmarks import gate, market_data, quickfix, tick_to_wire
from benchmarks.machine import describe
from benchmarks.result import Figure, write
from service.settings import ROOT
from service.telemetry.process import tune_collector
from service.transport.kafka_process import KafkaProcess

NAMES = ("market_data", "tick_to_wire", "quickfix", "gate")


async def main(names: list[str]) -> list[Figure]:
    """Run the named benchmarks on one Kafka of their own."""
    figures: list[Figure] = []
    (ROOT / "runs").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT / "runs", prefix="bench-kafka-") as folder:
        async with KafkaProcess(Path(folder)) as kafka:
            # A cold JVM takes milliseconds a record; the first run on it would pay for that.
            await market_data.fill(kafka.bootstrap, "warm.")
            for name in names:
                print(name, flush=True)
                if name == "market_data":
                    figures += await market_data.run(kafka.bootstrap, "bench.")
                elif name == "tick_to_wire":
                    figures += await tick_to_wire.run(kafka)
                elif name == "quickfix":
                    figures += await quickfix.run(kafka)
                else:
                    figures += gate.run()
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Ratios of ours against the bare libraries.")
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], help="which; all if none is named")
    chosen = parser.parse_args().names or list(NAMES)
    tune_collector()
    results = uvloop.run(main(chosen))
    machine = describe()
    print(machine)
    for figure in results:
        print(figure.line())
    if sorted(chosen) == sorted(NAMES):
        write(results, machine)
    missed = [f.name for f in results if f.met is False]
    print(f"missed: {', '.join(missed) or 'nothing'}")
    sys.exit(0)
