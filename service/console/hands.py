"""People who work parents by hand: each is a peer on the gateway's stream, as a runner is, and no more.

What a person sends is judged by the same gate as what a policy wishes. While the console is there it vouches
for them; when it is gone their orders are cancelled like those of a runner that is lost (C29).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from service.console.desk import DeskError
from service.model import codec
from service.model.events import (
    ChildDenied,
    ChildRejected,
    ChildSubmitted,
    ParentAdmitted,
    ParentChanged,
    ParentClosed,
)
from service.model.message import Message
from service.model.orders import CancelChild, Stamps, SubmitChild
from service.model.stream import RunnerHeartbeat, RunnerHello, StreamSynced, hand_of
from service.transport.stream import StreamClient

log = logging.getLogger(__name__)

HEARTBEAT: Final = 0.25

Answer = ChildSubmitted | ChildDenied | ChildRejected


class Hands:
    """The people's connections to the gateway.

    Args:
        address: Of the runner stream.
    """

    def __init__(self, address: str, *, utc: Callable[[], int] = time.time_ns) -> None:
        self._address = address
        self._utc = utc
        self._peers: dict[str, tuple[StreamClient, asyncio.Event]] = {}
        self._next: dict[str, int] = {}
        self._waiting: dict[str, asyncio.Future[Answer]] = {}

    async def connect(self, people: Iterable[str]) -> None:
        """See that these people are on the stream, from now until ``stop``."""
        for person in people:
            if person not in self._peers:
                await self._connect(person)

    async def _connect(self, person: str) -> None:
        name, synced = hand_of(person), asyncio.Event()

        def up() -> None:
            client.send(RunnerHello(runner_id=name, ts_utc=self._utc()))

        def heard(message: Message) -> None:
            if isinstance(message, StreamSynced):
                synced.set()
            else:
                self.heard(message)

        client = StreamClient(
            self._address, codec.to_runner, on_message=heard, on_up=up, on_down=synced.clear
        )
        self._peers[person] = client, synced
        await client.start()

    async def stop(self) -> None:
        """Take everybody off the stream: the gateway cancels what they have at work."""
        peers, self._peers = self._peers, {}
        for client, _ in peers.values():
            await client.stop()

    async def beat(self) -> None:
        """Vouch for everybody, until cancelled."""
        while True:
            for person, (client, synced) in self._peers.items():
                if synced.is_set():
                    client.send(RunnerHeartbeat(runner_id=hand_of(person), ts_utc=self._utc()))
            await asyncio.sleep(HEARTBEAT)

    def heard(self, message: Message) -> None:
        """What the gateway tells everybody on the stream: numbers of children, and answers."""
        if isinstance(message, ParentAdmitted | ParentChanged):
            state = message.state
            self._next[state.parent.id] = max(self._next.get(state.parent.id, 1), state.next_child)
        elif isinstance(message, ParentClosed):
            self._next.pop(message.state.parent.id, None)
        elif isinstance(message, ChildSubmitted | ChildDenied | ChildRejected):
            number = message.child_id.rpartition(".")[2]
            if number.isascii() and number.isdigit() and message.parent_id in self._next:
                following = int(number) + 1
                self._next[message.parent_id] = max(self._next[message.parent_id], following)
            answer = self._waiting.get(message.child_id)
            if answer is not None and not answer.done():
                answer.set_result(message)

    async def submit(self, person: str, order: SubmitChild, timeout: float) -> Answer:
        """Send an order of this person's and wait for what becomes of it at the gate.

        Args:
            order: Its ``child_id`` is given here.

        Raises:
            DeskError: The gateway is not there, or says nothing within ``timeout`` seconds.
        """
        client = await self._client(person, timeout)
        number = self._next.get(order.parent_id, 1)
        self._next[order.parent_id] = number + 1
        child_id = f"{order.parent_id}.{number}"
        now = self._utc()
        order = msgspec.structs.replace(order, child_id=child_id, stamps=Stamps(tick=now, decided=now))
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[child_id] = answer
        try:
            if not client.send(order):
                raise DeskError("the gateway has gone; nothing was sent")
            async with asyncio.timeout(timeout):
                return await answer
        except TimeoutError:
            raise DeskError(
                f"the gateway says nothing of {child_id} for {timeout:g} s: look at the parent's children "
                "before you send another"
            ) from None
        finally:
            del self._waiting[child_id]

    async def cancel(self, person: str, parent_id: str, child_id: str, timeout: float) -> None:
        """Ask for a child back; what comes of it is on the record.

        Raises:
            DeskError: The gateway is not there.
        """
        client = await self._client(person, timeout)
        if not client.send(CancelChild(child_id=child_id, parent_id=parent_id, reason="by_hand")):
            raise DeskError("the gateway has gone; `slipstream kill` works without the console")

    async def _client(self, person: str, timeout: float) -> StreamClient:
        await self.connect((person,))
        client, synced = self._peers[person]
        try:
            async with asyncio.timeout(timeout):
                await synced.wait()
        except TimeoutError:
            raise DeskError(f"no gateway answers at {self._address}; nothing was sent") from None
        return client
