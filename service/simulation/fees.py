"""What an execution costs."""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol

from service.model.events import Liquidity
from service.model.reference import Instrument, Venue

_BPS = Decimal(10_000)


class FeeModel(Protocol):
    """Commission of one execution."""

    def commission(self, instrument: Instrument, quantity: int, price: int, liquidity: Liquidity) -> Decimal:
        """In the instrument's currency; negative is a rebate."""
        ...


class VenueFees:
    """Maker and taker fees in basis points of the money traded, from the reference file's venues."""

    def __init__(self, venues: dict[str, Venue]) -> None:
        self._venues = venues

    def commission(self, instrument: Instrument, quantity: int, price: int, liquidity: Liquidity) -> Decimal:
        """See ``FeeModel``; exact."""
        venue = self._venues[instrument.venue]
        bps = venue.maker_fee_bps if liquidity is Liquidity.ADDED else venue.taker_fee_bps
        return (instrument.money(price * quantity) * bps / _BPS).normalize()
