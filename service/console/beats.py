"""What open pages are sent, and when: the steps in which they walk, each document encoded once for all."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec

from service.console.hub import Hub

EVERY: Final = 0.1
_QUIET: Final = 1.0

_encode = msgspec.json.Encoder().encode


def changes(hub: Hub, since: int) -> bytes:
    """What a page lacks after revision ``since``, as one JSON document."""
    rows: dict[str, list[Any]] = {}
    for kind, row in hub.blotter.since(since):
        rows.setdefault(kind, []).append(row)
    return _encode({"rev": hub.blotter.rev, "head": hub.head, "rows": rows})


class Beats:
    """The steps in which pages walk; a document is made once for all pages that are at the same place.

    Attributes:
        number: Of the present beat.
        made: How many documents were encoded.
    """

    def __init__(self, hub: Hub) -> None:
        self.number = 0
        self.made = 0
        self._hub = hub
        self._pages = 0
        self._head = hub.head
        self._rev = hub.blotter.rev
        self._documents: dict[int, str] = {}
        self._next = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def join(self) -> None:
        """One page more; the first one starts the beat."""
        self._pages += 1
        if self._task is None:
            self._advance()
            self._task = asyncio.create_task(self._beat())

    def leave(self) -> None:
        """One page less; nobody is kept awake for none."""
        self._pages -= 1
        if not self._pages and self._task is not None:
            self._task.cancel()
            self._task = None

    def document(self, since: int) -> tuple[int, str]:
        """What a page lacks that is at ``since``, and where it is once it has it: where all are at this beat.

        What has changed since the beat is in it already and comes once more, so that pages stay in step.
        """
        found = self._documents.get(since)
        if found is None:
            self.made += 1
            found = self._documents[since] = changes(self._hub, since).decode()
        return self._rev, found

    async def after(self, number: int) -> None:
        """Wait until the beat of this number is over."""
        while self.number == number:
            await self._next.wait()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            if self._hub.head is self._head and self._hub.blotter.rev == self._rev:
                await self._hub.changed(_QUIET)
            self._advance()

    def _advance(self) -> None:
        self.number += 1
        self._documents.clear()
        self._head, self._rev = self._hub.head, self._hub.blotter.rev
        self._next.set()
        self._next = asyncio.Event()
