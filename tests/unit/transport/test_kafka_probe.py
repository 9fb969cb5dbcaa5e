"""Probing a broker and choosing ports."""

import asyncio
import time
from pathlib import Path

from service.transport.kafka_probe import HOST, PORTS, answers, free_port


def test_free_port_when_chosen_then_it_is_outside_the_ephemeral_range() -> None:
    low, _ = (int(part) for part in Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    assert free_port() in PORTS
    assert PORTS.stop <= low


async def test_answers_when_the_server_is_not_kafka_then_false() -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\xff\xff\xff\xff")
        writer.close()

    server = await asyncio.start_server(hang_up, HOST, 0)
    async with server:
        began = time.monotonic()
        assert not await answers(HOST, server.sockets[0].getsockname()[1])
        assert time.monotonic() - began < 2
