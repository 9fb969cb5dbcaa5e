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


LEAK = (
    "async def test_it():\n"
    "    await asyncio.get_running_loop().create_server(asyncio.Protocol, '127.0.0.1', 0)\n"
)
FACTORY = (
    "import uvloop\n"
    "def pytest_asyncio_loop_factories(config, item):\n"
    "    return {'uvloop': uvloop.new_event_loop}\n"
)


def run(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """One test in a session of its own, on uvloop and with this project's settings."""
    (folder / "conftest.py").write_text(FACTORY)
    (folder / "test_it.py").write_text(f"import asyncio, time\nimport pytest\n{text}")
    settings = ("-c", str(ROOT / "pyproject.toml"), "--rootdir", str(folder), "-p", "tests.timeouts")
    return subprocess.run(
        [sys.executable, "-m", "pytest", *settings, "--timeout", "1", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


@pytest.mark.parametrize("hang", HANGS.values(), ids=HANGS)
def test_timeout_when_a_test_hangs_then_it_ends_and_says_where(tmp_path: Path, hang: str) -> None:
    ended = run(tmp_path, hang)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "::test_it took longer than 1 s" in ended.stdout
    assert "most recent call first" in ended.stdout


def test_loop_when_a_test_leaves_something_open_then_it_is_closed_and_said(tmp_path: Path) -> None:
    ended = run(tmp_path, LEAK)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "ResourceWarning: unclosed resource <TCPServer" in ended.stdout
