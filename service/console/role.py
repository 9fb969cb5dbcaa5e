"""The role ``console``: control API and page. Nothing on an order's way depends on it."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from pathlib import Path

from pydantic import Field

from service.console.accounts import AccountsFile
from service.console.app import build
from service.console.hub import MARKET_TOPICS, RECORD_TOPICS, Hub
from service.console.serving import Serving
from service.console.sessions import Sessions
from service.console.state import Console
from service.model.market import BookSnapshot
from service.model.reference import load_reference
from service.settings import ROOT, RoleSettings
from service.telemetry.process import give_way
from service.telemetry.transport import TransportMetrics
from service.transport.consumer import Reader
from service.transport.producer import Producer
from service.transport.topics import ensure_topics

log = logging.getLogger(__name__)


class ConsoleError(ValueError):
    """The console cannot be served; the message says why and what to do."""


class ConsoleSettings(RoleSettings):
    """Settings of the console."""

    host: str = Field("127.0.0.1", description="address that the page is served on")
    port: int = Field(8070, ge=0, le=65_535, description="port that the page is served on")
    users: Path = Field(
        ROOT / "deploy" / "users.toml", description="file of users; made by `slipstream users add`"
    )
    tls_certificate: Path | None = Field(None, description="PEM file; without it the page goes in the clear")
    tls_key: Path | None = Field(None, description="PEM file of the certificate's key")
    origin: str = Field(
        "", description="where browsers see the page, if not at HOST:PORT: https://console.example"
    )
    loopback_only: bool = Field(
        False,
        description="HOST is a container's own address, published on its machine's loopback address alone",
    )
    idle_minutes: float = Field(60.0, gt=0, description="minutes after which an unused session ends")
    session_hours: float = Field(12.0, gt=0, description="hours after which any session ends")
    command_seconds: float = Field(10.0, gt=0, description="seconds to wait for the gateway's answer")


def exposed(settings: ConsoleSettings) -> bool:
    """Whether the page can be reached from other machines."""
    if settings.loopback_only or settings.host == "localhost":
        return bool(settings.origin)
    try:
        return bool(settings.origin) or not ipaddress.ip_address(settings.host).is_loopback
    except ValueError:
        return True


def origins(settings: ConsoleSettings, port: int) -> frozenset[str]:
    """Where the page may be loaded from, as browsers say it."""
    if settings.origin:
        return frozenset({settings.origin.rstrip("/")})
    scheme = "https" if settings.tls_certificate else "http"
    hosts = {settings.host} if exposed(settings) else {"127.0.0.1", "localhost", settings.host}
    return frozenset(f"{scheme}://{host}:{port}" for host in hosts)


def _listen(settings: ConsoleSettings) -> socket.socket:
    """The socket, before anything else is started.

    Raises:
        ConsoleError: If the address is taken, or a page for others would go in the clear.
    """
    if exposed(settings) and settings.tls_certificate is None and not settings.origin.startswith("https:"):
        raise ConsoleError(
            f"{settings.host} can be reached from other machines: give --tls-certificate and --tls-key, or "
            "put a proxy with TLS before it and say where browsers see it (--origin https://...)"
        )
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
    except OSError as error:
        raise ConsoleError(
            f"the console cannot listen on {settings.host}:{settings.port}: {error.strerror}; choose --port"
        ) from error
    return listener


async def run(settings: ConsoleSettings, stop: asyncio.Event) -> None:
    """Serve until ``stop``.

    Raises:
        ConsoleError: The address cannot be used.
        AccountsError: The file of users cannot be used.
        TransportError: The cluster does not answer.
    """

    give_way()
    accounts = AccountsFile(settings.users, exposed=exposed(settings))
    accounts()
    reference = load_reference(settings.reference)
    listener = _listen(settings)
    port = listener.getsockname()[1]
    metrics = TransportMetrics()
    await ensure_topics(settings.kafka, settings.topic_prefix, settings.partitions)
    producer = Producer(settings.kafka, client="console", prefix=settings.topic_prefix, sensor=metrics)

    def reader(topics: tuple[str, ...], start: str) -> Reader:
        return Reader(
            settings.kafka,
            topics,
            client="console",
            prefix=settings.topic_prefix,
            start="earliest" if start == "earliest" else "latest",
            patience=0.1,
            newest_of=BookSnapshot if topics == MARKET_TOPICS else None,
            sensor=metrics,
        )

    record = tuple(reader(topics, "earliest") for topics in RECORD_TOPICS)
    market = reader(MARKET_TOPICS, "latest")
    ready = settings.run_dir / "ready" / "console"
    try:
        await producer.start()
        for each in record:
            await each.start()
        await market.start()
        hub = Hub(reference, settings.run_dir, record, market, producer)
        sessions = Sessions(accounts, idle=settings.idle_minutes * 60, life=settings.session_hours * 3600)
        console = Console(
            hub=hub,
            sessions=sessions,
            origins=origins(settings, port),
            secure=settings.tls_certificate is not None or settings.origin.startswith("https:"),
            wait=settings.command_seconds,
        )
        serving = Serving(build(console), certificate=settings.tls_certificate, key=settings.tls_key)
        async with asyncio.TaskGroup() as group:
            group.create_task(hub.run(stop))
            serves = group.create_task(serving.run(listener))
            await hub.caught_up()
            ready.parent.mkdir(parents=True, exist_ok=True)
            ready.with_suffix(".address").write_text(f"{settings.host}:{port}\n")
            ready.touch()
            log.info("the console is at %s", min(console.origins))
            await stop.wait()
            serving.stop()
            await serves
    finally:
        for path in (ready, ready.with_suffix(".address")):
            path.unlink(missing_ok=True)
        listener.close()
        for each in record:
            await each.stop()
        await market.stop()
        await producer.stop()
