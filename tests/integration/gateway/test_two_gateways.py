"""Two gateways on one session by mistake: one trades, the other does not."""

import asyncio
from pathlib import Path

import pytest

from service.model.events import ChildFilled
from service.transport.kafka_process import KafkaProcess
from tests.integration.gateway.stage import PRICE, stage

REFUSED = "another gateway runs on it"
CLAIMED = "another process of this machine works on it"


@pytest.mark.timeout(240)
async def test_a_second_one_is_refused_also_when_the_first_has_been_killed_and_comes_back(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    """The lock is the kernel's: a killed gateway leaves none, and of two that follow it one gets it."""
    async with stage(kafka, topic_prefix, tmp_path, gateway=("--on-runner-loss", "leave")) as on:
        await on.resting()
        second = on.new_gateway()
        await second.launch()
        assert await second.gone() != 0
        assert REFUSED in second.log.read_text()
        assert (await on.status()).logged_on
        for _ in range(3):
            on.gateway.kill()
            await on.gateway.gone()
            pair = [on.new_gateway(), on.new_gateway()]
            on.runner.told.clear()
            await asyncio.gather(*(one.launch() for one in pair))
            done, _ = await asyncio.wait(
                [asyncio.create_task(one.gone(), name=str(i)) for i, one in enumerate(pair)],
                return_when=asyncio.FIRST_COMPLETED,
                timeout=60,
            )
            (loser,) = (pair[int(task.get_name())] for task in done)
            assert REFUSED in loser.log.read_text()
            (on.gateway,) = (one for one in pair if one is not loser)
            await on.runner.synced()
            await on.fed()
            await on.settled()
            assert len((await on.status()).working) == 1
        on.runner.submit("P1.2", 100, PRICE + 100)
        await on.runner.hears(ChildFilled, "P1.2")
        assert sum(fill["quantity"] for fill in on.broker_fills()) == 100


@pytest.mark.timeout(240)
async def test_one_with_a_run_folder_of_its_own_is_refused_too(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    """It would know nothing of what the first has done, and take on its parents anew."""
    async with stage(kafka, topic_prefix, tmp_path / "a", gateway=("--on-runner-loss", "leave")) as on:
        await on.resting()
        second = on.new_gateway(tmp_path / "b")
        await second.launch()
        assert await second.gone() != 0
        assert CLAIMED in second.log.read_text()
        on.gateway.kill()
        await on.gateway.gone()
        await on.restart_gateway()
        await second.launch()
        assert await second.gone() != 0
        await on.settled()
        assert len((await on.status()).working) == 1
