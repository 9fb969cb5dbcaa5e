"""The suite's own patience: a test that hangs ends, on whatever loop it waits."""

import subprocess
import sys
from pathlib import Path

import pytest

from service.settings import ROOT

HANGS = {
    "on uvloop": "async def test_it():\n    await asyncio.Event().wait()\n",
    "in what it started": (
        "async def test_it():\n"
        "    async def wait():\n"
        "        await asyncio.Event().wait()\n"
        "    await asyncio.gather(wait(), wait())\n"
    ),
    "before it begins": (
        "@pytest.fixture\n"
        "async def slow():\n"
        "    await asyncio.Event().wait()\n"
        "async def test_it(slow):\n"
        "    pass\n"
    ),
    "without a loop": "def test_it():\n    time.sleep(60)\n",
}


@pytest.mark.parametrize("hang", HANGS.values(), ids=HANGS)
def test_timeout_when_a_test_hangs_then_it_ends_and_says_where(tmp_path: Path, hang: str) -> None:
    factory = (
        "def pytest_asyncio_loop_factories(config, item):\n    return {'uvloop': uvloop.new_event_loop}\n"
    )
    (tmp_path / "conftest.py").write_text(f"import uvloop\n{factory}")
    (tmp_path / "test_hang.py").write_text(f"import asyncio, time\nimport pytest\n{hang}")
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.timeouts", "-p", "no:cacheprovider",
         "-o", "asyncio_mode=auto", "--rootdir", str(tmp_path), "--timeout", "1", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "::test_it took longer than 1 s" in ended.stdout
    assert "most recent call first" in ended.stdout
