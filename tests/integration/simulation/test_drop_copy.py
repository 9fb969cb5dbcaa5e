"""The simulated broker's drop copy, over real FIX sessions."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from tests.integration.simulation.clients import Client, SimplefixClient, quickfix_client
from tests.integration.simulation.market import sold
from tests.integration.simulation.test_acceptor import running

_copies = itertools.count(1)


def _names() -> dict[str, Any]:
    number = next(_copies)
    return {"clients": (f"TRADER{number}",), "drop_copy": f"DROP{number}", "drop_copy_delay_ms": 1.0}


def _trade(client: Client) -> list[dict[str, str]]:
    """A fill, a rest, a status answer and a cancel; returns the execution reports of what happened."""
    client.order("a", "1", 40, "100.01")
    reports = [client.expect(t150="0"), client.expect(t150="F")]
    client.status("a", "1")
    client.expect(t150="I")
    client.cancel("b", "a", "1")
    return [*reports, client.expect(t150="4")]


def test_drop_copy_when_a_client_trades_then_has_every_report_and_nothing_else(tmp_path: Path) -> None:
    with (
        running(tmp_path / "run", **_names()) as broker,
        quickfix_client(tmp_path / "copy", broker.port, broker.settings.drop_copy) as copy,
        quickfix_client(tmp_path / "client", broker.port, broker.client) as client,
    ):
        told = _trade(client)
        copied = [copy.expect(t35="8") for _ in told]
        assert [report["797"] for report in copied] == ["Y"] * len(told)
        session = {"8", "9", "10", "34", "49", "52", "56", "797"}
        for report, original in zip(copied, told, strict=True):
            assert {t: v for t, v in report.items() if t not in session} == {
                t: v for t, v in original.items() if t not in session
            }
        assert copy.stash == []


def test_drop_copy_when_it_is_away_then_gets_what_it_missed_in_order(tmp_path: Path) -> None:
    with running(tmp_path / "run", **_names()) as broker:
        with quickfix_client(tmp_path / "client", broker.port, broker.client) as client:
            told = _trade(client)
        with quickfix_client(tmp_path / "copy", broker.port, broker.settings.drop_copy) as copy:
            assert [copy.expect(t35="8")["17"] for _ in told] == [report["17"] for report in told]


def test_drop_copy_when_it_sends_an_order_then_that_is_refused(tmp_path: Path) -> None:
    with running(tmp_path / "run", **_names()) as broker:
        copy = SimplefixClient(broker.port, broker.settings.drop_copy)
        copy.order("a", "1", 5, "100.00")
        refused = copy.expect(t35="j")
        assert (refused["372"], refused["380"]) == ("D", "3")
        copy.status("a", "1")
        assert copy.expect(t35="j")["372"] == "H"
        copy.close()


def test_drop_copy_when_the_broker_is_restarted_then_nothing_is_copied_twice_or_lost(tmp_path: Path) -> None:
    names = _names()
    with (
        running(tmp_path / "run", **names) as broker,
        quickfix_client(tmp_path / "copy", broker.port, names["drop_copy"]) as copy,
        quickfix_client(tmp_path / "client", broker.port, broker.client) as client,
    ):
        told = _trade(client)
        for report in told:
            assert copy.expect(t35="8")["17"] == report["17"]
        client.order("c", "1", 5, "100.00")
        resting = client.expect(t150="0")
        assert copy.expect(t35="8")["17"] == resting["17"]
    with running(tmp_path / "run", **names) as broker:
        broker.market(sold(999_900, 40))
        with quickfix_client(tmp_path / "copy", broker.port, names["drop_copy"]) as copy:
            report = copy.expect(t35="8")
            assert (report["150"], report["11"], report["32"]) == ("F", "c", "5")
            assert copy.stash == []


def test_drop_copy_when_fills_are_left_out_then_the_trading_session_still_has_them(tmp_path: Path) -> None:
    with (
        running(tmp_path / "run", drop_copy_omit_rate=1.0, **_names()) as broker,
        quickfix_client(tmp_path / "copy", broker.port, broker.settings.drop_copy) as copy,
        quickfix_client(tmp_path / "client", broker.port, broker.client) as client,
    ):
        _trade(client)
        assert [copy.expect(t35="8")["150"], copy.expect(t35="8")["150"]] == ["0", "4"]


def test_orders_when_the_client_is_back_within_the_grace_then_still_work(tmp_path: Path) -> None:
    with running(tmp_path / "run", cancel_on_disconnect=True, cancel_on_disconnect_grace=3_600.0) as broker:
        lost = SimplefixClient(broker.port, broker.client)
        lost.order("a", "1", 5, "100.00")
        lost.expect(t150="0")
        lost.close()
        back = SimplefixClient(broker.port, broker.client)
        back.status("a", "1")
        assert back.expect(t150="I")["39"] == "0"
        back.close()


def test_orders_when_the_client_stays_away_then_are_canceled_after_the_grace(tmp_path: Path) -> None:
    with running(
        tmp_path / "run", cancel_on_disconnect=True, cancel_on_disconnect_grace=0.2, **_names()
    ) as broker:
        copy = SimplefixClient(broker.port, broker.settings.drop_copy)
        lost = SimplefixClient(broker.port, broker.client)
        lost.order("a", "1", 5, "100.00")
        lost.expect(t150="0")
        lost.close()
        assert copy.expect(t150="4")["11"] == "a"
        copy.close()
