"""TLS, where this build of quickfix has it: a peer whose certificate we do not trust never sees a Logon."""

import importlib.metadata
import shutil
import subprocess
from pathlib import Path

import pytest

from service.fix.messages import FixConfigError
from service.fix.session import Tls
from tests.integration.fix.broker import Broker, Desk, config_for, free_port, until
from tests.unit.fix.support import new_order

HAS_TLS = bool(list(importlib.metadata.distributions(name="quickfix-tls")))
needs_tls = pytest.mark.skipif(
    not HAS_TLS or shutil.which("openssl") is None, reason="needs quickfix-tls and the openssl command"
)


def certificate(folder: Path, name: str, signer: str = "") -> tuple[Path, Path]:
    """A key and its certificate, signed by ``signer`` or by itself."""
    pem, key = folder / f"{name}.pem", folder / f"{name}.key"
    by = ["-CA", str(folder / f"{signer}.pem"), "-CAkey", str(folder / f"{signer}.key")] if signer else []
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", str(key), "-out", str(pem), "-days", "2", "-subj", f"/CN={name}", *by],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return pem, key


@needs_tls
async def test_tls_when_the_peer_is_trusted_then_orders_go_through(tmp_path: Path) -> None:
    certificate(tmp_path, "authority")
    broker = Broker(tmp_path / "broker", free_port(), *certificate(tmp_path, "broker", "authority"))
    await broker.start()
    tls = Tls(authorities=tmp_path / "authority.pem")
    async with Desk(config_for(tmp_path, broker.port, tls=tls)).trading(broker) as desk:
        desk.session.send(new_order())
        assert (await broker.expect("app", "D"))["11"] == "O-1"
    await broker.kill()


@needs_tls
async def test_tls_when_the_peer_is_not_trusted_then_there_is_no_logon(tmp_path: Path) -> None:
    certificate(tmp_path, "authority")
    certificate(tmp_path, "stranger")
    broker = Broker(tmp_path / "broker", free_port(), *certificate(tmp_path, "broker", "authority"))
    await broker.start()
    config = config_for(tmp_path, broker.port, tls=Tls(authorities=tmp_path / "stranger.pem"))
    desk = Desk(config)
    await desk.session.start()
    await until(lambda: any("SSL_connect failed" in p.read_text() for p in config.log_dir.glob("*event*")))
    assert not desk.session.logged_on
    await desk.session.stop()
    await broker.kill()
    assert not [p for p in config.log_dir.glob("*messages*") if p.stat().st_size]
    assert desk.states.empty()


@pytest.mark.skipif(HAS_TLS, reason="this build has TLS")
async def test_tls_when_the_build_has_none_then_start_says_so(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    desk = Desk(config_for(tmp_path, free_port(), tls=Tls(authorities=tmp_path / "ca.pem")))
    with pytest.raises(FixConfigError, match="this build has no TLS"):
        await desk.session.start()
