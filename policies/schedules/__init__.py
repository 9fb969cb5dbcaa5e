"""Schedules: pure functions of clock, parameters, fills and volume; they say how much is due by now."""
