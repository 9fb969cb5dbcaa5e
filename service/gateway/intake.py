"""Parents as they come from ``parents.v1``, without those that another journal has taken on.

A gateway whose journal is gone, or that runs in the wrong folder, reads parents anew. What was admitted by
another journal is done in part or in full, and only that one knows: taken on again it would be traded twice.
The same goes for a journal that is an older copy of itself: what was done since, it would do once more.
"""

from __future__ import annotations

import logging
import time
from typing import Final

from service.gateway.inputs import Noted
from service.gateway.shell import Shell
from service.gateway.state import ORDERS
from service.model.codec import BY_TOPIC, DecodeError
from service.model.events import ParentAdmitted
from service.model.orders import NewParent, ParentCommand
from service.model.time import SECOND
from service.transport.tail import Tail

ALARM: Final = "PARENT_ELSEWHERE"
LOST: Final = 10 * SECOND
"""More than a power cut ever takes from the end of a journal."""

log = logging.getLogger(__name__)


class Intake:
    """Takes parent commands for one gateway.

    Args:
        began: UTC nanoseconds of the journal's first input; 0 if it has none.
        oldest: Age at which a new parent is too old to be admitted, nanoseconds. A journal that is older than
            that has seen every one that might be.
        ended: UTC nanoseconds of the journal's last input before this life; 0 if it had none.
    """

    def __init__(self, shell: Shell, began: int, oldest: int, ended: int) -> None:
        self._shell = shell
        self._began = began
        self._ended = ended
        self._oldest = oldest
        self._elsewhere: set[str] = set()

    async def look(self, bootstrap: str, prefix: str) -> None:
        """See which parents the record knows and the journal does not, and whether that is an older copy.

        What is on record was in the journal before. A record that goes on where the journal has ended is of
        another one: trading stops, until two people have looked.

        Raises:
            TransportError: If Kafka does not answer.
        """
        if self._ended:
            beyond = await _newest(bootstrap, prefix + ORDERS) - self._ended
            if beyond > LOST:
                self._shell.stop_trading(
                    f"{self._shell.journal.path} is an older copy: the record goes on {beyond // SECOND} s "
                    "after its end. Restore the newest one, or cancel all open parents and compare positions "
                    "with the broker before two people release the kill"
                )
            self._ended = 0
        since = time.time_ns() - self._oldest
        if 0 < self._began < since:
            return
        found = await _admitted(bootstrap, prefix + ORDERS, since)
        self._elsewhere = found - self._shell.core.state.parents.keys()
        if self._elsewhere:
            log.error("another journal has admitted %s", ", ".join(sorted(self._elsewhere)))

    def take(self, partition: int, offset: int, command: ParentCommand) -> None:
        """A record of ``parents.v1``."""
        if isinstance(command, NewParent) and command.parent.id in self._elsewhere:
            order = command.parent
            detail = f"parent={order.id} not_taken_on=yes what_is_left=enter_it_anew_under_another_id"
            self._shell.feed(Noted(code=ALARM, detail=detail, symbol=order.symbol))
            return
        self._shell.parent(partition, offset, command)


async def _newest(bootstrap: str, topic: str) -> int:
    """UTC nanoseconds of the newest record; 0 if there is none."""
    decode, newest = BY_TOPIC[ORDERS], 0
    async with Tail(bootstrap, topic, client="gateway-record-before") as tail:
        for partition in range(tail.partitions):
            async for values in tail.newest_first(partition):
                for value in values:
                    try:
                        newest = max(newest, decode(value).ts_utc)
                    except DecodeError:
                        continue
                break
    return newest


async def _admitted(bootstrap: str, topic: str, since: int) -> set[str]:
    """Ids of the parents that were admitted since then."""
    decode = BY_TOPIC[ORDERS]
    found = set()
    async with Tail(bootstrap, topic, client="gateway-parents-before") as tail:
        for partition in range(tail.partitions):
            async for values in tail.newest_first(partition):
                oldest = 0
                for value in reversed(values):
                    try:
                        message = decode(value)
                    except DecodeError:
                        continue  # of another version; what it says of a parent is older than this process
                    oldest = message.ts_utc
                    if isinstance(message, ParentAdmitted):
                        found.add(message.state.parent.id)
                if oldest and oldest < since:
                    break
    return found
