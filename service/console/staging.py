"""Tickets that are kept and not sent: staged, claimed by a trader, released. A fold over the record.

What people do with a ticket is on ``audit.v1``, what becomes of its parent on ``orders.v1``; so tickets
outlive the console, and none is called released that the gateway has not taken. Pure.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

import msgspec

from service.model.events import ParentAdmitted, ParentChanged, ParentClosed, ParentRefused
from service.model.orders import ParentStatus
from service.model.records import AuditEntry

STAGE: Final = "stage ticket"
CLAIM: Final = "claim ticket"
RETURN: Final = "return ticket"
DISCARD: Final = "discard ticket"
RELEASE: Final = "release ticket"
ACTIONS: Final = frozenset({STAGE, CLAIM, RETURN, DISCARD, RELEASE})

_MOST: Final = 2_000


class StagedRow(msgspec.Struct, kw_only=True):
    """One ticket.

    Attributes:
        list: Name of the list that it is released with; empty if it is by itself.
        ticket: As a person wrote it.
        status: ``staged``, ``claimed``, ``releasing`` (the gateway was asked), ``released`` or ``discarded``.
        by, claimed: Who staged it, and who has claimed it.
        parent: The parent that the newest release asked for.
        tries: How often it was released.
        said: Why the newest release came to nothing.
    """

    id: str
    list: str
    desk: str
    by: str
    ticket: dict[str, Any]
    reason: str
    ts_utc: int
    status: str = "staged"
    claimed: str = ""
    parent: str = ""
    tries: int = 0
    said: str = ""
    utc: int = 0
    rev: int = 0

    @property
    def over(self) -> bool:
        return self.status in ("released", "discarded")


class Staged(msgspec.Struct, kw_only=True, forbid_unknown_fields=False):
    """Detail of the entry that stages a ticket."""

    list: str
    desk: str
    ticket: dict[str, Any]


_STAGED: Final = msgspec.json.Decoder(Staged)


class Staging:
    """Tickets by id, in the order in which they were staged.

    Args:
        touch: Told of every row that has changed.
    """

    def __init__(self, touch: Callable[[StagedRow], None]) -> None:
        self.rows: OrderedDict[str, StagedRow] = OrderedDict()
        self._touch = touch
        self._by_parent: dict[str, StagedRow] = {}

    def audited(self, entry: AuditEntry) -> None:
        """Take what a person has done; an entry that was taken before changes nothing."""
        who = entry.who.removeprefix("console:")
        if entry.action not in ACTIONS or entry.outcome != "done":
            return
        if entry.action == STAGE:
            self._stage(entry, who)
            return
        row = self.rows.get(entry.target)
        if row is None or entry.ts_utc <= row.utc:
            return
        row.utc = entry.ts_utc
        if entry.action == CLAIM:
            row.status, row.claimed = "claimed", who
        elif entry.action == RETURN:
            row.status, row.claimed = "staged", ""
        elif entry.action == DISCARD:
            row.status = "discarded"
        else:
            row.status, row.parent, row.said = "releasing", entry.detail, ""
            row.tries += 1
            self._by_parent[row.parent] = row
        self._touch(row)

    def _stage(self, entry: AuditEntry, who: str) -> None:
        if entry.target in self.rows:
            return
        try:
            given = _STAGED.decode(entry.detail)
        except msgspec.DecodeError:
            return  # not of a console of this version
        row = self.rows[entry.target] = StagedRow(
            id=entry.target,
            list=given.list,
            desk=given.desk,
            by=who,
            ticket=given.ticket,
            reason=entry.reason,
            ts_utc=entry.ts_utc,
            utc=entry.ts_utc,
        )
        self._touch(row)
        if len(self.rows) > _MOST:
            oldest = next((r for r in self.rows.values() if r.over), next(iter(self.rows.values())))
            del self.rows[oldest.id]
            self._by_parent.pop(oldest.parent, None)

    def parent(self, event: ParentAdmitted | ParentChanged | ParentClosed | ParentRefused) -> None:
        """Take what the gateway says of a parent: a ticket is released once its parent works."""
        parent = event.parent_id if isinstance(event, ParentRefused) else event.state.parent.id
        row = self._by_parent.get(parent)
        if row is None or row.parent != parent or row.status != "releasing":
            return
        if isinstance(event, ParentRefused):
            row.status, row.said = "claimed", f"{event.code} {event.detail}"
        elif isinstance(event, ParentClosed):
            row.status, row.said = "claimed", f"its parent was ended: {event.reason}"
        elif event.state.status is ParentStatus.WORKING:
            row.status = "released"
        else:
            return
        self._touch(row)
