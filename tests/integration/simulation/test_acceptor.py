"""Strangers trade with the simulated broker over real FIX sessions."""

import asyncio
import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from service.model.market import MarketEvent
from service.simulation.fix_engine import FixEngineError
from service.simulation.role import BrokerSettings, Shell
from tests.integration.simulation.clients import SimplefixClient, free_port, quickfix_client
from tests.integration.simulation.market import book, sold

_clients = itertools.count(1)


class RunningBroker:
    """A broker on a loop of its own thread, whose market the test makes."""

    def __init__(self, settings: BrokerSettings) -> None:
        self.settings = settings
        self.port = settings.port
        self.client = settings.clients[0]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="broker")
        self._thread.start()
        self._shell: Shell | None = None

    def _call(self, make: Any) -> Any:
        async def call() -> Any:
            result = make()
            return await result if asyncio.iscoroutine(result) else result

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(timeout=30)

    def start(self) -> None:
        def make() -> Any:
            self._shell = Shell(self.settings)
            return self._shell.start()

        self._call(make)
        shell = self._shell
        assert shell is not None
        self._call(shell.resume)

    def market(self, *events: MarketEvent) -> None:
        """Apply events, in order."""
        shell = self._shell
        assert shell is not None
        self._call(lambda: shell.on_market(events))

    def stop(self) -> None:
        try:
            if self._shell is not None:
                self._call(self._shell.stop)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    @property
    def fills(self) -> list[dict[str, Any]]:
        """The broker's own fill log."""
        path = self.settings.run_dir / "broker" / "fills.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()]


@contextmanager
def running(run_dir: Path, **changes: Any) -> Iterator[RunningBroker]:
    """A broker with a book of AURA: 30 lots on each of 99.99, 100.00, 100.01 and 100.02."""
    defaults = {
        "port": free_port(),
        "clients": (f"CLIENT{next(_clients)}",),
        "entry_latency_ms": 1.0,
        "response_latency_ms": 1.0,
    }
    broker = RunningBroker(BrokerSettings(run_dir=run_dir, **{**defaults, **changes}))
    try:
        broker.start()
        broker.market(book())
        yield broker
    finally:
        broker.stop()


def test_quickfix_client_when_order_takes_and_rests_then_is_told_of_every_step(tmp_path: Path) -> None:
    with (
        running(tmp_path / "run") as broker,
        quickfix_client(tmp_path / "client", broker.port, broker.client) as client,
    ):
        client.order("a", "1", 40, "100.01")
        new = client.expect(t150="0")
        assert (new["39"], new["151"], new["14"]) == ("0", "40", "0")
        trade = client.expect(t150="F")
        assert {
            tag: trade[tag] for tag in ("39", "32", "31", "151", "14", "6", "30", "29", "851", "12", "13")
        } == {
            "39": "1",
            "32": "30",
            "31": "100.0100",
            "151": "10",
            "14": "30",
            "6": "100.01",
            "30": "XSIM",
            "29": "1",
            "851": "2",
            "12": "0.090009",
            "13": "3",
        }
        broker.market(sold(1_000_000, 4))
        passive = client.expect(t150="F")
        assert (passive["32"], passive["31"], passive["851"], passive["39"]) == ("4", "100.0100", "1", "1")
        client.replace("b", "a", "1", 36, "100.00")
        replaced = client.expect(t150="5")
        assert (replaced["11"], replaced["41"], replaced["38"], replaced["151"]) == ("b", "a", "36", "2")
        client.cancel("c", "b", "1")
        canceled = client.expect(t150="4")
        assert (canceled["11"], canceled["41"], canceled["39"], canceled["151"]) == ("c", "b", "4", "0")
        assert [(f["exec_id"], f["quantity"], f["price_text"], f["liquidity"]) for f in broker.fills] == [
            (trade["17"], 30, "100.0100", 2),
            (passive["17"], 4, "100.0100", 1),
        ]
        assert client.stash == []


