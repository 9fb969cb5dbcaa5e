"""Settings that roles share. Frozen; an unknown key is an error.

Every role has a settings class of its own made from ``RoleSettings``; command-line options and environment
variables (``SLIPSTREAM_<ROLE>_<OPTION>``) are made from its fields by ``service.cli``, so that a setting is
declared once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, field_validator

ROOT: Final = Path(__file__).resolve().parent.parent
"""Where deploy/, fix_configs/ and policies/models/ lie."""


def check_addresses(text: str) -> str:
    """``text``, if it is HOST:PORT, or several with commas between.

    Raises:
        ValueError: Naming the one that is not.
    """
    for address in text.split(","):
        host, _, port = address.rpartition(":")
        if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536:
            raise ValueError(f"{address!r} is no address: write HOST:PORT, such as 127.0.0.1:9092")
    return text


class RoleSettings(BaseModel):
    """What every role needs to know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    run_dir: Path = Field(
        Path("runs/default"), description="folder of this run: journal, FIX store, recording, logs, sockets"
    )
    kafka: str = Field("127.0.0.1:9092", description="bootstrap address HOST:PORT of the Kafka cluster")
    topic_prefix: str = Field("", description="prefix of every topic name, to share a cluster")
    partitions: int = Field(4, ge=1, le=1024, description="partitions of md.v1 and parents.v1, when created")
    reference: Path = Field(
        ROOT / "deploy" / "reference.toml", description="file of instruments, venues, accounts and people"
    )
    metrics_port: int = Field(
        0, ge=0, le=65_535, description="port of the Prometheus endpoint; 0 picks a free one"
    )
    metrics_host: str = Field("127.0.0.1", description="address that the Prometheus endpoint listens on")
    log_level: str = Field(
        "INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="least severe log level shown"
    )

    @field_validator("kafka")
    @classmethod
    def _addresses(cls, value: str) -> str:
        return check_addresses(value)


class HotRoleSettings(RoleSettings):
    """What the roles on an order's way need to know besides."""

    realtime_priority: int = Field(
        0,
        ge=0,
        le=50,
        description="SCHED_FIFO priority to ask the kernel for: nothing ordinary runs before this role then; "
        "0 asks for none",
    )
    max_unrecorded: int = Field(
        1_000_000,
        ge=1_000,
        description="records held in memory while Kafka is away, 0.6 kB each; more are given up, and "
        "RecordDropped says so",
    )


def stream_address(run_dir: Path) -> str:
    """Default address of the runner-gateway stream."""
    return f"unix:{run_dir / 'gateway.sock'}"


def control_address(run_dir: Path) -> str:
    """Default address of the gateway's control socket."""
    return f"unix:{run_dir / 'control.sock'}"
