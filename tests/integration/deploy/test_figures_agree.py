"""What panels show at the end of a run is what the ledger, the record and the broker say."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from service.gateway import control_client
from service.model.events import ChildAccepted, ChildFill
from service.transport.kafka_process import KafkaProcess
from tests.integration.deploy.stack import Stack, stack
from tests.integration.gateway.stage import PRICE, SYMBOL, stage
from tests.unit.deploy.supervision import PANELS

Series = dict[tuple[tuple[str, str], ...], float]


TITLED: dict[str, dict[str, Any]] = {panel["title"]: panel for _, panel in PANELS}


def shown(on: Stack, title: str) -> Series:
    """The series of a panel by their labels; of a panel of rates, what they are the rates of."""
    (target,) = TITLED[title]["targets"]
    asked = re.sub(r"rate\((\w+)\[\$__rate_interval\]\)", r"\1", target["expr"])
    legend = re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])
    return {
        tuple((name, found["metric"].get(name, "")) for name in legend): float(found["value"][1])
        for found in on.query(asked)
    }


@pytest.mark.timeout(300)
async def test_panels_when_a_run_has_traded_then_they_equal_the_ledger_the_record_and_the_broker(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    async with stage(kafka, topic_prefix, folder) as on:
        targets = {
            role: (folder / "ready" / f"{role}.metrics").read_text().strip()
            for role in ("gateway", "broker-sim")
        }
        async with stack(tmp_path / "supervision", targets) as supervised:
            await on.admit(quantity=1000)
            for number, quantity in enumerate((100, 250), 1):
                on.runner.submit(f"P1.{number}", quantity, PRICE + 100)
            on.runner.submit("P1.3", 70, PRICE - 500)
            await on.runner.hears(ChildAccepted, "P1.3")
            record = await on.recorded(
                lambda found: sum(m.last_quantity for m in found if isinstance(m, ChildFill)) == 350
            )
            fills = [m for m in record if isinstance(m, ChildFill)]
            # The gateway tells its figures once a second.
            await supervised.evaluated(len(supervised.query("up")) + 5)
            status = await on.settled()
            (firm,) = (row for row in (await control_client.exposure(folder)).rows if row.level == "firm")

            symbol = (("symbol", SYMBOL),)
            assert shown(supervised, "Position, lots")[symbol] == status.positions[SYMBOL] == 350
            working = shown(supervised, "Working, lots")
            assert working[*symbol, ("side", "buy")] == sum(o.leaves_quantity for o in status.working) == 70
            assert shown(supervised, "Live orders") == {(): len(status.working)}
            assert shown(supervised, "Open parents") == {(): status.open_parents}
            lots: Counter[str] = Counter()
            for fill in fills:
                lots[fill.liquidity.name.lower()] += fill.last_quantity
            assert shown(supervised, "Lots filled a second, by liquidity") == {
                (("liquidity", name),): count for name, count in lots.items()
            }
            broker = shown(supervised, "Broker simulator: lots filled a second")
            assert sum(broker.values()) == sum(lots.values()) == 350
            assert sum(shown(supervised, "Fills a second").values()) == len(fills)
            profit = shown(supervised, "Profit and loss of the day")
            for kind in ("realised", "open"):
                key = (("level", "firm"), ("name", firm.name), ("kind", kind))
                assert profit[key] == float(getattr(firm, kind)), kind
            assert firm.open == -350 * 100 / 10_000
            held = shown(supervised, "Held and worked")
            assert held[("level", "firm"), ("name", firm.name), ("kind", "long")] == float(firm.long)
