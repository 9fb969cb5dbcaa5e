"""The FIX line is cut in the middle of a message, either way: nothing is lost, doubled or guessed."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from service.gateway import control_client
from service.model.events import ChildAccepted, ChildCanceled, ChildCancelRejected, ChildFilled
from service.transport.kafka_process import KafkaProcess
from tests.drills.processes.broker_truth import Broker
from tests.integration.gateway.stage import PRICE, Stage, free_port, stage, until

OURS, THEIRS = "ours", "theirs"


class Line:
    """A TCP line between gateway and broker that can be cut within a message.

    Attributes:
        cuts: Type and number of bytes let through of each message that was cut.
    """

    def __init__(self, broker: int) -> None:
        self.port = free_port()
        self.cuts: list[tuple[str, int]] = []
        self._broker = broker
        self._armed: tuple[str, str] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def cut(self, whose: str, msg_type: str) -> None:
        """Let half of the next message of this type through, and no more."""
        self._armed = (whose, msg_type)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._broker)
        except OSError:
            writer.close()
            return
        ends = [
            asyncio.create_task(self._pass(OURS, reader, far_writer)),
            asyncio.create_task(self._pass(THEIRS, far_reader, writer)),
        ]
        self._tasks.update(ends)
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()
        await asyncio.gather(*ends, return_exceptions=True)
        for side in (writer, far_writer):
            side.close()

    async def _pass(self, whose: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if self._armed is not None and self._armed[0] == whose:
                kind = self._armed[1]
                for message in re.finditer(rb"8=FIX\.4\.4\x01.*?\x0110=\d{3}\x01", data, re.DOTALL):
                    if f"\x0135={kind}\x01".encode() in message[0]:
                        half = len(message[0]) // 2
                        self._armed = None
                        writer.write(data[: message.start() + half])
                        await writer.drain()
                        self.cuts.append((kind, half))
                        return
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def line(broker: int) -> AsyncIterator[Line]:
    made = Line(broker)
    server = await asyncio.start_server(made.serve, "127.0.0.1", made.port)
    try:
        yield made
    finally:
        server.close()
        for task in made._tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*made._tasks, return_exceptions=True)


async def after_the_cut(on: Stage, line: Line, cuts: int) -> None:
    """The line was cut, is there again, and nothing is unknown."""
    await until(lambda: len(line.cuts) == cuts, what="the line is cut")
    await on.logged_on()
    await on.settled()


def book(on: Stage) -> Broker:
    found = Broker(on.folder / "broker")
    found.quantities["P1"] = 2000
    found.read()
    assert not found.problems
    return found


@pytest.mark.timeout(300)
async def test_a_message_that_arrives_by_half_is_as_good_as_none(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    port = free_port()
    async with line(port) as between:
        gateway = ("--on-runner-loss", "leave", "--broker", f"127.0.0.1:{between.port}")
        async with stage(kafka, topic_prefix, tmp_path, gateway=gateway, broker=("--port", str(port))) as on:
            await on.admit(quantity=2000)
            on.runner.submit("P1.1", 100, PRICE - 300)
            await on.runner.hears(ChildAccepted, "P1.1")

            between.cut(OURS, "D")  # an order, and it is not at the broker
            on.runner.submit("P1.2", 100, PRICE - 400)
            await after_the_cut(on, between, 1)
            assert {o.child_id for o in (await on.status()).working} == {"P1.1"}
            assert len(book(on).received) == 1

            between.cut(THEIRS, "8")  # its acknowledgement, and the order works
            on.runner.submit("P1.3", 100, PRICE - 500)
            await after_the_cut(on, between, 2)
            await on.runner.hears(ChildAccepted, "P1.3")

            between.cut(OURS, "G")  # a replace, and the order is as it was
            on.runner.replace("P1.3", 100, PRICE - 600)
            await after_the_cut(on, between, 3)
            working = {o.child_id: o for o in (await on.status()).working}
            assert (working["P1.3"].price, working["P1.3"].pending) == (PRICE - 500, "")

            between.cut(OURS, "F")  # a cancel, and the runner is told that it has to ask again
            on.runner.cancel("P1.3")
            await after_the_cut(on, between, 4)
            assert (await on.runner.hears(ChildCancelRejected, "P1.3")).reason == "lost in a disconnect"
            on.runner.cancel("P1.3")
            await on.runner.hears(ChildCanceled, "P1.3")

            on.runner.submit("P1.4", 100, PRICE + 100)
            between.cut(THEIRS, "8")  # what tells of an order that is filled at once
            await after_the_cut(on, between, 5)
            await on.runner.hears(ChildFilled, "P1.4")

            await control_client.kill(tmp_path, "all", "end of test")
            assert not await control_client.until_nothing_works(tmp_path)
            theirs = book(on)
            assert theirs.in_flight == 0
            assert sum(fill.quantity for fill in theirs.fills.values()) == 100
            assert (await on.status()).positions["AURA"] == 100
            told = [m.exec_id for m in on.runner.all(ChildFilled)]
            assert len(told) == len(set(told)) == 1
            assert all(half > 40 for _, half in between.cuts)
