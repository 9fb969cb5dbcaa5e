"""The role ``kafka``: a local Apache Kafka of our own, for machines without a cluster."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from service.transport.kafka_process import KafkaProcess

log = logging.getLogger(__name__)


class KafkaSettings(BaseModel):
    """Settings of the local Kafka."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_dir: Path = Field(
        Path("runs/default"), description="folder of this run; its data goes to kafka/ there"
    )
    port: int = Field(9092, ge=1, le=65_535, description="port to listen on, on the loopback address")
    heap_mb: int = Field(512, ge=128, description="largest heap of the Java machine, MB")
    metrics_port: int = Field(0, ge=0, le=65_535, description="port of the Prometheus endpoint; 0 picks one")
    metrics_host: str = Field("127.0.0.1", description="address that the Prometheus endpoint listens on")
    log_level: str = Field(
        "INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="least severe log level shown"
    )


async def run(settings: KafkaSettings, stop: asyncio.Event) -> None:
    """Run a supervised broker until ``stop``.

    Raises:
        KafkaProcessError: It cannot be started.
        KafkaJarsError: Its jars are not the locked ones.
    """
    ready = settings.run_dir / "ready" / "kafka"
    async with KafkaProcess(settings.run_dir / "kafka", settings.port, heap_mb=settings.heap_mb):
        ready.parent.mkdir(parents=True, exist_ok=True)
        ready.touch()
        log.info(
            "Kafka listens on 127.0.0.1:%d, its data is in %s", settings.port, settings.run_dir / "kafka"
        )
        try:
            await stop.wait()
        finally:
            ready.unlink(missing_ok=True)
