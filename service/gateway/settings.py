"""What the gateway can be set to, and the FIX sessions that follow from it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from service.fix.config import FIX_CONFIGS, FixConfig
from service.fix.sessions_file import SESSIONS, load_session
from service.settings import ROOT, HotRoleSettings


class GatewaySettings(HotRoleSettings):
    """Settings of the gateway."""

    limits: Path = Field(
        ROOT / "deploy" / "limits.toml", description="file of the limits that the gate enforces"
    )
    fix_sessions: Path = Field(
        FIX_CONFIGS / SESSIONS, description="file of FIX sessions (fix_configs/README.md)"
    )
    fix_session: str = Field(
        "broker", description="table of that file: host, CompIDs, TLS, hours and the rest"
    )
    broker: str | None = Field(
        None, pattern=r"^.+:\d+$", description="HOST:PORT of the FIX 4.4 acceptor, in place of the table's"
    )
    sender_comp_id: str | None = Field(None, description="our SenderCompID (49), in place of the table's")
    target_comp_id: str | None = Field(
        None, description="the counterparty's CompID (56), in place of the table's"
    )
    fix_heartbeat: int | None = Field(
        None, ge=1, le=3_600, description="FIX HeartBtInt (108), seconds, in place of the table's"
    )
    fix_dialect: str | None = Field(
        None,
        description="what is tolerated of the counterparty (dialects.toml), in place of the table's",
    )
    fix_reset_on_logon: bool | None = Field(
        None,
        description="reset sequence numbers at each logon, as some counterparties demand; loses resends",
    )
    drop_copy_session: str = Field(
        "", description="table of that file: the session on which the broker copies every execution report"
    )
    drop_copy: str = Field(
        "", pattern=r"^(.+:\d+)?$", description="HOST:PORT of the drop copy session, in place of the table's"
    )
    drop_copy_sender_comp_id: str | None = Field(
        None, description="our SenderCompID (49) there, in place of the table's"
    )
    drop_copy_target_comp_id: str | None = Field(
        None, description="the counterparty's CompID (56) there, in place of the table's"
    )
    drop_copy_tolerance: float = Field(
        2.0,
        gt=0,
        le=600.0,
        description="seconds that one session may be behind the other before it is a break",
    )
    drop_copy_required: bool = Field(
        False, description="send nothing new while the drop copy session is down (docs/fix.md)"
    )
    people: Path = Field(
        ROOT / "deploy" / "people.toml",
        description="file of the people who, two at a time, lift a kill or change limits (docs/kill.md)",
    )
    control_group: str = Field(
        "", description="operating-system group that may use the control socket, besides our own user"
    )
    stream_group: str = Field(
        "", description="the same for the runner stream: the group of a console that has a user of its own"
    )
    stream: str = Field(
        "", description="address of the runner stream; unix:RUN_DIR/gateway.sock unless given"
    )
    control: str = Field(
        "", description="address of the control socket; unix:RUN_DIR/control.sock unless given"
    )
    runner_timeout: float = Field(
        2.0, gt=0.25, le=60.0, description="seconds without a runner's heartbeat after which it is lost"
    )
    on_runner_loss: Literal["leave", "pause", "cancel"] = Field(
        "cancel", description="what becomes of a lost runner's orders; pause also pauses their parents"
    )
    on_clock_trouble: Literal["auto", "warn", "deny"] = Field(
        "auto",
        description="what a clock that the kernel does not vouch for means for new orders "
        "(docs/failures.md); auto warns where the counterparty is the broker simulator, and denies elsewhere",
    )
    clock_max_error: float = Field(
        0.001, gt=0, le=1.0, description="seconds of error that the kernel may estimate of its clock"
    )
    clock_max_difference: float = Field(
        0.25,
        gt=0,
        le=60.0,
        description="seconds between our clock and the broker's that are said to a person",
    )
    max_command_age: float = Field(
        600.0, gt=0, description="seconds after which a new parent is too old to be admitted"
    )
    journal_large_mb: float = Field(
        8192.0, ge=0.1, description="size of the journal, MiB, from which on JournalLarge asks for a new one"
    )
    record_kept: int = Field(
        100_000,
        ge=1_000,
        le=1_000_000,
        description="newest records that a starting gateway can give to a Kafka that lacks them; "
        "RecordGap says that it lacks more",
    )


def fix_config(settings: GatewaySettings) -> FixConfig:
    """The broker session of these settings.

    Raises:
        FixConfigError: Naming the setting that cannot be.
    """
    host, _, port = settings.broker.rpartition(":") if settings.broker else (None, None, None)
    return load_session(
        settings.fix_sessions,
        settings.fix_session,
        store_dir=settings.run_dir / "fix" / "gateway" / "store",
        log_dir=settings.run_dir / "fix" / "gateway" / "log",
        host=host,
        port=int(port) if port else None,
        sender_comp_id=settings.sender_comp_id,
        target_comp_id=settings.target_comp_id,
        heartbeat=settings.fix_heartbeat,
        dialect=settings.fix_dialect,
        reset_on_logon=settings.fix_reset_on_logon,
    )


def drop_copy_config(settings: GatewaySettings) -> FixConfig | None:
    """The drop copy session of these settings; ``None`` if there is none.

    Raises:
        FixConfigError: Naming the setting that cannot be.
    """
    if not settings.drop_copy_session and not settings.drop_copy:
        return None
    host, _, port = settings.drop_copy.rpartition(":") if settings.drop_copy else (None, None, None)
    return load_session(
        settings.fix_sessions,
        settings.drop_copy_session or "drop-copy",
        store_dir=settings.run_dir / "fix" / "drop-copy" / "store",
        log_dir=settings.run_dir / "fix" / "drop-copy" / "log",
        host=host,
        port=int(port) if port else None,
        sender_comp_id=settings.drop_copy_sender_comp_id,
        target_comp_id=settings.drop_copy_target_comp_id,
        heartbeat=settings.fix_heartbeat,
    )
