"""Slipstream: an event-driven live execution service."""
