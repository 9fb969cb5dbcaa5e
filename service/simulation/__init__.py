"""A simulated exchange that matches against the replayed market, and a FIX 4.4 broker on top of it."""
