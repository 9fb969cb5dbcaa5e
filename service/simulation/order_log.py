"""What the simulated broker keeps on disk: every answer that it gave, and every fill.

``orders.jsonl`` is the truth that survives a kill: one outcome a line, flushed before it is sent, and a mark
once it was. ``fills.jsonl`` is the fill log that the service's own fills are compared with.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from service.model.reference import Reference
from service.simulation.orders import NO_ORDER, Kind, Outcome

log = logging.getLogger(__name__)


COPIED: Final = frozenset(Kind) - {Kind.STATUS, Kind.CANCEL_REJECTED, Kind.MASS_CANCELED}
"""Kinds that a drop copy has: execution reports of what happened, not answers to questions."""

_COPY_OF: Final = "copy of "


class OrderLogError(ValueError):
    """The broker's order log cannot be read; the message names file and line."""


class Sent(msgspec.Struct, frozen=True, tag="sent"):
    """Every outcome of ``owner`` up to ``number`` was handed to FIX; ``copy of OWNER``: to the drop copy."""

    owner: str
    number: int


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """A line of ``fills.jsonl``.

    Attributes:
        cl_ord_id: The order's ClOrdID at that moment.
        side: 1 buy, 2 sell.
        quantity, cum_qty: Lots.
        price: Price units.
        price_text: As it stood in LastPx.
        liquidity: LastLiquidityInd: 1 added, 2 removed.
        commission: Currency text, negative for a rebate; empty if no fees are modelled.
        ts_market, ts_utc: Market time and UTC of the execution, nanoseconds since the epoch.
    """

    exec_id: str
    cl_ord_id: str
    order_id: str
    symbol: str
    side: int
    quantity: int
    price: int
    price_text: str
    cum_qty: int
    liquidity: int
    commission: str
    owner: str
    ts_market: int
    ts_utc: int


class Restored(NamedTuple):
    """What an earlier life left.

    Attributes:
        outcomes: Every answer, oldest first.
        unsent: Those that may not have reached their client, by client.
        uncopied: Those that may not have reached the drop copy.
    """

    outcomes: list[Outcome]
    unsent: dict[str, list[Outcome]]
    uncopied: list[Outcome]


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Outcome | Sent).decode
_decode_fill: Final = msgspec.json.Decoder(Fill).decode


class OrderLog:
    """Appends to the two files of one folder.

    Args:
        folder: Made if it is not there.
        reference: Has to know the instrument of every order in the log.

    Raises:
        OrderLogError: If a line cannot be read, or names an instrument that is not in the reference file.
    """

    def __init__(self, folder: Path, reference: Reference) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._instruments = reference.by_symbol
        self._orders_path = folder / "orders.jsonl"
        self._fills_path = folder / "fills.jsonl"
        self.restored = self._restore()
        self._orders = self._orders_path.open("ab")
        self._fills = self._fills_path.open("ab")
        self._repair_fills()

    def write(self, outcomes: Sequence[Outcome]) -> None:
        """Append outcomes, and their fills, and flush: call it before they are sent.

        Status answers change nothing and are not kept.
        """
        kept = [outcome for outcome in outcomes if outcome.kind is not Kind.STATUS]
        fills = [outcome for outcome in kept if outcome.kind is Kind.TRADE]
        if kept:
            self._orders.write(b"".join([_encode(outcome) + b"\n" for outcome in kept]))
            self._orders.flush()
        if fills:
            self._write_fills(fills)

    def sent(self, outcomes: Iterable[Outcome]) -> None:
        """Append that these were handed to FIX, the newest of each client standing for all before it."""
        self._mark({outcome.owner: outcome.number for outcome in outcomes if outcome.kind is not Kind.STATUS})

    def copied(self, outcomes: Iterable[Outcome]) -> None:
        """Append that copies of these were handed to the drop copy session."""
        self._mark({_COPY_OF + outcome.owner: outcome.number for outcome in outcomes})

    def _mark(self, newest: dict[str, int]) -> None:
        if newest:
            self._orders.write(b"".join([_encode(Sent(*entry)) + b"\n" for entry in newest.items()]))
            self._orders.flush()

    def close(self) -> None:
        """Close both files."""
        self._orders.close()
        self._fills.close()

    def _write_fills(self, fills: Iterable[Outcome]) -> None:
        self._fills.write(b"".join([_encode(self._fill(outcome)) + b"\n" for outcome in fills]))
        self._fills.flush()

    def _fill(self, outcome: Outcome) -> Fill:
        return Fill(
            exec_id=outcome.exec_id,
            cl_ord_id=outcome.order_cl_ord_id,
            order_id=outcome.order_id,
            symbol=outcome.symbol,
            side=int(outcome.side),
            quantity=outcome.last_quantity,
            price=outcome.last_price,
            price_text=self._instruments[outcome.symbol].price_text(outcome.last_price),
            cum_qty=outcome.cum,
            liquidity=outcome.liquidity,
            commission=outcome.commission,
            owner=outcome.owner,
            ts_market=outcome.ts_market,
            ts_utc=outcome.ts_utc,
        )

    def _restore(self) -> Restored:
        outcomes: list[Outcome] = []
        sent: dict[str, int] = {}
        for number, line in enumerate(_whole_lines(self._orders_path), 1):
            try:
                entry = _decode(line)
            except msgspec.DecodeError as error:
                raise OrderLogError(
                    f"{self._orders_path} line {number}: {error}; move the folder away to start without "
                    "the orders of earlier lives"
                ) from error
            if isinstance(entry, Sent):
                sent[entry.owner] = entry.number
                continue
            if entry.order_id != NO_ORDER and entry.symbol not in self._instruments:
                raise OrderLogError(
                    f"{self._orders_path} line {number}: order {entry.order_id} is in {entry.symbol}, "
                    "which is not in the reference file; put it back, or move the folder away"
                )
            outcomes.append(entry)
        unsent: dict[str, list[Outcome]] = {}
        for outcome in outcomes:
            if outcome.number > sent.get(outcome.owner, 0):
                unsent.setdefault(outcome.owner, []).append(outcome)
        uncopied = [
            outcome
            for outcome in outcomes
            if outcome.kind in COPIED and outcome.number > sent.get(_COPY_OF + outcome.owner, 0)
        ]
        return Restored(outcomes, unsent, uncopied)

    def _repair_fills(self) -> None:
        """Append the fills that a kill between the two files left out of the second."""
        known = set()
        for number, line in enumerate(_whole_lines(self._fills_path), 1):
            try:
                known.add(_decode_fill(line).exec_id)
            except msgspec.DecodeError as error:
                raise OrderLogError(f"{self._fills_path} line {number}: {error}") from error
        missing = [o for o in self.restored.outcomes if o.kind is Kind.TRADE and o.exec_id not in known]
        if missing:
            log.warning("%s: %d fills of the order log were missing; added", self._fills_path, len(missing))
            self._write_fills(missing)


def _whole_lines(path: Path) -> list[bytes]:
    """Lines of a file; a last one that a kill cut off is taken off the file."""
    if not path.exists():
        return []
    data = path.read_bytes()
    end = data.rfind(b"\n") + 1
    if end != len(data):
        log.warning("%s: the last line was cut off; %d bytes dropped", path, len(data) - end)
        with path.open("r+b") as file:
            file.truncate(end)
    return data[:end].splitlines()
