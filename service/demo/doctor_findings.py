"""What the doctor looks at, and what it says of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NamedTuple

from service.settings import ROOT

Level = Literal["ok", "warn", "wrong"]


class Finding(NamedTuple):
    """One line: how bad, about what, what it is, and how to mend it."""

    level: Level
    about: str
    what: str
    mend: str = ""

    def __str__(self) -> str:
        mend = f" -> {self.mend}" if self.mend else ""
        return f"{self.level:5}  {self.about:11}  {' '.join(self.what.split())}{mend}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """The settings that the roles would start with; names, defaults and variables are theirs.

    They are said again here because the roles cannot be imported where a package is missing, which is one of
    the things to find. A test holds the two together.

    Attributes:
        kafka_meant: Somebody said which cluster; else nobody knows whether there is to be one already.
    """

    run_dir: Path = Path("runs/default")
    kafka: str = "127.0.0.1:9092"
    topic_prefix: str = ""
    partitions: int = 4
    reference: Path = ROOT / "deploy" / "reference.toml"
    limits: Path = ROOT / "deploy" / "limits.toml"
    people: Path = ROOT / "deploy" / "people.toml"
    fix_sessions: Path = ROOT / "fix_configs" / "sessions.toml"
    fix_session: str = "broker"
    broker: str = ""
    sender_comp_id: str = ""
    target_comp_id: str = ""
    drop_copy_session: str = ""
    drop_copy: str = ""
    realtime_priority: int = 0
    models: str = ""
    provider: str = "cpu"
    users: Path = ROOT / "deploy" / "users.toml"
    host: str = "127.0.0.1"
    port: int = 8070
    tls_certificate: str = ""
    tls_key: str = ""
    origin: str = ""
    loopback_only: bool = False
    kafka_meant: bool = False


COMMON: Final = ("run_dir", "kafka", "topic_prefix", "partitions", "reference")
"""Settings that every role has."""

ROLE_OF: Final[dict[str, str]] = {
    **dict.fromkeys(
        (
            "limits",
            "people",
            "fix_sessions",
            "fix_session",
            "broker",
            "sender_comp_id",
            "target_comp_id",
            "drop_copy_session",
            "drop_copy",
            "realtime_priority",
        ),
        "gateway",
    ),
    **dict.fromkeys(("models", "provider"), "runner"),
    **dict.fromkeys(
        ("users", "host", "port", "tls_certificate", "tls_key", "origin", "loopback_only"), "console"
    ),
}
"""Whose setting each of the others is."""
