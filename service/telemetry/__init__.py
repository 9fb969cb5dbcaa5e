"""Sensors: logic announces what happened, metrics and logs listen. Only this room imports prometheus_client."""
