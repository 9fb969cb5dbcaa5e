"""A role that has every sensor there is, each metric with a child and a value.

``python -m tests.unit.deploy.serve_all`` prints the port of its endpoint and serves until its input ends.
"""

import importlib
import pkgutil
import sys
from itertools import product

from prometheus_client import Counter, Gauge, Histogram

import service.telemetry
from service.telemetry.metrics import REGISTRY, serve

LEGS = ["feed_to_runner", "decide", "hop", "gate", "journal", "wire", "acknowledge"]
VALUES = {
    "leg": LEGS,
    "symbol": ["AURA"],
    "side": ["buy", "sell", "bid", "ask"],
    "reason": ["budget"],
    "kind": ["long", "notional"],
    "code": ["RUNNER_LOST"],
}


def main() -> None:
    for module in pkgutil.iter_modules(service.telemetry.__path__, "service.telemetry."):
        importlib.import_module(module.name)
    for metric in dict.fromkeys(REGISTRY._collector_to_names):
        assert isinstance(metric, Counter | Gauge | Histogram)
        labels = [VALUES.get(name, ["x"]) for name in metric._labelnames]
        for child in [metric.labels(*values) for values in product(*labels)] if labels else [metric]:
            if isinstance(child, Histogram):
                child.observe(0.001)
            else:
                child.inc()
    print(serve("127.0.0.1", 0), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
