"""Schedules, placements and model policies. Plug-ins of the runner, found by entry point."""