def test_simplefix_client_when_it_trades_over_a_bare_socket_then_needs_no_engine(tmp_path: Path) -> None:
    with running(tmp_path) as broker:
        client = SimplefixClient(broker.port, broker.client)
        client.order("a", "2", 5)
        assert client.expect(t150="F")["6"] == "100"
        client.cancel("b", "a", "2")
        assert client.expect(t35="9")["102"] == "0"
        client.close()


def test_logon_when_it_has_a_password_then_no_file_of_the_broker_keeps_it(tmp_path: Path) -> None:
    with running(tmp_path) as broker:
        client = SimplefixClient(broker.port, broker.client, (553, "desk-1"), (554, "not a real one"))
        text = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        client.close()
    assert b"\x01553=desk-1\x01554=**************\x01" in text
    assert b"not a real one" not in text


def test_cancel_when_a_fill_wins_the_race_then_is_rejected_as_too_late(tmp_path: Path) -> None:
    with (
        running(tmp_path / "run", entry_latency_ms=300.0, latency_sigma=0.0, latency_tail=0.0) as broker,
        quickfix_client(tmp_path / "client", broker.port, broker.client) as client,
    ):
        client.order("a", "1", 5, "100.00")
        client.expect(t150="0")
        client.cancel("c", "a", "1")
        broker.market(sold(999_900, 10))
        assert client.expect(t150="F")["39"] == "2"
        late = client.expect(t35="9")
        assert (late["11"], late["41"], late["102"], late["39"], late["434"]) == ("c", "a", "0", "2", "1")


def test_requests_when_refused_then_say_why(tmp_path: Path) -> None:
    with (
        running(tmp_path / "run", max_quantity=100, reject_symbols=("BOLT",)) as broker,
        quickfix_client(tmp_path / "client", broker.port, broker.client) as client,
    ):
        reasons = {}
        for name, side, quantity, price, symbol in (
            ("symbol", "1", 5, "100.00", "NOPE"),
            ("tick", "1", 5, "100.005", "AURA"),
            ("quantity", "1", 101, "100.00", "AURA"),
            ("taken", "1", 5, "50.00", "BOLT"),
            ("side", "5", 5, "100.00", "AURA"),
            ("price", "1", 5, "100.00001", "AURA"),
        ):
            client.order(name, side, quantity, price, symbol)
            rejected = client.expect(t150="8")
            assert (rejected["11"], rejected["39"]) == (name, "8")
            reasons[name] = rejected["103"]
        assert reasons == {
            "symbol": "1",
            "tick": "99",
            "quantity": "3",
            "taken": "0",
            "side": "11",
            "price": "99",
        }
        client.cancel("c", "nothing", "1")
        assert client.expect(t35="9")["102"] == "1"
        client.replace("r", "nothing", "1", 5, "100.00")
        assert client.expect(t35="9")["434"] == "2"
        client.send("g", [(335, "x"), (263, "0")])
        assert client.expect(t35="j")["380"] == "3"


def test_queries_when_asked_then_tell_the_state_of_one_or_all(tmp_path: Path) -> None:
    with (
        running(tmp_path / "run") as broker,
        quickfix_client(tmp_path / "client", broker.port, broker.client) as client,
    ):
        for name in ("a", "b"):
            client.order(name, "1", 5, "99.00")
            client.expect(t150="0")
        client.status("a", "1")
        assert client.expect(t150="I", t11="a")["39"] == "0"
        client.status("never", "1")
        unknown = client.expect(t150="I")
        assert (unknown["39"], unknown["37"], unknown["103"]) == ("8", "NONE", "5")
        client.send("AF", [(584, "all"), (585, "7")])
        assert [
            (r["11"], r["911"], r["912"]) for r in (client.expect(t150="I"), client.expect(t150="I"))
        ] == [
            ("a", "2", "N"),
            ("b", "2", "Y"),
        ]
        client.send("q", [(11, "kill"), (530, "7"), (60, "20261121-11:00:00")])
        assert client.expect(t35="r")["533"] == "2"
        assert {client.expect(t150="4")["11"], client.expect(t150="4")["11"]} == {"a", "b"}


