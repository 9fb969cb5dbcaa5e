"""The doctor at a gateway, a broker and a Kafka that really run, well and broken."""

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from service.cli import main
from service.gateway import control_client
from service.transport.kafka_process import KafkaProcess
from tests.integration.gateway.stage import Stage, stage, until


async def asked(on: Stage) -> tuple[int, list[dict[str, Any]]]:
    """Exit status and findings."""
    arguments = ["doctor", "--run-dir", str(on.folder), "--kafka", on.kafka.bootstrap]
    arguments += ["--topic-prefix", on.prefix, "--broker", f"127.0.0.1:{on.port}", "--port", "0", "--json"]
    done = await asyncio.to_thread(CliRunner().invoke, main, arguments)
    return done.exit_code, json.loads(done.stdout)["findings"]


def about(found: list[dict[str, Any]], what: str) -> list[tuple[str, str]]:
    return [(one["level"], one["what"]) for one in found if one["about"] == what]


@pytest.mark.timeout(300)
async def test_doctor_when_a_running_service_is_well_then_nothing_is_wrong_and_then_each_trouble_is_named(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    async with stage(kafka, topic_prefix, tmp_path / "run") as on:
        status, found = await asked(on)
        assert [one for one in found if one["level"] == "wrong"] == []
        assert status == 0
        assert about(found, "session")[0][0] == "ok"
        assert about(found, "market data")[0][0] == "ok"
        assert about(found, "kafka")[0][0] == "ok"
        assert about(found, "topics") == [("ok", "10, 2 partitions of md.v1")]
        assert about(found, "gateway")[0][0] == "ok"
        assert about(found, "broker-sim")[0][0] == "ok"
        ((level, said),) = about(found, "locks")
        assert level == "ok"
        assert "journal by process" in said
        assert "gateway's numbers by process" in said

        await control_client.kill(on.folder, "all", "drill")
        on.broker.kill()
        await until(lambda: not _listens(on), 60.0, "the broker's end")
        while (await control_client.status(on.folder)).logged_on:
            await asyncio.sleep(0.05)
        status, found = await asked(on)
        assert status == 1
        assert about(found, "session")[0][0] == "wrong"
        assert about(found, "broker-sim")[0][0] == "wrong"
        assert ("warn", "killed: all") in about(found, "gateway")
        assert "nobody listens" in about(found, "ports")[-1][1]


def _listens(on: Stage) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", on.port)) == 0
