"""TLS, where this build of quickfix has it: a peer whose certificate we do not trust never sees a Logon."""

import asyncio
import importlib.metadata
from pathlib import Path

import pytest

from service.fix.messages import FixConfigError
from service.fix.session import Tls
from tests.integration.fix.broker import PATIENCE, Broker, Desk, config_for, free_port, until
from tests.integration.fix.certificates import Authority
from tests.unit.fix.support import new_order

# `make test` runs on the build with TLS, `make test-quickfix` on the one without: together they skip nothing.
HAS_TLS = bool(list(importlib.metadata.distributions(name="quickfix-tls")))
needs_tls = pytest.mark.skipif(not HAS_TLS, reason="needs quickfix-tls")


@needs_tls
async def test_tls_when_the_peer_is_trusted_then_orders_go_through(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "authority")
    broker = Broker(tmp_path / "broker", free_port(), *authority.sign("broker"))
    await broker.start()
    async with Desk(config_for(tmp_path, broker.port, tls=Tls(authorities=authority.pem))).trading(
        broker
    ) as desk:
        desk.session.send(new_order())
        assert (await broker.expect("app", "D"))["11"] == "O-1"
    await broker.kill()


@needs_tls
@pytest.mark.parametrize("fault", ["another authority", "expired"])
async def test_tls_when_the_peer_is_not_trusted_then_there_is_no_logon(tmp_path: Path, fault: str) -> None:
    authority, stranger = Authority(tmp_path, "authority"), Authority(tmp_path, "stranger")
    certificate = authority.sign("broker", days=-1 if fault == "expired" else 1)
    broker = Broker(tmp_path / "broker", free_port(), *certificate)
    await broker.start()
    trusted = authority.pem if fault == "expired" else stranger.pem
    config = config_for(tmp_path, broker.port, tls=Tls(authorities=trusted))
    desk = Desk(config)
    await desk.session.start()
    await until(lambda: any("SSL_connect failed" in p.read_text() for p in config.log_dir.glob("*event*")))
    assert not desk.session.logged_on
    await desk.session.stop()
    await broker.kill()
    assert not [p for p in config.log_dir.glob("*messages*") if p.stat().st_size]
    assert desk.states.empty()


@needs_tls
@pytest.mark.parametrize("ours", ["signed", "none", "by another authority"])
async def test_tls_when_the_peer_wants_our_certificate_then_it_has_to_be_one_that_it_trusts(
    tmp_path: Path, ours: str
) -> None:
    authority, stranger = Authority(tmp_path, "authority"), Authority(tmp_path, "stranger")
    broker = Broker(tmp_path / "broker", free_port(), *authority.sign("broker"), authority.pem)
    await broker.start()
    pem, key = (authority if ours == "signed" else stranger).sign("ours")
    tls = Tls(authorities=authority.pem)
    if ours != "none":
        tls = Tls(authorities=authority.pem, certificate=pem, key=key)
    config = config_for(tmp_path, broker.port, tls=tls)
    desk = Desk(config)
    if ours == "signed":
        async with desk.trading(broker):
            desk.session.send(new_order())
            assert (await broker.expect("app", "D"))["11"] == "O-1"
    else:
        await desk.session.start()
        events = broker.folder / "log"
        await until(lambda: any("SSL handshake failed" in p.read_text() for p in events.glob("*event*")))
        await desk.session.stop()
        assert not any(desk.states.get_nowait()[0] for _ in range(desk.states.qsize()))
        assert "logon" not in {event for event, _ in broker.seen}
    await broker.kill()


async def turned_away(desk: Desk, port: int) -> None:
    """Wait until the session says that whoever listens there is not the one that we mean."""
    said = []
    async with asyncio.timeout(3 * PATIENCE):
        while True:
            up, why = await desk.states.get()
            said.append(why)
            assert not up, said
            if f"127.0.0.1:{port}: its certificate is not one of 127.0.0.1" in why:
                return


@needs_tls
@pytest.mark.parametrize("shown", ["broker.example", ""], ids=["another name", "no name"])
async def test_tls_when_the_certificate_is_not_theirs_then_no_logon_leaves(
    tmp_path: Path, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever listens there has a certificate of the right authority, and is somebody else."""
    monkeypatch.setenv("SLIPSTREAM_FIX_PASSWORD", "hunter2")
    authority = Authority(tmp_path, "authority")
    broker = Broker(tmp_path / "broker", free_port(), *authority.sign("broker", host=shown))
    await broker.start()
    config = config_for(tmp_path, broker.port, tls=Tls(authorities=authority.pem))
    desk = Desk(config)
    await desk.session.start()
    try:
        await turned_away(desk, broker.port)
        assert not desk.session.logged_on
    finally:
        await desk.session.stop()
        await broker.kill()
    for log in (config.log_dir, broker.folder / "log"):
        assert not [p for p in log.glob("*messages*") if p.stat().st_size]


@needs_tls
async def test_tls_when_the_right_one_is_back_then_the_session_comes_up(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "authority")
    port = free_port()
    wrong = Broker(tmp_path / "wrong", port, *authority.sign("wrong", host="10.0.0.1"))
    broker = Broker(tmp_path / "broker", port, *authority.sign("broker"))
    await wrong.start()
    desk = Desk(config_for(tmp_path, port, tls=Tls(authorities=authority.pem)))
    await desk.session.start()
    try:
        await turned_away(desk, port)
        await wrong.kill()
        await broker.start()
        async with asyncio.timeout(4 * PATIENCE):  # a new engine every few seconds, as long as it takes
            while not desk.session.logged_on:
                await asyncio.sleep(0.05)
        desk.session.send(new_order())
        assert (await broker.expect("app", "D"))["11"] == "O-1"
    finally:
        await desk.session.stop()
        for one in (wrong, broker):
            await one.kill()


@needs_tls
@pytest.mark.parametrize(
    ("name", "shown"), [("broker.example", "broker.example"), ("*", "broker.example"), ("*", "")]
)
async def test_tls_when_the_table_says_which_name_then_that_one_counts(
    tmp_path: Path, name: str, shown: str
) -> None:
    authority = Authority(tmp_path, "authority")
    broker = Broker(tmp_path / "broker", free_port(), *authority.sign("broker", host=shown))
    await broker.start()
    async with Desk(config_for(tmp_path, broker.port, tls=Tls(authorities=authority.pem, name=name))).trading(
        broker
    ) as desk:
        desk.session.send(new_order())
        assert (await broker.expect("app", "D"))["11"] == "O-1"
    await broker.kill()


@pytest.mark.skipif(HAS_TLS, reason="this build has TLS")
async def test_tls_when_the_build_has_none_then_start_says_so(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "authority")
    desk = Desk(config_for(tmp_path, free_port(), tls=Tls(authorities=authority.pem)))
    with pytest.raises(FixConfigError, match="this build has no TLS"):
        await desk.session.start()