def test_reports_when_the_client_is_away_then_wait_for_it(tmp_path: Path) -> None:
    with running(tmp_path / "run") as broker:
        with quickfix_client(tmp_path / "client", broker.port, broker.client) as client:
            client.order("a", "1", 5, "100.00")
            client.expect(t150="0")
        broker.market(sold(999_900, 2), sold(999_900, 2))
        with quickfix_client(tmp_path / "client", broker.port, broker.client) as client:
            first, second = client.expect(t150="F"), client.expect(t150="F")
        assert (first["14"], second["14"]) == ("2", "4")
        assert [fill["exec_id"] for fill in broker.fills] == [first["17"], second["17"]]


@pytest.mark.parametrize("cancels", [False, True])
def test_orders_when_the_client_is_lost_then_are_canceled_only_where_configured(
    tmp_path: Path, cancels: bool
) -> None:
    with running(tmp_path / "run", cancel_on_disconnect=cancels) as broker:
        lost = SimplefixClient(broker.port, broker.client)
        lost.order("a", "1", 5, "100.00")
        lost.expect(t150="0")
        lost.close()
        back = SimplefixClient(broker.port, broker.client)
        if cancels:
            assert back.expect(t150="4")["11"] == "a"
        back.status("a", "1")
        assert back.expect(t150="I")["39"] == ("4" if cancels else "0")
        back.close()


def test_clients_when_two_are_logged_on_then_each_hears_of_its_own_orders(tmp_path: Path) -> None:
    names = (f"CLIENT{next(_clients)}", f"CLIENT{next(_clients)}")
    with running(tmp_path, clients=names) as broker:
        one, two = (SimplefixClient(broker.port, name) for name in names)
        one.order("a", "1", 20, "100.01")
        two.order("a", "1", 20, "100.01")
        filled = int(one.expect(t150="F")["32"]) + int(two.expect(t150="F")["32"])
        assert filled == 30
        assert one.stash[0]["37"] != two.stash[0]["37"]
        one.close()
        two.close()


def test_start_when_the_port_is_taken_then_says_so(tmp_path: Path) -> None:
    with running(tmp_path / "one") as broker:
        other = RunningBroker(
            BrokerSettings(run_dir=tmp_path / "two", port=broker.port, clients=(f"CLIENT{next(_clients)}",))
        )
        try:
            with pytest.raises(FixEngineError, match=str(broker.port)):
                other.start()
        finally:
            other.stop()


def test_order_when_it_has_a_tag_of_the_clients_own_then_is_taken(tmp_path: Path) -> None:
    with running(tmp_path) as broker:
        client = SimplefixClient(broker.port, broker.client)
        client.order("a", "1", 5, "99.00", more=[(9001, "mine")])
        assert client.expect(t150="0")["11"] == "a"
        client.close()


def test_order_when_its_name_is_not_text_then_is_refused_and_the_next_is_taken(tmp_path: Path) -> None:
    with running(tmp_path) as broker:
        client = SimplefixClient(broker.port, broker.client)
        client.order("a", "1", 5, "99.00", more=[(58, b"\xe9")])
        assert client.expect(t35="j")["372"] == "D"
        client.order("b", "1", 5, "99.00", more=[(58, "\u00e9")])
        assert client.expect(t150="0")["11"] == "b"
        client.close()


async def test_shell_when_an_answer_cannot_be_kept_then_the_role_ends_with_the_reason(tmp_path: Path) -> None:
    client = f"CLIENT{next(_clients)}"
    shell = Shell(BrokerSettings(run_dir=tmp_path, port=free_port(), clients=(client,)))
    await shell.start()
    try:
        shell.resume()
        shell._broker._log._orders.close()  # as a full or vanished disk would
        peer = await asyncio.to_thread(SimplefixClient, shell._settings.port, client)
        peer.order("a", "1", 5, "99.00")
        with pytest.raises(ValueError, match="closed file"):
            await asyncio.wait_for(shell.failure(), 15)
        peer.close()
    finally:
        await shell.stop()
