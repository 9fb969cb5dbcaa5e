"""One instrument as the runner holds it: its market, and the parents that trade it."""

from __future__ import annotations

from service.market.instrument import InstrumentMarket
from service.model.reference import Instrument
from service.runner.parents import NEVER, Parent


class Slot:
    """One instrument of the runner: its market, and the parents that trade it.

    Attributes:
        due_market: Market time of the next evaluation of any of them.
        seq, ts_utc: Of the newest market event.
        regained: Its partition came (back) to us, and nothing has been heard of it since.
        conflated: Market events that nothing was decided on, under load.
        repeated: Market events that were seen before.
        volume_before: Lots printed before this runner began to listen, if a reference fact told.
    """

    __slots__ = (
        "conflated",
        "due_market",
        "instrument",
        "market",
        "owned",
        "parents",
        "partition",
        "regained",
        "repeated",
        "seq",
        "ts_utc",
        "volume_before",
        "volume_carried",
    )

    def __init__(self, instrument: Instrument, partition: int) -> None:
        self.instrument = instrument
        self.partition = partition
        self.market = InstrumentMarket(instrument)
        self.parents: list[Parent] = []
        self.owned = False
        self.regained = False
        self.seq = 0
        self.ts_utc = 0
        self.conflated = 0
        self.repeated = 0
        self.due_market = NEVER
        self.volume_carried = 0
        self.volume_before: int | None = None

    @property
    def volume(self) -> int:
        """Eligible lots printed since this runner first listened."""
        return self.volume_carried + self.market.volume

    def volume_at_start(self, parent: Parent) -> int | None:
        """Own count of volume when the parent began; ``None`` until a reference fact tells it.

        Of a parent that this runner has attended from the start, that is the count now: it is asked for when
        the window begins. Of one that it took over, the session's volume at admission says it.
        """
        if not parent.adopted:
            return self.volume
        return None if self.volume_before is None else parent.snapshot.arrival_volume - self.volume_before

    def start_afresh(self) -> None:
        """Events were missed while another runner had the instrument: forget what hung on having all."""
        self.volume_carried += self.market.volume
        self.volume_before = None
        self.market = InstrumentMarket(self.instrument)
        for parent in self.parents:
            parent.adopted = True
            parent.volume_base = None

    def plan(self) -> None:
        """Work out ``due_market`` again."""
        self.due_market = min((p.due_market for p in self.parents), default=NEVER)
