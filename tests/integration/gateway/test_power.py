"""The machine's power is cut: journal and FIX store come back as they were at the last sync, or worse."""

import struct
from pathlib import Path

import pytest

from service.gateway import control_client
from service.model.events import ChildAccepted, ChildCanceled, ChildFilled
from service.transport.kafka_process import KafkaProcess
from tests.integration.gateway.stage import PRICE, Stage, stage

FRAME = struct.Struct("<4sIIQ")
HEADER = 16


def cut_journal(path: Path) -> int:
    """Cut off everything behind the last byte that was certainly synced; returns how much that was."""
    data = path.read_bytes()
    at, synced, end = HEADER, HEADER, HEADER
    while at + FRAME.size <= len(data):
        magic, size, _, known = FRAME.unpack_from(data, at)
        if magic != b"\xf5JF\x01":
            break
        synced, at = max(synced, known), at + FRAME.size + size
        end = at
    path.write_bytes(data[:synced])
    return end - synced


def cut_store(folder: Path) -> None:
    """The engine never syncs its store: nothing of it need have reached the disk but its files' names."""
    for path in folder.iterdir():
        if path.suffix in (".seqnums", ".body", ".header", ".session"):
            path.write_bytes(b"")


def gaps_seen_by_the_broker(folder: Path) -> list[str]:
    """Its ResendRequests."""
    logs = (folder / "fix" / "gateway" / "log").glob("*.messages.*")
    lines = [line for log in logs for line in log.read_text().splitlines()]
    return [line for line in lines if "\x0135=2\x01" in line and "\x0149=BROKERSIM\x01" in line]


async def cut_power(on: Stage) -> int:
    on.gateway.kill()
    await on.gateway.gone()
    lost = cut_journal(on.folder / "journal" / "gateway.journal")
    cut_store(on.folder / "fix" / "gateway" / "store")
    return lost


async def assert_books_agree(on: Stage) -> None:
    await on.settled()
    fills = on.broker_fills()
    parents = {p.parent.id: p for p in (await control_client.parents(on.folder, closed=True)).parents}
    assert sum(p.filled_quantity for p in parents.values()) == sum(f["quantity"] for f in fills)
    assert (await on.status()).positions["AURA"] == sum(
        f["quantity"] if f["side"] == 1 else -f["quantity"] for f in fills
    )


@pytest.mark.timeout(300)
async def test_after_a_power_cut_the_session_goes_on_and_the_books_agree(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    """Heartbeats every second use numbers that no journal holds; fills come in while the power goes."""
    options = ("--on-runner-loss", "leave", "--fix-heartbeat", "1")
    async with stage(kafka, topic_prefix, tmp_path, gateway=options) as on:
        await on.admit(quantity=2000)
        for number in (1, 2, 3):
            on.runner.submit(f"P1.{number}", 100, PRICE - 100 * number)
        on.runner.submit("P1.4", 100, PRICE + 100)
        await on.runner.hears(ChildFilled, "P1.4")
        await on.runner.hears(ChildAccepted, "P1.3")
        gaps = gaps_seen_by_the_broker(tmp_path)
        await cut_power(on)
        await on.restart_gateway()
        await assert_books_agree(on)
        assert len((await on.status()).working) == 3
        assert len(gaps_seen_by_the_broker(tmp_path)) > len(gaps)
        # And once more, with an order on its way and a fill in the very last moment.
        on.runner.submit("P1.5", 100, PRICE + 100)
        await on.runner.hears(ChildFilled, "P1.5")
        on.runner.submit("P1.6", 100, PRICE + 100)
        on.runner.cancel("P1.1")
        await on.runner.hears(ChildCanceled, "P1.1")
        lost = await cut_power(on)
        assert lost, "nothing was lost: this cut showed nothing"
        await on.restart_gateway()
        await assert_books_agree(on)
        on.runner.submit("P1.9", 100, PRICE + 100)
        await on.runner.hears(ChildFilled, "P1.9")
        await control_client.kill(tmp_path, "all", "end of test")
        assert not await control_client.until_nothing_works(tmp_path)
        await assert_books_agree(on)


@pytest.mark.timeout(240)
async def test_after_an_orderly_stop_numbers_go_on_without_a_gap(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    async with stage(kafka, topic_prefix, tmp_path, gateway=("--on-runner-loss", "leave")) as on:
        await on.resting()
        assert await on.gateway.stop() == 0
        before = gaps_seen_by_the_broker(tmp_path)  # a first Logon while the broker starts may be lost
        await on.restart_gateway()
        await on.settled()
        assert gaps_seen_by_the_broker(tmp_path) == before
        await control_client.kill(tmp_path, "all", "end of test")
        assert not await control_client.until_nothing_works(tmp_path)
