"""Whose certificate it is: what is doubted. Real handshakes are in integration/fix/test_tls.py."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from service.fix.config import FixConfig, Tls
from service.fix.messages import FixConfigError
from service.fix.peer import Peer
from tests.integration.fix.certificates import Authority


def config(folder: Path, port: int, tls: Tls | None) -> FixConfig:
    return FixConfig(host="127.0.0.1", port=port, store_dir=folder / "s", log_dir=folder / "l", tls=tls)


@pytest.mark.parametrize("name", [None, "*"])
def test_peer_when_no_name_is_asked_of_it_then_nobody_is_called(tmp_path: Path, name: str | None) -> None:
    tls = None if name is None else Tls(authorities=tmp_path / "absent.pem", name=name)
    assert Peer(config(tmp_path, 1, tls)).doubt() == ""


def test_peer_when_it_speaks_no_tls_then_that_is_a_doubt(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "authority")
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            server.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        port = server.getsockname()[1]
        why = Peer(config(tmp_path, port, Tls(authorities=authority.pem))).doubt()
        thread.join()
    assert why.startswith(f"TLS: 127.0.0.1:{port}: nobody shows a certificate of 127.0.0.1: ")


def test_peer_when_nobody_listens_then_that_is_a_doubt(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "authority")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert (
        "nobody shows a certificate" in Peer(config(tmp_path, port, Tls(authorities=authority.pem))).doubt()
    )


def test_peer_when_no_certificate_can_bear_its_name_then_that_is_said_at_once(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "authority")
    with pytest.raises(FixConfigError, match=r"tls: no certificate can bear the name '\.'"):
        Peer(config(tmp_path, 1, Tls(authorities=authority.pem, name=".")))


@pytest.mark.parametrize("text", ["", "no certificate"])
def test_peer_when_the_file_holds_no_certificate_then_it_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "ca.pem"
    file.write_text(text)
    with pytest.raises(FixConfigError, match=r"tls: .*ca\.pem"):
        Peer(config(tmp_path, 1, Tls(authorities=file)))
