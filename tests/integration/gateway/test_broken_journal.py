"""A torn, a corrupt and a full journal under a running gateway: survived, or stopped with a clear message."""

import resource
from pathlib import Path

from service.gateway.journal import examine
from service.model.events import ChildCanceled, ChildDenied, ChildSubmitted
from service.transport.kafka_process import KafkaProcess
from tests.integration.gateway.stage import PRICE, Stage, stage, until

LEAVE = ("--on-runner-loss", "leave")


async def with_an_order_and_no_gateway(on: Stage) -> tuple[Path, int]:
    """One order works, and the gateway is killed: its journal, and where the last frame ends."""
    await on.resting()
    on.gateway.kill()
    await on.gateway.gone()
    path = on.folder / "journal" / "gateway.journal"
    frames, torn = examine(path)
    assert frames > 0
    assert torn == 0
    return path, len(path.read_bytes().rstrip(b"\0"))


async def test_a_torn_tail_is_cut_off_and_the_order_is_still_ours(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    async with stage(kafka, topic_prefix, tmp_path, gateway=LEAVE) as on:
        path, end = await with_an_order_and_no_gateway(on)
        with path.open("r+b") as journal:
            journal.seek(end + 8)
            journal.write(b"half a frame that power or a kill has left")
        await on.restart_gateway()
        assert "cut off a torn tail" in on.gateway.log.read_text()
        await on.settled()
        on.runner.cancel("P1.1")
        await on.runner.hears(ChildCanceled, "P1.1")


async def test_a_corrupt_record_keeps_the_gateway_from_starting_and_says_what_to_do(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    async with stage(kafka, topic_prefix, tmp_path, gateway=LEAVE) as on:
        path, end = await with_an_order_and_no_gateway(on)
        with path.open("r+b") as journal:
            journal.seek(end // 2)
            byte = journal.read(1)[0]
            journal.seek(end // 2)
            journal.write(bytes((byte ^ 0xFF,)))
        await on.start_gateway(ready=False)
        assert await on.gateway.gone() != 0
        said = on.gateway.log.read_text()
        assert "Traceback" not in said
        assert f"{path}: the record at offset" in said
        assert "restore the file from a copy, or move it away" in said


async def test_a_full_disk_stops_new_orders_and_cancels_what_works(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    """``RLIMIT_FSIZE`` of the running process stands for the disk: it is full from the journal's end on."""
    async with stage(kafka, topic_prefix, tmp_path, gateway=LEAVE) as on:
        await on.resting()
        end = len((tmp_path / "journal" / "gateway.journal").read_bytes().rstrip(b"\0"))
        on.gateway.limit(resource.RLIMIT_FSIZE, end)
        on.runner.submit("P1.2", 100, PRICE - 100)
        await on.runner.hears(ChildCanceled, "P1.1")
        on.runner.submit("P1.3", 100, PRICE - 100)
        assert (await on.runner.hears(ChildDenied, "P1.3")).code == "KILLED"
        assert not on.runner.all(ChildSubmitted, "P1.2")
        said = await until(lambda: "no new order is sent until it is mended" in on.gateway.log.read_text())
        assert said
        assert (await on.status()).kills
