"""What the Prometheus side of every sensor shares: one registry, one set of buckets, one endpoint a role."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Histogram, start_http_server

LATENCY_BUCKETS: Final = (
    5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.25, 1.0, 5.0,
)  # fmt: skip
"""Seconds."""

REGISTRY: Final = CollectorRegistry()

LEG: Final = Histogram(
    "slipstream_leg_seconds",
    "Latency of one leg of an order's way: feed_to_runner, decide, hop, gate, journal, wire, acknowledge.",
    ["leg"],
    buckets=LATENCY_BUCKETS,
    registry=REGISTRY,
)


def serve(host: str, port: int) -> int:
    """Serve the registry over HTTP on a thread of its own; returns the port in use."""
    server, _ = start_http_server(port, addr=host, registry=REGISTRY)
    return int(server.server_port)
