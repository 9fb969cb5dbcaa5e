"""What can be seen of a Kafka broker and of ports from outside, without a client."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from typing import Final

HOST: Final = "127.0.0.1"
# Below Linux's ephemeral range: a client that retries a closed ephemeral port can connect to itself.
PORTS: Final = range(20_000, 32_000)


async def answers(host: str, port: int, timeout_s: float = 2.0) -> bool:
    """Whether a Kafka broker there answers a metadata request and counts itself in.

    An open port is not enough: a broker listens before the controller lets it take part. The request is
    Metadata version 1 (API key 3) with no topics, whose answer lists the live brokers.
    """
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(host, port)
            body = struct.pack(">hhi", 3, 1, 1) + struct.pack(">h", 10) + b"slipstream" + struct.pack(">i", 0)
            writer.write(struct.pack(">i", len(body)) + body)
            (size,) = struct.unpack(">i", await reader.readexactly(4))
            if not 8 <= size <= 1 << 20:
                return False
            answer = await reader.readexactly(size)
            correlation, brokers = struct.unpack_from(">ii", answer)
            return bool(correlation == 1 and brokers >= 1)
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return False
    finally:
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


def free_port(but: int | None = None) -> int | None:
    """Choose a port that nothing listens on, outside the range that outgoing connections are given."""
    # Two starts at the same moment should not try the same ports in the same order.
    chooser = random.SystemRandom()
    for port in chooser.sample(PORTS, len(PORTS)):
        if port != but and is_free(port):
            return port
    return None


def is_free(port: int) -> bool:
    """Whether nothing listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
