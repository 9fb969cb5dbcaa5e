"""Sensors: logic announces what happened, metrics and logs listen; only this room knows Prometheus."""
