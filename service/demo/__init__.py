"""The whole service on one machine: real processes, one run folder, and the result that a trader reads."""
