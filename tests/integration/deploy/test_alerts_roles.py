"""Alerts on market data, parents, policies and models, from real causes to the webhooks (C31, C32)."""

import asyncio
import contextlib
import os
import re
import signal
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from service.model.orders import NewParent, ParentOrder, Side
from service.model.parameters import Parameters
from service.model.reference import load_reference
from service.settings import ROOT
from service.transport.kafka_process import KafkaProcess
from service.transport.producer import Producer
from service.transport.topics import PARENTS, ensure_topics
from tests.integration.deploy.arrivals import Arrivals, metrics_of, stop_and_go
from tests.integration.deploy.causes import ROLES
from tests.integration.deploy.stack import stack
from tests.integration.gateway.stage import Process, free_port

REFERENCE = load_reference(ROOT / "deploy/reference.toml")
TIMING = ROOT / "policies/models/timing"
SPEED = "10"
LATE = "3000"
"""Milliseconds of lateness and staleness: less is a busy machine, and no cause of ours."""
LONG, SHORT = 20_000, 4_000
"""Windows, seconds of market time: no parent of the long one gets far off its schedule in a run."""
HANGS = 13.0
"""Seconds that Kafka hangs for."""

POLICIES = """
from dataclasses import replace
from pathlib import Path

from policies.model_timing import TIMING, TimingModel
from policies.rules import TWAP
from service.policy.manifest import load_manifest

MODELS = Path(__file__).resolve().parents[1] / "models"


class Faulty:
    def target(self, view):
        raise ZeroDivisionError("drill")


class Careless:
    def place(self, view):
        return [None]


def timing(name):
    return replace(TIMING, name=name, model=TimingModel.of(load_manifest(MODELS / name)))


faulty = replace(TWAP, name="faulty", schedule=Faulty())
careless = replace(TWAP, name="careless", placement=Careless())
confused, hasty, stranger = timing("confused"), timing("hasty"), timing("stranger")
"""
PLUGINS = ("faulty", "careless", "confused", "hasty", "stranger")


def model(folder: Path, name: str, *changes: tuple[str, str]) -> None:
    """The model that ships under another name, with changes of its manifest."""
    text = (TIMING / "manifest.toml").read_text().replace('name = "timing"', f'name = "{name}"', 1)
    for pattern, now in changes:
        text, count = re.subn(pattern, now, text, flags=re.MULTILINE)
        assert count, pattern
    (folder / name).mkdir(parents=True)
    (folder / name / "manifest.toml").write_text(text)
    (folder / name / "model.onnx").symlink_to(TIMING / "model.onnx")


def desk_package(site: Path) -> None:
    """A desk's policies and models, as installed in this folder."""
    package, info = site / "drill_policies", site / "drill_policies-1.0.dist-info"
    package.mkdir(parents=True)
    info.mkdir()
    (package / "__init__.py").write_text(POLICIES)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: drill-policies\nVersion: 1.0\n")
    lines = [f"{name} = drill_policies:{name}" for name in PLUGINS]
    (info / "entry_points.txt").write_text("\n".join(["[slipstream.policies]", *lines, ""]))
    models = site / "models"
    model(models, "confused", (r"^low = -2.0\nhigh = 2.0$", "low = 1.9\nhigh = 2.0"))
    model(models, "hasty", (r"^budget_us = .*$", "budget_us = 10"))
    model(models, "stranger", (r"^low = .*\nhigh = (?!2\.0$).*$", "low = 8e8\nhigh = 9e8"))


