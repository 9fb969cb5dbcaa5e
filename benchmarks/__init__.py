"""Ratios of ours against the bare libraries doing the same work in the same run."""

import os

# A Kafka of a benchmark lives for minutes, on the cores that are measured: there the optimising compiler
# would take most of one, at a moment of its own choice.
os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1")
