"""What a parent cost: benchmarks, basis points, agreement with the broker, latency. All of it pure."""
