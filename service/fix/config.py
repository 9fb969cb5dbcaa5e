"""Settings of one FIX session, and the engine's own files made from them."""

from __future__ import annotations

import re
import string
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Final

import msgspec

from service.fix.messages import FixConfigError
from service.fix.schedule import Schedule, parse_schedule
from service.settings import ROOT

FIX_CONFIGS: Final = ROOT / "fix_configs"
_LONGEST_NUMBER: Final = 10**18
_STRUCTURAL: Final = frozenset({"NUMINGROUP", "LENGTH", "DATA"})


ANY_NAME: Final = "*"


class Tls(msgspec.Struct, frozen=True, kw_only=True):
    """TLS of one session; the peer's certificate is always verified.

    Attributes:
        authorities: File of certificates that the peer's must descend from.
        certificate, key: Ours, if the counterparty wants one.
        name: DNS name or IP address that the peer's certificate has to bear (SubjectAltName); empty is the
            session's host, ``*`` whatever the authorities sign.
    """

    authorities: Path
    certificate: Path | None = None
    key: Path | None = None
    name: str = ""


class FixConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One initiator session. ``fix_configs/README.md`` has the engine's fields one by one.

    Attributes:
        host, port: Where the counterparty listens.
        store_dir: Sequence numbers; one process at a time, kept over restarts.
        log_dir: Every message in and out.
        heartbeat: Seconds (108).
        reset_on_logon: Throw sequence numbers away at each logon, and with them what was missed.
        reconnect_interval: Seconds between attempts.
        timestamp_digits: Digits of a second in SendingTime and TransactTime: 0, 3 or 6.
        order_capacity: OrderCapacity (528); empty leaves it out.
        max_outstanding: Orders and replaces that the counterparty has not answered; one more is refused.
            The engine's own queue has no bound.
        start_time, end_time: Session schedule, UTC ``HH:MM:SS``; both empty is a session without end. The
            sequence numbers of both sides restart at ``start_time``.
        days: ``mon`` to ``sun``, on which hours begin; empty is every day.
        credentials: What the names of the variables with our logon begin with (``service.fix.credentials``).
        dialect: Table of ``dialects``: what is tolerated.
        dictionary: FIX 4.4 data dictionary.
        stop_timeout: Seconds that ``stop`` may take.
    """

    host: str
    port: int
    sender_comp_id: str = "SLIPSTREAM"
    target_comp_id: str = "BROKERSIM"
    store_dir: Path
    log_dir: Path
    heartbeat: int = 30
    reset_on_logon: bool = False
    reconnect_interval: int = 1
    timestamp_digits: int = 3
    order_capacity: str = "A"
    max_outstanding: int = 1_000
    start_time: str = ""
    end_time: str = ""
    days: tuple[str, ...] = ()
    credentials: str = "SLIPSTREAM_FIX"
    tls: Tls | None = None
    dialect: str = "strict"
    dialects: Path = FIX_CONFIGS / "dialects.toml"
    dictionary: Path = FIX_CONFIGS / "FIX44.xml"
    template: Path = FIX_CONFIGS / "initiator.cfg"
    stop_timeout: float = 10.0

    def __post_init__(self) -> None:
        for name in ("host", "sender_comp_id", "target_comp_id"):
            if not re.fullmatch(r"[!-~]+", getattr(self, name)):
                raise FixConfigError(
                    f"{name} {getattr(self, name)!r}: printable ASCII without spaces, please"
                )
        if self.sender_comp_id == self.target_comp_id:
            raise FixConfigError(f"sender_comp_id and target_comp_id are both {self.sender_comp_id}")
        bounds = (
            ("port", self.port, 1, 65_535),
            ("heartbeat", self.heartbeat, 1, 3_600),
            ("reconnect_interval", self.reconnect_interval, 1, 3_600),
            ("max_outstanding", self.max_outstanding, 1, 100_000),
            ("stop_timeout", self.stop_timeout, 0, 600),
        )
        for name, value, low, high in bounds:
            if not low <= value <= high:
                raise FixConfigError(f"{name} is {_shown(value)}; it must be {low} to {high}")
        if self.timestamp_digits not in (0, 3, 6):
            raise FixConfigError(f"timestamp_digits is {_shown(self.timestamp_digits)}; it must be 0, 3 or 6")
        if not re.fullmatch(r"[A-Z][A-Z0-9_]*", self.credentials):
            raise FixConfigError(
                f"credentials {self.credentials!r}: capitals, digits and underscores, please"
            )
        try:
            parse_schedule(self.start_time, self.end_time, self.days)
        except ValueError as error:
            raise FixConfigError(str(error)) from error
        if self.tls and bool(self.tls.certificate) != bool(self.tls.key):
            raise FixConfigError("tls: certificate and key go together")
        if self.tls and not re.fullmatch(r"[!-~]*", self.tls.name):
            raise FixConfigError(f"tls: name {self.tls.name!r}: printable ASCII without spaces, please")

    @property
    def schedule(self) -> Schedule:
        """When the session may be up."""
        return parse_schedule(self.start_time, self.end_time, self.days)


def _shown(value: float) -> str:
    """Hexadecimal has no end that Python would print."""
    return "a very large number" if abs(value) >= _LONGEST_NUMBER else str(value)


def settings_text(config: FixConfig, dictionary: Path) -> str:
    """The engine's settings file.

    Args:
        dictionary: The lenient dictionary for what comes in.

    Raises:
        FixConfigError: If the template cannot be read or wants a word that there is no value for.
    """
    schedule = "NonStopSession=Y"
    if config.start_time:
        schedule = f"StartTime={config.start_time}\nEndTime={config.end_time}"
    tls: list[str] = []
    if config.tls:
        tls = [
            f"CertificationAuthoritiesFile={_readable(config.tls.authorities)}",
            "CertificateVerifyLevel=2",
            "SSLProtocol=+TLSv1_2 +TLSv1_3",
        ]
        if config.tls.certificate and config.tls.key:
            tls.append(f"ClientCertificateFile={_readable(config.tls.certificate)}")
            tls.append(f"ClientCertificateKeyFile={_readable(config.tls.key)}")
    try:
        template = string.Template(config.template.read_text())
        return template.substitute(
            store_dir=config.store_dir,
            log_dir=config.log_dir,
            reconnect_interval=config.reconnect_interval,
            reset_on_logon="Y" if config.reset_on_logon else "N",
            dictionary=dictionary,
            timestamp_digits=config.timestamp_digits,
            schedule=schedule,
            tls="\n".join(tls),
            sender_comp_id=config.sender_comp_id,
            target_comp_id=config.target_comp_id,
            host=config.host,
            port=config.port,
            heartbeat=config.heartbeat,
        )
    except OSError as error:
        raise FixConfigError(f"template {config.template}: {error.strerror}") from error
    except (KeyError, ValueError) as error:
        raise FixConfigError(f"template {config.template}: no value for {error}") from error


def lenient_dictionary(dictionary: Path) -> bytes:
    """``dictionary`` with its structure alone: groups and data fields, nothing required, no enumerations.

    The engine rejects by itself what its dictionary forbids, before we see it, and a fill must not be lost
    to a wrong tag: ``service.fix.parse`` judges fields instead.

    Raises:
        FixConfigError: If it cannot be read.
    """
    try:
        root = ET.parse(dictionary).getroot()  # noqa: S314 - a file of ours
    except (OSError, ET.ParseError) as error:
        raise FixConfigError(f"dictionary {dictionary}: {error}") from error
    for element in root.iter():
        if "required" in element.attrib:
            element.set("required", "N")
    for field in root.iterfind("fields/field"):
        for value in list(field):
            field.remove(value)
        if field.get("type") not in _STRUCTURAL:
            field.set("type", "STRING")
    return ET.tostring(root)


def _readable(path: Path) -> Path:
    try:
        path.open("rb").close()
    except OSError as error:
        raise FixConfigError(f"tls: {path}: {error.strerror}") from error
    return path.resolve()
