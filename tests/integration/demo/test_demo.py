"""The demo as a user runs it: real processes, a real Kafka, and nothing left behind."""

import contextlib
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from service.demo.blotter import MOMENTS
from service.model.codec import encode, inline_input
from service.model.records import ModelAnswer

pytestmark = pytest.mark.timeout(400)

PROMISED = (
    "id", "symbol", "side", "policy", "quantity", "filled", "average_price", "arrival_price", "shortfall_bps",
    "vwap_slippage_bps", "twap_slippage_bps", "children", "passive_share", "fees", "state", "reason",
)  # fmt: skip
SHORT = ("--speed", "15", "--duration", "600")


def slipstream(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "service.cli", *map(str, arguments)]


def processes_of(run_dir: Path) -> list[psutil.Process]:
    """Whatever runs with this folder on its command line, or in it."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied):
            where = " ".join([*process.cmdline(), process.cwd() + "/"])
            if f"{run_dir}/" in where or f"{run_dir} " in where:
                found.append(process)
    return found


def until(condition: Callable[[], bool], what: str, timeout: float = 120.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@dataclass
class Run:
    """A finished demo."""

    folder: Path
    status: int
    output: str
    document: dict[str, Any]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("demo") / "run"
    document = folder.parent / "result.json"
    done = subprocess.run(
        slipstream("demo", "--run-dir", folder, "--json", document, *SHORT),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    output = done.stdout + done.stderr
    assert document.exists(), output
    return Run(folder, done.returncode, output, json.loads(document.read_text()))


def test_every_parent_completes_and_the_status_is_good(finished: Run) -> None:
    assert finished.status == 0, finished.output
    parents = finished.document["parents"]
    assert {p["policy"] for p in parents} == {"twap", "vwap", "pov", "is", "timing"}
    assert {p["symbol"] for p in parents} == {"AURA", "BOLT"}
    for parent in parents:
        assert parent["state"] == "filled", parent
        assert parent["filled"] == parent["quantity"]
        assert parent["children"] > 0


def test_our_fills_and_the_brokers_log_are_the_same_set_and_the_same_money(finished: Run) -> None:
    document = finished.document
    assert document["divergence"] == []
    assert document["drop_copy_breaks"] == 0
    assert document["ours"] == document["broker"]
    assert document["ours"]["fills"] > 0
    assert document["ours"]["quantity"] == sum(p["filled"] for p in document["parents"])


def test_the_document_has_every_promised_field(finished: Run) -> None:
    for parent in finished.document["parents"]:
        assert set(PROMISED) <= set(parent)
        assert all(parent[name] is not None for name in PROMISED)
    legs = finished.document["latency_us"]
    expected = ("feed_to_runner", "decide", "hop", "gate", "journal", "wire", "acknowledge", "tick_to_wire")
    assert set(legs) == set(expected)
    for leg in legs.values():
        assert leg["n"] > 0
        assert 0 <= leg["p50"] <= leg["p99"] <= leg["p999"]


def test_the_run_shows_what_it_is_to_show(finished: Run) -> None:
    seen = finished.document["seen"]
    for moment in MOMENTS:
        assert seen[moment] > 0, seen
    assert finished.document["denials"]["C4 MAX_ORDER_QUANTITY"] > 0
    assert "slipstream replay" in finished.output


def test_nothing_is_left_running(finished: Run) -> None:
    assert processes_of(finished.folder) == []
    assert not list(finished.folder.glob("*.sock"))
    assert not [p for p in (finished.folder / "ready").iterdir() if p.name != "start"]


def test_no_role_logged_an_error_or_a_traceback(finished: Run) -> None:
    for path in (finished.folder / "logs").glob("*.log"):
        text = path.read_text()
        assert "Traceback" not in text, f"{path}: {text}"
        assert "never awaited" not in text, f"{path}: {text}"


def replay(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = slipstream("replay", folder, "--check", *options)
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_replay_gives_the_recorded_decisions_exactly(finished: Run) -> None:
    done = replay(finished.folder, "--models")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"models run again on [1-9][\d,]* rows", done.stdout)
    assert "OK: every digest and every decision is the recorded one" in done.stdout


@pytest.fixture
def tampered(finished: Run, tmp_path: Path) -> tuple[Path, int, int]:
    """A copy of the run with one price of one book moved by one tick; the book's partition and offset."""
    folder = tmp_path / "run"
    shutil.copytree(finished.folder / "recording", folder / "recording")
    shutil.copytree(finished.folder / "runner", folder / "runner")
    parts = sorted((folder / "recording" / "md.v1" / "book").glob("*.parquet"))
    path = parts[len(parts) // 2]
    table = pq.ParquetFile(path).read()
    row = table.num_rows // 2
    column = table.schema.get_field_index("bids_price")
    prices = table.column(column).to_pylist()
    prices[row][-1] -= 100
    table = table.set_column(
        column, table.schema.field(column), pa.array(prices, table.schema.field(column).type)
    )
    pq.write_table(table, path)
    where = table.slice(row, 1).to_pylist()[0]
    return folder, where["kafka_partition"], where["kafka_offset"]


def test_replay_names_the_file_when_a_price_was_changed(tampered: tuple[Path, int, int]) -> None:
    done = replay(tampered[0])
    assert done.returncode == 1
    assert re.search(r"md\.v1/book/part-\d+\.parquet is not the file that was recorded", done.stderr)


def test_replay_names_the_first_input_when_a_price_was_changed_and_hashes_are_off(
    tampered: tuple[Path, int, int],
) -> None:
    folder, partition, offset = tampered
    done = replay(folder, "--no-hashes")
    assert done.returncode == 1, done.stdout + done.stderr
    where = rf"BookSnapshot of \w+, md\.v1 partition {partition} offset {offset},"
    assert re.search(rf"first input whose digest differs: \d+ \({where}", done.stdout), done.stdout
    assert re.search(r"first decision that differs: after input \d+|no decision differs", done.stdout)


def test_replay_says_which_answer_the_model_would_not_give_when_one_was_changed(
    finished: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished.folder / "recording", folder / "recording")
    shutil.copytree(finished.folder / "runner", folder / "runner")
    changed = False
    for path in sorted((folder / "recording" / "inputs.v1" / "inputs").glob("*.parquet")):
        table = pq.ParquetFile(path).read()
        column = table.schema.get_field_index("items_body")
        bodies = table.column(column).to_pylist()
        for row, place in ((r, i) for r, items in enumerate(bodies) for i in range(len(items))):
            message = inline_input(bodies[row][place]) if bodies[row][place] else None
            if isinstance(message, ModelAnswer) and message.rows:
                first, *rest = message.rows
                other = (first[0] + 0.001, *first[1:])
                bodies[row][place] = encode(msgspec.structs.replace(message, rows=(other, *rest)))
                changed = True
                break
        if changed:
            field = table.schema.field(column)
            pq.write_table(table.set_column(column, field, pa.array(bodies, field.type)), path)
            break
    assert changed, "the run asked no model"
    done = replay(folder, "--no-hashes", "--models")
    assert done.returncode == 1
    assert re.search(r"largest difference 0\.001; input \d+ is the first past 1e-05", done.stdout), (
        done.stdout
    )


def test_report_shows_the_same_result_again(finished: Run, tmp_path: Path) -> None:
    again = tmp_path / "again.json"
    command = slipstream("report", finished.folder, "--json", again)
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert "divergence none" in done.stdout
    assert json.loads(again.read_text()) == finished.document


@pytest.fixture
def started(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    folder = tmp_path / "run"
    command = slipstream("demo", "--run-dir", folder, "--speed", "20")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            yield process, folder
        finally:
            process.kill()
            process.communicate()


def until_it_fills(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    output = ""
    for line in process.stdout:
        output += line
        if "fill, " in line:
            return output
    raise AssertionError(output)


def test_no_child_is_left_when_the_demo_is_killed(started: tuple[subprocess.Popen[str], Path]) -> None:
    process, folder = started
    until_it_fills(process)
    names = [" ".join(running.cmdline()) for running in processes_of(folder)]
    assert len(names) >= 7, names
    assert any("kafka.Kafka" in name for name in names)
    process.kill()
    until(lambda: processes_of(folder) == [], f"still there: {processes_of(folder)}", 20.0)


def test_the_record_is_complete_and_exact_when_kafka_was_killed_in_the_middle(tmp_path: Path) -> None:
    folder, document = tmp_path / "run", tmp_path / "result.json"
    command = slipstream("demo", "--run-dir", folder, "--json", document, *SHORT)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            output = until_it_fills(process)
            (broker,) = (p for p in processes_of(folder) if "kafka.Kafka" in p.cmdline())
            broker.kill()
            output += process.communicate(timeout=200)[0]
        finally:
            process.kill()
    # A parent whose window passed while a slow machine started Kafka again is told so, and nothing else.
    failures = [line for line in output.splitlines() if line.startswith("failed")]
    assert all("end of window" in line for line in failures), output
    assert process.returncode == (1 if failures else 0), output
    result = json.loads(document.read_text())
    assert result["divergence"] == []
    assert result["ours"] == result["broker"]
    assert result["recording_complete"]
    replayed = replay(folder)
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert processes_of(folder) == []


def test_orders_are_cancelled_and_the_result_shown_when_the_demo_is_interrupted(
    started: tuple[subprocess.Popen[str], Path],
) -> None:
    process, folder = started
    output = until_it_fills(process)
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=120)
    output += rest
    assert process.returncode == 1, output
    assert "failed     interrupted" in output
    assert "divergence none: the same fills, and the same money" in output
    assert "still works at the broker" not in output
    assert "kill all by" in output
    assert processes_of(folder) == []
