"""Whether the files that the roles would start with hold, and hold together."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from service.demo.doctor_findings import Finding, Setup
from service.fix.config import FixConfig
from service.fix.credentials import read_credentials
from service.fix.dialect import load_dialect
from service.fix.messages import FixConfigError
from service.fix.sessions_file import load_session
from service.gateway.limits_file import LimitsFileError, parse_limits, read_limits
from service.gateway.people import SIMULATOR, PeopleFileError, read_people
from service.model.reference import ReferenceFileError, load_reference

EXPIRES_SOON: Final = timedelta(days=30)


def _session(setup: Setup) -> FixConfig:
    host, _, port = setup.broker.rpartition(":")
    return load_session(
        setup.fix_sessions,
        setup.fix_session,
        store_dir=setup.run_dir / "fix" / "gateway" / "store",
        log_dir=setup.run_dir / "fix" / "gateway" / "log",
        host=host or None,
        port=int(port) if port.isdigit() else None,
        sender_comp_id=setup.sender_comp_id or None,
        target_comp_id=setup.target_comp_id or None,
    )


def _copy_session(setup: Setup) -> FixConfig | None:
    if not setup.drop_copy and not setup.drop_copy_session:
        return None
    host, _, port = setup.drop_copy.rpartition(":")
    return load_session(
        setup.fix_sessions,
        setup.drop_copy_session or "drop-copy",
        store_dir=setup.run_dir / "fix" / "drop-copy" / "store",
        log_dir=setup.run_dir / "fix" / "drop-copy" / "log",
        host=host or None,
        port=int(port) if port.isdigit() else None,
    )


def sessions(setup: Setup) -> list[FixConfig]:
    """The FIX sessions of these settings, those that can be read."""
    found = []
    for load in (_session, _copy_session):
        try:
            config = load(setup)
        except FixConfigError:
            continue
        if config is not None:
            found.append(config)
    return found


def with_simulator(setup: Setup) -> bool:
    """Whether the counterparty is the broker simulator; not if nobody can tell."""
    try:
        return _session(setup).target_comp_id == SIMULATOR
    except FixConfigError:
        return False


def reference(setup: Setup) -> Iterable[Finding]:
    """The reference file."""
    try:
        found = load_reference(setup.reference)
    except ReferenceFileError as error:
        yield Finding("wrong", "reference", str(error), "mend the file, or give another as --reference")
        return
    yield Finding(
        "ok",
        "reference",
        f"{setup.reference}: {len(found.instruments)} instruments, {len(found.accounts)} accounts, "
        f"{len(found.traders)} traders",
    )


def limits(setup: Setup) -> Iterable[Finding]:
    """The limits file, and whether everything in the reference file has limits."""
    try:
        known = load_reference(setup.reference)
    except ReferenceFileError:
        yield Finding(
            "wrong", "limits", "not read: they are about what the reference file has", "mend that first"
        )
        return
    try:
        found = parse_limits(read_limits(setup.limits), str(setup.limits), known)
    except LimitsFileError as error:
        yield Finding("wrong", "limits", str(error), "mend the file, or give another as --limits")
        return
    yield Finding(
        "ok", "limits", f"{setup.limits}: {len(found.instruments)} instruments, version {found.version}"
    )
    without = [one.symbol for one in known.instruments if one.symbol not in found.instruments]
    if without:
        yield Finding(
            "warn",
            "limits",
            f"every order of {', '.join(without)} is denied: no limits",
            "add [[instruments]] rows, or take them out of the reference file",
        )


def people(setup: Setup) -> Iterable[Finding]:
    """The file of the people who, two at a time, lift kills and change limits."""
    simulator = with_simulator(setup)
    try:
        found = read_people(setup.people, simulator=simulator)
    except PeopleFileError as error:
        yield Finding(
            "wrong", "people", str(error), "a kill could not be lifted; give a good file as --people"
        )
        return
    able = [person.name for person in found.people if person.may]
    if len(able) < 2:
        yield Finding(
            "warn",
            "people",
            f"{setup.people}: {len(able)} may do anything, and everything takes two",
            "`slipstream people add`",
        )
    else:
        of = " of development" if found.development else ""
        yield Finding("ok", "people", f"{setup.people}: {len(found.people)} people{of}")


def users(setup: Setup) -> Iterable[Finding]:
    """The file of the console's users."""
    from service.console.accounts import AccountsError, read_accounts
    from service.console.role import ConsoleSettings, exposed

    settings = ConsoleSettings(host=setup.host, origin=setup.origin, loopback_only=setup.loopback_only)
    try:
        found = read_accounts(setup.users, exposed=exposed(settings))
    except AccountsError as error:
        yield Finding("wrong", "users", str(error), "the console does not start; give a good file as --users")
        return
    if found.development and not with_simulator(setup):
        yield Finding(
            "wrong",
            "users",
            f"{setup.users} is for development, with passwords that everybody knows, and the counterparty is "
            "not the broker simulator",
            "make a file with `slipstream users add` and give it as --users",
        )
        return
    of = " of development" if found.development else ""
    yield Finding("ok", "users", f"{setup.users}: {len(found.users)} users{of}")


