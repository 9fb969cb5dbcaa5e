"""Placements: how what is due is offered."""
