"""What a source of market data is, and how one is found by looking at what the user named.

A feed adapter is one small class derived from ``Source``; docs/feeds.md shows how to add one.
"""

from __future__ import annotations

import importlib
import logging
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import ClassVar, Final, Literal

from service.model.market import MarketEvent
from service.model.reference import Instrument, Reference

BUILT_IN: Final = (
    "service.feeds.synthetic:Synthetic",
    "service.feeds.lobster:Lobster",
    "service.feeds.lean:Lean",
)
ENTRY_POINT_GROUP: Final = "slipstream.feeds"

Trouble = Literal["strict", "repair"]

_LOUD: Final = 5

log = logging.getLogger(__name__)


class SourceError(ValueError):
    """A source cannot be used, or holds what cannot be true; the message names file and row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOptions:
    """How a source is to be read; each adapter takes what concerns it.

    Attributes:
        date: Session, ``YYYYMMDD`` or ``YYYY-MM-DD``; ``None`` takes the only one there is.
        seed: Of what a source makes up itself.
        extended_hours: Include what trades before the open and after the close.
        trouble: ``strict`` refuses the first row that cannot be true; ``repair`` mends and counts it.
        max_repairs: Rows mended at most; beyond that the source is not what it claims to be.
        halt: ``HH:MM:SS+SECONDS`` or ``random+SECONDS``, a trading halt to make up; empty for none.
    """

    reference: Reference
    date: str | None = None
    seed: int = 1
    extended_hours: bool = False
    trouble: Trouble = "repair"
    max_repairs: int = 1000
    halt: str = ""


class Source(ABC):
    """One session of market data.

    Attributes:
        accepts: What the adapter recognises, for people.
        name: Name of the feed, on its heartbeats.
        symbols: Instruments that it has events of; all are in the reference file.
        session_start, session_end: Market time, ns since the epoch.
        repairs: Rows mended so far in this pass, by kind.
    """

    accepts: ClassVar[str]

    def __init__(
        self, name: str, symbols: tuple[str, ...], session: tuple[int, int], options: SourceOptions
    ) -> None:
        self.name = name
        self.symbols = symbols
        self.session_start, self.session_end = session
        self.repairs: Counter[str] = Counter()
        self._trouble = options.trouble
        self._max_repairs = options.max_repairs

    @classmethod
    @abstractmethod
    def recognises(cls, spec: str) -> bool:
        """Whether ``spec`` looks like this adapter's. Must not raise."""

    @classmethod
    @abstractmethod
    def open(cls, spec: str, options: SourceOptions) -> Source:
        """The source named by ``spec``.

        Raises:
            SourceError: If it cannot be used; damaged files are found here, not in mid-session.
        """

    @abstractmethod
    def _events(self) -> Iterator[MarketEvent]: ...

    def events(self) -> Iterator[MarketEvent]:
        """The session from its start, in the order of market time, with ``ts_utc`` 0.

        ``seq`` rises by one per event of an instrument, so that instrument and ``seq`` name one event of
        the source for ever. Each call is a new pass.

        Raises:
            SourceError: At a row that cannot be used, under ``strict`` or past ``max_repairs``.
        """
        self.repairs.clear()
        return self._events()

    def repaired(self, kind: str, where: str, what: str) -> None:
        """Count a row that was mended, or refuse it under ``strict``.

        Raises:
            SourceError: Naming ``where`` and ``what``.
        """
        if self._trouble == "strict":
            raise SourceError(f"{where}: {what} ({kind}); trouble=repair would mend and count it")
        self.repairs[kind] += 1
        if self.repairs[kind] <= _LOUD:
            log.warning(
                "%s: %s: %s%s",
                where,
                kind,
                what,
                "; more are only counted" if self.repairs[kind] == _LOUD else "",
            )
        if self.repairs.total() > self._max_repairs:
            raise SourceError(
                f"{where}: {what} ({kind}); more than {self._max_repairs} rows needed mending "
                f"({dict(self.repairs)}): this is not what it claims to be"
            )


def adapters() -> tuple[type[Source], ...]:
    """Adapters built in, then those of other packages (entry-point group ``slipstream.feeds``).

    Raises:
        SourceError: If an entry point is no ``Source``.
    """
    found: list[type[Source]] = []
    for target in BUILT_IN:
        module, name = target.split(":")
        found.append(getattr(importlib.import_module(module), name))
    for point in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda p: p.name):
        adapter = point.load()
        if not (isinstance(adapter, type) and issubclass(adapter, Source)):
            raise SourceError(f"entry point {point.name} = {point.value} is not a subclass of Source")
        found.append(adapter)
    return tuple(found)


def open_source(
    spec: str,
    date: str | None,
    reference: Reference,
    seed: int = 1,
    *,
    extended_hours: bool = False,
    trouble: Trouble = "repair",
    max_repairs: int = 1000,
    halt: str = "",
) -> Source:
    """The source that ``spec`` names, found by looking at it.

    Args:
        spec: ``synthetic``, or the path of a LOBSTER zip or of a LEAN folder, or what a plug-in accepts.
        date: As in ``SourceOptions``, like the rest.

    Raises:
        SourceError: If nothing recognises it (what was found, what is accepted), or it cannot be used.
    """
    options = SourceOptions(
        reference=reference,
        date=date,
        seed=seed,
        extended_hours=extended_hours,
        trouble=trouble,
        max_repairs=max_repairs,
        halt=halt,
    )
    known = adapters()
    for adapter in known:
        if adapter.recognises(spec):
            return adapter.open(spec, options)
    accepted = "; ".join(adapter.accepts for adapter in known)
    raise SourceError(f"source {spec}: {_look(spec)}. Accepted: {accepted}")


def _look(spec: str) -> str:
    """What lies at ``spec``, for an error."""
    path = Path(spec)
    if path.is_dir():
        names = sorted(p.name for p in path.iterdir())
        shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        return f"a folder that holds {shown or 'nothing'}"
    if path.is_file():
        with path.open("rb") as file:
            head = file.read(4)
        kind = (
            "a zip file without LOBSTER's message and orderbook" if head == b"PK\x03\x04" else "no zip file"
        )
        return f"a file of {path.stat().st_size} bytes, {kind}"
    return "there is no such file or folder"


def known_instrument(reference: Reference, symbol: str, where: str) -> Instrument:
    """The instrument of a source's symbol.

    Raises:
        SourceError: If the reference file has none, or its units cannot carry prices in 1/10,000 and shares.
    """
    instrument = reference.by_symbol.get(symbol)
    if instrument is None:
        raise SourceError(f"{where}: {symbol} is not in the reference file; add an [[instruments]] table")
    if instrument.price_exponent < 4 or instrument.lot != 1 or instrument.quantity_exponent != 0:
        raise SourceError(
            f"{where}: {symbol} needs price_exponent 4 or more, lot 1 and quantity_exponent 0 in the "
            f"reference file, as the file counts in 1/10,000 and single shares"
        )
    return instrument
