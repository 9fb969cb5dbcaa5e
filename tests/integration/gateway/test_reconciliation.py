"""Our book against a real broker's: orders that nobody here knows are found, shown and cancelled."""

import shutil
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from service.cli import main
from service.gateway import control_client
from service.gateway.intake import LOST
from service.gateway.state import ORDERS
from service.model.events import Alarm, ChildAccepted, ChildDenied, ParentAdmitted, ParentClosed
from service.model.time import SECOND
from service.transport.kafka_process import KafkaProcess
from tests.integration.gateway.stage import PRICE, stage


@pytest.mark.timeout(240)
async def test_a_gateway_without_its_journal_adopts_what_works_at_the_broker_and_can_kill_it(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    async with stage(kafka, topic_prefix, tmp_path, gateway=("--on-runner-loss", "leave")) as on:
        await on.admit()
        for number in (1, 2):
            on.runner.submit(f"P1.{number}", 100, PRICE - 100 * number)
        await on.runner.hears(ChildAccepted, "P1.2")
        known = {order.cl_ord_id for order in (await control_client.orders(tmp_path)).orders}
        await on.recorded(lambda found: any(isinstance(m, ParentAdmitted) for m in found))
        on.gateway.kill()
        await on.gateway.gone()
        shutil.move(tmp_path / "journal", tmp_path / "lost")
        await on.restart_gateway()
        record = await on.recorded(
            lambda found: sum(isinstance(m, Alarm) and m.code == "FOREIGN_ORDER" for m in found) == 2
        )
        assert record
        # What the lost journal had taken on is done in part, and nobody knows how far: it is not traded anew.
        await on.recorded(
            lambda found: any(isinstance(m, Alarm) and m.code == "PARENT_ELSEWHERE" for m in found)
        )
        assert not (await on.status()).open_parents
        found = (await control_client.orders(tmp_path)).orders
        assert {order.cl_ord_id for order in found} == known
        assert all(order.child_id.startswith("foreign:") for order in found)
        await control_client.kill(tmp_path, "symbol=AURA", "whose are these?")
        assert not await control_client.until_nothing_works(tmp_path)


@pytest.mark.timeout(240)
async def test_a_gateway_on_an_older_copy_of_its_journal_stops_before_it_trades_anything_twice(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    async with stage(kafka, topic_prefix, tmp_path, gateway=("--on-runner-loss", "leave")) as on:
        await on.admit()
        on.gateway.kill()
        await on.gateway.gone()
        # What the journal's newer version would have put on record since.
        later = ParentClosed(
            state=on.runner.parents["P1"], reason="filled", ts_event=0, ts_utc=time.time_ns() + LOST + SECOND
        )
        on.producer.send(ORDERS, b"P1", later)
        await on.recorded(lambda found: later in found)
        await on.restart_gateway()
        status = await on.status()
        assert "is an older copy: the record goes on" in status.halted
        (kill,) = status.kills
        assert (kill.scope, kill.by) == ("all", "gateway")
        on.runner.submit("P1.1", 100, PRICE - 100)
        denied = await on.runner.hears(ChildDenied, "P1.1")
        assert denied.code == "KILLED"
        # Begun again on the same copy, which has grown meanwhile, it stays so until two people have looked.
        assert await on.gateway.stop() == 0
        await on.restart_gateway()
        assert [kill.scope for kill in (await on.status()).kills] == ["all"]


@pytest.mark.timeout(240)
async def test_on_demand_the_broker_is_asked_and_the_person_is_shown_the_orders(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    async with stage(kafka, topic_prefix, tmp_path) as on:
        await on.resting()
        reply = await control_client.reconcile(tmp_path, "end of day")
        assert [order.child_id for order in reply.orders] == ["P1.1"]
        assert not (await on.settled()).unknown
        with pytest.raises(control_client.ControlError, match=r"no unknown order P1\.1"):
            await control_client.explain(tmp_path, "P1.1", reply.orders[0].status, 0, 0, "none needed")
    shown = CliRunner().invoke(main, ["orders", "--help"])
    assert "explain" in shown.output


@pytest.mark.timeout(240)
async def test_of_a_broker_that_answers_no_questions_an_order_stays_unknown_until_it_is_explained(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    options = ("--on-runner-loss", "leave", "--fix-dialect", "mute")
    async with stage(kafka, topic_prefix, tmp_path, gateway=options) as on:
        accepted = await on.resting()
        on.gateway.kill()
        await on.gateway.gone()
        await on.restart_gateway()
        assert (await on.status()).unknown == 1
        await on.recorded(
            lambda found: any(isinstance(m, Alarm) and m.code == "ASK_THE_BROKER" for m in found)
        )
        status = (await control_client.orders(tmp_path)).orders[0].status
        reply = await control_client.explain(tmp_path, "P1.1", status, 0, 0, "their desk says that it rests")
        assert [(o.child_id, o.unknown) for o in reply.orders] == [("P1.1", False)]
        assert accepted.order_id
        await control_client.kill(tmp_path, "all", "end of test")
        assert not await control_client.until_nothing_works(tmp_path)
