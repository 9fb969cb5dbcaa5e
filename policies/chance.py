"""Seeded randomness without state: a number for a seed and a place, the same after a restart."""

from __future__ import annotations

import zlib
from typing import Final

from service.policy.contract import ParentView

_MASK: Final = (1 << 64) - 1


def uniform(seed: int, place: int) -> float:
    """A number in [0, 1) for this place of this seed's sequence (SplitMix64; Steele, Lea, Flood 2014)."""
    z = (seed * 0x9E3779B97F4A7C15 + (place + 1) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    z ^= z >> 31
    return (z >> 11) / (1 << 53)


def seed_of(parent: ParentView) -> int:
    """The parent's seed; of a parent that was given none, one made of its id."""
    seed = parent.parameters.seed
    return zlib.crc32(parent.id.encode()) if seed is None else seed