class House:
    """All roles, as processes, on a Kafka of their own."""

    def __init__(self, kafka: KafkaProcess, prefix: str, folder: Path, site: Path) -> None:
        port = str(free_port())
        common = ("--kafka", kafka.bootstrap, "--topic-prefix", prefix, "--run-dir", str(folder))
        self.folder = folder
        self.kafka = kafka
        self.begin = folder / "begin"
        self.producer = Producer(kafka.bootstrap, client="desk", prefix=prefix)
        options = {
            "broker-sim": ("--port", port),
            "gateway": ("--broker", f"127.0.0.1:{port}"),
            "feed": (
                "--speed", SPEED, "--late-ms", LATE, "--max-pending", "4000", "--start-when", str(self.begin),
            ),
            # One port for all of its lives.
            "runner": (
                "--models", str(site / "models"), "--stale-after-ms", LATE, "--conflate-above", "800",
                "--metrics-port", str(free_port()),
            ),
        }  # fmt: skip
        self.roles = {name: Process(name, folder, *common, *more) for name, more in options.items()}

    async def fed(self) -> None:
        """Wait until the runner hears the market."""
        (address,) = metrics_of(self.folder, "runner").values()

        def heard() -> bool:
            with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
                return b"slipstream_runner_stale 0.0" in answer.read()

        deadline = time.monotonic() + 60
        while not await asyncio.to_thread(heard):
            assert time.monotonic() < deadline, "the runner does not hear the market"
            await asyncio.sleep(0.1)

    def order(self, parent_id: str, policy: str, seconds: int = LONG, **parameters: int) -> None:
        """A parent of AURA from now on."""
        parent = ParentOrder(
            id=parent_id,
            symbol="AURA",
            side=Side.BUY,
            quantity=10_000,
            policy=policy,
            account="NW-1",
            trader="alice",
            ts_utc=time.time_ns(),
            parameters=Parameters(duration=seconds, **parameters),
        )
        command = NewParent(command_id=f"new-{parent_id}", parent=parent, by="alice", ts_utc=time.time_ns())
        self.producer.send(PARENTS, REFERENCE.by_symbol["AURA"].key, command)


@asynccontextmanager
async def house(kafka: KafkaProcess, prefix: str, folder: Path, site: Path) -> AsyncIterator[House]:
    built = House(kafka, prefix, folder, site)
    await ensure_topics(kafka.bootstrap, prefix, 4)
    await built.producer.start()
    await built.producer.partitions(PARENTS)
    try:
        await asyncio.gather(*(process.start() for process in built.roles.values()))
        built.begin.touch()
        await built.fed()
        yield built
    except BaseException:
        for log in sorted(folder.glob("*.log")):
            print(f"--- {log.name}\n{log.read_text()[-6000:]}")
        raise
    finally:
        for process in built.roles.values():
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await asyncio.gather(*(process.gone() for process in built.roles.values()))
        await built.producer.stop()


async def hang(kafka: KafkaProcess) -> None:
    """Kafka answers nobody for a while."""
    assert kafka.pid is not None
    os.kill(kafka.pid, signal.SIGSTOP)
    await asyncio.sleep(HANGS)
    os.kill(kafka.pid, signal.SIGCONT)


async def starve(runner: Process, watch: Arrivals) -> None:
    """The runner works for a moment now and then only."""
    enough = asyncio.Event()
    starving = asyncio.create_task(stop_and_go(runner, 1.4, 0.1, enough))
    try:
        for name in ("RunnerConflates", "RunnerBehind"):
            await watch.once_it_lasts(name)
    finally:
        enough.set()
        await starving


@pytest.mark.timeout(400)
async def test_roles_when_data_policies_and_models_fail_then_people_know_and_of_nothing_else(
    own_kafka: KafkaProcess,
    topic_prefix: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    site, folder = tmp_path / "site", tmp_path / "run"
    desk_package(site)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(site), str(ROOT))))
    async with (
        house(own_kafka, topic_prefix, folder, site) as on,
        stack(tmp_path / "supervision", metrics_of(folder, *on.roles)) as supervised,
    ):
        watch = Arrivals(supervised, ROLES)
        await watch.quiet()

        hanging = asyncio.create_task(hang(own_kafka))
        for name in ("MarketDataStale", "FeedBehind", "FeedStuck"):
            await watch.once_it_lasts(name)
        await hanging
        await on.fed()
        await starve(on.roles["runner"], watch)

        for name in PLUGINS:
            on.order(name.upper(), name)
        on.order("BEYOND", "twap", SHORT, limit_price=100)
        names = "ParentStopped IntentsUnusable ModelBroken ModelOverBudget ModelFallbacks"
        for name in (*names.split(), "ParentOffSchedule", "ModelInputsDrift"):
            await watch.once_it_lasts(name, seconds=120.0)

        await own_kafka.stop()
        began = time.time()
        on.roles["runner"].kill()
        await on.roles["runner"].gone()
        await on.roles["runner"].launch()
        await watch.once_it_lasts("RoleDown", began, role="runner")
        for name in ("RunnerLost", "RunnerOutOfStep", "MarketDataUnowned", "ParentsUnattended"):
            await watch.once_it_lasts(name)
        watch.finished(capsys)
