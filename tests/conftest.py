"""What every test may ask for. A real Kafka is one of them: there is no stand-in."""

import asyncio
import itertools
import os
import re
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop
from hypothesis import HealthCheck, settings

from service.transport.kafka_process import KafkaProcess
from tests.timeouts import pytest_timeout_set_timer

__all__ = ["pytest_timeout_set_timer"]

# No deadline: two shared cores make any one example slow now and then. A failure prints its blob.
settings.register_profile(
    "ci", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow], max_examples=100
)
settings.register_profile("deep", settings.get_profile("ci"), max_examples=5000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

_numbers = itertools.count()

# A Kafka of a test lives for a minute: the optimising compiler would take more of it than it gives back.
os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1")

# Each of these keeps every core busy for a minute or more: beside one another they would only be late.
WHOLE_SERVICE = ("tests/browser/", "tests/drills/test_processes.py", "tests/integration/demo/")

# Roles run on uvloop, so tests do. The local stream is tried on both: their transports are different classes.
_ON_BOTH_LOOPS = {"test_stream"}


def pytest_asyncio_loop_factories(
    config: pytest.Config,
    item: pytest.Item,
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Which loops a test runs on."""
    factories: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"uvloop": uvloop.new_event_loop}
    if item.path.stem in _ON_BOTH_LOOPS:
        factories["asyncio"] = asyncio.new_event_loop
    return factories


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One worker more than there are cores, since many tests wait; a few at most, each may start a Kafka."""
    return min(len(os.sched_getaffinity(0)) + 1, 6)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With ``--dist loadfile``: what runs the whole service is one file to it, for one worker."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "the whole service" if nodeid.startswith(WHOLE_SERVICE) else super()._split_scope(nodeid)

    return Scheduling(config, log)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaProcess]:
    """The session's one Kafka (a worker's, where there are several), up and answering at ``kafka.bootstrap``.

    It lives on a loop of its own, so any test's loop may talk to it. Do not kill or restart it; a drill
    takes ``own_kafka``.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="session-kafka", daemon=True)
    thread.start()

    async def make() -> KafkaProcess:
        process = KafkaProcess(tmp_path_factory.mktemp("kafka"))
        await process.start()
        return process

    try:
        process = asyncio.run_coroutine_threadsafe(make(), loop).result(timeout=110)
        try:
            yield process
        finally:
            asyncio.run_coroutine_threadsafe(process.stop(), loop).result(timeout=60)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
async def own_kafka(tmp_path: Path) -> AsyncIterator[KafkaProcess]:
    """A Kafka for this test alone, to be killed and restarted at will."""
    async with KafkaProcess(tmp_path / "kafka") as process:
        yield process


@pytest.fixture
def topic_prefix(request: pytest.FixtureRequest) -> str:
    """Start every topic, group and transactional id of a test with this, so that tests never meet."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", request.node.name)[:60].strip("-")
    return f"{name}-{next(_numbers)}-{uuid.uuid4().hex[:8]}."
