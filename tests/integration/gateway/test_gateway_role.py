"""The gateway as it runs: a process between a real Kafka, a real stream and a broker of its own kind."""

import asyncio
import getpass
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from service.gateway import control_client, role
from service.model.events import (
    ChildAccepted,
    ChildCanceled,
    ChildDenied,
    ChildFill,
    ChildFilled,
    ChildSubmitted,
    KillEngaged,
    Liquidity,
)
from service.model.orders import ParentStatus, Side
from service.settings import ROOT
from service.transport.kafka_probe import free_port
from service.transport.kafka_process import KafkaProcess
from service.transport.topics import TransportError
from tests.integration.gateway.stage import PRICE, stage, until

CAROL = ("carol", "carol in development")
DAVE = ("dave", "dave in development")


async def slipstream(secret: str, *arguments: str, run_dir: Path) -> str:
    """What the command line says, run as a process of its own; the secret goes in on standard input."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "service.cli", *arguments, "--run-dir", str(run_dir),
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate(secret.encode() + b"\n")
    assert process.returncode == 0, said.decode()
    return said.decode()


async def test_an_order_goes_through_and_the_records_agree(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    async with stage(kafka, topic_prefix, tmp_path) as on:
        await on.admit(quantity=300)
        on.runner.submit("P1.1", 200, PRICE + 100)
        submitted = await on.runner.hears(ChildSubmitted, "P1.1")
        stamps = submitted.stamps
        assert 0 < stamps.decided <= stamps.received <= stamps.gated <= stamps.journalled <= stamps.sent
        await on.runner.hears(ChildFilled, "P1.1")
        on.runner.submit("P1.2", 100, PRICE - 500)
        await on.runner.hears(ChildAccepted, "P1.2")
        on.runner.submit("P1.3", 1500, PRICE)
        denied = await on.runner.hears(ChildDenied, "P1.3")
        assert (denied.control, denied.code) == ("C4", "MAX_ORDER_QUANTITY")
        on.runner.cancel("P1.2")
        await on.runner.hears(ChildCanceled, "P1.2")
        on.runner.submit("P1.4", 100, PRICE + 100)
        closed = await on.closed()
        assert closed.state.status is ParentStatus.FILLED
        assert closed.state.filled_quantity == 300
        record = await on.recorded(lambda found: any(type(m).__name__ == "ParentClosed" for m in found))
        fills = [m for m in record if isinstance(m, ChildFill)]
        assert {fill.exec_id for fill in fills} == {fill["exec_id"] for fill in on.broker_fills()}
        assert {(fill.venue, fill.last_capacity, fill.liquidity) for fill in fills} == {
            ("XSIM", "1", Liquidity.REMOVED)
        }


async def test_a_kill_empties_the_market_and_blocks_new_orders_until_released(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    async with stage(kafka, topic_prefix, tmp_path) as on:
        await on.admit(quantity=1000)
        for number in range(1, 6):
            on.runner.submit(f"P1.{number}", 100, PRICE - 100 * number)
        await on.runner.hears(ChildAccepted, "P1.5")
        reply = await control_client.kill(tmp_path, "all", "drill")
        assert reply.durable
        assert not await control_client.until_nothing_works(tmp_path)
        await on.runner.hears(KillEngaged)
        await until(lambda: len(on.runner.all(ChildCanceled)) == 5, what="five cancelled children")
        on.runner.submit("P1.6", 100, PRICE - 100)
        denied = await on.runner.hears(ChildDenied, "P1.6")
        assert denied.code == "KILLED"
        # Two people, and two processes: this one is carol, and cannot be dave, too.
        proposed = await control_client.propose(tmp_path, "release", *CAROL, "drill over", target="all")
        (seen,) = (await on.status()).proposals
        with pytest.raises(control_client.ControlError, match="that is not two people"):
            await control_client.approve(tmp_path, seen, *DAVE)
        assert (await on.status()).kills
        done = await slipstream(
            DAVE[1], "release", "approve", proposed.proposal, "--as", "dave", run_dir=tmp_path
        )
        assert "carol proposes: release all: drill over" in done
        assert not (await on.status()).kills


async def test_two_people_change_a_limit_while_it_trades(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    async with stage(kafka, topic_prefix, tmp_path) as on:
        await on.admit(quantity=1000)
        file = tmp_path / "tighter.toml"
        shown = await slipstream("", "limits", "show", run_dir=tmp_path)
        file.write_text(shown.replace("max_order_quantity = 1000\n", "max_order_quantity = 50\n", 1))
        propose = ("limits", "propose", str(file), "--as", "carol", "--reason", "a calm afternoon")
        assert "proposal 1: limits" in await slipstream(CAROL[1], *propose, run_dir=tmp_path)
        done = await slipstream(DAVE[1], "limits", "approve", "1", "--as", "dave", run_dir=tmp_path)
        assert "-max_order_quantity = 1000\n+max_order_quantity = 50\n" in done
        on.runner.submit("P1.1", 100, PRICE - 100)
        assert (await on.runner.hears(ChildDenied, "P1.1")).code == "MAX_ORDER_QUANTITY"
        version = (await on.status()).limits_version
        on.gateway.kill()
        await on.gateway.gone()
        await on.restart_gateway()
        assert (await on.status()).limits_version == version


async def test_a_signal_and_a_file_kill_without_anybody_on_the_control_socket(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    async with stage(kafka, topic_prefix, tmp_path, gateway=("--on-runner-loss", "leave")) as on:
        me = f"os:{getpass.getuser()}"
        await on.admit(quantity=1000)
        await on.admit("P2", quantity=1000)
        for child in ("P1.1", "P2.1"):
            on.runner.submit(child, 100, PRICE - 100)
            await on.runner.hears(ChildAccepted, child)
        (tmp_path / "KILL").write_text("parent=P2\n")
        await on.runner.hears(ChildCanceled, "P2.1")
        assert not on.runner.all(ChildCanceled, "P1.1")
        on.gateway.signal(signal.SIGUSR1)
        await on.runner.hears(ChildCanceled, "P1.1")
        assert {(k.scope, k.by) for k in (await on.status()).kills} == {("parent=P2", me), ("all", me)}
        # The file is still there when the gateway is not: it stays killed, and would be so without a journal.
        on.gateway.kill()
        await on.gateway.gone()
        (tmp_path / "KILL").write_text("parent=P2\nsymbol=BOLT\n")
        await on.restart_gateway()
        assert {k.scope for k in (await on.status()).kills} == {"parent=P2", "all", "symbol=BOLT"}


async def test_a_lost_runner_has_its_orders_cancelled(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    async with stage(kafka, topic_prefix, tmp_path, gateway=("--runner-timeout", "0.6")) as on:
        await on.resting()
        on.runner.alive = False
        await on.runner.hears(ChildCanceled, "P1.1")


async def test_a_silent_feed_stops_new_orders_and_no_cancel(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    async with stage(kafka, topic_prefix, tmp_path) as on:
        await on.resting()
        on.market.beating = False
        status = await on.status()
        while status.heartbeat_age < 1_600_000_000:
            await asyncio.sleep(0.05)
            status = await on.status()
        on.runner.submit("P1.2", 100, PRICE - 100)
        denied = await on.runner.hears(ChildDenied, "P1.2")
        assert (denied.control, denied.code) == ("C16", "STALE_FEED")
        on.runner.cancel("P1.1")
        await on.runner.hears(ChildCanceled, "P1.1")


async def test_killed_with_orders_at_the_broker_it_comes_back_knowing_them(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    async with stage(kafka, topic_prefix, tmp_path, gateway=("--on-runner-loss", "leave")) as on:
        await on.admit(quantity=1000, side=Side.SELL)
        for number in range(1, 6):
            on.runner.submit(f"P1.{number}", 100, PRICE + 100 * number)
        await on.runner.hears(ChildAccepted, "P1.5")
        on.runner.submit("P1.6", 100, PRICE - 100)  # takes the bid, while the gateway dies
        on.gateway.kill()
        await on.gateway.gone()
        await on.restart_gateway()
        await on.settled()
        state = on.runner.parents["P1"]
        assert state.status is ParentStatus.WORKING
        orders = (await control_client.orders(tmp_path)).orders
        assert {o.child_id for o in orders} >= {f"P1.{n}" for n in range(1, 6)}
        parents = (await control_client.parents(tmp_path)).parents
        assert parents[0].filled_quantity == sum(f["quantity"] for f in on.broker_fills())
        await control_client.kill(tmp_path, "parent=P1", "end of test")
        assert not await control_client.until_nothing_works(tmp_path)
        on.gateway.kill()
        await on.gateway.gone()
        await on.restart_gateway()
        assert [kill.scope for kill in (await on.status()).kills] == ["parent=P1"]


async def test_a_second_gateway_on_the_same_journal_is_refused(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    async with stage(kafka, topic_prefix, tmp_path) as on:
        first = on.gateway
        with pytest.raises(AssertionError, match="another gateway runs on it"):
            await on.start_gateway()
        on.gateway = first
        assert (await on.status()).logged_on


async def test_a_gateway_that_finds_no_kafka_stays_and_can_be_told_to_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = 0

    async def nobody_answers(*_: object) -> None:
        nonlocal tried
        tried += 1
        raise TransportError("Kafka did not answer")

    monkeypatch.setattr(role, "ensure_topics", nobody_answers)
    monkeypatch.setattr(role, "_KAFKA_AGAIN", 0.01)
    settings = role.GatewaySettings(run_dir=tmp_path, broker=f"127.0.0.1:{free_port()}")
    stop = asyncio.Event()
    running = asyncio.create_task(role.run(settings, stop))
    await until(lambda: tried > 2 or running.done())
    assert not running.done()
    killed = await control_client.kill(tmp_path, "all", "drill")
    assert killed.durable
    stop.set()
    await asyncio.wait_for(running, 20.0)


@pytest.mark.timeout(240)
async def test_without_kafka_nothing_new_goes_out_a_kill_works_and_the_record_is_complete_afterwards(
    own_kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    options = ("--on-runner-loss", "leave")
    async with stage(own_kafka, topic_prefix, tmp_path, gateway=options) as on:
        await on.admit()
        on.runner.submit("P1.1", 100, PRICE - 100)
        on.runner.submit("P1.2", 100, PRICE - 200)
        await on.runner.hears(ChildAccepted, "P1.2")
        await own_kafka.stop()
        while (await on.status()).heartbeat_age < 1_600_000_000:
            await asyncio.sleep(0.05)
        on.runner.submit("P1.3", 100, PRICE - 100)
        assert (await on.runner.hears(ChildDenied, "P1.3")).code == "STALE_FEED"
        on.runner.cancel("P1.1")
        await on.runner.hears(ChildCanceled, "P1.1")
        told = [m for m in on.runner.told if hasattr(m, "cl_ord_id")]
        await own_kafka.start()
        record = await on.recorded(lambda found: sum(hasattr(m, "cl_ord_id") for m in found) >= len(told))
        assert [m for m in record if hasattr(m, "cl_ord_id")] == told
        # And once more without Kafka, now from the start: what is at the broker can still be killed.
        await own_kafka.stop()
        on.gateway.kill()
        await on.gateway.gone()
        await on.start_gateway(ready=False)
        await on.logged_on()
        await on.settled()
        assert len((await on.status()).working) == 1
        await control_client.kill(tmp_path, "all", "no Kafka")
        assert not await control_client.until_nothing_works(tmp_path)
        assert (await on.gateway.stop()) == 0
        await own_kafka.start()
