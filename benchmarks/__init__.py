"""Benchmarks: each prints a ratio against the bare libraries doing the same work in the same run."""