def fix_sessions(setup: Setup) -> Iterable[Finding]:
    """Sessions file, dialects, data dictionary and logon credentials."""
    for load in (_session, _copy_session):
        try:
            config = load(setup)
            if config is None:
                continue
            load_dialect(config.dialects, config.dialect)
            known = read_credentials(config.credentials)
        except FixConfigError as error:
            yield Finding("wrong", "fix", str(error), "fix_configs/README.md has every field")
            continue
        name = f"{config.sender_comp_id}->{config.target_comp_id} at {config.host}:{config.port}"
        unreadable = [path for path in (config.dictionary, config.template) if not path.is_file()]
        if unreadable:
            missing = ", ".join(map(str, unreadable))
            yield Finding("wrong", "fix", f"{name}: no file {missing}", "bring it back from fix_configs/")
            continue
        as_whom = f", as {known.username}" if known.username else ", without a password"
        yield Finding("ok", "fix", f"{name}, dialect {config.dialect}{as_whom}")


def policies(setup: Setup) -> Iterable[Finding]:
    """Every policy, and the model of each that has one: file, manifest, hash and shapes."""
    from service.inference.registry import FOLDERS, serve_models
    from service.policy.registry import discover

    found = discover()
    for name, reason in found.unavailable.items():
        yield Finding(
            "wrong", "policies", f"{name} is unavailable: {reason}", "reinstall or mend its package"
        )
    folders = ([Path(setup.models)] if setup.models else []) + list(FOLDERS)
    served = serve_models(found.policies, folders, "cuda" if setup.provider == "cuda" else "cpu")
    for name, reason in served.unavailable.items():
        yield Finding(
            "wrong",
            "models",
            f"{name}: {reason}",
            "bring back the folder as it was released, or train it again",
        )
    if found.policies:
        yield Finding("ok", "policies", ", ".join(found.policies))
    else:
        yield Finding("wrong", "policies", "none is installed", "`make setup`, or pip install the package")
    if served.models:
        yield Finding("ok", "models", ", ".join(model.label for model in served.models.values()))


def tls(setup: Setup, now: datetime | None = None) -> Iterable[Finding]:
    """Certificates and keys of the FIX sessions and of the console's page."""
    now = now or datetime.now(UTC)
    for config in sessions(setup):
        if config.tls is not None:
            where = f"session {config.target_comp_id}"
            yield from certificate(where, config.tls.authorities, None, now)
            if config.tls.certificate is not None:
                yield from certificate(where, config.tls.certificate, config.tls.key, now)
    if setup.tls_certificate or setup.tls_key:
        if not (setup.tls_certificate and setup.tls_key):
            yield Finding("wrong", "tls", "the console has one of certificate and key", "give both")
        else:
            yield from certificate("console", Path(setup.tls_certificate), Path(setup.tls_key), now)


def certificate(where: str, path: Path, key: Path | None, now: datetime) -> Iterable[Finding]:
    """A file of certificates: readable, in force for a while, and its key's."""
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        yield _unusable(where, path, error)
        return
    for one in found:
        name = one.subject.rfc4514_string() or "a certificate"
        ends = one.not_valid_after_utc
        if now > ends:
            yield Finding("wrong", "tls", f"{where}: {path}: {name} expired on {ends:%Y-%m-%d}", "renew it")
        elif now < one.not_valid_before_utc:
            begins = one.not_valid_before_utc
            yield Finding(
                "wrong", "tls", f"{where}: {path}: {name} begins on {begins:%Y-%m-%d}", "is the clock right?"
            )
        elif ends - now < EXPIRES_SOON:
            yield Finding("warn", "tls", f"{where}: {path}: {name} expires on {ends:%Y-%m-%d}", "renew it")
        else:
            yield Finding("ok", "tls", f"{where}: {path}: {name} until {ends:%Y-%m-%d}")
    if key is not None:
        try:
            private = load_pem_private_key(key.read_bytes(), None)
        except (OSError, ValueError, TypeError) as error:
            yield _unusable(where, key, error)
            return
        form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        if private.public_key().public_bytes(*form) != found[0].public_key().public_bytes(*form):
            yield Finding("wrong", "tls", f"{where}: {key} is not the key of {path}", "give the pair")


def _unusable(where: str, path: Path, error: Exception) -> Finding:
    reason = error.strerror if isinstance(error, OSError) else str(error).partition(".")[0]
    return Finding("wrong", "tls", f"{where}: {path}: {reason}", "give a PEM file that we may read")
