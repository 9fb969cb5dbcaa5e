"""Alerts on what a broker does wrong or leaves undone, from real causes to the webhooks (C31, C32, C35)."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from service.gateway import control_client
from service.model.events import Alarm, ChildDenied, ChildFilled, ChildRejected, ChildUnknown
from service.settings import ROOT
from service.transport.kafka_process import KafkaProcess
from tests.integration.deploy.arrivals import Arrivals, metrics_of
from tests.integration.deploy.causes import BROKER
from tests.integration.deploy.stack import stack
from tests.integration.fix.raw import Fields, RawPeer
from tests.integration.gateway.stage import PRICE, Stage, stage, until

SLOW = 1.6
"""Seconds to an acknowledgement."""
SESSIONS = """
[broker]
host = "127.0.0.1"
port = 1
sender_comp_id = "SLIPSTREAM"
target_comp_id = "BROKERSIM"
dialects = "{folder}/dialects.toml"
dialect = "mute"

[drop-copy]
host = "127.0.0.1"
port = 1
sender_comp_id = "SLIPDROP"
target_comp_id = "BROKERSIM"
dialect = "strict"
"""


class Broker:
    """Says of an order what the test wants it to say, and nothing by itself."""

    def __init__(self, peer: RawPeer) -> None:
        self.peer = peer
        self.told = 0

    async def order(self, on: Stage, child_id: str, price: int = PRICE - 500) -> Fields:
        """The order as it came, of 100 lots."""
        known = len(self.peer.of("D"))
        on.runner.submit(child_id, 100, price)
        await until(
            lambda: len(self.peer.of("D")) > known or on.runner.all(ChildDenied, child_id), what=child_id
        )
        assert not on.runner.all(ChildDenied, child_id), on.runner.all(ChildDenied, child_id)
        return self.peer.of("D")[-1]

    def report(self, order: Fields, exec_type: str, status: str, **changes: str) -> None:
        self.told += 1
        fields = {
            "35": "8", "37": f"B-{order['11']}", "17": f"E-{self.told}", "150": exec_type, "39": status,
            "11": order["11"], "55": order["55"], "54": order["54"], "38": "100", "14": "0", "151": "100",
            "6": "0",
        }  # fmt: skip
        self.peer.send(fields | {tag.removeprefix("_"): value for tag, value in changes.items()})

    def fill(self, order: Fields) -> None:
        price = order["44"]
        self.report(order, "F", "2", _14="100", _151="0", _6=price, _31=price, _32="100")

    def refuse(self, order: Fields) -> None:
        """A BusinessMessageReject."""
        self.peer.send(
            {"35": "j", "45": order["34"], "372": "D", "379": order["11"], "380": "0", "58": "drill"}
        )

    def refuse_mass_cancel(self, fields: Fields) -> None:
        """All that it answers of a kill."""
        if fields["35"] == "q":
            answer = {
                "35": "r",
                "11": fields["11"],
                "37": "M-1",
                "530": fields["530"],
                "531": "0",
                "532": "99",
            }
            self.peer.send(answer)


def sessions(folder: Path) -> Path:
    """A file of sessions with a broker that answers no question, and takes a mass cancel."""
    dialects = (ROOT / "fix_configs/dialects.toml").read_text()
    mute = 'order_status = "none"\n'
    assert dialects.count(mute) == 1
    (folder / "dialects.toml").write_text(dialects.replace(mute, mute + "mass_cancel = true\n"))
    path = folder / "sessions.toml"
    path.write_text(SESSIONS.format(folder=folder))
    return path


async def slow_answers(on: Stage, broker: Broker) -> None:
    """Every order so far was acknowledged late."""
    await on.admit(quantity=5_000)
    await on.fed()
    orders = [await broker.order(on, f"P1.{number}") for number in range(1, 6)]
    await asyncio.sleep(SLOW)
    for order in orders:
        broker.report(order, "0", "0")


async def missing_fill(on: Stage, broker: Broker, order: Fields) -> float:
    """A fill that the drop copy has not told when it had to; when that was, UTC."""
    broker.fill(order)
    await on.runner.hears(ChildFilled, "P1.7")
    return await alarmed(on, "DROP_COPY_BREAK")


async def alarmed(on: Stage, code: str) -> float:
    """When the gateway raised it, UTC."""

    def told(found: list[Any]) -> list[Alarm]:
        return [m for m in found if isinstance(m, Alarm) and m.code == code]

    return told(await on.recorded(lambda found: bool(told(found)), 40.0))[0].ts_utc / 1e9


@pytest.mark.timeout(400)
async def test_broker_when_it_errs_or_does_not_answer_then_people_know_and_of_nothing_else(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    async with RawPeer() as peer:
        gateway = (
            "--fix-sessions", str(sessions(tmp_path)), "--broker", f"127.0.0.1:{peer.port}",
            "--drop-copy-session", "drop-copy", "--drop-copy", "127.0.0.1:PORT",
            "--clock-max-error", "0.000001",
        )  # fmt: skip
        simulator = ("--drop-copy", "SLIPDROP")
        async with (
            stage(kafka, topic_prefix, folder, broker=simulator, gateway=gateway) as on,
            stack(tmp_path / "supervision", metrics_of(folder, "gateway", "broker-sim")) as supervised,
        ):
            broker = Broker(peer)
            watch = Arrivals(supervised, BROKER)
            await watch.quiet()
            await watch.once_it_lasts("ClockTrouble")

            await slow_answers(on, broker)
            slow = asyncio.create_task(watch.once_it_lasts("BrokerSlow"))

            began, refused = time.time(), await broker.order(on, "P1.6", PRICE - 600)
            broker.refuse(refused)
            await on.runner.hears(ChildRejected, "P1.6")
            await watch.at_once("BrokerMessageUnusable", began)
            await slow

            order = await broker.order(on, "P1.7", PRICE + 100)
            broker.report(order, "0", "0")
            began = time.time()
            nobodys = {"11": "NOBODY-1", "55": "AURA", "54": "1"}
            broker.report(nobodys, "0", "0")
            await watch.at_once("Break", began)

            began = await missing_fill(on, broker, order)
            await watch.at_once("BreakOpen", began)

            began = time.time()
            mixed = peer.of("D")[0]
            broker.report(mixed | {"54": "2"}, "0", "0")
            await on.runner.hears(ChildUnknown, "P1.1")
            await watch.at_once("UnknownOutcomes", began)
            await watch.at_once("BrokerMustBeAsked", began)

            peer.on_message = broker.refuse_mass_cancel
            began = time.time()
            await control_client.kill(folder, "all", "drill")
            await watch.at_once("KillEngaged", began)
            await watch.at_once("GatewayAlarm", began)

            began = time.time()
            on.broker.kill()
            await watch.at_once("RoleDown", began)
            await watch.once_it_lasts("DropCopyDown", began)
            await watch.at_once("DropCopyLost", await alarmed(on, "DROP_COPY_DOWN"))
            await watch.at_once("KillIncomplete", await alarmed(on, "KILL_INCOMPLETE"))
            watch.finished(capsys)
